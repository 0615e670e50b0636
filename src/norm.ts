import { described, invalidData, isTypedArray, type NumberArray } from './data/features.js';
import { type Check, expectArgument } from './errors/index.js';
import { callNative } from './native/index.js';

const isP: Check = (p) => (typeof p === 'number' && p >= 0 ? undefined : 'to be a number ≥ 0, or Infinity');

/**
 * ‖x‖ₚ = (Σ|xᵢ|ᵖ)^(1/p): p = 2 the length, 1 the sum of sizes, `Infinity` the largest size, 0 the number of values that are not zero,
 * and anything between (no norm below 1, but of use as a penalty).
 * @throws {NablaError} `INVALID_OPTION`, `INVALID_DATA`
 * @example norm([3, -4], 2); // 5
 */
export const norm = (values: NumberArray, p: number = 2): number => {
  expectArgument('norm', 'p', p, isP, norm);
  if (!(isTypedArray(values) || (Array.isArray(values) && values.every((value) => typeof value === 'number')))) {
    throw invalidData('norm: values', 'an array of numbers', described(values));
  }
  const array = values instanceof Float32Array || values instanceof Float64Array ? values : Float64Array.from(values);
  return callNative((n) => n.norm(array, p), norm);
};
