/** ONNX's operators in terms of nabla's: what a node of a vector becomes when it is traced. Axes are ONNX's, channels come second there. */
import { type Tensor, traceOf } from '../../src/trace/index.js';
import { recurrent } from './recurrent.js';

/** One value of a vector. */
export interface Value {
  readonly shape: readonly number[];
  readonly type: string;
  readonly values: readonly number[];
}

/** A node being traced: its inputs as Tensors, and their numbers where ONNX gives as inputs what shapes depend on. */
export interface Node {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly x: readonly Tensor[];
  readonly given: readonly (Value | null)[];
  /** How many outputs are wanted … */
  readonly outputs: number;
  /** … and their ranks. */
  readonly ranks: readonly number[];
}

export type Rule = (node: Node) => Tensor | readonly Tensor[];

const numberOf = ({ attributes }: Node, name: string, normally: number): number => (attributes[name] as number | undefined) ?? normally;
const listOf = ({ attributes, given }: Node, name: string, input = -1): number[] | undefined =>
  (attributes[name] as number[] | undefined) ?? (given[input]?.values as number[] | undefined);
const constant = (x: Tensor, values: readonly number[], shape: readonly number[]): Tensor => traceOf(x).constant(values, shape);
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);
const at = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);
const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);

/** With an axis moved to the end and back. */
const alongLast = (x: Tensor, axis: number, run: (x: Tensor) => Tensor): Tensor => {
  const own = at(axis, x.rank);
  const there = [...range(x.rank).filter((i) => i !== own), own];
  const back = range(x.rank).map((i) => there.indexOf(i));
  return run(x.transpose(there)).transpose(back);
};
/** [n, c, …] ↔ [n, …, c]. */
const channelsLast = (x: Tensor): Tensor => (x.rank < 3 ? x : x.transpose([0, ...range(x.rank - 2).map((i) => i + 2), 1]));
const channelsSecond = (x: Tensor): Tensor => (x.rank < 3 ? x : x.transpose([0, x.rank - 1, ...range(x.rank - 2).map((i) => i + 1)]));
/** Negative indices count from the end. */
const places = (index: Tensor, size: number): Tensor => index.less(0).where(index.add(size), index);
const full = (x: Tensor, shape: readonly number[]): Tensor => x.add(constant(x, new Array<number>(product(shape)).fill(0), shape));

const unary =
  (run: (x: Tensor, node: Node) => Tensor): Rule =>
  (node) =>
    run(node.x[0]!, node);
const binary =
  (run: (a: Tensor, b: Tensor) => Tensor): Rule =>
  ({ x: [a, b] }) =>
    run(a!, b!);
const variadic =
  (run: (a: Tensor, b: Tensor) => Tensor): Rule =>
  ({ x }) =>
    x.reduce(run);

const reduction =
  (run: (x: Tensor, axes: readonly number[], keepDims: boolean) => Tensor): Rule =>
  (node) => {
    const x = node.x[0]!;
    const asked = listOf(node, 'axes', 1);
    const keep = numberOf(node, 'keepdims', 1) === 1;
    if ((asked === undefined || asked.length === 0) && numberOf(node, 'noop_with_empty_axes', 0) === 1) return run(x, [], true);
    return run(x, asked === undefined || asked.length === 0 ? range(x.rank) : asked.map((axis) => at(axis, x.rank)), keep);
  };

const argument =
  (least: boolean): Rule =>
  (node) => {
    const x = node.x[0]!;
    const axis = at(numberOf(node, 'axis', 0), x.rank);
    const last = numberOf(node, 'select_last_index', 0) === 1;
    const from = last ? x.flip(axis) : x;
    const index = least ? from.argMin(axis) : from.argMax(axis);
    const found = last ? index.negate().add(x.shape[axis]! - 1) : index;
    return numberOf(node, 'keepdims', 1) === 1 ? found.reshape(x.shape.map((size, i) => (i === axis ? 1 : size))) : found;
  };

/** Stride, padding and dilation of a window over the spatial axes. */
const windowOf = (node: Node, sizes: readonly number[], kernel: readonly number[]) => {
  const stride = listOf(node, 'strides') ?? kernel.map(() => 1);
  const dilation = listOf(node, 'dilations') ?? kernel.map(() => 1);
  const auto = (node.attributes.auto_pad as string | undefined) ?? 'NOTSET';
  let padding = kernel.flatMap(() => [0, 0]);
  const pads = listOf(node, 'pads');
  if (pads !== undefined) padding = kernel.flatMap((_, i) => [pads[i]!, pads[i + kernel.length]!]);
  if (auto.startsWith('SAME')) {
    padding = kernel.flatMap((size, i) => {
      const reach = dilation[i]! * (size - 1) + 1;
      const all = Math.max(0, (Math.ceil(sizes[i]! / stride[i]!) - 1) * stride[i]! + reach - sizes[i]!);
      const less = Math.floor(all / 2);
      return auto === 'SAME_UPPER' ? [less, all - less] : [all - less, less];
    });
  }
  return { stride, padding, dilation };
};

const pool =
  (operator: 'maxPool' | 'averagePool'): Rule =>
  (node) => {
    const x = channelsLast(node.x[0]!);
    const window = listOf(node, 'kernel_shape')!;
    const { stride, padding, dilation } = windowOf(node, x.shape.slice(1, -1), window);
    if (dilation.some((step) => step > 1)) {
      // Pools have no dilation, as in Keras: a window is written out, tap by tap along each axis. The vectors have steps of 1 and no padding.
      if (stride.some((step) => step > 1) || padding.some((n) => n > 0)) throw new Error('a dilated pool with strides or padding');
      const wide = window.reduce((y, taps, i) => {
        const out = y.shape[i + 1]! - dilation[i]! * (taps - 1);
        const parts = range(taps).map((tap) => y.slice(i + 1, tap * dilation[i]!, tap * dilation[i]! + out));
        if (operator === 'maxPool') return parts.reduce((a, b) => a.maximum(b));
        return parts.reduce((a, b) => a.add(b)).multiply(1 / taps);
      }, x);
      return channelsSecond(wide);
    }
    if (numberOf(node, 'ceil_mode', 0) === 1) {
      // One more window hangs over the end, unless it would begin in the padding there.
      window.forEach((size, i) => {
        const [n, before, after, step] = [x.shape[i + 1]!, padding[2 * i]!, padding[2 * i + 1]!, stride[i]!];
        const count = Math.ceil((n + before + after - size) / step) + 1;
        const kept = (count - 1) * step >= n + before ? count - 1 : count;
        padding[2 * i + 1] = Math.max(after, (kept - 1) * step + size - n - before);
      });
    }
    const inside = numberOf(node, 'count_include_pad', 0) === 1 && operator === 'averagePool';
    const pairs = [[0, 0] as const, ...window.map((_, i) => [padding[2 * i]!, padding[2 * i + 1]!] as const), [0, 0] as const];
    const y = traceOf(x).apply(
      operator,
      [inside ? x.pad(pairs) : x],
      { window, stride, padding: inside ? padding.map(() => 0) : padding },
      pool,
    );
    return channelsSecond(y);
  };

const normalized = (x: Tensor, from: number, groups: number, centre: boolean, epsilon: number): Tensor =>
  traceOf(x).apply('normalize', [x], { from, groups, centre, epsilon }, normalized);

/** Over the axes from `axis` on, as one flat last axis. */
const normalizedFrom = (node: Node, centre: boolean): Tensor => {
  const [x, scale, shift] = node.x as [Tensor, Tensor, Tensor | undefined];
  const axis = at(numberOf(node, 'axis', -1), x.rank);
  const flat = x.reshape([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
  const y = normalized(flat, 1, 1, centre, numberOf(node, 'epsilon', 1e-5))
    .reshape(x.shape)
    .multiply(scale);
  return shift === undefined ? y : y.add(shift);
};

const crossEntropyLoss: Rule = (node) => {
  const [scores, labels, weights] = node.x as [Tensor, Tensor, Tensor | undefined];
  const ignored = node.attributes.ignore_index as number | undefined;
  const all = channelsLast(scores).logSoftmax();
  const counts = ignored === undefined ? labels.multiply(0).add(1) : labels.notEqual(ignored);
  const known = counts.where(labels, 0);
  const chosen = all.takeAlong(known.reshape([...known.shape, 1])).reshape(known.shape);
  const weight = weights === undefined ? counts : weights.gather(known).multiply(counts);
  const rows = chosen.negate().multiply(weight);
  const reduction = (node.attributes.reduction as string | undefined) ?? 'mean';
  const loss = reduction === 'none' ? rows : reduction === 'sum' ? rows.sum() : rows.sum().divide(weight.sum());
  return [loss, channelsSecond(all)];
};

/** Each operator that nabla has. */
export const rules: Readonly<Record<string, Rule>> = {
  Abs: unary((x) => x.abs()),
  Add: binary((a, b) => a.add(b)),
  And: binary((a, b) => a.multiply(b)),
  ArgMax: argument(false),
  ArgMin: argument(true),
  AveragePool: pool('averagePool'),
  BatchNormalization: (node) => {
    const [x, scale, shift, mean, variance] = node.x as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const epsilon = numberOf(node, 'epsilon', 1e-5);
    if (numberOf(node, 'training_mode', 0) === 1) {
      const rows = channelsLast(x);
      const own = traceOf(x).apply('columnMoments', [rows], {}, windowOf);
      const momentum = numberOf(node, 'momentum', 0.9);
      const running = [mean, variance].map((old, i) =>
        old.multiply(momentum).add(
          own
            .slice(0, i, i + 1)
            .reshape(old.shape)
            .multiply(1 - momentum),
        ),
      );
      return [channelsSecond(traceOf(x).apply('batchNorm', [rows, scale, shift, own], { epsilon }, windowOf)), ...running];
    }
    const moments = mean.reshape([1, mean.shape[0]!]).concat(variance.reshape([1, variance.shape[0]!]), { axis: 0 });
    const inputs = [channelsLast(x), scale, shift, moments];
    return channelsSecond(traceOf(x).apply('batchNorm', inputs, { epsilon }, windowOf));
  },
  Clip: (node) => {
    const [x] = node.x as [Tensor];
    const [, low, high] = node.given;
    const raised = low ? x.maximum(low.values[0]!) : x;
    return high ? raised.minimum(high.values[0]!) : raised.add(0);
  },
  Concat: (node) => node.x[0]!.concat(node.x.slice(1), { axis: numberOf(node, 'axis', 0) }),
  Conv: (node) => {
    const [x, kernel, bias] = node.x as [Tensor, Tensor, Tensor | undefined];
    const groups = numberOf(node, 'group', 1);
    const { stride, padding, dilation } = windowOf(node, x.shape.slice(2), kernel.shape.slice(2));
    const weights = kernel.transpose([...range(kernel.rank - 2).map((i) => i + 2), 1, 0]);
    const y = traceOf(x).apply('conv', [channelsLast(x), weights], { stride, padding, dilation, groups, size: [] }, windowOf);
    return channelsSecond(bias === undefined ? y : y.add(bias));
  },
  ConvTranspose: (node) => {
    const [x, kernel, bias] = node.x as [Tensor, Tensor, Tensor | undefined];
    const sizes = x.shape.slice(2);
    const { stride, dilation } = windowOf(node, sizes, kernel.shape.slice(2));
    const reach = kernel.shape.slice(2).map((size, i) => dilation[i]! * (size - 1) + 1);
    const more = listOf(node, 'output_padding') ?? sizes.map(() => 0);
    const auto = (node.attributes.auto_pad as string | undefined) ?? 'NOTSET';
    const same = auto.startsWith('SAME') ? sizes.map((n, i) => n * stride[i]!) : undefined;
    const asked = listOf(node, 'output_shape')?.slice(-sizes.length) ?? same;
    const pads = listOf(node, 'pads') ?? sizes.flatMap(() => [0, 0]);
    const padding = sizes.flatMap((n, i) => {
      if (asked === undefined) return [pads[i]!, pads[i + sizes.length]! - more[i]!];
      const all = (n - 1) * stride[i]! + more[i]! + reach[i]! - asked[i]!;
      const less = Math.floor(all / 2);
      return auto === 'SAME_UPPER' ? [less, all - less - more[i]!] : [all - less, less - more[i]!];
    });
    const size = asked ?? sizes.map((n, i) => (n - 1) * stride[i]! + reach[i]! - padding[2 * i]! - padding[2 * i + 1]!);
    // An end that is padded by less than nothing is room after it.
    const room = padding.map((n) => Math.max(0, -n));
    const inner = size.map((n, i) => n - room[2 * i]! - room[2 * i + 1]!);
    const attributes = { stride, padding: padding.map((n) => Math.max(0, n)), dilation, groups: numberOf(node, 'group', 1), size: inner };
    const weights = kernel.transpose([...range(sizes.length).map((i) => i + 2), 1, 0]);
    const y = traceOf(x)
      .apply('convInput', [channelsLast(x), weights], attributes, windowOf)
      .pad([[0, 0], ...inner.map((_, i) => [room[2 * i]!, room[2 * i + 1]!] as const), [0, 0]]);
    return channelsSecond(bias === undefined ? y : y.add(bias));
  },
  DepthToSpace: (node) => {
    const [x] = node.x as [Tensor];
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const b = numberOf(node, 'blocksize', 1);
    const own = c / (b * b);
    const split = node.attributes.mode === 'CRD' ? x.reshape([n, own, b, b, h, w]) : x.reshape([n, b, b, own, h, w]);
    return split.transpose(node.attributes.mode === 'CRD' ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]).reshape([n, own, h * b, w * b]);
  },
  Div: binary((a, b) => a.divide(b)),
  // At prediction, or with a rate of 0.
  Dropout: (node) => [(node.x[0] as Tensor).add(0), (node.x[0] as Tensor).multiply(0).add(1)].slice(0, node.outputs),
  Elu: unary((x, node) => x.elu(numberOf(node, 'alpha', 1))),
  Equal: binary((a, b) => a.equal(b)),
  Erf: unary((x) => x.erf()),
  Exp: unary((x) => x.exp()),
  Expand: (node) => full(node.x[0]!, node.given[1]!.values),
  Flatten: (node) => {
    const [x] = node.x as [Tensor];
    const axis = at(numberOf(node, 'axis', 1), x.rank);
    return x.reshape([product(x.shape.slice(0, axis)), product(x.shape.slice(axis))]);
  },
  Gather: (node) => {
    const [x, index] = node.x as [Tensor, Tensor];
    const axis = at(numberOf(node, 'axis', 0), x.rank);
    return x.gather(places(index, x.shape[axis]!), { axis });
  },
  GatherElements: (node) => {
    const [x, index] = node.x as [Tensor, Tensor];
    const axis = at(numberOf(node, 'axis', 0), x.rank);
    return x.takeAlong(places(index, x.shape[axis]!), { axis });
  },
  Gelu: unary((x, node) => {
    if (node.attributes.approximate !== 'tanh') return x.gelu();
    const inside = x.add(x.square().multiply(x).multiply(0.044715)).multiply(Math.sqrt(2 / Math.PI));
    return inside.tanh().add(1).multiply(x).multiply(0.5);
  }),
  Gemm: (node) => {
    const [a, b, c] = node.x as [Tensor, Tensor, Tensor | undefined];
    const options = { transposeA: numberOf(node, 'transA', 0) === 1, transposeB: numberOf(node, 'transB', 0) === 1 };
    const y = a.matmul(b, options).multiply(numberOf(node, 'alpha', 1));
    return c === undefined ? y : y.add(c.multiply(numberOf(node, 'beta', 1)));
  },
  GlobalAveragePool: unary((x) => x.mean(range(x.rank).slice(2), { keepDims: true })),
  GlobalMaxPool: unary((x) => x.max(range(x.rank).slice(2), { keepDims: true })),
  Greater: binary((a, b) => a.greater(b)),
  GreaterOrEqual: binary((a, b) => a.greaterOrEqual(b)),
  GRU: recurrent('GRU'),
  LSTM: recurrent('LSTM'),
  RNN: recurrent('RNN'),
  GroupNormalization: (node) => {
    const [x, scale, shift] = node.x as [Tensor, Tensor, Tensor];
    const y = normalized(channelsLast(x), 1, numberOf(node, 'num_groups', 1), true, numberOf(node, 'epsilon', 1e-5));
    return channelsSecond(y.multiply(scale).add(shift));
  },
  HardSigmoid: unary((x, node) =>
    x
      .multiply(numberOf(node, 'alpha', 0.2))
      .add(numberOf(node, 'beta', 0.5))
      .clamp(0, 1),
  ),
  HardSwish: unary((x) => x.multiply(x.hardSigmoid())),
  Identity: unary((x) => x.add(0)),
  InstanceNormalization: (node) => {
    const [x, scale, shift] = node.x as [Tensor, Tensor, Tensor];
    const y = normalized(channelsLast(x), 1, x.shape[1]!, true, numberOf(node, 'epsilon', 1e-5));
    return channelsSecond(y.multiply(scale).add(shift));
  },
  LayerNormalization: (node) => normalizedFrom(node, true),
  LeakyRelu: unary((x, node) => x.leakyRelu(numberOf(node, 'alpha', 0.01))),
  Less: binary((a, b) => a.less(b)),
  LessOrEqual: binary((a, b) => a.lessOrEqual(b)),
  Log: unary((x) => x.log()),
  LogSoftmax: unary((x, node) => alongLast(x, numberOf(node, 'axis', -1), (y) => y.logSoftmax())),
  LpNormalization: unary((x, node) => {
    const axis = numberOf(node, 'axis', -1);
    const size = numberOf(node, 'p', 2) === 1 ? x.abs().sum(axis, { keepDims: true }) : x.square().sum(axis, { keepDims: true }).sqrt();
    return size.equal(0).where(0, x.divide(size));
  }),
  MatMul: binary((a, b) => {
    const [m, n] = [a.rank === 1, b.rank === 1];
    const y = (m ? a.reshape([1, a.shape[0]!]) : a).matmul(n ? b.reshape([b.shape[0]!, 1]) : b);
    return y.reshape(y.shape.filter((_, i) => !((m && i === y.rank - 2) || (n && i === y.rank - 1))));
  }),
  Max: variadic((a, b) => a.maximum(b)),
  MaxPool: pool('maxPool'),
  Mean: ({ x }) => x.reduce((a, b) => a.add(b)).divide(x.length),
  Min: variadic((a, b) => a.minimum(b)),
  Mish: unary((x) => x.mish()),
  Mul: binary((a, b) => a.multiply(b)),
  Neg: unary((x) => x.negate()),
  Not: unary((x) => x.equal(0)),
  OneHot: (node) => {
    const [index, , values] = node.x as [Tensor, Tensor, Tensor];
    const depth = node.given[1]!.values[0]!;
    const axis = at(numberOf(node, 'axis', -1), index.rank + 1);
    const wide = [...index.shape.slice(0, axis), 1, ...index.shape.slice(axis)];
    const levels = constant(index, range(depth), [depth, ...index.shape.slice(axis).map(() => 1)]);
    return places(index, depth)
      .reshape(wide)
      .equal(levels)
      .where(values.slice(0, 1, 2).reshape([]), values.slice(0, 0, 1).reshape([]));
  },
  Or: binary((a, b) => a.maximum(b)),
  PRelu: binary((x, slope) => x.prelu(slope)),
  Pad: (node) => {
    const [x] = node.x as [Tensor];
    const pads = node.given[1]!.values;
    const axes = (node.given[3]?.values ?? range(x.rank)).map((axis) => at(axis, x.rank));
    const pairs = range(x.rank).map((axis): readonly [number, number] => {
      const i = axes.indexOf(axis);
      return i < 0 ? [0, 0] : [pads[i]!, pads[i + axes.length]!];
    });
    const mode = (node.attributes.mode as 'constant' | undefined) ?? 'constant';
    return x.pad(pairs, { mode, value: node.given[2]?.values[0] ?? 0 });
  },
  RMSNormalization: (node) => normalizedFrom(node, false),
  Reciprocal: unary((x) => x.reciprocal()),
  ReduceL1: reduction((x, axes, keepDims) => x.abs().sum(axes, { keepDims })),
  ReduceL2: reduction((x, axes, keepDims) => x.square().sum(axes, { keepDims }).sqrt()),
  ReduceLogSum: reduction((x, axes, keepDims) => x.sum(axes, { keepDims }).log()),
  ReduceLogSumExp: reduction((x, axes, keepDims) => x.exp().sum(axes, { keepDims }).log()),
  ReduceMax: reduction((x, axes, keepDims) => x.max(axes, { keepDims })),
  ReduceMean: reduction((x, axes, keepDims) => x.mean(axes, { keepDims })),
  ReduceMin: reduction((x, axes, keepDims) => x.min(axes, { keepDims })),
  ReduceSum: reduction((x, axes, keepDims) => x.sum(axes, { keepDims })),
  ReduceSumSquare: reduction((x, axes, keepDims) => x.square().sum(axes, { keepDims })),
  Relu: unary((x) => x.relu()),
  Reshape: (node) => {
    const [x] = node.x as [Tensor];
    const kept = numberOf(node, 'allowzero', 0) === 1;
    const asked = node.given[1]!.values.map((size, i) => (size === 0 && !kept ? x.shape[i]! : size));
    const rest = product(x.shape) / product(asked.filter((size) => size >= 0));
    return x.reshape(asked.map((size) => (size < 0 ? rest : size)));
  },
  Selu: unary((x, node) => x.elu(numberOf(node, 'alpha', 1.6732632423543772)).multiply(numberOf(node, 'gamma', 1.0507009873554805))),
  Shrink: unary((x, node) => {
    const [bias, lambda] = [numberOf(node, 'bias', 0), numberOf(node, 'lambd', 0.5)];
    return x.greater(lambda).where(x.subtract(bias), x.less(-lambda).where(x.add(bias), 0));
  }),
  Sigmoid: unary((x) => x.sigmoid()),
  Sign: unary((x) => x.sign()),
  Slice: (node) => {
    const [x] = node.x as [Tensor];
    const [starts, ends] = [node.given[1]!.values, node.given[2]!.values];
    const axes = node.given[3]?.values ?? range(starts.length);
    return axes.reduce((y, axis, i) => {
      const [size, step] = [y.shape.at(axis)!, node.given[4]?.values[i] ?? 1];
      const clamp = (n: number, low: number, high: number) => Math.min(Math.max(n < 0 ? n + size : n, low), high);
      const from = step > 0 ? clamp(starts[i]!, 0, size) : clamp(starts[i]!, 0, size - 1);
      const to = step > 0 ? clamp(ends[i]!, 0, size) : clamp(ends[i]!, -1, size - 1);
      const count = Math.max(0, Math.ceil((to - from) / step));
      return y.take(
        range(count).map((k) => from + k * step),
        { axis },
      );
    }, x.add(0));
  },
  Softmax: unary((x, node) => alongLast(x, numberOf(node, 'axis', -1), (y) => y.softmax())),
  SoftmaxCrossEntropyLoss: crossEntropyLoss,
  Softplus: unary((x) => x.softplus()),
  Softsign: unary((x) => x.softsign()),
  SpaceToDepth: (node) => {
    const [x] = node.x as [Tensor];
    const [n, c, h, w] = x.shape as [number, number, number, number];
    const b = numberOf(node, 'blocksize', 1);
    const split = x.reshape([n, c, h / b, b, w / b, b]);
    const order = node.attributes.mode === 'CRD' ? [0, 1, 3, 5, 2, 4] : [0, 3, 5, 1, 2, 4];
    return split.transpose(order).reshape([n, c * b * b, h / b, w / b]);
  },
  Split: (node) => {
    const [x] = node.x as [Tensor];
    const axis = at(numberOf(node, 'axis', 0), x.rank);
    const size = x.shape[axis]!;
    const parts = numberOf(node, 'num_outputs', node.outputs);
    const each = Math.ceil(size / parts);
    const sizes = node.given[1]?.values ?? range(parts).map((i) => Math.max(0, Math.min(each, size - i * each)));
    let from = 0;
    return sizes.map((n) => x.slice(axis, from, (from += n)).add(0));
  },
  Sqrt: unary((x) => x.sqrt()),
  Squeeze: (node) => {
    const [x] = node.x as [Tensor];
    const axes = node.given[1]?.values.map((axis) => at(axis, x.rank));
    return x.reshape(x.shape.filter((size, i) => (axes === undefined ? size !== 1 : !axes.includes(i))));
  },
  Sub: binary((a, b) => a.subtract(b)),
  Sum: variadic((a, b) => a.add(b)),
  Swish: unary((x, node) => x.multiply(x.multiply(numberOf(node, 'alpha', 1)).sigmoid())),
  Tanh: unary((x) => x.tanh()),
  ThresholdedRelu: unary((x, node) => x.greater(numberOf(node, 'alpha', 1)).where(x, 0)),
  Tile: (node) => {
    const [x] = node.x as [Tensor];
    return node.given[1]!.values.reduce((y, times, axis) => {
      const size = y.shape[axis]!;
      return y.take(
        range(size * times).map((i) => i % size),
        { axis },
      );
    }, x.add(0));
  },
  Transpose: unary((x, node) => x.transpose(listOf(node, 'perm') ?? range(x.rank).reverse())),
  Unsqueeze: (node) => {
    const [x] = node.x as [Tensor];
    const rank = x.rank + node.given[1]!.values.length;
    const axes = node.given[1]!.values.map((axis) => at(axis, rank));
    const rest = [...x.shape];
    return x.reshape(range(rank).map((i) => (axes.includes(i) ? 1 : rest.shift()!)));
  },
  Where: ({ x: [condition, a, b] }) => condition!.where(a!, b!),
  Xor: binary((a, b) => a.notEqual(b)),
};
