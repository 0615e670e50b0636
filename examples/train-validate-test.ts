// Train, validate, test: the program of the README.
import { Dataset, Fitted, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const digits = await Dataset.builtin('digits'); // 1,797 handwritten digits, 64 features, 10 classes
const { train, validation, test } = digits.split({ ratios: 'auto', stratify: true, seed: 7 });

const trainer = new Trainer({
  prepare: [standardize()], // fitted on training rows only, saved with the result
  model: sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(10)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 1e-3 }),
  metrics: ['accuracy', 'f1'],
  epochs: 100,
  batchSize: 32,
  earlyStopping: { monitor: 'accuracy', patience: 10 }, // best weights restored
  seed: 7,
});

const run = trainer.fit(train, { validation, signal: AbortSignal.timeout(60_000) });
for await (const epoch of run) console.log(epoch.index, epoch.train.loss, epoch.validation?.accuracy);
const fitted = await run;

console.log(await fitted.evaluate(test)); // { loss, accuracy, f1 }
const classes = await fitted.predict(test); // class names; { probabilities: true } for the matrix
const one = fitted.predictSync(new Float32Array(64)); // microseconds, on the calling thread
console.log(classes.slice(0, 10), one);
await fitted.save('digits.nabla'); // a folder: model.safetensors + model.json
const same = await Fitted.load('digits.nabla');
console.log(await same.evaluate(test));
