import { type Activation, isActivation } from '../activations/index.js';
import {
  expectArgument,
  expectOptions,
  isBoolean,
  isInteger,
  isNumber,
  NablaError,
  notImplemented,
  optionsOf,
  register,
} from '../errors/index.js';
import { type InitializerLike, orthogonal, xavierUniform, zeros } from '../initializers/index.js';
import { isInitializer } from '../initializers/initializer.js';
import type { Regularizer } from '../regularizers/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { type Layer, type LayerOptions, layer, layerOptions, type ParameterFunction } from './layer.js';

/** Options of `simpleRnn`, `gru` and `lstm`. */
export interface RecurrentOptions extends LayerOptions {
  /** Gives [batch, time, units] instead of the last step's [batch, units]. Default `false`. */
  returnSequences?: boolean;
  /** Runs from the last step to the first; each step's output stays at its place, and "the last" is that of the first step. Default `false`. */
  reverse?: boolean;
  /** Default `'tanh'`. `simpleRnn` also has `'relu'`; others are not built yet. */
  activation?: Activation;
  /** Of the gates, default `'sigmoid'`; others are not built yet. */
  gateActivation?: Activation;
  /** Share of the input dropped in training, one mask for all steps; in [0, 1), default 0. Gal & Ghahramani 2016, arXiv:1512.05287. */
  dropout?: number;
  /** The same for the state. Not built yet. */
  recurrentDropout?: number;
  /** Default Xavier. */
  kernelInitializer?: InitializerLike;
  /** Default orthogonal. */
  recurrentInitializer?: InitializerLike;
  /** Default zeros. An LSTM adds 1 to the forget gate's (Jozefowicz et al. 2015) unless this is given. */
  biasInitializer?: InitializerLike;
  /** Not built yet. */
  regularizer?: Regularizer;
}

/** A layer that `bidirectional` can run both ways. */
export interface RecurrentLayer extends Layer {
  readonly recurrent: true;
}

type Kind = 'simpleRnn' | 'gru' | 'lstm';

const specOf = (kind: Kind) =>
  optionsOf(`layers/${kind}`, {
    returnSequences: isBoolean,
    reverse: isBoolean,
    activation: isActivation,
    gateActivation: isActivation,
    dropout: isNumber({ min: 0, below: 1 }),
    recurrentDropout: 'planned',
    kernelInitializer: isInitializer,
    recurrentInitializer: isInitializer,
    biasInitializer: isInitializer,
    regularizer: 'planned',
    ...layerOptions,
  });

const specs = { simpleRnn: specOf('simpleRnn'), gru: specOf('gru'), lstm: specOf('lstm') };
const otherActivation = (kind: Kind): string => `layers/${kind}: another activation`;
for (const kind of ['simpleRnn', 'gru', 'lstm'] as const) register(otherActivation(kind));

const made = new WeakMap<object, { again: (changes: RecurrentOptions) => RecurrentLayer; options: RecurrentOptions }>();

/** What makes the same layer again under another name or direction: for `bidirectional`. */
export const againOf = (layer: RecurrentLayer): ((changes: RecurrentOptions) => RecurrentLayer) => made.get(layer)!.again;

/** The options of a recurrent layer. */
export const recurrentOptionsOf = (layer: RecurrentLayer): RecurrentOptions => made.get(layer)!.options;

/** Whether a value came from `simpleRnn`, `gru` or `lstm`. */
export const isRecurrent = (value: unknown): value is RecurrentLayer => typeof value === 'function' && made.has(value);

/** What the cell of a kind makes of x·W: its record [batch, time, …], whose last `units` values are h. */
interface Cell {
  gates: number;
  states: number;
  run(x: Tensor, weights: Tensor, state: Tensor, parameter: ParameterFunction, options: RecurrentOptions): Tensor;
}

const recurrent = (kind: Kind, cell: Cell, self: (units: number, options?: RecurrentOptions) => RecurrentLayer) => {
  const make = (units: number, options: RecurrentOptions = {}): RecurrentLayer => {
    expectArgument(kind, 'units', units, isInteger({ min: 1 }), self);
    expectOptions(kind, options, specs[kind], self);
    const { activation = 'tanh', gateActivation = 'sigmoid', returnSequences = false, reverse = false, dropout = 0, name } = options;
    const fits = activation === 'tanh' || (kind === 'simpleRnn' && activation === 'relu');
    if (!fits || gateActivation !== 'sigmoid') notImplemented(otherActivation(kind), self);
    const value = layer(
      kind,
      (x, { parameter, path }) => {
        const trace = traceOf(x);
        if (x.rank !== 3) {
          throw new NablaError({
            code: 'SHAPE_MISMATCH',
            place: trace.label,
            layer: path,
            message: `x ${shapeText(x.shape)} is no sequence.`,
            expected: '[batch, time, features]',
            received: shapeText(x.shape),
            hint: 'a layer before this one gives the last step only without returnSequences: true; indices need an embedding first.',
          });
        }
        const [batch, , width] = x.shape as [number, number, number];
        const filled = (number: number, shape: readonly number[]): Tensor =>
          trace.apply('broadcast', [trace.constant(number)], { shape: [...shape] }, value);
        const dropped = dropout === 0 ? x : x.multiply(trace.apply('dropout', [filled(1, [batch, 1, width])], { rate: dropout }, value));
        const kernel = parameter('kernel', [width, cell.gates * units], options.kernelInitializer ?? xavierUniform());
        const weights = parameter('recurrentKernel', [units, cell.gates * units], options.recurrentInitializer ?? orthogonal());
        const bias = parameter('bias', [cell.gates * units], options.biasInitializer ?? zeros(), { decay: false });
        const forget = kind === 'lstm' && options.biasInitializer === undefined;
        // The forget gate starts open: 1 beside its bias, which itself starts at 0.
        const open = Array.from({ length: cell.gates * units }, (_, i) => (i >= units && i < 2 * units ? 1 : 0));
        const input = dropped.matmul(kernel).add(forget ? bias.add(trace.constant(open)) : bias);
        const record = cell.run(input, weights, filled(0, [batch, cell.states * units]), parameter, options);
        const all = record.shape.at(-1) === units ? record : record.slice(2, -units);
        if (returnSequences) return all;
        return (reverse ? all.slice(1, 0, 1) : all.slice(1, -1)).reshape([batch, units]);
      },
      name === undefined ? {} : { name },
    );
    made.set(value, { again: (changes) => make(units, { ...options, ...changes }), options });
    return Object.defineProperty(value, 'recurrent', { value: true }) as unknown as RecurrentLayer;
  };
  return make;
};

/**
 * Simple recurrent network, hₜ = f(xₜ·W + hₜ₋₁·U + b), f tanh or relu, h₀ = 0. Elman 1990.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; `kernel` [in, units], `recurrentKernel`
 * [units, units], `bias` [units].
 * @example simpleRnn(32, { activation: 'relu' })
 */
export const simpleRnn = (units: number, options: RecurrentOptions = {}): RecurrentLayer =>
  recurrent(
    'simpleRnn',
    {
      gates: 1,
      states: 1,
      run: (x, weights, state, _, { activation, reverse = false }) =>
        traceOf(x).apply('simpleRnn', [x, weights, state], { activation: activation === 'relu' ? 'relu' : 'tanh', reverse }, simpleRnn),
    },
    simpleRnn,
  )(units, options);

/**
 * Gated recurrent unit, reset after the product as in cuDNN and PyTorch: r, z = σ(x·W + h·U + b); n = tanh(x·Wₙ + bₙ + r⊙(h·Uₙ + cₙ));
 * h ← (1 − z)⊙n + z⊙h. Cho et al. 2014, arXiv:1406.1078.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; gates in the order r, z, n: `kernel`
 * [in, 3·units], `recurrentKernel` [units, 3·units], `bias` [3·units], `recurrentBias` cₙ [units].
 * @example gru(64, { returnSequences: true })
 */
export const gru = (units: number, options: RecurrentOptions = {}): RecurrentLayer =>
  recurrent(
    'gru',
    {
      gates: 3,
      states: 1,
      run: (x, weights, state, parameter, { biasInitializer = zeros(), reverse = false }) => {
        const bias = parameter('recurrentBias', [units], biasInitializer, { decay: false });
        return traceOf(x).apply('gru', [x, weights, state, bias], { reverse }, gru);
      },
    },
    gru,
  )(units, options);

/**
 * Long short-term memory with a forget gate: i, f, o = σ(x·W + h·U + b); g = tanh(…); c ← f⊙c + i⊙g; h ← o⊙tanh c; all states start at 0.
 * Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000.
 *
 * Shapes: [batch, time, in] → [batch, units], or [batch, time, units] with `returnSequences`; gates in the order i, f, g, o: `kernel`
 * [in, 4·units], `recurrentKernel` [units, 4·units], `bias` [4·units] (to which 1 is added for f).
 * @example sequential([embedding(65, 64), lstm(128, { returnSequences: true }), dense(65)])
 */
export const lstm = (units: number, options: RecurrentOptions = {}): RecurrentLayer =>
  recurrent(
    'lstm',
    {
      gates: 4,
      states: 2,
      run: (x, weights, state, _, { reverse = false }) => traceOf(x).apply('lstm', [x, weights, state], { reverse }, lstm),
    },
    lstm,
  )(units, options);
