import { NablaError } from '../errors/index.js';

/** An array of NumPy, row-major. */
export interface NpyArray {
  readonly shape: readonly number[];
  readonly values: Float32Array | Float64Array | Uint8Array | readonly string[];
  /** Whether it holds booleans, as 0 and 1. */
  readonly boolean: boolean;
}

export const damaged = (place: string, message: string, expected = 'a .npy or .npz file of NumPy'): NablaError =>
  new NablaError({ code: 'DATA_FORMAT', message, place, expected, received: message });

/** Text such as `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`. */
export const npyHeader = (text: string, place: string): { descr: string; fortran: boolean; shape: number[] } => {
  const descr = /'descr':\s*'([^']+)'/.exec(text)?.[1];
  const order = /'fortran_order':\s*(True|False)/.exec(text)?.[1];
  const shape = /'shape':\s*\(([^)]*)\)/.exec(text)?.[1];
  if (descr === undefined || order === undefined || shape === undefined)
    throw damaged(place, 'the header of the array cannot be read: structured types and objects are not arrays of numbers');
  const sizes = shape.split(',').filter((size) => size.trim() !== '');
  return { descr, fortran: order === 'True', shape: sizes.map(Number) };
};

/** Columns first to rows first. */
const rowMajor = <T>(count: number, shape: readonly number[], get: (i: number) => T, put: (i: number, value: T) => void): void => {
  const at = shape.map(() => 0);
  for (let i = 0; i < count; i++) {
    let from = 0;
    for (let axis = shape.length - 1; axis >= 0; axis--) from = from * (shape[axis] as number) + (at[axis] as number);
    put(i, get(from));
    for (let axis = shape.length - 1; axis >= 0 && ++at[axis]! === shape[axis]; axis--) at[axis] = 0;
  }
};

/** One array: format versions 1 to 3 (NEP 1). */
export const parseNpy = (bytes: Buffer, place: string): NpyArray => {
  if (bytes.length < 10 || bytes.toString('latin1', 0, 6) !== '\x93NUMPY') throw damaged(place, 'this is no array of NumPy');
  const major = bytes[6] as number;
  const [start, length] = major === 1 ? [10, bytes.readUInt16LE(8)] : [12, bytes.length >= 12 ? bytes.readUInt32LE(8) : 0];
  const body = start + length;
  if (major < 1 || major > 3 || body > bytes.length) throw damaged(place, `version ${major} of the format, or a header cut short`);
  const { descr, fortran, shape } = npyHeader(bytes.toString('utf8', start, body), place);
  const count = shape.reduce((a, b) => a * b, 1);
  const [, endian, kind, width] = /^([<>|=])([a-zA-Z])(\d+)$/.exec(descr) ?? [];
  const size = Number(width) * (kind === 'U' ? 4 : 1);
  if (kind === undefined || !Number.isSafeInteger(count) || bytes.length - body < count * size)
    throw damaged(place, `${count} values of type ${descr} are not in the ${bytes.length - body} bytes that follow`);
  const view = new DataView(bytes.buffer, bytes.byteOffset + body, count * size);
  const little = endian !== '>';
  const readers: Record<string, (at: number) => number> = {
    f4: (i) => view.getFloat32(i, little),
    f8: (i) => view.getFloat64(i, little),
    i1: (i) => view.getInt8(i),
    i2: (i) => view.getInt16(i, little),
    i4: (i) => view.getInt32(i, little),
    i8: (i) => Number(view.getBigInt64(i, little)),
    u1: (i) => view.getUint8(i),
    u2: (i) => view.getUint16(i, little),
    u4: (i) => view.getUint32(i, little),
    u8: (i) => Number(view.getBigUint64(i, little)),
    b1: (i) => view.getUint8(i),
  };
  if (kind === 'U' || kind === 'S') {
    const words = new Array<string>(count);
    const word = (i: number): string => {
      let text = '';
      for (let at = i * size; at < (i + 1) * size; at += kind === 'U' ? 4 : 1) {
        const code = kind === 'U' ? view.getUint32(at, little) : view.getUint8(at);
        if (code > 0x10ffff) throw damaged(place, `word ${i} has the code ${code}, which is no character`);
        if (code !== 0) text += String.fromCodePoint(code);
      }
      return text;
    };
    const put = (i: number, value: string): void => {
      words[i] = value;
    };
    if (fortran && shape.length > 1) rowMajor(count, shape, word, put);
    else for (let i = 0; i < count; i++) put(i, word(i));
    return { shape, values: words, boolean: false };
  }
  const read = readers[`${kind}${width}`];
  if (read === undefined) throw damaged(place, `arrays of type ${descr} cannot be read`, 'f4, f8, i1…i8, u1…u8, b1, U or S');
  const values = descr.endsWith('f4')
    ? new Float32Array(count)
    : kind === 'u' && size === 1
      ? new Uint8Array(count)
      : new Float64Array(count);
  const put = (i: number, value: number): void => {
    values[i] = value;
  };
  if (fortran && shape.length > 1) rowMajor(count, shape, (i) => read(i * size), put);
  else for (let i = 0; i < count; i++) values[i] = read(i * size);
  return { shape, values, boolean: kind === 'b' };
};
