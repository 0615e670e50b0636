// npm run format: rewrites every source as `npm run check` wants it.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { main, run, runTool } = await import('./project.mjs');
const { install } = await import('./install.mjs');

main(() => {
  install();
  run('cargo', ['fmt', '--all']);
  runTool('@biomejs/biome/bin/biome', ['check', '--write', '.']);
});
