import { beforeAll, describe, expect, it } from 'vitest';

import { build, run } from './program.js';

beforeAll(build);

interface Turns {
  readonly turns: number;
  readonly between: readonly number[];
  readonly epochs: number;
  readonly stopped: string;
}

describe('a server that trains', () => {
  it('goes on turning its event loop', async () => {
    const { code, stdout, stderr } = await run('event-loop', ['turns']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { heavy, flood } = JSON.parse(stdout) as { readonly heavy: Turns; readonly flood: Turns };
    // All cores are busy for milliseconds an epoch. A fit on the event loop, or one that starved it, would leave no turn between two
    // epochs; on two busy cores there were 10,000 and more.
    expect(heavy.stopped).toBe('stop');
    expect(heavy.epochs).toBeGreaterThanOrEqual(5);
    expect(Math.min(...heavy.between)).toBeGreaterThan(10);
    // Thousands of epochs a second come in bursts, of at most a thousand: there are turns between the bursts.
    expect(flood.stopped).toBe('stop');
    let burst = 0;
    const bursts = flood.between.map((turns) => {
      burst = turns > 0 ? 0 : burst + 1;
      return burst;
    });
    expect(Math.max(...bursts)).toBeLessThanOrEqual(1000);
  });

  it('answers two hundred requests at once, as it would one by one', async () => {
    const { code, stdout, stderr } = await run('event-loop', ['predict']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { requests, equal, sync, trained } = JSON.parse(stdout) as Record<string, number | boolean>;
    expect({ requests, equal, sync }).toEqual({ requests: 200, equal: 200, sync: 200 });
    expect(trained).toBe(true);
  });
});
