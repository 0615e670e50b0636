// Measures nabla on the works that the programs of rivals/ do, through its public interface; prints one JSON line a figure.
//
//     node works.js [--work W1a | W1b | W1c | W2 | W3 | W4 | W5 | W6 | W7 | W8 | W9 | W9c | W10 | W10c | W12a | W12b | W12c | W12d | start] [--threads 1 | 2] [--quick]
//
// All of them without --work, one and two threads without --threads. README.md says what is timed and how to compile it.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { Dataset } from 'nabla';
import { crop, flip, standardize } from 'nabla/data';
import { rocAuc } from 'nabla/metrics';
import { integer, logUniform, tune } from 'nabla/tuning';
import { crossValidate, holdOut, kFold } from 'nabla/validation';
import {
  characters,
  cnnTrainer,
  digitsTrainer,
  digitsTrialTrainer,
  irisTrainer,
  lstmTrainer,
  mnist,
  mnistTrainer,
  noise,
  resnetTrainer,
  transformerTrainer,
  wideTrainer,
} from './recipes.js';

const manifest = fileURLToPath(import.meta.resolve('nabla/package.json'));
const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
const root = dirname(manifest);

interface Options {
  readonly threads: number;
  readonly quick: boolean;
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
};

const rounded = (value: number): number => Number(value.toPrecision(5));

/** Prints one figure: `values` are the repeats, in `unit`. */
const report = (work: string, part: string, threads: number, unit: string, values: readonly number[], more: object = {}): void => {
  const figure = { unit, median: rounded(median(values)), min: rounded(Math.min(...values)), repeats: values.length };
  console.log(JSON.stringify({ work, library: 'nabla', part, version, threads, ...figure, ...more }));
};

/** A fast wrong answer is no figure. */
const expectLearned = (learned: boolean, what: string): void => {
  if (!learned) throw new Error(`it did not learn: ${what}`);
};

/** ms a step of whole epochs: gathering the shuffled batch, forward, backward, update. The first epoch is left out, as the rivals leave it out. */
const mlpStep = async (work: string, batchSize: number, { threads, quick }: Options): Promise<void> => {
  const { data, source } = await mnist();
  const { history } = await mnistTrainer({ batchSize, epochs: quick ? 3 : 16 }).fit(data, { threads });
  const losses = history.map(({ train }) => rounded(train.loss));
  if (source === 'mnist') expectLearned(losses.at(-1)! < losses[0]!, `losses ${losses.join(', ')}`);
  const steps = history.slice(1).map(({ seconds, batches }) => (1e3 * seconds) / batches);
  report(work, 'step', threads, 'ms a step', steps, { data: source, batch: batchSize, loss: [losses[0], losses.at(-1)] });
};

/** ms a step of a language model of characters; the first epoch is left out. */
const languageStep = async (work: 'W4' | 'W5', { threads, quick }: Options): Promise<void> => {
  const { data, source } = await characters(work === 'W4' ? 50 : 64);
  const trainer = work === 'W4' ? lstmTrainer : transformerTrainer;
  const epochs = quick ? 3 : work === 'W4' ? 16 : 9;
  const { history } = await trainer(data.classes.length, epochs).fit(data, { threads });
  const losses = history.map(({ train }) => rounded(train.loss));
  if (source !== 'random') expectLearned(losses.at(-1)! < losses[0]!, `losses ${losses.join(', ')}`);
  const steps = history.slice(1).map(({ seconds, batches }) => (1e3 * seconds) / batches);
  report(work, 'step', threads, 'ms a step', steps, { data: source, batch: 32, loss: [losses[0], losses.at(-1)] });
};

/** Probabilities of one row, and of 1,024 rows: by the MLP, or (`c`) the CNN. */
const predictions = async (work: 'W9' | 'W9c' | 'W10' | 'W10c', { threads, quick }: Options): Promise<void> => {
  const { data, source } = await mnist();
  const network = work.endsWith('c') ? 'CNN' : 'MLP';
  const fitted =
    network === 'MLP'
      ? await mnistTrainer({ batchSize: 128, epochs: 1 }).fit(data, { threads })
      : await cnnTrainer({ epochs: 1 }).fit(data.take(640), { threads });
  const rows = work.startsWith('W9') ? 1 : 1024;
  const features = Float32Array.from({ length: rows * 784 }, (_, index) => (index * 7919) % 256);
  const some = Dataset.from({ features, shape: [rows, 28, 28, 1] });
  const many = quick || network === 'CNN' ? 200 : 2000;
  const times: number[] = [];
  for (let repeat = 0; repeat < (quick ? 5 : 50); repeat++) {
    const before = performance.now();
    if (rows === 1) {
      for (let call = 0; call < many; call++) fitted.predictSync(features);
      times.push((1e3 * (performance.now() - before)) / many);
    } else {
      for (let call = 0; call < many / 100; call++) await fitted.predict(some, { probabilities: true });
      times.push((performance.now() - before) / (many / 100));
    }
  }
  // JavaScript is compiled after the first few.
  report(work, network, threads, rows === 1 ? 'µs' : 'ms', times.slice(2), { data: source, batch: rows });
};

/** ms a step of a network on 6,400 digits, or on noise (which asserts nothing). */
const networkStep = async (
  work: string,
  trainer: (options: { readonly epochs: number }) => ReturnType<typeof cnnTrainer>,
  { threads, quick }: Options,
  part = 'step',
): Promise<void> => {
  const { data, source } = work === 'W3' ? { data: noise(), source: 'random' } : await mnist();
  const { history } = await trainer({ epochs: quick ? 2 : 6 }).fit(source === 'random' ? data : data.take(6400), { threads });
  const losses = history.map(({ train }) => rounded(train.loss));
  if (source === 'mnist') expectLearned(losses.at(-1)! < losses[0]!, `losses ${losses.join(', ')}`);
  const steps = history.slice(1).map(({ seconds, batches }) => (1e3 * seconds) / batches);
  report(work, part, threads, 'ms a step', steps, { data: source, loss: [losses[0], losses.at(-1)] });
};

/** The tiny fit: the epochs alone, and everything from `new Trainer` to the awaited result; the first call of the process apart. */
const tinyFit = async ({ threads, quick }: Options): Promise<void> => {
  const iris = await Dataset.builtin('iris');
  const once = async (seed: number) => {
    const start = performance.now();
    const fitted = await irisTrainer({ seed }).fit(iris, { threads });
    const whole = performance.now() - start;
    return { fitted, whole, alone: fitted.history.reduce((sum, { seconds }) => sum + 1e3 * seconds, 0) };
  };
  const first = await once(0);
  for (let seed = 1; seed <= 20; seed++) await once(seed); // JavaScript is compiled by then
  const alone: number[] = [];
  const whole: number[] = [];
  let last = first;
  for (let seed = 0; seed < (quick ? 10 : 200); seed++) {
    last = await once(seed);
    alone.push(last.alone);
    whole.push(last.whole);
  }
  const found = await last.fitted.predict(iris);
  const accuracy = iris.labels().filter((label, row) => label === found[row]).length / iris.rows;
  expectLearned(accuracy > 0.9, `accuracy ${accuracy}`);
  report('W6', 'fit alone', threads, 'ms', alone, { accuracy: rounded(accuracy) });
  report('W6', 'new Trainer to result', threads, 'ms', whole);
  report('W6', 'the same, first call', threads, 'ms', [first.whole]);
};

/** Ten-fold cross-validation: folds, preparation, fits and scores. */
const tenFolds = async ({ threads, quick }: Options): Promise<void> => {
  const digits = await Dataset.builtin('digits');
  const splitter = kFold({ k: 10 });
  for (const metrics of [['accuracy'], []] as const) {
    const seconds: number[] = [];
    let accuracy = Number.NaN;
    for (let repeat = 0; repeat <= (quick ? 2 : 11); repeat++) {
      const start = performance.now();
      const { scores } = await crossValidate(digitsTrainer(metrics, repeat), digits, { splitter, threads });
      if (repeat > 0) seconds.push((performance.now() - start) / 1e3); // the first warms up
      if (metrics.length > 0) accuracy = scores.accuracy.mean;
    }
    if (metrics.length > 0) {
      expectLearned(accuracy > 0.95, `accuracy ${accuracy}`);
      report('W7', 'accuracy', threads, 's', seconds, { accuracy: rounded(accuracy) });
    } else report('W7', 'without metrics', threads, 's', seconds);
  }
};

/** Random search: 40 trials on one validation split, from call to study; and what a study costs beyond its fits. */
const search = async ({ threads, quick }: Options): Promise<void> => {
  const digits = await Dataset.builtin('digits');
  const seconds: number[] = [];
  let best = 0;
  for (let repeat = 0; repeat <= (quick ? 1 : 7); repeat++) {
    const before = performance.now();
    const study = await tune(digits, {
      space: { learningRate: logUniform(1e-4, 1e-1), units: integer(16, 256), penalty: logUniform(1e-6, 1e-2) },
      estimator: digitsTrialTrainer,
      objective: 'accuracy',
      splitter: holdOut({ validation: 0.2, stratify: true, seed: 7 }),
      trials: 40,
      refit: false,
      seed: repeat,
      threads,
    });
    if (repeat > 0) seconds.push((performance.now() - before) / 1e3); // the first warms up
    best = study.best.score;
  }
  expectLearned(best > 0.95, `accuracy ${best}`);
  report('W8', 'random search', threads, 's', seconds, { accuracy: rounded(best) });
};

/** Fresh processes, in turn: an empty one, imports, the first fitted model; and the size of the binary. */
const start = ({ quick }: Options): void => {
  const program = (code: string): string[] => ['--input-type=module', '-e', code];
  const programs: readonly (readonly [part: string, args: readonly string[]])[] = [
    ['empty Node', program('')],
    ["import 'nabla'", program("import 'nabla'")],
    ["import 'nabla' and load the binary", program("import { norm } from 'nabla'; norm(new Float64Array([3, 4]), 2)")],
    ['first fitted model', [fileURLToPath(new URL('first-fit.js', import.meta.url))]],
  ];
  const took = programs.map((): number[] => []);
  for (let repeat = 0; repeat <= (quick ? 3 : 15); repeat++) {
    programs.forEach(([part, args], index) => {
      const before = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
      if (status !== 0) throw new Error(`${part}: ${stderr}`);
      if (repeat > 0) took[index]!.push(performance.now() - before); // the first fills the file cache
    });
  }
  const threads = availableParallelism();
  const empty = took[0]!;
  programs.forEach(([part], index) => {
    report('W13', `${part}, process`, threads, 'ms', took[index]!);
  });
  for (const index of [1, 2]) {
    const more = took[index]!.map((time, repeat) => time - empty[repeat]!);
    report('W13', `${programs[index]![0]}, beyond empty Node`, threads, 'ms', more);
  }
  for (const name of readdirSync(root).filter((file) => /^nabla\..*\.node$/.test(file))) {
    report('W13', 'binary', threads, 'MB', [statSync(join(root, name)).size / 1e6], { file: name });
  }
};

/** Numbers in [0, 1) that are the same each time; their values do not matter. */
const uniform = (count: number): Float64Array => {
  let state = 1;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 0x100000000;
  });
};

/** Seconds of a call, the first left out. */
const repeated = async (work: string, part: string, { threads, quick }: Options, call: () => unknown, more: object = {}): Promise<void> => {
  const seconds: number[] = [];
  for (let repeat = 0; repeat <= (quick ? 2 : 7); repeat++) {
    const start = performance.now();
    await call();
    if (repeat > 0) seconds.push((performance.now() - start) / 1e3);
  }
  report(work, part, threads, 's', seconds, more);
};

const standardizing = (options: Options): Promise<void> => {
  const x = Float32Array.from(uniform(options.quick ? 5e6 : 5e7));
  return repeated('W12a', 'standardize', options, () => standardize().fit(x, { width: 50 }).transform(x));
};

const ranking = (options: Options): Promise<void> => {
  const scores = uniform(1e6);
  const labels = Uint8Array.from(scores.toReversed(), (score) => (score < 0.5 ? 0 : 1));
  return repeated('W12b', 'ROC AUC', options, () => expectLearned(rocAuc(labels, scores) > 0.4, 'the area of chance is one half'));
};

const folding = (options: Options): Promise<void> => {
  const labels = Uint32Array.from(uniform(1e6), (value) => Math.floor(5 * value));
  return repeated('W12c', 'ten folds', options, () => {
    for (const { train } of kFold({ k: 10 }).split({ rows: labels.length, labels }))
      expectLearned(Math.abs(train.length - 9e5) < 10, `${train.length} rows to train on`);
  });
};

/** The file that the rival makes, or one like it. */
const readingCsv = async (options: Options): Promise<void> => {
  const path = join(tmpdir(), 'nabla-w12.csv');
  if (!existsSync(path)) {
    const values = uniform(4e6);
    const line = (row: number): string => values.subarray(20 * row, 20 * row + 20).join();
    const lines = Array.from({ length: 200_000 }, (_, row) => line(row));
    writeFileSync(path, `${Array.from({ length: 20 }, (_, j) => `c${j}`).join()}\n${lines.join('\n')}\n`);
  }
  const megabytes = Math.round(statSync(path).size / 1e6);
  await repeated('W12d', 'CSV', options, () => Dataset.fromCsv(path), { megabytes });
};

const works: Readonly<Record<string, (options: Options) => void | Promise<void>>> = {
  W1a: (options) => mlpStep('W1a', 32, options),
  W1b: (options) => mlpStep('W1b', 128, options),
  W1c: (options) => networkStep('W1c', wideTrainer, options),
  W2: (options) => networkStep('W2', cnnTrainer, options),
  W3: async (options) => {
    await networkStep('W3', resnetTrainer, options);
    await networkStep(
      'W3',
      ({ epochs }) => resnetTrainer({ epochs, augment: [flip(), crop({ padding: 4 })] }),
      options,
      'step, flip and crop',
    );
  },
  W4: (options) => languageStep('W4', options),
  W5: (options) => languageStep('W5', options),
  W6: tinyFit,
  W7: tenFolds,
  W8: search,
  W9: (options) => predictions('W9', options),
  W9c: (options) => predictions('W9c', options),
  W10: (options) => predictions('W10', options),
  W10c: (options) => predictions('W10c', options),
  W12a: standardizing,
  W12b: ranking,
  W12c: folding,
  W12d: readingCsv,
  start,
};

const { values } = parseArgs({
  options: { work: { type: 'string' }, threads: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
for (const [name, measure] of Object.entries(works)) {
  if (values.work !== undefined && values.work !== name) continue;
  const counts = name === 'start' ? [0] : values.threads === undefined ? [1, 2] : [Number(values.threads)];
  for (const threads of counts) await measure({ threads, quick: values.quick });
}
if (values.work !== undefined && !(values.work in works)) throw new Error(`--work is one of ${Object.keys(works).join(', ')}`);
