import { nativeOf } from '../data/dataset.js';
import type { PausedFit } from '../native/index.js';
import type { Epoch } from '../trainer/epoch.js';
import { type Job, NativeFits } from '../trainer/native-fit.js';
import type { Bound } from './curves.js';
import type { FoldView } from './evaluation.js';

export type FoldScores = Readonly<Record<string, number>>;

/** One fold of one recipe, as plain data: it can cross to another process. */
export interface FoldFit {
  /** The fit spec, as JSON. */
  readonly spec: string;
  /** Which fold of the study. */
  readonly fold: number;
  /** Whether the scores of each epoch are wanted. */
  readonly live: boolean;
  /** Whether the rows that score are scored after each epoch too. */
  readonly watched: boolean;
  /** The epochs, in all, after which the fit is left. */
  readonly until?: number | undefined;
  /** Whether it will be gone on from: `small` where that may also be done from the beginning, if what is kept were large. */
  readonly keep?: 'small' | 'always' | undefined;
  /** Where the scores of its epochs may end it. `onEpoch` ends it at the same epoch; where that is too far away, this does. */
  readonly bound?: Bound | undefined;
}

/** Where a fit was left: in this process as it is, elsewhere as bytes. */
export type Left = PausedFit | Uint8Array;

/** What a fold gave. */
export interface FoldResult {
  readonly scores: FoldScores;
  /** Where it was left, with `keep`; without it the fold is fitted from the beginning, to the same bits. */
  readonly left?: Left | undefined;
}

/** A fit that runs somewhere. */
export interface RunningFold {
  readonly result: Promise<FoldResult>;
  stop(): void;
  abort(): void;
}

/** Where folds are fitted. */
export interface Fitter {
  /** `from` is what the same fitter gave. */
  start(fit: FoldFit, onEpoch: (epoch: Epoch) => void, from?: Left): RunningFold;
  close(): void;
}

/** On a thread of this process. */
export const inThisProcess = (views: readonly FoldView[]): Fitter => ({
  start({ spec, fold, live, watched, until, keep }, onEpoch, from) {
    const { train, validation } = views[fold] as FoldView;
    const fits = new NativeFits();
    const score = nativeOf(validation);
    const job: Job = { train: nativeOf(train), score, until, resume: from as PausedFit, ...(watched ? { validation: score } : {}) };
    const fitted = fits.start(spec, [job], { threads: 1, events: live }, (_, epoch) => onEpoch(epoch));
    const result = fitted.then(([fit]) => ({ scores: fit?.scores ?? {}, left: keep && fit?.paused }));
    return { result, stop: () => fits.stop(), abort: () => fits.abort() };
  },
  close() {},
});
