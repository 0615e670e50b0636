import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { type Features, isTypedArray, type NumberArray, readFeatures } from '../data/features.js';
import { decodeImages, isImage } from '../data/images.js';
import { readRagged } from '../data/ragged.js';
import type { Schema } from '../data/schema.js';
import { expectSameVocabulary, textRows } from '../data/text.js';
import { NablaError } from '../errors/index.js';
import { callNative, type NativeData } from '../native/index.js';

/** Features in any form, a data set, JPEG and PNG images for a model of images, texts for a model of texts. */
export type PredictInput = Dataset | Features | readonly Uint8Array[] | string | readonly string[] | readonly (readonly string[])[];

/** Values in a shape. */
export const width = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The error for rows of another shape than those of the training data. */
export const misfit = ({ sampleShape }: Schema, received: string, expected: string): NablaError =>
  new NablaError({
    code: 'SHAPE_MISMATCH',
    message: `the model was fitted on samples of shape [${sampleShape.join(', ')}]: expected ${expected}, got ${received}`,
    place: 'predict',
    expected,
    received,
  });

/** Whether this is an array of sequences, not one. */
export const isRows = (input: unknown, sampleShape: readonly number[]): boolean => {
  const step: unknown = (input as readonly (readonly unknown[])[])[0]?.[0];
  return sampleShape.length === 1 ? typeof step === 'number' : typeof step !== 'number';
};

/** Encoded images for a model of images, brought to its size in the way the training images were. */
const readImages = async (input: PredictInput, { sampleShape, images }: Schema): Promise<NativeData | undefined> => {
  const [height, width, channels] = sampleShape;
  if (sampleShape.length !== 3 || ![1, 3, 4].includes(channels as number)) return undefined;
  const list = isImage(input) ? [input] : Array.isArray(input) && input.length > 0 && input.every(isImage) ? [...input] : undefined;
  if (list === undefined) return undefined;
  const size = [height as number, width as number] as const;
  return decodeImages(null, list, null, { size, channels: channels as 1 | 3 | 4, fit: images ?? 'cover' });
};

const fromDataset = (data: Dataset, schema: Schema): NativeData => {
  const given = schemaOf(data);
  expectSameVocabulary('features', schema, given);
  const sequences = (schema.ragged ?? false) && (given.ragged ?? false);
  const same = (given.width === schema.width || sequences) && schema.columns.every(({ name }, i) => given.columns[i]?.name === name);
  if (same) return nativeOf(data);
  const dropped = schema.columns
    .filter(({ name }) => !given.columns.some((column) => column.name === name))
    .map(({ name }) => JSON.stringify(name));
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    message:
      given.width === schema.width
        ? 'the columns of this data set are not those of the training data'
        : `the model was fitted on ${schema.width} features, this data set has ${given.width}`,
    place: 'predict',
    expected: `[rows, ${schema.sampleShape.join(', ')}]`,
    received: `[${given.rows}, ${given.sampleShape.join(', ')}]`,
    hint: dropped.length > 0 ? `these columns of the training data are missing: ${dropped.slice(0, 10).join(', ')}` : undefined,
  });
};

/** Rows of different lengths, or texts. */
const fromSequences = (input: unknown, schema: Schema): NativeData => {
  const [time = 1] = schema.sampleShape;
  const size = width(schema.sampleShape);
  const create = (rows: number, features: Uint8Array | Float32Array | Float64Array, lengths: Uint32Array): NativeData => {
    const spec = { rows, width: size, sampleShape: schema.sampleShape, features: { buffer: 0 }, lengths: { buffer: 1 } };
    return callNative((n) => n.Data.create(JSON.stringify(spec), [features, lengths]));
  };
  const texts = schema.text === undefined ? undefined : textRows(input, schema.text, time);
  if (texts !== undefined) return create(texts.rows, texts.features, texts.lengths);
  const { values, rows, lengths } = readRagged('features', input, time);
  if (values.length !== rows * size)
    throw misfit(schema, `steps of ${values.length / rows / time} values`, `steps of ${size / time} values`);
  return create(rows, values, lengths);
};

/** What `predict` is given, as the native side takes it. */
export const readInput = (input: Exclude<PredictInput, readonly Uint8Array[]>, schema: Schema): NativeData => {
  if (input instanceof Dataset) return fromDataset(input, schema);
  if (schema.ragged) return fromSequences(input, schema);
  const size = width(schema.sampleShape);
  const flat = isTypedArray(input) || (Array.isArray(input) && typeof input[0] === 'number');
  if (flat && (input as NumberArray).length % size !== 0)
    throw misfit(schema, `${(input as NumberArray).length} values`, `a multiple of ${size} values`);
  const columns = schema.columns.length > 0 ? schema.columns : undefined;
  const { parts } = schema;
  const matrix = readFeatures('features', input, { sampleShape: schema.sampleShape, columns, parts });
  if (width(matrix.sampleShape) !== size) throw misfit(schema, `rows of ${width(matrix.sampleShape)}`, `rows of ${size} values`);
  const spec = {
    rows: matrix.rows,
    width: size,
    sampleShape: schema.sampleShape,
    columns,
    parts,
    features: { buffer: 0 },
  };
  return callNative((n) => n.Data.create(JSON.stringify(spec), [matrix.values]));
};

/** What `predict` is given, encoded images among it. */
export const readAnyInput = async (input: PredictInput, schema: Schema): Promise<NativeData> =>
  (await readImages(input, schema)) ?? readInput(input as Exclude<PredictInput, readonly Uint8Array[]>, schema);
