import { type Activation, activate, isActivation } from '../activations/index.js';
import { expectArgument, expectOptions, isBoolean, isInteger, isNumber, NablaError, optionsOf } from '../errors/index.js';
import { type InitializerLike, orthogonal, xavierUniform, zeros } from '../initializers/index.js';
import { isInitializer } from '../initializers/initializer.js';
import type { Regularizer } from '../regularizers/index.js';
import { isRegularizer } from '../regularizers/penalties.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, expectTensor, type Layer, type LayerOptions, layer, layerOptions, type ParameterFunction, parameterOf } from './layer.js';
import { type Cell, type CellOptions, cells, type Kind } from './recurrent-cells.js';
import { scan } from './scan.js';

/** Options of `simpleRnn`, `gru` and `lstm`. */
export interface RecurrentOptions extends LayerOptions {
  /** Gives [batch, time, units] instead of the last step's [batch, units]. Default `false`. */
  returnSequences?: boolean;
  /** Runs from the last step to the first; each step's output stays at its place, and "the last" is that of the first step. Default `false`. */
  reverse?: boolean;
  /** Default `'tanh'`. Another one (but `'relu'` of `simpleRnn`) runs step by step as a `scan`, which is slower. */
  activation?: Activation;
  /** Of the gates, default `'sigmoid'`. Another one runs as a `scan`. */
  gateActivation?: Activation;
  /** Share of the input dropped in training, one mask for all steps; in [0, 1), default 0. Gal & Ghahramani 2016, arXiv:1512.05287. */
  dropout?: number;
  /** The same for the state before its product, from the same paper. Runs as a `scan`. */
  recurrentDropout?: number;
  /** Default Xavier. */
  kernelInitializer?: InitializerLike;
  /** Default orthogonal. */
  recurrentInitializer?: InitializerLike;
  /** Default zeros. An LSTM adds 1 to the forget gate's (Jozefowicz et al. 2015) unless this is given. */
  biasInitializer?: InitializerLike;
  /** A penalty on `kernel` alone, beside the trainer's. */
  regularizer?: Regularizer;
  /** A penalty on `recurrentKernel` alone. */
  recurrentRegularizer?: Regularizer;
}

/** What a recurrent layer gives with its state. */
export interface RecurrentResult {
  /** As the layer gives it when called: the last step, or all of them. */
  readonly output: Tensor;
  /** After the last step: h [batch, units]; of an LSTM h beside c, [batch, 2·units]. */
  readonly state: Tensor;
}

/** A layer that `bidirectional` can run both ways. */
export interface RecurrentLayer extends Layer {
  readonly recurrent: true;
  /**
   * The layer with its state: starts from `state` (default zeros) and gives the last one too, as an encoder hands it to a decoder.
   * @example
   * const { state } = gru(32).run(question);
   * const { output } = gru(32, { returnSequences: true }).run(answer, { state });
   */
  run(x: Tensor, options?: { readonly state?: Tensor }): RecurrentResult;
}

const specOf = (kind: Kind) =>
  optionsOf(`layers/${kind}`, {
    returnSequences: isBoolean,
    reverse: isBoolean,
    activation: isActivation,
    gateActivation: isActivation,
    dropout: isNumber({ min: 0, below: 1 }),
    recurrentDropout: isNumber({ min: 0, below: 1 }),
    kernelInitializer: isInitializer,
    recurrentInitializer: isInitializer,
    biasInitializer: isInitializer,
    regularizer: isRegularizer,
    recurrentRegularizer: isRegularizer,
    ...layerOptions,
  });

const specs = { simpleRnn: specOf('simpleRnn'), gru: specOf('gru'), lstm: specOf('lstm') };

const made = new WeakMap<object, { again: (changes: RecurrentOptions) => RecurrentLayer; options: RecurrentOptions }>();

/** What makes the same layer again under another name or direction: for `bidirectional`. */
export const againOf = (layer: RecurrentLayer): ((changes: RecurrentOptions) => RecurrentLayer) => made.get(layer)!.again;

/** The options of a recurrent layer. */
export const recurrentOptionsOf = (layer: RecurrentLayer): RecurrentOptions => made.get(layer)!.options;

/** Whether a value came from `simpleRnn`, `gru` or `lstm`. */
export const isRecurrent = (value: unknown): value is RecurrentLayer => typeof value === 'function' && made.has(value);

const expectSequence = (x: Tensor): void => {
  if (x.rank === 3) return;
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    place: traceOf(x).label,
    layer: traceOf(x).path,
    message: `x ${shapeText(x.shape)} is no sequence.`,
    expected: '[batch, time, features]',
    received: shapeText(x.shape),
    hint: 'a layer before this one gives the last step only without returnSequences: true; indices need an embedding first.',
  });
};

/** A value of every step at the last one that the mask counts: [batch, time, w], [batch, time] → [batch, w]. */
const lastCounted = (values: Tensor, steps: Tensor): Tensor => {
  const [, time, width] = values.shape as [number, number, number];
  const places = traceOf(values).constant(Array.from({ length: time }, (_, at) => at + 1));
  const chosen = steps.sum(1, { keepDims: true }).equal(places).reshape([-1, 1, time]);
  return chosen.matmul(values).reshape([-1, width]);
};

/** All steps in the cell's own operator. */
const fused = (cell: Cell, input: Tensor, weights: Tensor, state: Tensor, mask: Tensor['mask'], options: CellOptions): RecurrentResult => {
  const { units, reverse, parameter } = options;
  // The steps that count come first and in the order of the run, so that padding is what comes after the end.
  const moved = mask !== undefined && (reverse || !mask.prefix);
  const own = moved ? traceOf(input).apply('steps', [input, mask.steps], { reverse, back: false }, lastCounted) : input;
  const record = cell.record(own, weights, state, { ...options, reverse: reverse && mask === undefined, parameter });
  const all = record.shape.at(-1) === units ? record : record.slice(2, -units);
  const last = (values: Tensor): Tensor => {
    if (mask !== undefined) return lastCounted(values, mask.steps);
    return (reverse ? values.slice(1, 0, 1) : values.slice(1, -1)).reshape([-1, values.shape[2]!]);
  };
  const ends = cell.states === 1 ? last(all) : last(record.slice(2, -units)).concat(last(record.slice(2, -2 * units, -units)));
  if (mask === undefined) return { output: all, state: ends };
  const kept = moved
    ? traceOf(all).apply('steps', [all, mask.steps], { reverse, back: true }, lastCounted)
    : all.multiply(mask.steps.reshape([-1, mask.steps.shape[1]!, 1]));
  return { output: kept.withMask(mask), state: ends };
};

/** Step by step, where the operator does not have the options. */
const scanned = (
  cell: Cell,
  input: Tensor,
  weights: Tensor,
  state: Tensor,
  mask: Tensor['mask'],
  options: CellOptions,
): RecurrentResult => {
  const { units, reverse, recurrentDropout } = options;
  const trace = traceOf(input);
  const ones = trace.apply('broadcast', [trace.constant(1)], { shape: [-1, units] }, scan);
  const kept = recurrentDropout === 0 ? undefined : trace.apply('dropout', [ones], { rate: recurrentDropout, kind: 'element' }, scan);
  const step = cell.step(weights, options);
  const result = scan(
    input.withMask(mask),
    state,
    (x, before) => {
      const h = before.shape[1] === units ? before : before.slice(1, 0, units);
      const after = step(x, (kept === undefined ? h : h.multiply(kept)).matmul(weights), before);
      return { state: after, output: after.shape[1] === units ? after : after.slice(1, 0, units) };
    },
    { reverse },
  );
  return { output: result.output, state: result.state };
};

const recurrent = (kind: Kind, self: (units: number, options?: RecurrentOptions) => RecurrentLayer) => {
  const cell = cells[kind];
  const make = (units: number, options: RecurrentOptions = {}): RecurrentLayer => {
    expectArgument(kind, 'units', units, isInteger({ min: 1 }), self);
    expectOptions(kind, options, specs[kind], self);
    const { activation = 'tanh', gateActivation = 'sigmoid', returnSequences = false, reverse = false, dropout = 0, name } = options;
    const { recurrentDropout = 0, regularizer, recurrentRegularizer } = options;
    const hasOperator = (activation === 'tanh' || (kind === 'simpleRnn' && activation === 'relu')) && gateActivation === 'sigmoid';
    const own = hasOperator && recurrentDropout === 0 ? fused : scanned;

    const run = (masked: Tensor, parameter: ParameterFunction, initial: Tensor | undefined): RecurrentResult => {
      const trace = traceOf(masked);
      expectSequence(masked);
      const { mask } = masked;
      const x = masked.withMask(undefined);
      const [batch, , width] = x.shape as [number, number, number];
      const filled = (number: number, shape: readonly number[]): Tensor =>
        trace.apply('broadcast', [trace.constant(number)], { shape: [...shape] }, self);
      const dropped =
        dropout === 0 ? x : x.multiply(trace.apply('dropout', [filled(1, [batch, 1, width])], { rate: dropout, kind: 'element' }, self));
      const penalty = (of: Regularizer | undefined) => (of === undefined ? {} : { regularizer: of });
      const gates = cell.gates * units;
      const kernel = parameter('kernel', [width, gates], options.kernelInitializer ?? xavierUniform(), penalty(regularizer));
      const start = options.recurrentInitializer ?? orthogonal();
      const weights = parameter('recurrentKernel', [units, gates], start, penalty(recurrentRegularizer));
      const bias = parameter('bias', [gates], options.biasInitializer ?? zeros(), { decay: false });
      const forget = kind === 'lstm' && options.biasInitializer === undefined;
      // The forget gate starts open: 1 beside its bias, which itself starts at 0.
      const open = Array.from({ length: gates }, (_, i) => (i >= units && i < 2 * units ? 1 : 0));
      const input = dropped.matmul(kernel).add(forget ? bias.add(trace.constant(open)) : bias);
      const state = initial?.withMask(undefined) ?? filled(0, [batch, cell.states * units]);
      const result = own(cell, input, weights, state, mask, {
        units,
        reverse,
        relu: activation === 'relu',
        recurrentDropout,
        activate: (y) => activate(y, activation, parameter),
        gate: (y) => activate(y, gateActivation, parameter),
        parameter,
        ...(options.biasInitializer === undefined ? {} : { biasInitializer: options.biasInitializer }),
      });
      if (returnSequences) return result;
      return { ...result, output: cell.states === 1 ? result.state : result.state.slice(1, 0, units) };
    };
    const value = layer(kind, (x, { parameter }) => run(x, parameter, undefined).output, name === undefined ? {} : { name });
    const withState = (x: Tensor, { state }: { readonly state?: Tensor } = {}): RecurrentResult => {
      const where = called(kind, name);
      expectTensor(where, x, withState);
      if (state !== undefined) expectTensor(`${where}: the state`, state, withState);
      return traceOf(x).within(value, { kind, name }, () => run(x, parameterOf(x), state));
    };
    made.set(value, { again: (changes) => make(units, { ...options, ...changes }), options });
    return Object.defineProperties(value, { recurrent: { value: true }, run: { value: withState } }) as unknown as RecurrentLayer;
  };
  return make;
};

/**
 * Simple recurrent network, hₜ = f(xₜ·W + hₜ₋₁·U + b), f tanh by default, h₀ = 0. Elman 1990.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; `kernel` [in, units], `recurrentKernel`
 * [units, units], `bias` [units]. Where the sequence has a mask, masked steps carry the state and their output is 0.
 * @example simpleRnn(32, { activation: 'relu' })
 */
export const simpleRnn = (units: number, options: RecurrentOptions = {}): RecurrentLayer =>
  recurrent('simpleRnn', simpleRnn)(units, options);

/**
 * Gated recurrent unit, reset after the product as in cuDNN and PyTorch: r, z = σ(x·W + h·U + b); n = tanh(x·Wₙ + bₙ + r⊙(h·Uₙ + cₙ));
 * h ← (1 − z)⊙n + z⊙h. Cho et al. 2014, arXiv:1406.1078.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; gates in the order r, z, n: `kernel`
 * [in, 3·units], `recurrentKernel` [units, 3·units], `bias` [3·units], `recurrentBias` cₙ [units]. Masks as in `simpleRnn`.
 * @example gru(64, { returnSequences: true })
 */
export const gru = (units: number, options: RecurrentOptions = {}): RecurrentLayer => recurrent('gru', gru)(units, options);

/**
 * Long short-term memory with a forget gate: i, f, o = σ(x·W + h·U + b); g = tanh(…); c ← f⊙c + i⊙g; h ← o⊙tanh c; all states start at 0.
 * Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; gates in the order i, f, g, o: `kernel`
 * [in, 4·units], `recurrentKernel` [units, 4·units], `bias` [4·units] (to which 1 is added for f). Masks as in `simpleRnn`.
 * @example sequential([embedding(65, 64), lstm(128, { returnSequences: true }), dense(65)])
 */
export const lstm = (units: number, options: RecurrentOptions = {}): RecurrentLayer => recurrent('lstm', lstm)(units, options);
