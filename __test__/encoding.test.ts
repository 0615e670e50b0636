/** Encoders by themselves: texts to numbers and back; expected values are by the definition, levels in sorted order as scikit-learn has them. */
import { Dataset, sequential, Trainer } from 'nabla';
import { type CategoryRows, oneHot, ordinal } from 'nabla/data';
import { dense } from 'nabla/layers';
import { describe, expect, it } from 'vitest';

const colours: CategoryRows = [
  ['red', 1.5, 'yes'],
  ['blue', -2, 'no'],
  ['green', 0, 'yes'],
  ['blue', 4, 'yes'],
];

describe('oneHot by itself', () => {
  it('learns the levels in sorted order and leaves columns of numbers', () => {
    const fitted = oneHot().fit(colours);
    expect(fitted.levels).toEqual([['blue', 'green', 'red'], null, ['no', 'yes']]);
    expect(fitted.names).toEqual(['0=blue', '0=green', '0=red', '1', '2=no', '2=yes']);
    expect(fitted.transform(colours)).toEqual([
      [0, 0, 1, 1.5, 0, 1],
      [1, 0, 0, -2, 1, 0],
      [0, 1, 0, 0, 0, 1],
      [1, 0, 0, 4, 0, 1],
    ]);
  });

  it.each([undefined, 'first', 'binary'] as const)('with drop %s inverse gives the texts back', (drop) => {
    const fitted = oneHot(drop === undefined ? {} : { drop }).fit(colours);
    const encoded = fitted.transform(colours);
    expect(encoded[0]).toHaveLength({ none: 6, first: 4, binary: 5 }[drop ?? 'none']);
    expect(fitted.names).toHaveLength(encoded[0]!.length);
    expect(fitted.inverse(encoded)).toEqual(colours);
  });

  it('a missing or unseen level is all zeros, which is the level left out or none', () => {
    const rows = [['pink', null, null]];
    expect(oneHot().fit(colours).transform(rows)).toEqual([[0, 0, 0, Number.NaN, 0, 0]]);
    expect(
      oneHot()
        .fit(colours)
        .inverse([[0, 0, 0, Number.NaN, 0.2, 0.7]]),
    ).toEqual([[null, null, 'yes']]);
    expect(
      oneHot({ drop: 'first' })
        .fit(colours)
        .inverse([[0, 0, 3, 0]]),
    ).toEqual([['blue', 3, 'no']]);
  });
});

describe('ordinal by itself', () => {
  it('gives the numbers of the levels and the texts back, missing ones too', () => {
    const rows = [...colours, [null, null, '']];
    const fitted = ordinal().fit(rows);
    const encoded = fitted.transform(rows);
    expect(encoded).toEqual([[2, 1.5, 1], [0, -2, 0], [1, 0, 1], [0, 4, 1], Array(3).fill(Number.NaN)]);
    expect(fitted.inverse(encoded)).toEqual([...colours, [null, null, null]]);
  });

  it('names the cell of an unseen level, and a number that is none', () => {
    const fitted = ordinal().fit(colours);
    expect(() => fitted.transform([colours[0]!, ['grean', 1, 'no']])).toThrow(
      expect.objectContaining({ code: 'INVALID_DATA', place: 'matrix[1][0]', hint: expect.stringContaining("'green'") as string }),
    );
    for (const wrong of [3, -1, 0.5])
      expect(() => fitted.inverse([[wrong, 1, 0]])).toThrow(expect.objectContaining({ code: 'INVALID_DATA', place: 'matrix[0][0]' }));
  });
});

it.each([oneHot, ordinal])('what is no table of texts is refused by its cell', (encoder) => {
  const refused = (matrix: CategoryRows, code: string, place: string): void => {
    expect(() => encoder().fit(matrix)).toThrow(expect.objectContaining({ code, place }));
  };
  refused([['a', 1], ['b']], 'SHAPE_MISMATCH', 'matrix[1]');
  refused([['a'], [2]], 'INVALID_DATA', 'matrix[1][0]');
  refused(
    [
      ['a', 1],
      ['b', Number.NaN],
    ],
    'INVALID_DATA',
    'matrix[1][1]',
  );
  expect(() => encoder({ columns: ['colour'] }).fit(colours)).toThrow(/no column names/);
  expect(() =>
    encoder()
      .fit(colours)
      .transform([['red']]),
  ).toThrow(expect.objectContaining({ code: 'SHAPE_MISMATCH' }));
});

it('is what a fit sees: as many columns in the same order', async () => {
  const data = Dataset.from({
    features: colours.map(([colour, size, flag]) => ({ colour: colour!, size: size!, flag: flag! })),
    targets: [1, 2, 3, 4],
  });
  const trainer = (prepare: 'before' | 'in the fit') =>
    new Trainer({ prepare: prepare === 'before' ? [] : [oneHot()], model: sequential([dense(1)]), loss: 'meanSquaredError', epochs: 3 });
  const encoded = Dataset.from({ features: oneHot().fit(colours).transform(colours), targets: [1, 2, 3, 4] });
  const [within, before] = await Promise.all([trainer('in the fit').fit(data), trainer('before').fit(encoded)]);
  expect(within.weights().get('dense/kernel')).toEqual(before.weights().get('dense/kernel'));
});
