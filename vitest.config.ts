import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const source = (path: string) => fileURLToPath(new URL(`src/${path}`, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests import `nabla` and `nabla/<family>` as users do and get the sources.
    alias: [
      { find: /^nabla$/, replacement: source('index.ts') },
      { find: /^nabla\/([a-z]+)$/, replacement: source('$1/index.ts') },
    ],
  },
  test: {
    include: ['src/**/*.test.ts', '__test__/**/*.test.ts'],
    // The addon lives in the process: a fork a file keeps one file's native state (pools, forced levels) from another's.
    pool: 'forks',
    testTimeout: 30_000,
    benchmark: { include: ['benches/**/*.bench.ts'] },
  },
});
