// npm run build:binary: the binary that is published for linux-x64-gnu. It must run on any Linux since glibc 2.28 (2018), whatever this
// machine has, so zig links it against that version: cargo-zigbuild, installed with ziglang from PyPI into a virtual environment under target/.
import { existsSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addonKey, replaceFile } from './addon.mjs';
import { newestGlibc } from './elf.mjs';
import { binaryName, libraryName } from './platform.mjs';
import { at, cargoTarget, main, once, recall, run, StepFailed, seconds } from './project.mjs';

export const publishedPlatform = 'linux-x64-gnu';
export const glibc = [2, 28];
// Operators at four SIMD levels and two precisions, image decoders, augmentation, rows in files, gradient health: 9.8 MB in November 2026.
export const maxBytes = 10_000_000;

const tools = ['cargo-zigbuild==0.24.0', 'ziglang==0.17.1'];
const file = at('npm', publishedPlatform, binaryName(publishedPlatform));
const key = () => addonKey([tools, glibc]);

/** The published binary, if it is there and made from the sources as they are now. */
export const portableBinary = () => (existsSync(file) && recall('binary', key()) !== undefined ? file : undefined);

/** Throws `StepFailed` unless the binary keeps what the package promises. */
export const expectPortable = (binary) => {
  const [major, minor] = newestGlibc(binary);
  if (major > glibc[0] || minor > glibc[1])
    throw new StepFailed(`${binary} needs glibc ${major}.${minor}, and the package promises ${glibc.join('.')}`);
  const { size } = statSync(binary);
  if (size > maxBytes) throw new StepFailed(`${binary} has ${size} bytes, and the bar is ${maxBytes}`);
  return { glibc: `${major}.${minor}`, bytes: size };
};

export const buildBinary = () =>
  once('binary', { key: key(), outputs: [file] }, () => {
    const environment = at('target', 'npm', 'zig');
    const bin = join(environment, 'bin');
    once('zig', { key: tools.join(), outputs: [join(bin, 'cargo-zigbuild')] }, () => {
      console.log(`Installing ${tools.join(' and ')} …`);
      run('python3', ['-m', 'venv', environment]);
      run(join(bin, 'python3'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...tools]);
    });
    console.log(`Building the binary of ${publishedPlatform} for glibc ${glibc.join('.')} …`);
    const triple = 'x86_64-unknown-linux-gnu';
    run(join(bin, 'cargo-zigbuild'), ['zigbuild', '--release', '-p', 'nabla-binding', '--target', `${triple}.${glibc.join('.')}`], {
      env: { PATH: `${bin}${delimiter}${process.env.PATH}` },
    });
    const built = join(cargoTarget, triple, 'release', libraryName(publishedPlatform));
    const facts = expectPortable(built);
    replaceFile(built, file);
    return facts;
  });

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(() => {
    const start = performance.now();
    const { result, ran } = buildBinary();
    console.log(`${file}: ${result.bytes} bytes, needs glibc ${result.glibc} (${ran ? `built in ${seconds(start)}` : 'up to date'})`);
  });
}
