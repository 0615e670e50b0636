import type { Column, Schema, SchemaPart } from '../data/schema.js';
import { NablaError, nearest } from '../errors/index.js';
import { Tensor, traceOf } from '../trace/index.js';

/** What a data set calls its columns: each is an input of the model by name. */
const partsOf = ({ parts, columns }: Schema): readonly SchemaPart[] => parts ?? columns.map(({ name }) => ({ name, shape: [] }));

/** Which prepared columns come from a part: itself, its levels (`cut=Ideal`), what marks its missing cells (`cut missing`). */
const columnsOf = (part: SchemaPart, prepared: readonly Column[]): number[] => {
  const own = (name: string): boolean => {
    const [start, rest] = [name.slice(0, part.name.length), name.slice(part.name.length)];
    if (start !== part.name) return false;
    return rest === '' || rest.startsWith('=') || rest === ' missing' || (part.shape.length > 0 && rest.startsWith('['));
  };
  return prepared.flatMap(({ name }, i) => (own(name) ? [i] : []));
};

/** Runs of neighbouring columns, each a slice. */
const gathered = (x: Tensor, columns: readonly number[]): Tensor => {
  const runs: [from: number, to: number][] = [];
  for (const column of columns) {
    const last = runs.at(-1);
    if (last?.[1] === column) last[1]++;
    else runs.push([column, column + 1]);
  }
  const [first, ...others] = runs.map(([from, to]) => x.slice(1, from, to));
  return others.length === 0 ? (first as Tensor) : (first as Tensor).concat(others);
};

const unknownColumn = (where: string, name: string, names: readonly string[]): NablaError => {
  const meant = nearest(name, names);
  return new NablaError({
    code: 'INVALID_OPTION',
    place: where,
    message: `the data set has no column '${name}'.`,
    expected: `one of ${names.slice(0, 20).join(', ')}`,
    received: name,
    hint: meant === undefined ? `its columns are ${names.slice(0, 20).join(', ')}.` : `did you mean '${meant}'?`,
  });
};

/** Asked of any object by the language and by what prints it. */
const asked = new Set([
  'then',
  'toJSON',
  'asymmetricMatch',
  'nodeType',
  '$$typeof',
  '@@__IMMUTABLE_ITERABLE__@@',
  '@@__IMMUTABLE_RECORD__@@',
]);

/**
 * The features as a model sees them: the whole row as one Tensor, which also has each named column as a property, `[batch, 1]` or
 * `[batch, …]` for an array. So `(x) => …` and `({ pixels, age }) => …` are given the same thing. A name that is no column is an error;
 * a column called as a method of Tensor is (`max`) cannot be reached by name.
 */
export const withNamedInputs = (x: Tensor, schema: Schema, prepared: readonly Column[] | undefined): Tensor => {
  const parts = partsOf(schema);
  if (parts.length === 0) return x;
  const names = parts.map(({ name }) => name);
  const made = new Map<string, Tensor>();
  const make = (name: string): Tensor => {
    const part = parts.find((part) => part.name === name);
    const columns = part === undefined || prepared === undefined ? [] : columnsOf(part, prepared);
    if (part === undefined) throw unknownColumn(traceOf(x).label, name, names);
    if (columns.length === 0) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        place: traceOf(x).label,
        message: `preparation leaves nothing of the column '${name}' that is known before it is fitted.`,
        expected: 'preparation without selectBest where inputs have names',
        received: name,
      });
    }
    const flat = gathered(x, columns);
    const whole = part.shape.length > 1 && columns.length === part.shape.reduce((a, b) => a * b, 1);
    return whole ? flat.reshape([-1, ...part.shape]) : flat;
  };
  const prototype = new Proxy(Object.create(Tensor.prototype) as object, {
    get(target, name, receiver) {
      if (typeof name !== 'string' || name in target || asked.has(name)) return Reflect.get(target, name, receiver);
      let tensor = made.get(name);
      if (tensor === undefined) made.set(name, (tensor = make(name)));
      return tensor;
    },
  });
  return Object.setPrototypeOf(x, prototype) as Tensor;
};
