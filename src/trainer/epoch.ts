import { GradientHealth } from '../health/index.js';
import { type HealthRecord, recordFrom } from '../health/record.js';

/** Scores by name: the loss and the metrics that the recipe names. */
export type Scores<Name extends string = string> = { readonly [K in Name]: number } & { readonly loss: number };

/** A score without a value (F1 of a class that does not occur, R² of one row) crosses as `null`, because JSON knows no NaN. */
export const scoresFrom = <Name extends string>(crossed: Readonly<Record<string, number | null>>): Scores<Name> => {
  const scores = crossed as Record<string, number | null>;
  for (const name in scores) scores[name] ??= Number.NaN;
  return scores as Scores<Name>;
};

/** The same for an epoch, in place. */
export const epochFrom = (crossed: Epoch): Epoch => {
  scoresFrom(crossed.train);
  if (crossed.validation !== undefined) scoresFrom(crossed.validation);
  const watched = crossed as { health?: readonly HealthRecord[] | GradientHealth };
  if (Array.isArray(watched.health)) watched.health = new GradientHealth(watched.health.map(recordFrom));
  return crossed;
};

/** One epoch of a fit. `train` is the running mean in training mode, penalty excluded. */
export interface Epoch<Name extends string = string> {
  /** From 0. */
  readonly index: number;
  readonly train: Scores<Name>;
  /** Present when the fit has validation rows, its own or those it held out for early stopping. */
  readonly validation?: Scores<Name>;
  readonly learningRate: number;
  readonly seconds: number;
  readonly batches: number;
  /** What was seen of its gradients, where the fit looks at them and did in this epoch. */
  readonly health?: GradientHealth;
}
