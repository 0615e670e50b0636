// Test totals, from what cargo and vitest report.
import { existsSync } from 'node:fs';
import { readJson } from './project.mjs';

export const none = { passed: 0, failed: 0, skipped: 0 };

export const sum = (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped });

/** From the lines `test result: ok. 12 passed; 0 failed; 1 ignored; …`, one a test binary. */
export const cargoTotals = (output) =>
  [...output.matchAll(/^test result: .*? (\d+) passed; (\d+) failed; (\d+) ignored/gm)]
    .map(([, passed, failed, skipped]) => ({ passed: Number(passed), failed: Number(failed), skipped: Number(skipped) }))
    .reduce(sum, none);

/** From vitest's JSON report; a file that failed to load counts as one failed test. */
export const vitestTotals = (report) => {
  if (!existsSync(report)) return { ...none, failed: 1 };
  const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = readJson(report);
  const broken = testResults.filter((file) => file.status === 'failed' && file.assertionResults.length === 0).length;
  return { passed: numPassedTests, failed: numFailedTests + broken, skipped: numPendingTests + numTodoTests };
};

export const sentence = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
