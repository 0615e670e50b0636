import type { Dataset } from '../data/dataset.js';
import { planned } from '../errors/index.js';
import type { Estimator } from '../trainer/estimator.js';

/** Runs the laws of an estimator on a layer, loss or recipe of one's own. */
export const checkEstimator =
  planned<
    (
      estimator: Estimator,
      options?: { readonly data?: Dataset; readonly seed?: number },
    ) => Promise<{ readonly laws: readonly { readonly law: string; readonly passed: boolean; readonly detail?: string }[] }>
  >('validation/checkEstimator');
