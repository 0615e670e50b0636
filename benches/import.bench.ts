// What `import 'nabla'` costs a process: the difference between the two rows (bar: 50 ms). Built by `npm run bench`.
import { spawnSync } from 'node:child_process';
import { bench, describe } from 'vitest';

const node = (program: string) => {
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};

describe("a process that does nothing but import 'nabla'", () => {
  bench('node alone', () => node(''), { iterations: 20 });
  bench("import 'nabla'", () => node("await import('nabla')"), { iterations: 20 });
  bench("import 'nabla' and load the addon", () => node("(await import('nabla')).norm(new Float64Array([3, 4]), 2)"), { iterations: 20 });
});
