import type { Tensor } from './tensor.js';

/**
 * One layer within one trace: its path, its parameters and the layers called inside it, in the order of their first call.
 *
 * A layer value that is called again is entered again, and whatever it makes anew inside (a `dense(8)` written in the layer's own
 * function) is matched by its position and kind, so calling one instance twice shares its parameters however deep they lie.
 */
export interface Scope {
  /** `residual/dense`; empty for the model itself. */
  readonly path: string;
  readonly kind: string;
  /** The user's own name, as asked for. */
  readonly given: string | undefined;
  /** What an error calls it: `dense "head"` where the name says nothing about the kind. */
  readonly label: string;
  /** Names taken on this level; a scope without a level of its own shares its parent's. */
  readonly names: Set<string>;
  readonly children: Scope[];
  /** The next child to be matched. */
  cursor: number;
  readonly parameters: Map<string, Tensor>;
}

/** How a layer wants to be called within its parent. */
export interface ScopeRequest {
  kind: string;
  /** The user's own name, which wins over the kind. */
  name?: string | undefined;
  /** Adds no level to the paths of what is inside: `sequential` and `network`, unless named. */
  transparent?: boolean;
}

export const rootScope = (): Scope => ({
  path: '',
  kind: 'model',
  given: undefined,
  label: 'model',
  names: new Set(),
  children: [],
  cursor: 0,
  parameters: new Map(),
});

/** `dense`, `dense2`, `dense3`, … : the first that is free. */
const freeName = (base: string, taken: ReadonlySet<string>): string => {
  if (!taken.has(base)) return base;
  let n = 2;
  while (taken.has(`${base}${n}`)) n++;
  return `${base}${n}`;
};

/** The scope of a layer that this trace has not seen: the next one of its kind if `parent` is being called again, else a new one. */
export const childScope = (parent: Scope, { kind, name, transparent = false }: ScopeRequest): Scope => {
  const again = parent.children[parent.cursor];
  if (again !== undefined && again.kind === kind && again.given === name) {
    parent.cursor++;
    return again;
  }
  const flat = transparent && name === undefined;
  const own = flat ? '' : freeName(name ?? kind, parent.names);
  if (!flat) parent.names.add(own);
  const path = flat ? parent.path : parent.path === '' ? own : `${parent.path}/${own}`;
  const label = flat ? parent.label : name === undefined ? path : `${kind} "${path}"`;
  const scope: Scope = {
    path,
    kind,
    given: name,
    label,
    names: flat ? parent.names : new Set(),
    children: [],
    cursor: 0,
    parameters: new Map(),
  };
  parent.children.push(scope);
  parent.cursor = parent.children.length;
  return scope;
};
