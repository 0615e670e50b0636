import type { TargetSchema } from '../data/schema.js';
import { classesOf, columnsOfOutput, type OutputPlace, probabilityRows } from './outputs.js';

/** Means and deviations as they come from the native side, by row and output. */
export const sampledFrom = (
  values: Float64Array,
  rows: number,
  outputs: readonly OutputPlace[],
  target: TargetSchema | null,
  classes: number,
): { readonly mean: unknown; readonly standardDeviation: unknown } => {
  const half = values.length / 2;
  const shaped = (all: Float64Array, isDeviation: boolean): unknown => {
    // Of a single sigmoid output p and 1 − p deviate alike.
    const matrix = (own: Float64Array) =>
      isDeviation && own.length === rows ? Array.from(own, (d) => Float64Array.of(d, d)) : probabilityRows(own, rows);
    if (outputs.length === 0) return classes > 0 ? matrix(all) : all;
    const named = outputs.map((output) => {
      const own = columnsOfOutput(all, rows, output);
      return [output.name, classesOf(output, target).length > 0 ? matrix(own) : own] as const;
    });
    return Object.fromEntries(named);
  };
  return { mean: shaped(values.slice(0, half), false), standardDeviation: shaped(values.slice(half), true) };
};
