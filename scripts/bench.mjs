// npm run bench: cargo's benchmarks, then vitest's. `npm run bench -- rust FILTER` or `-- node FILTER` runs one side.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { main, run, runTool } = await import('./project.mjs');
const { install } = await import('./install.mjs');
const { buildAddon } = await import('./addon.mjs');
const { compileSources } = await import('./compile.mjs');

main(() => {
  const [side, ...filter] = process.argv.slice(2);
  install();
  if (side !== 'node') {
    // Only bench targets: `cargo bench` alone would also compile every unit test with full optimization.
    const { packages } = JSON.parse(run('cargo', ['metadata', '--format-version=1', '--no-deps'], { capture: true, quiet: true }));
    const some = packages.some(({ targets }) => targets.some(({ kind }) => kind.includes('bench')));
    if (some) run('cargo', ['bench', '--workspace', '--bench', '*', ...(filter.length > 0 ? ['--', ...filter] : [])]);
  }
  if (side === 'rust') return;
  buildAddon();
  compileSources();
  runTool('vitest/vitest.mjs', ['bench', '--run', '--passWithNoTests', ...filter]);
});
