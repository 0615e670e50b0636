/** Marks of an axis. */
import { expect, it } from 'vitest';
import { niceTicks } from '../src/text/chart.js';

it.each([
  [0.18, 1.03, [0.2, 0.4, 0.6, 0.8, 1]],
  [0.7, 12.3, [2, 4, 6, 8, 10, 12]],
  [0, 1, [0, 0.5, 1]],
])('a range from %d to %d has round marks, three at least', (low, high, marks) => {
  expect(niceTicks(low, high, 4)).toEqual(marks);
});

it('any range has at least three marks within it, and not many', () => {
  for (let i = 1; i < 2000; i++) {
    const low = Math.sin(i) * 10 ** (i % 9);
    const high = low + (1 + (i % 97)) * 10 ** ((i % 7) - 3);
    const marks = niceTicks(low, high, 4);
    expect(marks.length).toBeGreaterThanOrEqual(3);
    expect(marks.length).toBeLessThanOrEqual(7);
    for (const mark of marks) expect(mark >= low - 1e-6 * (high - low) && mark <= high + 1e-6 * (high - low)).toBe(true);
  }
});
