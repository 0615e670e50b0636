// One file an import path, and shared chunks beside them: a hundred small modules cost 50 ms to import, these 10.
// Chunks lie as deep as the folders of src/, so that paths relative to a module (the binary, datasets/) hold.
import { at, readJson } from './project.mjs';

const entries = Object.values(readJson(at('package.json')).exports)
  .map((path) => path.default)
  .filter((path) => path !== undefined)
  .concat('./dist/cli/main.js', './dist/tuning/process-child.js', './dist/data/parquet-worker.js')
  .map((path) => path.replace(/^\.\/dist\/|\.js$/g, ''));

export default {
  input: Object.fromEntries(entries.map((entry) => [entry, at('src', `${entry}.ts`)])),
  platform: 'node',
  external: [/\.node$/, /^nabla-/],
  output: { dir: at('dist'), format: 'esm', entryFileNames: '[name].js', chunkFileNames: 'chunks/[name]-[hash].js' },
};
