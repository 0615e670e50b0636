// npm run docs:check: runs the programs of the documentation, as printed.
//
// A program is a TypeScript block of README.md, docs/**/*.md or a doc comment's @example that imports from nabla; other blocks are
// fragments. Each is checked against the published types, run in an empty folder against dist/, and what it prints is compared with the
// ```text block that follows it, if one does. In there `…` stands for anything in a line, and alone on a line for any lines.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildAddon } from './addon.mjs';
import { compileSources, tsc } from './compile.mjs';
import { install } from './install.mjs';
import { at, main, run, StepFailed, state, writeWhole } from './project.mjs';

const isProgram = (code) => /^\s*import [^;]*from '(nabla|nabla\/[a-z]+)';/m.test(code);

const lineAt = (text, index) => text.slice(0, index).split('\n').length;

/** The programs of a text in Markdown: `{ line, code, output }`. */
export const programsOf = (text) =>
  [...text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```\n?(?:\s*^```text\n([\s\S]*?)^```)?/gm)]
    .map((match) => ({ line: lineAt(text, match.index), code: match[1], output: match[2] }))
    .filter(({ code }) => isProgram(code));

/** The same for the @example parts of a source's doc comments; without a fence the whole part is the program. */
export const programsOfComments = (source) =>
  [...source.matchAll(/\/\*\*[\s\S]*?\*\//g)].flatMap((comment) => {
    const text = comment[0].replace(/^\/\*\*|\*\/$/g, '').replace(/^[ \t]*\* ?/gm, '');
    return [...text.matchAll(/@example\b[ \t]*\n?([\s\S]*?)(?=^@\w|(?![\s\S]))/gm)].flatMap(({ 1: part, index }) => {
      const line = lineAt(source, comment.index) + lineAt(text, index) - 1;
      const fenced = programsOf(`${part}\n`);
      if (fenced.length > 0) return fenced.map((program) => ({ ...program, line }));
      return !part.includes('```') && isProgram(part) ? [{ line, code: part, output: undefined }] : [];
    });
  });

/** Whether `printed` is what `expected` shows. */
export const matches = (printed, expected) => {
  const literal = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  const line = (text) => (text.trim() === '…' ? '(?:.*\n)*' : `${text.trimEnd().split('…').map(literal).join('.*')}\n`);
  const pattern = expected.trimEnd().split('\n').map(line).join('');
  return new RegExp(`^${pattern}$`).test(`${printed.replace(/[ \t]+$/gm, '').trimEnd()}\n`);
};

const filesUnder = (folder, ending) =>
  existsSync(at(folder))
    ? readdirSync(at(folder), { recursive: true })
        .filter((name) => name.endsWith(ending))
        .map((name) => join(folder, name).replaceAll('\\', '/'))
        .sort()
    : [];

const allPrograms = () =>
  [
    ...['README.md', ...filesUnder('docs', '.md')].map((file) => [file, programsOf]),
    ...filesUnder('src', '.ts')
      .filter((file) => !/\.(test|test-d|bench)\.ts$/.test(file))
      .map((file) => [file, programsOfComments]),
  ].flatMap(([file, find]) => (existsSync(at(file)) ? find(readFileSync(at(file), 'utf8')).map((program) => ({ file, ...program })) : []));

/** Runs them all; needs the addon and dist/. Throws `StepFailed` with the places that fail. */
export const checkDocs = () => {
  const programs = allPrograms();
  const folder = join(state, 'docs');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'source'), { recursive: true });
  const named = programs.map((program) => ({ ...program, name: `${program.file.replaceAll(/[^A-Za-z0-9]+/g, '-')}-${program.line}` }));
  for (const { name, file, line, code } of named)
    writeFileSync(join(folder, 'source', `${name}.ts`), `// ${file}:${line}\n${code}\nexport {};\n`);
  const options = { noEmit: false, rootDir: 'source', outDir: 'compiled', paths: {}, noUnusedLocals: false, noUnusedParameters: false };
  writeWhole(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: at('tsconfig.json'), compilerOptions: options, include: ['source'], exclude: [] }),
  );
  if (programs.length > 0) tsc('-p', join(folder, 'tsconfig.json'));
  const failures = [];
  for (const { name, file, line, output } of named) {
    const place = `${file}:${line}`;
    const empty = mkdtempSync(join(tmpdir(), 'nabla-docs-'));
    try {
      const printed = run(process.execPath, [join(folder, 'compiled', `${name}.js`)], {
        cwd: empty,
        capture: true,
        quiet: true,
        timeout: 120_000,
      });
      const same = output === undefined || matches(printed, output);
      console.log(
        `  ${same ? 'ok  ' : 'FAIL'} ${place}${output === undefined ? '' : same ? ', output as printed' : ': the output differs'}`,
      );
      if (!same) {
        console.log(`    expected\n${output}\n    printed\n${printed}`);
        failures.push(place);
      }
    } catch (error) {
      if (!(error instanceof StepFailed)) throw error;
      console.log(`  FAIL ${place}\n${error.output}`);
      failures.push(place);
    } finally {
      rmSync(empty, { recursive: true, force: true });
    }
  }
  if (failures.length > 0) throw new StepFailed(`${failures.length} of ${programs.length} programs fail: ${failures.join(', ')}`);
  return `${programs.length} programs ran`;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  main(() => {
    install();
    buildAddon();
    compileSources();
    console.log(checkDocs());
  });
}
