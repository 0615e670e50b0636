// The same search in threads and in processes, some of which are killed; on the built package.
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { integer, logUniform, median, processes, threads, tune } from 'nabla/tuning';
import { kFold } from 'nabla/validation';

const children = [];
const { fork } = childProcess;
childProcess.fork = (...args) => {
  const child = fork(...args);
  children.push(child);
  return child;
};
syncBuiltinESMExports();

const { train, test } = (await Dataset.builtin('digits')).split({ ratios: { train: 0.5, test: 0.5 }, stratify: true, seed: 7 });
const run = (executor, more = {}) =>
  tune(train, {
    space: { learningRate: logUniform(1e-3, 1e-1), units: integer(8, 32) },
    estimator: ({ learningRate, units }) =>
      new Trainer({
        prepare: [standardize()],
        model: sequential([dense(units, { activation: 'relu' }), dropout(0.1), dense(10)]),
        loss: 'crossEntropy',
        optimizer: adam({ learningRate }),
        metrics: ['accuracy'],
        epochs: 6,
        earlyStopping: { patience: 3 },
      }),
    splitter: kFold({ k: 3, seed: 7 }),
    objective: 'accuracy',
    trials: 8,
    threads: 2,
    seed: 7,
    test,
    executor,
    ...more,
  });
const plain = ({ trials, testScores }) => JSON.stringify([trials.map(({ seconds, ...rest }) => rest), testScores]);

const inThreads = plain(await run(threads()));
const search = run(processes());
for await (const { number } of search)
  if (number === 1 || number === 4) children.findLast((child) => child.exitCode === null)?.kill('SIGKILL');
const inProcesses = plain(await search);
const killed = children.filter(({ signalCode }) => signalCode === 'SIGKILL').length;
const pruner = median({ startup: 2 });
const pruned = plain(await run(threads(), { pruner })) === plain(await run(processes(), { pruner }));
const failed = await run(processes({ memory: 30 }), { trials: 2 }).then(
  () => 'enough',
  ({ code, message }) => `${code}: ${message.includes('none of 2 trials gave a score')}`,
);
const own = { estimator: () => ({ fit: async () => ({ predict: async () => [], evaluate: async () => ({ accuracy: 1 }) }) }) };
const refused = await run(processes(), own).then(
  () => 'accepted',
  ({ code }) => code,
);
await new Promise((resolve) => setTimeout(resolve, 100));
const alive = children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null).length;
process.stdout.write(JSON.stringify({ same: inThreads === inProcesses, killed, pruned, failed, refused, alive }));
