// Recipes and data of the server tests' programs. They import the built package as a user does.
import { Dataset, sequential, Trainer } from 'nabla';
import { dense } from 'nabla/layers';
import { sgd } from 'nabla/optimizers';

/** So many rows of 64 numbers in four classes that a network can tell apart; the same at each call. */
export const rows = (count) => {
  const features = new Float32Array(count * 64);
  const targets = [];
  let state = 1;
  for (let row = 0; row < count; row++) {
    const label = row % 4;
    for (let i = 0; i < 64; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      features[row * 64 + i] = state / 2 ** 32 + (i % 4 === label ? 1 : 0);
    }
    targets.push(`class ${label}`);
  }
  return Dataset.from({ features, shape: [count, 64], targets });
};

const recipe = (units, epochs, options = {}) =>
  new Trainer({
    model: sequential([dense(units, { activation: 'relu' }), dense(4)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    epochs,
    batchSize: 32,
    seed: 7,
    ...options,
  });

/** Ends in milliseconds. */
export const small = (epochs = 2) => recipe(8, epochs);

/** A quarter of a million weights, a megabyte to save. */
export const wide = (epochs) => recipe(4096, epochs, { batchSize: 'full' });

/** Never ends by itself within the life of a test; an epoch of 256 rows takes about a millisecond, a batch of 32 microseconds. */
export const endless = () => recipe(64, 1_000_000_000);

/** Keeps all cores busy: batches large enough to be split among threads. Never ends by itself. */
export const heavy = () => recipe(512, 1_000_000_000, { batchSize: 512 });

/** Fails after some epochs on `numbers()`: with so large a learning rate the loss is not finite any more. */
export const failing = () =>
  new Trainer({
    model: sequential([dense(8, { activation: 'relu' }), dense(1)]),
    loss: 'meanSquaredError',
    optimizer: sgd({ learningRate: 1e3 }),
    epochs: 1_000_000,
    seed: 7,
  });

/** Rows whose target is a number. */
export const numbers = () => {
  const features = Float32Array.from({ length: 256 }, (_, i) => Math.sin(i));
  return Dataset.from({ features, shape: [64, 4], targets: Array.from({ length: 64 }, (_, i) => Math.cos(i)) });
};
