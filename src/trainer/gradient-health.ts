import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import {
  expectOptions,
  invalidOption,
  isAnything,
  isBoolean,
  isInteger,
  isListOf,
  isOneOf,
  isString,
  NablaError,
  optionsOf,
} from '../errors/index.js';
import { GradientHealth } from '../health/index.js';
import { type HealthRecord, type LayerHealth, ratioOf, recordFrom, type Statistics } from '../health/record.js';
import { callNative, runTask } from '../native/index.js';
import { type Fitted, modelOf } from './fitted.js';
import { type AnyTrainer, expectDataset, isFitted, specOf, Trainer } from './trainer.js';

/** Options of `gradientHealth`. */
export interface GradientHealthOptions {
  /** Steps that are taken, by the trainer's own optimizer and batches. Default 30. */
  readonly steps?: number;
  /** Looks at each so many. Default 1. */
  readonly every?: number;
  /** Starts from the weights of a fitted model; default the first weights. */
  // biome-ignore lint/suspicious/noExplicitAny: any fitted model
  readonly from?: Fitted<any, any>;
  /** Default: all cores, or `NABLA_THREADS`. Never changes a bit of the result. */
  readonly threads?: number;
}

const healthOptions = optionsOf('gradientHealth', {
  steps: isInteger({ min: 1 }),
  every: isInteger({ min: 1 }),
  from: isFitted,
  threads: isInteger({ min: 1, max: 1024 }),
});

type Numbers = ArrayLike<number>;

/** One layer of one's own training loop, as arrays. */
export interface LayerArrays {
  /** Its name. */
  readonly layer: string;
  /** Its outputs, row by row. */
  readonly outputs?: Numbers;
  /** The activation that gives them. */
  readonly activation?: 'relu' | 'tanh' | 'sigmoid';
  /** The loss's gradient with respect to them. */
  readonly signal?: Numbers;
  readonly weights?: Numbers;
  /** The loss's gradient with respect to the weights. */
  readonly gradient?: Numbers;
  /** What the optimizer adds to the weights. */
  readonly update?: Numbers;
}

const isNumbers = (value: unknown): string | undefined =>
  ArrayBuffer.isView(value) || (Array.isArray(value) && value.every((v) => typeof v === 'number'))
    ? undefined
    : 'to be an array of numbers';
const layerOptions = optionsOf('gradientHealth: a layer', {
  layer: isString,
  outputs: isNumbers,
  activation: isOneOf(['relu', 'tanh', 'sigmoid']),
  signal: isNumbers,
  weights: isNumbers,
  gradient: isNumbers,
  update: isNumbers,
});
const stepOptions = optionsOf('gradientHealth: a step', {
  layers: isListOf(isAnything),
  loss: isAnything,
  learningRate: isAnything,
  last: isBoolean,
});

const statistics = (values: Numbers): Statistics =>
  JSON.parse(callNative((n) => n.numberStatistics(Float64Array.from(values)))) as Statistics;

const SATURATED = { tanh: [-0.95, 0.95], sigmoid: [0.025, 0.975] } as const;

const layerOf = (arrays: LayerArrays, last: number, place: number): LayerHealth => {
  expectOptions('gradientHealth: a layer', arrays, layerOptions, gradientHealth);
  const { layer, outputs, activation, signal, weights, gradient, update } = arrays;
  if (layer === undefined) throw invalidOption('gradientHealth', 'layer', 'to name the layer', layer, gradientHealth);
  if (gradient !== undefined && weights === undefined)
    throw invalidOption('gradientHealth', 'weights', `to come with the gradient of ${layer}`, weights, gradientHealth);
  for (const other of [gradient, update])
    if (other !== undefined && weights !== undefined && other.length !== weights.length)
      throw new NablaError({
        code: 'SHAPE_MISMATCH',
        message: `${layer}: ${weights.length} weights, ${other.length} numbers of their gradient or update`,
        place: layer,
        expected: `${weights.length} numbers`,
        received: `${other.length}`,
      });
  const [low, high] = activation === 'tanh' || activation === 'sigmoid' ? SATURATED[activation] : [0, 0];
  const norm = (values: Numbers | undefined): number => Math.hypot(...Array.from(values ?? []));
  const norms = { weightNorm: norm(weights), updateNorm: norm(update) };
  return {
    layer,
    ...(activation === undefined ? {} : { bound: activation }),
    recurrent: false,
    ends: place === last ? [] : [last],
    ...(outputs === undefined ? {} : { outputs: statistics(outputs) }),
    ...(outputs === undefined || low === high
      ? {}
      : { saturated: Array.from(outputs).filter((v) => v < low || v > high).length / Math.max(outputs.length, 1) }),
    ...(signal === undefined ? {} : { signal: statistics(signal) }),
    parameters:
      gradient === undefined
        ? []
        : [
            {
              name: `${layer}/kernel`,
              kernel: true,
              gradient: statistics(gradient),
              ...norms,
              ratio: update === undefined ? Number.NaN : ratioOf(norms),
            },
          ],
  };
};

/** One step of one's own training loop. */
export interface StepArrays {
  /** In the order of the network, the last one its output. */
  readonly layers: readonly LayerArrays[];
  readonly loss?: number;
  readonly learningRate?: number;
}

const recordOf = (step: StepArrays, index: number): HealthRecord => {
  expectOptions('gradientHealth: a step', step, stepOptions, gradientHealth);
  const { layers, loss = Number.NaN, learningRate = Number.NaN } = step;
  return {
    step: index,
    epoch: 0,
    rows: 0,
    loss,
    learningRate,
    layers: layers.map((layer, i) => layerOf(layer, layers.length - 1, i)),
  };
};

/**
 * The health of a recipe's gradients: takes a few steps as a fit would, looks at each, and says in words what is wrong, with the layer, the
 * numbers it judged by and what to try. Thresholds and their sources are in `healthThresholds`. Where training stops being finite, it says
 * what was seen until then. A fit does the same on its way, `fit(data, { health: { every: 50 } })`.
 *
 * Or of arrays, from a training loop of one's own: an array of steps, each with its layers' outputs, weights, gradients and updates.
 * @throws {NablaError} what a fit of the same data would say
 * @example
 * const health = await gradientHealth(trainer, train);
 * console.log(health.verdict, health.layer, health.suggestions[0]);
 * @example
 * gradientHealth([{ loss, layers: [{ layer: 'dense', weights, gradient, update, outputs, activation: 'tanh' }] }]).verdict;
 */
export function gradientHealth(trainer: AnyTrainer, data: Dataset, options?: GradientHealthOptions): Promise<GradientHealth>;
export function gradientHealth(steps: readonly StepArrays[]): GradientHealth;
export function gradientHealth(
  of: AnyTrainer | readonly StepArrays[],
  data?: Dataset,
  options: GradientHealthOptions = {},
): Promise<GradientHealth> | GradientHealth {
  if (Array.isArray(of)) return new GradientHealth(of.map(recordOf));
  return examined(of as AnyTrainer, data as Dataset, options);
}

const examined = async (trainer: AnyTrainer, data: Dataset, options: GradientHealthOptions): Promise<GradientHealth> => {
  if (!(trainer instanceof Trainer))
    throw invalidOption('gradientHealth', 'the trainer', 'to be a Trainer, or an array of steps', trainer, gradientHealth);
  expectDataset('gradientHealth', data);
  expectOptions('gradientHealth', options, healthOptions, gradientHealth);
  const { steps = 30, every = 1, from, threads } = options;
  const spec = specOf(trainer, schemaOf(data));
  const text = await runTask(
    (n, task) =>
      n.examineHealth(
        task,
        spec,
        new n.FitJob(nativeOf(data), null, null, null, from && modelOf(from)),
        JSON.stringify({ steps, every, threads }),
      ),
    (task) => task.takeText(),
  );
  const { records, broke } = JSON.parse(text) as { records: HealthRecord[]; broke?: { message: string; place: string } };
  return new GradientHealth(records.map(recordFrom), broke);
};
