// npm test: whatever is missing is installed and built, then vitest runs. `npm test -- src/data` runs a part.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { main, StepFailed } = await import('./project.mjs');
const { install } = await import('./install.mjs');
const { buildAddon } = await import('./addon.mjs');
const { compileSources } = await import('./compile.mjs');
const { runVitest } = await import('./vitest.mjs');
const { sentence } = await import('./totals.mjs');

main(() => {
  install();
  buildAddon();
  compileSources();
  const args = process.argv.slice(2);
  try {
    console.log(`\n${sentence(runVitest(args))}`);
  } catch (error) {
    if (error instanceof StepFailed && error.totals !== undefined) console.log(`\n${sentence(error.totals)}`);
    throw error;
  }
});
