/** Examples on real data reach what they promise. Those that take longer have dated results in examples/README.md. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';

const folder = process.env.NABLA_DATA;
const found = folder !== undefined && existsSync(join(folder, 'tabular'));
if (!found) console.warn('Examples are skipped: set NABLA_DATA to the folder that has tabular/.');

afterEach(() => vi.restoreAllMocks());

/** What a program of examples/ prints. */
const printed = async (program: () => Promise<unknown>, ...options: string[]): Promise<string> => {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((...words) => void lines.push(words.join(' ')));
  vi.spyOn(process, 'argv', 'get').mockReturnValue(['node', 'example', ...options]);
  await program();
  return lines.join('\n');
};
const number = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1]);

it.skipIf(!found)('sunspots: better than next month as this month', async () => {
  const text = await printed(() => import('../examples/sunspots.js'));
  const [, network, naive] = /last fifth: the network ([\d.]+), as this month ([\d.]+)/.exec(text) ?? [];
  // scikit-learn's AR(36) has 18.2.
  expect(Number(network)).toBeLessThan(0.97 * Number(naive));
  expect(Number(naive)).toBeCloseTo(20.1, 0);
  expect(number(text, /better on (\d) of 5/)).toBeGreaterThanOrEqual(3);
});

it.skipIf(!found)('speakers: a voice never heard is understood far less than a plain split says', { timeout: 120_000 }, async () => {
  // Each fifth recording: 600 of 3,000; all of them give 95.5 % and 63.5 %.
  const text = await printed(() => import('../examples/speakers.js'), '--every=5');
  expect(text).toMatch(/^600 recordings of ten digits by george, jackson, lucas, nicolas, theo, yweweler/);
  const plain = number(text, /on either side: +([\d.]+) %/);
  const grouped = number(text, /never heard: +([\d.]+) %/);
  expect(plain).toBeGreaterThan(grouped + 15);
  expect(grouped).toBeGreaterThan(20);
});

it.skipIf(!found)('tabular: adult with an AUC of at least 0.905', { timeout: 120_000 }, async () => {
  const text = await printed(() => import('../examples/tabular.js'));
  expect(number(text, /test: AUC ([\d.]+)/)).toBeGreaterThanOrEqual(0.905);
  expect(text).toMatch(/workclass +30725 +1836/);
});

it.skipIf(!found)('housing: an error below 54,000 dollars in five folds', { timeout: 120_000 }, async () => {
  const text = await printed(() => import('../examples/housing.js'));
  expect(number(text, /a network: RMSE (\d+)/)).toBeLessThan(54_000);
});

it('random-or-grid: random below the grid, the zoom below random, and its report', { timeout: 120_000 }, async () => {
  const text = await printed(() => import('../examples/random-or-grid.js'));
  const loss = (name: string): number => number(text, new RegExp(`${name}.*best loss ([\\d.]+)`));
  expect(text).toMatch(/grid, 6 × 6 +6 learning rates/);
  expect(loss('random')).toBeLessThan(loss('grid'));
  expect(loss('coarse to fine')).toBeLessThan(loss('random'));
  const path = /its zoom in pictures: (.*)/.exec(text)?.[1] ?? '';
  expect(await readFile(path, 'utf8')).toContain('<h2>Zoom</h2>');
});
