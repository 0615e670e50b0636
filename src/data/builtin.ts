import { fileURLToPath } from 'node:url';

import type { CsvOptions } from './tables.js';

const sources = {
  digits: { target: 'digit', task: 'classification' },
  iris: { target: 'species' },
  diabetes: { target: 'progression' },
} as const satisfies Record<string, CsvOptions>;

/** The data sets that come with the package. */
export type BuiltinName = keyof typeof sources;
export const builtins = Object.keys(sources) as readonly BuiltinName[];

/** Where a built-in data set lies, and how it is read. */
export const builtinSource = (name: BuiltinName): { readonly path: string; readonly options: CsvOptions } => ({
  path: fileURLToPath(new URL(`../../datasets/${name}.csv`, import.meta.url)),
  options: sources[name],
});
