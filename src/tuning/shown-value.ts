import { short } from '../text/number.js';

/** A hyperparameter as it is shown: `0.0012`, `relu`, `sgd (momentum 0.9)`. */
export const shownValue = (value: unknown): string => {
  if (typeof value === 'number') return short(value);
  if (typeof value !== 'object' || value === null) return String(value);
  if (!('kind' in value)) return choiceText(value);
  const { kind, ...rest } = value as Readonly<Record<string, unknown>>;
  const inner = Object.entries(rest).map(([name, v]) => `${name} ${shownValue(v)}`);
  return inner.length === 0 ? String(kind) : `${String(kind)} (${inner.join(', ')})`;
};

/** A choice as JSON; what JSON has no form for (functions, big integers, NaN) by its own text, so that two of them differ. */
export const choiceText = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) => {
    const hasForm = typeof inner === 'number' ? Number.isFinite(inner) : ['string', 'boolean', 'object'].includes(typeof inner);
    return hasForm ? inner : String(inner);
  });
