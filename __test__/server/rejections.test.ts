import { beforeAll, expect, it } from 'vitest';

import { build, run } from './program.js';

beforeAll(build);

// With this flag an unhandled rejection is the end of the process, with a code that is not 0.
it.each([
  ['that nobody awaits or iterates', 'never', 'over'],
  ['that is awaited long after it failed, twice', 'late', 'NOT_FINITE NOT_FINITE'],
  ['that is awaited and iterated: both reject', 'both', 'NOT_FINITE NOT_FINITE NOT_FINITE'],
  ['whose loop was left before it failed', 'left', 'epoch 0'],
])('a failing fit %s is no unhandled rejection', async (_, program, said) => {
  const ended = await run('rejections', [program], { flags: ['--unhandled-rejections=strict'] });
  expect(ended).toEqual({ code: 0, signal: null, stdout: said, stderr: '' });
});
