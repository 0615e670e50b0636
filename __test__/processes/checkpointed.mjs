// A fit with checkpoints in a process of its own, on the built package: checkpointed.mjs FOLDER [resume]. Prints the epochs as they come,
// then history and predictions.
import { Dataset, sequential, Trainer } from 'nabla';
import { jitter, standardize } from 'nabla/data';
import { batchNorm, dense, dropout } from 'nabla/layers';

const [directory = '', resume = ''] = process.argv.slice(2);
const digits = (await Dataset.builtin('digits')).take(400);
const trainer = new Trainer({
  prepare: [standardize()],
  model: sequential([dense(32, { activation: 'relu' }), batchNorm(), dropout(0.3), dense(10)]),
  augment: [jitter(0.1)],
  loss: 'crossEntropy',
  metrics: ['accuracy'],
  averaging: 'ema',
  epochs: 90,
  batchSize: 16,
  earlyStopping: { patience: 89 },
  seed: 3,
});
const run = trainer.fit(digits, { checkpoint: { directory, everySeconds: 0 }, resume: resume === 'resume' });
let next = 0;
for await (const { index } of run) {
  if (index !== next++) throw new Error(`epoch ${index} came in place of ${next - 1}`);
  process.stdout.write(`${index}\n`);
}
const fitted = await run;
const history = fitted.history.map(({ train, validation }) => [train.loss, validation?.accuracy]);
process.stdout.write(JSON.stringify({ history, predictions: (await fitted.predict(digits, { probabilities: true })).map((p) => [...p]) }));
