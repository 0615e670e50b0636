import type { Dataset } from '../data/dataset.js';
import { schemaOf } from '../data/dataset.js';
import type { TargetSchema } from '../data/schema.js';
import { NablaError } from '../errors/index.js';

const expectVaried = (where: string, name: string, target: TargetSchema, values: Float64Array, rows: number): void => {
  if (rows < 2 || (target.kind !== 'numbers' && target.kind !== 'classes')) return;
  const width = target.kind === 'numbers' ? target.width : 1;
  for (let column = 0; column < width; column++) {
    const first = values[column] as number;
    let row = 1;
    while (row < rows && values[row * width + column] === first) row++;
    if (row < rows) continue;
    const own = target.kind === 'numbers' && width > 1 ? (target.names[column] ?? name) : name;
    const value = target.kind === 'classes' ? `class "${target.names[first] ?? first}"` : String(first);
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `the target${own === '' ? '' : ` "${own}"`} is ${value} in each of the ${rows} rows: there is nothing to learn or to score`,
      place: where,
      expected: 'a target that differs between rows',
      received: value,
      hint: 'Choose another target column, or rows in which it differs.',
    });
  }
};

/** A target that is the same in every row has nothing to be validated by: an error that names it. */
export const expectVariedTarget = (where: string, data: Dataset): void => {
  const { target } = schemaOf(data);
  if (target === null) return;
  if (target.kind === 'several')
    for (const { name, target: own } of target.targets) expectVaried(where, name, own, data.targets(name), data.rows);
  else if (target.kind === 'numbers' || target.kind === 'classes') {
    // Of one target from a file the name is the column's.
    const name = target.kind === 'numbers' ? (target.names[0] ?? '') : '';
    expectVaried(where, name, target, data.targets(), data.rows);
  }
};
