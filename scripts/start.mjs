// npm start: whatever is missing is installed and built, then the first example runs. `npm start -- mnist FOLDER` runs another one.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { existsSync } = await import('node:fs');
const { join } = await import('node:path');
const { main, run, StepFailed } = await import('./project.mjs');
const { install } = await import('./install.mjs');
const { buildAddon } = await import('./addon.mjs');
const { compileExamples, compileSources, examples } = await import('./compile.mjs');

main(() => {
  install();
  buildAddon();
  compileSources();
  compileExamples();
  const [name = 'digits', ...args] = process.argv.slice(2);
  const program = join(examples, `${name}.js`);
  if (!existsSync(program)) throw new StepFailed(`there is no examples/${name}.ts`);
  run(process.execPath, [program, ...args]);
});
