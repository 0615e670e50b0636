import type { ErrorData } from '../errors/index.js';
import type { NativeArray } from '../native/index.js';
import type { Epoch } from '../trainer/epoch.js';
import type { FoldFit, FoldScores } from './fitter.js';

/** What a child process is told. */
export type ToChild =
  | {
      readonly kind: 'data';
      /** As `Data.create` takes it. */
      readonly spec: string;
      readonly buffers: NativeArray[];
      /** Megabytes that the process may take. */
      readonly memory?: number | undefined;
      readonly folds: readonly { readonly train: Uint32Array; readonly validation: Uint32Array }[];
    }
  /** `from`: where it was left before. */
  | { readonly kind: 'fit'; readonly fit: FoldFit; readonly from?: Uint8Array | undefined }
  | { readonly kind: 'stop' | 'abort' };

/** What it tells. */
export type FromChild =
  | { readonly kind: 'epoch'; readonly epoch: Epoch }
  /** With where it was left, and how many epochs were run. */
  | { readonly kind: 'scores'; readonly scores: FoldScores; readonly left?: Uint8Array | undefined; readonly epochs: number }
  | { readonly kind: 'error'; readonly error: ErrorData };
