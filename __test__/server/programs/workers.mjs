import { fileURLToPath } from 'node:url';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { endless, rows, small } from './recipes.mjs';

const worker = (what) => new Worker(fileURLToPath(import.meta.url), { workerData: what });
const [, , what, text] = process.argv;
const count = Number(text);

/** What a worker does: posts a message when it is under way. */
const inWorker = {
  async result() {
    const fitted = await small().fit(rows(64));
    parentPort.postMessage(JSON.stringify([...fitted.weights()].map(([name, { values }]) => [name, ...values])));
  },
  async training() {
    let told = false;
    const onEpoch = () => {
      if (!told) parentPort.postMessage('training');
      told = true;
    };
    await endless().fit(rows(64), { onEpoch });
  },
  async predicting() {
    const data = rows(256);
    const fitted = await small().fit(data);
    parentPort.postMessage('predicting');
    for (;;) await Promise.all(Array.from({ length: 20 }, () => fitted.predict(data)));
  },
  /** Ends by itself after a fit. */
  async ending() {
    await small().fit(rows(64));
  },
  /** Ends with fits in flight. */
  async exiting() {
    const onEpoch = () => process.exit(5);
    for (let i = 0; i < 3; i++) endless().fit(rows(64), { onEpoch });
  },
};

const message = (of) => new Promise((resolve, reject) => worker(of).once('message', resolve).once('error', reject));
const code = (of) => new Promise((resolve, reject) => worker(of).once('exit', resolve).once('error', reject));
const terminated = (of) =>
  new Promise((resolve, reject) => {
    const it = worker(of);
    it.once('message', () => it.terminate().then(resolve, reject)).once('error', reject);
  });

if (!isMainThread) await inWorker[workerData]();
else if (what === 'load') {
  const results = await Promise.all(Array.from({ length: count }, () => message('result')));
  console.log(`${results.length} workers, ${new Set(results).size} result`);
} else if (what === 'terminate') {
  let next = 0;
  const lane = async () => {
    while (next < count) await terminated(next++ % 2 === 0 ? 'training' : 'predicting');
  };
  await Promise.all([lane(), lane(), lane()]);
  const fitted = await small().fit(rows(64));
  console.log(`${next} terminated, then ${fitted.history.length} epochs`);
} else if (what === 'main') {
  // The process ends while its workers train and predict.
  await Promise.all(Array.from({ length: count }, (_, i) => message(i % 2 === 0 ? 'training' : 'predicting')));
  process.exit(7);
} else {
  const codes = await Promise.all(Array.from({ length: count }, (_, i) => code(i % 2 === 0 ? 'ending' : 'exiting')));
  console.log(`codes ${codes.join(' ')}`);
}
