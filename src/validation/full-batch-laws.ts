import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import type { Estimator } from '../trainer/estimator.js';
import { Fitted } from '../trainer/fitted.js';
import { NativeFits } from '../trainer/native-fit.js';
import { specOf, Trainer } from '../trainer/trainer.js';
import { difference, flat, NotApplicable } from './check-estimator.js';

/** A fit's recipe as it crosses to the native side. */
interface Spec extends Record<string, unknown> {
  readonly graph: {
    readonly nodes: readonly { readonly op: string; readonly path?: string }[];
    readonly outputs: Readonly<Record<string, number>>;
  };
}

/** The recipe with every row in each step, in order, unprepared. */
export const plain = { batchSize: 'full', shuffle: false, earlyStopping: null, prepare: [], prepareTargets: [], metrics: [], epochs: 3 };

/** Standardized rows of the data by themselves, each as often as `times` says and with `weights`. */
export const rowsOf = (data: Dataset, times: readonly number[], weights?: readonly number[]): Dataset => {
  const { target, columns, sampleShape, width } = schemaOf(data);
  if (target === null || (target.kind !== 'classes' && target.kind !== 'numbers')) throw new NotApplicable('targets of another kind');
  if (columns.some(({ kind }) => kind === 'category')) throw new NotApplicable('categories');
  const features = data.features();
  for (let j = 0; j < width; j++) {
    let [sum, squares] = [0, 0];
    for (let i = j; i < features.length; i += width) sum += features[i] as number;
    const mean = sum / data.rows;
    for (let i = j; i < features.length; i += width) squares += ((features[i] as number) - mean) ** 2;
    const size = Math.sqrt(squares / data.rows) || 1;
    for (let i = j; i < features.length; i += width) features[i] = ((features[i] as number) - mean) / size;
  }
  const order = times.flatMap((count, row) => Array.from({ length: count }, () => row));
  const values = Float64Array.from(
    { length: order.length * width },
    (_, i) => features[(order[Math.floor(i / width)] as number) * width + (i % width)] as number,
  );
  const numbers = data.targets();
  const outputs = target.kind === 'numbers' ? target.width : 1;
  const scale = target.kind === 'numbers' ? Math.max(1, ...numbers.map(Math.abs)) : 1;
  return Dataset.from({
    features: values,
    shape: [order.length, ...sampleShape],
    targets:
      target.kind === 'classes'
        ? order.map((row) => target.names[numbers[row] as number] as string)
        : order.map((row) => Array.from({ length: outputs }, (_, k) => (numbers[row * outputs + k] as number) / scale)),
    ...(target.kind === 'classes' ? { classes: target.names } : {}),
    ...(weights === undefined ? {} : { weights }),
  });
};

const graphOf = (trainer: Trainer, rows: Dataset): Spec['graph'] => (JSON.parse(specOf(trainer as never, schemaOf(rows))) as Spec).graph;

/** Noise falls otherwise on other rows and in another precision. */
export const expectNoNoise = (trainer: Trainer, rows: Dataset): void => {
  const noisy = graphOf(trainer, rows).nodes.find(({ op }) => /dropout|noise|random|depth/i.test(op));
  if (noisy !== undefined) throw new NotApplicable(`noise (${noisy.op})`);
};

/** Batch statistics know no weights. */
export const expectNoStatistics = (trainer: Trainer, rows: Dataset): void => {
  if (Object.keys(graphOf(trainer, rows).outputs).some((name) => name.startsWith('update:'))) throw new NotApplicable('batch statistics');
};

/** Laws that need the recipe changed a little: of a `Trainer` alone. */
export const laterLaws = (estimator: Estimator, data: Dataset, seed: number): [law: string, check: () => Promise<string | undefined>][] => {
  const specFor = (rows: Dataset, changes: object): { spec: Spec; json: string } => {
    if (!(estimator instanceof Trainer)) throw new NotApplicable('not a Trainer');
    const spec = { ...(JSON.parse(specOf(estimator as never, schemaOf(rows))) as Spec), ...plain, seed, ...changes };
    return { spec, json: JSON.stringify(spec) };
  };
  const trained = async (rows: Dataset, changes: object = {}): Promise<Fitted> => {
    const [finished] = await new NativeFits().start(specFor(rows, changes).json, [{ train: nativeOf(rows) }], { events: false }, () => {});
    return finished?.fitted as unknown as Fitted;
  };
  const weightsOf = async (rows: Dataset, changes?: object): Promise<number[]> =>
    Array.from((await trained(rows, changes)).weights().values(), ({ values }) => Array.from(values)).flat();
  const ones = Array.from({ length: data.rows }, () => 1);
  const own = (): Trainer => {
    if (!(estimator instanceof Trainer)) throw new NotApplicable('not a Trainer');
    return estimator;
  };
  return [
    [
      'weight 0 is a row that is absent, weight 2 one that is there twice',
      async () => {
        const times = ones.map((_, row) => (row % 5 === 0 ? 0 : row % 5 === 1 ? 2 : 1));
        const weighted = rowsOf(data, ones, times);
        expectNoNoise(own(), weighted);
        expectNoStatistics(own(), weighted);
        const precise = { precision: 'f64' };
        return difference(await weightsOf(weighted, precise), await weightsOf(rowsOf(data, times), precise), 1e-6);
      },
    ],
    [
      'a step in single precision follows double precision to 1e-4',
      async () => {
        const rows = rowsOf(data, ones);
        expectNoNoise(own(), rows);
        const step = { epochs: 1, optimizer: { kind: 'sgd', learningRate: 0.01 } };
        return difference(await weightsOf(rows, { ...step, precision: 'f32' }), await weightsOf(rows, { ...step, precision: 'f64' }), 1e-4);
      },
    ],
    [
      'every parameter moves or is frozen by name',
      async () => {
        const rows = rowsOf(data, ones);
        const [early, late] = [await trained(rows, { epochs: 1 }), await trained(rows, { epochs: 4 })];
        const frozen = new Set(
          (specFor(rows, {}).spec as unknown as { graph: { parameters: { name: string; trainable: boolean }[] } }).graph.parameters
            .filter(({ trainable }) => !trainable)
            .map(({ name }) => name),
        );
        const later = late.weights();
        const still = [...early.weights()].filter(
          ([name, { values }]) => !frozen.has(name) && values.every((value, i) => value === later.get(name)?.values[i]),
        );
        return still.length === 0 ? undefined : `${still.map(([name]) => name).join(', ')} stays as it was`;
      },
    ],
    [
      'predictions are finite for standardized inputs up to ±10,000',
      async () => {
        const rows = rowsOf(data, ones);
        const wide = Float64Array.from(rows.features(), (value) => Math.max(-1e4, Math.min(1e4, 1e4 * value)));
        const fitted = await trained(rows);
        const far = Dataset.from({ features: wide, shape: [rows.rows, ...rows.sampleShape] });
        const wrong = flat(await fitted.predict(far)).find((value) => typeof value === 'number' && !Number.isFinite(value));
        return wrong === undefined ? undefined : `predicts ${wrong}`;
      },
    ],
    [
      'saved and loaded it predicts the same',
      async () => {
        const fitted = await estimator.fit(data);
        if (!(fitted instanceof Fitted)) throw new NotApplicable('its result is no Fitted');
        const folder = await mkdtemp(join(tmpdir(), 'nabla-check-'));
        try {
          await fitted.save(join(folder, 'model.nabla'));
          return difference(await fitted.predict(data), await (await Fitted.load(join(folder, 'model.nabla'))).predict(data), 0);
        } finally {
          await rm(folder, { recursive: true });
        }
      },
    ],
  ];
};
