/** Each way of clipping against its definition, written out in double precision. */
import { Dataset, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';
import { expect, it } from 'vitest';

type Weights = Map<string, { readonly shape: readonly number[]; readonly values: Float64Array }>;
const data = Dataset.from({
  features: Array.from({ length: 12 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 6 - 1]),
  targets: Array.from({ length: 12 }, (_, i) => 4 * Math.sin(2 * i) + 3),
});

/** Weights before and after one step of plain gradient descent with a rate of 1: their difference is the gradient. */
const step = async (options: object): Promise<Weights> =>
  (
    await new Trainer({
      model: sequential([dense(4, { activation: 'tanh' }), dense(1)]),
      loss: 'meanSquaredError',
      epochs: 1,
      batchSize: 'full',
      precision: 'f64',
      seed: 3,
      optimizer: sgd({ learningRate: 1 }),
      ...options,
    }).fit(data)
  ).weights();

const start = await step({ optimizer: sgd({ learningRate: 0 }) });
const gradientOf = (after: Weights): Map<string, number[]> =>
  new Map([...start].map(([name, { values }]) => [name, [...values].map((value, i) => value - after.get(name)!.values[i]!)]));
const gradient = gradientOf(await step({}));
const norm = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));

const limits = (clip: { value?: number; norm?: number; globalNorm?: number; adaptive?: number }): Map<string, number[]> => {
  const all = norm([...gradient.values()].flat());
  return new Map(
    [...gradient].map(([name, own]) => {
      if (clip.value !== undefined) return [name, own.map((x) => Math.max(-clip.value!, Math.min(clip.value!, x)))];
      if (clip.norm !== undefined) return [name, own.map((x) => x * Math.min(1, clip.norm! / norm(own)))];
      if (clip.globalNorm !== undefined) return [name, own.map((x) => x * Math.min(1, clip.globalNorm! / all))];
      // Brock et al. 2021, equation 3: the rows of a unit are a column of a kernel; a vector is one unit.
      const { shape, values } = start.get(name)!;
      const units = shape.length === 1 ? 1 : shape.at(-1)!;
      const part = (from: readonly number[], j: number) => from.filter((_, i) => i % units === j);
      return [
        name,
        own.map((x, i) => {
          const j = i % units;
          const most = clip.adaptive! * Math.max(norm(part([...values], j)), 1e-3);
          return x * Math.min(1, most / norm(part(own, j)));
        }),
      ];
    }),
  );
};

it.each([
  [{ value: 0.05 }],
  [{ norm: 0.2 }],
  [{ norm: 3 }],
  [{ globalNorm: 0.5 }],
  [{ globalNorm: 100 }],
  [{ adaptive: 0.02 }],
  [{ adaptive: 0.5 }],
])('%o', async (clip) => {
  const got = gradientOf(await step({ clip }));
  // 1e-12: the difference of weights near 1 has sixteen digits.
  for (const [name, expected] of limits(clip))
    got.get(name)!.forEach((x, i) => {
      expect(Math.abs(x - expected[i]!)).toBeLessThan(1e-12);
    });
});
