/** Which way is better. */
export type Direction = 'max' | 'min';

/** How the values of classes become one: of the positive class, of the summed counts, the plain mean, the mean weighted by rows. */
export type Average = 'binary' | 'micro' | 'macro' | 'weighted';
export const averages = ['binary', 'micro', 'macro', 'weighted'] as const satisfies readonly Average[];

/** The metrics that a recipe can name, and which way each is better. */
export const directions = {
  accuracy: 'max',
  balancedAccuracy: 'max',
  precision: 'max',
  recall: 'max',
  f1: 'max',
  fBeta: 'max',
  rocAuc: 'max',
  averagePrecision: 'max',
  logLoss: 'min',
  brier: 'min',
  topKAccuracy: 'max',
  matthews: 'max',
  cohenKappa: 'max',
  calibrationError: 'min',
  meanSquaredError: 'min',
  rootMeanSquaredError: 'min',
  meanAbsoluteError: 'min',
  medianAbsoluteError: 'min',
  meanAbsolutePercentageError: 'min',
  r2: 'max',
  explainedVariance: 'max',
  maxError: 'min',
  pinball: 'min',
} as const satisfies Readonly<Record<string, Direction>>;

export type MetricName = keyof typeof directions;

export const metricNames = Object.keys(directions) as readonly MetricName[];

/** The direction of a metric, or of `'loss'`. */
export const metricDirection = (name: MetricName | 'loss'): Direction => (name === 'loss' ? 'min' : directions[name]);
