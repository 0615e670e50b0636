import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { described, isTypedArray, type NumberArray, readFeatures } from '../data/features.js';
import { readRagged } from '../data/ragged.js';
import type { Schema } from '../data/schema.js';
import { encode, textRows, tokensOf } from '../data/text.js';
import {
  expectArgument,
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isListOf,
  isNumber,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import { GradientHealth } from '../health/index.js';
import { callNative, type NativeData, type NativeModel, runTask, startTask } from '../native/index.js';
import { Batcher, type BatcherOptions, batcherOptions } from './batcher.js';
import { type Epoch, epochFrom, type Scores, scoresFrom } from './epoch.js';
import { continuation, type GenerateOptions, isSignal } from './generate.js';
import { classesOf, columnsOfOutput, type NamedKinds, type OutputPlace, probabilityRows, rowsOf } from './outputs.js';
import { isRows, misfit, type PredictInput, readAnyInput, readInput, width } from './predict-input.js';
import type { Prediction, PredictionKind, Predictions, Probabilities, RowProbabilities, Sampled, StepPredictions } from './predictions.js';
import { sampledFrom } from './sampled.js';
import { Session } from './session.js';

export type { PredictInput };

/** Options of `predict` and `predictSync`. */
export interface PredictOptions {
  /** The matrix of probabilities instead of class names: one array a row, in the order of `classes`. */
  readonly probabilities?: boolean;
  /** Of a model that predicts a class for each step of a sequence: an array of names a row. Such a model's names are had in no other way. */
  readonly steps?: boolean;
}
const predictOptions = optionsOf('predict', { probabilities: isBoolean, steps: isBoolean });

/** Options of `predict` with the noise of training. */
export interface SampleOptions {
  /** Predictions drawn with dropout on, at least 2. */
  readonly samples: number;
  /** Of the noise. Default 0. */
  readonly seed?: number;
}
const sampleOptions = optionsOf('predict', { samples: isInteger({ min: 2, max: 1_000_000 }), seed: isInteger({ min: 0 }) });

/** What the native model says of itself. */
interface ModelInfo {
  readonly schema: Schema;
  readonly classes?: readonly string[] | null;
  /** Where each of several outputs lies in a row of predictions. */
  readonly outputs: readonly OutputPlace[];
  /** The axes of one prediction. */
  readonly outputShape: readonly number[];
  readonly history: readonly Epoch[];
  readonly bestEpoch: number | null;
  readonly parameters: number;
  readonly metrics: readonly Readonly<Record<string, unknown>>[];
}

/** What is known of a model that has just been fitted, so that nothing needs to be asked. */
export interface FitSummary {
  readonly history: readonly Epoch[];
  readonly bestEpoch: number | null;
  /** Why the fit ended. */
  readonly stopped: 'epochs' | 'early' | 'stop';
  /** Names of the weights that came from another model, */
  readonly taken?: readonly string[];
  /** and of all that it has. */
  readonly offered?: readonly string[];
  /** What `lsuv` did. */
  readonly scaled?: readonly UnitVariance[];
  /** What looks like a mistake. */
  readonly warnings?: readonly string[];
}

/** What `lsuv` did to one kernel, on rows of the training data. */
export interface UnitVariance {
  readonly parameter: string;
  /** Variance of its layer's outputs with the orthogonal kernel, */
  readonly before: number;
  /** and at the end. */
  readonly after: number;
  /** What the kernel was multiplied by, */
  readonly factor: number;
  /** in so many corrections. */
  readonly corrections: number;
}

/** A weight that a fit did not take from another model, and why. */
export interface NotTaken {
  readonly name: string;
  /**
   * `'new'`: only this model has it, and it started from its initializer; `'unnamed'`: both have it, and `take` does not name it, so it
   * started from its initializer too; `'unused'`: only the other model has it.
   */
  readonly why: 'new' | 'unnamed' | 'unused';
}

/** Names of the weights of a model. */
export const weightNames = (model: NativeModel): string[] =>
  (JSON.parse(callNative(() => model.weights())) as { name: string }[]).map(({ name }) => name);

/** The native side of a model. */
export let modelOf: (fitted: Fitted) => NativeModel;

/** A prompt for a model of the user's own tokens. */
const isTokens = (value: unknown): string | undefined =>
  isListOf(isString)(value) === undefined && (value as readonly unknown[]).length > 0
    ? undefined
    : "to be an array of the tokenizer's tokens";

const generateOptions = optionsOf('generate', {
  length: isInteger({ min: 0 }),
  temperature: isNumber({ min: 0 }),
  topK: isInteger({ min: 1 }),
  seed: isInteger({ min: 0 }),
  signal: isSignal,
});

/** Index of the largest of `count` values from `from` on, counted from there. */
const likeliest = (values: Float64Array, from: number, count: number): number => {
  let best = 0;
  for (let i = 1; i < count; i++) if ((values[from + i] ?? 0) > (values[from + best] ?? 0)) best = i;
  return best;
};

/** Predictions as the model gives them, `[rows, outputs]`: probabilities, or numbers in the target's own units; for the rooms above. */
// biome-ignore lint/suspicious/noExplicitAny: any fitted model has them
export let outputsOf: (fitted: Fitted<any, any>, data: Dataset) => Promise<Float64Array>;
/** Where each of several outputs lies in a row of `outputsOf`; none where there is one. */
// biome-ignore lint/suspicious/noExplicitAny: any fitted model has them
export let placesOf: (fitted: Fitted<any, any>) => readonly OutputPlace[];

/**
 * What a fit gives: weights, fitted preparation, class names, history. Immutable; memory is freed with the object, or early by
 * `using` / `Symbol.dispose`.
 */
export class Fitted<Name extends string = string, Kind extends PredictionKind | NamedKinds = PredictionKind> {
  #model: NativeModel | undefined;
  #knownInfo: ModelInfo | undefined;
  readonly #summary: FitSummary | undefined;
  readonly #threshold: number;

  static {
    outputsOf = (fitted, data) => {
      const model = fitted.#native;
      return runTask(
        (_, task) => model.predict(task, nativeOf(data)),
        (task) => task.takeNumbers(),
      );
    };
    modelOf = (fitted) => fitted.#native;
    placesOf = (fitted) => fitted.#info.outputs;
  }

  /** @internal Made by a fit or by `Fitted.load`. */
  constructor(model: NativeModel, summary?: FitSummary, threshold?: number) {
    this.#model = model;
    this.#summary = summary;
    this.#threshold = threshold ?? 0.5;
  }

  /**
   * Loads what `save` wrote. No code runs on load.
   * @throws {NablaError} `IO` with the path, `DATA_FORMAT` for a damaged or foreign file
   */
  static async load<Kind extends PredictionKind | NamedKinds = PredictionKind>(path: string): Promise<Fitted<string, Kind>> {
    expectArgument('Fitted.load', 'path', path, isString);
    const model = await runTask(
      (n, task) => n.loadModel(task, path),
      (task) => task.takeModel(),
    );
    const { threshold } = (JSON.parse(model.extra()) ?? {}) as { readonly threshold?: number };
    return new Fitted<string, Kind>(model, undefined, threshold);
  }

  get #native(): NativeModel {
    if (this.#model === undefined) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        message: 'this model was disposed of',
        place: 'Fitted',
        expected: 'a model',
        received: 'a disposed one',
      });
    }
    return this.#model;
  }

  get #info(): ModelInfo {
    if (this.#knownInfo === undefined) {
      this.#knownInfo = JSON.parse(callNative(() => this.#native.info())) as ModelInfo;
      this.#knownInfo.history.forEach(epochFrom);
    }
    return this.#knownInfo;
  }

  /** Names of the classes, in the order of the probabilities; empty where predictions are numbers (embeddings too). */
  get classes(): readonly string[] {
    return this.#info.classes ?? [];
  }

  /** Names of the outputs, where they have names. */
  get outputs(): readonly string[] {
    return this.#info.outputs.map(({ name }) => name);
  }

  /** Scores of each epoch. */
  get history(): readonly Epoch<Name>[] {
    return (this.#summary ?? this.#info).history as readonly Epoch<Name>[];
  }

  /** Index of the epoch whose weights these are, where early stopping restored the best; else the last. */
  get bestEpoch(): number {
    const { bestEpoch, history } = this.#summary ?? this.#info;
    return bestEpoch ?? history.length - 1;
  }

  /** Why the fit ended: all its epochs, early stopping, or `stop()`. Unknown for a loaded model. */
  get stopped(): FitSummary['stopped'] | undefined {
    return this.#summary?.stopped;
  }

  /** Names of the weights that this fit took `from` another model; what is not among them started from its initializer. */
  get taken(): readonly string[] {
    return this.#summary?.taken ?? [];
  }

  /** What this fit did not take `from` another model, and why; empty where there was none. */
  get notTaken(): readonly NotTaken[] {
    const { taken = [], offered } = this.#summary ?? {};
    if (offered === undefined) return [];
    const own = weightNames(this.#native);
    const fresh = own.filter((name) => !taken.includes(name));
    return [
      ...fresh.map((name): NotTaken => ({ name, why: offered.includes(name) ? 'unnamed' : 'new' })),
      ...offered.filter((name) => !own.includes(name)).map((name): NotTaken => ({ name, why: 'unused' })),
    ];
  }

  /**
   * What looks like a mistake, such as a hidden layer that starts at 0; each text is said once a process as a warning too
   * (`process.on('warning')`), before the first step.
   */
  get warnings(): readonly string[] {
    return this.#summary?.warnings ?? [];
  }

  /** The health of its gradients, where the fit looked at them. */
  get health(): GradientHealth | undefined {
    const records = this.history.flatMap(({ health }) => health?.records ?? []);
    return records.length === 0 ? undefined : new GradientHealth(records);
  }

  /** What the initializer `lsuv` did to each kernel that asked for it, in the order of the layers. */
  get scaled(): readonly UnitVariance[] {
    return this.#summary?.scaled ?? [];
  }

  /** Share of the weights of each parameter that are exactly 0, by name: what `l1` and its kin have pruned. */
  sparsity(): Map<string, number> {
    const share = (values: Float64Array) => values.reduce((zeros, w) => zeros + Number(w === 0), 0) / Math.max(values.length, 1);
    return new Map([...this.weights()].map(([name, { values }]) => [name, share(values)]));
  }

  /** Number of weights. */
  get parameters(): number {
    return this.#info.parameters;
  }

  /** Probability of the second class from which on it is predicted; 0.5 unless moved. */
  get threshold(): number {
    return this.#threshold;
  }

  /** A copy of each weight by its name, such as `dense/kernel`, row-major. */
  weights(): Map<string, { readonly shape: readonly number[]; readonly values: Float64Array }> {
    const list = JSON.parse(callNative(() => this.#native.weights())) as { name: string; shape: number[] }[];
    return new Map(list.map(({ name, shape }) => [name, { shape, values: callNative(() => this.#native.weight(name)) }]));
  }

  #className(values: Float64Array, from: number, outputs: number, classes = this.classes): string {
    let best = 0;
    if (outputs === 1) {
      best = (values[from] ?? 0) >= this.#threshold ? 1 : 0;
    } else if (outputs === 2) {
      // At ½ exactly the first class wins, as argmax has it, unless the threshold was moved.
      const p = values[from + 1] ?? 0;
      best = this.#threshold === 0.5 ? Number(p > (values[from] ?? 0)) : Number(p >= this.#threshold);
    } else {
      best = likeliest(values, from, outputs);
    }
    return classes[best] ?? String(best);
  }

  #expectProbabilities(name: string, { probabilities = false, steps = false }: PredictOptions): boolean {
    const sequence = this.#info.schema.target?.kind === 'sequence';
    if (steps && !sequence) throw invalidOption(name, 'steps', 'to be false: this model predicts rows, not each step of one', steps);
    if (sequence && !steps && !probabilities)
      throw invalidOption(name, 'steps', 'to be true: this model predicts a class for each step, an array a row', steps);
    const several = this.#info.outputs.length > 0;
    if (probabilities && this.classes.length === 0 && !several && this.#info.schema.target?.kind !== 'sequence') {
      throw invalidOption(name, 'probabilities', 'to be false: this model predicts numbers, not classes', probabilities);
    }
    return probabilities;
  }

  /** The steps of each row: their probabilities, row-major, or their classes. */
  #steps(values: Float64Array, rows: number, lengths: Uint32Array | undefined, probabilities: boolean): (Float64Array | string[])[] {
    const { names } = this.#info.schema.target as { readonly names: readonly string[] };
    const [outputs, wide] = [names.length, values.length / rows];
    return Array.from({ length: rows }, (_, row) => {
      const own = values.subarray(row * wide, row * wide + (lengths?.[row] ?? wide / outputs) * outputs);
      if (probabilities) return Float64Array.from(own);
      return Array.from({ length: own.length / outputs }, (_, at) => names[likeliest(own, at * outputs, outputs)] as string);
    });
  }

  async #sampled(input: PredictInput, options: SampleOptions): Promise<unknown> {
    expectOptions('predict', options, sampleOptions);
    const { samples, seed = 0 } = options;
    const model = this.#native;
    const data = await readAnyInput(input, this.#info.schema);
    const values = await runTask(
      (_, task) => model.predictSamples(task, data, samples, seed),
      (task) => task.takeNumbers(),
    );
    return sampledFrom(
      values,
      (JSON.parse(data.schema()) as Schema).rows,
      this.#info.outputs,
      this.#info.schema.target,
      this.classes.length,
    );
  }

  /** Predictions of several outputs, each under its name. */
  #named(values: Float64Array, rows: number, probabilities: boolean): Record<string, string[] | Float64Array | Float64Array[]> {
    const { outputs, schema } = this.#info;
    return Object.fromEntries(
      outputs.map((output) => {
        const own = columnsOfOutput(values, rows, output);
        const classes = classesOf(output, schema.target);
        if (classes.length === 0) return [output.name, own];
        if (probabilities) return [output.name, probabilityRows(own, rows)];
        const { width } = output;
        return [output.name, Array.from({ length: rows }, (_, row) => this.#className(own, row * width, width, classes))];
      }),
    );
  }

  /**
   * Predicts off the event loop: class names, or `{ probabilities: true }` for the matrix, whose rows lie in one buffer; numbers in the
   * target's own units.
   * Takes a data set, nested or typed arrays, rows as objects, or an object of columns; of a model of images also JPEG and PNG bytes, one
   * image or an array of them. Of several outputs each is under its name. Where each step of a sequence is predicted, `{ steps: true }` gives
   * for a row an array of class names, one a step (its probabilities: a matrix, row-major).
   *
   * With `samples`, Monte-Carlo dropout (Gal & Ghahramani 2016, arXiv:1506.02142): the noise of training stays on, and the mean and standard
   * deviation of that many predictions say how sure the model is. The same `seed` gives the same bits.
   * @throws {NablaError} `INVALID_OPTION` for samples of a model without noise, and for `steps` of one that predicts rows or the reverse;
   *   `NOT_FINITE` with the row whose prediction is no number
   * @example const names = await fitted.predict(test);
   * @example const { mean, standardDeviation } = await fitted.predict(test, { samples: 50, seed: 1 });
   */
  predict(input: PredictInput, options: SampleOptions): Promise<Sampled<Kind>>;
  predict(input: PredictInput, options: PredictOptions & { readonly probabilities: true }): Promise<Probabilities<Kind>>;
  predict(
    input: PredictInput,
    options: PredictOptions & { readonly steps: true; readonly probabilities?: false },
  ): Promise<StepPredictions<Kind>>;
  predict(
    input: PredictInput,
    options?: PredictOptions & { readonly probabilities?: false; readonly steps?: false },
  ): Promise<Predictions<Kind>>;
  async predict(input: PredictInput, options: PredictOptions | SampleOptions = {}): Promise<unknown> {
    if (options !== null && typeof options === 'object' && 'samples' in options) return this.#sampled(input, options);
    const plain = options as PredictOptions;
    expectOptions('predict', plain, predictOptions);
    const probabilities = this.#expectProbabilities('predict', plain);
    const model = this.#native;
    const data = await readAnyInput(input, this.#info.schema);
    const several = this.#info.outputs.length > 0;
    const sequence = this.#info.schema.target?.kind === 'sequence';
    const rows = input instanceof Dataset ? input.rows : (JSON.parse(data.schema()) as Schema).rows;
    const width = this.#info.outputShape.reduce((a, b) => a * b, 1);
    let matrix: { readonly values: Float64Array; readonly rows: Float64Array[] } | undefined;
    const task = startTask(
      (_, number) => model.predict(number, data),
      (done) => {
        if (matrix === undefined) return done.takeNumbers();
        done.takeNumbersInto(matrix.values);
        return matrix.values;
      },
    );
    if (probabilities && !several && !sequence && width > 1 && rows * width <= 1 << 22) {
      // Views of a thousand rows take as long as predicting a tenth of them: they are made while that goes on.
      const all = new Float64Array(rows * width);
      matrix = { values: all, rows: rowsOf(all, width) };
    }
    const values = await task.answer;
    if (matrix !== undefined) return matrix.rows;
    if (sequence) return this.#steps(values, rows, callNative(() => data.lengths()) ?? undefined, probabilities);
    if (this.classes.length === 0 && !several) return values;
    if (several) return this.#named(values, rows, probabilities);
    if (probabilities) return probabilityRows(values, rows);
    const outputs = values.length / rows;
    return Array.from({ length: rows }, (_, row) => this.#className(values, row * outputs, outputs));
  }

  /**
   * Predicts on the calling thread, in microseconds: one row as a flat array gives one prediction, an array of rows an array of them.
   * @example const digit = fitted.predictSync(new Float32Array(64));
   */
  predictSync(row: NumberArray | string, options: PredictOptions & { readonly probabilities: true }): RowProbabilities<Kind>;
  predictSync(rows: readonly NumberArray[], options: PredictOptions & { readonly probabilities: true }): RowProbabilities<Kind>[];
  predictSync(
    row: NumberArray | string,
    options: PredictOptions & { readonly steps: true; readonly probabilities?: false },
  ): StepPredictions<Kind>[number];
  predictSync(
    rows: readonly NumberArray[],
    options: PredictOptions & { readonly steps: true; readonly probabilities?: false },
  ): StepPredictions<Kind>;
  predictSync(
    row: NumberArray | string,
    options?: PredictOptions & { readonly probabilities?: false; readonly steps?: false },
  ): Prediction<Kind>;
  predictSync(
    rows: readonly NumberArray[],
    options?: PredictOptions & { readonly probabilities?: false; readonly steps?: false },
  ): Prediction<Kind>[];
  predictSync(input: NumberArray | readonly NumberArray[] | string, options?: PredictOptions): unknown {
    if (options !== undefined) expectOptions('predictSync', options, predictOptions, this.predictSync);
    const probabilities = this.#expectProbabilities('predictSync', options ?? {});
    const model = this.#native;
    const size = this.#info.schema.width;
    let features: Float32Array | Float64Array;
    let rows = 1;
    let lengths: Uint32Array | undefined;
    const { ragged = false, sampleShape, text } = this.#info.schema;
    const texts = text !== undefined && ragged ? textRows(input, text, sampleShape[0]!) : undefined;
    const nested =
      texts !== undefined
        ? Array.isArray(input)
        : ragged
          ? isRows(input, sampleShape)
          : Array.isArray(input) && typeof input[0] !== 'number';
    if (texts !== undefined) {
      ({ rows, lengths } = texts);
      features = Float64Array.from(texts.features);
    } else if (ragged) {
      const read = readRagged('features', nested ? input : [input], sampleShape[0]);
      ({ rows, lengths } = read);
      features = read.values as Float64Array;
    } else if (input instanceof Float32Array) {
      if (input.length !== size) throw misfit(this.#info.schema, `${input.length} values`, `${size} values`);
      features = input;
    } else if (!nested && (isTypedArray(input) || Array.isArray(input))) {
      if (input.length !== size) throw misfit(this.#info.schema, `${input.length} values`, `${size} values`);
      const { values } = readFeatures('features', input, { shape: [1, size] });
      features = values instanceof Float32Array ? values : Float64Array.from(values);
    } else {
      if (!nested)
        throw new NablaError({
          code: 'INVALID_DATA',
          message: `expected a row or an array of rows, got ${described(input)}`,
          place: 'predictSync',
        });
      const matrix = readFeatures('features', input);
      if (width(matrix.sampleShape) !== size)
        throw misfit(this.#info.schema, `rows of ${width(matrix.sampleShape)}`, `rows of ${size} values`);
      rows = matrix.rows;
      features = matrix.values instanceof Float64Array ? matrix.values : Float64Array.from(matrix.values);
    }
    const values = callNative(() => model.predictSync(features, lengths), this.predictSync);
    const outputs = values.length / rows;
    if (this.#info.outputs.length > 0) {
      const all = Array.from({ length: rows }, (_, row) => {
        const one = this.#named(values.subarray(row * outputs, (row + 1) * outputs), 1, probabilities);
        return Object.fromEntries(Object.entries(one).map(([name, value]) => [name, value.length === 1 ? value[0] : value]));
      });
      return nested ? all : all[0];
    }
    if (this.#info.schema.target?.kind === 'sequence') {
      const all = this.#steps(values, rows, lengths, probabilities);
      return nested ? all : all[0];
    }
    if (this.classes.length > 0) {
      if (probabilities) {
        const matrix = probabilityRows(values, rows);
        return nested ? matrix : matrix[0];
      }
      if (!nested) return this.#className(values, 0, outputs);
      return Array.from({ length: rows }, (_, row) => this.#className(values, row * outputs, outputs));
    }
    const number = (row: number) => (outputs === 1 ? values[row] : Float64Array.from(values.subarray(row * outputs, (row + 1) * outputs)));
    return nested ? Array.from({ length: rows }, (_, row) => number(row)) : number(0);
  }

  /**
   * The loss and the recipe's metrics on a data set with targets, off the event loop.
   * @throws {NablaError} `NOT_FINITE` where the loss is beyond the numbers that there are; a metric that is not defined is NaN
   * @example const { accuracy } = await fitted.evaluate(test);
   */
  async evaluate(data: Dataset): Promise<Scores<Name>> {
    if (!(data instanceof Dataset)) {
      throw new NablaError({
        code: 'INVALID_DATA',
        message: `expected a Dataset, got ${described(data)}`,
        place: 'evaluate',
        expected: 'a Dataset',
        received: described(data),
      });
    }
    const model = this.#native;
    const native = readInput(data, this.#info.schema);
    const { target } = schemaOf(data);
    const own = this.#info.schema.target;
    const classes = own?.kind === 'classes' ? own.names : [];
    const several = own?.kind === 'several';
    const wanted =
      own?.kind === 'sequence'
        ? `one of ${own.names.length} classes a step (${own.names
            .slice(0, 12)
            .map((name) => JSON.stringify(name))
            .join(', ')})`
        : several
          ? `targets ${own.targets.map(({ name }) => name).join(', ')}`
          : classes.length > 0
            ? `classes ${classes.slice(0, 12).join(', ')}`
            : 'numbers';
    const fits =
      own?.kind === 'sequence'
        ? target?.kind === 'sequence' && target.names.join('\n') === own.names.join('\n')
        : several
          ? JSON.stringify(target) === JSON.stringify(own)
          : classes.length > 0
            ? target?.kind === 'classes' && target.names.join('\n') === classes.join('\n')
            : target?.kind === 'numbers';
    if (!fits) {
      const received =
        target === null
          ? 'no target'
          : target.kind === 'classes'
            ? `classes ${target.names.slice(0, 12).join(', ')}`
            : target.kind === 'sequence'
              ? `one of ${target.names.length} classes a step`
              : target.kind === 'several'
                ? `targets ${data.targetNames.join(', ')}`
                : 'numbers';
      throw new NablaError({
        code: 'INVALID_DATA',
        message: `the model predicts ${wanted}; the target of this data set is ${received}`,
        place: 'evaluate',
        expected: wanted,
        received,
      });
    }
    const scores = scoresFrom<Name>(
      JSON.parse(
        await runTask(
          (_, task) => model.evaluate(task, native),
          (task) => task.takeText(),
        ),
      ) as Record<string, number | null>,
    );
    if (!Number.isFinite(scores.loss)) {
      throw new NablaError({
        code: 'NOT_FINITE',
        message: 'the loss of these rows is not finite: a prediction or a loss is beyond the numbers that there are',
        place: 'evaluate',
        expected: 'a finite loss',
        received: String(scores.loss),
        hint: "Look for values far from those of the training rows, standardize the features, or train with precision: 'f64'.",
      });
    }
    return this.#threshold === 0.5 ? scores : { ...scores, ...(await this.#thresholded(data, native)) };
  }

  /**
   * Metrics under a moved threshold t. They decide at ½, so each probability p goes through the monotone map that takes t to ½
   * (p ↦ p/2t below, ½ + (p − t)/2(1 − t) above): decisions are those of t, and measures of ranking do not change.
   */
  async #thresholded(data: Dataset, native: NativeData): Promise<Record<string, number>> {
    const t = this.#threshold;
    const values = await runTask(
      (_, task) => this.#native.predict(task, native),
      (task) => task.takeNumbers(),
    );
    const outputs = values.length / data.rows;
    const moved = Float64Array.from({ length: data.rows }, (_, row) => {
      const p = values[row * outputs + outputs - 1] ?? 0;
      return p < t ? p / (2 * t) : 0.5 + (p - t) / (2 * (1 - t));
    });
    const truth = data.targets();
    const result: Record<string, number> = {};
    for (const spec of this.#info.metrics) {
      result[String(spec.name)] = callNative((n) => n.metric(JSON.stringify(spec), truth, moved, 1, 2, data.weights() ?? null));
    }
    return result;
  }

  /**
   * The same model with another decision between two classes: the second is predicted where its probability is at least `threshold`.
   * @throws {NablaError} `INVALID_OPTION` unless there are two classes and 0 < threshold < 1
   */
  withThreshold(threshold: number): Fitted<Name, Kind> {
    expectArgument('withThreshold', 'threshold', threshold, isNumber({ above: 0, below: 1 }), this.withThreshold);
    if (this.classes.length !== 2)
      throw invalidOption('withThreshold', 'the model', 'to have two classes', this.classes.length, this.withThreshold);
    return new Fitted<Name, Kind>(this.#native, this.#summary ?? { ...this.#info, stopped: 'epochs' }, threshold);
  }

  /**
   * Saves into a folder: `model.safetensors` (weights and all that is needed to load) and `model.json` (a copy of the description, to read). The old one stays whole until the new one
   * is complete.
   * @throws {NablaError} `IO` with the path
   */
  async save(path: string): Promise<void> {
    expectArgument('save', 'path', path, isString);
    const model = this.#native;
    await runTask(
      (_, task) => model.save(task, path, JSON.stringify({ threshold: this.#threshold })),
      (task) => task.takeDone(),
    );
  }

  /**
   * Steps a model of sequences whose layers look back only: recurrent layers forwards, causal attention, and what works on each step
   * alone. A session is independent of others, and of the model's `predict`.
   * @throws {NablaError} `INVALID_OPTION` naming the layer that looks at later steps or at all of them (bidirectional, attention that is
   * not causal, pooling over time, flatten, a `scan`)
   * @example
   * const session = fitted.session();
   * for (const row of rows) console.log(session.step(row));
   * session.reset();
   */
  session(): Session<Kind> {
    const { target } = this.#info.schema;
    const steps = target?.kind === 'sequence' ? target.names : undefined;
    if (this.#info.outputs.length > 0)
      throw invalidOption(
        'session',
        'the model',
        'to have one output',
        this.#info.outputs.map(({ name }) => name),
        this.session,
      );
    return new Session<Kind>(this.#native, {
      text: this.#info.schema.text,
      prediction: (values) => {
        if (steps !== undefined) return steps[likeliest(values, 0, values.length)];
        if (this.classes.length > 0) return this.#className(values, 0, values.length);
        return values.length === 1 ? values[0] : values;
      },
      probabilities: (values) => {
        this.#expectProbabilities('session', { probabilities: true });
        return steps === undefined ? probabilityRows(values, 1)[0]! : values;
      },
    });
  }

  /**
   * Continues a text, one character (word, token: as the model was fitted) after the other, each drawn from what the model expects next. It runs in a session, so the model must
   * look back only: recurrent and causal layers do. One that knows places (a transformer) looks back at most as far as the windows it was
   * fitted on, and at least half as far.
   * @throws {NablaError} `INVALID_DATA` for a prompt without characters or with one the model does not know; `INVALID_OPTION` as `session`
   * @example for await (const character of fitted.generate('ROMEO:', { length: 200, temperature: 0.8 })) process.stdout.write(character);
   */
  generate(prompt: string | readonly string[], options: GenerateOptions): AsyncIterable<string> {
    const own = this.#info.schema.text?.unit === 'own';
    expectArgument('generate', 'the prompt', prompt, own ? isTokens : isString, this.generate);
    expectOptions('generate', options, generateOptions, this.generate);
    if (options.length === undefined) throw invalidOption('generate', 'length', 'to be given', undefined, this.generate);
    const { target, ragged, text } = this.#info.schema;
    if (target?.kind !== 'sequence' || ragged || text === undefined) {
      const expected = 'a model of text (Dataset.fromText)';
      throw new NablaError(
        { code: 'INVALID_DATA', message: `expected ${expected}`, place: 'generate', expected },
        { caller: this.generate },
      );
    }
    const tokens = text.unit === 'own' ? prompt : tokensOf('prompt', prompt as string, text.unit);
    return continuation(encode('prompt', tokens as readonly string[], text), target.names, this.session(), options);
  }

  /**
   * Joins single requests of a server into native calls of up to `maxBatch` rows, off the event loop. Each request has the bits that it has
   * alone, and a row that cannot be read rejects its own request only.
   *
   * A request waits `maxWaitMs` at most for others; where more than `maxQueue` have no answer yet, another is refused with `OVERLOADED`.
   * @example
   * const batcher = fitted.batcher({ maxBatch: 64, maxWaitMs: 2, maxQueue: 1000 });
   * const digit = await batcher.predict(pixels, { signal: AbortSignal.timeout(50) });
   */
  batcher(options: BatcherOptions = {}): Batcher<Kind> {
    expectOptions('batcher', options, batcherOptions, this.batcher);
    return new Batcher<Kind>(
      {
        check: (asked) => void this.#expectProbabilities('batcher.predict', asked),
        predict: (rows, asked) => this.predict(rows as never, asked as never),
      },
      options,
    );
  }

  /** Frees the native memory early; never needed. */
  [Symbol.dispose](): void {
    this.#model = undefined;
  }

  get [Symbol.toStringTag](): string {
    return 'Fitted';
  }
}
