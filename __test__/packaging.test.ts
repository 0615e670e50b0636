import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { addonFile, buildAddon } from '../scripts/addon.mjs';
import { glibc, maxBytes, portableBinary } from '../scripts/binary.mjs';
import { compileSources } from '../scripts/compile.mjs';
import { neededVersions, newestGlibc } from '../scripts/elf.mjs';
import { packAll } from '../scripts/pack.mjs';
import { binaryName, hostPlatform, platforms } from '../scripts/platform.mjs';
import { at, readJson, runNpm } from '../scripts/project.mjs';
import { atLeast, needed, toolchainProblem } from '../scripts/toolchain.mjs';
import { platforms as platformsOfTheLoader } from '../src/native/platform.js';

// The package as its users meet it: packed, installed into an empty folder without install scripts and without a network, and run there.

const manifest = readJson(at('package.json'));
const host = hostPlatform();
const elf = host.startsWith('linux');
/** The published binary if `npm run build:binary` made it from these sources (CI does), else the development build. */
const binary = portableBinary() ?? addonFile;
const subPaths = Object.keys(manifest.exports).filter((path) => path !== './package.json');
const specifiers = subPaths.map((path) => `nabla${path.slice(1)}`);

/** What each program prints: the same on every Node and by every way in, since a seed decides every bit. */
const fit = `async ({ Dataset, Trainer, sequential }, { dense }) => {
  const iris = await Dataset.builtin('iris');
  const trainer = new Trainer({ model: sequential([dense(3)]), loss: 'crossEntropy', metrics: ['accuracy'], epochs: 2, batchSize: 16, seed: 7 });
  const fitted = await trainer.fit(iris, { threads: 1 });
  return JSON.stringify(fitted.history.map((epoch) => epoch.train));
}`;

const programs: Record<string, string> = {
  'import.mjs': `
    const modules = await Promise.all(${JSON.stringify(specifiers)}.map((path) => import(path)));
    if (modules.some((module) => Object.keys(module).length === 0)) throw new Error('a sub-path exports nothing');
    console.log(await (${fit})(modules[0], modules[1]));`,
  'require.cjs': `
    const modules = ${JSON.stringify(specifiers)}.map((path) => require(path));
    import('nabla').then(async (imported) => {
      if (imported.NablaError !== modules[0].NablaError) throw new Error('import and require load two copies');
      console.log(await (${fit})(modules[0], modules[1]));
    });`,
  'worker.mjs': `
    import { isMainThread, parentPort, Worker } from 'node:worker_threads';
    import { fileURLToPath } from 'node:url';
    if (isMainThread) {
      const one = () => new Promise((resolve, reject) => {
        const worker = new Worker(fileURLToPath(import.meta.url));
        worker.once('message', resolve).once('error', reject);
      });
      const [a, b] = await Promise.all([one(), one()]);
      if (a !== b) throw new Error('two workers disagree: ' + a + ' and ' + b);
      console.log(a);
    } else {
      parentPort.postMessage(await (${fit})(await import('nabla'), await import('nabla/layers')));
    }`,
  'version.cjs': `console.log(require('nabla-${host}').version());`,
};

let folder: string;
let tarballs: { root: string; native: string };

const execute = (
  node: string,
  program: string,
  { cwd = join(folder, 'installed'), under = [] as string[], env = {}, args = [] as string[] } = {},
) => {
  const [command = node, ...words] = [...under, node, program, ...args];
  const { status, stdout, stderr, error } = spawnSync(command, words, {
    cwd,
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  return { status, stdout: stdout.trim(), stderr: `${stderr}${error ?? ''}` };
};

const printed = (node: string, program: string, options = {}): string => {
  const { status, stdout, stderr } = execute(node, program, options);
  expect({ status, stderr: status === 0 ? '' : stderr }).toEqual({ status: 0, stderr: '' });
  return stdout;
};

/** A copy of the installation whose binary is missing. */
const without = (): string => {
  const copy = join(folder, 'without');
  if (!existsSync(copy)) {
    cpSync(join(folder, 'installed'), copy, { recursive: true });
    rmSync(join(copy, 'node_modules', `nabla-${host}`), { recursive: true });
  }
  return copy;
};

/** Other releases of Node: their npm packages are for Linux on x64, so elsewhere only the installed Node is tried. */
const otherNodes = host === 'linux-x64-gnu' ? Object.keys(readJson(at('__test__', 'nodes', 'package.json')).dependencies) : [];
const nodes = ['the installed Node', ...otherNodes];
const nodePath = (name: string) =>
  otherNodes.includes(name) ? at('__test__', 'nodes', 'node_modules', name, 'bin', 'node') : process.execPath;

beforeAll(() => {
  buildAddon();
  compileSources();
  if (otherNodes.some((name) => !existsSync(nodePath(name)))) {
    runNpm(['ci', '--ignore-scripts', '--no-bin-links', '--no-audit', '--no-fund'], {
      cwd: at('__test__', 'nodes'),
      capture: true,
      quiet: true,
    });
  }
  folder = mkdtempSync(join(tmpdir(), 'nabla-packaging-'));
  tarballs = packAll({ into: join(folder, 'packed'), binary, platform: host });
  const installed = join(folder, 'installed');
  mkdirSync(installed);
  writeFileSync(join(installed, 'package.json'), '{ "private": true }\n');
  runNpm(['install', '--ignore-scripts', '--offline', '--no-audit', '--no-fund', tarballs.root, tarballs.native], {
    cwd: installed,
    capture: true,
    quiet: true,
  });
  for (const [name, program] of Object.entries(programs)) writeFileSync(join(installed, name), program);
}, 600_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the packed package', () => {
  const published = () => readJson(join(folder, 'installed', 'node_modules', 'nabla', 'package.json'));

  it('needs exactly the platform packages, at its own version, and runs no script', () => {
    const { optionalDependencies, dependencies, devDependencies, scripts, private: isPrivate } = published();
    expect(optionalDependencies).toEqual(Object.fromEntries(Object.keys(platforms).map((name) => [`nabla-${name}`, manifest.version])));
    expect({ dependencies, devDependencies, scripts, isPrivate }).toEqual({});
  });

  it('holds what it needs at run time and nothing else', () => {
    const files = readdirSync(join(folder, 'installed', 'node_modules', 'nabla'), { recursive: true, encoding: 'utf8' });
    expect([...new Set(files.map((file) => file.split(/[\\/]/)[0]))].sort()).toEqual(
      ['CHANGELOG.md', 'LICENSE-APACHE', 'LICENSE-MIT', 'README.md', 'datasets', 'dist', 'package.json'].sort(),
    );
    expect(files.filter((file) => /\.(test|test-d|bench)\.|\.node$|tsbuildinfo/.test(file))).toEqual([]);
  });

  it('has types for each sub-path, for import and for require', () => {
    const installed = join(folder, 'installed');
    const names = specifiers.map((path, i) => [`m${i}`, path]);
    writeFileSync(
      join(installed, 'types.mts'),
      `${names.map(([n, p]) => `import * as ${n} from '${p}';`).join('\n')}\nexport default [${names.map(([n]) => n)}];\n`,
    );
    writeFileSync(
      join(installed, 'types.cts'),
      `${names.map(([n, p]) => `import ${n} = require('${p}');`).join('\n')}\nexport const all = [${names.map(([n]) => n)}];\n`,
    );
    const options = [
      '--noEmit',
      '--strict',
      '--module',
      'nodenext',
      '--target',
      'es2023',
      '--lib',
      'es2023,esnext.disposable',
      '--typeRoots',
      at('node_modules', '@types'),
      '--types',
      'node',
    ];
    const tsc = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace(/package\.json$/, 'bin/tsc');
    const { stdout } = spawnSync(process.execPath, [tsc, ...options, 'types.mts', 'types.cts'], { cwd: installed, encoding: 'utf8' });
    expect(stdout).toBe('');
  });
});

describe.each(nodes)('on %s', (name) => {
  const first = () => printed(process.execPath, 'import.mjs');

  it('loads and trains by import', () => expect(printed(nodePath(name), 'import.mjs')).toBe(first()));
  it('loads and trains by require, as the one copy', () => expect(printed(nodePath(name), 'require.cjs')).toBe(first()));
  it('loads and trains in two workers at once', () => expect(printed(nodePath(name), 'worker.mjs')).toBe(first()));

  it('names the missing package and what to type when the binary is missing', () => {
    const { status, stderr } = execute(nodePath(name), 'import.mjs', { cwd: without() });
    expect(status).not.toBe(0);
    expect(stderr).toContain('NATIVE_MISSING');
    expect(stderr).toContain(`nabla-${host}`);
    expect(stderr).toContain('npm install');
  });

  it('has a doctor who finds the installation healthy, or says what is missing', () => {
    const doctor = join('node_modules', 'nabla', 'dist', 'cli', 'main.js');
    const healthy = execute(nodePath(name), doctor, { args: ['doctor'] });
    expect({ ...healthy, stdout: '' }).toMatchObject({ status: 0, stderr: '' });
    const ill = execute(nodePath(name), doctor, { args: ['doctor'], cwd: without() });
    expect(ill.status).not.toBe(0);
    expect(ill.stdout + ill.stderr).toContain(`nabla-${host}`);
  });
});

describe('the binary', () => {
  it('is of this version', () => expect(printed(process.execPath, 'version.cjs')).toBe(manifest.version));

  it(`has fewer than ${maxBytes} bytes`, () => expect(statSync(binary).size).toBeLessThan(maxBytes));

  it.runIf(elf)('says which glibc it needs', () => {
    const [major, minor] = newestGlibc(binary);
    console.log(
      `${binary === addonFile ? 'development build' : 'published binary'}: ${statSync(binary).size} bytes, needs glibc ${major}.${minor}`,
    );
    expect([...neededVersions(binary).keys()]).toContain(host.endsWith('musl') ? 'libc.so' : 'libc.so.6');
  });

  it.runIf(binary !== addonFile)(`as published needs no glibc newer than ${glibc.join('.')}`, () => {
    const [major, minor] = newestGlibc(binary);
    expect(atLeast(glibc.join('.'), `${major}.${minor}`)).toBe(true);
  });

  // Debian's qemu runs Node itself on an emulated Nehalem (2008: SSE4.2, no AVX, no FMA): an AVX instruction at load, or anywhere in this
  // small fit, would be SIGILL. CI unpacks it; on a machine without it, only the choice of the scalar level is tried.
  const qemu = [
    at('target', 'npm', 'qemu', 'usr', 'bin', 'qemu-x86_64-static'),
    '/usr/bin/qemu-x86_64-static',
    '/usr/bin/qemu-x86_64',
  ].find((path) => existsSync(path));
  it.runIf(qemu !== undefined && host === 'linux-x64-gnu')('loads and trains on a processor without AVX, to the same bits', () => {
    expect(printed(process.execPath, 'import.mjs', { under: [qemu, '-cpu', 'Nehalem'] })).toBe(printed(process.execPath, 'import.mjs'));
  });
  it('trains at the scalar level, to the same bits', () => {
    expect(printed(process.execPath, 'import.mjs', { env: { NABLA_SIMD: 'scalar' } })).toBe(printed(process.execPath, 'import.mjs'));
  });
});

describe('the repository', () => {
  it.each(Object.entries(platforms))('has a package for %s that agrees with the root', (name, { os, cpu, libc }) => {
    const platform = readJson(at('npm', name, 'package.json'));
    expect(platform).toMatchObject({
      name: `nabla-${name}`,
      version: manifest.version,
      os: [os],
      cpu: [cpu],
      main: binaryName(name),
      files: [binaryName(name), 'LICENSE-MIT', 'LICENSE-APACHE'],
    });
    expect(platform).toMatchObject({ license: manifest.license, engines: manifest.engines });
    expect(platform.libc).toEqual(libc === undefined ? undefined : [libc]);
    expect(platform.scripts).toBeUndefined();
  });

  it('names the same platforms in the loader and under npm/', () => {
    expect([...platformsOfTheLoader]).toEqual(Object.keys(platforms));
    expect(readdirSync(at('npm')).sort()).toEqual(Object.keys(platforms).sort());
  });

  it('says the same versions everywhere', () => {
    const cargo = readFileSync(at('Cargo.toml'), 'utf8');
    expect(cargo.match(/^version = "(.*)"/m)?.[1]).toBe(manifest.version);
    expect(atLeast(needed.rust, cargo.match(/^rust-version = "(.*)"/m)?.[1] ?? '')).toBe(true);
    expect(manifest.engines.node).toBe(`>=${needed.node}`);
  });

  it('has lock files without addresses', () => {
    for (const lock of ['package-lock.json', '__test__/nodes/package-lock.json'])
      expect(readFileSync(at(lock), 'utf8')).not.toContain('"resolved"');
  });

  it('says in one sentence which tool is missing or too old', () => {
    expect(toolchainProblem()).toBeUndefined();
    const old = toolchainProblem({ node: '18.20.4' });
    const none = toolchainProblem({ env: { PATH: folder } });
    expect(old).toMatch(/^nabla needs Node 20\.19\.0 or newer, and this is Node 18\.20\.4: [^\n]*\.$/);
    expect(none).toMatch(/^nabla needs Rust 1\.89\.0 or newer to build its addon, and `cargo` was not found: [^\n]*\.$/);
    if (process.platform === 'win32') return;
    writeFileSync(join(folder, 'cargo'), '#!/bin/sh\necho "cargo 1.70.0 (0123456 2023-06-01)"\n', { mode: 0o755 });
    const tooOld = toolchainProblem({ env: { PATH: `${folder}:/bin:/usr/bin` } });
    expect(tooOld).toMatch(/^nabla needs Rust 1\.89\.0 or newer to build its addon, and this cargo is 1\.70\.0: [^\n]*\.$/);
  });
});
