import { type Dataset, schemaOf } from '../data/dataset.js';
import {
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
import { Fitted, type PredictInput } from './fitted.js';
import { expectOneOutput } from './outputs.js';
import type { PredictionKind } from './predictions.js';
import { expectDataset, recipeOf, Trainer } from './trainer.js';

/** The members of an ensemble: trainers whose seeds, models or data preparation differ; or copies of one on resampled rows. */
export type EnsembleMembers =
  | readonly Estimator[]
  | { readonly of: Estimator; readonly count: number; readonly sampling?: 'bootstrap' | 'none' };

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

type Copies = Exclude<EnsembleMembers, readonly Estimator[]>;

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

/** What an ensemble's fit gives. */
export interface FittedEnsemble extends FittedEstimator {
  /** The fitted members. */
  readonly members: readonly Fitted[];
  /** Names of the classes; empty when the target is numbers. */
  readonly classes: readonly string[];
  /** Class names or numbers. */
  predict(input: PredictInput): Promise<string[] | Float64Array>;
  /** The combined probabilities, one array a row: means, or shares of the votes. */
  probabilities(input: PredictInput): Promise<Float64Array[]>;
  /** `accuracy` for classes, `meanSquaredError` for numbers. */
  evaluate(data: Dataset): Promise<Readonly<Record<string, number>>>;
}

/** Index of the largest; the first of equals. */
const largest = (row: Float64Array): number => row.reduce((best, p, i) => (p > (row[best] as number) ? i : best), 0);

const combined = (
  members: readonly Fitted<string, PredictionKind>[],
  weights: readonly number[],
  combine: 'average' | 'vote',
): FittedEnsemble => {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const classes = (members[0] as Fitted).classes;
  const probabilities = async (input: PredictInput): Promise<Float64Array[]> => {
    const all = await Promise.all(members.map((member) => member.predict(input, { probabilities: true })));
    return (all[0] as Float64Array[]).map((_, row) => {
      const sum = new Float64Array(classes.length);
      all.forEach((matrix, m) => {
        const p = matrix[row] as Float64Array;
        const share = (weights[m] as number) / total;
        if (combine === 'vote') sum[largest(p)] = (sum[largest(p)] as number) + share;
        else p.forEach((value, i) => void (sum[i] = (sum[i] as number) + share * value));
      });
      return sum;
    });
  };
  const predict = async (input: PredictInput): Promise<string[] | Float64Array> => {
    if (classes.length > 0) return (await probabilities(input)).map((row) => classes[largest(row)] as string);
    const all = (await Promise.all(members.map((member) => member.predict(input)))) as Float64Array[];
    return (all[0] as Float64Array).map((_, i) =>
      all.reduce((sum, values, m) => sum + ((weights[m] as number) / total) * (values[i] as number), 0),
    );
  };
  const evaluate = async (data: Dataset): Promise<Readonly<Record<string, number>>> => {
    expectDataset('evaluate', data);
    const found = await predict(data);
    if (classes.length > 0) return { accuracy: accuracy(data.labels(), found as string[]) };
    return { meanSquaredError: meanSquaredError(data.targets(), found as Float64Array) };
  };
  return Object.freeze({ members, classes, predict, probabilities, evaluate });
};

/**
 * Several estimators as one. Members are fitted on the same rows, one a core; what they predict is averaged (probabilities or numbers) or
 * voted on, with weights. An error of one member is the ensemble's. Hansen & Salamon 1990; Breiman 1996 for the average.
 * @throws {NablaError} `INVALID_OPTION`
 * @example
 * const seeds = [1, 2, 3].map((seed) => new Trainer({ ...recipe, seed }));
 * const fitted = await ensemble(seeds).fit(train);
 * @example
 * const bagged = await ensemble({ of: trainer, count: 10, sampling: 'bootstrap' }).fit(train); // Breiman 1996
 */
export const ensemble = (members: EnsembleMembers, options: EnsembleOptions = {}): Estimator<FittedEnsemble> => {
  const copies = Array.isArray(members) ? undefined : copiesOf(members as Copies);
  const list = copies ?? [...(members as readonly Estimator[])];
  if (list.length === 0 || !list.every((member) => typeof member === 'object' && member !== null && typeof member.fit === 'function'))
    throw invalidOption('ensemble', 'members', 'to be an array of at least one trainer', members, ensemble);
  expectOptions('ensemble', options, ensembleOptions, ensemble);
  const { combine = 'average', weights = list.map(() => 1) } = options;
  if (weights.length !== list.length)
    throw invalidOption('ensemble', 'weights', `to be ${list.length} numbers, one a member`, weights, ensemble);
  return {
    async fit(data: Dataset, fitOptions: EstimatorFitOptions = {}): Promise<FittedEnsemble> {
      expectDataset('fit', data);
      expectOneOutput('ensemble', schemaOf(data));
      const threads = fitOptions.threads ?? native().defaultThreads();
      const cores = Math.min(threads, list.length);
      const fitted: Fitted<string, PredictionKind>[] = new Array(list.length);
      let next = 0;
      const work = async (): Promise<void> => {
        for (let m = next++; m < list.length; m = next++) {
          const member: unknown = await (list[m] as Estimator).fit(data, {
            ...fitOptions,
            threads: Math.max(1, Math.floor(threads / cores)),
          });
          if (!(member instanceof Fitted)) {
            throw new NablaError({
              code: 'INVALID_OPTION',
              place: 'ensemble',
              message: `member ${m} is no trainer: only their models can be combined.`,
              expected: 'a Trainer',
            });
          }
          expectOneOutput('ensemble', member);
          fitted[m] = member as Fitted<string, PredictionKind>;
        }
      };
      await Promise.all(Array.from({ length: cores }, work));
      const classes = (fitted[0] as Fitted).classes;
      if (combine === 'vote' && classes.length === 0)
        throw invalidOption('ensemble', 'combine', "to be 'average' where the target is numbers", combine);
      return combined(fitted, weights, combine);
    },
  };
};
