import { readFile } from 'node:fs/promises';
import { NablaError } from '../errors/index.js';
import type { NativeArray } from '../native/index.js';
import { invalidData } from './features.js';

/** The text of a file. */
export const readText = async (path: string): Promise<string> => {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new NablaError({ code: 'IO', message: `cannot read ${path}: ${code ?? message}`, place: path });
  }
};

/** Indices of characters in a vocabulary; a character outside it is an error with its place. */
export const encode = (place: string, characters: readonly string[], vocabulary: readonly string[]): Uint32Array => {
  const codes = new Map(vocabulary.map((character, code) => [character, code]));
  return Uint32Array.from(characters, (character, at) => {
    const code = codes.get(character);
    if (code === undefined)
      throw invalidData(
        `${place}, character ${at}`,
        `one of the ${vocabulary.length} characters of the vocabulary`,
        JSON.stringify(character),
      );
    return code;
  });
};

/** Windows over a text as the native side takes a data set: characters by index, and after each the one that follows. */
export const textWindows = (
  text: string,
  place: string,
  {
    length = 64,
    stride = length,
    vocabulary,
  }: { readonly length?: number; readonly stride?: number; readonly vocabulary?: readonly string[] },
): { spec: Record<string, unknown>; buffers: NativeArray[] } => {
  const characters = Array.from(text);
  const rows = Math.floor((characters.length - 1 - length) / stride) + 1;
  if (characters.length <= length) {
    throw invalidData(
      place,
      `more than ${length} characters, one window and what follows it`,
      `${characters.length}`,
      'Ask for a shorter length.',
    );
  }
  const names = vocabulary ?? [...new Set(characters)].sort();
  const codes = encode(place, characters, names);
  const features = names.length <= 256 ? new Uint8Array(rows * length) : new Float32Array(rows * length);
  const labels = new Uint32Array(rows * length);
  for (let row = 0; row < rows; row++) {
    const from = row * stride;
    features.set(codes.subarray(from, from + length), row * length);
    labels.set(codes.subarray(from + 1, from + 1 + length), row * length);
  }
  return {
    spec: {
      rows,
      width: length,
      sampleShape: [length],
      features: { buffer: 0 },
      targets: { kind: 'sequence', names, width: length, buffer: 1 },
    },
    buffers: [features, labels],
  };
};
