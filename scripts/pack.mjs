// npm run pack:all: the tarballs as they are published, into target/npm/packages/.
//
// The package.json of the repository does not name the platform packages: an optional dependency that no registry has yet would make
// `npm ci` fail on a fresh clone. They are added here, at exactly this version, when the package is packed; so what is packed is a staged
// copy. A plain `npm pack` or `npm publish` in the root does the same in place (prepack, and postpack puts the file back).
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { addonFile, buildAddon } from './addon.mjs';
import { buildBinary, portableBinary, publishedPlatform } from './binary.mjs';
import { compileSources } from './compile.mjs';
import { binaryName, platforms } from './platform.mjs';
import { at, main, readJson, runNpm, state } from './project.mjs';

const licences = ['LICENSE-MIT', 'LICENSE-APACHE'];

/** package.json as published: without what only this repository needs, with the platform packages. */
export const publishedManifest = (from = at('package.json')) => {
  const { private: _, scripts: __, devDependencies: ___, ...manifest } = readJson(from);
  return {
    ...manifest,
    optionalDependencies: Object.fromEntries(Object.keys(platforms).map((name) => [`nabla-${name}`, manifest.version])),
  };
};

/** The repository's package.json while a packed one lies in its place. */
const original = join(state, 'package.json.original');

const json = (value) => `${JSON.stringify(value, null, 2)}\n`;

const pack = (folder, into) => {
  const [{ filename }] = JSON.parse(
    runNpm(['pack', '--json', '--ignore-scripts', '--pack-destination', into], { cwd: folder, capture: true, quiet: true }),
  );
  return join(into, filename);
};

/** Packs the root and one platform's package with `binary` into `into`; returns the two tarballs. */
export const packAll = ({ into, binary, platform = publishedPlatform }) => {
  rmSync(into, { recursive: true, force: true });
  const staged = join(into, 'nabla');
  mkdirSync(staged, { recursive: true });
  for (const name of ['dist', 'datasets', 'README.md', 'CHANGELOG.md', ...licences])
    if (existsSync(at(name))) cpSync(at(name), join(staged, name), { recursive: true });
  writeFileSync(join(staged, 'package.json'), json(publishedManifest()));
  const native = join(into, `nabla-${platform}`);
  cpSync(at('npm', platform), native, { recursive: true, filter: (path) => !path.endsWith('.node') });
  for (const name of licences) copyFileSync(at(name), join(native, name));
  copyFileSync(binary, join(native, binaryName(platform)));
  return { root: pack(staged, into), native: pack(native, into) };
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(() => {
    const [how] = process.argv.slice(2);
    if (how === '--prepack') {
      compileSources();
      mkdirSync(state, { recursive: true });
      if (readJson(at('package.json')).devDependencies !== undefined) copyFileSync(at('package.json'), original);
      writeFileSync(at('package.json'), json(publishedManifest(original)));
    } else if (how === '--postpack') {
      if (existsSync(original)) renameSync(original, at('package.json'));
    } else {
      buildAddon();
      compileSources();
      buildBinary();
      const tarballs = packAll({ into: join(state, 'packages'), binary: portableBinary() ?? addonFile });
      for (const path of Object.values(tarballs)) console.log(`${path}: ${readFileSync(path).length} bytes`);
    }
  });
}
