// A network learns to write, one character after the other, from a text of your choice.
//   npm start -- shakespeare PATH [lstm|transformer] [epochs]
// Karpathy's tiny Shakespeare is text/tinyshakespeare.txt in the folder NABLA_DATA.
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { dense, embedding, lstm, positionalEmbedding, transformerBlock } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const [path = join(process.env.NABLA_DATA ?? 'data', 'text/tinyshakespeare.txt'), kind = 'lstm', epochs = '5'] = process.argv.slice(2);

const text = await Dataset.fromText(path, { length: 64 });
const letters = text.classes.length;
const rows = Array.from({ length: text.rows }, (_, i) => i);
const cut = Math.floor(0.9 * text.rows);
const [train, validation] = [text.select(rows.slice(0, cut)), text.select(rows.slice(cut))];
console.log(`${text.rows} windows of 64 characters, ${letters} different ones; the last tenth is kept to judge by\n`);

const models = {
  lstm: sequential([embedding(letters, 64), lstm(256, { returnSequences: true }), dense(letters)]),
  transformer: sequential([
    embedding(letters, 128),
    positionalEmbedding({ kind: 'learned' }),
    transformerBlock({ heads: 4, causal: true }),
    transformerBlock({ heads: 4, causal: true }),
    dense(letters),
  ]),
};
const trainer = new Trainer({
  model: kind === 'transformer' ? models.transformer : models.lstm,
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: kind === 'transformer' ? 1e-3 : 3e-3 }),
  epochs: Number(epochs),
  batchSize: 32,
  seed: 1,
});
const fitted = await trainer.fit(train, { validation, progress: true });
console.log(`\n${fitted.parameters} weights, ${fitted.history.at(-1)?.validation?.loss.toFixed(3)} nats a character on the last tenth\n`);
for await (const character of fitted.generate('ROMEO:\n', { length: 400, temperature: 0.8 })) process.stdout.write(character);
console.log();
