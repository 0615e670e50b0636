import { type Dataset, schemaOf } from '../data/dataset.js';
import { expectOptions, invalidOption, isBoolean, isInteger, isNumber, isString, NablaError, optionsOf } from '../errors/index.js';
import { countBar } from '../report/progress.js';
import { short } from '../text/number.js';
import { table } from '../text/table.js';
import type { Estimator } from '../trainer/estimator.js';
import { Fitted } from '../trainer/fitted.js';
import { expectDataset, expectSameSchema } from '../trainer/trainer.js';
import { isSignal } from './cross-validate.js';
import { joiningOrder } from './curves.js';
import { type Fit, fitAll } from './fit-all.js';
import { leaks } from './leaks.js';
import { noiseFloor } from './noise-floor.js';
import { type OneOutput, oneOutput } from './one-output.js';
import { expectVariedTarget } from './varied-target.js';

/** What `diagnose` concludes. */
export type Verdict = 'high-bias' | 'high-variance' | 'both' | 'noise-limited' | 'good-fit';

/** Options of `diagnose`. */
export interface DiagnoseOptions {
  readonly train: Dataset;
  /** Rows to judge by; not the test set. */
  readonly validation: Dataset;
  /** The error that can be reached (a person's, a rule's, the noise), in the error's own measure. Default: estimated from neighbouring rows. */
  readonly baselineError?: number;
  /** Of a model with several outputs: the one that is judged. */
  readonly output?: string;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
}

/** The numbers a verdict was made of. Errors are shares of wrong rows, or mean squared errors. */
export interface Evidence {
  readonly trainError: number;
  readonly validationError: number;
  /** What can be reached. */
  readonly baselineError: number;
  /** Of always saying the most frequent class, or the mean. */
  readonly trivialError: number;
  /** trainError − baselineError, at least 0: what more capacity or longer training could win. */
  readonly avoidableBias: number;
  /** validationError less the larger of trainError and baselineError: what more data or regularization could win. */
  readonly varianceGap: number;
  /** Above these, bias and variance count as high: 5 % of the way from the trivial to the baseline error, and two standard errors. */
  readonly biasThreshold: number;
  readonly varianceThreshold: number;
  /** Of the same recipe on half of the training rows. */
  readonly validationErrorOfHalf: number;
  readonly trainingRows: number;
  /** Weights of the model; NaN where they are not known. */
  readonly parameters: number;
  /** Share of the whole fall of the training loss that came in the last fifth of the epochs; NaN where there is no history. */
  readonly lateFall: number;
}

/** A diagnosis; prints as a page. */
export interface Diagnosis {
  readonly verdict: Verdict;
  readonly evidence: Evidence;
  /** Where `evidence.baselineError` comes from. */
  readonly baselineFrom: 'given' | 'neighbours' | 'nothing known';
  /** What to try, most promising first. */
  readonly suggestions: readonly string[];
  /** What makes the errors look better than they are: columns that alone nearly give the target, rows on both sides (see `leaks`). */
  readonly warnings: readonly string[];
  toString(): string;
}

const diagnoseOptions = optionsOf('validation/diagnose', {
  train: (value) => (typeof value === 'object' && value !== null ? undefined : 'to be a Dataset'),
  validation: (value) => (typeof value === 'object' && value !== null ? undefined : 'to be a Dataset'),
  baselineError: isNumber({ min: 0 }),
  output: isString,
  threads: isInteger({ min: 1, max: 1024 }),
  signal: isSignal,
  progress: isBoolean,
});

/** Mean loss of rows and its standard error: wrong or right for classes, the squared error for numbers. */
const errorOf = async (
  one: OneOutput,
  fitted: Fit['fitted'],
  data: Dataset,
): Promise<{ readonly error: number; readonly deviation: number }> => {
  const given = await one.predictions(fitted, data);
  const losses = Array.from(one.values(data), (value, i) =>
    one.classes > 0 ? Number(value !== given[i]) : (value - (given[i] as number)) ** 2,
  );
  const error = losses.reduce((a, b) => a + b, 0) / losses.length;
  const variance = losses.reduce((sum, loss) => sum + (loss - error) ** 2, 0) / Math.max(1, losses.length - 1);
  return { error, deviation: Math.sqrt(variance / losses.length) };
};

const trivial = (one: OneOutput, train: Dataset, validation: Dataset): number => {
  const [known, held] = [one.values(train), one.values(validation)];
  if (one.classes === 0) {
    const mean = known.reduce((a, b) => a + b, 0) / known.length;
    return held.reduce((sum, value) => sum + (value - mean) ** 2, 0) / held.length;
  }
  const count = new Map<number, number>();
  for (const label of known) count.set(label, (count.get(label) ?? 0) + 1);
  const [main] = [...count].reduce((a, b) => (b[1] > a[1] ? b : a));
  return held.filter((label) => label !== main).length / held.length;
};

/** How much of the fall of the training loss came late: a fit that was cut short is still falling. */
const lateFall = (fitted: Fit['fitted']): number => {
  const losses = fitted instanceof Fitted ? fitted.history.map(({ train }) => train.loss) : [];
  if (losses.length === 0) return Number.NaN;
  if (losses.length < 5) return 1;
  const [first, last] = [losses[0] as number, losses.at(-1) as number];
  const before = losses[Math.floor(losses.length * 0.8) - 1] as number;
  return first > last ? (before - last) / (first - last) : 0;
};

const suggest = (verdict: Verdict, evidence: Evidence): string[] => {
  const { lateFall: late, parameters, trainingRows, validationError, validationErrorOfHalf, varianceThreshold } = evidence;
  const suggestions: string[] = [];
  if (verdict === 'high-bias' || verdict === 'both') {
    const longer = 'Train longer, or with a larger learning rate';
    // A tenth of the fall in the last fifth of the epochs: the loss has not levelled off.
    if (late > 0.1) suggestions.push(`${longer}: the training loss was still falling when the fit ended.`);
    suggestions.push('A bigger network: more units or layers, which can express more.');
    suggestions.push('Another optimizer or learning rate: Adam, a schedule, a warm-up.');
    if (!(late > 0.1)) suggestions.push(`${longer}.`);
    suggestions.push('Less regularization: lower dropout and penalties.');
    suggestions.push('Features that say more about the target, or another architecture.');
  }
  if (verdict === 'high-variance' || verdict === 'both') {
    const helps = validationErrorOfHalf - validationError > varianceThreshold / 2;
    const more = helps
      ? `More data: doubling the training rows to ${trainingRows} took the error from ${short(validationErrorOfHalf)} to ${short(validationError)}.`
      : 'More data.';
    // More rows do not cure bias, so they are no advice where there is any.
    const large = parameters > trainingRows;
    const regularize = 'Regularization: dropout, an L2 penalty, weight decay.';
    if (verdict === 'high-variance' && helps) suggestions.push(more);
    suggestions.push(regularize);
    suggestions.push('Early stopping on validation rows.');
    if (large) suggestions.push(`A smaller network: it has ${parameters} weights for ${trainingRows} rows.`);
    suggestions.push('Augmentation: more views of the same rows.');
    if (verdict === 'high-variance' && !helps) suggestions.push(more);
  }
  if (verdict === 'noise-limited') {
    suggestions.push('Better labels: find and mend wrong ones, or ask several people and average.');
    suggestions.push('Features that tell apart rows which now look alike: no model can do it without.');
    suggestions.push('Otherwise stop here: neither a bigger network nor regularization will win much.');
  }
  if (verdict === 'good-fit') suggestions.push('Nothing stands out. Score once on the test set, or tune for the last bit.');
  return suggestions;
};

/**
 * What limits a recipe, by the practitioner's flow: the training error far above what can be reached is bias; the validation error far
 * above the training error is variance; where neither is and the reachable error is most of what is left, noise is the limit.
 *
 * Fits the recipe on the training rows and on half of them. The reachable error is `baselineError`, else estimated from neighbouring rows:
 * half the nearest neighbour's error for classes (Cover & Hart 1967), the Gamma test for numbers; at most the validation error. High bias never suggests more data.
 * @example
 * const { verdict, suggestions } = await diagnose(trainer, { train, validation, baselineError: 0.01 });
 */
export const diagnose = async (estimator: Estimator, options: DiagnoseOptions): Promise<Diagnosis> => {
  if (typeof estimator !== 'object' || estimator === null || typeof estimator.fit !== 'function')
    throw invalidOption('diagnose', 'the estimator', 'to be a Trainer, or anything with fit', estimator, diagnose);
  expectOptions('diagnose', options, diagnoseOptions, diagnose);
  const { train, validation, output, baselineError: given, threads, signal, progress = false } = options;
  expectDataset('diagnose: train', train);
  expectDataset('diagnose: validation', validation);
  expectSameSchema('validation', schemaOf(train), schemaOf(validation));
  const one = oneOutput('diagnose', train, output);
  if (train.rows < 4) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `a diagnosis needs at least four rows, got ${train.rows}`,
      place: 'diagnose: train',
      expected: 'at least four rows',
      received: `${train.rows} rows`,
    });
  }
  expectVariedTarget('diagnose: train', train);
  const half = train.select(joiningOrder(train, 0).slice(0, Math.floor(train.rows / 2)));
  const bar = progress ? countBar('fit', 2) : undefined;
  let fits: Fit[];
  try {
    fits = await fitAll(estimator, [{ train }, { train: half }], { threads, signal, onDone: bar && (() => bar.tick()) });
  } finally {
    bar?.done();
  }
  const [whole, part] = fits as [Fit, Fit];
  const [onTrain, onValidation, ofHalf, estimated] = await Promise.all([
    errorOf(one, whole.fitted, train),
    errorOf(one, whole.fitted, validation),
    errorOf(one, part.fitted, validation),
    given === undefined ? noiseFloor(train, one) : undefined,
  ]);
  const trivialError = trivial(one, train, validation);
  // What was reached on rows not seen can be reached: neighbours, or a constant, may say more.
  const baselineError = given ?? Math.min(estimated ?? 0, trivialError, onValidation.error);
  const scale = Math.max(0, trivialError - baselineError);
  const avoidableBias = Math.max(0, onTrain.error - baselineError);
  const varianceGap = onValidation.error - Math.max(onTrain.error, baselineError);
  const evidence: Evidence = {
    trainError: onTrain.error,
    validationError: onValidation.error,
    baselineError,
    trivialError,
    avoidableBias,
    varianceGap,
    biasThreshold: Math.max(0.05 * scale, 2 * onTrain.deviation),
    varianceThreshold: Math.max(0.05 * scale, 2 * onValidation.deviation),
    validationErrorOfHalf: ofHalf.error,
    trainingRows: train.rows,
    parameters: whole.fitted instanceof Fitted ? whole.fitted.parameters : Number.NaN,
    lateFall: lateFall(whole.fitted),
  };
  const bias = avoidableBias > evidence.biasThreshold;
  const variance = varianceGap > evidence.varianceThreshold;
  const noisy = baselineError > 0.5 * onValidation.error && baselineError > 0.05 * trivialError;
  const verdict = bias && variance ? 'both' : bias ? 'high-bias' : variance ? 'high-variance' : noisy ? 'noise-limited' : 'good-fit';
  const baselineFrom = given !== undefined ? 'given' : estimated !== undefined ? 'neighbours' : 'nothing known';
  const suggestions = suggest(verdict, evidence);
  const print = (): string => {
    const rows = Object.entries(evidence).map(([name, value]) => [name, short(value as number)]);
    return [
      `${verdict} (baseline: ${baselineFrom})`,
      table(rows),
      ...suggestions.map((text, i) => `${i + 1}. ${text}`),
      ...warnings.map((text) => `! ${text}`),
    ].join('\n');
  };
  const text = { value: print };
  const { findings: warnings } = await leaks(train, { test: validation });
  const result = { verdict, evidence, baselineFrom, suggestions, warnings };
  return Object.defineProperties(result, { toString: text, [Symbol.for('nodejs.util.inspect.custom')]: text }) as Diagnosis;
};
