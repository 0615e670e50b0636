/** Planted leaks: refused, or measured with and without. */
import { Dataset, ridge, sequential, Trainer } from 'nabla';
import { selectBest, standardize } from 'nabla/data';
import { normal } from 'nabla/initializers';
import { dense } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { crossValidate, diagnose, kFold, leaks } from 'nabla/validation';
import { describe, expect, it } from 'vitest';

const splitter = kFold({ k: 5, seed: 7 });
const matrix = (rows: number, width: number, seed: number): number[][] => {
  const values = normal({ deviation: 1 }).sample([rows, width], { seed, precision: 'f64' });
  return Array.from({ length: rows }, (_, i) => Array.from(values.subarray(i * width, (i + 1) * width)));
};

describe('a leak measured with and without', () => {
  it('columns chosen by all rows make a coin predictable; chosen inside the folds they do not', async () => {
    const features = matrix(60, 2000, 3);
    const labels = features.map((_, i) => (i % 2 === 0 ? 'heads' : 'tails'));
    const between = (j: number): number => features.reduce((sum, row, i) => sum + (i % 2 === 0 ? 1 : -1) * row[j]!, 0);
    const best = Array.from({ length: 2000 }, (_, j) => j).sort((a, b) => Math.abs(between(b)) - Math.abs(between(a)));
    const recipe = { loss: 'crossEntropy', optimizer: sgd({ learningRate: 0.1 }), metrics: ['accuracy'], epochs: 30 } as const;
    const chosen = features.map((row) => best.slice(0, 20).map((j) => row[j]!));
    const byHand = await crossValidate(
      new Trainer({ ...recipe, model: sequential([dense(2)]) }),
      Dataset.from({ features: chosen, targets: labels }),
      { splitter },
    );
    const inside = await crossValidate(
      new Trainer({ ...recipe, prepare: [selectBest(20)], model: sequential([dense(2)]) }),
      Dataset.from({ features, targets: labels }),
      { splitter },
    );
    expect(byHand.scores.accuracy.mean).toBeGreaterThan(0.8);
    // Sixty tosses of a coin: 0.5 ± 2.6 standard errors.
    expect(Math.abs(inside.scores.accuracy.mean - 0.5)).toBeLessThan(0.17);
  });

  it('a scaler fitted on all rows knows of the row that is held out; one of a recipe does not', async () => {
    // One row far out. Scaled with it, the others lie together; scaled without, it lies where no row has been.
    const features = matrix(20, 1, 5).map(([x], i) => [i === 0 ? 1000 : x!]);
    const targets = features.map(([x]) => x! / 10);
    const line = { model: sequential([dense(1)]), loss: 'meanSquaredError', optimizer: sgd({ learningRate: 0.1 }), epochs: 50 } as const;
    const scaled = standardize().fit(features).transform(features) as number[][];
    const held = {
      *split() {
        yield { train: Array.from({ length: 19 }, (_, i) => i + 1), validation: [0] };
      },
    };
    const byHand = await crossValidate(new Trainer(line), Dataset.from({ features: scaled, targets }), {
      splitter: held,
      keepModels: true,
    });
    const inside = await crossValidate(new Trainer({ ...line, prepare: [standardize()] }), Dataset.from({ features, targets }), {
      splitter: held,
      keepModels: true,
    });
    // With the scaler of the fold the far row is hundreds of deviations away; by hand it is four.
    expect(Math.max(...scaled.map(([x]) => x!))).toBeLessThan(4.5);
    const alone = Dataset.from({ features: features.slice(1), targets: targets.slice(1) });
    const without = await new Trainer({ ...line, prepare: [standardize()] }).fit(alone);
    expect(inside.folds[0]!.fitted!.weights()).toEqual(without.weights());
    expect(byHand.folds[0]!.fitted!.weights()).not.toEqual(without.weights());
    const [leaking, honest] = [byHand.scores.loss.mean, inside.scores.loss.mean];
    expect(Math.abs(leaking - honest) / honest).toBeGreaterThan(0.1);
  });

  it('a column made from the target explains all of it, and is named', async () => {
    const diabetes = await Dataset.builtin('diabetes');
    const targets = Array.from(diabetes.targets());
    const plain = diabetes.features();
    const names = diabetes.columns.map(({ name }) => name);
    const row = (i: number) => Object.fromEntries(names.map((name, j) => [name, plain[i * names.length + j]!]));
    const planted = Dataset.from({ features: targets.map((y, i) => ({ ...row(i), claim: Math.round(y / 5) })), targets });
    const [with_, without] = [await crossValidate(ridge(), planted, { splitter }), await crossValidate(ridge(), diabetes, { splitter })];
    expect(with_.scores.r2.mean).toBeGreaterThan(0.99);
    expect(without.scores.r2.mean).toBeLessThan(0.6);
    const found = await leaks(planted);
    expect(found.columns.map(({ column }) => column)).toEqual(['claim']);
    expect(String(found)).toMatch(/column "claim" alone/);
    const { train, validation } = planted.split({ ratios: { train: 0.7, validation: 0.3 } });
    const { warnings } = await diagnose(ridge(), { train, validation });
    expect(warnings).toEqual([expect.stringMatching(/column "claim" alone/)]);
  });
});

describe('leaks', () => {
  it.each(['iris', 'digits', 'diabetes'] as const)('finds none in %s', async (name) => {
    const data = await Dataset.builtin(name);
    const { columns, scores } = await leaks(data);
    expect(columns).toEqual([]);
    expect(scores.length).toBe(data.columns.length);
    for (const { score } of scores) expect(score).toBeLessThan(0.96);
  });

  it('finds what only the order or the category of a column gives away, and a row number of a sorted file', async () => {
    const rows = 200;
    const y = Array.from({ length: rows }, (_, i) => i % 4);
    const sorted = [...y].sort();
    const noise = matrix(rows, 1, 1).map(([x]) => x!);
    const data = Dataset.from({
      features: sorted.map((v, i) => ({
        bent: (v - 1.5) ** 3 + 0.001 * noise[i]!,
        code: `level ${(v * 7) % 4}`,
        row: i,
        honest: v + 2 * noise[i]!,
      })),
      targets: sorted.map((v) => `c${v}`),
    });
    const { columns } = await leaks(data);
    expect(columns.map(({ column }) => column).sort()).toEqual(['bent', 'code', 'row']);
  });

  it('names the target of several, and takes missing cells', async () => {
    const x = matrix(100, 2, 9);
    const data = Dataset.from({
      features: x.map(([a, b], i) => ({ a: i % 7 === 0 ? null : a!, b: b! })),
      targets: { one: x.map(([, b]) => 2 * b!), two: x.map((_, i) => (i % 3 === 0 ? 'yes' : 'no')) },
    });
    const { columns, findings } = await leaks(data, { threshold: 0.9 });
    expect(columns).toMatchObject([{ column: 'b', target: 'one' }]);
    expect(findings[0]).toMatch(/the target "one"/);
  });

  it('finds rows and groups on both sides', async () => {
    const features = matrix(60, 2, 2);
    const data = Dataset.from({ features, targets: features.map(([a]) => a! ** 2), groups: features.map((_, i) => `g${i % 5}`) });
    const [train, test] = [data.select(Array.from({ length: 40 }, (_, i) => i)), data.select(Array.from({ length: 21 }, (_, i) => i + 39))];
    const found = await leaks(train, { test });
    expect([...found.sharedRows]).toEqual([0]);
    expect(found.sharedGroups).toEqual(['g4', 'g0', 'g1', 'g2', 'g3']);
    expect(String(found)).toMatch(/1 of the 21 test rows.*Groups on both sides: g4/s);
    const parts = data.split({ ratios: { train: 0.6, test: 0.4 } });
    expect((await leaks(parts.train, { test: parts.test })).findings).toEqual([]);
    await expect(leaks(train, { threshold: 2 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
