// The same search in threads and in processes, some of which are killed; on the built package.
import childProcess from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { integer, logUniform, median, populationBased, processes, successiveHalving, threads, tune } from 'nabla/tuning';
import { kFold } from 'nabla/validation';

const children = [];
let epochs = 0;
const { fork } = childProcess;
childProcess.fork = (...args) => {
  const child = fork(...args);
  children.push(child);
  child.on('message', (told) => {
    epochs += told?.epochs ?? 0;
  });
  // What a preloaded instrument might say on the same channel.
  child.once('spawn', () => {
    for (const strange of ['hello', null, { type: 'dependency' }]) child.emit('message', strange);
  });
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

// What a rung has left crosses: no epoch is run twice, unless a child dies with it.
const noStopping = {
  pruner: successiveHalving({ minimum: 2, factor: 2 }),
  trials: 4,
  estimator: ({ learningRate, units }) =>
    new Trainer({
      model: sequential([dense(units, { activation: 'relu' }), dropout(0.1), dense(10)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate }),
      metrics: ['accuracy'],
      epochs: 6,
    }),
};
const rungs = await run(threads(), noStopping);
epochs = 0;
const carried = plain(await run(processes(), noStopping)) === plain(rungs);
const least = 3 * rungs.trials.map((trial) => [2, 4, 6][trial.rungs.length - 1]).reduce((a, b) => a + b);
const counted = epochs === least;
const killing = run(processes(), noStopping);
let left = 2;
const timer = setInterval(() => {
  const child = children.findLast((one) => one.exitCode === null && one.signalCode === null && one.connected);
  if (left-- > 0) child?.kill('SIGKILL');
  else clearInterval(timer);
}, 30);
const afterCrash = plain(await killing) === plain(rungs);
clearInterval(timer);
const population = {
  ...noStopping,
  pruner: undefined,
  trials: undefined,
  sampler: populationBased({ size: 4, every: 2 }),
  space: { learningRate: logUniform(1e-4, 1) },
  estimator: ({ learningRate }) => noStopping.estimator({ learningRate, units: 8 }),
};
for (const name of ['pruner', 'trials']) delete population[name];
const populated = plain(await run(threads(), population)) === plain(await run(processes(), population));
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
process.stdout.write(
  JSON.stringify({ same: inThreads === inProcesses, killed, pruned, carried, counted, afterCrash, populated, failed, refused, alive }),
);
