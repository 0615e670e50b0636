/** The laws of an estimator: sound recipes keep them, and each planted fault breaks the one it should. */
import { Dataset, type Estimator, layer, ridge, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { ones } from 'nabla/initializers';
import { batchNorm, dense, dropout } from 'nabla/layers';
import { checkEstimator } from 'nabla/validation';
import { expect, it } from 'vitest';

const options = { loss: 'meanSquaredError', epochs: 3, prepare: [standardize()], prepareTargets: [standardize()] } as const;
const gain = () => layer('gain', (x, { parameter }) => x.multiply(parameter('gain', [x.shape.at(-1)!], ones())));
const failed = async (estimator: Estimator, data?: Dataset) =>
  (await checkEstimator(estimator, data === undefined ? {} : { data })).laws.filter(({ passed }) => !passed).map(({ law }) => law);

it.each([
  [
    'a regression with a layer of its own',
    new Trainer({ ...options, model: sequential([dense(6, { activation: 'tanh' }), gain(), dense(1)]) }),
  ],
  ['dropout and batch norm', new Trainer({ ...options, model: sequential([dense(6), batchNorm(), dropout(0.3), dense(1)]) })],
  [
    'classes',
    new Trainer({
      model: sequential([dense(5, { activation: 'tanh' }), dense(3)]),
      loss: 'crossEntropy',
      prepare: [standardize()],
      epochs: 3,
    }),
  ],
  ['ridge', ridge({ lambda: 1 })],
] as const)('sound: %s', async (_, estimator) => {
  const check = await checkEstimator(estimator as Estimator);
  expect(`${check}`).not.toContain('FAIL');
  expect(check.passed && check.laws.length).toBe(17);
});

it('says which laws do not apply', async () => {
  const { laws } = await checkEstimator(ridge());
  expect(laws.filter(({ detail }) => detail?.startsWith('does not apply')).length).toBe(8);
});

it('a parameter that nothing uses is found', async () => {
  const idle = layer('idle', (x, { parameter }) => x.add(parameter('unused', [x.shape.at(-1)!], ones()).multiply(0)));
  expect(await failed(new Trainer({ ...options, model: sequential([dense(3), idle(), dense(1)]) }))).toContain(
    'every parameter moves or is frozen by name',
  );
});

it('an estimator that looks at the other rows of a batch is found', async () => {
  const data = Dataset.from({ features: [[1], [2], [4], [9]], targets: [1, 2, 3, 4] });
  const predict = async (input: unknown) => {
    const x = (input as Dataset).features();
    const mean = x.reduce((a, b) => a + b, 0) / x.length;
    return x.map((value) => value - mean);
  };
  const found = await failed({ fit: async () => ({ predict, evaluate: async () => ({ loss: 0 }) }) }, data);
  expect(found).toContain('a row predicts the same alone as in a batch');
  expect(found).not.toContain('fitted twice it gives the same bits');
});

it('an estimator of chance, or one that fails without a name, is found', async () => {
  const data = Dataset.from({ features: [[1], [2], [3], [4]], targets: [1, 2, 3, 4] });
  const fit = async (rows: Dataset) => {
    if (rows.rows === 1) throw new TypeError('undefined is not a function');
    const guess = Math.random();
    return {
      predict: async (input: unknown) => Array.from({ length: (input as Dataset).rows }, () => guess),
      evaluate: async () => ({ loss: 0 }),
    };
  };
  const broken = await failed({ fit }, data);
  expect(broken).toContain('fitted twice it gives the same bits');
  expect(broken).toContain('one row is a named error or a defined result');
  expect(broken).toContain('an aborted fit rejects with its reason and leaves the recipe usable');
  expect(broken).not.toContain('the data set stays as it was');
});

it('needs something that can be fitted', async () => {
  await expect(checkEstimator({} as never)).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  const picky = { fit: () => Promise.reject(new Error('never')) } as never;
  await expect(checkEstimator(picky)).rejects.toThrow(/built-in/);
});
