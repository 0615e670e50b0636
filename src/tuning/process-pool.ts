import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import type { TargetSchema } from '../data/schema.js';
import { NablaError } from '../errors/index.js';
import type { NativeArray } from '../native/index.js';
import { type Epoch, epochFrom } from '../trainer/epoch.js';
import type { FoldView } from './evaluation.js';
import type { Fitter, FoldFit, FoldResult, Left, RunningFold } from './fitter.js';
import type { FromChild, ToChild } from './process-protocol.js';
import { rowsOfViews } from './queue.js';

/** How often a fold is begun again whose process died. */
const lives = 3;

/** The rows of the study and its folds as plain data. */
const crossing = (data: Dataset, views: readonly FoldView[], memory: number | undefined): ToChild => {
  const native = nativeOf(data);
  const { rows, width, sampleShape, featureType, columns, parts, target, weights, groups, windows } = schemaOf(data);
  const features = native.features();
  const buffers: NativeArray[] = [
    featureType === 'f32' ? Float32Array.from(features) : featureType === 'u8' ? Uint8Array.from(features) : features,
  ];
  const add = (values: NativeArray | null): number => buffers.push(values as NativeArray) - 1;
  const targets = (target: TargetSchema, name?: string): Record<string, unknown> => {
    if (target.kind === 'several')
      return { kind: 'several', targets: target.targets.map((one) => ({ name: one.name, target: targets(one.target, one.name) })) };
    const values = name === undefined ? null : data.targets(name);
    if (target.kind === 'classes') return { ...target, buffer: add(values === null ? native.labels() : Uint32Array.from(values)) };
    return { ...target, buffer: add(values ?? native.targets()) };
  };
  const spec = {
    rows,
    width,
    sampleShape,
    columns,
    parts,
    features: { buffer: 0 },
    ...(target === null ? {} : { targets: targets(target) }),
    ...(weights ? { weights: { buffer: add(native.weights()) } } : {}),
    ...(groups ? { groups: { buffer: add(native.groups()) } } : {}),
    ...(windows ? { spans: native.spans()?.map((rows) => ({ buffer: add(rows) })) } : {}),
  };
  return { kind: 'data', spec: JSON.stringify(spec), buffers, folds: rowsOfViews(data, views), memory };
};

/**
 * Child processes, each with a copy of the rows: one that dies takes a fold with it, which is begun again in another. Recipes cross as
 * plain data, and what a rung has left as bytes, which stay here: any child goes on from them. What a fold gives is the same bit for bit.
 */
export const inProcesses = (data: Dataset, views: readonly FoldView[], memory?: number): Fitter => {
  let message: ToChild | undefined;
  const idle: ChildProcess[] = [];
  const all = new Set<ChildProcess>();

  const spawned = (): ChildProcess => {
    const child = fork(fileURLToPath(new URL('../tuning/process-child.js', import.meta.url)), {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    all.add(child);
    child.on('error', () => {});
    child.once('exit', () => {
      all.delete(child);
      const at = idle.indexOf(child);
      if (at >= 0) idle.splice(at, 1);
    });
    message ??= crossing(data, views, memory);
    child.send(message);
    return child;
  };

  const once = (
    fit: FoldFit,
    from: Left | undefined,
    onEpoch: (epoch: Epoch) => void,
    taken: (child: ChildProcess) => void,
  ): Promise<FoldResult | 'died'> =>
    new Promise((resolve, reject) => {
      const child = idle.pop() ?? spawned();
      taken(child);
      const done = (): void => {
        child.off('message', onMessage).off('exit', onExit);
        if (child.connected) idle.push(child);
      };
      // What is preloaded into every process (loaders, instruments) may use the same channel.
      const onMessage = (told: FromChild | null | undefined): void => {
        if (told?.kind === 'epoch') {
          onEpoch(epochFrom(told.epoch));
          return;
        }
        if (told?.kind !== 'scores' && told?.kind !== 'error') return;
        done();
        if (told.kind === 'scores') resolve({ scores: told.scores, left: told.left });
        else reject(new NablaError(told.error));
      };
      const onExit = (): void => {
        child.off('message', onMessage);
        resolve('died');
      };
      child.on('message', onMessage).once('exit', onExit);
      child.send({ kind: 'fit', fit, from: from as Uint8Array | undefined } satisfies ToChild, () => {});
    });

  return {
    start(fit, onEpoch, from): RunningFold {
      let child: ChildProcess | undefined;
      let aborted = false;
      let seen = 0;
      const tell = (told: ToChild): void => {
        if (child?.connected) child.send(told, () => {});
      };
      const result = (async () => {
        for (let life = 0; life < lives; life++) {
          // What was heard of a fold that died is heard again.
          let heard = 0;
          const before = seen;
          const answer = await once(
            fit,
            from,
            (epoch) => {
              if (heard++ < before) return;
              seen++;
              onEpoch(epoch);
            },
            (taken) => {
              child = taken;
            },
          );
          if (answer !== 'died') return answer;
          if (aborted) break;
        }
        throw new NablaError({
          code: aborted ? 'ABORTED' : 'INTERNAL',
          place: 'processes',
          message: aborted ? 'the fit was aborted' : `the process of a fold died ${lives} times`,
          hint: 'Its memory may not suffice: look for the system killing it, or let fewer run at once.',
        });
      })();
      return {
        result,
        stop: () => tell({ kind: 'stop' }),
        abort() {
          aborted = true;
          tell({ kind: 'abort' });
        },
      };
    },
    close() {
      for (const child of all) child.kill();
    },
  };
};
