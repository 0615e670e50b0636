// The toolchain, before anything needs it: a missing or too old one is one clear sentence.
import { spawnSync } from 'node:child_process';

/** The oldest versions that build and run nabla; Cargo.toml (`rust-version`) and package.json (`engines`) say the same. */
export const needed = { node: '20.19.0', rust: '1.89.0' };

const numbers = (version) => (version.match(/\d+/g) ?? []).slice(0, 3).map(Number);

/** Whether `version` is `least` or newer. */
export const atLeast = (version, least) => {
  const [a, b] = [numbers(version), numbers(least)];
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) > (b[i] ?? 0);
  return true;
};

const rust = 'install Rust from https://rustup.rs (or run `rustup update`), then type the same command again.';

/** What is wrong with the toolchain, as one sentence; `undefined` when nothing is. */
export const toolchainProblem = ({ node = process.versions.node, env = process.env } = {}) => {
  if (!atLeast(node, needed.node)) {
    return `nabla needs Node ${needed.node} or newer, and this is Node ${node}: install a newer one from https://nodejs.org, then type the same command again.`;
  }
  for (const tool of ['cargo', 'rustc']) {
    const { error, status, stdout } = spawnSync(tool, ['--version'], { encoding: 'utf8', env, shell: process.platform === 'win32' });
    if (error !== undefined || status !== 0)
      return `nabla needs Rust ${needed.rust} or newer to build its addon, and \`${tool}\` was not found: ${rust}`;
    const version = stdout.match(/\d+\.\d+\.\d+/)?.[0] ?? '0';
    if (!atLeast(version, needed.rust))
      return `nabla needs Rust ${needed.rust} or newer to build its addon, and this ${tool} is ${version}: ${rust}`;
  }
  return undefined;
};

/** Ends the process with that one sentence, if there is a problem. */
export const expectToolchain = () => {
  const problem = toolchainProblem();
  if (problem === undefined) return;
  console.error(problem);
  process.exit(1);
};
