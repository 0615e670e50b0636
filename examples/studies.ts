/** Classic experiments and their pictures: `npm start -- studies [FOLDER [NAME…]]` writes one SVG each. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { study } from 'nabla';

const [folder = 'studies', ...wanted] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
for (const [name, run] of Object.entries(study)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const path = join(folder, `${name}.svg`);
  await writeFile(path, (await run({ seed: 1 })).toSvg());
  console.log(path);
}
