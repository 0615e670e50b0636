import { availableParallelism } from 'node:os';

import { loadBinding, platform } from '../native/index.js';

/** What a diagnosis says, and whether all is well. */
export interface Diagnosis {
  readonly lines: readonly string[];
  readonly healthy: boolean;
}

/** `npx nabla doctor`: whether the binary is there, loads, and what it runs on. */
export const doctor = (name: string = platform()): Diagnosis => {
  const lines = [`Node      ${process.version} (${process.execPath})`, `platform  ${name}`, `cores     ${availableParallelism()}`];
  try {
    const binding = loadBinding(name);
    return {
      lines: [...lines, `binary    version ${binding.version()}`, `SIMD      ${binding.simdLevel()}`, '', 'All is well.'],
      healthy: true,
    };
  } catch (error) {
    return { lines: [...lines, 'binary    missing', '', String(error)], healthy: false };
  }
};
