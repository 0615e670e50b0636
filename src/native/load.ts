import { createRequire } from 'node:module';

import { NablaError } from '../errors/index.js';
import type { Binding } from './binding.js';
import { platform, platforms } from './platform.js';

const require = createRequire(import.meta.url);

/**
 * The binary of each platform: a development build beside package.json first (it exists in a checkout only), then the platform's
 * package. Every path is a literal, so bundlers see what to leave outside.
 */
const sources: Record<string, readonly [() => unknown, () => unknown]> = {
  'linux-x64-gnu': [() => require('../../nabla.linux-x64-gnu.node'), () => require('nabla-linux-x64-gnu')],
  'linux-x64-musl': [() => require('../../nabla.linux-x64-musl.node'), () => require('nabla-linux-x64-musl')],
  'linux-arm64-gnu': [() => require('../../nabla.linux-arm64-gnu.node'), () => require('nabla-linux-arm64-gnu')],
  'linux-arm64-musl': [() => require('../../nabla.linux-arm64-musl.node'), () => require('nabla-linux-arm64-musl')],
  'darwin-x64': [() => require('../../nabla.darwin-x64.node'), () => require('nabla-darwin-x64')],
  'darwin-arm64': [() => require('../../nabla.darwin-arm64.node'), () => require('nabla-darwin-arm64')],
  'win32-x64-msvc': [() => require('../../nabla.win32-x64-msvc.node'), () => require('nabla-win32-x64-msvc')],
  'win32-arm64-msvc': [() => require('../../nabla.win32-arm64-msvc.node'), () => require('nabla-win32-arm64-msvc')],
};

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND');

/** What to type so that the package of `name` gets installed, by package manager. */
export const installHint = (name: string): string => {
  const [os = '', cpu = '', c] = name.split('-');
  const musl = c === 'musl' ? 'musl' : 'glibc';
  const libcFlag = os === 'linux' ? ` --libc=${musl}` : '';
  return [
    `The binary comes with the optional dependency nabla-${name}. Install it with`,
    `  npm:    npm install --include=optional --os=${os} --cpu=${cpu}${libcFlag} nabla`,
    `          (if a lock file made on another platform left it out: delete node_modules and package-lock.json, then npm install)`,
    `  pnpm:   pnpm add nabla, with supportedArchitectures: { os: [${os}], cpu: [${cpu}]${os === 'linux' ? `, libc: [${musl}]` : ''} } in pnpm-workspace.yaml`,
    `  yarn:   yarn add nabla, with supportedArchitectures in .yarnrc.yml as for pnpm`,
    `  bun:    bun add nabla-${name}`,
    `  Docker: run the install inside the image (RUN npm ci --include=optional) and keep node_modules in .dockerignore`,
    `Then see: npx nabla doctor`,
  ].join('\n');
};

/** Loads the binary for `name`. Throws `NATIVE_MISSING` with the missing package and what to type. */
export const loadBinding = (name: string = platform()): Binding => {
  const candidates = sources[name];
  if (candidates === undefined) {
    throw new NablaError({
      code: 'NATIVE_MISSING',
      message: `there is no binary of nabla for ${name}`,
      place: name,
      expected: platforms.join(', '),
      received: name,
      hint: 'Build it from the sources: clone the repository and run npm run build (Rust and Node are needed).',
    });
  }
  const causes: unknown[] = [];
  for (const candidate of candidates) {
    try {
      return candidate() as Binding;
    } catch (error) {
      // A file that is there but does not load (too old a glibc, a damaged download) is the error worth showing.
      if (!isMissing(error)) causes.push(error);
    }
  }
  const [cause] = causes;
  throw new NablaError(
    {
      code: 'NATIVE_MISSING',
      message:
        cause === undefined
          ? `cannot find the package nabla-${name}, which holds the binary for this platform`
          : `the binary for ${name} is there but does not load: ${cause instanceof Error ? cause.message : String(cause)}`,
      place: `nabla-${name}`,
      hint:
        cause === undefined
          ? installHint(name)
          : 'Linux binaries need glibc 2.28 or musl 1.2 or newer. If the file is damaged, delete node_modules and install again; npx nabla doctor says more.',
    },
    cause === undefined ? {} : { cause },
  );
};
