// node_modules as package-lock.json says. Nothing is fetched when it is so already.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { at, hashOf, readJson, runNpm } from './project.mjs';

export const install = () => {
  const stamp = at('node_modules', '.nabla-installed');
  const key = hashOf(['package-lock.json'], [readJson(at('package.json')).devDependencies]);
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === key) return;
  console.log('Installing the development tools (npm ci) …');
  runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']);
  writeFileSync(stamp, key);
};
