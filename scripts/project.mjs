// Where things are, how commands are run, and how a step knows that nothing changed since it last succeeded.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
/** Path inside the project. */
export const at = (...parts) => join(root, ...parts);
/** Where cargo puts what it builds. */
export const cargoTarget = resolve(root, process.env.CARGO_TARGET_DIR ?? 'target');
/** Scratch of these scripts; deleting it costs time only. */
export const state = at('target', 'npm');

export const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Writes whole or not at all: temporary file, then rename. */
export const writeWhole = (path, content) => {
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.new`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
};

/** A step that did not succeed: reported as one line, the details were printed by the command itself. */
export class StepFailed extends Error {}

/**
 * Runs a command in the project with its output shown. With `capture` its standard output is returned (of a failed one too, in the
 * error's `output`), and shown at its end unless `quiet`. Throws `StepFailed` if it fails.
 */
export const run = (command, args, { env = {}, cwd = root, capture = false, quiet = false, timeout } = {}) => {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    timeout,
    stdio: ['ignore', capture ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
  });
  if (capture && !quiet) process.stdout.write(result.stdout);
  if (result.error !== undefined) throw new StepFailed(`${command} could not be started: ${result.error.message}`);
  if (result.status !== 0) {
    const failure = new StepFailed(
      `${[command, ...args].join(' ').replace(process.execPath, 'node').replaceAll(`${root}/`, '')} failed${result.signal === null ? '' : ` (${result.signal})`}`,
    );
    failure.output = `${result.stdout ?? ''}${result.stderr ?? ''}`;
    throw failure;
  }
  return capture ? result.stdout : '';
};

/** A program of node_modules, run by this Node. */
export const runTool = (script, args, options) => run(process.execPath, [at('node_modules', ...script.split('/')), ...args], options);

/** npm itself: the one that called us, else the one on the path. */
export const runNpm = (args, options) =>
  process.env.npm_execpath?.endsWith('.js')
    ? run(process.execPath, [process.env.npm_execpath, ...args], options)
    : run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, options);

const skipped = new Set(['node_modules', 'target', 'dist', '.git']);

const walk = (path, found) => {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (skipped.has(entry.name) || entry.name.endsWith('.node') || entry.name.endsWith('.tgz')) continue;
    const full = join(path, entry.name);
    if (entry.isDirectory()) walk(full, found);
    else if (entry.isFile()) found.push(full);
  }
};

/** One hash of the names and contents of `paths` (files or folders of the project; a missing one counts as missing) and of `extra`. */
export const hashOf = (paths, extra = []) => {
  const hash = createHash('sha256').update(JSON.stringify([process.versions.node, process.platform, process.arch, ...extra]));
  for (const path of paths) {
    const full = at(path);
    const files = [];
    if (existsSync(full)) {
      try {
        walk(full, files);
      } catch (error) {
        if (error.code !== 'ENOTDIR') throw error;
        files.push(full);
      }
    }
    for (const file of files.sort()) {
      const content = readFileSync(file);
      hash.update(`\n${relative(root, file)}\0${content.length}\0`).update(content);
    }
  }
  return hash.digest('hex');
};

/** Everything that can change what a test or check says. */
export const treeHash = (extra = []) =>
  hashOf(
    [
      ...['crates', 'src', '__test__', 'examples', 'benches', 'scripts', 'datasets', 'docs', 'npm', '.cargo'],
      ...['Cargo.toml', 'Cargo.lock', 'rustfmt.toml', 'package.json', 'package-lock.json', 'biome.json', 'vitest.config.ts'],
      ...[
        'tsconfig.json',
        'tsconfig.build.json',
        'tsconfig.examples.json',
        'README.md',
        'ARCHITECTURE.md',
        'CONTRIBUTING.md',
        'CHANGELOG.md',
      ],
    ],
    extra,
  );

/** Notes that a step succeeded for `key`, with its result. */
export const remember = (name, key, result) => {
  const record = { key, result, at: new Date().toISOString() };
  writeWhole(join(state, `${name}.json`), `${JSON.stringify(record)}\n`);
  return record;
};

/** That note, if the step last succeeded for this very key. */
export const recall = (name, key) => {
  const file = join(state, `${name}.json`);
  const record = existsSync(file) ? readJson(file) : undefined;
  return record?.key === key ? record : undefined;
};

/**
 * Runs `work` unless it succeeded before with the same `key` and its `outputs` still exist.
 * Returns what `work` returned then or now, and whether it ran now.
 */
export const once = (name, { key, outputs = [] }, work) => {
  const before = outputs.every((path) => existsSync(path)) ? recall(name, key) : undefined;
  return before === undefined ? { ...remember(name, key, work()), ran: true } : { ...before, ran: false };
};

export const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Runs a script's body: a failed step ends it with one line and exit code 1. */
export const main = (body) => {
  Promise.resolve()
    .then(body)
    .catch((error) => {
      console.error(error instanceof StepFailed ? `\nnabla: ${error.message}` : error);
      process.exitCode = 1;
    });
};
