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

const work = async (message: ToChild): Promise<void> => {
  if (message.kind === 'stop') running?.stop();
  if (message.kind === 'abort') running?.abort();
  if (message.kind === 'data') {
    const data = callNative((n) => n.Data.create(message.spec, message.buffers));
    folds = message.folds.map(({ train, validation }) => ({ train: data.select(train), validation: data.select(validation) }));
    return;
  }
  if (message.kind !== 'fit') return;
  const { spec, fold, live, watched } = message.fit;
  const view = folds[fold];
  if (view === undefined) throw new Error(`there is no fold ${fold}`);
  running = new NativeFits();
  const job = { train: view.train, score: view.validation, ...(watched ? { validation: view.validation } : {}) };
  const [fit] = await running.start(spec, [job], { threads: 1, events: live }, (_, epoch) => tell({ kind: 'epoch', epoch }));
  tell({ kind: 'scores', scores: { ...fit?.scores } });
};

process.on('disconnect', () => process.exit());
process.on('message', (message: ToChild) => {
  work(message).catch((error: unknown) => {
    const { code, place, hint } = error instanceof NablaError ? error : { code: 'INTERNAL' as const, place: undefined, hint: undefined };
    const text = error instanceof Error ? error.message : String(error);
    tell({ kind: 'error', error: { code, message: text, place, hint } });
  });
});
