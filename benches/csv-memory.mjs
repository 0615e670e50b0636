// Peak memory and time of reading a large CSV file, in memory and into a file: node benches/csv-memory.mjs [gigabytes = 1].
// Makes the file once, in the folder for temporary files, and needs `npm run build`.
import { execFileSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const [size = '1', mode, path] = process.argv.slice(2);
if (mode !== undefined) {
  const { Dataset } = await import('../dist/index.js');
  const start = performance.now();
  const data = await Dataset.fromCsv(path, { target: 'c19', inMemory: mode === 'memory' });
  const seconds = (performance.now() - start) / 1000;
  const most = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ mode, rows: data.rows, seconds: Number(seconds.toFixed(1)), mostMiB: Math.round(most) }));
} else {
  const file = join(tmpdir(), `nabla-bench-${size}.csv`);
  const bytes = Number(size) * 1e9;
  if (!existsSync(file) || statSync(file).size < bytes) {
    const out = openSync(file, 'w');
    writeSync(out, `${Array.from({ length: 20 }, (_, j) => `c${j}`).join()}\n`);
    // One block of rows again and again: what is measured does not depend on the numbers.
    const row = (i) => Array.from({ length: 20 }, (_, j) => Math.sin(i * 20 + j)).join();
    const block = `${Array.from({ length: 5_000 }, (_, i) => row(i)).join('\n')}\n`;
    for (let done = 0; done < bytes; done += block.length) writeSync(out, block);
    closeSync(out);
  }
  console.log(JSON.stringify({ file, gigabytes: statSync(file).size / 1e9 }));
  for (const how of ['memory', 'file']) {
    process.stdout.write(execFileSync(process.execPath, [fileURLToPath(import.meta.url), size, how, file], { encoding: 'utf8' }));
  }
}
