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

/**
 * The same step by step, for the cells of ONNX that are not those of PyTorch and cuDNN: a GRU whose state is reset before its product, and
 * an LSTM whose gates see c (`P`, in the order i, o, f). Sequences are of one length.
 */
const composed = (node: Node, kind: 'GRU' | 'LSTM', x: Tensor, at: number, reverse: boolean): Tensor[] => {
  const units = node.attributes.hidden_size as number;
  const [batch, time] = x.shape as [number, number];
  const [, w, r, b, , h0, c0, p] = node.x as readonly (Tensor | undefined)[];
  const own = (value: Tensor): Tensor => value.slice(0, at, at + 1).reshape(value.shape.slice(1));
  const [input, state] = [own(w as Tensor).transpose(), own(r as Tensor).transpose()];
  const gates = input.shape[1]! / units;
  const zeros = traceOf(x).constant(new Array<number>(batch * units).fill(0), [batch, units]);
  const bias = (from: number, gate: number): Tensor =>
    b === undefined ? zeros : own(b).slice(0, (from + gate) * units, (from + gate + 1) * units);
  const peep = (which: number): Tensor => (p === undefined ? zeros : own(p).slice(0, which * units, (which + 1) * units));
  const part = (matrix: Tensor, gate: number): Tensor => matrix.slice(1, gate * units, (gate + 1) * units);
  let [h, c] = [h0 === undefined ? zeros : own(h0), c0 === undefined ? zeros : own(c0)];
  const steps: Tensor[] = [];
  for (let i = 0; i < time; i++) {
    const place = reverse ? time - 1 - i : i;
    const now = x.slice(1, place, place + 1).reshape([batch, x.shape[2]!]);
    const sum = (gate: number, of = h): Tensor =>
      now
        .matmul(part(input, gate))
        .add(of.matmul(part(state, gate)))
        .add(bias(0, gate))
        .add(bias(gates, gate));
    if (kind === 'GRU') {
      const [z, reset] = [sum(0).sigmoid(), sum(1).sigmoid()];
      h = z
        .negate()
        .add(1)
        .multiply(sum(2, reset.multiply(h)).tanh())
        .add(z.multiply(h));
    } else {
      const [open, forget] = [sum(0).add(peep(0).multiply(c)).sigmoid(), sum(2).add(peep(2).multiply(c)).sigmoid()];
      c = forget.multiply(c).add(open.multiply(sum(3).tanh()));
      h = sum(1).add(peep(1).multiply(c)).sigmoid().multiply(c.tanh());
    }
    steps[place] = h.reshape([batch, 1, units]);
  }
  return [joined(steps, 1), h, c];
};

/** A cell over time: ONNX's outputs Y, Y_h and Y_c, of which vectors hold those that are asked for. */
export const recurrent =
  (kind: keyof typeof cells): Rule =>
  (node) => {
    const first = node.attributes.layout === 1;
    const x = first ? (node.x[0] as Tensor) : (node.x[0] as Tensor).transpose([1, 0, 2]);
    const directions = { forward: [false], reverse: [true], bidirectional: [false, true] };
    const name = (node.attributes.direction as keyof typeof directions | undefined) ?? 'forward';
    const other = (kind === 'GRU' && node.attributes.linear_before_reset !== 1) || (kind === 'LSTM' && node.x[7] !== undefined);
    const found = directions[name].map((reverse, at) =>
      other ? composed(node, kind as 'GRU' | 'LSTM', x, at, reverse) : directed(node, kind, x, at, reverse),
    );
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
