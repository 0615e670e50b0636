import type { NumberArray } from '../data/features.js';
import { invalidData, isTypedArray } from '../data/features.js';
import type { TextSchema } from '../data/schema.js';
import { encode } from '../data/text.js';
import { expectOptions, isBoolean, optionsOf } from '../errors/index.js';
import { callNative, type NativeModel, type NativeSession } from '../native/index.js';
import type { NamedKinds } from './outputs.js';
import type { Prediction, PredictionKind } from './predictions.js';

const stepOptions = optionsOf('session.step', { probabilities: isBoolean });

/** What the model makes of the outputs after a step. */
interface Reading {
  readonly prediction: (values: Float64Array) => unknown;
  readonly probabilities: (values: Float64Array) => Float64Array;
  /** Of a model of texts: what a step is one of. */
  readonly text: TextSchema | undefined;
}

/**
 * A model of sequences, one step at a time: what recurrent layers and scans carry and what causal attention and convolution looked at is
 * kept, so a step costs no more than itself. After n steps the prediction is the one for the whole sequence of n, masks included: a step
 * that the model's own mask leaves out changes nothing.
 */
export class Session<Kind extends PredictionKind | NamedKinds = PredictionKind> {
  readonly #native: NativeSession;
  readonly #reading: Reading;

  /** @internal Made by `fitted.session()`. */
  constructor(model: NativeModel, reading: Reading) {
    this.#native = callNative((n) => new n.Session(model));
    this.#reading = reading;
  }

  /** Steps so far. */
  get position(): number {
    return this.#native.position();
  }

  /**
   * How many steps there can be: as many as the windows that the model was fitted on, where a layer knows their places (positional
   * embedding, attention). Recurrent layers go on for ever: `Infinity`.
   */
  get limit(): number {
    return this.#native.limit() ?? Number.POSITIVE_INFINITY;
  }

  /** Outputs after a step, as the model gives them. */
  outputs(row: NumberArray | number | string): Float64Array {
    let features: Float64Array;
    if (typeof row === 'string') {
      const { text } = this.#reading;
      if (text === undefined) throw invalidData('step', 'the numbers of a step', JSON.stringify(row));
      features = Float64Array.from(encode('step', [row], text));
    } else if (typeof row === 'number') features = Float64Array.of(row);
    else if (isTypedArray(row) || (Array.isArray(row) && row.every((value) => typeof value === 'number')))
      features = Float64Array.from(row);
    else throw invalidData('step', 'the numbers of a step', String(row));
    return callNative(() => this.#native.step(features), this.step);
  }

  /**
   * Takes in the next step of the sequence and gives the prediction after it: a class name or a number, or with `probabilities: true` one
   * probability a class.
   * @throws {NablaError} `SHAPE_MISMATCH`, `NOT_FINITE`, `INVALID_OPTION` after `limit` steps
   * @example for (const row of rows) console.log(session.step(row));
   */
  step(row: NumberArray | number | string, options: { readonly probabilities: true }): Float64Array;
  step(row: NumberArray | number | string, options?: { readonly probabilities?: false }): Prediction<Kind>;
  step(row: NumberArray | number | string, options: { readonly probabilities?: boolean } = {}): unknown {
    expectOptions('session.step', options, stepOptions, this.step);
    const values = this.outputs(row);
    return options.probabilities ? this.#reading.probabilities(values) : this.#reading.prediction(values);
  }

  /** Begins a new sequence. */
  reset(): void {
    this.#native.reset();
  }
}
