import type { Binding, GraphBuilder } from '../src/native/index.js';

/** A value of the eager builder: its symbolic shape (−1 is the batch) and its numbers for `ROWS` rows. */
interface Value {
  shape: number[];
  values: number[];
}

/** Rows of the batch that the eager builder computes. */
export const ROWS = 3;

/** An error as the addon throws it. */
const fail = (message: string, expected = '', received = ''): never => {
  throw new Error(JSON.stringify({ code: 'SHAPE_MISMATCH', message, expected, received }));
};

const sizes = (shape: readonly number[]): number[] => shape.map((size) => (size === -1 ? ROWS : size));
const count = (shape: readonly number[]): number => sizes(shape).reduce((a, b) => a * b, 1);

const broadcastShape = (a: readonly number[], b: readonly number[]): number[] => {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[a.length - rank + i] ?? 1, b[b.length - rank + i] ?? 1];
    if (x !== y && x !== 1 && y !== 1)
      fail(`x [${a.join(', ')}] · y [${b.join(', ')}] don't fit`, `[${a.join(', ')}]`, `[${b.join(', ')}]`);
    return x === 1 ? y : x;
  });
};

/** Index into a tensor of `shape` for a position in a larger one. */
const at = (shape: readonly number[], position: readonly number[]): number => {
  const dims = sizes(shape);
  const tail = position.slice(position.length - dims.length);
  return dims.reduce((index, size, axis) => index * size + (size === 1 ? 0 : tail[axis]!), 0);
};

const positions = function* (shape: readonly number[]): Generator<number[]> {
  const dims = sizes(shape);
  for (let i = 0; i < count(shape); i++) {
    const position: number[] = [];
    let rest = i;
    for (const size of [...dims].reverse()) {
      position.unshift(rest % size);
      rest = Math.floor(rest / size);
    }
    yield position;
  }
};

const binary: Record<string, (a: number, b: number) => number> = {
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
  less: (a, b) => (a < b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
};

const unary: Record<string, (x: number) => number> = {
  negate: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  expm1: Math.expm1,
  log: Math.log,
  log1p: Math.log1p,
  sqrt: Math.sqrt,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  relu: (x) => Math.max(x, 0),
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  dropout: (x) => x,
};

const rowsOf = (x: Value): number[][] => {
  const width = sizes(x.shape).at(-1)!;
  return Array.from({ length: x.values.length / width }, (_, row) => x.values.slice(row * width, (row + 1) * width));
};

const logSoftmax = (row: readonly number[]): number[] => {
  const top = Math.max(...row);
  const log = top + Math.log(row.reduce((sum, z) => sum + Math.exp(z - top), 0));
  return row.map((z) => z - log);
};

const reduce = (name: string, x: Value, attributes: { axes: number[] | null; keepDims: boolean }): Value => {
  const axes = (attributes.axes ?? x.shape.map((_, axis) => axis)).map((axis) => (axis < 0 ? axis + x.shape.length : axis));
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const cells: number[][] = Array.from({ length: count(kept) }, () => []);
  let i = 0;
  for (const position of positions(x.shape)) cells[at(kept, position)]!.push(x.values[i++]!);
  const sum = (cell: number[]): number => cell.reduce((a, b) => a + b, 0);
  const values = cells.map((cell) => (name === 'max' ? Math.max(...cell) : name === 'sum' ? sum(cell) : sum(cell) / cell.length));
  return { shape: attributes.keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis)), values };
};

const matmul = (a: Value, b: Value): Value => {
  const [inner, width] = b.shape as [number, number];
  if (a.shape.at(-1) !== inner) {
    const [x, kernel] = [a, b].map(({ shape }) => `[${shape.join(', ')}]`);
    fail(`x ${x} · kernel ${kernel} don't fit, inner sizes ${a.shape.at(-1)} and ${inner} differ.`, x, kernel);
  }
  const values = rowsOf(a).flatMap((row) =>
    Array.from({ length: width }, (_, j) => row.reduce((sum, x, k) => sum + x * b.values[k * width + j]!, 0)),
  );
  return { shape: [...a.shape.slice(0, -1), width], values };
};

/** What a traced function did: its native calls and its parameters. */
export interface Recording {
  applied: string[];
  parameters: { path: string; shape: number[]; kind: string; decay: boolean }[];
}

/**
 * A stand-in for the addon that computes while it traces, in double precision: the graph's operators in their simplest form, so that
 * what TypeScript composes of them can be compared with its formula, and names and calls be looked at, without a binary.
 *
 * Inputs take their numbers from `inputs`; a parameter is 0, 0.1, 0.2, … unless it starts constant.
 */
export const eagerBinding = (
  inputs: Record<string, readonly number[]> = {},
): { binding: Binding; record: Recording; valueOf: (id: number) => number[] } => {
  const nodes: Value[] = [];
  const record: Recording = { applied: [], parameters: [] };
  const push = (shape: number[], values: number[]): number => nodes.push({ shape, values }) - 1;

  class EagerBuilder implements GraphBuilder {
    readonly #paths = new Set<string>();
    gradients(): number[] {
      return fail("gradients are the addon's");
    }
    input(name: string, shape: number[]): number {
      return push(shape, [...(inputs[name] ?? new Array<number>(count(shape)).fill(1))]);
    }
    parameter(path: string, shape: number[], initializer: string, options: string): number {
      const { kind, value } = JSON.parse(initializer) as { kind: string; value?: number };
      if (this.#paths.has(path)) fail(`there is already a parameter named "${path}"`);
      this.#paths.add(path);
      record.parameters.push({ path, shape, kind, decay: (JSON.parse(options) as { decay?: boolean }).decay ?? true });
      const fixed = kind === 'zeros' ? 0 : kind === 'ones' ? 1 : value;
      return push(
        shape,
        Array.from({ length: count(shape) }, (_, i) => fixed ?? i / 10),
      );
    }
    constant(values: Float64Array, shape: number[]): number {
      return push(shape, [...values]);
    }
    apply(operator: string, ids: number[], attributes: string, _path: string): number {
      record.applied.push(operator);
      const [x, y] = ids.map((id) => nodes[id]!) as [Value, Value];
      const given = JSON.parse(attributes) as never;
      if (operator in unary) return push(x.shape, x.values.map(unary[operator]!));
      if (operator in binary) {
        const shape = broadcastShape(x.shape, y.shape);
        return push(
          shape,
          [...positions(shape)].map((p) => binary[operator]!(x.values[at(x.shape, p)]!, y.values[at(y.shape, p)]!)),
        );
      }
      switch (operator) {
        case 'sum':
        case 'mean':
        case 'max': {
          const { shape, values } = reduce(operator, x, given);
          return push(shape, values);
        }
        case 'matmul': {
          const { shape, values } = matmul(x, y);
          return push(shape, values);
        }
        case 'reshape': {
          const { shape } = given as { shape: number[] };
          if (count(shape) !== count(x.shape)) fail(`x [${x.shape.join(', ')}] can't become [${shape.join(', ')}]`);
          return push(shape, x.values);
        }
        case 'softmax':
          return push(
            x.shape,
            rowsOf(x).flatMap((row) => logSoftmax(row).map(Math.exp)),
          );
        case 'logSoftmax':
          return push(x.shape, rowsOf(x).flatMap(logSoftmax));
        case 'softmaxCrossEntropy':
          return push(
            x.shape.slice(0, -1),
            rowsOf(x).map((row, i) => -logSoftmax(row)[y.values[i]!]!),
          );
        default:
          throw new Error(JSON.stringify({ code: 'INTERNAL', message: `${operator} is not known to the eager builder` }));
      }
    }
    shape(id: number): number[] {
      return nodes[id]!.shape;
    }
    size(): number {
      return nodes.length;
    }
    repeat(): number[] {
      return fail('the eager builder does not repeat');
    }
    finish(outputs: string): string {
      return outputs;
    }
  }
  return { binding: { GraphBuilder: EagerBuilder } as unknown as Binding, record, valueOf: (id) => nodes[id]!.values };
};
