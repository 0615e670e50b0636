// How much data, how large a network, and what limits it: a learning curve, a validation curve and a diagnosis of one recipe on the digits.
// npm start -- curves [FOLDER] writes learning.svg and validation.svg there.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { diagnose, kFold, learningCurve, validationCurve } from 'nabla/validation';

const folder = process.argv[2] ?? 'curves';
await mkdir(folder, { recursive: true });
const digits = await Dataset.builtin('digits');
const { train, validation } = digits.split({ ratios: { train: 0.7, validation: 0.3 }, stratify: true, seed: 7 });

const recipe = (units: number) =>
  new Trainer({
    prepare: [standardize()],
    model: sequential([dense(units, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 3e-3 }),
    metrics: ['accuracy'],
    epochs: 15,
    batchSize: 32,
    seed: 7,
  });

const splitter = kFold({ k: 5, seed: 7 });
const learning = await learningCurve(recipe(32), train, { sizes: [0.05, 0.1, 0.2, 0.4, 0.7, 1], splitter });
console.log(`${learning}\n`);
await writeFile(join(folder, 'learning.svg'), learning.toSvg());

const size = await validationCurve(recipe, train, { values: [1, 2, 4, 8, 16, 32, 64], name: 'hidden units', splitter });
console.log(`${size}\n`);
await writeFile(join(folder, 'validation.svg'), size.toSvg());

console.log(`two units:\n${await diagnose(recipe(2), { train, validation })}\n`);
console.log(`thirty-two:\n${await diagnose(recipe(32), { train, validation })}`);
