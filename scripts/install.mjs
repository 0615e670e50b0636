// node_modules as package-lock.json says. Nothing is fetched when it is so already.
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { at, hashOf, readJson, runNpm } from './project.mjs';

/** npm ci would go through a symbolic link and empty what it leads to: the modules of another checkout. */
export const expectOwnFolder = (path) => {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  throw new Error(
    `${path} is a symbolic link, and what it leads to is not what package-lock.json says. ` +
      'Install there, or remove the link: this checkout gets a folder of its own then.',
  );
};

export const install = () => {
  const stamp = at('node_modules', '.nabla-installed');
  const key = hashOf(['package-lock.json'], [readJson(at('package.json')).devDependencies]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  expectOwnFolder(at('node_modules'));
  console.log('Installing the development tools (npm ci) …');
  runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']);
  writeFileSync(stamp, key);
};
