/** The studies: what their numbers must show, and that their pictures are whole. */
import { describe, expect, it } from 'vitest';
import { study } from '../src/index.js';

const whole = (svg: string): void => {
  expect(svg).toMatch(/^<svg xmlns=/);
  expect(svg.trimEnd()).toMatch(/<\/svg>$/);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
};

describe('study', () => {
  it('initialization: collapse, saturation, and what holds', async () => {
    const found = await study.initialization({ seed: 2 });
    const [small, large, xavier, he, rescued] = found.data.map(({ deviations, idle }) => ({
      last: deviations.at(-1)!,
      idle: idle.at(-1)!,
    }));
    expect(small!.last).toBeLessThan(1e-6);
    expect(large!.idle).toBeGreaterThan(0.8);
    for (const { last } of [xavier!, he!, rescued!]) expect(last).toBeGreaterThan(0.1);
    whole(found.toSvg());
  });

  it('optimizers: all go down, and the bent ravine parts them', async () => {
    const found = await study.optimizers();
    for (const { paths } of found.data.races) {
      for (const { points, value } of paths) {
        expect(points.flat().every(Number.isFinite)).toBe(true);
        expect(value).toBeLessThan(10);
      }
    }
    const ravine = Object.fromEntries(found.data.races[2]!.paths.map(({ name, value }) => [name, value]));
    expect(ravine['L-BFGS']).toBeLessThan(1e-6);
    expect(ravine.momentum).toBeLessThan(ravine['gradient descent']!);
    whole(found.toSvg());
  });

  it('ridge: training error grows with λ, the other has its least inside', async () => {
    const { data, toSvg } = await study.ridge();
    const { points } = data;
    expect(points.at(-1)!.train).toBeGreaterThan(points[0]!.train);
    const best = points.indexOf(points.reduce((a, b) => (b.test < a.test ? b : a)));
    expect(best).toBeGreaterThan(0);
    expect(best).toBeLessThan(points.length - 1);
    whole(toSvg());
  });

  it('penalties: corners for q up to 1, none above', async () => {
    const { data, toSvg } = await study.penalties();
    for (const { q, best, sparsity } of data) {
      expect(best.some((v) => Math.abs(v) < 1e-3)).toBe(q <= 1);
      expect(Math.max(...sparsity.map(({ zeros }) => zeros)) > 0).toBe(q <= 1);
    }
    whole(toSvg());
  });

  it('early stopping: the U, and better weights at its bottom', async () => {
    const { data, toSvg } = await study.earlyStopping();
    expect(data.best).toBeLessThan(data.epochs.length / 2);
    expect(data.epochs.at(-1)!.validation).toBeGreaterThan(data.epochs[data.best]!.validation);
    expect(data.test.best).toBeLessThan(data.test.last);
    whole(toSvg());
  });

  it('bias and variance: from degree 1 to 12 bias falls, variance rises, and the least error lies between', async () => {
    const { data, toSvg } = await study.biasVariance();
    const { points } = data;
    expect(points.map(({ degree }) => degree)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    const of = (term: 'biasSquared' | 'variance' | 'expectedError') => points.map((point) => point[term].value);
    const [bias, variance, error] = [of('biasSquared'), of('variance'), of('expectedError')];
    // From one degree to the next within the standard errors, and over all of them by far.
    for (let i = 1; i < 12; i++) {
      expect(bias[i]).toBeLessThan(bias[i - 1]! + 2 * points[i]!.biasSquared.standardError);
      expect(variance[i]).toBeGreaterThan(variance[i - 1]! - 2 * points[i - 1]!.variance.standardError);
    }
    expect(bias[11]).toBeLessThan(bias[0]! / 50);
    expect(variance[11]).toBeGreaterThan(3 * variance[0]!);
    const best = error.indexOf(Math.min(...error)) + 1;
    expect(best).toBeGreaterThan(3);
    expect(best).toBeLessThan(10);
    for (const { biasSquared, variance, noise, expectedError } of points)
      expect(Math.abs(biasSquared.value + variance.value + noise.value - expectedError.value)).toBeLessThan(
        3 * expectedError.standardError + 0.02 * expectedError.value,
      );
    whole(toSvg());
  }, 120_000);

  it('scaling: the condition number falls, and with it the steps; a fit goes as the eigenvalues say', async () => {
    const { data, toSvg } = await study.scaling();
    const by = Object.fromEntries(data.rows.map((row) => [row.name, row]));
    expect(by['as measured']!.condition).toBeGreaterThan(1e4);
    expect(by.standardize!.condition).toBeLessThan(by['as measured']!.condition / 100);
    expect(by['as measured']!.steps).toBeGreaterThan(100 * by.standardize!.steps);
    for (const { excess, expected } of data.rows)
      excess.forEach((value, step) => expect(Math.abs(value - expected[step]!)).toBeLessThan(1e-9 * Math.max(1, expected[0]!)));
    expect(data.panels.map(({ condition }) => condition < 4)).toEqual([false, true]);
    whole(toSvg());
  });

  it('search: random tries more learning rates than the grid and finds more, the zoom most', async () => {
    const { data, toSvg } = await study.search({ seed: 1 });
    expect(data.map(({ name, rates }) => [name, rates])).toEqual([
      ['grid, 6 × 6', 6],
      ['random', 36],
      ['coarse to fine', 36],
    ]);
    const [plain, drawn, zoomed] = data.map(({ best }) => best.at(-1)!);
    expect(drawn).toBeLessThan(plain!);
    expect(zoomed).toBeLessThan(drawn!);
    for (const { best } of data) best.forEach((loss, at) => at > 0 && expect(loss).toBeLessThanOrEqual(best[at - 1]!));
    whole(toSvg());
  }, 60_000);

  it('takes a seed and nothing else', async () => {
    await expect(study.ridge({ seed: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(study.search({ seeds: 1 } as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
