import { callNative, type FitJob, type FitOutcome, type Fits, nativeError } from '../native/index.js';
import { type Epoch, epochFrom, type Scores, scoresFrom } from './epoch.js';
import { type FitSummary, Fitted, type PredictionKind } from './fitted.js';

/** An event as it crosses from the native side. */
interface NativeEvent {
  readonly job: number;
  readonly epoch?: Epoch;
}

/** What the native side says of a finished fit. */
interface NativeSummary extends FitSummary {
  /** On the `score` rows of the job. */
  readonly scores?: Scores | null;
  /** On its `test` rows. */
  readonly testScores?: Scores | null;
}

/** One finished fit. */
export interface FinishedFit {
  readonly fitted: Fitted<string, PredictionKind>;
  readonly scores: Scores | undefined;
  readonly testScores: Scores | undefined;
}

const finished = ({ model, summary, error }: FitOutcome): FinishedFit => {
  if (error !== undefined && error !== null) throw nativeError(error);
  if (model === undefined || model === null) throw nativeError('a fit ended with neither a model nor an error');
  const { scores, testScores, ...rest } = JSON.parse(summary) as NativeSummary;
  rest.history.forEach(epochFrom);
  return {
    fitted: new Fitted(model, rest),
    scores: scores ? scoresFrom(scores) : undefined,
    testScores: testScores ? scoresFrom(testScores) : undefined,
  };
};

/** Fits side by side in native threads: one job takes all threads, many take one each. */
export class NativeFits {
  #fits: Fits | undefined;
  #stopped = false;
  #aborted = false;

  async start(
    spec: string,
    jobs: FitJob[],
    options: { readonly threads?: number | undefined; readonly events: boolean },
    onEpoch: (job: number, epoch: Epoch) => void,
  ): Promise<FinishedFit[]> {
    const onEvent = (json: string): void => {
      const event = JSON.parse(json) as NativeEvent;
      if (event.epoch !== undefined) onEpoch(event.job, epochFrom(event.epoch));
    };
    const fits = callNative((n) => n.startFits(spec, jobs, JSON.stringify(options), onEvent));
    this.#fits = fits;
    if (this.#stopped) fits.stop();
    if (this.#aborted) fits.abort();
    let outcomes: FitOutcome[];
    try {
      outcomes = await fits.result();
    } catch (error) {
      throw error instanceof Error ? nativeError(error.message) : error;
    } finally {
      this.#fits = undefined;
    }
    return outcomes.map(finished);
  }

  stop(): void {
    this.#stopped = true;
    this.#fits?.stop();
  }

  abort(): void {
    this.#aborted = true;
    this.#fits?.abort();
  }
}
