// Keeps what a program of minutes came to: a dated file beside the other results in benches/results/.
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';

/** Writes a result and says where. */
export const record = async (name: string, work: string, result: Readonly<Record<string, unknown>>): Promise<void> => {
  const date = new Date().toISOString().slice(0, 16).replace(':', '');
  const machine = { processor: cpus()[0]?.model, cores: cpus().length, node: process.version };
  await mkdir('benches/results', { recursive: true });
  const file = `benches/results/${date}-${name}.json`;
  await writeFile(file, `${JSON.stringify({ work, date, machine, ...result }, undefined, 2)}\n`);
  console.log(`recorded in ${file}`);
};
