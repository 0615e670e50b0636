import { type InitializerLike, zeros } from '../initializers/index.js';
import { type Tensor, traceOf } from '../trace/index.js';
import type { ParameterFunction } from './layer.js';

export type Kind = 'simpleRnn' | 'gru' | 'lstm';

/** What a cell is told. */
export interface CellOptions {
  readonly units: number;
  readonly reverse: boolean;
  /** The activation of the operator is ReLU. */
  readonly relu: boolean;
  readonly recurrentDropout: number;
  readonly activate: (x: Tensor) => Tensor;
  readonly gate: (x: Tensor) => Tensor;
  readonly parameter: ParameterFunction;
  readonly biasInitializer?: InitializerLike;
}

/** What the cell of a kind makes of x·W. */
export interface Cell {
  readonly gates: number;
  /** Values that each unit keeps. */
  readonly states: number;
  /** All steps in one operator: a record [batch, time, …] that ends with h (before which an LSTM has c). */
  record(x: Tensor, weights: Tensor, state: Tensor, options: CellOptions): Tensor;
  /** One step: from x·W + b [batch, gates·units], h·U and the state, the next state. */
  step(weights: Tensor, options: CellOptions): (x: Tensor, hu: Tensor, state: Tensor) => Tensor;
}

/** The part of each gate. */
const parts = (x: Tensor, units: number): Tensor[] =>
  Array.from({ length: x.shape[1]! / units }, (_, i) => x.slice(1, i * units, (i + 1) * units));

const simpleCell: Cell = {
  gates: 1,
  states: 1,
  record: (x, weights, state, { relu, reverse }) =>
    traceOf(x).apply('simpleRnn', [x, weights, state], { activation: relu ? 'relu' : 'tanh', reverse }, simpleCell.record),
  step:
    (_, { activate }) =>
    (x, hu) =>
      activate(x.add(hu)),
};

const recurrentBias = ({ units, parameter, biasInitializer = zeros() }: CellOptions): Tensor =>
  parameter('recurrentBias', [units], biasInitializer, { decay: false });

const gruCell: Cell = {
  gates: 3,
  states: 1,
  record: (x, weights, state, options) =>
    traceOf(x).apply('gru', [x, weights, state, recurrentBias(options)], { reverse: options.reverse }, gruCell.record),
  step: (_, options) => {
    const { units, activate, gate } = options;
    const bias = recurrentBias(options);
    return (x, hu, h) => {
      const [xr, xz, xn] = parts(x, units) as [Tensor, Tensor, Tensor];
      const [hr, hz, hn] = parts(hu, units) as [Tensor, Tensor, Tensor];
      const [r, z] = [gate(xr.add(hr)), gate(xz.add(hz))];
      const n = activate(xn.add(r.multiply(hn.add(bias))));
      return n.add(z.multiply(h.subtract(n)));
    };
  },
};

const lstmCell: Cell = {
  gates: 4,
  states: 2,
  record: (x, weights, state, { reverse }) => traceOf(x).apply('lstm', [x, weights, state], { reverse }, lstmCell.record),
  step:
    (_, { units, activate, gate }) =>
    (x, hu, state) => {
      const [i, f, g, o] = parts(x.add(hu), units) as [Tensor, Tensor, Tensor, Tensor];
      const c = gate(f)
        .multiply(state.slice(1, units))
        .add(gate(i).multiply(activate(g)));
      return gate(o).multiply(activate(c)).concat(c);
    },
};

/** The cells by kind. */
export const cells: Readonly<Record<Kind, Cell>> = { simpleRnn: simpleCell, gru: gruCell, lstm: lstmCell };
