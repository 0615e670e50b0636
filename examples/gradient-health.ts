// Six networks that cannot learn, what gradient health says of each, and the same with the remedy:
//   npm start -- gradient-health [FOLDER]     writes a picture of each into FOLDER
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Dataset, gradientHealth, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { constant, identity, normal } from 'nabla/initializers';
import { dense, gru, type Layer, lstm, reshape, simpleRnn } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const folder = process.argv[2];
if (folder !== undefined) await mkdir(folder, { recursive: true });

const digits = await Dataset.builtin('digits');
const { train, test } = digits.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });

const layers = (count: number, make: () => Layer): Layer[] => Array.from({ length: count }, make);
const trainer = (hidden: Layer[], learningRate = 1e-3) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([...hidden, dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate }),
    metrics: ['accuracy'],
    epochs: 10,
    seed: 7,
  });

// Rows of pixels for the recurrent networks: 64 steps of one, or 8 steps of eight.
const pixels = reshape([64, 1]);
const lines = reshape([8, 8]);

const cases = [
  {
    name: 'twelve layers of sigmoid, small Gaussian',
    ill: trainer(layers(12, () => dense(32, { activation: 'sigmoid', kernelInitializer: normal({ deviation: 0.01 }) }))),
    remedy: 'ReLU and its initializer',
    mended: trainer(layers(12, () => dense(32, { activation: 'relu' }))),
  },
  {
    name: 'tanh, large Gaussian',
    ill: trainer(layers(6, () => dense(64, { activation: 'tanh', kernelInitializer: normal({ deviation: 1 }) }))),
    remedy: 'the default initializer',
    mended: trainer(layers(6, () => dense(64, { activation: 'tanh' }))),
  },
  {
    name: 'ReLU, drowned by its bias',
    ill: trainer([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu', biasInitializer: constant(-10) })]),
    remedy: 'the default bias',
    mended: trainer([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' })]),
  },
  {
    name: 'a recurrence that grows by 1.3 a step',
    ill: trainer([pixels, simpleRnn(16, { activation: 'relu', recurrentInitializer: identity({ gain: 1.3 }) })]),
    remedy: 'lstm() over fewer steps',
    mended: trainer([lines, lstm(32)]),
  },
  {
    name: 'a recurrence that forgets',
    ill: trainer([pixels, simpleRnn(16, { recurrentInitializer: normal({ deviation: 0.01 }) })]),
    remedy: 'gru() over fewer steps',
    mended: trainer([lines, gru(32)]),
  },
  {
    name: 'a learning rate of 1',
    ill: trainer(
      layers(3, () => dense(64, { activation: 'relu' })),
      1,
    ),
    remedy: 'a thousandth of it',
    mended: trainer(layers(3, () => dense(64, { activation: 'relu' }))),
  },
];

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
for (const [i, { name, ill, remedy, mended }] of cases.entries()) {
  const health = await gradientHealth(ill, train);
  const [found] = health.findings;
  console.log(`${name}\n  ${health.verdict} in ${health.layer}: ${found?.text}\n  try: ${health.suggestions[0]}`);
  // A fit looks at gradients on its way.
  const fitted = await mended.fit(train, { health: { every: 50 } });
  const { accuracy } = await fitted.evaluate(test);
  console.log(`  with ${remedy}: ${fitted.health?.verdict}, ${percent(accuracy)} of the test digits`);
  if (folder === undefined) continue;
  const path = join(folder, `${i + 1}-${health.verdict}.svg`);
  await writeFile(path, health.toSvg());
  await writeFile(join(folder, `${i + 1}-mended.svg`), fitted.health?.toSvg() ?? '');
  console.log(`  ${path}`);
}
