import { type Dataset, schemaOf } from '../data/dataset.js';
import type { TargetSchema } from '../data/schema.js';
import {
  expectArgument,
  expectOptions,
  invalidOption,
  isAnything,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import { uniform } from '../initializers/index.js';
import { accuracy, meanSquaredError } from '../metrics/index.js';
import { native } from '../native/index.js';
import type { Estimator, EstimatorFitOptions, FittedEstimator } from './estimator.js';
import { Fitted, type PredictInput, placesOf } from './fitted.js';
import { classesOf } from './outputs.js';
import type { PredictionKind } from './predictions.js';
import { expectCycles, fitSnapshots } from './snapshots.js';
import { type AnyTrainer, expectDataset, isTrainer, recipeOf, Trainer } from './trainer.js';

/**
 * The members of an ensemble: trainers whose seeds, models or data preparation differ; copies of one, with seeds or rows of their own; or one
 * fit in so many cycles of its rate, with the weights kept at the end of each.
 */
export type EnsembleMembers =
  | readonly Estimator[]
  | { readonly of: Estimator; readonly count: number; readonly sampling?: 'bootstrap' | 'none' }
  | { readonly of: AnyTrainer; readonly snapshots: number };

/** Options of `ensemble`. */
export interface EnsembleOptions {
  /** `'average'`: the mean of probabilities or numbers; `'vote'`: the class that most members predict. Default `'average'`. */
  readonly combine?: 'average' | 'vote';
  /** One a member, above 0; default all alike. */
  readonly weights?: readonly number[];
}
const ensembleOptions = optionsOf('ensemble', { combine: isOneOf(['average', 'vote']), weights: isListOf(isNumber({ above: 0 })) });
const copyOptions = optionsOf('ensemble', {
  of: isAnything,
  count: isInteger({ min: 1, max: 10_000 }),
  sampling: isOneOf(['bootstrap', 'none']),
});

const snapshotOptions = optionsOf('ensemble', { of: isTrainer, snapshots: isInteger({ min: 1, max: 10_000 }) });

type Copies = Extract<EnsembleMembers, { readonly count: number }>;
type Snapshots = Extract<EnsembleMembers, { readonly snapshots: number }>;

/** Rows drawn with replacement, as many as there are. Efron 1979. */
const resampled = (data: Dataset, seed: number): Dataset => {
  const draws = uniform({ low: 0, high: 1 }).sample([data.rows], { seed, precision: 'f64' });
  return data.select(Uint32Array.from(draws, (draw) => Math.min(Math.floor(draw * data.rows), data.rows - 1)));
};

/** Copies of one estimator: of a trainer each with its own seed, the first with the trainer's; and on rows of its own where asked for. */
const copiesOf = (members: Copies): Estimator[] => {
  expectOptions('ensemble', members, copyOptions, ensemble);
  const { of, count, sampling = 'none' } = members;
  if (typeof of !== 'object' || of === null || typeof of.fit !== 'function')
    throw invalidOption('ensemble', 'of', 'to be a trainer', of, ensemble);
  if (count === undefined) throw invalidOption('ensemble', 'count', 'to be a whole number ≥ 1', count, ensemble);
  if (sampling === 'none' && !(of instanceof Trainer))
    throw invalidOption(
      'ensemble',
      'sampling',
      "to be 'bootstrap' for what is no trainer: copies with nothing of their own are alike",
      sampling,
      ensemble,
    );
  return Array.from({ length: count }, (_, i) => {
    const recipe = of instanceof Trainer ? recipeOf(of) : undefined;
    const member = recipe === undefined ? of : new Trainer({ ...recipe, seed: (recipe.seed ?? 0) + i });
    if (sampling === 'none') return member;
    return { fit: (data, options) => member.fit(resampled(data, (recipe?.seed ?? 0) + i), options) } as Estimator;
  });
};

/**
 * What an ensemble's fit gives. Of members with several outputs, `ensemble<{ digit: string[]; … }, { digit: Float64Array[]; … }>(…)` says
 * what they are.
 */
export interface FittedEnsemble<P = string[] | Float64Array, Q = Float64Array[]> extends FittedEstimator {
  /** The fitted members. */
  readonly members: readonly Fitted[];
  /** Names of the classes; empty when the target is numbers. */
  readonly classes: readonly string[];
  /** Class names or numbers; of members with several outputs an object of them by name. */
  predict(input: PredictInput): Promise<P>;
  /** The combined probabilities, one array a row: means, or shares of the votes; by name where there are several outputs. */
  probabilities(input: PredictInput): Promise<Q>;
  /** `accuracy` for classes, `meanSquaredError` for numbers; of several outputs such as `digit.accuracy`. */
  evaluate(data: Dataset): Promise<Readonly<Record<string, number>>>;
}

/** Index of the largest; the first of equals. */
const largest = (row: Float64Array): number => row.reduce((best, p, i) => (p > (row[best] as number) ? i : best), 0);

/** What members say of one output: probabilities a row, or numbers. */
type Said = Float64Array[] | Float64Array;

const combined = (
  members: readonly Fitted<string, PredictionKind>[],
  weights: readonly number[],
  combine: 'average' | 'vote',
  target: TargetSchema | null,
): FittedEnsemble => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const first = members[0] as Fitted;
  const { classes } = first;
  const names = first.outputs;
  /** Means of numbers; means of probabilities, or shares of votes. */
  const together = (all: readonly Said[]): Said => {
    const share = (m: number): number => (weights[m] as number) / total;
    const [one] = all;
    if (one instanceof Float64Array)
      return one.map((_, i) => (all as readonly Float64Array[]).reduce((sum, values, m) => sum + share(m) * (values[i] as number), 0));
    return (one as Float64Array[]).map((own, row) => {
      const sum = new Float64Array(own.length);
      (all as readonly Float64Array[][]).forEach((matrix, m) => {
        const p = matrix[row] as Float64Array;
        if (combine === 'vote') sum[largest(p)] = (sum[largest(p)] as number) + share(m);
        else p.forEach((value, i) => void (sum[i] = (sum[i] as number) + share(m) * value));
      });
      return sum;
    });
  };
  const said = async (input: PredictInput): Promise<Said | Record<string, Said>> => {
    const options = classes.length > 0 || names.length > 0 ? { probabilities: true as const } : {};
    const all = (await Promise.all(members.map((member) => member.predict(input, options as never)))) as unknown[];
    if (names.length === 0) return together(all as Said[]);
    return Object.fromEntries(names.map((name) => [name, together((all as Record<string, Said>[]).map((one) => one[name] as Said))]));
  };
  const named = (one: Said, own: readonly string[]): string[] | Float64Array =>
    one instanceof Float64Array ? one : one.map((row) => own[largest(row)] as string);
  const predict = async (input: PredictInput): Promise<string[] | Float64Array | Record<string, string[] | Float64Array>> => {
    const found = await said(input);
    if (names.length === 0) return named(found as Said, classes);
    const each = placesOf(first).map((place) => [
      place.name,
      named((found as Record<string, Said>)[place.name] as Said, classesOf(place, target)),
    ]);
    return Object.fromEntries(each);
  };
  const evaluate = async (data: Dataset): Promise<Readonly<Record<string, number>>> => {
    expectDataset('evaluate', data);
    const found = await predict(data);
    const scoreOf = (one: string[] | Float64Array, name?: string): [string, number] =>
      one instanceof Float64Array
        ? ['meanSquaredError', meanSquaredError(data.targets(name), one)]
        : ['accuracy', accuracy(data.labels(name), one)];
    if (names.length === 0) return Object.fromEntries([scoreOf(found as string[] | Float64Array)]);
    return Object.fromEntries(
      names.map((name) => {
        const [metric, value] = scoreOf((found as Record<string, string[] | Float64Array>)[name] as string[] | Float64Array, name);
        return [`${name}.${metric}`, value];
      }),
    );
  };
  return Object.freeze({ members, classes, predict, probabilities: said, evaluate }) as unknown as FittedEnsemble;
};

/** One trainer fitted in cycles, and how many. */
const snapshotsOf = (members: unknown): Snapshots | undefined => {
  if (typeof members !== 'object' || members === null || !('snapshots' in members)) return undefined;
  expectOptions('ensemble', members, snapshotOptions, ensemble);
  const { of, snapshots } = members as Snapshots;
  expectArgument('ensemble', 'of', of, isTrainer, ensemble);
  expectCycles(of, snapshots, ensemble);
  return { of, snapshots };
};

/** Fits all members, a few at a time; the first error ends the others. */
const fitMembers = async (list: readonly Estimator[], data: Dataset, options: EstimatorFitOptions): Promise<unknown[]> => {
  const threads = options.threads ?? native().defaultThreads();
  const cores = Math.min(threads, list.length);
  const failed = new AbortController();
  const signal = options.signal === undefined ? failed.signal : AbortSignal.any([options.signal, failed.signal]);
  const fitted: unknown[] = new Array(list.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let m = next++; m < list.length; m = next++)
      fitted[m] = await (list[m] as Estimator).fit(data, { ...options, signal, threads: Math.max(1, Math.floor(threads / cores)) });
  };
  const workers = Array.from({ length: cores }, () =>
    work().catch((error: unknown) => {
      next = list.length;
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(workers);
  await Promise.all(workers);
  return fitted;
};

/**
 * Several estimators as one. Members are fitted on the same rows, one a core; what they predict is averaged (probabilities or numbers) or
 * voted on, with weights. An error of one member is the ensemble's, and ends the others. Hansen & Salamon 1990; Breiman 1996 for the average.
 *
 * With `snapshots` one fit gives all members: its rate falls from the optimizer's to 0 by a cosine in each of so many cycles of equal length,
 * which divide the trainer's epochs, and the weights at the end of each are kept. Huang et al. 2017, arXiv:1704.00109.
 * @throws {NablaError} `INVALID_OPTION`
 * @example
 * const seeds = [1, 2, 3].map((seed) => new Trainer({ ...recipe, seed }));
 * const fitted = await ensemble(seeds).fit(train);
 * @example
 * const bagged = await ensemble({ of: trainer, count: 10, sampling: 'bootstrap' }).fit(train); // Breiman 1996
 * const snapshots = await ensemble({ of: trainer, snapshots: 5 }).fit(train); // five members for the cost of one
 */
export const ensemble = <P = string[] | Float64Array, Q = Float64Array[]>(
  members: EnsembleMembers,
  options: EnsembleOptions = {},
): Estimator<FittedEnsemble<P, Q>> => {
  const cycles = snapshotsOf(members);
  const copies = Array.isArray(members) || cycles !== undefined ? undefined : copiesOf(members as Copies);
  const list = copies ?? (cycles === undefined ? [...(members as readonly Estimator[])] : []);
  if (cycles === undefined && (list.length === 0 || !list.every((m) => typeof m === 'object' && m !== null && typeof m.fit === 'function')))
    throw invalidOption('ensemble', 'members', 'to be an array of at least one trainer', members, ensemble);
  expectOptions('ensemble', options, ensembleOptions, ensemble);
  const count = cycles?.snapshots ?? list.length;
  const { combine = 'average', weights = new Array<number>(count).fill(1) } = options;
  if (weights.length !== count) throw invalidOption('ensemble', 'weights', `to be ${count} numbers, one a member`, weights, ensemble);
  return {
    async fit(data: Dataset, fitOptions: EstimatorFitOptions = {}): Promise<FittedEnsemble<P, Q>> {
      expectDataset('fit', data);
      const all = cycles === undefined ? await fitMembers(list, data, fitOptions) : await fitSnapshots(cycles.of, count, data, fitOptions);
      const fitted = all.map((member, m): Fitted<string, PredictionKind> => {
        if (!(member instanceof Fitted)) {
          throw new NablaError({
            code: 'INVALID_OPTION',
            place: 'ensemble',
            message: `member ${m} is no trainer: only their models can be combined.`,
            expected: 'a Trainer',
          });
        }
        return member as Fitted<string, PredictionKind>;
      });
      const { target } = schemaOf(data);
      const kinds = target?.kind === 'several' ? target.targets.map((one) => one.target.kind) : [target?.kind];
      if (combine === 'vote' && kinds.includes('numbers'))
        throw invalidOption('ensemble', 'combine', "to be 'average' where the target is numbers", combine);
      return combined(fitted, weights, combine, target) as unknown as FittedEnsemble<P, Q>;
    },
  };
};
