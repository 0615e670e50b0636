import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { native } from '../native/index.js';
import { type Estimator, type FittedEstimator, sideBySide } from '../trainer/estimator.js';
import { type FinishedFit, NativeFits } from '../trainer/native-fit.js';
import { Run } from '../trainer/run.js';
import { epochsOf, specOf, Trainer } from '../trainer/trainer.js';

/** One fit of a fold, or of all rows. */
export interface Fit {
  readonly fitted: FittedEstimator;
  readonly scores: Readonly<Record<string, number>> | undefined;
  readonly testScores: Readonly<Record<string, number>> | undefined;
}

/** What one fit sees. */
export interface Work {
  readonly train: Dataset;
  /** Only scored: early stopping holds out rows of its own. */
  readonly score?: Dataset;
  readonly test?: Dataset;
}

/** How fits are watched. */
export interface Watch {
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Looks at gradients each so many steps; of trainers alone. */
  readonly health?: number | undefined;
  /** Called once for each fit that is over; without it nothing crosses while the fits run. */
  readonly onDone?: (() => void) | undefined;
}

/** All fits in one native call: index views on one copy of the data, one fit a core. */
const fitNatively = async (trainer: Trainer, works: readonly Work[], { threads, signal, health, onDone }: Watch): Promise<Fit[]> => {
  const [first] = works;
  const spec = specOf(trainer, schemaOf((first as Work).train));
  const jobs = works.map(({ train, score, test }) => ({
    train: nativeOf(train),
    score: score && nativeOf(score),
    test: test && nativeOf(test),
  }));
  const epochs = epochsOf(trainer);
  let done = 0;
  const fits = new NativeFits();
  const run = new Run<FinishedFit[], never>(
    {
      start: () =>
        fits.start(spec, jobs, { threads, health, events: onDone !== undefined }, (_, { index }) => {
          if (index + 1 < epochs) return;
          done++;
          onDone?.();
        }),
      history: () => [],
      stop: () => fits.stop(),
      abort: () => fits.abort(),
    },
    { signal },
  );
  const finished = await run;
  // Fits that early stopping has ended.
  for (; done < jobs.length; done++) onDone?.();
  return finished;
};

/** Any estimator: one fit after the other, or one a core where its fits may run side by side. */
const fitOneByOne = async (estimator: Estimator, works: readonly Work[], { threads, signal, onDone }: Watch): Promise<Fit[]> => {
  const beside = sideBySide.has(estimator);
  const lanes = beside ? Math.min(threads ?? native().defaultThreads(), works.length) : 1;
  const own = beside ? 1 : threads;
  const fits: Fit[] = new Array(works.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < works.length; i = next++) {
      const { train, score, test } = works[i] as Work;
      signal?.throwIfAborted();
      const fitted = await estimator.fit(train, {
        ...(own === undefined ? {} : { threads: own }),
        ...(signal === undefined ? {} : { signal }),
      });
      fits[i] = {
        fitted,
        scores: score === undefined ? undefined : await fitted.evaluate(score),
        testScores: test === undefined ? undefined : await fitted.evaluate(test),
      };
      onDone?.();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return fits;
};

/** Fits of one estimator: a trainer's and ridge's side by side in native threads, one a core; any other's one after the other. */
export const fitAll = (estimator: Estimator, works: readonly Work[], watch: Watch): Promise<Fit[]> =>
  estimator instanceof Trainer ? fitNatively(estimator, works, watch) : fitOneByOne(estimator, works, watch);
