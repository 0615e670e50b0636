/** Predictions of one test set by models of several training sets, and what is known of the truth. */
export interface Votes {
  /** Number of classes; 0 for numbers. */
  readonly classes: number;
  /** One list a training set, a value a row: a number, or the index of a class. */
  readonly predictions: readonly Float64Array[];
  readonly y: Float64Array;
  /** The target without noise. */
  readonly known: Float64Array | undefined;
  /** Rows with the same features. */
  readonly repeats: readonly (readonly number[])[];
}

/** The terms of the expected error; noise is NaN where nothing measures it. */
export interface Terms {
  readonly bias: number;
  readonly variance: number;
  readonly noise: number;
  readonly expectedError: number;
}

/** Terms with standard errors. */
export interface Parts {
  readonly terms: Terms;
  readonly errors: Terms;
  readonly noiseFrom: 'truth' | 'repeated rows' | 'bound';
}

/** How often a term is resampled for its standard error. */
const resamples = 200;

/** Whole numbers below n from a seed: Marsaglia's xorshift128 behind SplitMix64-like seeding, by the multiply-shift of 32 bits. */
export const resampler = (seed: number): ((n: number) => number) => {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  const mix = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state ^ (Math.floor(seed / 0x100000000) >>> 0);
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) >>> 0;
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35) >>> 0;
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [x, y, z, w] = [mix(), mix(), mix(), mix() | 1];
  return (n) => {
    const t = x ^ (x << 11);
    x = y;
    y = z;
    z = w;
    w = (w ^ (w >>> 19) ^ t ^ (t >>> 8)) >>> 0;
    return Math.floor((w / 0x100000000) * n);
  };
};

const range = (n: number): Uint32Array => Uint32Array.from({ length: n }, (_, i) => i);

const squared = ({ predictions, y, known }: Votes, noise: number, sets: Uint32Array, rows: Uint32Array): Terms => {
  const t = sets.length;
  let [bias, variance, error, measured] = [0, 0, 0, 0];
  for (const row of rows) {
    let mean = 0;
    for (const set of sets) mean += predictions[set]![row]!;
    mean /= t;
    let squares = 0;
    for (const set of sets) squares += (predictions[set]![row]! - mean) ** 2;
    const target = y[row]!;
    const truth = known === undefined ? target : known[row]!;
    variance += squares / (t - 1);
    bias += (mean - truth) ** 2 - squares / (t - 1) / t;
    // Σ (f − y)² about the mean.
    error += squares / t + (mean - target) ** 2;
    measured += (target - truth) ** 2;
  }
  const m = rows.length;
  const value = known === undefined ? noise : measured / m;
  return {
    bias: bias / m - (known === undefined && !Number.isNaN(value) ? value : 0),
    variance: variance / m,
    noise: value,
    expectedError: error / m,
  };
};

const zeroOne = ({ classes, predictions, y, known }: Votes, noise: number, sets: Uint32Array, rows: Uint32Array): Terms => {
  const t = sets.length;
  const count = new Float64Array(classes);
  let [bias, right, error] = [0, 0, 0];
  for (const row of rows) {
    count.fill(0);
    for (const set of sets) {
      const vote = predictions[set]![row]!;
      if (vote >= 0) count[vote]!++;
    }
    let main = 0;
    for (let k = 1; k < classes; k++) if (count[k]! > count[main]!) main = k;
    const target = y[row]!;
    const truth = known === undefined ? target : known[row]!;
    bias += Number(main !== truth);
    right += count[truth]! / t;
    error += 1 - count[target]! / t;
  }
  const m = rows.length;
  const expectedError = error / m;
  // Against the truth, loss = bias + net variance; what the noise adds to that is its net effect on the error.
  const variance = 1 - right / m - bias / m;
  if (known !== undefined) return { bias: bias / m, variance, noise: expectedError - (1 - right / m), expectedError };
  return { bias: bias / m - (Number.isNaN(noise) ? 0 : noise), variance, noise, expectedError };
};

/** Noise by rows with the same features: their scatter over n − 1, or the share that is not of the most frequent class. */
const repeatedNoise = ({ classes, y }: Votes, groups: readonly (readonly number[])[]): number => {
  let [sum, freedom] = [0, 0];
  for (const rows of groups) {
    if (classes === 0) {
      const mean = rows.reduce((total, row) => total + y[row]!, 0) / rows.length;
      sum += rows.reduce((total, row) => total + (y[row]! - mean) ** 2, 0);
    } else {
      const count = new Map<number, number>();
      for (const row of rows) count.set(y[row]!, (count.get(y[row]!) ?? 0) + 1);
      sum += rows.length - Math.max(...count.values());
    }
    freedom += rows.length - 1;
  }
  return freedom === 0 ? Number.NaN : sum / freedom;
};

const names = ['bias', 'variance', 'noise', 'expectedError'] as const;

/** The terms, and their standard errors by drawing training sets and test rows anew, with replacement. */
export const decompose = async (votes: Votes, seed: number, signal?: AbortSignal): Promise<Parts> => {
  const [t, m] = [votes.predictions.length, votes.y.length];
  const of = votes.classes > 0 ? zeroOne : squared;
  const noiseFrom = votes.known !== undefined ? 'truth' : votes.repeats.length > 0 ? 'repeated rows' : 'bound';
  const noise = votes.known === undefined ? repeatedNoise(votes, votes.repeats) : 0;
  const terms = of(votes, noise, range(t), range(m));
  const next = resampler(seed);
  const draw = (n: number): Uint32Array => Uint32Array.from({ length: n }, () => next(n));
  const again: Terms[] = [];
  for (let b = 0; b < resamples; b++) {
    // A turn for the event loop, and for an abort.
    await new Promise((resolve) => setImmediate(resolve));
    signal?.throwIfAborted();
    const groups = Array.from(draw(votes.repeats.length), (i) => votes.repeats[i]!);
    const value = votes.known === undefined ? repeatedNoise(votes, groups) : 0;
    let sets = draw(t);
    // A variance needs two models that differ.
    while (sets.every((set) => set === sets[0])) sets = draw(t);
    again.push(of(votes, value, sets, draw(m)));
  }
  const deviation = (name: keyof Terms): number => {
    const values = again.map((each) => each[name]);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  };
  const errors = Object.fromEntries(names.map((name) => [name, deviation(name)])) as unknown as Terms;
  return { terms, errors, noiseFrom };
};
