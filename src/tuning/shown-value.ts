import { short } from '../text/number.js';

/** A hyperparameter as it is shown: `0.0012`, `relu`, `sgd (momentum 0.9)`. */
export const shownValue = (value: unknown): string => {
  if (typeof value === 'number') return short(value);
  if (typeof value !== 'object' || value === null) return String(value);
  const { kind, ...rest } = value as Readonly<Record<string, unknown>>;
  const inner = Object.entries(rest).map(([name, v]) => `${name} ${shownValue(v)}`);
  return inner.length === 0 ? String(kind) : `${String(kind)} (${inner.join(', ')})`;
};
