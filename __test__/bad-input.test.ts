/** Bad data: each case is an error that names line, column, class or group, or a stated result; nothing half-read is kept. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, ridge, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { rocAuc } from 'nabla/metrics';
import { crossValidate, kFold, learningCurve, leaveOneGroupOut, leaveOneOut } from 'nabla/validation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let scratch = '';
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'nabla-bad-'));
});
afterAll(() => rm(scratch, { recursive: true }));
let files = 0;
const csv = async (content: string | Uint8Array, options = {}): Promise<Dataset> => {
  const path = join(scratch, `${files++}.csv`);
  await writeFile(path, content);
  return Dataset.fromCsv(path, options);
};
const said = async (work: () => unknown): Promise<string> => {
  try {
    await work();
    return 'no error';
  } catch (error) {
    return `${(error as { code: string }).code} ${(error as Error).message}`;
  }
};

const rows = { features: [[1], [2], [3], [4]] };
const many = (labels: readonly string[]) => Dataset.from({ features: labels.map((_, i) => [i]), targets: labels });
const classifier = new Trainer({ model: sequential([dense(2)]), loss: 'crossEntropy', metrics: ['accuracy', 'rocAuc'], epochs: 1 });

it.each<[string, () => unknown, RegExp]>([
  ['a ragged row', () => csv('a,b\n1,2\n3\n'), /^DATA_FORMAT .*line 3.*expected 2 cells/],
  ['a ragged row in a file of texts', () => csv('a,b\nx,2\ny,3,4\n'), /^DATA_FORMAT .*line 3/],
  ['UTF-16 that was cut', () => csv(Buffer.from('\ufeffa,b\n1,2\n', 'utf16le').subarray(0, -1)), /^DATA_FORMAT .*UTF-16/],
  [
    'another encoding than is said',
    () => csv(Buffer.from('\ufeffa\n1\n', 'utf16le'), { encoding: 'utf-8' }),
    /^DATA_FORMAT .*mark of Utf16Le/,
  ],
  ['Latin-1', () => csv(Buffer.from('a\nM\xfcller\n', 'latin1')), /^DATA_FORMAT .*line 2, column "a".*UTF-8/],
  ['a target that is missing', () => csv('a,y\n1,2\n3,\n', { target: 'y' }), /^INVALID_DATA .*target "y", line 3/],
  ['a target column that is not there', () => csv('a,yes\n1,2\n', { target: 'yess' }), /Did you mean "yes"/],
  ['an infinite number', () => csv('a,y\n1,2\ninf,3\n', { target: 'y' }), /^NOT_FINITE .*line 3, column "a"/],
  ['a weight that is negative', () => Dataset.from({ ...rows, weights: [1, 1, -1, 1] }), /^INVALID_DATA .*weights/],
  ['weights of which all are 0', () => Dataset.from({ ...rows, weights: [0, 0, 0, 0] }), /^INVALID_DATA .*weights/],
  ['a weight that is negative in a file', () => csv('a,w\n1,1\n3,-2\n', { weights: 'w' }), /^INVALID_DATA .*-2/],
  [
    'fewer rows than folds',
    () => crossValidate(ridge(), Dataset.from({ ...rows, targets: [1, 2, 3, 5] }), { splitter: kFold({ k: 5 }) }),
    /only 4 rows/,
  ],
  [
    'no class with as many rows as folds',
    () => crossValidate(classifier, many(['a', 'a', 'b', 'b', 'b', 'a', 'b']), { splitter: kFold({ k: 5 }) }),
    /^INVALID_DATA .*class "a" has 3 rows/,
  ],
  [
    'a class rarer than k',
    () => crossValidate(classifier, many([...'aaaaaaaaaaaaaaaaaaaa', ...'bbb']), { splitter: kFold({ k: 5 }) }),
    /^INVALID_DATA .*class "b" has 3 rows, too few to be in each of 5 folds/,
  ],
  [
    'a class rarer than the parts of a split',
    () => many([...'aaaaaaaaaaaa', 'b']).split({ stratify: true }),
    /^INVALID_DATA .*class "b" has one row, too few to be in each of 3 parts/,
  ],
  [
    'a target that is constant',
    () => crossValidate(ridge(), Dataset.from({ ...rows, targets: [7, 7, 7, 7] }), { splitter: kFold({ k: 2 }) }),
    /^INVALID_DATA .*target "y" is 7 in each of the 4 rows/,
  ],
  [
    'a target that is constant in a file',
    async () => crossValidate(ridge(), await csv('a,y\n1,2\n3,2\n4,2\n', { target: 'y' }), { splitter: kFold({ k: 2 }) }),
    /^INVALID_DATA .*target "y" is 2 in each of the 3 rows/,
  ],
  [
    'one class alone',
    () => crossValidate(classifier, many(['a', 'a', 'a', 'a']), { splitter: kFold({ k: 2 }) }),
    /^INVALID_DATA .*class "a" in each of the 4 rows/,
  ],
  [
    'a target of several that is constant',
    () =>
      learningCurve(ridge(), Dataset.from({ ...rows, targets: { one: [1, 2, 3, 4], two: [5, 5, 5, 5] } }), { splitter: kFold({ k: 2 }) }),
    /^INVALID_DATA .*target "two" is 5 in each of the 4 rows/,
  ],
  [
    'fewer groups than folds',
    () => [...kFold({ k: 3 }).split({ rows: 4, groups: ['a', 'a', 'b', 'b'] })],
    /^INVALID_DATA .*2 groups \("a", "b"\) cannot fill 3 folds/,
  ],
  [
    'one group to leave out',
    () => [...leaveOneGroupOut().split({ rows: 2, groups: ['a', 'a'] })],
    /^INVALID_DATA .*one group \("a"\) cannot fill 2 parts/,
  ],
  ['NaN among scores', () => rocAuc([0, 1], [0.5, Number.NaN]), /^NOT_FINITE/],
])('%s', async (_, work, expected) => {
  expect(await said(work)).toMatch(expected);
});

describe('what is defined, though it looks wrong', () => {
  it('a constant target is learned as it is', async () => {
    const fit = await ridge().fit(Dataset.from({ ...rows, targets: [7, 7, 7, 7] }));
    expect((await fit.predict([[9]]))[0]).toBeCloseTo(7, 9);
  });

  it('leave-one-out on 442 rows keeps one copy of the rows', async () => {
    const diabetes = await Dataset.builtin('diabetes');
    await crossValidate(ridge(), diabetes.take(30), { splitter: leaveOneOut() });
    const before = process.memoryUsage().rss;
    const report = await crossValidate(ridge(), diabetes, { splitter: leaveOneOut(), aggregate: 'pooled' });
    // The indices of 442 folds are 0.8 MB; copies of their rows would be 16 MB, and a copy with its basis in each fit 442 times 70 kB.
    expect(process.memoryUsage().rss - before).toBeLessThan(60e6);
    expect(report.scores.r2.mean).toBeGreaterThan(0.3);
    expect(report.folds.length).toBe(442);
  });

  it('scores beyond single precision are an error, not NaN', async () => {
    const data = Dataset.from({ features: [[1], [2], [3], [4]], targets: [1, 2, 3, 4] });
    const fitted = await new Trainer({ model: sequential([dense(4), dense(1)]), loss: 'meanSquaredError', metrics: ['r2'], epochs: 1 }).fit(
      data,
    );
    const huge = Dataset.from({ features: [[1e38], [-1e38]], targets: [1, 2] });
    expect(await said(() => fitted.evaluate(huge))).toMatch(/^NOT_FINITE evaluate: .*standardize/s);
  });
});
