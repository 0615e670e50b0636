// A thread that reads a Parquet file: decompressing and decoding would hold up the event loop.
import { parentPort, workerData } from 'node:worker_threads';
import { parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { compressors as given } from 'hyparquet-compressors';
import { NablaError } from '../errors/index.js';
import { ColumnCells } from './columns.js';
import type { FromWorker, ParquetWork } from './parquet.js';
import { type StreamRow, spill } from './spill.js';

// A page of nulls alone has no bytes, which its LZ4 takes for a broken block.
const compressors = Object.fromEntries(
  Object.entries(given).map(([codec, unpack]) => [
    codec,
    (input: Uint8Array, length: number) =>
      length === 0 ? new Uint8Array(0) : (unpack as (input: Uint8Array, length: number) => Uint8Array)(input, length),
  ]),
);

const tell = (message: FromWorker, buffers: ArrayBuffer[] = []): void => parentPort?.postMessage(message, buffers);

const read = async ({ path, drop, kinds, missing, spill: target }: ParquetWork): Promise<void> => {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const rows = Number(metadata.num_rows);
  const all = parquetSchema(metadata).children.map(({ element: { name } }) => name);
  const unknown = [...drop, ...Object.keys(kinds)].find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: `there is no column ${JSON.stringify(unknown)}`,
      place: path,
      expected: `one of ${all.join(', ')}`,
      received: JSON.stringify(unknown),
    });
  }
  const names = all.filter((name) => !drop.includes(name));
  if (target !== undefined) {
    const line = { read: (count: number) => tell({ done: count * names.length, total: rows * names.length }) };
    const groups = async function* (): AsyncGenerator<StreamRow> {
      let rowStart = 0;
      for (const { num_rows } of metadata.row_groups) {
        const rowEnd = rowStart + Number(num_rows);
        let found: readonly Record<string, unknown>[] = [];
        const onComplete = (read: Record<string, unknown>[]): void => {
          found = read;
        };
        await parquetRead({ file, metadata, columns: names, compressors, utf8: false, rowFormat: 'object', rowStart, rowEnd, onComplete });
        yield* found as readonly StreamRow[];
        rowStart = rowEnd;
      }
    };
    tell({ kinds: await spill(groups(), target, { line, nanIsMissing: true }) });
    return;
  }
  const columns = new Map(names.map((name) => [name, new ColumnCells(name, rows, { kind: kinds[name], missing })]));
  let done = 0;
  await parquetRead({
    file,
    metadata,
    columns: names,
    compressors,
    // Bytes that the file does not call text stay bytes, and are refused with the column's name.
    utf8: false,
    onChunk({ columnName, columnData, rowStart, rowEnd }) {
      const cells = columns.get(columnName) as ColumnCells;
      for (let row = rowStart; row < rowEnd; row++) cells.put(row, columnData[row - rowStart]);
      done += rowEnd - rowStart;
      tell({ done, total: rows * names.length });
    },
  });
  const finished = Array.from(columns.values(), (cells) => cells.finish());
  tell(
    { columns: finished },
    finished.map(({ cells }) => cells.buffer),
  );
};

read(workerData as ParquetWork).catch((error: NodeJS.ErrnoException) => {
  if (error instanceof NablaError) {
    const { code, message, place, expected, received, hint } = error;
    tell({ error: { code, message, place, expected, received, hint } as never });
  } else {
    const io = error.code !== undefined && error.syscall !== undefined;
    tell({
      error: { code: io ? 'IO' : 'DATA_FORMAT', message: `cannot be read: ${error.message}`, place: (workerData as ParquetWork).path },
    });
  }
});
