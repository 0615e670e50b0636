/** A value as an error message shows it: `1.5 (number)`, `"reluu" (string)`, `[3, 4] (array)`, `an object`. */
export const shown = (value: unknown): string => {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'string') return `${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value)} (string)`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return `${value} (${typeof value})`;
  if (typeof value === 'function') return 'a function';
  if (typeof value === 'symbol') return 'a symbol';
  if (Array.isArray(value)) {
    const simple = value.every((x) => typeof x === 'number' || typeof x === 'string');
    return simple && value.length <= 8 ? `[${value.join(', ')}] (array)` : `an array of ${value.length}`;
  }
  const name = Object.getPrototypeOf(value)?.constructor?.name;
  return name === undefined || name === 'Object' ? 'an object' : `a value of type ${name}`;
};

/** `'a', 'b' or 'c'`. */
export const oneOf = (names: readonly string[]): string => {
  const quoted = names.map((name) => `'${name}'`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
};
