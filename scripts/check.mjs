// npm run check: everything that a change must pass, one after the other, each even if an earlier one failed.
import { expectToolchain } from './toolchain.mjs';

expectToolchain();
const { main, run, runTool, seconds, StepFailed } = await import('./project.mjs');
const { install } = await import('./install.mjs');
const { buildAddon } = await import('./addon.mjs');
const { compileExamples, compileSources, tsc } = await import('./compile.mjs');
const { generate } = await import('./generate.mjs');
const { checkDocs } = await import('./docs.mjs');
const { runVitest, testedBefore } = await import('./vitest.mjs');
const { cargoTotals, none, sentence, sum } = await import('./totals.mjs');

let totals = none;

const cargoTest = () => {
  try {
    const counted = cargoTotals(run('cargo', ['test', '--workspace', '--no-fail-fast', '--quiet'], { capture: true }));
    totals = sum(totals, counted);
    return sentence(counted);
  } catch (error) {
    if (error instanceof StepFailed)
      totals = sum(totals, sum(cargoTotals(error.output), { ...none, failed: /^test result:/m.test(error.output) ? 0 : 1 }));
    throw error;
  }
};

const vitest = () => {
  const before = testedBefore();
  if (before !== undefined) {
    totals = sum(totals, before.result);
    return `${sentence(before.result)}: not run again, a run on this very tree passed at ${before.at}`;
  }
  try {
    const counted = runVitest();
    totals = sum(totals, counted);
    return sentence(counted);
  } catch (error) {
    if (error.totals !== undefined) totals = sum(totals, error.totals);
    throw error;
  }
};

const steps = [
  [
    'lock files are current',
    () => run('cargo', ['metadata', '--locked', '--format-version=1'], { capture: true, quiet: true }) && undefined,
  ],
  ['format: Rust', () => run('cargo', ['fmt', '--all', '--check'])],
  ['format and lint: TypeScript', () => runTool('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.'])],
  ['lint: Rust', () => run('cargo', ['clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'])],
  ['types and type tests', () => tsc('-p', 'tsconfig.json')],
  ['cargo test', cargoTest],
  ['addon', () => (buildAddon().ran ? undefined : 'up to date')],
  ['generated files', () => generate({ check: true })],
  [
    'dist and examples',
    () => {
      compileSources();
      compileExamples();
    },
  ],
  ['vitest', vitest],
  ['documentation examples', checkDocs],
];

main(async () => {
  install();
  const lines = [];
  let failed = false;
  for (const [name, step] of steps) {
    const start = performance.now();
    console.log(`\n── ${name}`);
    try {
      const note = await step();
      lines.push(`  ok    ${name}${note ? ` (${note})` : ''}, ${seconds(start)}`);
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      failed = true;
      lines.push(`  FAIL  ${name}: ${error.message}, ${seconds(start)}`);
    }
    console.log(lines.at(-1));
  }
  console.log(`\n${lines.join('\n')}\n\n${sentence(totals)}`);
  if (failed) process.exitCode = 1;
});
