/** The laws of an estimator: sound recipes keep them, and each planted fault breaks the one it should. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Dataset, type Estimator, layer, ridge, sequential, type Tensor, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { ones } from 'nabla/initializers';
import { batchNorm, dense, dropout } from 'nabla/layers';
import { crossEntropy } from 'nabla/losses';
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
  expect(check.passed && check.laws.length).toBe(27);
});

it('says which laws do not apply', async () => {
  const { laws } = await checkEstimator(ridge());
  expect(laws.filter(({ detail }) => detail?.startsWith('does not apply')).length).toBe(17);
});

it('a parameter that nothing uses is found', async () => {
  const idle = layer('idle', (x, { parameter }) => x.add(parameter('unused', [x.shape.at(-1)!], ones()).multiply(0)));
  expect(await failed(new Trainer({ ...options, model: sequential([dense(3), idle(), dense(1)]) }))).toContain(
    'every parameter moves or is frozen by name',
  );
});

it('a layer that is not the same when traced again is found', async () => {
  const moody = layer('moody', (x) => x.multiply(Math.random()));
  expect(await failed(new Trainer({ ...options, model: sequential([dense(3), moody(), dense(1)]) }))).toContain(
    'traced again, and through JSON, the recipe is the same',
  );
});

it('a loss that treats one class by its place, or differs from call to call, is found', async () => {
  const iris = (await Dataset.builtin('iris')).split({ counts: { train: 60 }, seed: 1, stratify: true }).train;
  const model = sequential([dense(3)]);
  const known = crossEntropy();
  // Counts rows of class 0 twice; over again for class 0 alone, whatever its name.
  const partial = Object.assign((p: Tensor, t: Tensor) => known(p, t).multiply(p.slice(1, 0, 1).reshape([-1]).square().add(1)), {
    kind: known.kind,
    targets: known.targets,
    output: known.output,
    toJSON: () => known.toJSON(),
  });
  expect(await failed(new Trainer({ model, loss: partial, prepare: [standardize()], epochs: 2 }), iris)).toEqual([
    'classes in another order, outputs in the same, and it learns the same',
  ]);
  let calls = 0;
  const drifting = Object.assign((p: Tensor, t: Tensor) => known(p, t).multiply(1 + 0.1 * calls++), {
    kind: known.kind,
    targets: known.targets,
    output: known.output,
    toJSON: () => known.toJSON(),
  });
  expect(await failed(new Trainer({ model, loss: drifting, prepare: [standardize()], epochs: 2 }), iris)).toEqual(
    expect.arrayContaining([
      'traced again, and through JSON, the recipe is the same',
      'four times the loss at a quarter of the rate gives the same steps',
    ]),
  );
});

it('an estimator that keeps what it was fitted on is found', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  (globalThis as { gc?: () => void }).gc = collect;
  try {
    const data = Dataset.from({ features: Array.from({ length: 40 }, (_, i) => [i]), targets: Array.from({ length: 40 }, (_, i) => i) });
    const law = 'fits leave no memory behind';
    const kept: Float64Array[] = [];
    const fitting = (keeps: boolean) => async () => {
      if (keeps) kept.push(new Float64Array(10_000).fill(1));
      return { predict: async (input: unknown) => new Float64Array((input as Dataset).rows), evaluate: async () => ({ loss: 0 }) };
    };
    expect(await failed({ fit: fitting(true) } as Estimator, data)).toContain(law);
    expect(await failed({ fit: fitting(false) } as Estimator, data)).not.toContain(law);
    expect(await failed(new Trainer({ ...options, model: sequential([dense(1)]) }))).not.toContain(law);
  } finally {
    delete (globalThis as { gc?: () => void }).gc;
  }
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
