/** Numbers in words of statistics. */
export interface Statistics {
  readonly count: number;
  readonly mean: number;
  /** Standard deviation. */
  readonly deviation: number;
  /** √(Σ x²) */
  readonly norm: number;
  readonly smallest: number;
  readonly largest: number;
  /** The share that is exactly 0. */
  readonly zeros: number;
  /** Of at most 1,024 of them, evenly chosen, in bins of one width; what lies outside is in the first or the last. */
  readonly histogram: { readonly from: number; readonly to: number; readonly counts: readonly number[] };
}

/** What a step did to one parameter. */
export interface ParameterHealth {
  readonly name: string;
  /** Whether it has two axes or more: no bias, no scale. */
  readonly kernel: boolean;
  /** Its gradient, before penalties and clipping. */
  readonly gradient: Statistics;
  /** ‖w‖ before the update. */
  readonly weightNorm: number;
  /** ‖Δw‖ */
  readonly updateNorm: number;
  /** ‖Δw‖/‖w‖; NaN where the weight is 0. */
  readonly ratio: number;
}

/** One gate of a recurrent layer, over rows, steps (padded ones included) and units. */
export interface GateHealth {
  /** Of an LSTM `input`, `forget`, `candidate`, `output`; of a GRU `reset`, `update`, `candidate`. */
  readonly gate: 'input' | 'forget' | 'candidate' | 'output' | 'reset' | 'update';
  readonly mean: number;
  /** The share at the lower end, where the slope is below a tenth of its largest: below 0.025, of a candidate (tanh) below −0.95. */
  readonly low: number;
  /** The share at the upper end: above 0.975, of a candidate above 0.95. */
  readonly high: number;
}

/** What a step did to one layer. */
export interface LayerHealth {
  /** Its path, such as `residual/dense`. */
  readonly layer: string;
  /** The activation that gives its outputs, if it is one of these. */
  readonly bound?: 'relu' | 'tanh' | 'sigmoid';
  /** Whether it goes through time. */
  readonly recurrent: boolean;
  /** The last layers that it feeds, by their place in the list; none of a last one. */
  readonly ends: readonly number[];
  /** Its outputs, in training (of a layer called several times, of each call that another layer reads; padded steps included). */
  readonly outputs?: Statistics;
  /** The share of outputs at an end of their range: |tanh| > 0.95, a sigmoid below 0.025 or above 0.975. */
  readonly saturated?: number;
  /** The share of ReLU units that gave 0 on each of the last 256 rows that were looked at; absent until there were as many. */
  readonly dead?: number;
  /** The loss's gradient with respect to its outputs. */
  readonly signal?: Statistics;
  /** Gates of `lstm` and `gru`. */
  readonly gates?: readonly GateHealth[];
  /**
   * Of a recurrent layer: the norm of the loss's gradient with respect to what goes into each step, over rows and units, in the order of the
   * run (of more than 256 steps, 256 evenly chosen). How far the left end is below the right one is how little the past is learnt from.
   */
  readonly steps?: readonly number[];
  /** Its trained parameters. */
  readonly parameters: readonly ParameterHealth[];
}

/** One step that was looked at. */
export interface HealthRecord {
  /** From 0. */
  readonly step: number;
  /** From 0. */
  readonly epoch: number;
  /** Rows of its batch. */
  readonly rows: number;
  /** The mean loss of its batch, before the update. */
  readonly loss: number;
  readonly learningRate: number;
  /** What the model read, prepared. */
  readonly input?: Statistics;
  /** In the order of the model. */
  readonly layers: readonly LayerHealth[];
}

type Crossed<T> = { -readonly [K in keyof T]: T[K] | null };

const finite = <T extends object>(crossed: T | null | undefined): T | undefined => {
  if (crossed === null || crossed === undefined) return undefined;
  const values = crossed as Crossed<Record<string, number>>;
  // NaN and ∞ cross as null, because JSON knows neither.
  for (const name in values) values[name] ??= Number.NaN;
  return crossed;
};

/** A record as it crossed from the native side, in place. */
export const recordFrom = (crossed: HealthRecord): HealthRecord => {
  const record = crossed as { -readonly [K in keyof HealthRecord]: HealthRecord[K] };
  record.loss ??= Number.NaN;
  if (finite(record.input) === undefined) delete record.input;
  for (const layer of record.layers) {
    finite(layer.outputs);
    finite(layer.signal);
    if (layer.steps !== undefined) (layer as { steps: readonly number[] }).steps = layer.steps.map((norm) => norm ?? Number.NaN);
    layer.gates?.forEach(finite);
    for (const parameter of layer.parameters as (ParameterHealth & { ratio: number })[]) {
      finite(parameter.gradient);
      parameter.ratio = ratioOf(parameter);
    }
  }
  return record;
};

/** ‖Δw‖/‖w‖ */
export const ratioOf = ({ weightNorm, updateNorm }: { readonly weightNorm: number; readonly updateNorm: number }): number =>
  weightNorm > 0 ? updateNorm / weightNorm : Number.NaN;
