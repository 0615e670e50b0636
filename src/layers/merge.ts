import { type Caller, expectOptions, isInteger, NablaError, optionsOf } from '../errors/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, expectTensor, type LayerOptions, layerOptions } from './layer.js';

/** A layer of several inputs, given as a list or one by one. */
export interface MergeLayer {
  (inputs: readonly Tensor[]): Tensor;
  (...inputs: Tensor[]): Tensor;
  readonly name: string;
}

/** Options of `concat`. */
export interface ConcatOptions extends LayerOptions {
  /** Axis along which the inputs are joined; default the last. */
  axis?: number;
}

const addOptions = optionsOf('layers/add', layerOptions);
const concatOptions = optionsOf('layers/concat', { axis: isInteger(), ...layerOptions });

const listed = (inputs: readonly (Tensor | readonly Tensor[])[], where: string, caller: Caller): readonly Tensor[] => {
  const list = inputs.flat() as unknown[];
  if (list.length === 0) expectTensor(where, undefined, caller);
  for (const x of list) expectTensor(where, x, caller);
  return list as Tensor[];
};

/**
 * The sum of its inputs, which have one shape.
 * @throws {NablaError} `SHAPE_MISMATCH` if the shapes differ: a sum that broadcasts is `x.add(y)`
 * @example const h = add()([left(x), right(x)]);
 */
export const add = (options: LayerOptions = {}): MergeLayer => {
  expectOptions('add', options, addOptions, add);
  const { name } = options;
  const call = (...inputs: (Tensor | readonly Tensor[])[]): Tensor => {
    const [first, ...others] = listed(inputs, called('add', name), call) as [Tensor, ...Tensor[]];
    return traceOf(first).within(call, { kind: 'add', name }, () =>
      others.reduce((sum, x) => {
        expectSameShape(sum, x, 'give the inputs one shape first, for instance with dense.');
        return sum.add(x);
      }, first),
    );
  };
  return Object.defineProperty(call, 'name', { value: name ?? 'add' }) as MergeLayer;
};

/** Broadcasting would hide a mistake where two branches meet. */
export const expectSameShape = (a: Tensor, b: Tensor, hint: string): void => {
  if (a.rank === b.rank && a.shape.every((size, axis) => size === b.shape[axis])) return;
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    place: traceOf(a).label,
    layer: traceOf(a).path,
    message: `${shapeText(a.shape)} + ${shapeText(b.shape)} don't fit, the shapes differ.`,
    expected: shapeText(a.shape),
    received: shapeText(b.shape),
    hint,
  });
};

/**
 * Its inputs side by side along `axis`, the last by default; the other axes are equal.
 * @throws {NablaError} `SHAPE_MISMATCH`
 * @example const h = concat()([pixels, age]);
 */
export const concat = (options: ConcatOptions = {}): MergeLayer => {
  expectOptions('concat', options, concatOptions, concat);
  const { name, axis = -1 } = options;
  const call = (...inputs: (Tensor | readonly Tensor[])[]): Tensor => {
    const [first, ...others] = listed(inputs, called('concat', name), call) as [Tensor, ...Tensor[]];
    return traceOf(first).within(call, { kind: 'concat', name }, () => (others.length === 0 ? first : first.concat(others, { axis })));
  };
  return Object.defineProperty(call, 'name', { value: name ?? 'concat' }) as MergeLayer;
};
