import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { compileSources } from '../../scripts/compile.mjs';
import { hostPlatform } from '../../scripts/platform.mjs';
import { at, readJson } from '../../scripts/project.mjs';

// Programs run as a user's would: on the built package, in a process of their own, whose end can be looked at.

/** How a program ended and what it said. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HowToRun {
  /** The Node to run it; default the one of the tests. */
  readonly node?: string;
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Kills it with SIGKILL so many milliseconds after its first output. */
  readonly killAfterMs?: number;
}

/** Runs `programs/<name>.mjs`. */
export const run = (name: string, args: readonly string[] = [], how: HowToRun = {}): Promise<Ended> =>
  new Promise((resolve, reject) => {
    const path = fileURLToPath(new URL(`programs/${name}.mjs`, import.meta.url));
    const child = spawn(how.node ?? process.execPath, [...(how.flags ?? []), path, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...how.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      if (stdout === '' && how.killAfterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), how.killAfterMs);
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout: stdout.trim(), stderr: stderr.trim() }));
  });

/** Runs the jobs, so many at a time, and gives their results in order. */
export const inLanes = async <T>(lanes: number, jobs: readonly (() => Promise<T>)[]): Promise<T[]> => {
  const results: T[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < jobs.length) {
      const at = next++;
      results[at] = await (jobs[at] as () => Promise<T>)();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return results;
};

/** The Node of the tests, and those that packaging.test.ts has installed: every one is tried that is there. */
export const nodes: readonly { readonly name: string; readonly path: string }[] = [
  { name: `the installed Node ${process.version}`, path: process.execPath },
  ...(hostPlatform() === 'linux-x64-gnu' ? Object.keys(readJson(at('__test__', 'nodes', 'package.json')).dependencies) : [])
    .map((name) => ({ name, path: at('__test__', 'nodes', 'node_modules', name, 'bin', 'node') }))
    .filter(({ path }) => existsSync(path)),
];

/** Builds what the programs import, if it is not there already. */
export const build = (): void => compileSources();
