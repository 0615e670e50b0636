/** The six situations planted in two real tables, one of numbers with missing cells and categories, one of classes. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { type DiagnoseOptions, type Diagnosis, diagnose } from 'nabla/validation';
import { afterAll, describe, expect, it } from 'vitest';

const folder = join(process.env.NABLA_DATA ?? '', 'tabular');
const found = process.env.NABLA_DATA !== undefined && existsSync(join(folder, 'california_housing.csv'));

interface Recipe {
  readonly units: readonly number[];
  readonly epochs: number;
  readonly learningRate?: number;
  readonly drop?: number;
}
const layersOf = ({ units, drop = 0 }: Recipe, outputs: number) =>
  sequential([...units.map((count) => dense(count, { activation: 'relu' })), ...(drop > 0 ? [dropout(drop)] : []), dense(outputs)]);
const regression = (recipe: Recipe) =>
  new Trainer({
    prepare: 'auto',
    prepareTargets: [standardize()],
    model: layersOf(recipe, 1),
    loss: 'meanSquaredError',
    optimizer: adam({ learningRate: recipe.learningRate ?? 1e-2 }),
    epochs: recipe.epochs,
    batchSize: 64,
  });
const classes = (recipe: Recipe) =>
  new Trainer({
    prepare: 'auto',
    model: layersOf(recipe, 2),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: recipe.learningRate ?? 1e-2 }),
    epochs: recipe.epochs,
    batchSize: 32,
  });

describe.skipIf(!found)('diagnose on real tables', () => {
  const seen: Diagnosis[] = [];
  const judged = async (trainer: Trainer | ReturnType<typeof regression>, options: DiagnoseOptions): Promise<Diagnosis> => {
    const result = await diagnose(trainer, options);
    seen.push(result);
    return result;
  };
  const housing = async () => {
    const data = await Dataset.fromCsv(join(folder, 'california_housing.csv'), { target: 'median_house_value' });
    return data.split({ counts: { train: 2000, validation: 1500 }, seed: 3 });
  };
  const cancer = () => Dataset.fromCsv(join(folder, 'breast_cancer.csv'), { target: 'diagnosis' });
  const parts = { ratios: { train: 0.6, validation: 0.4 }, stratify: true, seed: 3 } as const;

  it('too small: a straight line through house prices', async () => {
    const { verdict, suggestions, baselineFrom } = await judged(regression({ units: [], epochs: 20 }), await housing());
    expect(verdict).toBe('high-bias');
    expect(baselineFrom).toBe('neighbours');
    expect(suggestions[0]).toMatch(/bigger network/);
  });

  it('too short: house prices after three epochs of small steps', async () => {
    const { verdict, suggestions } = await judged(regression({ units: [64], epochs: 3, learningRate: 1e-4 }), await housing());
    expect(['high-bias', 'both']).toContain(verdict);
    expect(suggestions[0]).toMatch(/Train longer/);
  });

  it('too large: 70,000 weights for 800 houses', async () => {
    const { train, validation } = await housing();
    const large = regression({ units: [256, 256], epochs: 60, learningRate: 3e-3 });
    const { verdict, suggestions, evidence } = await judged(large, { train: train.take(800), validation });
    expect(verdict).toBe('high-variance');
    expect(evidence.baselineError).toBeGreaterThan(0);
    expect(suggestions.join('\n')).toMatch(/Regularization.*smaller network/s);
  });

  it('too few: 150 houses', async () => {
    const { train, validation } = await housing();
    const { verdict, suggestions } = await judged(regression({ units: [32], epochs: 150 }), { train: train.take(150), validation });
    expect(verdict).toBe('high-variance');
    expect(suggestions[0]).toMatch(/More data/);
  });

  it('noisy labels: three in ten of the diagnoses turned round', async () => {
    const data = await cancer();
    const [first, second] = data.classes as [string, string];
    const noisy = Dataset.from({
      features: data.features(),
      shape: [data.rows, data.features().length / data.rows],
      targets: data.labels().map((label, i) => ((Math.imul(i, 2654435761) >>> 0) % 10 < 3 ? (label === first ? second : first) : label)),
    });
    const { verdict, suggestions } = await judged(classes({ units: [8], epochs: 8, drop: 0.3 }), noisy.split(parts));
    expect(verdict).toBe('noise-limited');
    expect(suggestions[0]).toMatch(/labels/);
  });

  it('fine: the diagnoses as they are', async () => {
    const { verdict, evidence } = await judged(classes({ units: [16], epochs: 15 }), (await cancer()).split(parts));
    expect(verdict).toBe('good-fit');
    expect(evidence.baselineError).toBeLessThanOrEqual(evidence.validationError);
  });

  afterAll(() => {
    // High bias never suggests more data, and the baseline is never above what was reached.
    for (const { verdict, suggestions, evidence } of seen) {
      if (verdict === 'high-bias' || verdict === 'both') expect(suggestions.join('\n')).not.toMatch(/[Mm]ore data/);
      expect(evidence.baselineError).toBeLessThanOrEqual(evidence.validationError);
    }
  });
});
