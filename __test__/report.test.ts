import { describe, expect, it } from 'vitest';

import { bar, countBar, duration, progressBar } from '../src/report/index.js';
import { confusionText } from '../src/text/confusion.js';
import { short } from '../src/text/number.js';
import { table } from '../src/text/table.js';

const stream = (isTTY: boolean, columns = 120) => {
  const written: string[] = [];
  return { isTTY, columns, written, write: (text: string) => written.push(text) };
};

const epoch = (index: number) => ({
  index,
  train: { loss: 1 / (index + 1) },
  validation: { loss: 2 / (index + 1), accuracy: 0.9 },
  learningRate: 1e-3,
  seconds: 0.5,
  batches: 10,
});

describe('progress', () => {
  it('draws a bar in eighths', () => {
    expect(bar(0, 4)).toBe('····');
    expect(bar(1, 4)).toBe('████');
    expect(bar(0.5, 4)).toBe('██··');
    expect(bar(1 / 32, 4)).toBe('▏···');
    expect(bar(7, 2)).toBe('██');
  });

  it('rewrites one line in a terminal', () => {
    const to = stream(true);
    const progress = progressBar(100, to);
    progress.epoch(epoch(99));
    progress.done();
    progress.done();
    expect(to.written).toEqual([
      '\r\u001b[2Kepoch 100/100 ████████████████████ loss 0.0100 · validation loss 0.0200 · validation accuracy 0.9000 · 500 ms',
      '\n',
    ]);
  });

  it('never writes a line longer than the terminal', () => {
    const to = stream(true, 40);
    progressBar(100, to).epoch(epoch(99));
    expect(to.written[0]?.replace('\r\u001b[2K', '').length).toBeLessThan(40);
  });

  it('writes about ten lines to a log', () => {
    const to = stream(false);
    const progress = progressBar(100, to);
    for (let index = 0; index < 100; index++) progress.epoch(epoch(index));
    progress.done();
    expect(to.written.length).toBe(10);
    expect(to.written.every((line) => line.endsWith('\n'))).toBe(true);
  });

  it('counts parts', () => {
    const to = stream(false);
    const progress = countBar('fold', 2, to);
    progress.tick();
    progress.tick();
    progress.done();
    expect(to.written).toEqual(['fold 1/2\n', 'fold 2/2\n']);
  });
});

describe('text', () => {
  it('shows durations and numbers shortly', () => {
    expect([0.0123, 4.2, 65, 3600].map(duration)).toEqual(['12 ms', '4.2 s', '1 min 05 s', '60 min 00 s']);
    expect([0, 12, 0.25, 152.34, 1e-5, 1.5e7, Number.NaN].map(short)).toEqual(['0', '12', '0.2500', '152.3', '1.00e-5', '15000000', 'NaN']);
  });

  it('aligns numbers to the right', () => {
    expect(
      table([
        ['', 'a'],
        ['row', '100'],
        ['r', '5'],
      ]),
    ).toBe('       a\nrow  100\nr      5');
  });

  it('prints a confusion matrix', () => {
    expect(
      confusionText({
        classes: ['no', 'yes'],
        matrix: [
          [3, 0],
          [1, 12],
        ],
      }),
    ).toBe(['true \\ predicted  no  yes', 'no                 3    ·', 'yes                1   12'].join('\n'));
  });
});
