// The tests in TypeScript, with their totals; a full run that passed is remembered for this very tree, so `npm run check` after
// `npm test` does not run them again.
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { portableBinary } from './binary.mjs';
import { recall, remember, runTool, StepFailed, state, treeHash } from './project.mjs';
import { vitestTotals } from './totals.mjs';

const relevant = ['CI', 'NABLA_DATA', 'NABLA_SIMD', 'NABLA_THREADS'];

const key = () => treeHash([portableBinary() !== undefined, ...relevant.map((name) => process.env[name] ?? null)]);

/** What an earlier full run said of this tree, if all its tests passed. */
export const testedBefore = () => recall('vitest', key());

/** All tests, or those that `args` select (never remembered). Returns the totals; throws `StepFailed` with `totals` if one failed. */
export const runVitest = (args = []) => {
  const report = join(state, 'vitest-report.json');
  const before = key();
  rmSync(report, { force: true });
  try {
    runTool('vitest/vitest.mjs', ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${report}`, ...args]);
  } catch (error) {
    if (error instanceof StepFailed) error.totals = vitestTotals(report);
    throw error;
  }
  const totals = vitestTotals(report);
  if (args.length === 0) remember('vitest', before, totals);
  return totals;
};
