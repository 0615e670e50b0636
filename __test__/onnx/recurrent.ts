/** ONNX's recurrent nodes by nabla's cells: gates in another order, both directions in one set of weights, time before the batch. */
import { type Tensor, traceOf } from '../../src/trace/index.js';
import type { Node, Rule } from './operators.js';

/** The operator, where each of its gates lies in ONNX's weights, and numbers of state a unit. */
const cells = {
  LSTM: { operator: 'lstm', gates: [0, 2, 3, 1], states: 2 },
  GRU: { operator: 'gru', gates: [1, 0, 2], states: 1 },
  RNN: { operator: 'simpleRnn', gates: [0], states: 1 },
} as const;

const joined = (parts: readonly Tensor[], axis: number): Tensor => (parts[0] as Tensor).concat(parts.slice(1), { axis });

/** One direction: h of all steps [batch, time, units], then h and c [batch, units] after the last. */
const directed = (node: Node, kind: keyof typeof cells, x: Tensor, at: number, reverse: boolean): Tensor[] => {
  const { operator, gates, states } = cells[kind];
  const units = node.attributes.hidden_size as number;
  const [batch, time] = x.shape as [number, number];
  const [, w, r, b] = node.x as [Tensor, Tensor, Tensor, Tensor | undefined];
  const ordered = (value: Tensor, from = 0): Tensor =>
    joined(
      gates.map((gate) => value.slice(0, from + gate * units, from + (gate + 1) * units)),
      0,
    );
  const own = (value: Tensor): Tensor => value.slice(0, at, at + 1).reshape(value.shape.slice(1));
  let input = x.matmul(ordered(own(w)).transpose());
  if (b !== undefined) input = input.add(ordered(own(b))).add(ordered(own(b), gates.length * units));
  const zeros = (shape: readonly number[]): Tensor =>
    traceOf(x).constant(new Array<number>(shape.reduce((a, n) => a * n, 1)).fill(0), shape);
  const inputs = [input, ordered(own(r)).transpose(), zeros([batch, states * units]), ...(kind === 'GRU' ? [zeros([units])] : [])];
  const record = traceOf(x).apply(operator, inputs, { reverse }, directed);
  const width = record.shape[2] as number;
  const end = (from: number): Tensor => {
    const place = reverse ? 0 : time - 1;
    return record
      .slice(1, place, place + 1)
      .slice(2, from, from + units)
      .reshape([batch, units]);
  };
  return [record.slice(2, width - units), end(width - units), ...(kind === 'LSTM' ? [end(width - 2 * units)] : [])];
};

/** A cell over time: ONNX's outputs Y, Y_h and Y_c, of which vectors hold those that are asked for. */
export const recurrent =
  (kind: keyof typeof cells): Rule =>
  (node) => {
    const first = node.attributes.layout === 1;
    const x = first ? (node.x[0] as Tensor) : (node.x[0] as Tensor).transpose([1, 0, 2]);
    const directions = { forward: [false], reverse: [true], bidirectional: [false, true] };
    const name = (node.attributes.direction as keyof typeof directions | undefined) ?? 'forward';
    const found = directions[name].map((reverse, at) => directed(node, kind, x, at, reverse));
    const all = found.map(([y]) => {
      const [batch, time, units] = (y as Tensor).shape as [number, number, number];
      return first ? (y as Tensor).reshape([batch, time, 1, units]) : (y as Tensor).transpose([1, 0, 2]).reshape([time, 1, batch, units]);
    });
    const last = (which: number): Tensor => {
      const parts = found.map((values) => {
        const value = values[which] as Tensor;
        const [batch, units] = value.shape as [number, number];
        return value.reshape(first ? [batch, 1, units] : [1, batch, units]);
      });
      return joined(parts, first ? 1 : 0);
    };
    const ends = [last(1), ...(kind === 'LSTM' ? [last(2)] : [])];
    return node.ranks[0] === 4 ? [joined(all, first ? 2 : 1), ...ends] : ends;
  };
