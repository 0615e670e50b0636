// Trains on a file and says the most memory that this process has had, in MiB: before, and after.

import { standardize } from '../../dist/data/index.js';
import { Dataset, sequential, Trainer } from '../../dist/index.js';
import { dense } from '../../dist/layers/index.js';
import { crossValidate, kFold } from '../../dist/validation/index.js';

const [path, small] = process.argv.slice(2);
const trainer = new Trainer({
  prepare: [standardize()],
  model: sequential([dense(1)]),
  loss: 'meanSquaredError',
  epochs: 1,
  batchSize: 256,
});
const work = async (file) => {
  const data = await Dataset.load(file, { inMemory: false });
  const { train, test } = data.split({ ratios: { train: 0.5, test: 0.5 }, seed: 1 });
  await crossValidate(trainer, train, { splitter: kFold({ k: 2 }), threads: 1 });
  await (await trainer.fit(test)).predict(test);
};
const most = () => process.resourceUsage().maxRSS / 1024;
await work(small);
const before = most();
await work(path);
console.log(JSON.stringify([before, most()]));
