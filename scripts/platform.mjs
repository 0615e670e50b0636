// The platforms for which a package with the binary is published, and how each binary is made and named.

/**
 * os, cpu and libc as npm's package.json fields; `rust` is the target triple.
 * @type {Record<string, { os: string, cpu: string, libc?: string, rust: string }>}
 */
export const platforms = {
  'linux-x64-gnu': { os: 'linux', cpu: 'x64', libc: 'glibc', rust: 'x86_64-unknown-linux-gnu' },
  'linux-x64-musl': { os: 'linux', cpu: 'x64', libc: 'musl', rust: 'x86_64-unknown-linux-musl' },
  'linux-arm64-gnu': { os: 'linux', cpu: 'arm64', libc: 'glibc', rust: 'aarch64-unknown-linux-gnu' },
  'linux-arm64-musl': { os: 'linux', cpu: 'arm64', libc: 'musl', rust: 'aarch64-unknown-linux-musl' },
  'darwin-x64': { os: 'darwin', cpu: 'x64', rust: 'x86_64-apple-darwin' },
  'darwin-arm64': { os: 'darwin', cpu: 'arm64', rust: 'aarch64-apple-darwin' },
  'win32-x64-msvc': { os: 'win32', cpu: 'x64', rust: 'x86_64-pc-windows-msvc' },
  'win32-arm64-msvc': { os: 'win32', cpu: 'arm64', rust: 'aarch64-pc-windows-msvc' },
};

/** This machine's platform, named as in `platforms`. */
export const hostPlatform = () => {
  const name = `${process.platform}-${process.arch}`;
  if (process.platform === 'win32') return `${name}-msvc`;
  if (process.platform !== 'linux') return name;
  return `${name}-${process.report.getReport().header.glibcVersionRuntime === undefined ? 'musl' : 'gnu'}`;
};

/** The file that Node loads: at the root for a development build, in `npm/<platform>/` for the published one. */
export const binaryName = (platform) => `nabla.${platform}.node`;

/** What cargo calls the library of crates/binding. */
export const libraryName = (platform) =>
  platform.startsWith('win32') ? 'nabla_binding.dll' : platform.startsWith('darwin') ? 'libnabla_binding.dylib' : 'libnabla_binding.so';
