import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { invalidOption } from '../errors/index.js';
import type { PausedFit } from '../native/index.js';
import { cosineRestarts } from '../schedules/index.js';
import type { EstimatorFitOptions } from './estimator.js';
import type { Fitted } from './fitted.js';
import { type FinishedFit, type Job, NativeFits } from './native-fit.js';
import type { PredictionKind } from './predictions.js';
import { Run } from './run.js';
import { type AnyTrainer, epochsOf, expectSameSchema, recipeOf, specOf, Trainer } from './trainer.js';

/** Rows that a fit learns from: those of weight 0 are absent. */
const learntRows = (data: Dataset): number => data.weights()?.reduce((rows, weight) => rows + (weight === 0 ? 0 : 1), 0) ?? data.rows;

/** What a trainer must leave to the cycles. */
export const expectCycles = (trainer: AnyTrainer, snapshots: number, caller: (...args: never[]) => unknown): void => {
  const recipe = recipeOf(trainer);
  for (const [name, why] of [
    ['schedule', 'the rate falls by a cosine in each cycle'],
    ['earlyStopping', 'each cycle is fitted to its end'],
    ['averaging', 'the members are averaged'],
  ] as const)
    if (recipe[name] !== undefined)
      throw invalidOption('ensemble', `${name} of the trainer`, `to be left out with snapshots: ${why}`, recipe[name], caller);
  const epochs = epochsOf(trainer);
  if (epochs % snapshots !== 0)
    throw invalidOption('ensemble', 'snapshots', `to divide the trainer's ${epochs} epochs into cycles of whole epochs`, snapshots, caller);
};

/**
 * One fit whose rate starts over in each cycle, η = η₀/2·(1 + cos(π·t/T)) in step t of T, and the model at the end of each.
 * Huang et al. 2017, arXiv:1704.00109, equation 2.
 */
export const fitSnapshots = async (
  trainer: AnyTrainer,
  snapshots: number,
  data: Dataset,
  { validation, signal, threads }: EstimatorFitOptions,
): Promise<Fitted<string, PredictionKind>[]> => {
  const recipe = recipeOf(trainer);
  const { batchSize = 32 } = recipe;
  const rows = learntRows(data);
  const cycle = epochsOf(trainer) / snapshots;
  const steps = batchSize === 'full' || rows === 0 ? 1 : Math.ceil(rows / Math.min(batchSize, rows));
  const schema = schemaOf(data);
  if (validation !== undefined) expectSameSchema('validation', schema, schemaOf(validation));
  const spec = specOf(new Trainer({ ...recipe, schedule: cosineRestarts({ period: cycle * steps, by: 'step' }) }), schema);
  const found: Fitted<string, PredictionKind>[] = [];
  let resume: PausedFit | undefined;
  for (let i = 1; i <= snapshots; i++) {
    const job: Job = { train: nativeOf(data), validation: validation && nativeOf(validation), resume, until: i * cycle };
    const fits = new NativeFits();
    const { fitted, paused } = await new Run<FinishedFit, never>(
      {
        start: async () => (await fits.start(spec, [job], { threads, events: false }, () => {}))[0] as FinishedFit,
        history: () => [],
        stop: () => fits.stop(),
        abort: () => fits.abort(),
      },
      { signal },
    );
    found.push(fitted);
    resume = paused;
  }
  return found;
};
