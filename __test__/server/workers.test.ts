import { beforeAll, describe, expect, it } from 'vitest';

import { build, nodes, run } from './program.js';

beforeAll(build);

// Side by side, as most of the time goes into starting.
describe.concurrent.each(nodes)('workers of $name', ({ path: node }) => {
  const here = node === process.execPath;
  const rounds = here ? 30 : 6;

  it.runIf(here)('load the addon eight at once and train to the same bits', async () => {
    const { stdout, ...rest } = await run('workers', ['load', '8'], { node });
    expect({ ...rest, stdout }).toEqual({ code: 0, signal: null, stdout: '8 workers, 1 result', stderr: '' });
  });

  it(`are terminated in the middle of training and predicting ${rounds} times, and the main thread does not mind`, async () => {
    expect(await run('workers', ['terminate', String(rounds)], { node })).toEqual({
      code: 0,
      signal: null,
      stdout: `${rounds} terminated, then 2 epochs`,
      stderr: '',
    });
  });

  it('exit by themselves, with fits in flight too', async () => {
    expect(await run('workers', ['exit', '6'], { node })).toEqual({ code: 0, signal: null, stdout: 'codes 0 5 0 5 0 5', stderr: '' });
  });

  it.runIf(here)('end with the main thread', async () => {
    expect(await run('workers', ['main', '4'], { node })).toEqual({ code: 7, signal: null, stdout: '', stderr: '' });
  });
});
