/** Closed-form ridge against scikit-learn, and as an estimator in validation. */
import { readFileSync } from 'node:fs';
import { bases, Dataset, polynomial, ridge } from 'nabla';
import { biasVariance, crossValidate, kFold, learningCurve, validationCurve } from 'nabla/validation';
import { describe, expect, it } from 'vitest';

interface Case {
  readonly degree: number;
  readonly lambda: number;
  readonly x: number[][];
  readonly y: number[];
  readonly weights: number[] | null;
  readonly coefficients: number[];
  readonly intercept: number;
  readonly standardErrors?: number[];
}
const { cases } = JSON.parse(readFileSync(new URL('fixtures/ridge.json', import.meta.url), 'utf8')) as { cases: Case[] };
const close = (a: number, b: number, tolerance: number): void =>
  expect(Math.abs(a - b)).toBeLessThanOrEqual(tolerance * Math.max(1, Math.abs(b)));

describe('ridge equals scikit-learn', () => {
  it.each(cases.map((c) => [`degree ${c.degree}, λ ${c.lambda}${c.weights ? ', weights' : ''}`, c] as const))('%s', async (_, c) => {
    const data = Dataset.from({ features: c.x, targets: c.y, ...(c.weights ? { weights: c.weights } : {}) });
    const fit = await ridge({ lambda: c.lambda, basis: polynomial({ degree: c.degree }) }).fit(data);
    c.coefficients.forEach((value, k) => close(fit.coefficients[k]!, value, 1e-8));
    close(fit.intercept, c.intercept, 1e-8);
    expect(fit.rank).toBe(c.coefficients.length + 1);
    c.standardErrors?.forEach((value, k) => close(fit.standardErrors[k]!, value, 1e-7));
    const predicted = await fit.predict(c.x);
    expect(predicted).toEqual(await fit.predict(data));
  });
});

interface Linear {
  readonly x: number[][];
  readonly y: number[];
  readonly weights: number[];
  readonly cases: { lambda: number; l1Ratio: number; weighted: boolean; coefficients: number[]; intercept: number }[];
  readonly z: number[][];
  readonly t: number[];
  readonly at: number[][];
  readonly splines: { knots: number; degree: number; lambda: number; predictions: number[] }[];
  readonly kernels: { gamma: number; lambda: number; predictions: number[] }[];
}
const linear = JSON.parse(readFileSync(new URL('fixtures/linear.json', import.meta.url), 'utf8')) as Linear;

describe('least squares equal scikit-learn', () => {
  it.each(linear.cases.map((c) => [`λ ${c.lambda.toPrecision(3)}, ρ ${c.l1Ratio}${c.weighted ? ', weights' : ''}`, c] as const))(
    'the lasso and the elastic net, %s',
    async (_, { lambda, l1Ratio, weighted, coefficients, intercept }) => {
      const data = Dataset.from({ features: linear.x, targets: linear.y, ...(weighted ? { weights: linear.weights } : {}) });
      const fit = await ridge({ lambda, l1Ratio }).fit(data);
      coefficients.forEach((value, k) => {
        close(fit.coefficients[k]!, value, 1e-6);
        expect(fit.coefficients[k] === 0).toBe(value === 0);
      });
      close(fit.intercept, intercept, 1e-6);
      expect(fit.rank).toBe(1 + coefficients.filter((value) => value !== 0).length);
      expect(fit.standardErrors.every(Number.isNaN) && Number.isNaN(fit.leaveOneOut)).toBe(true);
    },
  );
  const wave = Dataset.from({ features: linear.z, targets: linear.t });
  it.each(linear.splines)('splines, $knots knots, degree $degree', async ({ knots, degree, lambda, predictions }) => {
    const found = await (await ridge({ lambda, basis: bases.spline({ knots, degree }) }).fit(wave)).predict(linear.at);
    predictions.forEach((value, i) => close(found[i]!, value, 1e-8));
  });
  it.each(linear.kernels)('kernel ridge regression, γ $gamma, λ $lambda', async ({ gamma, lambda, predictions }) => {
    const found = await (await ridge({ lambda, intercept: false, basis: bases.kernel({ gamma }) }).fit(wave)).predict(linear.at);
    predictions.forEach((value, i) => close(found[i]!, value, 1e-6));
  });
  it("takes a basis of one's own", async () => {
    const fit = (_: Float64Array, width: number) => ({
      size: 2 * width,
      expand: (row: Float64Array, out: Float64Array) =>
        row.forEach((x, j) => {
          out[2 * j] = x;
          out[2 * j + 1] = Math.abs(x);
        }),
    });
    const bent = Dataset.from({ features: [[-2], [-1], [1], [2], [3]], targets: [3, 2, 2, 3, 4] });
    const own = await ridge({ lambda: 0, basis: { kind: 'bent', fit } }).fit(bent);
    close(own.coefficients[1]!, 1, 1e-9);
    close((await own.predict([[-5]]))[0]!, 6, 1e-9);
  });
});

describe('ridge as an estimator', () => {
  it('is cross-validated, pooled too, and has curves', async () => {
    const diabetes = await Dataset.builtin('diabetes');
    const splitter = kFold({ k: 5, seed: 1 });
    const report = await crossValidate(ridge({ lambda: 0.01 }), diabetes, { splitter, aggregate: 'pooled' });
    expect(report.scores.r2.mean).toBeGreaterThan(0.4);
    expect(report.scores.loss.mean).toBeLessThan(3500);
    const curve = await learningCurve(ridge(), diabetes, { sizes: [0.3, 1], splitter });
    expect(curve.points.length).toBe(2);
    const over = await validationCurve((lambda: number) => ridge({ lambda }), diabetes, { values: [1e-3, 1e3], splitter });
    expect(over.points[0]!.validation.r2.mean).toBeGreaterThan(over.points[1]!.validation.r2.mean);
  });

  it("λ 'auto' has the least leave-one-out error", async () => {
    const c = cases[0]!;
    const data = Dataset.from({ features: c.x, targets: c.y });
    const basis = polynomial({ degree: 3 });
    const automatic = await ridge({ lambda: 'auto', basis }).fit(data);
    for (const lambda of [0, 1e-2, 1, 100]) {
      expect(automatic.leaveOneOut).toBeLessThanOrEqual((await ridge({ lambda, basis }).fit(data)).leaveOneOut * 1.05);
    }
  });

  /** The classic picture: degree 1 → 12, bias falls and variance rises. */
  it('shows bias falling and variance rising with the degree of a polynomial', async () => {
    let state = 5;
    const uniform = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 0x100000000;
    const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
    const sample = (rows: number) => {
      const x = Array.from({ length: rows }, () => 2 * uniform() - 1);
      return Dataset.from({ features: x.map((v) => [v]), targets: x.map((v) => Math.sin(3 * v) + 0.6 * normal()) });
    };
    const [train, test] = [sample(40 * 25), sample(200)];
    const parts = [];
    for (const degree of [1, 3, 6, 12]) {
      const truth = ([v]: Float64Array) => Math.sin(3 * v!);
      parts.push(
        await biasVariance(ridge({ lambda: 0, basis: polynomial({ degree }) }), {
          train,
          test,
          trainingSets: 40,
          sampling: 'disjoint',
          truth,
        }),
      );
    }
    const variance = parts.map((p) => p.variance.value);
    expect(parts[0]!.biasSquared.value).toBeGreaterThan(10 * Math.abs(parts[2]!.biasSquared.value));
    for (let i = 1; i < 4; i++) expect(variance[i]).toBeGreaterThan(variance[i - 1]!);
  });

  it.each([
    ['gaussian', bases.gaussian({ count: 12 })],
    ['sigmoid', bases.sigmoid({ count: 12 })],
    ['fourier', bases.fourier({ harmonics: 4, period: 4 })],
  ] as const)('fits a wave with the %s basis', async (_, basis) => {
    const x = Array.from({ length: 200 }, (_, i) => i / 50 - 2);
    const data = Dataset.from({ features: x.map((v) => [v]), targets: x.map((v) => Math.sin(Math.PI * v)) });
    const fit = await ridge({ lambda: 1e-6, basis }).fit(data);
    expect((await fit.evaluate(data)).r2).toBeGreaterThan(0.99);
  });

  it('refuses what it cannot fit', async () => {
    const iris = await Dataset.builtin('iris');
    expect(() => ridge().fit(iris)).toThrow(expect.objectContaining({ code: 'INVALID_DATA' }) as Error);
    expect(() => ridge({ lambda: 'auto', l1Ratio: 0.5 })).toThrow(/closed form/);
    expect(() => bases.spline({ knots: 1 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    expect(() => ridge({ lambda: -1 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
    const holes = Dataset.from({ features: [{ a: null }, { a: 1 }], targets: [1, 2] });
    await expect(ridge().fit(holes)).rejects.toMatchObject({ code: 'NOT_FINITE' });
  });
});
