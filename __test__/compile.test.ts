/** Traced functions on real arrays, their gradients, and the operators of Tensor by NumPy's definitions. */
import { describe, expect, it } from 'vitest';
import { compile, type Tensor, valueAndGradient } from '../src/index.js';
import { dense, dropout, scan } from '../src/layers/index.js';
import { native } from '../src/native/index.js';

// −0 is 0 here.
const flat = ({ values }: { readonly values: ArrayLike<number> }) => Array.from(values, (value) => value + 0);

describe('compile', () => {
  it('runs as the interface has it', () => {
    const f = compile((x, y) => x.matmul(y).tanh());
    const a = { values: Float64Array.of(1, 2, 3, 4), shape: [2, 2] };
    const { values, shape } = f(a, [[0.5], [-0.25]]);
    expect(shape).toEqual([2, 1]);
    expect(values).toBeInstanceOf(Float64Array);
    [0, Math.tanh(0.5)].forEach((expected, i) => expect(values[i]).toBeCloseTo(expected, 14));
  });

  it('takes numbers, typed and nested arrays, several by name, and gives several', () => {
    const f = compile(({ x, k, bias }) => ({ sum: x.multiply(k).add(bias), mean: x.mean() }));
    const { sum, mean } = f({ x: [Float32Array.of(1, 2), Float32Array.of(3, 4)], k: 10, bias: Int32Array.of(1, 2) });
    expect([flat(sum), sum.shape, flat(mean), mean.shape]).toEqual([[11, 22, 31, 42], [2, 2], [2.5], []]);
  });

  it('computes in single precision where all numbers are single', () => {
    const f = compile((x) => x.divide(3));
    expect(f(Float32Array.of(1)).values).toEqual(Float32Array.of(1 / 3));
    expect(f(Float64Array.of(1)).values).toEqual(Float64Array.of(1 / 3));
    expect(compile((x) => x.divide(3), { precision: 'f64' })(Float32Array.of(1)).values).toEqual(Float64Array.of(1 / 3));
  });

  it('runs scans and masks, and differentiates them', () => {
    const x = [[[1], [2], [3]], [[4], [5], [6]]]; // biome-ignore format: rows
    const counts = [[1, 1, 0], [1, 0, 1]]; // biome-ignore format: rows
    const run = (x: Tensor, counts: Tensor, decay: Tensor) =>
      scan(x.withMask(counts), 1, (xₜ, h) => ({ state: h.multiply(decay).add(xₜ) }));
    const kept = compile(({ x, counts, decay }) => {
      const { output, state } = run(x, counts, decay);
      return { output, state, mean: output.mean(1), most: x.withMask(counts).max(1) };
    })({ x, counts, decay: 0.5 });
    expect(flat(kept.output)).toEqual([1, 2.5, 0, 4, 0, 8]);
    expect(flat(kept.state)).toEqual([2.5, 8]);
    expect(flat(kept.mean)).toEqual([1.75, 6]);
    expect(flat(kept.most)).toEqual([2, 6]);
    const { value, gradients } = valueAndGradient(({ x, counts, decay }) => run(x, counts, decay).state.sum())({ x, counts, decay: 0.5 });
    expect(value).toBe(10.5);
    expect(flat(gradients.x)).toEqual([0.5, 1, 0, 0.5, 0, 1]);
    expect(flat(gradients.decay)).toEqual([5]);
  });

  it('compiles once for each combination of shapes', () => {
    let traced = 0;
    const f = compile((x) => {
      traced++;
      return x.square();
    });
    const before = native().compilations();
    for (let i = 0; i < 5; i++) for (const n of [2, 3]) expect(flat(f(new Float64Array(n).fill(i)))).toEqual(new Array(n).fill(i * i));
    expect([traced, native().compilations() - before]).toEqual([2, 2]);
  });

  it('has its arguments given back, constants, and what does not depend on all of them', () => {
    expect(flat(compile(({ x }) => ({ x: x.add(1) }))({ x: [1] }).x)).toEqual([2]);
    const f = compile((x, _y) => ({ x, again: x.reshape([2, 1]), one: x.multiply(0).add(1).sum() }));
    const found = f([5, 6], [1]);
    expect([flat(found.x), flat(found.again), flat(found.one)]).toEqual([[5, 6], [5, 6], [2]]);
    expect(flat(compile((x) => x)(new Float64Array(0)))).toEqual([]);
    expect(flat(compile((x) => dropout(0.5)(x))([1, 2]))).toEqual([1, 2]);
  });

  // What the types refuse is tried.
  const wrong =
    (run: unknown, ...inputs: unknown[]) =>
    () =>
      (compile(run as (x: Tensor) => Tensor) as (...all: unknown[]) => unknown)(...inputs);
  it.each<[string, () => unknown, RegExp]>([
    [
      'weights',
      wrong((x: Tensor) => dense(3)(x), [[1]]),
      /dense: a compiled function has no weights of its own, and this asks for 'dense\/kernel'/,
    ],
    ['a promise', wrong(async (x: Tensor) => x, [1]), /asynchronous/],
    ['no result', wrong(() => undefined, [1]), /expected the function to return a Tensor/],
    [
      'arithmetic of JavaScript',
      wrong((x: Tensor) => x.add((x as unknown as number) * 2), [1]),
      /cannot be used as a number.*[\s\S]*x\.add\(1\)/,
    ],
    ['a comparison of JavaScript', wrong((x: Tensor) => ((x as unknown as number) > 0 ? x : x), [1]), /cannot be used as a number/],
    ['no function', wrong(3, [1]), /to be a function/],
    ['no array', wrong((x: Tensor) => x), /at least one array/],
    ['text', wrong((x: Tensor) => x, 'abc'), /expected a number, a typed array/],
    ['a ragged array', wrong((x: Tensor) => x, [[1, 2], [3]]), /argument 0\[1\]: 1 values, before there were 2/],
    ['text among numbers', wrong((x: Tensor) => x, [1, 'a']), /argument 0\[1\]: expected a number/],
    ['a shape that is not full', wrong((x: Tensor) => x, { values: [1, 2, 3], shape: [2, 2] }), /3 values do not fill the shape \[2, 2\]/],
    ['shapes that do not fit', wrong((x: Tensor, y: Tensor) => x.matmul(y), [[1, 2]], [[1, 2]]), /matmul/],
    [
      'a size beyond memory',
      wrong(
        (x: Tensor) =>
          x
            .reshape([1, 1])
            .add(x.reshape([1, 1]))
            .pad([
              [0, 2 ** 30],
              [0, 2 ** 30],
            ]),
        [1],
      ),
      /does not fit in memory/,
    ],
  ])('refuses %s', (_, run, message) => {
    expect(run).toThrow(message);
  });

  it('keeps a Tensor from another function out', () => {
    let kept: Tensor | undefined;
    compile((x) => (kept = x))([1]);
    expect(() => compile((x) => x.add(kept as Tensor))([1])).toThrow(/another trace/);
  });
});

describe('valueAndGradient', () => {
  it('gives value and gradients, by position and by name', () => {
    const f = valueAndGradient((x, y) => x.multiply(y).sum());
    expect(f([1, 2], [3, 4])).toMatchObject({ value: 11 });
    expect(f([1, 2], [3, 4]).gradients.map(flat)).toEqual([
      [3, 4],
      [1, 2],
    ]);
    const g = valueAndGradient(({ w, x }) => x.matmul(w).square().sum(), { of: ['w'] });
    const { value, gradients } = g({ w: [[1], [2]], x: [[3, 4]] });
    expect([value, flat(gradients.w), Object.keys(gradients)]).toEqual([121, [66, 88], ['w']]);
    expect(flat(valueAndGradient((x, y) => x.add(y.multiply(0)).sum(), { of: [1] })([1], [2]).gradients[0]!)).toEqual([0]);
    expect(flat(valueAndGradient((x, _y) => x.sum(), { of: [1] })([1], [[2, 3]]).gradients[0]!)).toEqual([0, 0]);
  });

  it('agrees with central differences', () => {
    const f = valueAndGradient((x, y) =>
      x
        .matmul(y)
        .softmax()
        .log()
        .multiply(x.tanh().sum(-1, { keepDims: true }))
        .mean(),
    );
    const [x, y] = [Float64Array.of(0.3, -0.7, 1.1, 0.2, 0.9, -0.4), Float64Array.of(0.5, 0.1, -0.2, 0.8, 0.4, -0.6)];
    const at = () => f({ values: x, shape: [2, 3] }, { values: y, shape: [3, 2] });
    const { gradients } = at();
    [x, y].forEach((array, which) =>
      array.forEach((value, i) => {
        const side = (step: number) => {
          array[i] = value + step;
          const { value: found } = at();
          array[i] = value;
          return found;
        };
        const numeric = (side(1e-5) - side(-1e-5)) / 2e-5;
        expect(Math.abs(gradients[which]!.values[i]! - numeric)).toBeLessThan(1e-8);
      }),
    );
  });

  it('refuses what has no single value, and arguments that are not there', () => {
    expect(() => valueAndGradient((x) => x.square())([1, 2])).toThrow(/a gradient is of one number, the function gives \[2\]/);
    expect(() => valueAndGradient((x) => x.sum(), { of: [1] })([1])).toThrow(/to name arguments, '0'/);
    expect(() => valueAndGradient(({ x }) => x.sum(), { of: ['y'] })({ x: [1] })).toThrow(/'x'/);
  });
});

describe('operators of Tensor', () => {
  const x = [
    [3, -1, 2],
    [0, 5, -4],
  ];
  const of = (run: (x: Tensor) => Tensor) => {
    const { values, shape } = compile(run)(x);
    return [Array.from(values), shape] as const;
  };
  it.each<[string, (x: Tensor) => Tensor, readonly number[], readonly number[]]>([
    ['where', (x) => x.greater(0).where(x, 7), [3, 7, 2, 7, 5, 7], [2, 3]],
    [
      'where broadcasts',
      (x) =>
        x
          .slice(0, 0, 1)
          .greater(0)
          .where(x, x.slice(1, 0, 1)),
      [3, 3, 2, 0, 0, -4],
      [2, 3],
    ],
    [
      'where of NaN not chosen',
      (x) => x.greater(0).where(x.log(), -1).exp().multiply(1),
      [3, Math.exp(-1), 2, Math.exp(-1), 5, Math.exp(-1)],
      [2, 3],
    ],
    ['greaterOrEqual', (x) => x.greaterOrEqual(2), [1, 0, 1, 0, 1, 0], [2, 3]],
    ['lessOrEqual', (x) => x.lessOrEqual(0), [0, 1, 0, 1, 0, 1], [2, 3]],
    ['notEqual', (x) => x.notEqual(5), [1, 1, 1, 1, 0, 1], [2, 3]],
    ['clamp', (x) => x.clamp(-1, 2), [2, -1, 2, 0, 2, -1], [2, 3]],
    ['min', (x) => x.min(1), [-1, -4], [2]],
    ['min of all', (x) => x.min(undefined, { keepDims: true }), [-4], [1, 1]],
    ['argMax', (x) => x.argMax(), [0, 1], [2]],
    ['argMin along the first', (x) => x.argMin(0), [1, 0, 1], [3]],
    ['take', (x) => x.take([2, -3, 2], { axis: 1 }), [2, 3, 2, -4, 0, -4], [2, 3]],
    ['takeAlong', (x) => x.takeAlong(x.argMax().reshape([2, 1])), [3, 5], [2, 1]],
    ['flip', (x) => x.flip(1), [2, -1, 3, -4, 5, 0], [2, 3]],
    [
      'pad with a value',
      (x) =>
        x.pad(
          [
            [0, 0],
            [1, -1],
          ],
          { value: 9 },
        ),
      [9, 3, -1, 9, 0, 5],
      [2, 3],
    ],
    [
      'pad by edge',
      (x) =>
        x.slice(0, 0, 1).pad(
          [
            [0, 0],
            [2, 1],
          ],
          { mode: 'edge' },
        ),
      [3, 3, 3, -1, 2, 2],
      [1, 6],
    ],
    [
      'pad by reflection',
      (x) =>
        x.slice(0, 0, 1).pad(
          [
            [0, 0],
            [3, 2],
          ],
          { mode: 'reflect' },
        ),
      [-1, 2, -1, 3, -1, 2, -1, 3],
      [1, 8],
    ],
    [
      'pad by wrapping',
      (x) =>
        x.slice(0, 0, 1).pad(
          [
            [0, 0],
            [2, 2],
          ],
          { mode: 'wrap' },
        ),
      [-1, 2, 3, -1, 2, 3, -1],
      [1, 7],
    ],
  ])('%s', (_, run, values, shape) => {
    const [found, foundShape] = of(run);
    expect(foundShape).toEqual(shape);
    found.forEach((value, i) => expect(value).toBeCloseTo(values[i]!, 12));
  });

  it('sends gradients to what was chosen', () => {
    const gradient = (run: (x: Tensor) => Tensor) => flat(valueAndGradient(run)([[-1, 4, 4]]).gradients[0]!);
    expect(gradient((x) => x.greater(0).where(x.square(), 0).sum())).toEqual([0, 8, 8]);
    expect(
      gradient((x) =>
        x
          .take([1, 1, 0], { axis: 1 })
          .multiply([[1], [2], [4]].length)
          .sum(),
      ),
    ).toEqual([3, 6, 0]);
    expect(
      gradient((x) =>
        x
          .pad(
            [
              [0, 0],
              [1, 1],
            ],
            { mode: 'reflect' },
          )
          .sum(),
      ),
    ).toEqual([1, 3, 1]);
    expect(gradient((x) => x.takeAlong(x.argMax().reshape([1, 1])).sum())).toEqual([0, 1, 0]);
  });

  it('says what does not fit', () => {
    expect(() => of((x) => x.take([3], { axis: 1 }))).toThrow(/no place 3 on axis 1/);
    expect(() => of((x) => x.take([-4], { axis: 1 }))).toThrow(/expected index 0 to be a place/);
    expect(() => of((x) => x.argMax(2))).toThrow(/axis 2 does not exist/);
    expect(() => of((x) => x.takeAlong(x.slice(0, 0, 1)))).toThrow(/differ on axis/);
    expect(() => of((x) => x.clamp(1, 0))).toThrow(/high/);
    expect(() =>
      of((x) =>
        x.pad(
          [
            [0, 0],
            [0, 1],
          ],
          { mode: 'mirror' as 'edge' },
        ),
      ),
    ).toThrow(/'constant', 'edge'/);
    expect(() => of((x) => x.where([[1, 2]] as never, 0))).toThrow(/operand/);
  });
});
