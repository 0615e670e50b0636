// What is refused where 48 MB may be taken at once: run by engine-errors.test.ts with NABLA_MEMORY_LIMIT=48M, prints a code and a place each.
import { Dataset, network, Trainer } from 'nabla';
import { jitter, oneHot } from 'nabla/data';
import { dense } from 'nabla/layers';

const said = async (work) => {
  try {
    await work();
    return 'no error';
  } catch (error) {
    if (error.place === 'NABLA_MEMORY_LIMIT' || error.code === undefined) throw error;
    return error.code === 'OUT_OF_MEMORY' && error.place === undefined ? error.code : `${error.code} ${error.place}`;
  }
};
const rows = (count, width) =>
  Dataset.from({ features: new Float32Array(count * width).fill(0.5), shape: [count, width], targets: new Float64Array(count) });
const trainer = (units, more = {}) =>
  new Trainer({
    model: network((x) => dense(1)(dense(units, { name: 'wide', activation: 'relu' })(x))),
    loss: 'meanSquaredError',
    epochs: 1,
    batchSize: 4,
    ...more,
  });

const small = rows(8, 4);
const result = {
  data: await said(() => rows(2 ** 20, 16)),
  copies: await said(() => rows(2 ** 12, 4).augmented([jitter(0.1)], { copies: 1000 })),
  parameters: await said(() => trainer(2 ** 22).fit(small)),
  fit: await said(() => trainer(2 ** 20, { optimizer: 'adam' }).fit(small)),
  batch: await said(() => trainer(4096, { batchSize: 'full' }).fit(rows(2 ** 12, 4))),
  oneHot: await said(() => {
    const level = Array.from({ length: 3000 }, (_, i) => ({ level: `level ${i}`, y: i }));
    return trainer(1, { prepare: [oneHot()] }).fit(
      Dataset.from({ features: level.map(({ level }) => ({ level })), targets: level.map(({ y }) => y) }),
    );
  }),
  predict: await said(async () => {
    const wide = network((x) => dense(64)(x));
    const targets = Array.from({ length: 8 }, () => Array.from({ length: 64 }, () => 1));
    const data = Dataset.from({ features: Array.from({ length: 8 }, () => [1]), targets });
    const fitted = await new Trainer({ model: wide, loss: 'meanSquaredError', epochs: 1 }).fit(data);
    return fitted.predict(Dataset.from({ features: new Float32Array(2 ** 17), shape: [2 ** 17, 1] }));
  }),
  series: await said(() => rows(2 ** 14, 1).windows({ length: 2 ** 11, horizon: 1 })),
  fits: await said(() => trainer(64).fit(small)),
};
console.log(JSON.stringify(result));
