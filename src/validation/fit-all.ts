import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import type { Estimator, FittedEstimator } from '../trainer/estimator.js';
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
  /** Called once for each fit that is over; without it nothing crosses while the fits run. */
  readonly onDone?: (() => void) | undefined;
}

/** All fits in one native call: index views on one copy of the data, one fit a core. */
const fitNatively = async (trainer: Trainer, works: readonly Work[], { threads, signal, onDone }: Watch): Promise<Fit[]> => {
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
        fits.start(spec, jobs, { threads, events: onDone !== undefined }, (_, { index }) => {
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

/** Any estimator: one fit after the other. */
const fitOneByOne = async (estimator: Estimator, works: readonly Work[], { threads, signal, onDone }: Watch): Promise<Fit[]> => {
  const fits: Fit[] = [];
  for (const { train, score, test } of works) {
    signal?.throwIfAborted();
    const fitted = await estimator.fit(train, {
      ...(threads === undefined ? {} : { threads }),
      ...(signal === undefined ? {} : { signal }),
    });
    fits.push({
      fitted,
      scores: score === undefined ? undefined : await fitted.evaluate(score),
      testScores: test === undefined ? undefined : await fitted.evaluate(test),
    });
    onDone?.();
  }
  return fits;
};

/** Fits of one estimator: a trainer's side by side in native threads, one a core; any other's one after the other. */
export const fitAll = (estimator: Estimator, works: readonly Work[], watch: Watch): Promise<Fit[]> =>
  estimator instanceof Trainer ? fitNatively(estimator, works, watch) : fitOneByOne(estimator, works, watch);
