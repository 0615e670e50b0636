// The addon for this machine: cargo's release build, copied beside package.json, where the loader looks first in a checkout.
import { copyFileSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { binaryName, hostPlatform, libraryName } from './platform.mjs';
import { at, cargoTarget, hashOf, once, run, state } from './project.mjs';

/** Where the napi macros leave the TypeScript declarations of the exports while the addon compiles. */
export const typeDefinitions = join(state, 'type-definitions');

export const addonFile = at(binaryName(hostPlatform()));

/** What the binary is made from. */
export const addonKey = (extra = []) => hashOf(['crates', 'Cargo.toml', 'Cargo.lock', '.cargo'], extra);

/** Puts `from` in the place of `to` at once: a process that has the old file mapped keeps it. */
export const replaceFile = (from, to) => {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
};

/** Builds the addon unless its sources are what they were. */
export const buildAddon = () =>
  once('addon', { key: addonKey([cargoTarget]), outputs: [addonFile, join(typeDefinitions, 'nabla-binding')] }, () => {
    console.log('Building the addon (cargo, release) …');
    mkdirSync(typeDefinitions, { recursive: true });
    run('cargo', ['build', '--release', '-p', 'nabla-binding'], { env: { NAPI_TYPE_DEF_TMP_FOLDER: typeDefinitions } });
    replaceFile(join(cargoTarget, 'release', libraryName(hostPlatform())), addonFile);
  });
