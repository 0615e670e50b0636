import { writeFileSync } from 'node:fs';
import { rows, wide } from './recipes.mjs';

// Saves two models over one another for ever, in one folder: whoever kills this process finds one of the two there.

const folder = process.argv[2];
const data = rows(64);
const probe = rows(8);
const print = async (fitted) =>
  JSON.stringify([fitted.history.length, ...(await fitted.predict(probe, { probabilities: true })).map((p) => p[0])]);

const models = [await wide(1).fit(data), await wide(2).fit(data)];
await models[0].save(folder);
writeFileSync(`${folder}.probe`, JSON.stringify([...probe.features()]));
console.log(JSON.stringify([await print(models[0]), await print(models[1])]));
for (let i = 1; ; i++) await models[i % 2].save(folder);
