// What a study costs beyond its fits, and how W8 scales from one thread to two; prints one JSON line a figure.
//
//     node study.js [--part overhead | tpe | gaussianProcess | scaling] [--quick]
//
// `scaling` needs a quiet machine: it runs W8 with one thread and with two in turn, and beside them plain arithmetic in one process and in
// two, which is the most that two cores give.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Dataset, type Estimator } from 'nabla';
import { gaussianProcess, integer, logUniform, random, type Sampler, tpe, tune, uniform } from 'nabla/tuning';
import { holdOut } from 'nabla/validation';
import { digitsTrialTrainer } from './recipes.js';

const { values: options } = parseArgs({ options: { part: { type: 'string' }, quick: { type: 'boolean', default: false } } });
const wants = (part: string): boolean => options.part === undefined || options.part === part;
const rounded = (value: number): number => Number(value.toPrecision(4));
const report = (part: string, unit: string, figures: object): void => console.log(JSON.stringify({ part, unit, ...figures }));
const middle = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const iris = await Dataset.builtin('iris');
const digits = await Dataset.builtin('digits');

/** An estimator without fits. */
const formula = ({ a, b, c }: { a: number; b: number; c: number }): Estimator => ({
  fit: async () => ({
    predict: async () => [],
    evaluate: async () => ({ loss: (a - 0.3) ** 2 + (b + 0.2) ** 2 + (Math.log10(c) + 2) ** 2 }),
  }),
});
const space = { a: uniform(-1, 1), b: uniform(-1, 1), c: logUniform(1e-4, 1) };

/** Milliseconds from trial to trial, as a loop over the study sees them; and the processor's time over all. */
const gaps = async (sampler: Sampler, trials: number, storage?: string): Promise<{ gaps: number[]; wall: number; processor: number }> => {
  const [times, used, start] = [[] as number[], process.cpuUsage(), performance.now()];
  const more = storage === undefined ? {} : { storage };
  const run = tune(iris, {
    space,
    estimator: formula,
    objective: 'loss',
    splitter: holdOut(),
    sampler,
    trials,
    refit: false,
    threads: 1,
    ...more,
  });
  for await (const { number } of run) if (number >= 0) times.push(performance.now());
  const { user, system } = process.cpuUsage(used);
  return {
    gaps: times.map((time, at) => time - (times[at - 1] ?? start)),
    wall: performance.now() - start,
    processor: (user + system) / 1e3,
  };
};

const folder = mkdtempSync(join(tmpdir(), 'nabla-bench-'));
if (wants('overhead')) {
  const trials = options.quick ? 500 : 10_000;
  await gaps(random(), 100);
  for (const [journal, storage] of [
    ['off', undefined],
    ['on', join(folder, 'study.jsonl')],
  ] as const) {
    const { wall, processor } = await gaps(random(), trials, storage);
    report(`overhead of ${trials} trials, journal ${journal}`, 'ms a trial', {
      wall: rounded(wall / trials),
      processor: rounded(processor / trials),
      target: 1,
    });
  }
}
for (const [part, sampler, trials, target] of [
  ['tpe', tpe(), 1000, 5],
  ['gaussianProcess', gaussianProcess(), 200, undefined],
] as const) {
  if (!wants(part)) continue;
  const count = options.quick ? Math.min(trials, 100) : trials;
  const { gaps: all, processor } = await gaps(sampler, count);
  // Trials come in rounds of two, whose points are chosen at once.
  const last = all.slice(-20).reduce((sum, gap) => sum + gap, 0) / 20;
  report(`${part}, trials ${count - 19} to ${count}`, 'ms a trial', {
    last: rounded(last),
    mean: rounded(processor / count),
    ...(target === undefined ? {} : { target }),
  });
}
rmSync(folder, { recursive: true });

/** Seconds of plain arithmetic in so many processes at once: of the one that takes longest. */
const arithmetic = async (processes: number): Promise<number> => {
  const loops = options.quick ? 2e7 : 3e8;
  const code = `let x = 1; const t = performance.now(); for (let i = 0; i < ${loops}; i++) x = x * 1.0000001 + 1e-9; process.stdout.write(String(performance.now() - t + (x === 0 ? 1 : 0)))`;
  const one = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (part) => (text += part));
      child.once('error', reject).once('close', () => resolve(Number(text) / 1e3));
    });
  return Math.max(...(await Promise.all(Array.from({ length: processes }, one))));
};

/** Seconds of W8. */
const search = async (threads: number, seed: number): Promise<number> => {
  const before = performance.now();
  await tune(digits, {
    space: { learningRate: logUniform(1e-4, 1e-1), units: integer(16, 256), penalty: logUniform(1e-6, 1e-2) },
    estimator: digitsTrialTrainer,
    objective: 'accuracy',
    splitter: holdOut({ validation: 0.2, stratify: true, seed: 7 }),
    trials: options.quick ? 6 : 40,
    refit: false,
    seed,
    threads,
  });
  return (performance.now() - before) / 1e3;
};

if (wants('scaling')) {
  const rows: { alone: number; pair: number; one: number; two: number }[] = [];
  for (let repeat = 0; repeat <= (options.quick ? 1 : 7); repeat++) {
    const row = { alone: await arithmetic(1), pair: await arithmetic(2), one: await search(1, repeat), two: await search(2, repeat) };
    if (repeat > 0) rows.push(row); // the first warms up
  }
  const roofline = middle(rows.map(({ alone, pair }) => (2 * alone) / pair));
  const scaling = middle(rows.map(({ one, two }) => one / two));
  const seconds = { one: rounded(middle(rows.map(({ one }) => one))), two: rounded(middle(rows.map(({ two }) => two))) };
  report('scaling of W8 from one thread to two', 'ratio', {
    ...seconds,
    scaling: rounded(scaling),
    roofline: rounded(roofline),
    share: rounded(scaling / roofline),
    target: 0.9,
  });
}
