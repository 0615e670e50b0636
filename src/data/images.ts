import { isBoolean, isInteger, isOneOf, optionsOf } from '../errors/index.js';
import type { NativeData } from '../native/index.js';
import { invalidData } from './features.js';
import { readWatched, type Watched } from './reading.js';

/** An image in memory, with its class. */
export interface LabelledImage {
  /** A JPEG or PNG, encoded. */
  readonly bytes: Uint8Array;
  readonly label: string;
}

/** How an image comes to a size of other proportions. */
export type ImageFit = 'cover' | 'contain' | 'fill';

/** Options of `Dataset.fromImages`. */
export interface ImageOptions {
  /** Height and width of every row; images of another size are resampled (linear weights, as Pillow's `BILINEAR`). */
  readonly size: readonly [height: number, width: number];
  /**
   * 1 grey, 3 colour, 4 with transparency. By default what the first image has, and one that differs is an error; given, grey becomes
   * colour and colour grey (ITU-R BT.601), and transparency is dropped or full.
   */
  readonly channels?: 1 | 3 | 4;
  /** Of other proportions: `'cover'` (default) cuts off what stands out, `'contain'` leaves black borders, `'fill'` stretches. */
  readonly fit?: ImageFit;
  /** A line of progress on standard error. Default false. */
  readonly progress?: boolean;
  /** Ends the reading; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

const isSize = (value: unknown): string | undefined =>
  Array.isArray(value) && value.length === 2 && value.every((axis) => isInteger({ min: 1, max: 65_535 })(axis) === undefined)
    ? undefined
    : 'to be [height, width], whole numbers in [1, 65535]';

export const imageOptions = optionsOf('Dataset.fromImages', {
  size: isSize,
  channels: (value) => ([1, 3, 4].includes(value as number) ? undefined : 'to be 1 (grey), 3 (colour) or 4 (with transparency)'),
  fit: isOneOf(['cover', 'contain', 'fill']),
  progress: isBoolean,
  signal: (value) => (value instanceof AbortSignal ? undefined : 'to be an AbortSignal'),
});

/** Whether these bytes begin as a JPEG or a PNG does. */
export const isImage = (value: unknown): value is Uint8Array =>
  value instanceof Uint8Array &&
  ((value[0] === 0xff && value[1] === 0xd8 && value[2] === 0xff) ||
    (value[0] === 0x89 && value[1] === 0x50 && value[2] === 0x4e && value[3] === 0x47));

const unlabelled = (images: readonly LabelledImage[]): never => {
  const at = images.findIndex((image) => !(image?.bytes instanceof Uint8Array) || typeof image.label !== 'string');
  throw invalidData(
    at < 0 ? 'images' : `images[${at}]`,
    '{ bytes: Uint8Array, label: string }',
    at < 0 ? 'none' : `{ ${Object.keys(images[at] ?? {}).join(', ')} }`,
  );
};

/** Decodes on nabla's threads: a folder or an archive, or images with labels. */
export const readImages = async (source: string | readonly LabelledImage[], options: ImageOptions): Promise<NativeData> => {
  const { progress = false, signal, ...settings } = options;
  if (typeof source === 'string') return decodeImages(source, [], null, settings, { progress, signal });
  const labelled = source.length > 0 && source.every((image) => image?.bytes instanceof Uint8Array && typeof image.label === 'string');
  if (!labelled) unlabelled(source);
  return decodeImages(
    null,
    source.map(({ bytes }) => bytes),
    source.map(({ label }) => label),
    settings,
    { progress, signal },
  );
};

/** The same without labels, to be predicted. */
export const decodeImages = (
  path: string | null,
  bytes: Uint8Array[],
  labels: string[] | null,
  settings: Omit<ImageOptions, 'progress' | 'signal'>,
  watched: Watched = {},
): Promise<NativeData> => readWatched((n, task) => n.readImages(task, path, bytes, labels, JSON.stringify(settings)), 'images', watched);
