// TypeScript to JavaScript: src/ to dist/ (what is published: types by tsc, bundled code by rolldown), examples/ to target/npm/examples/ (what `npm start` runs: Node 20 runs no
// TypeScript, and compiled programs import `nabla` by its own exports map, as users' programs do).
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { at, hashOf, once, runTool, state } from './project.mjs';

const settings = [
  'scripts/bundle.config.mjs',
  'tsconfig.json',
  'tsconfig.build.json',
  'tsconfig.examples.json',
  'package.json',
  'package-lock.json',
];

export const tsc = (...args) => runTool('typescript/bin/tsc', args);

export const examples = join(state, 'examples');

export const compileSources = () =>
  once('dist', { key: hashOf(['src', ...settings]), outputs: [at('dist', 'index.js')] }, () => {
    console.log('Compiling src/ to dist/ …');
    rmSync(at('dist'), { recursive: true, force: true });
    tsc('-p', 'tsconfig.build.json');
    runTool('rolldown/bin/cli.mjs', ['--config', at('scripts', 'bundle.config.mjs')], { capture: true, quiet: true });
  });

export const compileExamples = () =>
  once('examples', { key: hashOf(['src', 'examples', ...settings]), outputs: [examples] }, () => {
    rmSync(examples, { recursive: true, force: true });
    tsc('-p', 'tsconfig.examples.json');
  });
