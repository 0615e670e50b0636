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

  it('takes a seed and nothing else', async () => {
    await expect(study.ridge({ seed: -1 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    expect(() => study.scaling()).toThrow(expect.objectContaining({ code: 'NOT_IMPLEMENTED' }) as Error);
  });
});
