import {
  expectArgument,
  expectOptions,
  invalidOption,
  isEither,
  isFunction,
  isInteger,
  isListOf,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import type { NativeArray } from '../native/index.js';
import { described, invalidData } from './features.js';
import { type ReadOptions, readChecks, readWhole, type Watched } from './reading.js';
import type { TextSchema } from './schema.js';

/** What a text is cut into: characters (Unicode code points), words and punctuation, or the tokens of a function. */
export type Tokenizer = 'character' | 'word' | ((text: string) => readonly string[]);

/** A text with its class. */
export interface LabelledText {
  readonly text: string;
  readonly label: string;
}

/** The text of a file. */
const readText = async (path: string, watched: Watched): Promise<string> => {
  const bytes = await readWhole(path, watched);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new NablaError({
      code: 'DATA_FORMAT',
      message: 'the text is not valid UTF-8',
      place: path,
      expected: 'UTF-8',
      hint: 'Save the file as UTF-8 (it may be Latin-1 or UTF-16).',
    });
  }
};

/** A text in its parts. */
export const tokensOf = (place: string, text: string, tokenizer: Tokenizer): readonly string[] => {
  if (tokenizer === 'character') return Array.from(text);
  if (tokenizer === 'word') return text.match(/[\p{L}\p{N}'’]+|[^\s\p{L}\p{N}'’]/gu) ?? [];
  const tokens: unknown = tokenizer(text);
  const wrong = Array.isArray(tokens) ? tokens.findIndex((token) => typeof token !== 'string') : -1;
  if (!Array.isArray(tokens) || wrong >= 0) {
    throw invalidData(
      place,
      'a tokenizer that gives an array of strings',
      wrong < 0 ? described(tokens) : described((tokens as unknown[])[wrong]),
    );
  }
  return tokens as string[];
};

const called = (unit: TextSchema['unit']): string => (unit === 'character' ? 'character' : unit === 'word' ? 'word' : 'token');

/** What the tokens of texts may be. */
export interface VocabularyOptions {
  readonly vocabulary?: readonly string[] | undefined;
  readonly vocabularySize?: number | undefined;
  readonly unknown?: string | undefined;
}

/** The tokens and their order: those given, else those that occur, sorted; of a limited number the most frequent. */
const vocabularyOf = (
  texts: Iterable<readonly string[]>,
  { vocabulary, vocabularySize, unknown }: VocabularyOptions,
): readonly string[] => {
  const counts = new Map<string, number>();
  if (vocabulary === undefined) for (const tokens of texts) for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  let names = vocabulary ?? [...counts.keys()].sort();
  if (vocabularySize !== undefined && names.length > vocabularySize) {
    const kept = [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).slice(0, vocabularySize);
    names = kept.map(([token]) => token).sort();
  }
  return unknown === undefined || names.includes(unknown) ? names : [unknown, ...names];
};

/** Indices of tokens in a vocabulary; a token outside of it is the unknown one, or an error with its place. */
export const encode = (place: string, tokens: readonly string[], { unit, vocabulary, unknown }: TextSchema): Uint32Array => {
  const codes = new Map(vocabulary.map((token, code) => [token, code]));
  const other = unknown === undefined ? undefined : codes.get(unknown);
  return Uint32Array.from(tokens, (token, at) => {
    const code = codes.get(token) ?? other;
    if (code === undefined) {
      const of = `one of the ${vocabulary.length} ${called(unit)}s of the vocabulary`;
      throw invalidData(`${place}, ${called(unit)} ${at}`, of, JSON.stringify(token), "unknown: '…' names what stands for all others.");
    }
    return code;
  });
};

/** Whether the numbers of two data sets of texts stand for the same tokens. */
export const expectSameVocabulary = (where: string, train: { readonly text?: TextSchema }, other: { readonly text?: TextSchema }): void => {
  const [expected, received] = [train.text?.vocabulary, other.text?.vocabulary];
  if (expected === undefined || received === undefined || expected.join('\n') === received.join('\n')) return;
  const differs = received.find((token) => !expected.includes(token)) ?? expected.find((token) => !received.includes(token)) ?? '';
  throw new NablaError({
    code: 'INVALID_DATA',
    message: `these texts have another vocabulary than the training texts: only one of them has ${JSON.stringify(differs)}`,
    place: where,
    expected: `the ${expected.length} tokens of the training texts`,
    received: `${received.length} tokens`,
    hint: 'Split one data set, or read the second with vocabulary: train.vocabulary.',
  });
};

const schemaOf = (tokenizer: Tokenizer, vocabulary: readonly string[], unknown: string | undefined): TextSchema => ({
  unit: typeof tokenizer === 'function' ? 'own' : tokenizer,
  vocabulary,
  ...(unknown === undefined ? {} : { unknown }),
});

/** A data set as the native side takes it. */
interface Described {
  readonly spec: Record<string, unknown>;
  readonly buffers: NativeArray[];
}

const codesFor = (levels: number, count: number): Uint8Array | Float32Array =>
  levels <= 256 ? new Uint8Array(count) : new Float32Array(count);

/** Windows over a text: tokens by index, and after each the one that follows. */
const textWindows = (
  text: string,
  place: string,
  tokenizer: Tokenizer,
  { length = 64, stride = length, ...about }: VocabularyOptions & { readonly length?: number; readonly stride?: number },
): Described => {
  const tokens = tokensOf(place, text, tokenizer);
  const rows = Math.floor((tokens.length - 1 - length) / stride) + 1;
  const schema = schemaOf(tokenizer, vocabularyOf([tokens], about), about.unknown);
  if (tokens.length <= length) {
    const expected = `more than ${length} ${called(schema.unit)}s, one window and what follows it`;
    throw invalidData(place, expected, `${tokens.length}`, 'Ask for a shorter length.');
  }
  const codes = encode(place, tokens, schema);
  const features = codesFor(schema.vocabulary.length, rows * length);
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
      targets: { kind: 'sequence', names: schema.vocabulary, width: length, buffer: 1 },
      text: schema,
    },
    buffers: [features, labels],
  };
};

/** Rows of tokens, each padded to the longest or cut to `length`: for a model of texts. */
export const encodeTexts = (
  place: string,
  texts: readonly (readonly string[])[],
  schema: TextSchema,
  length: number,
): { readonly features: Uint8Array | Float32Array; readonly lengths: Uint32Array } => {
  const features = codesFor(schema.vocabulary.length, texts.length * length);
  const lengths = Uint32Array.from(texts, (tokens, row) => {
    const kept = tokens.slice(0, length);
    if (kept.length === 0) throw invalidData(`${place}[${row}]`, `a text of at least one ${called(schema.unit)}`, 'an empty one');
    features.set(encode(`${place}[${row}]`, kept, schema), row * length);
    return kept.length;
  });
  return { features, lengths };
};

/** Texts of different lengths, with their classes. */
const labelledTexts = (
  input: readonly LabelledText[],
  tokenizer: Tokenizer,
  { length, classes, ...about }: VocabularyOptions & { readonly length?: number; readonly classes?: readonly string[] },
): Described => {
  const wrong = input.findIndex((each) => typeof each?.text !== 'string' || typeof each.label !== 'string');
  if (wrong >= 0 || input.length === 0) {
    const received = wrong < 0 ? 'none' : described(input[wrong]);
    throw invalidData(wrong < 0 ? 'texts' : `texts[${wrong}]`, '{ text: string, label: string }', received);
  }
  const texts = input.map(({ text }, i) => tokensOf(`texts[${i}]`, text, tokenizer));
  const schema = schemaOf(tokenizer, vocabularyOf(texts, about), about.unknown);
  const time = length ?? texts.reduce((longest, tokens) => Math.max(longest, tokens.length), 1);
  const { features, lengths } = encodeTexts('texts', texts, schema, time);
  const names = classes ?? [...new Set(input.map(({ label }) => label))].sort();
  const codes = new Map(names.map((name, code) => [name, code]));
  const labels = Uint32Array.from(input, ({ label }, row) => {
    const code = codes.get(label);
    if (code === undefined)
      throw invalidData(`texts[${row}].label`, `one of the classes ${names.slice(0, 20).join(', ')}`, JSON.stringify(label));
    return code;
  });
  return {
    spec: {
      rows: input.length,
      width: time,
      sampleShape: [time],
      features: { buffer: 0 },
      targets: { kind: 'classes', names, buffer: 1 },
      lengths: { buffer: 2 },
      text: schema,
    },
    buffers: [features, labels, lengths],
  };
};

/** Texts as a model of texts reads them; `undefined` if this is something else. Own tokenizers give their tokens, as arrays. */
export const textRows = (input: unknown, schema: TextSchema, length: number) => {
  const list: readonly unknown[] = typeof input === 'string' ? [input] : Array.isArray(input) ? input : [];
  const isTokens = (value: unknown): value is readonly string[] =>
    Array.isArray(value) && value.length > 0 && value.every((token) => typeof token === 'string');
  const { unit } = schema;
  if (list.length === 0 || !list.every((text) => typeof text === 'string' || isTokens(text))) return undefined;
  const texts = list.map((text, i) => {
    if (typeof text !== 'string') return text as readonly string[];
    if (unit === 'own') {
      throw invalidData(
        `texts[${i}]`,
        'tokens, as the tokenizer of the training data gives them',
        described(text),
        'A saved model has no code: predict([tokenize(text)]).',
      );
    }
    return tokensOf(`texts[${i}]`, text, unit);
  });
  return { rows: texts.length, ...encodeTexts('texts', texts, schema, length) };
};

/** Options of `Dataset.fromText`. */
export interface TextOptions extends ReadOptions {
  /** What a text is cut into: `'character'` (Unicode code points, the default), `'word'` (words and punctuation), or a function. */
  readonly unit?: Tokenizer;
  /** Characters (or words, tokens) a window, default 64. Of labelled texts: what longer ones are cut to, default the longest. */
  readonly length?: number;
  /** From the start of a window to the start of the next. Default `length`: windows side by side. */
  readonly stride?: number;
  /** The characters and their order. Default: those that occur, sorted; another file read with `vocabulary` of the first fits its model. */
  readonly vocabulary?: readonly string[];
  /** Keeps the so many most frequent; then `unknown` must be given for the others. */
  readonly vocabularySize?: number;
  /** What stands for all that is not in the vocabulary, such as `'<other>'`. Default: such a token is an error. */
  readonly unknown?: string;
  /** Of labelled texts: the classes and their order. Default: those that occur, sorted. */
  readonly classes?: readonly string[];
}

const textOptions = optionsOf('Dataset.fromText', {
  ...readChecks,
  unit: isEither(isOneOf(['character', 'word']), isFunction),
  length: isInteger({ min: 1 }),
  stride: isInteger({ min: 1 }),
  vocabulary: isListOf(isString),
  vocabularySize: isInteger({ min: 1 }),
  unknown: isString,
  classes: isListOf(isString),
});

/** The texts of `Dataset.fromText`: windows of a file, or labelled ones. */
export const readTexts = async (source: string | readonly LabelledText[], options: TextOptions): Promise<Described> => {
  if (!Array.isArray(source)) expectArgument('Dataset.fromText', 'path', source, isString);
  expectOptions('Dataset.fromText', options, textOptions);
  const { unit = 'character', progress, signal, ...rest } = options;
  if (options.vocabularySize !== undefined && options.unknown === undefined)
    throw invalidOption('Dataset.fromText', 'unknown', 'to be given with vocabularySize', undefined);
  if (Array.isArray(source) && options.stride !== undefined)
    throw invalidOption('Dataset.fromText', 'stride', 'to be left out for texts with labels', options.stride);
  if (!Array.isArray(source) && options.classes !== undefined)
    throw invalidOption(
      'Dataset.fromText',
      'classes',
      'to be left out for windows of a text, whose classes are its vocabulary',
      options.classes,
    );
  return Array.isArray(source)
    ? labelledTexts(source as readonly LabelledText[], unit, rest)
    : textWindows(await readText(source as string, { progress, signal }), source as string, unit, rest);
};
