/** The program of a child process: one data set, one fold after the other. It ends with its parent. */
import { NablaError } from '../errors/index.js';
import { callNative, type NativeData } from '../native/index.js';
import { NativeFits } from '../trainer/native-fit.js';
import type { FromChild, ToChild } from './process-protocol.js';

let folds: { readonly train: NativeData; readonly validation: NativeData }[] = [];
let running: NativeFits | undefined;

const tell = (message: FromChild): void => {
  process.send?.(message);
};

/** Ends the process where it takes too much, and says so first: the fit runs on another thread, so this one looks. */
const watchMemory = (limit: number): void => {
  const look = (): void => {
    const taken = process.memoryUsage.rss() / 2 ** 20;
    if (taken <= limit) return;
    const error = {
      code: 'OUT_OF_MEMORY' as const,
      place: 'processes: memory',
      message: `the process of a fold has taken ${Math.round(taken)} MB`,
      expected: `${limit} MB at most`,
      received: `${Math.round(taken)} MB`,
      hint: 'Allow more, or make the ranges of sizes smaller.',
    };
    clearInterval(timer);
    process.send?.({ kind: 'error', error } satisfies FromChild, () => process.exit(1));
  };
  const timer = setInterval(look, 50);
  timer.unref();
  look();
};

const work = async (message: ToChild): Promise<void> => {
  if (message.kind === 'stop') running?.stop();
  if (message.kind === 'abort') running?.abort();
  if (message.kind === 'data') {
    const data = callNative((n) => n.Data.create(message.spec, message.buffers));
    if (message.memory !== undefined) watchMemory(message.memory);
    folds = message.folds.map(({ train, validation }) => ({ train: data.select(train), validation: data.select(validation) }));
    return;
  }
  if (message.kind !== 'fit') return;
  const { spec, fold, live, watched, until, keep } = message.fit;
  const view = folds[fold];
  if (view === undefined) throw new Error(`there is no fold ${fold}`);
  running = new NativeFits();
  const { from } = message;
  const resume = from === undefined ? undefined : callNative((n) => n.PausedFit.fromBytes(from));
  const job = { train: view.train, score: view.validation, until, resume, ...(watched ? { validation: view.validation } : {}) };
  let epochs = 0;
  const [fit] = await running.start(spec, [job], { threads: 1, events: true }, (_, epoch) => {
    epochs++;
    if (live) tell({ kind: 'epoch', epoch });
  });
  tell({ kind: 'scores', scores: { ...fit?.scores }, left: keep && fit?.paused?.toBytes(), epochs });
};

process.on('disconnect', () => process.exit());
process.on('message', (message: ToChild) => {
  work(message).catch((error: unknown) => {
    const { code, place, hint } = error instanceof NablaError ? error : { code: 'INTERNAL' as const, place: undefined, hint: undefined };
    const text = error instanceof Error ? error.message : String(error);
    tell({ kind: 'error', error: { code, message: text, place, hint } });
  });
});
