// Where the real data lies that examples read: the folder given on the command line, or NABLA_DATA.
import { existsSync } from 'node:fs';
import { basename, join } from 'node:path';

/** The path of a file, looked for in the folder itself too; a message and the end where it is not. */
export const fileOf = (path: string): string => {
  // Options are written --name=value, so what does not begin with a dash is the folder.
  const folder = process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? process.env.NABLA_DATA;
  if (folder === undefined) {
    console.error(`Give the folder that holds ${path}, or set NABLA_DATA.`);
    process.exit(1);
  }
  const found = [join(folder, path), join(folder, basename(path))].find((file) => existsSync(file));
  if (found === undefined) {
    console.error(`There is no ${path} in ${folder}.`);
    process.exit(1);
  }
  return found;
};
