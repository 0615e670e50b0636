import { Dataset } from 'nabla';
import { endless, rows, small } from './recipes.mjs';

// Resident memory before and after much work, with everything collected that can be. Run with --expose-gc.

const collect = async () => {
  for (let i = 0; i < 4; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
const resident = async () => {
  await collect();
  return process.memoryUsage().rss / 2 ** 20;
};

const [, , what] = process.argv;
const data = rows(256);

/** Growth in MiB of each kind of work, after twice as much of it has warmed up pools, compiled code and the allocator. */
const growth = async (work, times) => {
  await work(times);
  await work(times);
  const before = await resident();
  await work(times);
  return (await resident()) - before;
};

if (what === 'work') {
  const fitted = await small().fit(data);
  const row = new Float32Array(64).fill(0.5);
  const works = {
    fits: [
      async (times) => {
        for (let i = 0; i < times; i++) await small().fit(data);
      },
      300,
    ],
    predictions: [
      async (times) => {
        for (let i = 0; i < times; i++) fitted.predictSync(row, { probabilities: true });
      },
      20_000,
    ],
    aborts: [
      async (times) => {
        for (let i = 0; i < times; i++) {
          const controller = new AbortController();
          const run = endless().fit(data, { signal: controller.signal, onEpoch: () => controller.abort() });
          await run.catch(() => {});
        }
      },
      200,
    ],
    views: [
      async (times) => {
        for (let i = 0; i < times; i++) await fitted.predict(data.select([i % 256]));
      },
      1000,
    ],
  };
  const result = {};
  for (const [name, [work, times]] of Object.entries(works)) result[name] = await growth(work, times);
  console.log(JSON.stringify(result));
} else {
  // Ten MiB each.
  const features = new Float32Array(64 * 40_960);
  const set = () => Dataset.from({ features, shape: [40_960, 64] });
  const mebibytes = () => process.memoryUsage().rss / 2 ** 20;
  if (what === 'garbage') {
    // Garbage at once, and hardly any of it in V8's own heap: only what the addon tells V8 makes it collect.
    const before = mebibytes();
    let peak = 0;
    for (let i = 0; i < 50; i++) {
      set();
      peak = Math.max(peak, mebibytes() - before);
      await new Promise(setImmediate);
    }
    console.log(JSON.stringify({ peak }));
  } else {
    const before = await resident();
    const views = Array.from({ length: 20 }, (_, i) => set().select([i]).select([0]));
    const held = (await resident()) - before;
    views.length = 0;
    console.log(JSON.stringify({ held, left: (await resident()) - before }));
  }
}
