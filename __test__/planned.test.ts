/** What the families declare and have not built: said by an error and listed here. And what they refuse. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { activationNames } from '../src/activations/index.js';
import { NablaError, plannedNames } from '../src/errors/index.js';
import * as initializers from '../src/initializers/index.js';
import * as layers from '../src/layers/index.js';
import * as losses from '../src/losses/index.js';
import * as metrics from '../src/metrics/index.js';
import { metricNames } from '../src/metrics/names.js';
import * as optimizers from '../src/optimizers/index.js';
import * as regularizers from '../src/regularizers/index.js';
import * as schedules from '../src/schedules/index.js';
import { Tensor } from '../src/trace/index.js';
import * as tuning from '../src/tuning/index.js';

const families = { layers, losses, regularizers, initializers, optimizers, schedules, metrics, tuning } as Record<
  string,
  Record<string, unknown>
>;

/** What is declared only. A name leaves this list in the change that builds it. */
const notBuilt = {
  layers: '',
  losses: '',
  regularizers: '',
  initializers: '',
  tuning: '',
};
const words = (list: string): string[] => list.split(' ').filter(Boolean);
const notBuiltOptions: string[] = [];

describe('what is not built', () => {
  it('is exactly what is listed here', () => {
    const listed = Object.entries(notBuilt).flatMap(([family, names]) => words(names).map((name) => `${family}/${name}`));
    // Of the families here; data, trainer and validation come along with tuning and have tests of their own.
    const names = plannedNames().filter((name) => Object.hasOwn(notBuilt, name.slice(0, Math.max(0, name.indexOf('/')))));
    expect(names).toEqual([...listed, ...notBuiltOptions].sort());
  });

  it.each(Object.entries(notBuilt).filter(([family]) => family !== 'Tensor'))(
    'throws NOT_IMPLEMENTED with its name: %s',
    (family, names) => {
      for (const name of words(names)) {
        const run = families[family]![name] as () => unknown;
        expect(run.name).toBe(name);
        expect(run).toThrow(expect.objectContaining({ code: 'NOT_IMPLEMENTED', place: `${family}/${name}` }) as Error);
      }
    },
  );
});

it('has each activation as a method of Tensor', () => {
  for (const name of activationNames) if (name !== 'identity') expect(typeof Tensor.prototype[name]).toBe('function');
});

it('has each metric of a recipe as a function', () => {
  for (const name of metricNames) expect(typeof families.metrics![name]).toBe('function');
});

/** Values that are wrong nearly everywhere. */
const wrong: unknown[] = [
  undefined,
  null,
  true,
  0,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 60,
  10n,
  '',
  'relu',
  'x'.repeat(100),
  Symbol('s'),
  [],
  [1],
  [[1]],
  ['a'],
  [null],
  {},
  { a: 1 },
  { length: -1 },
  Object.create(null),
  new Date(0),
  new Map(),
  new Float32Array(2),
  () => 1,
  Promise.resolve(1),
  /x/,
];

describe('bad arguments are coded errors', () => {
  const functions = Object.entries(families).flatMap(([family, exports]) =>
    Object.entries(exports).flatMap(([name, value]) =>
      typeof value === 'function' ? [[`${family}/${name}`, value as (...args: unknown[]) => unknown] as const] : [],
    ),
  );
  it.each(functions)('%s', (_, run) => {
    for (const first of wrong) {
      for (const args of [[first], [8, first], [[], first], [[1], [1], first], [first, {}], [first, first, first]]) {
        try {
          run(...args);
        } catch (error) {
          if (!(error instanceof NablaError)) throw new Error(`${args.map((arg) => inspect(arg)).join(', ')}: ${error}`, { cause: error });
          expect(error.message.length).toBeGreaterThan(10);
        }
      }
    }
  });
});
