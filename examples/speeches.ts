// From which play of Shakespeare is a speech? Texts of different lengths, and a recurrent cell of one's own.
//   npm start -- speeches [PATH of tinyshakespeare.txt]
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Dataset, sequential, Trainer } from 'nabla';
import { orthogonal, xavierUniform, zeros } from 'nabla/initializers';
import { bidirectional, dense, dropout, embedding, gru, type Layer, layer, scan } from 'nabla/layers';
import { adam } from 'nabla/optimizers';

const plays: Record<string, readonly string[]> = {
  Coriolanus: ['MENENIUS', 'CORIOLANUS', 'SICINIUS', 'BRUTUS', 'VOLUMNIA', 'COMINIUS'],
  'Romeo and Juliet': ['ROMEO', 'JULIET', 'MERCUTIO', 'BENVOLIO', 'NURSE', 'CAPULET', 'FRIAR LAURENCE'],
};
const path = process.argv[2] ?? join(process.env.NABLA_DATA ?? 'data', 'text/tinyshakespeare.txt');
const speeches = (await readFile(path, 'utf8')).split('\n\n').flatMap((block) => {
  const [speaker = '', ...lines] = block.split('\n');
  const play = Object.entries(plays).find(([, speakers]) => speakers.includes(speaker.slice(0, -1)));
  const text = lines.join(' ').toLowerCase().trim();
  return play !== undefined && text !== '' ? [{ text, label: play[0] }] : [];
});

// The 1,500 most frequent words and punctuation marks; of longer speeches the first 40 words.
const data = await Dataset.fromText(speeches, { unit: 'word', length: 40, vocabularySize: 1500, unknown: '<other>' });
const { train, test } = data.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true, seed: 7 });
console.log(`${data.rows} speeches of at most ${data.sampleShape[0]} words, ${data.vocabulary.length} different ones\n`);

// The minimal gated unit (Zhou et al. 2016, arXiv:1603.09420): f = σ(x·Wf + h·Uf + bf), h ← (1 − f)⊙h + f⊙tanh(x·W + (f⊙h)·U + b).
// `scan` runs it over the words; where a speech has ended, its state stays as it is.
const minimalGated = (units: number): Layer =>
  layer('minimalGated', (x, { parameter }) => {
    const kernel = parameter('kernel', [x.shape[2] as number, 2 * units], xavierUniform());
    const gate = parameter('gateKernel', [units, units], orthogonal());
    const inner = parameter('recurrentKernel', [units, units], orthogonal());
    const bias = parameter('bias', [2 * units], zeros(), { decay: false });
    const { state } = scan(x, units, (word, h) => {
      const z = word.matmul(kernel).add(bias);
      const f = z.slice(1, 0, units).add(h.matmul(gate)).sigmoid();
      const proposed = z.slice(1, units).add(f.multiply(h).matmul(inner)).tanh();
      return { state: h.add(f.multiply(proposed.subtract(h))) };
    });
    return state;
  });

const models = { 'bidirectional GRU': bidirectional(gru(16)), 'minimal gated unit, a cell of our own': minimalGated(32) };
for (const [name, recurrent] of Object.entries(models)) {
  const trainer = new Trainer({
    model: sequential([embedding(data.vocabulary.length, 24), dropout(0.4), recurrent, dropout(0.4), dense(2)]),
    loss: 'crossEntropy',
    optimizer: adam({ learningRate: 3e-3 }),
    metrics: ['accuracy'],
    epochs: 15,
    batchSize: 32,
    seed: 7,
  });
  const fitted = await trainer.fit(train);
  const { accuracy } = await fitted.evaluate(test);
  console.log(`${name}: ${(100 * accuracy).toFixed(1)} % of ${test.rows} speeches that it has not seen`);
  const lines = ['but soft! what light through yonder window breaks?', 'the people of rome give you their voices'];
  console.log((await fitted.predict(lines)).map((play, i) => `  ${play}: ${lines[i]}`).join('\n'));
}
