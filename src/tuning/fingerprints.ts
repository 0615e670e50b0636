import { createHash } from 'node:crypto';
import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import type { Estimator } from '../trainer/estimator.js';
import { specOf, Trainer } from '../trainer/trainer.js';
import type { FoldView } from './evaluation.js';
import type { Fingerprints } from './journal.js';
import { choiceText } from './shown-value.js';
import type { FlatSpace } from './space.js';

const hash = (...parts: readonly (string | Uint8Array)[]): string => {
  const sum = createHash('sha256');
  for (const part of parts) sum.update(part).update('\0');
  return sum.digest('hex').slice(0, 16);
};

const bytes = ({ buffer, byteOffset, byteLength }: Uint32Array): Uint8Array => new Uint8Array(buffer, byteOffset, byteLength);

/**
 * What the results of a study depend on. `probe` is the estimator of hyperparameters that depend on the space alone; a recipe of one's own
 * has no fingerprint.
 */
export const fingerprintsOf = (
  data: Dataset,
  space: FlatSpace,
  views: readonly FoldView[],
  objective: string,
  probe: Estimator,
): Fingerprints => ({
  data: nativeOf(data).fingerprint(),
  space: hash(
    JSON.stringify(space.dimensions),
    ...space.dimensions.map(({ kind, count = 0 }, at) =>
      kind === 'choice' ? choiceText(Array.from({ length: count }, (_, index) => space.shown(at, index))) : '',
    ),
  ),
  splitter: hash(...views.flatMap(({ train, validation }) => [train, validation].map((view) => bytes(nativeOf(view).sourceRows())))),
  recipe: probe instanceof Trainer ? hash(specOf(probe, schemaOf(data))) : 'own',
  objective,
});
