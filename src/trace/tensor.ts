import {
  type Caller,
  expectArgument,
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  NablaError,
} from '../errors/index.js';
import type { Mask } from './masks.js';
import type { OperatorName, Operators } from './operators.js';
import type { Trace } from './trace.js';

/** What the elements are: numbers to compute with, or indices of classes. */
export type TensorType = 'float' | 'index';

/** What an operator takes beside its tensor: another one, or a number. */
export type Operand = Tensor | number;

/** What a pad is made of. */
export type PadMode = 'constant' | 'edge' | 'reflect' | 'wrap';

/** Options of `sum`, `mean`, `max` and `min`. */
export interface ReduceOptions {
  /** Keeps each reduced axis with size 1, so the result broadcasts against the input. Default `false`. */
  keepDims?: boolean;
}

const reduceOptions = { keepDims: isBoolean };
const matmulOptions = { transposeA: isBoolean, transposeB: isBoolean };
const axisOptions = { axis: isInteger() };
const padOptions = { value: isNumber(), mode: isOneOf(['constant', 'edge', 'reflect', 'wrap']) };
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
  readonly #mask: Mask | undefined;
  /** `'float'`, or `'index'` for class labels. */
  readonly type: TensorType;

  static {
    traceOf = (x) => x.#trace;
    idOf = (x) => x.#id;
  }

  /** Made by tracing only: `trace.input`, a layer's `parameter`, an operator. */
  constructor(trace: Trace, id: number, type: TensorType, mask?: Mask) {
    this.#trace = trace;
    this.#mask = mask;
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

  /**
   * Which steps of a sequence count, where rows have different lengths: `mask.steps` is 1 for them and 0 for padding, [batch, time].
   * What works on each step alone keeps it, `sum`, `mean` and `max` over time leave padding out.
   */
  get mask(): Mask | undefined {
    return this.#mask;
  }

  /**
   * The same values with another mask [batch, time], or with none.
   * @example const padded = x.withMask(tokens.equal(0).negate().add(1)); // 0 stands for padding
   */
  withMask(mask: Tensor | Mask | undefined): Tensor {
    if (mask === undefined) return this.#mask === undefined ? this : new Tensor(this.#trace, this.#id, this.type);
    const whole = mask instanceof Tensor ? { steps: mask, prefix: false } : mask;
    const { shape } = whole.steps;
    if (shape.length !== 2 || this.rank < 2 || shape[0] !== this.shape[0] || shape[1] !== this.shape[1])
      throw invalidOption('withMask', 'the mask', `to be [batch, time] of ${shapeText(this.shape)}`, whole.steps, this.withMask);
    return new Tensor(this.#trace, this.#id, this.type, { ...whole, steps: whole.steps.withMask(undefined) });
  }

  #apply<N extends OperatorName>(operator: N, attributes: Operators[N], caller: Caller, others: readonly Operand[] = []): Tensor {
    const tensors = others.map((other) => operand(this.#trace, operator, other, caller));
    return this.#trace.apply(operator, [this, ...tensors], attributes, caller);
  }

  #reduce(operator: 'sum' | 'mean' | 'max', axes: number | readonly number[] | undefined, options: ReduceOptions, caller: Caller): Tensor {
    const list = axes === undefined ? null : typeof axes === 'number' ? [axes] : axes;
    if (list !== null) expectArgument(operator, 'axes', list, isShape, caller);
    expectOptions(operator, options, reduceOptions, caller);
    const keepDims = options.keepDims ?? false;
    if (operator === 'mean' && (list === null || list.some((axis) => axis === 0 || axis + this.rank === 0)))
      return this.#apply(operator, { axes: list, keepDims }, caller);
    const overTime = list === null || list.some((axis) => axis === 1 || axis + this.rank === 1);
    if (this.#mask === undefined || !overTime) return this.#apply(operator, { axes: list, keepDims }, caller);
    const { steps } = this.#mask;
    const counted = steps.reshape([steps.shape[0]!, steps.shape[1]!, ...this.shape.slice(2).map(() => 1)]);
    const plain = this.withMask(undefined);
    const reduced = (x: Tensor, by: typeof operator) => x.#apply(by, { axes: list, keepDims }, caller);
    // Padding is 0 in a sum, and below all else in a maximum.
    if (operator === 'max') return reduced(plain.multiply(counted).add(counted.subtract(1).multiply(1e30)), 'max');
    const total = reduced(plain.multiply(counted), 'sum');
    if (operator === 'sum') return total;
    const others = list!.reduce((product, axis) => product * Math.max(this.shape.at(axis)!, 1), 1) / steps.shape[1]!;
    const count = steps
      .sum(1)
      .multiply(others)
      .reshape([steps.shape[0]!, ...total.shape.slice(1).map(() => 1)]);
    return total.divide(count);
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

  /** 1 where x ≥ y, else 0. No gradient. */
  greaterOrEqual(y: Operand): Tensor {
    return this.#apply('greater', {}, this.greaterOrEqual, [y]).maximum(this.#apply('equal', {}, this.greaterOrEqual, [y]));
  }
  /** 1 where x ≤ y, else 0. No gradient. */
  lessOrEqual(y: Operand): Tensor {
    return this.#apply('less', {}, this.lessOrEqual, [y]).maximum(this.#apply('equal', {}, this.lessOrEqual, [y]));
  }
  /** 1 where x ≠ y, else 0: NaN is unequal to itself. No gradient. */
  notEqual(y: Operand): Tensor {
    return this.#apply('equal', {}, this.notEqual, [y]).negate().add(1);
  }
  /**
   * `a` where this is not 0, else `b`, broadcast: NumPy's `where`. What is not chosen gets gradient 0; where its own derivative is not
   * finite that makes NaN (0·∞), as everywhere: choose before, as in `x.maximum(1e-9).log()`.
   * @example x.greater(0).where(x.square(), 0)
   */
  where(a: Operand, b: Operand): Tensor {
    return this.#apply('where', {}, this.where, [a, b]);
  }
  /** x kept between `low` and `high`: NumPy's `clip`. */
  clamp(low: number, high: number): Tensor {
    expectArgument('clamp', 'low', low, isNumber(), this.clamp);
    expectArgument('clamp', 'high', high, isNumber({ min: low }), this.clamp);
    return this.maximum(low).minimum(high);
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
  /** eˣ; in float32 within 1.0 ulp of the exact value. */
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
  /** (eˣ − e⁻ˣ)/(eˣ + e⁻ˣ); in float32 within 2.3 ulp. */
  tanh(): Tensor {
    return this.#apply('tanh', {}, this.tanh);
  }
  /** 1/(1 + e⁻ˣ); in float32 within 2.0 ulp. */
  sigmoid(): Tensor {
    return this.#apply('sigmoid', {}, this.sigmoid);
  }
  /** x·Φ(x), Φ the normal distribution function, in its exact form with erf (not the tanh approximation); in float32 within 4.9 ulp. Hendrycks & Gimpel 2016, arXiv:1606.08415. */
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
  /** Least value over `axes`; `minimum` compares two tensors. */
  min(axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
    return this.negate().#reduce('max', axes, options, this.min).negate();
  }
  /** Index of the largest along `axis` (default the last), of equals the first; the axis is gone. No gradient. Not along the batch. */
  argMax(axis = -1): Tensor {
    expectArgument('argMax', 'axis', axis, isInteger(), this.argMax);
    return this.#apply('argMax', { axis, least: false }, this.argMax);
  }
  /** Index of the least along `axis`. */
  argMin(axis = -1): Tensor {
    expectArgument('argMin', 'axis', axis, isInteger(), this.argMin);
    return this.#apply('argMax', { axis, least: true }, this.argMin);
  }
  /**
   * Matrix product of the last two axes: [..., m, k] · [k, n] → [..., m, n], or of many pairs, [..., m, k] · [..., k, n] → [..., m, n]
   * with leading axes broadcast. `transposeA` and `transposeB` read the last two axes of a side as swapped.
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
  /**
   * This tensor and others side by side along `axis` (default the last); the other axes are equal.
   * @example const h = pixels.concat(age); // [batch, 784] and [batch, 1] → [batch, 785]
   */
  concat(others: Tensor | readonly Tensor[], options: { axis?: number } = {}): Tensor {
    expectOptions('concat', options, axisOptions, this.concat);
    const list: readonly unknown[] = Array.isArray(others) ? others : [others];
    const isTensor = (value: unknown) => (value instanceof Tensor ? undefined : 'to be a Tensor, or an array of them');
    for (const other of list) expectArgument('concat', 'the others', other, isTensor, this.concat);
    // Neighbours first: a value is copied once a level, not once an item.
    let parts: Tensor[] = [this, ...(list as Tensor[])];
    while (parts.length > 1) {
      parts = parts.flatMap((x, i) => {
        if (i % 2 === 1) return [];
        const next = parts[i + 1];
        return next === undefined ? [x] : [x.#apply('concat', { axis: options.axis ?? -1 }, this.concat, [next])];
      });
    }
    return parts[0]!;
  }
  /**
   * The elements `from` ≤ i < `to` along `axis`, `to` the end when not given; negative numbers count from the end. Not along the batch.
   * @example x.slice(1, -1) // the last step of [batch, time, c]: [batch, 1, c]
   */
  slice(axis: number, from: number, to?: number): Tensor {
    expectArgument('slice', 'axis', axis, isInteger(), this.slice);
    expectArgument('slice', 'from', from, isInteger(), this.slice);
    if (to !== undefined) expectArgument('slice', 'to', to, isInteger(), this.slice);
    return this.#apply('slice', { axis, from, to: to ?? this.shape.at(axis) ?? 0 }, this.slice);
  }
  /** The axes in another order (axis i of the result is axis `axes[i]` of this one); the last two swapped when not given. */
  transpose(axes?: readonly number[]): Tensor {
    if (axes !== undefined) expectArgument('transpose', 'axes', axes, isShape, this.transpose);
    return this.#apply('transpose', { axes: axes === undefined ? null : [...axes] }, this.transpose);
  }
  /**
   * What stands at `indices` along `axis` (default 0), as NumPy's `take`: a table [n, …] and indices [batch, …] give [batch, …, …].
   * Indices are whole numbers from 0; another gives NaN, which a fit reports with this layer. They get no gradient.
   */
  gather(indices: Tensor, options: { axis?: number } = {}): Tensor {
    expectOptions('gather', options, axisOptions, this.gather);
    const { rank } = this;
    const axis = (options.axis ?? 0) < 0 ? (options.axis ?? 0) + rank : (options.axis ?? 0);
    if (axis === 0 || axis >= rank || axis < 0) return this.#apply('gather', {}, this.gather, [indices]);
    const all = Array.from({ length: rank }, (_, i) => i);
    const rows = this.#apply('transpose', { axes: [axis, ...all.filter((i) => i !== axis)] }, this.gather);
    const found = rows.#apply('gather', {}, this.gather, [indices]);
    // [indices…, before…, after…] → [before…, indices…, after…]
    const own = Array.from({ length: found.rank - rank + 1 }, (_, i) => i);
    const rest = Array.from({ length: rank - 1 }, (_, i) => i + own.length);
    return found.#apply('transpose', { axes: [...rest.slice(0, axis), ...own, ...rest.slice(axis)] }, this.gather);
  }
  /**
   * Elements at fixed places along `axis`, any number of times each; negative ones count from the end. Not along the batch.
   * @example x.take([3, 2, 1, 0], { axis: 1 }) // time backwards
   */
  take(indices: readonly number[], options: { axis?: number } = {}): Tensor {
    expectArgument('take', 'indices', indices, isShape, this.take);
    expectOptions('take', options, axisOptions, this.take);
    const { axis = 0 } = options;
    const size = this.shape.at(axis) ?? 0;
    const places = indices.map((i) => (i < 0 ? i + size : i));
    const outside = places.findIndex((i) => i < 0);
    if (outside >= 0) throw invalidOption('take', `index ${outside}`, `to be a place on an axis of ${size}`, indices[outside], this.take);
    return this.#apply('take', { axis, indices: places }, this.take);
  }
  /**
   * Elements at places of their own along `axis`, NumPy's `take_along_axis`: y[i, k] = x[i, indices[i, k]]. The indices have x's shape but
   * along the axis; one that is no place gives NaN. They get no gradient.
   */
  takeAlong(indices: Tensor, options: { axis?: number } = {}): Tensor {
    expectOptions('takeAlong', options, axisOptions, this.takeAlong);
    return this.#apply('takeAlong', { axis: options.axis ?? -1 }, this.takeAlong, [indices]);
  }
  /** The other way round along `axis`. */
  flip(axis: number): Tensor {
    expectArgument('flip', 'axis', axis, isInteger(), this.flip);
    const size = Math.max(0, this.shape.at(axis) ?? 0);
    return this.#apply('take', { axis, indices: Array.from({ length: size }, (_, i) => size - 1 - i) }, this.flip);
  }
  /**
   * Around each axis a pair [before, after] of new elements; a negative amount cuts. Not around the batch. `mode`: `'constant'` (`value`,
   * default 0), `'edge'` repeats the outermost, `'reflect'` mirrors at it, `'wrap'` goes on from the other end: those of `numpy.pad`.
   */
  pad(amounts: ReadonlyArray<readonly [before: number, after: number]>, options: { value?: number; mode?: PadMode } = {}): Tensor {
    expectArgument('pad', 'the amounts', amounts, isListOf(isListOf(isInteger())), this.pad);
    expectOptions('pad', options, padOptions, this.pad);
    if (amounts.length !== this.rank || amounts.some((pair) => pair.length !== 2))
      throw invalidOption('pad', 'the amounts', `to be ${this.rank} pairs [before, after], one an axis`, amounts, this.pad);
    const { value = 0, mode = 'constant' } = options;
    return amounts.reduce<Tensor>((x, [before, after], axis) => {
      if (before === 0 && after === 0) return x;
      if (mode === 'constant') return x.#apply('pad', { axis, before, after, value }, this.pad);
      return x.#apply('take', { axis, indices: padded(mode, x.shape[axis] ?? 0, before, after, this.pad) }, this.pad);
    }, this);
  }
  /**
   * The lower triangle of the matrices in the last two axes, `value` (default 0) above it: NumPy's `tril`. With more columns than rows
   * the diagonal ends in the last corner.
   */
  lowerTriangle(value = 0): Tensor {
    expectArgument('lowerTriangle', 'value', value, isNumber(), this.lowerTriangle);
    return this.#apply('lowerTriangle', { value }, this.lowerTriangle);
  }

  /** A Tensor has no value while a function is traced: `x > 0`, `x + 1` or `if (x)` cannot be meant. */
  [Symbol.toPrimitive](hint: string): string {
    if (hint === 'string') return this.toString();
    throw new NablaError(
      {
        code: 'INVALID_OPTION',
        place: this.#trace.label,
        message: 'a Tensor cannot be used as a number: it has no value while the function is traced.',
        expected: 'methods of Tensor',
        received: this.toString(),
        hint: 'x + 1 is x.add(1), x > 0 is x.greater(0), a choice is condition.where(a, b).',
      },
      { caller: this[Symbol.toPrimitive] },
    );
  }

  /** Printed as `Tensor [batch, 64]`. */
  toString(): string {
    return `Tensor ${shapeText(this.shape)}`;
  }
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

/** The places that a padded axis shows. */
const padded = (mode: Exclude<PadMode, 'constant'>, size: number, before: number, after: number, caller: Caller): number[] => {
  const length = size + before + after;
  if (length < 0 || (length > 0 && size < 1))
    throw invalidOption('pad', 'the amounts', `to fit an axis of ${size}`, [before, after], caller);
  const period = Math.max(1, 2 * (size - 1));
  return Array.from({ length }, (_, at) => {
    const i = at - before;
    if (mode === 'edge') return Math.min(Math.max(i, 0), size - 1);
    if (mode === 'wrap') return ((i % size) + size) % size;
    const folded = ((i % period) + period) % period;
    return folded < size ? folded : period - folded;
  });
};

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
