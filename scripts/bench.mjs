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
  if (side !== 'node') run('cargo', ['bench', '--workspace', ...(filter.length > 0 ? ['--', ...filter] : [])]);
  if (side === 'rust') return;
  buildAddon();
  compileSources();
  runTool('vitest/vitest.mjs', ['bench', '--run', '--passWithNoTests', ...filter]);
});
