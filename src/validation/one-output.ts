import { type Dataset, schemaOf } from '../data/dataset.js';
import { type TargetSchema, targetWidth } from '../data/schema.js';
import { invalidOption, NablaError } from '../errors/index.js';
import type { FittedEstimator } from '../trainer/estimator.js';
import { columnsOfOutput, targetOf } from '../trainer/outputs.js';

/** What is judged: the one target, or one of several by its output's name. */
export interface OneOutput {
  /** Number of classes; 0 for numbers. */
  readonly classes: number;
  readonly names: readonly string[];
  /** The target of each row: a number, or the index of its class. */
  values(data: Dataset): Float64Array;
  /** What a fitted estimator says of each row, as `values` has it; −1 for what is no class of the target. */
  predictions(fitted: FittedEstimator, data: Dataset): Promise<Float64Array>;
}

/** Names of the outputs that a target of several, or of several named numbers, may have. */
const namesOf = (target: TargetSchema | null): readonly string[] => {
  if (target?.kind === 'several') return target.targets.map(({ name }) => name);
  return target?.kind === 'numbers' && target.width > 1 ? target.names : [];
};

/**
 * The target to judge: the only one, or of several the `output` that is named.
 * @throws {NablaError} `INVALID_OPTION` for several targets without a name, `INVALID_DATA` for one that is neither classes nor one number
 */
export const oneOutput = (where: string, data: Dataset, output: string | undefined): OneOutput => {
  const schema = schemaOf(data);
  const several = namesOf(schema.target);
  if (several.length > 0 && (output === undefined || !several.includes(output)))
    throw invalidOption(where, 'output', `to name the output that is judged, one of ${several.join(', ')}`, output);
  if (several.length === 0 && output !== undefined) throw invalidOption(where, 'output', 'to be left out: there is one target', output);
  const { target, at } = output === undefined ? { target: schema.target, at: 0 } : targetOf(output, schema);
  if (target === null || (target.kind !== 'classes' && (target.kind !== 'numbers' || target.width !== 1))) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: 'what is judged is a target of classes, or of one number a row',
      place: where,
      expected: 'classes, or one number a row',
      received: target === null ? 'no target' : target.kind === 'numbers' ? `${target.width} numbers a row` : target.kind,
    });
  }
  const names = target.kind === 'classes' ? target.names : [];
  const index = new Map(names.map((name, k) => [name, k]));
  const stride = targetWidth(schema.target as TargetSchema);
  return {
    classes: names.length,
    names,
    values(rows) {
      const all = rows.targets();
      return stride === 1 ? all : columnsOfOutput(all, rows.rows, { from: at, width: 1 });
    },
    async predictions(fitted, rows) {
      const given: unknown = await fitted.predict(rows);
      const own = output === undefined ? given : (given as Readonly<Record<string, unknown>>)[output];
      if (own === undefined)
        throw new NablaError({ code: 'INVALID_DATA', message: `the model predicts nothing called ${output}`, place: where });
      if (names.length === 0) return Float64Array.from(own as ArrayLike<number>);
      return Float64Array.from(own as readonly string[], (name) => index.get(name) ?? -1);
    },
  };
};
