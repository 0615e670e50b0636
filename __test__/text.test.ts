/** Texts: windows of characters, words and tokens of one's own; texts with labels for a classifier. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Dataset, Fitted, Trainer } from '../src/index.js';
import { dense, embedding, gru, sequential } from '../src/layers/index.js';
import { adam } from '../src/optimizers/index.js';

const folder = mkdtempSync(join(tmpdir(), 'nabla-texts-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (text: string): string => {
  const path = join(folder, `${text.length}.txt`);
  writeFileSync(path, text);
  return path;
};

/** Sentences with a subject; the label is where it lives, whatever else is said. */
const sentences = (count: number) => {
  const [sea, land] = [['whale', 'shark', 'crab'], ['horse', 'goat', 'hen']]; // biome-ignore format: one line
  const rest = ['the', 'a', 'old', 'sees', 'and', 'is', 'here', 'now', ',', 'very'];
  return Array.from({ length: count }, (_, i) => {
    const words = Array.from({ length: 2 + ((i * 7) % 6) }, (_, j) => rest[(i * 3 + j * 5) % rest.length]!);
    words.splice((i * 5) % words.length, 0, (i % 2 ? sea! : land!)[i % 3]!);
    return { text: `${words.join(' ')}.`, label: i % 2 ? 'sea' : 'land' };
  });
};

describe('texts with labels', () => {
  it('become rows of different lengths', async () => {
    const data = await Dataset.fromText([{ text: 'ab', label: 'x' }, { text: 'b', label: 'y' }]); // biome-ignore format: one line
    expect([data.rows, data.sampleShape, data.classes, data.vocabulary]).toEqual([2, [2], ['x', 'y'], ['a', 'b']]);
    expect(Array.from(data.features())).toEqual([0, 1, 1, 0]);
    const words = await Dataset.fromText([{ text: "It's a sea, a sky.", label: 'x' }], { unit: 'word', length: 4 });
    expect([words.vocabulary, words.sampleShape]).toEqual([[',', '.', "It's", 'a', 'sea', 'sky'], [4]]);
    const few = await Dataset.fromText([{ text: 'a a b b c', label: 'x' }], { unit: 'word', vocabularySize: 2, unknown: '?' });
    expect(few.vocabulary).toEqual(['?', 'a', 'b']);
    expect(Array.from(few.features())).toEqual([1, 1, 2, 2, 0]);
  });

  it('are told apart by a small GRU, which takes texts, also after saving', async () => {
    const data = await Dataset.fromText(sentences(200), { unit: 'word', unknown: '<other>' });
    const trainer = new Trainer({
      model: sequential([embedding(data.vocabulary.length, 8), gru(12), dense(2)]),
      loss: 'crossEntropy',
      optimizer: adam({ learningRate: 0.02 }),
      metrics: ['accuracy'],
      epochs: 12,
      batchSize: 20,
    });
    const { train, test } = data.split({ ratios: { train: 0.8, test: 0.2 }, seed: 1 });
    const fitted = await trainer.fit(train);
    expect((await fitted.evaluate(test)).accuracy).toBeGreaterThan(0.95);
    expect(await fitted.predict(['the old whale sees.', 'a hen is here, now'])).toEqual(['sea', 'land']);
    expect(await fitted.predict('a goat and unheardof words')).toEqual(['land']);
    expect(fitted.predictSync('the shark.')).toBe('sea');
    const path = join(folder, 'model.nabla');
    await fitted.save(path);
    const loaded = await Fitted.load(path);
    const session = loaded.session();
    const words = ['the', 'old', 'whale', 'sees', '.'];
    for (const [at, word] of words.entries()) {
      const p = session.step(word, { probabilities: true });
      const [whole] = await fitted.predict([words.slice(0, at + 1)], { probabilities: true });
      expect(Math.abs(p[0]! - whole![0]!)).toBeLessThan(1e-6);
    }
    expect(await loaded.predict(['the old whale sees.'])).toEqual(['sea']);
  });

  it('of another vocabulary or longer than those of training are refused, shorter ones are not', async () => {
    const data = await Dataset.fromText(sentences(20), { unit: 'word', length: 12 });
    const model = () => sequential([embedding(data.vocabulary.length, 4), gru(4), dense(2)]);
    const trainer = new Trainer({ model: model(), loss: 'crossEntropy', epochs: 1 });
    const [vocabulary, classes] = [data.vocabulary, data.classes];
    const other = await Dataset.fromText(sentences(6), { unit: 'word', vocabulary, classes });
    const fitted = await trainer.fit(data, { validation: other });
    expect((await fitted.evaluate(other)).loss).toBeCloseTo(fitted.history[0]!.validation!.loss, 6);
    const foreign = await Dataset.fromText([...sentences(6), { text: 'a walrus', label: 'sea' }], { unit: 'word', length: 12 });
    expect(() => trainer.fit(data, { validation: foreign })).toThrow(/another vocabulary.*walrus/);
    await expect(fitted.predict(foreign)).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'features' });
    const longer = await Dataset.fromText(sentences(6), { unit: 'word', length: 13, vocabulary, classes });
    expect(() => trainer.fit(data, { validation: longer })).toThrow(
      expect.objectContaining({ code: 'SHAPE_MISMATCH', place: 'validation' }) as Error,
    );
    await expect(fitted.predict(longer)).rejects.toMatchObject({ code: 'SHAPE_MISMATCH' });
  });

  it('say what is wrong', async () => {
    const one = [{ text: 'ab', label: 'x' }];
    await expect(Dataset.fromText([])).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'texts' });
    await expect(Dataset.fromText([{ text: 'a' } as never])).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'texts[0]' });
    await expect(Dataset.fromText([...one, { text: '', label: 'x' }])).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'texts[1]' });
    await expect(Dataset.fromText(one, { vocabulary: ['a'] })).rejects.toMatchObject({
      code: 'INVALID_DATA',
      place: 'texts[0], character 1',
    });
    await expect(Dataset.fromText(one, { classes: ['y'] })).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'texts[0].label' });
    await expect(Dataset.fromText(one, { stride: 2 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(Dataset.fromText(one, { vocabularySize: 2 })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(Dataset.fromText(one, { unit: (() => 3) as never })).rejects.toMatchObject({ code: 'INVALID_DATA', place: 'texts[0]' });
    await expect(Dataset.fromText(file('abcdef'), { classes: ['x'] })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});

describe('windows of words and tokens', () => {
  const line = 'the sea , the sky . ';
  const fitOn = async (data: Dataset) => {
    const n = data.classes.length;
    const model = sequential([embedding(n, 8), gru(16, { returnSequences: true }), dense(n)]);
    return new Trainer({ model, loss: 'crossEntropy', optimizer: adam({ learningRate: 0.03 }), epochs: 10, batchSize: 8 }).fit(data);
  };
  const written = async (fitted: Fitted, prompt: string | string[]) => {
    const tokens: string[] = [];
    for await (const token of fitted.generate(prompt, { length: 5, temperature: 0 })) tokens.push(token);
    return tokens.join(' ');
  };

  it('of words are learned and continued', async () => {
    const data = await Dataset.fromText(file(line.repeat(60)), { unit: 'word', length: 6, stride: 2 });
    expect(data.classes).toEqual([',', '.', 'sea', 'sky', 'the']);
    const fitted = await fitOn(data);
    expect(await written(fitted, 'the sea, the')).toBe('sky . the sea ,');
    expect(() => fitted.generate('the moon', { length: 1 })).toThrow(
      expect.objectContaining({ code: 'INVALID_DATA', place: 'prompt, word 1' }) as Error,
    );
  });

  it('of a tokenizer of one’s own are too, given as tokens', async () => {
    const unit = (text: string) => text.match(/[a-z]+|[^a-z]/g) ?? [];
    const fitted = await fitOn(await Dataset.fromText(file(`${line.repeat(60)} `), { unit, length: 10, stride: 3 }));
    expect(await written(fitted, unit('the sea ,'))).toBe('  the   sky  ');
    expect(() => fitted.generate('the sea', { length: 1 })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }) as Error);
  });
});
