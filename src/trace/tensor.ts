import {
  type Caller,
  expectArgument,
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isListOf,
  isNumber,
  notImplemented,
  register,
} from '../errors/index.js';
import type { OperatorName, Operators } from './operators.js';
import type { Trace } from './trace.js';

/** What the elements are: numbers to compute with, or indices of classes. */
export type TensorType = 'float' | 'index';

/** What an operator takes beside its tensor: another one, or a number. */
export type Operand = Tensor | number;

/** Options of `sum`, `mean` and `max`. */
export interface ReduceOptions {
  /** Keeps each reduced axis with size 1, so the result broadcasts against the input. Default `false`. */
  keepDims?: boolean;
}

const reduceOptions = { keepDims: isBoolean };
const matmulOptions = { transposeA: isBoolean, transposeB: isBoolean };
const isShape = isListOf(isInteger());

export let traceOf: (x: Tensor) => Trace;
export let idOf: (x: Tensor) => number;

/**
 * A symbolic value: it exists while a model, a loss or a layer is traced, knows its shape, and holds no data. Each method is one
 * operator of the graph (activations that are a formula of others are a few). Numbers are operands too: `x.multiply(0.5)`.
 *
 * Binary operators broadcast by NumPy's rules: shapes are aligned at their last axes, a missing axis or one of size 1 is stretched.
 * @throws {NablaError} `SHAPE_MISMATCH`, with the path of the layer and a stack that starts at the line that called the operator
 */
export class Tensor {
  readonly #trace: Trace;
  readonly #id: number;
  #shape: readonly number[] | undefined;
  /** `'float'`, or `'index'` for class labels. */
  readonly type: TensorType;

  static {
    traceOf = (x) => x.#trace;
    idOf = (x) => x.#id;
  }

  /** Made by tracing only: `trace.input`, a layer's `parameter`, an operator. */
  constructor(trace: Trace, id: number, type: TensorType) {
    this.#trace = trace;
    this.#id = id;
    this.type = type;
  }

  /** Sizes of the axes; −1 is the batch, whose size is known only when it runs. */
  get shape(): readonly number[] {
    this.#shape ??= Object.freeze([...this.#trace.shapeOf(this.#id)]);
    return this.#shape;
  }

  /** Number of axes, batch included. */
  get rank(): number {
    return this.shape.length;
  }

  #apply<N extends OperatorName>(operator: N, attributes: Operators[N], caller: Caller, others: readonly Operand[] = []): Tensor {
    const tensors = others.map((other) => operand(this.#trace, operator, other, caller));
    return this.#trace.apply(operator, [this, ...tensors], attributes, caller);
  }

  #reduce(operator: 'sum' | 'mean' | 'max', axes: number | readonly number[] | undefined, options: ReduceOptions, caller: Caller): Tensor {
    const list = axes === undefined ? null : typeof axes === 'number' ? [axes] : axes;
    if (list !== null) expectArgument(operator, 'axes', list, isShape, caller);
    expectOptions(operator, options, reduceOptions, caller);
    return this.#apply(operator, { axes: list, keepDims: options.keepDims ?? false }, caller);
  }

  // ── two operands, with broadcasting ──

  /** x + y. */
  add(y: Operand): Tensor {
    return this.#apply('add', {}, this.add, [y]);
  }
  /** x − y. */
  subtract(y: Operand): Tensor {
    return this.#apply('subtract', {}, this.subtract, [y]);
  }
  /** x · y, element by element; the matrix product is `matmul`. */
  multiply(y: Operand): Tensor {
    return this.#apply('multiply', {}, this.multiply, [y]);
  }
  /** x / y. */
  divide(y: Operand): Tensor {
    return this.#apply('divide', {}, this.divide, [y]);
  }
  /** The larger of x and y, element by element; `max` reduces an axis. */
  maximum(y: Operand): Tensor {
    return this.#apply('maximum', {}, this.maximum, [y]);
  }
  /** The smaller of x and y. */
  minimum(y: Operand): Tensor {
    return this.#apply('minimum', {}, this.minimum, [y]);
  }
  /** 1 where x > y, else 0. No gradient. */
  greater(y: Operand): Tensor {
    return this.#apply('greater', {}, this.greater, [y]);
  }
  /** 1 where x < y, else 0. No gradient. */
  less(y: Operand): Tensor {
    return this.#apply('less', {}, this.less, [y]);
  }
  /** 1 where x = y, else 0. No gradient. */
  equal(y: Operand): Tensor {
    return this.#apply('equal', {}, this.equal, [y]);
  }

  // ── one operand, element by element ──

  /** −x. */
  negate(): Tensor {
    return this.#apply('negate', {}, this.negate);
  }
  /** |x|. */
  abs(): Tensor {
    return this.#apply('abs', {}, this.abs);
  }
  /** −1, 0 or 1. */
  sign(): Tensor {
    return this.#apply('sign', {}, this.sign);
  }
  /** eˣ. */
  exp(): Tensor {
    return this.#apply('exp', {}, this.exp);
  }
  /** eˣ − 1, with all its digits near 0. */
  expm1(): Tensor {
    return this.#apply('expm1', {}, this.expm1);
  }
  /** The natural logarithm; −∞ at 0, NaN below. */
  log(): Tensor {
    return this.#apply('log', {}, this.log);
  }
  /** log(1 + x), with all its digits near 0. */
  log1p(): Tensor {
    return this.#apply('log1p', {}, this.log1p);
  }
  /** √x; NaN below 0. */
  sqrt(): Tensor {
    return this.#apply('sqrt', {}, this.sqrt);
  }
  /** x². */
  square(): Tensor {
    return this.#apply('square', {}, this.square);
  }
  /** 1/x. */
  reciprocal(): Tensor {
    return this.#apply('reciprocal', {}, this.reciprocal);
  }
  /** The error function, 2/√π ∫₀ˣ exp(−t²) dt. */
  erf(): Tensor {
    return this.#apply('erf', {}, this.erf);
  }

  // ── activations ──

  /** max(x, 0). Nair & Hinton 2010. */
  relu(): Tensor {
    return this.#apply('relu', {}, this.relu);
  }
  /** (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ). */
  tanh(): Tensor {
    return this.#apply('tanh', {}, this.tanh);
  }
  /** 1/(1 + e⁻ˣ). */
  sigmoid(): Tensor {
    return this.#apply('sigmoid', {}, this.sigmoid);
  }
  /** x·Φ(x), Φ the normal distribution function, in its exact form with erf (not the tanh approximation). Hendrycks & Gimpel 2016, arXiv:1606.08415. */
  gelu(): Tensor {
    return this.#apply('gelu', {}, this.gelu);
  }
  /** log(1 + eˣ). */
  softplus(): Tensor {
    return this.#apply('softplus', {}, this.softplus);
  }
  /** eˣⁱ / Σⱼ eˣʲ along the last axis. */
  softmax(): Tensor {
    return this.#apply('softmax', {}, this.softmax);
  }
  /** xᵢ − log Σⱼ eˣʲ along the last axis: `softmax().log()` without its loss of digits. */
  logSoftmax(): Tensor {
    return this.#apply('logSoftmax', {}, this.logSoftmax);
  }
  /** x above 0, `slope`·x below. `slope` 0.01 (Maas, Hannun & Ng 2013), in [0, 1]. Keras's default is 0.3. */
  leakyRelu(slope = 0.01): Tensor {
    const words = isNumber({ min: 0, max: 1 })(slope);
    if (words !== undefined) throw invalidOption('leakyRelu', 'slope', words, slope, this.leakyRelu);
    return this.maximum(this.multiply(slope));
  }
  /** Leaky ReLU with a slope that is learned: max(x, 0) + `slope`·min(x, 0). He et al. 2015, arXiv:1502.01852, equation 1. */
  prelu(slope: Operand): Tensor {
    return this.relu().add(this.minimum(0).multiply(slope));
  }
  /** x above 0, `alpha`·(eˣ − 1) below. Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289; their α = 1. */
  elu(alpha = 1): Tensor {
    // expm1 sees min(x, 0) only: a large x would overflow in the branch that is not taken, and ∞·0 is NaN in the gradient.
    return this.relu().add(this.minimum(0).expm1().multiply(alpha));
  }
  /** λ·elu(x, α), which keeps mean 0 and variance 1 from layer to layer. Klambauer et al. 2017, arXiv:1706.02515, equation 14. */
  selu(): Tensor {
    return this.elu(1.6732632423543772).multiply(1.0507009873554805);
  }
  /** x·sigmoid(x), also called Swish. Elfwing, Uchibe & Doya 2017, arXiv:1702.03118. */
  silu(): Tensor {
    return this.multiply(this.sigmoid());
  }
  /** x·tanh(softplus(x)). Misra 2019, arXiv:1908.08681. */
  mish(): Tensor {
    return this.multiply(this.softplus().tanh());
  }
  /** max(0, min(1, x/6 + ½)), as in PyTorch and Keras 3 (Keras 2 and Theano: 0.2·x + ½). */
  hardSigmoid(): Tensor {
    return this.multiply(1 / 6)
      .add(0.5)
      .maximum(0)
      .minimum(1);
  }
  /** max(−1, min(1, x)). Collobert 2004. */
  hardTanh(): Tensor {
    return this.maximum(-1).minimum(1);
  }
  /** x/(1 + |x|). Bergstra et al. 2009. */
  softsign(): Tensor {
    return this.divide(this.abs().add(1));
  }

  // ── along axes ──

  /** Sum over `axes` (all when not given; negative ones count from the end). */
  sum(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.#reduce('sum', axes, options, this.sum);
  }
  /** Mean over `axes`. The batch axis cannot be one of them yet: a loss gives one value a row, and the trainer averages the rows. */
  mean(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.#reduce('mean', axes, options, this.mean);
  }
  /** Largest value over `axes`; `maximum` compares two tensors. */
  max(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.#reduce('max', axes, options, this.max);
  }
  /**
   * Matrix product of the last two axes: [..., m, k] · [k, n] → [..., m, n].
   * @example const y = x.matmul(kernel); // [batch, in] · [in, units] → [batch, units]
   */
  matmul(y: Tensor, options: { transposeA?: boolean; transposeB?: boolean } = {}): Tensor {
    expectOptions('matmul', options, matmulOptions, this.matmul);
    return this.#apply('matmul', { transposeA: options.transposeA ?? false, transposeB: options.transposeB ?? false }, this.matmul, [y]);
  }

  // ── shape ──

  /** The same elements, row-major, in another shape; −1 is the batch. @example x.reshape([-1, 28, 28, 1]) */
  reshape(shape: readonly number[]): Tensor {
    expectArgument('reshape', 'shape', shape, isShape, this.reshape);
    return this.#apply('reshape', { shape: [...shape] }, this.reshape);
  }
  /** Joins tensors along `axis` (default the last). Not built yet. */
  concat(_others: Tensor | readonly Tensor[], _options: { axis?: number } = {}): Tensor {
    return notImplemented('Tensor/concat', this.concat);
  }
  /** The elements `from` ≤ i < `to` along `axis`. Not built yet. */
  slice(_axis: number, _from: number, _to?: number): Tensor {
    return notImplemented('Tensor/slice', this.slice);
  }
  /** The axes in another order; the last two swapped when not given. Not built yet. */
  transpose(_axes?: readonly number[]): Tensor {
    return notImplemented('Tensor/transpose', this.transpose);
  }
  /** Rows of this tensor by index: [n, ...] and [batch] → [batch, ...]. Not built yet. */
  gather(_indices: Tensor, _options: { axis?: number } = {}): Tensor {
    return notImplemented('Tensor/gather', this.gather);
  }
  /** `value` (default 0) around each axis: a pair [before, after] an axis. Not built yet. */
  pad(_amounts: ReadonlyArray<readonly [before: number, after: number]>, _options: { value?: number } = {}): Tensor {
    return notImplemented('Tensor/pad', this.pad);
  }

  /** Printed as `Tensor [batch, 64]`. */
  toString(): string {
    return `Tensor ${shapeText(this.shape)}`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

for (const name of ['concat', 'slice', 'transpose', 'gather', 'pad']) register(`Tensor/${name}`);

const operand = (trace: Trace, operator: string, value: unknown, caller: Caller): Tensor => {
  if (value instanceof Tensor) return value;
  if (typeof value === 'number') return trace.constant(value);
  throw invalidOption(
    trace.path === '' ? operator : `${trace.label}: ${operator}`,
    'the operand',
    'to be a Tensor or a number',
    value,
    caller,
  );
};

/** −1 is the batch, −3 three rows for each of its own. */
const sizeText = (size: number): string => (size === -1 ? 'batch' : size < 0 ? `${-size}·batch` : `${size}`);

/** `[batch, 28, 28, 1]`. */
export const shapeText = (shape: readonly number[]): string => `[${shape.map(sizeText).join(', ')}]`;
