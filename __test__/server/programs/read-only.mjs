import { chmodSync } from 'node:fs';
import { Fitted } from 'nabla';
import { rows, small } from './recipes.mjs';

// Saves over a model in a folder that it may only read.

const folder = process.argv[2];
const data = rows(64);
const [old, young] = [await small(1).fit(data), await small(2).fit(data)];
await old.save(folder);
chmodSync(folder, 0o555);
// The superuser may write everywhere.
if (process.getuid() === 0) process.setuid(65534);
const said = await young.save(folder).then(
  () => 'saved',
  ({ code, place }) => `${code} at ${place}`,
);
const { history } = await Fitted.load(folder);
console.log(`${said}, ${history.length === 1 ? 'the old model is there' : 'another model is there'}`);
