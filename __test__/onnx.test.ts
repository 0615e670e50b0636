/** The test vectors of the onnx package, each traced, compiled and run; `fixtures/scripts/onnx_nodes.py` writes them. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { compile, type Tensor } from '../src/index.js';
import { rules, type Value } from './onnx/operators.js';

interface Vector {
  readonly name: string;
  readonly operator: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: readonly (Value | null)[];
  readonly outputs: readonly Value[];
}

const file = new URL('fixtures/onnx-nodes.json.gz', import.meta.url);
const { vectors } = JSON.parse(gunzipSync(readFileSync(file)).toString()) as { vectors: readonly Vector[] };

/** Why a vector is left out: the first reason that fits. */
const reasons: readonly (readonly [RegExp, string])[] = [
  [/^test_div_(u?int)/, 'whole numbers that divide with truncation: all numbers are real here'],
  [/^test_training_dropout(?!_zero)/, 'random numbers of another generator'],
  [/^test_reduce_(max|min)_empty_set/, 'refused: nothing has no largest element'],
];
const reasonFor = (name: string): string | undefined => reasons.find(([pattern]) => pattern.test(name))?.[1];

/** ONNX's references are in the type of the vector, ours in double precision. */
const tolerances: Readonly<Record<string, number>> = { float16: 2e-3, float32: 1e-5, float64: 1e-7 };
/** The values of this one are written with four digits, to one in the last. */
const rounded = 'test_averagepool_2d_ceil_last_window_starts_on_pad';

/** JSON has no infinities: they are words there. */
const words: Readonly<Record<string, number>> = { inf: Number.POSITIVE_INFINITY, '-inf': Number.NEGATIVE_INFINITY, nan: Number.NaN };
const numbers = (value: Value): number[] => value.values.map((x) => words[x] ?? Number(x));

const check = ({ name, operator, attributes, inputs, outputs }: Vector): void => {
  const given = inputs.map((input) => input && { ...input, values: numbers(input) });
  const known = given.flatMap((input, i) => (input === null ? [] : [[`x${i}`, input] as const]));
  const run = compile((named) => {
    const x = inputs.map((_, i) => (given[i] === null ? undefined : (named as unknown as Record<string, Tensor>)[`x${i}`]));
    const y = rules[operator]!({
      name,
      attributes,
      x: x as Tensor[],
      given,
      outputs: outputs.length,
      ranks: outputs.map(({ shape }) => shape.length),
    });
    return Object.fromEntries((Array.isArray(y) ? (y as Tensor[]) : [y as Tensor]).map((tensor, i) => [`y${i}`, tensor]));
  });
  const found = run(Object.fromEntries(known));
  outputs.forEach((output, i) => {
    const own = found[`y${i}`];
    if (own === undefined && i > 0) return;
    expect(own!.shape).toEqual(output.shape);
    numbers(output).forEach((expected, at) => {
      const value = own!.values[at]!;
      const off = Math.abs(value - expected);
      const close =
        Object.is(value, expected) ||
        value === expected ||
        off <= (name === rounded ? 1e-4 : (tolerances[output.type] ?? 0)) * Math.max(1, Math.abs(expected));
      if (!close) expect.fail(`output ${i}[${at}] is ${value}, not ${expected}`);
    });
  });
};

describe('node vectors of ONNX', () => {
  const run = vectors.filter(({ name }) => reasonFor(name) === undefined);
  const operators = [...new Set(run.map(({ operator }) => operator))];
  it.each(operators)('%s', (operator) => {
    const failures: string[] = [];
    for (const vector of run.filter((one) => one.operator === operator)) {
      try {
        check(vector);
      } catch (error) {
        failures.push(`${vector.name}: ${String(error).split('\n')[0]}`);
      }
    }
    expect(failures).toEqual([]);
  });

  it('prints how many there are', () => {
    console.log(
      `ONNX: ${run.length} of ${vectors.length} node vectors run, over ${operators.length} operators; ${vectors.length - run.length} left out with a reason`,
    );
    expect(vectors.length - run.length).toBe(14);
  });
});
