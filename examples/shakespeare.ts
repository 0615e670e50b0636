// A network learns to write, one character after the other, from a text of your choice.
//   npm start -- shakespeare PATH [--model lstm|transformer] [--epochs N] [--write N] [--record]
// Karpathy's tiny Shakespeare is text/tinyshakespeare.txt in the folder NABLA_DATA. `--record` writes what came out beside the other
// dated results in benches/results/.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Dataset, sequential, Trainer } from 'nabla';
import { dense, dropout, embedding, layerNorm, lstm, positionalEmbedding, transformerBlock } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { cosine } from 'nabla/schedules';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', default: 'lstm' },
    epochs: { type: 'string' },
    write: { type: 'string', default: '400' },
    record: { type: 'boolean', default: false },
  },
});
const path = positionals[0] ?? join(process.env.NABLA_DATA ?? 'data', 'text/tinyshakespeare.txt');

// What each model is and how it is trained. Long windows, because the first characters of each are guessed from little.
const recipes = {
  lstm: {
    length: 128,
    batchSize: 32,
    learningRate: 4e-3,
    epochs: 9,
    model: (letters: number) => sequential([embedding(letters, 64), lstm(256, { returnSequences: true }), dropout(0.1), dense(letters)]),
  },
  transformer: {
    length: 64,
    batchSize: 16,
    learningRate: 2e-3,
    epochs: 5,
    model: (letters: number) =>
      sequential([
        embedding(letters, 128),
        positionalEmbedding({ kind: 'learned' }),
        transformerBlock({ heads: 4, causal: true }),
        transformerBlock({ heads: 4, causal: true }),
        layerNorm(),
        dense(letters),
      ]),
  },
};
const kind = options.model === 'transformer' ? 'transformer' : 'lstm';
const { length, batchSize, learningRate, model, ...recipe } = recipes[kind];
const epochs = Number(options.epochs ?? recipe.epochs);

const text = await Dataset.fromText(path, { length });
const letters = text.classes.length;
const rows = Array.from({ length: text.rows }, (_, i) => i);
const cut = Math.floor(0.9 * text.rows);
const [train, validation] = [text.select(rows.slice(0, cut)), text.select(rows.slice(cut))];
console.log(`${text.rows} windows of ${length} characters, ${letters} different ones; the last tenth is kept to judge by\n`);

const trainer = new Trainer({
  model: model(letters),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate }),
  schedule: cosine({ end: 0.03, by: 'step' }),
  clip: { globalNorm: 1 },
  epochs,
  batchSize,
  seed: 1,
});
const started = { time: performance.now(), cpu: process.cpuUsage() };
const fitted = await trainer.fit(train, { validation, progress: true });
const seconds = (performance.now() - started.time) / 1000;
const { user, system } = process.cpuUsage(started.cpu);
const nats = fitted.history.at(-1)?.validation?.loss ?? Number.NaN;
console.log(
  `\n${fitted.parameters} weights, ${nats.toFixed(3)} nats a character on the last tenth, ${(seconds / 60).toFixed(1)} minutes\n`,
);

let written = '';
for await (const character of fitted.generate('ROMEO:\n', { length: Number(options.write), temperature: 0.8 })) {
  process.stdout.write(character);
  written += character;
}
console.log();

if (options.record) {
  const now = new Date().toISOString().slice(0, 16).replace(':', '');
  const result = {
    work: `language model: ${kind}, tiny Shakespeare, nats a character on the last tenth`,
    date: now,
    machine: { processor: cpus()[0]?.model, cores: cpus().length, node: process.version },
    settings: { length, batchSize, learningRate, epochs, weights: fitted.parameters },
    natsPerCharacter: nats,
    minutes: seconds / 60,
    cpuMinutes: (user + system) / 6e7,
    epochs: fitted.history.map((epoch) => ({ train: epoch.train.loss, validation: epoch.validation?.loss })),
    text: written,
  };
  await mkdir('benches/results', { recursive: true });
  const file = `benches/results/${now}-shakespeare-${kind}.json`;
  await writeFile(file, `${JSON.stringify(result, undefined, 2)}\n`);
  console.log(`\nrecorded in ${file}`);
}
