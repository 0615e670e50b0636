// npm run build: the addon, its generated TypeScript, and dist/.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { main, seconds } = await import('./project.mjs');
const { install } = await import('./install.mjs');
const { buildAddon } = await import('./addon.mjs');
const { generate } = await import('./generate.mjs');
const { compileSources } = await import('./compile.mjs');

main(async () => {
  const start = performance.now();
  install();
  buildAddon();
  await generate({ check: false });
  compileSources();
  console.log(`Built in ${seconds(start)}.`);
});
