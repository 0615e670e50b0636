import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { doctor } from '../src/cli/doctor.js';
import { NablaError } from '../src/errors/index.js';
import { callNative, installHint, libc, loadBinding, nativeError, platform, platforms, runTask } from '../src/native/index.js';

const thrown = (run: () => unknown): NablaError => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(NablaError);
    return error as NablaError;
  }
  throw new Error('nothing was thrown');
};

describe('the loader', () => {
  it('knows this platform', () => {
    expect(platforms).toContain(platform());
  });

  it('tells musl from glibc by the interpreter of the executable', () => {
    const folder = mkdtempSync(join(tmpdir(), 'nabla-'));
    try {
      const file = (name: string, content: string): string => {
        writeFileSync(join(folder, name), content);
        return join(folder, name);
      };
      expect(libc(file('musl', '\u007fELF … /lib/ld-musl-x86_64.so.1 …'))).toBe('musl');
      expect(libc(file('gnu', '\u007fELF … /lib64/ld-linux-x86-64.so.2 …'))).toBe('gnu');
      expect(libc(join(folder, 'missing'))).toBe('gnu');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('names the missing package and what to type', () => {
    const other = platforms.find((name) => name !== platform()) as string;
    const error = thrown(() => loadBinding(other));
    expect(error.code).toBe('NATIVE_MISSING');
    expect(error.message).toContain(`nabla-${other}`);
    for (const manager of ['npm', 'pnpm', 'yarn', 'bun', 'Docker']) expect(error.hint).toContain(`${manager}:`);
  });

  it('says which platforms there are for one that has none', () => {
    const error = thrown(() => loadBinding('sunos-sparc'));
    expect(error.code).toBe('NATIVE_MISSING');
    expect(error.expected).toContain('linux-x64-gnu');
  });

  it.each(platforms)('has a hint for %s', (name) => {
    expect(installHint(name)).toContain(`nabla-${name}`);
    expect(installHint(name)).toContain(`--cpu=${name.split('-')[1]}`);
  });

  it('is what the doctor asks', () => {
    const healthy = doctor();
    expect(healthy.lines.join('\n')).toContain(process.version);
    expect(healthy.healthy).toBe(true);
    const other = platforms.find((name) => name !== platform()) as string;
    expect(doctor(other).healthy).toBe(false);
    expect(doctor(other).lines.join('\n')).toContain(`nabla-${other}`);
  });
});

describe('errors from the native side', () => {
  const json = JSON.stringify({ code: 'SHAPE_MISMATCH', message: "x and y don't fit", place: 'dense', hint: 'turn one' });

  it('become NablaErrors', () => {
    const error = nativeError(json);
    expect(error).toMatchObject({ code: 'SHAPE_MISMATCH', place: 'dense', hint: 'turn one' });
    expect(error.message).toBe("dense: x and y don't fit\n  Hint: turn one");
  });

  it('are bugs when they are no data', () => {
    const cause = new Error('boom');
    const error = thrown(() =>
      callNative(() => {
        throw cause;
      }),
    );
    expect(error).toMatchObject({ code: 'INTERNAL', cause });
    expect(nativeError('{"half').code).toBe('INTERNAL');
  });

  it('start their stack at the line of the user', () => {
    const userFunction = (): never =>
      callNative(() => {
        throw new Error(json);
      }, userFunction);
    const error = thrown(() => userFunction());
    expect(error.stack?.split('\n').find((line) => line.includes('    at '))).toContain('native.test.ts');
  });

  it('come from tasks as well: of their arguments at once, of their work later', async () => {
    await expect(
      runTask(
        (n, task) => n.loadModel(task, ''),
        (task) => task.takeModel(),
      ),
    ).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    await expect(
      runTask(
        (n, task) => n.loadModel(task, '/nowhere'),
        (task) => task.takeModel(),
      ),
    ).rejects.toMatchObject({ code: 'IO' });
  });
});
