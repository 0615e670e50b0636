import { impute, oneHot, type Preparation, standardize } from '../data/preparation.js';
import { type Schema, type TargetSchema, targetWidth } from '../data/schema.js';
import { invalidOption, NablaError, shown } from '../errors/index.js';
import type { Model } from '../layers/index.js';
import type { Loss } from '../losses/index.js';
import { callNative } from '../native/index.js';
import { type Mask, type OwnPenalty, shapeText, Tensor, Trace } from '../trace/index.js';
import { withNamedInputs } from './named-inputs.js';
import { expectOutputs, type PlannedOutput, targetOf } from './outputs.js';

/** The part of a recipe that the graph depends on. */
export interface Plannable {
  readonly model: Model;
  /** One loss, or one an output. */
  readonly loss: Loss | readonly PlannedOutput[];
  readonly prepare: readonly Preparation[] | 'auto';
  readonly prepareTargets: readonly Preparation[];
  /** Whether training samples are mixed with others. */
  readonly mixes?: boolean;
}

/** What a recipe becomes for data of one schema. */
export interface Plan {
  /** The graph as versioned plain JSON. */
  readonly graph: string;
  /** Penalties that layers asked for. */
  readonly penalties: readonly OwnPenalty[];
  readonly prepare: readonly Preparation[];
}

const describedTarget = (target: TargetSchema | null): string => {
  if (target === null) return 'no target';
  if (target.kind === 'numbers') return target.width === 1 ? 'numbers' : `${target.width} numbers a row`;
  if (target.kind === 'several') return `several targets (${target.targets.map(({ name }) => name).join(', ')})`;
  const { names } = target;
  if (target.kind === 'sequence') return `${target.width} of ${names.length} classes a row`;
  return `${names.length} class${names.length === 1 ? '' : 'es'} (${names.slice(0, 6).join(', ')}${names.length > 6 ? ', …' : ''})`;
};

const wrongTarget = (loss: { readonly kind: string }, expected: string, target: TargetSchema | null, hint?: string): NablaError =>
  new NablaError({
    code: 'INVALID_DATA',
    message: `the loss ${loss.kind} needs ${expected}; this data set has ${describedTarget(target)}`,
    place: 'targets',
    expected,
    received: describedTarget(target),
    hint,
  });

/** Shape of the targets as the loss sees them; −1 is the batch. */
const targetShape = (loss: Loss, target: TargetSchema | null): readonly number[] => {
  if (target === null) throw wrongTarget(loss, 'a target', target, 'Give targets to Dataset.from, or name the target column of the file.');
  if (target.kind === 'several')
    throw wrongTarget(loss, 'one target', target, 'Give each output of the model its loss by name: loss: { digit: …, parity: … }.');
  switch (loss.targets) {
    case 'classes':
      if (target.kind === 'sequence') return [-1, target.width];
      if (target.kind !== 'classes') throw wrongTarget(loss, 'classes', target, "Numbers are classes with task: 'classification'.");
      if (target.names.length < 2) throw wrongTarget(loss, 'at least two classes', target);
      return [-1];
    case 'binary':
      if (target.kind === 'numbers') return [-1, target.width];
      if (target.kind === 'sequence' || target.names.length !== 2)
        throw wrongTarget(loss, 'two classes, or numbers 0 and 1', target, "For more classes use loss: 'crossEntropy'.");
      return [-1, 1];
    case 'labels':
      if (target.kind !== 'classes') throw wrongTarget(loss, 'classes', target, "Numbers are classes with task: 'classification'.");
      return [-1];
    case 'sequences':
      if (target.kind !== 'numbers')
        throw wrongTarget(loss, 'rows of label indices', target, 'Give each row its labels as numbers, filled up with the blank.');
      return [-1, target.width];
    case 'numbers':
      if (target.kind !== 'numbers') throw wrongTarget(loss, 'numbers', target, "For classes use loss: 'crossEntropy'.");
      return [-1, target.width];
    case 'any':
      return target.kind === 'classes' ? [-1] : [-1, target.width];
  }
};

const misfit = (layer: string, loss: Loss, prediction: Tensor, expected: string, because: string): NablaError =>
  new NablaError({
    code: 'SHAPE_MISMATCH',
    message: `the model's output ${shapeText(prediction.shape)} does not fit the loss ${loss.kind}: expected ${expected}, ${because}`,
    place: layer,
    layer,
    expected,
    received: shapeText(prediction.shape),
  });

const expectOutput = (loss: Loss, prediction: Tensor, target: TargetSchema, layer: string): void => {
  const { shape } = prediction;
  if (shape[0] !== -1) throw misfit(layer, loss, prediction, '[batch, …]', 'one prediction a row');
  const width = shape.at(-1) ?? 0;
  if (loss.targets === 'classes' && target.kind === 'classes') {
    const count = target.names.length;
    if (shape.length !== 2 || width !== count)
      throw misfit(layer, loss, prediction, `[batch, ${count}]`, `one output for each of the ${count} classes`);
  } else if (loss.targets === 'classes' && target.kind === 'sequence') {
    const count = target.names.length;
    if (shape.length !== 3 || shape[1] !== target.width || width !== count) {
      const expected = `[batch, ${target.width}, ${count}]`;
      throw misfit(
        layer,
        loss,
        prediction,
        expected,
        `one output for each of the ${count} classes at each of the ${target.width} positions`,
      );
    }
  } else if (loss.targets === 'binary' || loss.targets === 'numbers') {
    const outputs = target.kind === 'numbers' ? target.width : 1;
    if (shape.length !== 2 || width !== outputs) {
      const because =
        target.kind === 'classes' ? 'one output that decides between the two classes' : `as many outputs as targets a row (${outputs})`;
      throw misfit(layer, loss, prediction, `[batch, ${outputs}]`, because);
    }
  }
};

/**
 * The steps, and the shape of a prepared row, which the model is traced with. `'auto'`: missing numbers get the mean, numbers are
 * standardized, categories become columns of 0 and 1 (all 0 where the cell is missing).
 */
const preparationFor = (
  { columns, sampleShape, ragged }: Schema,
  prepare: Plannable['prepare'],
): { readonly steps: readonly Preparation[]; readonly shape: readonly number[]; readonly columns?: Schema['columns'] } => {
  const categories = columns.some(({ kind }) => kind === 'category');
  const automatic = columns.length === 0 ? [standardize()] : [impute(), standardize(), ...(categories ? [oneHot()] : [])];
  const steps = prepare === 'auto' ? (ragged ? [] : automatic) : prepare;
  if (columns.length === 0) return { steps, shape: sampleShape };
  const specs = JSON.stringify(steps.map(({ spec }) => spec));
  const after =
    steps.length === 0 ? columns : (JSON.parse(callNative((n) => n.columnsAfter(specs, JSON.stringify(columns)))) as Schema['columns']);
  const category = after.find(({ kind }) => kind === 'category');
  if (category !== undefined) {
    throw new NablaError({
      code: 'INVALID_DATA',
      message: `the column ${JSON.stringify(category.name)} holds categories, which a network cannot take as they are`,
      place: category.name,
      expected: 'columns of numbers',
      received: 'a column of categories',
      hint: "Leave it out (drop: ['…']), or encode it: prepare: [oneHot()].",
    });
  }
  // Which columns selectBest keeps is known when it is fitted.
  return { steps, shape: [after.length], ...(steps.some(({ kind }) => kind === 'selectBest') ? {} : { columns: after }) };
};

/** A target of `[batch, width]` numbers side by side: one of them, as its loss reads it. */
const targetPart = (all: Tensor, at: number, shape: readonly number[]): Tensor => {
  const width = shape[1] ?? 1;
  const part = width === all.shape[1] ? all : all.slice(1, at, at + width);
  return shape.length === 1 ? part.reshape([-1]) : part;
};

const expectRows = (rows: unknown): Tensor => {
  if (rows instanceof Tensor && rows.shape.length === 1 && rows.shape[0] === -1) return rows;
  const received = rows instanceof Tensor ? shapeText(rows.shape) : typeof rows;
  throw new NablaError({
    code: 'SHAPE_MISMATCH',
    message: `a loss gives one value a row: expected [batch], got ${received}`,
    place: 'loss',
    expected: '[batch]',
    received,
    hint: 'Reduce the last axis, for instance with .mean(-1).',
  });
};

/** Σ weight · loss over the outputs, and each prediction under its name. */
const planOutputs = (trace: Trace, prediction: unknown, outputs: readonly PlannedOutput[], schema: Schema, layer: string) => {
  const predictions = expectOutputs(prediction, outputs);
  const own = outputs.map((output) => ({ ...output, ...targetOf(output.name, schema), prediction: predictions[output.name] as Tensor }));
  const all = trace.input('targets', [-1, targetWidth(schema.target as TargetSchema)]);
  const losses = own.map(({ name, loss, weight, target, at, prediction, prepareTargets, classWeights }) => {
    try {
      const shape = targetShape(loss, target);
      expectOutput(loss, prediction, target, layer);
      if (prepareTargets.length > 0 && (target.kind !== 'numbers' || loss.targets === 'binary'))
        throw wrongTarget(loss, 'numbers to predict, because prepareTargets is given for it', target);
      if (classWeights !== undefined && target.kind !== 'classes')
        throw wrongTarget(loss, 'classes, because classWeights are given for it', target);
      const rows = expectRows(loss(prediction, targetPart(all, at, shape))).multiply(weight);
      return classWeights === undefined ? rows : rows.multiply(trace.input(`classWeights:${name}`, [-1]));
    } catch (error) {
      if (!(error instanceof NablaError)) throw error;
      throw error.with({ place: `output ${name}` });
    }
  });
  const loss = losses.reduce((sum, one) => sum.add(one));
  return { loss, ...Object.fromEntries(own.map(({ name, prediction }) => [`prediction:${name}`, prediction])) };
};

/** Of a sample mixed with another: λ·ℓ(y) + (1 − λ)·ℓ(y′). Numbers are mixed themselves and need no second loss. */
const mixedLoss = (trace: Trace, loss: Loss, prediction: Tensor, own: Tensor): Tensor => {
  const other = loss(prediction, trace.input('partnerTargets', [-1], 'index'));
  const share = trace.input('ownShares', [-1]);
  return own.multiply(share).add(other.multiply(share.negate().add(1)));
};

/**
 * Traces model and loss for data of this schema. All shapes are known afterwards: what does not fit is an error here, whose stack ends
 * on the user's own line.
 */
export const plan = (recipe: Plannable, schema: Schema): Plan => {
  const { model, loss } = recipe;
  const single = typeof loss === 'function' ? loss : undefined;
  const shape = single === undefined ? [] : targetShape(single, schema.target);
  const { steps: prepare, shape: prepared, columns } = preparationFor(schema, recipe.prepare);
  if (recipe.prepareTargets.length > 0 && schema.target?.kind !== 'numbers') {
    throw wrongTarget(single ?? { kind: 'of each output' }, 'numbers, because prepareTargets is given', schema.target);
  }
  if (schema.text !== undefined && prepare.length > 0) throw invalidOption('Trainer', 'prepare', 'to be left out for texts', prepare);
  const trace = new Trace();
  const sequence = trace.input('features', [-1, ...prepared]);
  const mask: Mask | undefined = schema.ragged ? { steps: trace.input('mask', [-1, prepared[0] as number]), prefix: true } : undefined;
  const features = mask === undefined ? withNamedInputs(sequence, schema, columns) : sequence.withMask(mask);
  const prediction: unknown = (model as (x: Tensor) => unknown)(features);
  // The layer that ran last is the one whose width is wrong; a loss may run layers of its own afterwards.
  const layer = trace.lastLayer === '' ? 'model' : trace.lastLayer;
  if (single === undefined) {
    if (recipe.mixes === true)
      throw invalidOption('Trainer', 'augment', 'without mixup and cutmix where there are several outputs', 'a step that mixes');
    const outputs = planOutputs(trace, prediction, loss as readonly PlannedOutput[], schema, layer);
    return { graph: trace.finish(outputs), penalties: trace.penalties, prepare };
  }
  if (!(prediction instanceof Tensor)) {
    const names = typeof prediction === 'object' && prediction !== null ? Object.keys(prediction) : [];
    if (names.length === 0) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        message: `the model gives no Tensor, but ${shown(prediction)}.`,
        place: 'model',
        expected: 'a Tensor, or an object of Tensors',
        received: shown(prediction),
        hint: 'is a return missing?',
      });
    }
    throw new NablaError({
      code: 'INVALID_OPTION',
      message: `the model has outputs by name (${names.join(', ')}), but there is one loss for all.`,
      place: 'Trainer: loss',
      expected: `a loss for each output: { ${names.map((name) => `${name}: …`).join(', ')} }`,
      received: single.kind,
    });
  }
  expectOutput(single, prediction, schema.target as TargetSchema, layer);
  const targets = trace.input('targets', shape, shape.length === 1 || schema.target?.kind === 'sequence' ? 'index' : 'float');
  // Padding is not predicted, whatever the layers before made of the mask.
  const counted = mask !== undefined && schema.target?.kind === 'sequence' ? prediction.withMask(mask) : prediction;
  const rows = expectRows(single(counted, targets));
  const mixed = recipe.mixes === true && shape.length === 1 ? mixedLoss(trace, single, counted, rows) : undefined;
  return {
    graph: trace.finish({ prediction, loss: rows, ...(mixed === undefined ? {} : { mixedLoss: mixed }) }),
    penalties: trace.penalties,
    prepare,
  };
};
