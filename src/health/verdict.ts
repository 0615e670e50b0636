import { short } from '../text/number.js';
import type { GateHealth, HealthRecord, LayerHealth } from './record.js';

/** What gradient health concludes. */
export type HealthVerdict = 'fine' | 'vanishing' | 'exploding' | 'dead-units' | 'saturated' | 'learning-rate-too-high';

/** One thing that is wrong. */
export interface HealthFinding {
  readonly verdict: Exclude<HealthVerdict, 'fine'>;
  /** Where it is worst. */
  readonly layer: string;
  /** The step that it was first seen in. */
  readonly step: number;
  /** The numbers it was judged by. */
  readonly evidence: Readonly<Record<string, number>>;
  /** In words. */
  readonly text: string;
  /** Where it is within a recurrence: through time, or in a gate. */
  readonly recurrence?: true;
}

/** What findings go by, and why there. */
export const healthThresholds = {
  /**
   * Vanishing: the gradient at a layer is below a thousandth of that at the layers it feeds last. Ten sigmoids multiply it by at most
   * (¼)¹⁰ = 1e-6; what Glorot & Bengio 2010 (section 3) call healthy keeps within about one order of magnitude.
   */
  vanishing: 1e-3,
  /** Exploding: it is above a thousand times that, or a recurrence multiplies it by as much within itself. (Pascanu et al. 2013, section 2.) */
  exploding: 1e3,
  /**
   * Vanishing within a recurrence: on its way back through time the gradient stays above a thousandth of its largest for less than an eighth
   * of the steps. It falls with the number of steps (Bengio, Simard & Frasconi 1994; Pascanu et al. 2013, section 2.2): 64 steps at a factor
   * of 0.42 a step; an LSTM that begins with an open forget gate keeps 0.73.
   */
  reach: 1 / 8,
  /** Judged of at least so many steps. */
  steps: 8,
  /** Exploding outputs: their root mean square is above a thousand times that of the input (and of 1). */
  outputs: 1e3,
  /** Dead: two fifths of the ReLU units of a layer gave 0 on all rows that were looked at (Stanford CS231n: "as much as 40 %"). */
  dead: 0.4,
  /** Dead from the start: nine tenths of a layer's ReLU outputs are 0, where half is what symmetric weights give (He et al. 2015). */
  deadAtStart: 0.9,
  /**
   * Saturated: more than half of a layer's tanh or sigmoid outputs are where the slope is below a tenth of its largest; of a recurrent layer,
   * of one of its gates. (An open forget or update gate is how a cell remembers, so only their closed end counts.)
   */
  saturated: 0.5,
  /** ‖Δw‖/‖w‖ is about 1e-3 where training goes well (Karpathy, CS231n); a hundred times that is too much unless the loss falls, */
  ratio: 0.1,
  /** a single update of half the weights as well, */
  jump: 0.5,
  /** and where the loss rises, or stops being finite, a hundredth is enough to say so. */
  risingRatio: 1e-2,
  /** The loss counts as fallen where its mean over the last third of the records is below this share of the first record's, */
  fallen: 0.8,
  /** and as risen above this. */
  risen: 1.2,
} as const;

const t = healthThresholds;

const rms = ({ norm, count }: { readonly norm: number; readonly count: number }): number => norm / Math.sqrt(Math.max(count, 1));

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
};

type Found = Omit<HealthFinding, 'step'> & { readonly severity: number };
type Check = (record: HealthRecord) => Found | undefined;

const worst = (found: readonly (Found | undefined)[]): Found | undefined =>
  found.reduce<Found | undefined>((a, b) => (b !== undefined && (a === undefined || b.severity > a.severity) ? b : a), undefined);

/** Layers that others follow. */
const hidden = ({ layers }: HealthRecord): readonly LayerHealth[] => layers.filter(({ ends }) => ends.length > 0);

/** The norm of the loss's gradient at a layer, and the largest at the ends that it feeds. */
const signals = (record: HealthRecord, { signal, ends }: LayerHealth): readonly [own: number, end: number] | undefined => {
  const last = Math.max(...ends.map((end) => record.layers[end]?.signal?.norm ?? 0));
  return signal === undefined || !(last > 0) ? undefined : [signal.norm, last];
};

const grows: Check = (record) =>
  worst(
    record.layers.map(({ layer, steps, signal }) => {
      if (steps === undefined || signal === undefined || !(signal.norm > 0)) return undefined;
      const gradient = Math.hypot(...steps);
      const gain = gradient / signal.norm;
      if (!(gain > t.exploding)) return undefined;
      const text = `the recurrence multiplies the gradient by ${short(gain)} on its way back through time`;
      const evidence = { gain, gradientNorm: gradient, signalNorm: signal.norm };
      return { verdict: 'exploding', layer, evidence, text, severity: gain };
    }),
  );

const fades: Check = (record) =>
  worst(
    record.layers.map(({ layer, recurrent, steps = [] }) => {
      // Steps after the last one that counts (padding) have no gradient.
      const end = steps.findLastIndex((norm) => norm > 0);
      if (!recurrent || end + 1 < t.steps) return undefined;
      const largest = Math.max(...steps);
      const first = steps.findIndex((norm) => norm >= t.vanishing * largest);
      const reach = end + 1 - first;
      if (!(reach < t.reach * (end + 1))) return undefined;
      const [firstNorm, lastNorm] = [steps[0]!, steps[end]!];
      const text = `of ${end + 1} steps the gradient reaches back ${reach}; before, it is below a thousandth (${short(firstNorm)} at the first step, ${short(lastNorm)} at the last)`;
      return {
        verdict: 'vanishing',
        layer,
        evidence: { reach, steps: end + 1, firstNorm, lastNorm },
        text,
        recurrence: true,
        severity: (end + 1) / reach,
      };
    }),
  );

/** The share of a gate that is stuck. */
const stuck = ({ gate, low, high }: GateHealth): number => (gate === 'forget' || gate === 'update' ? low : low + high);

const gates: Check = (record) =>
  worst(
    record.layers.flatMap(({ layer, gates: all = [] }) =>
      all.map((gate) => {
        const share = stuck(gate);
        if (!(share > t.saturated)) return undefined;
        const where = gate.low > 0.9 * share ? 'closed' : 'at an end';
        const text = `${(100 * share).toFixed(0)} % of its ${gate.gate} gate is ${where} (mean ${short(gate.mean)}), where the slope is near 0`;
        return {
          verdict: 'saturated',
          layer,
          evidence: { saturated: share, gateMean: gate.mean },
          text,
          recurrence: true,
          severity: share,
        };
      }),
    ),
  );

const outputs: Check = (record) =>
  worst(
    hidden(record).map((layer) => {
      if (layer.outputs === undefined) return undefined;
      const [own, input] = [rms(layer.outputs), record.input === undefined ? 1 : Math.max(1, rms(record.input))];
      if (!(own > t.outputs * input) && Number.isFinite(own)) return undefined;
      const how = layer.recurrent ? 'grow from step to step' : 'grow from layer to layer';
      const text = `its outputs are of size ${short(own)} where the input's is ${short(input)}: they ${how}`;
      return { verdict: 'exploding', layer: layer.layer, evidence: { outputSize: own, inputSize: input }, text, severity: own / input };
    }),
  );

const backward =
  (verdict: 'vanishing' | 'exploding'): Check =>
  (record) =>
    worst(
      hidden(record).map((layer) => {
        const pair = signals(record, layer);
        if (pair === undefined) return undefined;
        const [own, end] = pair;
        const share = own / end;
        const wrong = verdict === 'vanishing' ? share < t.vanishing : share > t.exploding;
        if (!wrong) return undefined;
        const text = `the gradient that reaches it is ${short(share)} times that at the end of the network (norms ${short(own)} and ${short(end)})`;
        const severity = verdict === 'vanishing' ? 1 / Math.max(share, Number.MIN_VALUE) : share;
        return { verdict, layer: layer.layer, evidence: { share, signalNorm: own, endSignalNorm: end }, text, severity };
      }),
    );

const saturated: Check = (record) =>
  worst(
    hidden(record).map(({ layer, bound, saturated: share }) => {
      if (share === undefined || !(share > t.saturated)) return undefined;
      const text = `${(100 * share).toFixed(0)} % of its outputs are at an end of ${bound}, where the slope is near 0`;
      return { verdict: 'saturated', layer, evidence: { saturated: share }, text, severity: share };
    }),
  );

const dead: Check = (record) =>
  worst(
    hidden(record).map(({ layer, dead: share, outputs: values }) => {
      if (share === undefined || !(share > t.dead)) return undefined;
      const text = `${(100 * share).toFixed(0)} % of its units gave 0 on all rows that were looked at, so no gradient reaches their weights`;
      return { verdict: 'dead-units', layer, evidence: { dead: share, zeros: values?.zeros ?? Number.NaN }, text, severity: share };
    }),
  );

const deadAtStart: Check = (record) =>
  worst(
    hidden(record).map(({ layer, bound, outputs: values }) => {
      const zeros = values?.zeros ?? 0;
      if (bound !== 'relu' || !(zeros > t.deadAtStart)) return undefined;
      const text = `${(100 * zeros).toFixed(0)} % of its outputs are 0 from the start, so next to no gradient reaches its weights`;
      return { verdict: 'dead-units', layer, evidence: { zeros }, text, severity: zeros };
    }),
  );

/** The kernel that a step moved most, in relation to its size. */
const moved = (record: HealthRecord): { readonly layer: string; readonly ratio: number } => {
  let largest = { layer: '', ratio: 0 };
  for (const { layer, parameters } of record.layers)
    for (const { kernel, ratio } of parameters) if (kernel && ratio > largest.ratio) largest = { layer, ratio };
  return largest;
};

const rate = (records: readonly HealthRecord[], broke: boolean): HealthFinding | undefined => {
  const moves = records.map(moved);
  const peak = moves.reduce((a, b) => (b.ratio > a.ratio ? b : a), { layer: '', ratio: 0 });
  const middle = median(moves.map(({ ratio }) => ratio));
  const first = records[0]?.loss ?? Number.NaN;
  const tail = records.slice(-Math.max(1, Math.floor(records.length / 3))).map(({ loss }) => loss);
  const last = tail.reduce((a, b) => a + b, 0) / tail.length;
  const known = records.length >= 3;
  const fell = known && last < t.fallen * first;
  const rose = broke || (known && !(last <= t.risen * first));
  const high = (!fell && (peak.ratio > t.jump || (known && middle > t.ratio))) || (rose && peak.ratio > t.risingRatio);
  if (!high) return undefined;
  const loss = broke
    ? 'the loss stopped being finite'
    : known
      ? `the loss went from ${short(first)} to ${short(last)}`
      : `the loss is ${short(first)}`;
  const at = records[moves.indexOf(peak)] as HealthRecord;
  return {
    verdict: 'learning-rate-too-high',
    layer: peak.layer,
    step: at.step,
    evidence: { largestRatio: peak.ratio, medianRatio: middle, firstLoss: first, lastLoss: last, learningRate: at.learningRate },
    text: `an update moved its weights by ${short(peak.ratio)} times their norm (about 0.001 is usual), and ${loss}`,
  };
};

const firstOf = (records: readonly HealthRecord[], checks: readonly Check[]): HealthFinding[] => {
  const findings: HealthFinding[] = [];
  for (const check of checks) {
    for (const record of records) {
      const found = check(record);
      if (found === undefined) continue;
      const { severity: _, ...rest } = found;
      findings.push({ ...rest, step: record.step });
      break;
    }
  }
  return findings;
};

/**
 * What is wrong, causes before their consequences: a start that cannot work (a recurrence that explodes, saturation, dead units, gradients
 * that explode or vanish over the depth), then a rate that is too high, then what training itself brought about. Each names the layer where
 * it is worst and its numbers.
 */
export const judge = (records: readonly HealthRecord[], broke = false): readonly HealthFinding[] => {
  const [start, ...later] = records;
  if (start === undefined) return [];
  const depth = [outputs, backward('exploding'), backward('vanishing')];
  const atStart = firstOf([start], [grows, saturated, gates, fades, dead, deadAtStart, ...depth]);
  const tooHigh = rate(records, broke);
  // A single odd batch is no illness: what training brought about is there in most of the second half of the records.
  const late = later.slice(Math.floor(later.length / 2));
  const lasting = [grows, dead, saturated, gates, fades, ...depth].filter(
    (check) => late.filter((record) => check(record) !== undefined).length > late.length / 2,
  );
  const found = [...atStart, ...(tooHigh === undefined ? [] : [tooHigh]), ...firstOf(late, lasting)];
  return found.filter(({ verdict }, i) => found.findIndex((other) => other.verdict === verdict) === i);
};

/** What to try where it is a recurrence that fails. */
export const recurrentRemedies: Partial<Readonly<Record<HealthVerdict, readonly string[]>>> = {
  vanishing: [
    'A gated recurrent layer, lstm() or gru(), in place of simpleRnn(); an LSTM whose forget gate begins open (the default bias, or a larger one).',
    'orthogonal() recurrent weights (the default) in place of small ones.',
    'Fewer steps: shorter windows, a stride, a convolution before; or attention.',
  ],
  saturated: [
    'Smaller first weights: the default initializers of the layer, a bias of 0.',
    'Standardized features: prepare: [standardize()].',
    'A lower learning rate, and clip: { globalNorm: 1 }, where saturation came with training.',
  ],
};

/** What to try, most promising first. */
export const remedies: Readonly<Record<HealthVerdict, readonly string[]>> = {
  fine: ['Nothing stands out.'],
  vanishing: [
    "ReLU (or GELU, SiLU) in place of sigmoid or tanh in hidden layers: activation: 'relu'.",
    "The initializer that fits the activation: heNormal() for ReLU's family, xavierNormal() for tanh (the default of each layer).",
    'Batch norm or layer norm between the layers.',
    'Shortcuts: residual([…]) blocks, so that the gradient has a way of its own.',
    'Fewer layers, or layer-wise pre-training: pretrain(…).',
  ],
  exploding: [
    'Clip the gradient: clip: { globalNorm: 1 }.',
    'Smaller first weights: the default initializer of the layer, orthogonal() for recurrent kernels.',
    'A gated recurrent layer, lstm() or gru(), in place of simpleRnn(); or shorter windows.',
    'Batch norm or layer norm between the layers; standardized features and targets.',
    'A lower learning rate.',
  ],
  'dead-units': [
    'The default start: biases of 0 and heNormal() kernels; standardized features.',
    'A lower learning rate, or warm-up: one large step can push units to where they never come back from.',
    "An activation with a slope below 0: activation: 'leakyRelu', 'elu' or 'gelu'.",
    'Batch norm before the activation.',
  ],
  saturated: [
    'Smaller first weights: xavierNormal(), the default, in place of a Gaussian of fixed deviation.',
    'Standardized features: prepare: [standardize()].',
    "ReLU in place of tanh or sigmoid: activation: 'relu'.",
    'Batch norm before the activation; a lower learning rate where saturation came with training.',
  ],
  'learning-rate-too-high': [
    'A learning rate a tenth of this; learningRateTest(trainer, data) suggests one.',
    'Warm-up: schedule: warmup({ steps: 100 }).',
    'Clip the gradient: clip: { globalNorm: 1 }.',
    'Standardized features and targets.',
  ],
};
