// Spoken digits by six people: how well does a network understand someone it has never heard? A plain split answers another question
// than it seems to. npm start -- speakers FOLDER, or NABLA_DATA=FOLDER: the folder with free-spoken-digits-wav.tar.gz. --every=5 takes
// each fifth recording of a word: a quick look.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

import FFT from 'fft.js';
import { Dataset, sequential, Trainer } from 'nabla';
import { standardize } from 'nabla/data';
import { dense, dropout, flatten } from 'nabla/layers';
import { adam } from 'nabla/optimizers';
import { crossValidate, kFold, leaveOneGroupOut } from 'nabla/validation';
import { fileOf } from './real-data.js';

const [rate, size, hop, bands, frames] = [8000, 256, 80, 40, 24];
const fft = new FFT(size);
const hann = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));

/** Triangles of equal width on the mel scale, which is how wide apart pitches sound: [bands][size/2 + 1]. */
const mel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
const edges = Array.from({ length: bands + 2 }, (_, i) => 700 * (10 ** ((mel(rate / 2) * i) / (bands + 1) / 2595) - 1));
const triangles = Array.from({ length: bands }, (_, band) => {
  const [low = 0, peak = 0, high = 0] = edges.slice(band, band + 3);
  return Float64Array.from({ length: size / 2 + 1 }, (_, bin) => {
    const hertz = (bin * rate) / size;
    return Math.max(0, Math.min((hertz - low) / (peak - low), (high - hertz) / (high - peak)));
  });
});

/** A recording as a picture [bands, frames]: the logarithm of the energy in each mel band, the whole word stretched to 24 frames. */
const logMel = (samples: Int16Array): Float32Array => {
  const columns: Float64Array[] = [];
  const spectrum = fft.createComplexArray() as number[];
  for (let at = 0; at === 0 || at + size <= samples.length; at += hop) {
    const frame = Array.from(hann, (weight, i) => (weight * (samples[at + i] ?? 0)) / 32_768);
    fft.realTransform(spectrum, frame);
    const energy = Float64Array.from(
      { length: size / 2 + 1 },
      (_, bin) => (spectrum[2 * bin] ?? 0) ** 2 + (spectrum[2 * bin + 1] ?? 0) ** 2,
    );
    columns.push(
      Float64Array.from(triangles, (weights) =>
        Math.log(1e-6 + weights.reduce((sum, weight, bin) => sum + weight * (energy[bin] ?? 0), 0)),
      ),
    );
  }
  const picture = new Float32Array(bands * frames);
  for (let frame = 0; frame < frames; frame++) {
    const column = columns[Math.round((frame * (columns.length - 1)) / (frames - 1))] as Float64Array;
    for (let band = 0; band < bands; band++) picture[band * frames + frame] = column[band] ?? 0;
  }
  return picture;
};

/** The files of a tar archive: blocks of 512 bytes, a header with name and size before each file. */
function* filesOf(tar: Buffer): Generator<{ name: string; bytes: Buffer }> {
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0; ) {
    const name = tar.toString('latin1', at, at + 100).replace(/\0.*$/s, '');
    const bytes = Number.parseInt(tar.toString('latin1', at + 124, at + 136), 8);
    yield { name, bytes: tar.subarray(at + 512, at + 512 + bytes) };
    at += 512 + 512 * Math.ceil(bytes / 512);
  }
}

const features: Float32Array[] = [];
const targets: string[] = [];
const groups: string[] = [];
const archive = gunzipSync(readFileSync(fileOf(join('speech-digits', 'free-spoken-digits-wav.tar.gz'))));
const every = Number(process.argv.find((argument) => argument.startsWith('--every='))?.slice(8) ?? 1);
for (const { name, bytes } of filesOf(archive)) {
  const [, digit, speaker, take] = /(\d)_([a-z]+)_(\d+)\.wav$/.exec(name) ?? [];
  if (digit === undefined || speaker === undefined || Number(take) % every !== 0) continue;
  features.push(logMel(new Int16Array(bytes.buffer.slice(bytes.byteOffset + 44, bytes.byteOffset + bytes.length))));
  targets.push(digit);
  groups.push(speaker);
}
const speakers = [...new Set(groups)].sort();
const data = Dataset.from({ features, targets, groups });
console.log(`${data.rows} recordings of ten digits by ${speakers.join(', ')}\n`);

const trainer = new Trainer({
  prepare: [standardize()],
  model: sequential([flatten(), dropout(0.2), dense(64, { activation: 'relu' }), dropout(0.4), dense(10)]),
  loss: 'crossEntropy',
  optimizer: adam({ learningRate: 1e-3 }),
  metrics: ['accuracy'],
  epochs: 10,
  batchSize: 64,
  seed: 7,
});
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const plain = await crossValidate(trainer, data, { splitter: kFold({ k: 6, groups: false, seed: 7 }) });
console.log(`a plain split, any recording on either side:   ${percent(plain.scores.accuracy.mean)}`);
const grouped = await crossValidate(trainer, data, { splitter: leaveOneGroupOut() });
console.log(`a speaker it has never heard:                  ${percent(grouped.scores.accuracy.mean)}\n`);
grouped.scores.accuracy.values.forEach((accuracy, index) => {
  console.log(`  ${(speakers[index] ?? '').padEnd(10)} ${percent(accuracy)}`);
});
console.log(`
Why they differ: each person says each digit fifty times, in one voice, into one microphone, in one room. In a plain split the network has
heard the same person say the same word some forty times; recognizing that recording again says nothing of how well it understands a
stranger. The model is the same; only the second number answers the question that a user will ask.`);
