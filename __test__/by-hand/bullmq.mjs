// A search over BullMQ on Redis, two of whose workers are killed by kill −9 while they hold a fold; run by hand, on the built package:
//
//     redis-server --port 6399 --save ''                   # 7.0.15
//     npm install --no-save bullmq@6.7.0 ioredis
//     node __test__/by-hand/bullmq.mjs [MAX_STALLED]
//
// With BullMQ's default of 1 for MAX_STALLED it gives the held folds to another worker by itself; with 0 it says that they failed, and the
// search puts them in again. Prints what happened, and whether the study is that of threads().
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Queue, QueueEvents, Worker } from 'bullmq';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { fitFromQueue, integer, logUniform, queue, tune } from 'nabla/tuning';
import { kFold } from 'nabla/validation';

const connection = { host: '127.0.0.1', port: 6399 };
const load = async (name) => (await Dataset.builtin(name)).split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 }).train;

/** A worker that never gives back its `last` fold. */
const work = (last, maxStalledCount) => {
  let taken = 0;
  const fold = async (job) => {
    console.log(job.id);
    if (++taken === last) await new Promise((resolve) => setTimeout(resolve, 1e8));
    return fitFromQueue(job.data, load);
  };
  new Worker('nabla', fold, { connection, lockDuration: 1500, stalledInterval: 1000, maxStalledCount });
};

const search = async (maxStalled) => {
  const folds = new Queue('nabla', { connection });
  const events = new QueueEvents('nabla', { connection });
  await folds.obliterate({ force: true });
  const report = { asked: 0, rejected: 0, held: [], stalled: [], redelivered: 0 };
  events.on('stalled', ({ jobId }) => report.stalled.push(jobId));
  const workers = [3, 0, 5].map((last) => {
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), 'work', last, maxStalled], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const taken = [];
    child.stdout.on('data', (data) => {
      for (const id of String(data).trim().split('\n')) if (taken.push(id) === last) report.held.push(id) && child.kill('SIGKILL');
    });
    return { child, taken };
  });
  const add = async (text) => {
    report.asked++;
    try {
      return await (await folds.add('fold', text, { removeOnComplete: true })).waitUntilFinished(events);
    } catch (error) {
      report.rejected++;
      throw error;
    }
  };
  const train = await load('digits');
  const options = {
    space: { learningRate: logUniform(1e-3, 1e-1), units: integer(8, 64) },
    estimator: ({ learningRate, units }) =>
      new Trainer({
        prepare: [standardize()],
        model: sequential([dense(units, { activation: 'relu' }), dense(10)]),
        loss: 'crossEntropy',
        optimizer: adam({ learningRate }),
        metrics: ['accuracy'],
        epochs: 8,
      }),
    objective: 'accuracy',
    splitter: kFold({ k: 3, seed: 7 }),
    trials: 10,
    seed: 3,
    refit: false,
  };
  const plain = ({ best, trials }) => JSON.stringify([best.number, trials.map(({ seconds, ...rest }) => rest)]);
  const there = plain(await tune(train, { ...options, executor: queue({ jobs: { add }, data: 'digits', parallel: 4 }) }));
  report.redelivered = report.held.filter((id) => workers.filter(({ taken }) => taken.includes(id)).length === 2).length;
  console.log({ ...report, same: there === plain(await tune(train, options)), ended: workers.map(({ child }) => child.signalCode) });
  for (const { child } of workers) child.kill();
  await Promise.all([folds.close(), events.close()]);
};

const [role, last, maxStalled] = process.argv.slice(2);
if (role === 'work') work(Number(last), Number(maxStalled));
else await search(role ?? '1');
