import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';
import { inflateRaw } from 'node:zlib';
import { isBoolean, isString, NablaError, optionsOf } from '../errors/index.js';
import type { NativeArray, NativeData } from '../native/index.js';
import type { DatasetInput } from './dataset.js';
import { damaged, type NpyArray, npyHeader, parseNpy } from './npy.js';
import { type InMemoryOptions, readChecks, readWatched, readWhole, type Watched } from './reading.js';
import type { Task } from './schema.js';
import { isTask } from './tables.js';
import { readAllTargets, type Targets, targetSpec } from './targets.js';

/** Options of `fromNpz`. */
export interface NpzOptions extends InMemoryOptions {
  /** Name of the array of features. */
  readonly features?: string;
  /** Name of the array of targets. */
  readonly targets?: string;
  /** Whether numbers are classes. Default: words are classes, numbers are not. */
  readonly task?: Task;
}
export const npzOptions = optionsOf('Dataset.fromNpz', {
  features: isString,
  targets: isString,
  task: isTask,
  inMemory: isBoolean,
  ...readChecks,
});

const inflate = promisify(inflateRaw);

/** Gives some bytes of a file, fewer at its end. */
type ReadAt = (start: number, length: number) => Promise<Buffer>;

/** A member of an archive: its packed bytes lie from `start` on. */
interface Member {
  readonly name: string;
  readonly method: number;
  readonly start: number;
  readonly packed: number;
  readonly size: number;
}

/** The 64-bit numbers that stand in the extra field of an entry for those that are all ones (APPNOTE 4.5.3), in their order. */
const wide = (extra: Buffer, place: string): number[] => {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2));
    return Array.from({ length: Math.floor(field.length / 8) }, (_, i) => Number(field.readBigUInt64LE(8 * i)));
  }
  throw damaged(place, 'the directory of the archive is damaged');
};

/** The members of a zip archive (stored or deflated, of any size), by their central directory. */
const members = async (read: ReadAt, size: number, place: string): Promise<Member[]> => {
  const from = Math.max(0, size - 65_557);
  const tail = await read(from, size - from);
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0 || end + 22 > tail.length) throw damaged(place, 'the archive has no directory: it is cut short');
  let [count, length, start] = [tail.readUInt16LE(end + 10), tail.readUInt32LE(end + 12), tail.readUInt32LE(end + 16)];
  if (end >= 20 && tail.readUInt32LE(end - 20) === 0x07064b50) {
    const record = await read(Number(tail.readBigUInt64LE(end - 12)), 56);
    if (record.length < 56 || record.readUInt32LE(0) !== 0x06064b50) throw damaged(place, 'the directory of the archive is damaged');
    [count, length, start] = [32, 40, 48].map((at) => Number(record.readBigUInt64LE(at))) as [number, number, number];
  }
  if (length > 1 << 26 || start + length > size) throw damaged(place, 'the directory of the archive is damaged');
  const directory = await read(start, length);
  const found: Member[] = [];
  let at = 0;
  for (let left = count; left > 0; left--) {
    if (at + 46 > directory.length || directory.readUInt32LE(at) !== 0x02014b50)
      throw damaged(place, 'the directory of the archive is damaged');
    const [title, extra, note] = [28, 30, 32].map((field) => directory.readUInt16LE(at + field)) as [number, number, number];
    let [packed, unpacked, local] = [20, 24, 42].map((field) => directory.readUInt32LE(at + field)) as [number, number, number];
    const name = directory.toString('utf8', at + 46, at + 46 + title);
    if ([packed, unpacked, local].includes(0xffffffff)) {
      const numbers = wide(directory.subarray(at + 46 + title, at + 46 + title + extra), place);
      const next = (value: number): number => (value === 0xffffffff ? (numbers.shift() ?? Number.NaN) : value);
      unpacked = next(unpacked);
      packed = next(packed);
      local = next(local);
    }
    const head = await read(local, 30);
    if (head.length < 30 || head.readUInt32LE(0) !== 0x04034b50) throw damaged(place, `${name} lies outside the archive`);
    const body = local + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
    const method = directory.readUInt16LE(at + 10);
    if (!(body + packed <= size) || (method !== 0 && method !== 8) || (method === 0 && packed !== unpacked))
      throw damaged(place, `${name} is cut short or packed in an unknown way`);
    found.push({ name: name.replace(/\.npy$/, ''), method, start: body, packed, size: unpacked });
    at += 46 + title + extra + note;
  }
  return found;
};

const unpack = async (read: ReadAt, { name, method, start, packed, size }: Member, place: string): Promise<Buffer> => {
  const body = await read(start, packed);
  if (method === 0) return body;
  try {
    // A small archive must not become more than it says.
    return await inflate(body, { maxOutputLength: Math.max(1, size) });
  } catch {
    throw damaged(place, `${name} cannot be unpacked`);
  }
};

/** The arrays of a file by name; one of a `.npy` is called `''`. */
const readArrays = async (path: string, watched: Watched): Promise<Map<string, NpyArray>> => {
  const bytes = await readWhole(path, watched);
  if (bytes.toString('latin1', 0, 2) !== 'PK') return new Map([['', parseNpy(bytes, path)]]);
  const read: ReadAt = async (start, length) => bytes.subarray(start, start + length);
  const found = new Map<string, NpyArray>();
  for (const member of await members(read, bytes.length, path))
    found.set(member.name, parseNpy(await unpack(read, member, path), `${path}: ${member.name}`));
  return found;
};

/** The array that an option or habit names, of those there are. */
const chosen = (names: readonly string[], what: 'features' | 'targets', asked: string | undefined): string | undefined => {
  const usual = what === 'features' ? ['features', 'x', 'X', 'data'] : ['targets', 'labels', 'y', 'Y'];
  const name = asked ?? (what === 'features' && names.includes('') ? '' : usual.find((each) => names.includes(each)));
  if ((name !== undefined && names.includes(name)) || (what === 'targets' && asked === undefined)) return name;
  throw new NablaError({
    code: 'INVALID_OPTION',
    message: `there is no array ${asked === undefined ? usual.map((each) => `'${each}'`).join(', ') : `'${asked}'`}`,
    place: `Dataset.fromNpz: ${what}`,
    expected: `one of ${names.map((each) => `'${each}'`).join(', ')}`,
    received: asked ?? 'no name',
  });
};

/** Targets as `Dataset.from` takes them. */
const targetsOf = ({ shape, values, boolean }: NpyArray): Targets => {
  const [rows, outputs] = [shape[0] ?? 0, shape[1] ?? 1];
  const flat = values as ArrayLike<number | string>;
  return (
    outputs === 1
      ? Array.from(flat, (value) => (boolean ? value !== 0 : value))
      : Array.from({ length: rows }, (_, i) => Array.from({ length: outputs }, (_, j) => flat[i * outputs + j]))
  ) as Targets;
};

/** The arrays of a file, as `Dataset.from` takes them. */
export const inputOfNpz = async (path: string, { features, targets, task, progress, signal }: NpzOptions): Promise<DatasetInput> => {
  const arrays = await readArrays(path, { progress, signal });
  const names = [...arrays.keys()];
  const x = arrays.get(chosen(names, 'features', features) as string) as NpyArray;
  const y = arrays.get(chosen(names, 'targets', targets) ?? '\0');
  if (Array.isArray(x.values) || x.shape.length === 0) {
    throw new NablaError({ code: 'DATA_FORMAT', message: 'features are numbers, one row after another', place: path });
  }
  return {
    features: x.values as Float64Array,
    shape: x.shape.length === 1 ? [x.shape[0] as number, 1] : x.shape,
    ...(y === undefined ? {} : { targets: targetsOf(y) }),
    ...(task === undefined ? {} : { task }),
  };
};

/** How the numbers of an array lie in the file, for the native side. */
const layoutOf = (descr: string, place: string): { number: string; bigEndian: boolean; storage: string } => {
  const [, endian, kind, size] = /^([<>|=])([fiub])([1248])$/.exec(descr) ?? [];
  const letter = kind === 'b' ? 'u' : kind;
  const number = `${letter}${Number(size) * 8}`;
  if (kind === undefined || !['f32', 'f64', 'u8', 'u16', 'u32', 'u64', 'i8', 'i16', 'i32', 'i64'].includes(number))
    throw damaged(place, `arrays of type ${descr} cannot be read by position`, 'f4, f8, i1…i8, u1…u8 or b1');
  return { number, bigEndian: endian === '>', storage: number === 'f32' ? 'f32' : kind === 'u' && number === 'u8' ? 'u8' : 'f64' };
};

/** Rows that stay in the file. */
export const rowsOfNpz = async (path: string, { features, targets, task, progress, signal }: NpzOptions): Promise<NativeData> => {
  signal?.throwIfAborted();
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw new NablaError({ code: 'IO', message: `the file cannot be read: ${(error as Error).message}`, place: path });
  }
  const buffers: NativeArray[] = [];
  let layout: Record<string, unknown>;
  let spec: Record<string, unknown>;
  try {
    const { size } = await file.stat();
    const read: ReadAt = async (start, length) => {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, start);
      return buffer.subarray(0, bytesRead);
    };
    const packed = (await read(0, 2)).toString('latin1') === 'PK';
    const all = packed ? await members(read, size, path) : [{ name: '', method: 0, start: 0, packed: size, size }];
    const names = all.map(({ name }) => name);
    const find = (name: string | undefined) => all.find((each) => each.name === name);
    const x = find(chosen(names, 'features', features)) as Member;
    const y = find(chosen(names, 'targets', targets));
    const place = packed ? `${path}: ${x.name}` : path;
    const refuse = (words: string, hint: string): NablaError =>
      new NablaError({
        code: 'INVALID_OPTION',
        message: `rows cannot be read by position: ${words}`,
        place,
        expected: 'inMemory: true',
        hint,
      });
    if (x.method !== 0) throw refuse('the array is compressed', 'numpy.savez writes arrays that are not.');
    const head = await read(x.start, 1 << 16);
    if (head.length < 12 || head.toString('latin1', 0, 6) !== '\x93NUMPY') throw damaged(place, 'this is no array of NumPy');
    const [from, length] = head[6] === 1 ? [10, head.readUInt16LE(8)] : [12, head.readUInt32LE(8)];
    if (from + length > head.length) throw damaged(place, 'the header is cut short, or longer than 64 KB');
    const { descr, fortran, shape } = npyHeader(head.toString('utf8', from, from + length), place);
    if (fortran && shape.length > 1) throw refuse('its columns follow each other', 'numpy.ascontiguousarray makes rows follow each other.');
    const count = shape.reduce((a, b) => a * b, 1);
    if (shape.length === 0 || !Number.isSafeInteger(count)) throw damaged(place, 'features are numbers, one row after another');
    const own = layoutOf(descr, place);
    if (from + length + count * (Number.parseInt(own.number.slice(1), 10) / 8) > x.size)
      throw damaged(place, `${count} values of type ${descr} are not in the ${x.size} bytes there are`);
    layout = { ...own, start: x.start + from + length, length: count };
    const rows = shape[0] as number;
    const sampleShape = shape.length === 1 ? [1] : shape.slice(1);
    spec = { rows, width: sampleShape.reduce((a, b) => a * b, 1), sampleShape, features: { buffer: 0 } };
    if (y !== undefined) {
      const given = targetsOf(parseNpy(await unpack(read, y, path), `${path}: ${y.name}`));
      spec.targets = targetSpec(readAllTargets('targets', given, rows, task === undefined ? {} : { task }), buffers);
    }
  } finally {
    await file.close();
  }
  return readWatched((n, task) => n.rowsInFile(task, path, JSON.stringify(layout), JSON.stringify(spec), buffers), 'bytes', {
    progress,
    signal,
  });
};
