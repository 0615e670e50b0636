import { NablaError } from '../errors/index.js';

/** The code of a missing cell in a column of texts or booleans. */
const MISSING = 0xffffffff;

/** A column as the native side takes it: numbers (NaN where missing), or codes of sorted levels. */
export interface NativeColumn {
  readonly name: string;
  readonly kind: 'number' | 'boolean' | 'text';
  readonly cells: Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;
  readonly levels?: readonly string[];
}

/** The kinds that a reader's options may give a column. */
export type ColumnKind = 'number' | 'boolean' | 'category' | 'text';

const fail = (message: string, place: string, expected: string, received: string, hint?: string): NablaError =>
  new NablaError({ code: 'INVALID_DATA', message, place, expected, received, ...(hint === undefined ? {} : { hint }) });

/** Levels in their order: by value where all are numbers, else by code unit; `order[old]` is the new code. */
const sorted = (levels: readonly string[]): { levels: string[]; order: Uint32Array } => {
  const numbers = levels.every((level) => level.trim() !== '' && Number.isFinite(Number(level)));
  const by = numbers ? (a: number, b: number) => Number(levels[a]) - Number(levels[b]) : () => 0;
  const codes = levels.map((_, code) => code);
  codes.sort((a, b) => by(a, b) || ((levels[a] as string) < (levels[b] as string) ? -1 : 1));
  const order = new Uint32Array(levels.length);
  codes.forEach((old, code) => {
    order[old] = code;
  });
  return { levels: codes.map((old) => levels[old] as string), order };
};

/**
 * Takes the cells of a column in any order of rows; a row that never comes is missing. What the first cell is, all are: numbers (bigints
 * too, where doubles hold them), booleans or texts.
 */
export class ColumnCells {
  readonly #name: string;
  readonly #rows: number;
  readonly #missing: ReadonlySet<string>;
  #kind: 'number' | 'boolean' | 'text' | undefined;
  #numbers: Float64Array<ArrayBuffer> | undefined;
  #codes: Uint32Array<ArrayBuffer> | undefined;
  readonly #levels = new Map<string, number>();
  readonly #asText: boolean;

  constructor(
    name: string,
    rows: number,
    { kind, missing = [] }: { readonly kind?: ColumnKind | undefined; readonly missing?: readonly string[] | undefined } = {},
  ) {
    this.#name = name;
    this.#rows = rows;
    this.#missing = new Set(missing);
    this.#asText = kind === 'category' || kind === 'text';
    if (kind !== undefined) this.#start(this.#asText ? 'text' : (kind as 'number' | 'boolean'));
  }

  #start(kind: 'number' | 'boolean' | 'text'): void {
    this.#kind = kind;
    if (kind === 'number') this.#numbers = new Float64Array(this.#rows).fill(Number.NaN);
    else this.#codes = new Uint32Array(this.#rows).fill(MISSING);
  }

  put(row: number, value: unknown): void {
    // An empty text is a missing cell, as in a file of comma-separated values.
    if (value === null || value === undefined || value === '' || (typeof value === 'string' && this.#missing.has(value))) return;
    const place = `column ${JSON.stringify(this.#name)}, row ${row}`;
    let cell = typeof value === 'bigint' ? Number(value) : value;
    if (typeof value === 'bigint' && !Number.isSafeInteger(cell))
      throw fail(`${value} is no exact double`, place, 'a whole number up to 2⁵³', String(value), 'Drop the column, or give it as text.');
    if (this.#asText && (typeof cell === 'number' || typeof cell === 'boolean')) cell = String(cell);
    const kind = typeof cell === 'string' ? 'text' : typeof cell;
    if (kind !== 'number' && kind !== 'boolean' && kind !== 'text') {
      const received = Object.prototype.toString.call(cell).slice(8, -1);
      throw fail(
        `expected a number, a boolean or a text, got ${received}`,
        place,
        'a number, a boolean or a text',
        received,
        'Drop the column.',
      );
    }
    if (this.#kind === undefined) this.#start(kind);
    if (kind !== this.#kind)
      throw fail(`expected a ${this.#kind} as before, got ${JSON.stringify(cell)}`, place, `a ${this.#kind}`, JSON.stringify(cell));
    if (typeof cell === 'number') {
      // NaN is how tables without nulls say missing.
      if (cell === Number.POSITIVE_INFINITY || cell === Number.NEGATIVE_INFINITY)
        throw new NablaError({
          code: 'NOT_FINITE',
          message: `the cell is ${cell}`,
          place,
          expected: 'a finite number',
          received: String(cell),
        });
      (this.#numbers as Float64Array)[row] = cell;
      return;
    }
    const codes = this.#codes as Uint32Array;
    if (typeof cell === 'boolean') {
      codes[row] = cell ? 1 : 0;
      return;
    }
    const text = cell as string;
    let code = this.#levels.get(text);
    if (code === undefined) this.#levels.set(text, (code = this.#levels.size));
    codes[row] = code;
  }

  finish(): NativeColumn {
    const name = this.#name;
    if (this.#kind === undefined) this.#start('number');
    if (this.#numbers !== undefined) return { name, kind: 'number', cells: this.#numbers };
    const codes = this.#codes as Uint32Array<ArrayBuffer>;
    if (this.#kind === 'boolean') return { name, kind: 'boolean', cells: codes };
    const { levels, order } = sorted([...this.#levels.keys()]);
    for (let row = 0; row < codes.length; row++) if (codes[row] !== MISSING) codes[row] = order[codes[row] as number] as number;
    return { name, kind: 'text', cells: codes, levels };
  }
}
