import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { matches, programsOf, programsOfComments } from '../scripts/docs.mjs';
import { expectOwnFolder } from '../scripts/install.mjs';
import { atLeast } from '../scripts/toolchain.mjs';
import { cargoTotals, sentence, sum } from '../scripts/totals.mjs';

describe('the programs of the documentation', () => {
  const markdown = [
    '# Title',
    '```ts',
    "import { norm } from 'nabla';",
    'console.log(norm([3, 4]));',
    '```',
    '',
    '```text',
    '5',
    '```',
    '```ts',
    'dense(10); // a fragment',
    '```',
    '```ts',
    "import { dense } from 'nabla/layers';",
    '```',
    'Text between a program and a block means that the block is not its output.',
    '```text',
    'no output',
    '```',
  ].join('\n');

  it('are the blocks that import nabla, with the output that follows directly', () => {
    expect(programsOf(markdown)).toEqual([
      { line: 2, code: "import { norm } from 'nabla';\nconsole.log(norm([3, 4]));\n", output: '5\n' },
      { line: 13, code: "import { dense } from 'nabla/layers';\n", output: undefined },
    ]);
  });

  it('are found in doc comments, fenced or not', () => {
    const source = [
      '/**',
      ' * Sum of squares.',
      ' * @example',
      " * import { norm } from 'nabla';",
      ' * console.log(norm([3, 4]));',
      ' * @throws never',
      ' */',
      'export const a = 1;',
      '/** @example norm([3, 4]) */',
      'export const b = 1;',
      '/**',
      ' * @example',
      ' * ```ts',
      " * import { norm } from 'nabla';",
      ' * ```',
      ' * ```text',
      ' * 5',
      ' * ```',
      ' */',
    ].join('\n');
    expect(programsOfComments(source)).toEqual([
      { line: 3, code: "import { norm } from 'nabla';\nconsole.log(norm([3, 4]));\n", output: undefined },
      { line: 12, code: "import { norm } from 'nabla';\n", output: '5\n' },
    ]);
  });

  it.each([
    ['5\n', '5\n', true],
    ['5 \n', '5', true],
    ['5\n6\n', '5\n', false],
    ['loss 0.1234\n', 'loss 0.12…\n', true],
    ['loss 0.2234\n', 'loss 0.12…\n', false],
    ['a\nb\nc\nd\n', 'a\n…\nd\n', true],
    ['a\nd\n', 'a\n…\nd\n', true],
    ['(a)\n', '(a)\n', true],
    ['a\nb\n', '…\n', true],
  ])('print %j where the docs say %j: %s', (printed, expected, same) => expect(matches(printed, expected)).toBe(same));
});

it('sums what cargo reports', () => {
  const output =
    'test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\n\ntest result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured\n';
  expect(sentence(cargoTotals(output))).toBe('15 passed, 2 failed, 1 skipped');
  expect(sentence(sum(cargoTotals(''), { passed: 1, failed: 0, skipped: 0 }))).toBe('1 passed, 0 failed');
});

it.each([
  ['20.19.0', '20.19.0', true],
  ['20.18.9', '20.19.0', false],
  ['22.0.0', '20.19.0', true],
  ['1.100.0-nightly', '1.89.0', true],
  ['1.88', '1.89.0', false],
])('%s is at least %s: %s', (version, least, answer) => expect(atLeast(version, least)).toBe(answer));

describe('installing', () => {
  it('is refused where node_modules leads to another checkout, whose modules npm ci would empty', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nabla-install-'));
    const [own, link] = [join(folder, 'own'), join(folder, 'node_modules')];
    mkdirSync(own);
    symlinkSync(own, link);
    expect(() => expectOwnFolder(link)).toThrow('symbolic link');
    expect(() => [own, join(folder, 'none')].forEach(expectOwnFolder)).not.toThrow();
  });
});
