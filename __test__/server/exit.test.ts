import { beforeAll, expect, it } from 'vitest';

import { build, inLanes, nodes, run } from './program.js';

beforeAll(build);

it.each([
  ['ends by itself when nothing is in flight', 'nothing', 'exit'],
  ['ends by itself after an abort', 'aborted', 'enough enough\nexit'],
])('a process %s', async (_, program, said) => {
  expect(await run('exit', [program])).toEqual({ code: 0, signal: null, stdout: said, stderr: '' });
});

it.each(nodes)('a process stays alive for its fit, prediction and folds, and then ends by itself, on $name', async ({ path: node }) => {
  const said = 'fitted 3\npredicted 8\nfolds 10\nexit';
  expect(await run('exit', ['pending'], { node })).toEqual({ code: 0, signal: null, stdout: said, stderr: '' });
});

it.each(nodes)('process.exit() with four fits in flight exits with its code on $name', async ({ path: node }) => {
  const runs = node === process.execPath ? 20 : 4;
  const jobs = Array.from({ length: runs }, (_, i) => () => run('exit', ['exit', String(1 + 3 * i)], { node }));
  const ends = await inLanes(2, jobs);
  expect(ends).toEqual(ends.map(() => ({ code: 42, signal: null, stdout: 'exit', stderr: '' })));
});

it.each([
  ['NABLA_SIMD', 'avx9', 'expected scalar, avx2, avx512 or neon'],
  ['NABLA_THREADS', 'abc', 'a whole number from 1 to 1024'],
])('a setting that cannot be followed ends the first use with its name: %s=%s', async (name, value, expected) => {
  const ended = await run('exit', ['pending'], { env: { [name]: value } });
  expect(ended).toMatchObject({ code: 1, signal: null, stdout: 'exit' });
  for (const words of ['INVALID_OPTION', name, value, expected]) expect(ended.stderr).toContain(words);
});
