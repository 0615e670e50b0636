import { closeSync, openSync, readSync } from 'node:fs';

/** The platforms for which a package with the binary is published: `nabla-<platform>`. */
export const platforms = [
  'linux-x64-gnu',
  'linux-x64-musl',
  'linux-arm64-gnu',
  'linux-arm64-musl',
  'darwin-x64',
  'darwin-arm64',
  'win32-x64-msvc',
  'win32-arm64-msvc',
] as const;

export type Platform = (typeof platforms)[number];

/**
 * The C library of this process, from the ELF interpreter in the first page of the executable: no child process and no
 * `process.report`, which walks the network interfaces (milliseconds). An executable without an interpreter counts as glibc.
 */
export const libc = (executable: string = process.execPath): 'gnu' | 'musl' => {
  try {
    const file = openSync(executable, 'r');
    try {
      const page = Buffer.alloc(4096);
      readSync(file, page, 0, page.length, 0);
      return page.includes('ld-musl-') ? 'musl' : 'gnu';
    } finally {
      closeSync(file);
    }
  } catch {
    return 'gnu';
  }
};

/** The platform of this process, such as `linux-x64-gnu`; a name that is not in `platforms` has no binary. */
export const platform = (): string => {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform === 'linux') return `${name}-${libc()}`;
  return process.platform === 'win32' ? `${name}-msvc` : name;
};
