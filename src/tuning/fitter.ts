import { nativeOf } from '../data/dataset.js';
import type { Epoch } from '../trainer/epoch.js';
import { type Job, NativeFits } from '../trainer/native-fit.js';
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
}

/** A fit that runs somewhere. */
export interface RunningFold {
  readonly scores: Promise<FoldScores>;
  stop(): void;
  abort(): void;
}

/** Where folds are fitted. */
export interface Fitter {
  start(fit: FoldFit, onEpoch: (epoch: Epoch) => void): RunningFold;
  close(): void;
}

/** On a thread of this process. */
export const inThisProcess = (views: readonly FoldView[]): Fitter => ({
  start({ spec, fold, live, watched }, onEpoch) {
    const { train, validation } = views[fold] as FoldView;
    const fits = new NativeFits();
    const score = nativeOf(validation);
    const job: Job = { train: nativeOf(train), score, ...(watched ? { validation: score } : {}) };
    const scores = fits.start(spec, [job], { threads: 1, events: live }, (_, epoch) => onEpoch(epoch)).then(([fit]) => fit?.scores ?? {});
    return { scores, stop: () => fits.stop(), abort: () => fits.abort() };
  },
  close() {},
});
