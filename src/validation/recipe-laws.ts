import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { NablaError } from '../errors/index.js';
import type { Model } from '../layers/index.js';
import { resolveLoss } from '../losses/resolve.js';
import { Tensor } from '../trace/index.js';
import type { Estimator } from '../trainer/estimator.js';
import { Fitted } from '../trainer/fitted.js';
import { NativeFits } from '../trainer/native-fit.js';
import { recipeOf, specOf, Trainer } from '../trainer/trainer.js';
import { difference, flat, NotApplicable } from './check-estimator.js';
import { expectNoNoise, expectNoStatistics, plain, rowsOf } from './full-batch-laws.js';

type Law = readonly [law: string, check: () => Promise<string | undefined>];

// biome-ignore lint/suspicious/noExplicitAny: any trainer
type AnyTrainer = Trainer<any, any>;

const weightsOf = (fitted: Fitted): number[] => Array.from(fitted.weights().values(), ({ values }) => Array.from(values)).flat();

/** Every row in each step, in double precision, by plain descent: what is left are model and loss. */
const bare = { ...plain, precision: 'f64', regularizers: [], groups: [], clip: null, schedule: null, averaging: null, classWeights: null };
const descent = (learningRate: number): object => ({ optimizer: { kind: 'sgd', learningRate } });

const fitWith = async (trainer: AnyTrainer, rows: Dataset, changes: object): Promise<Fitted> => {
  const spec = JSON.stringify({ ...(JSON.parse(specOf(trainer, schemaOf(rows))) as object), ...changes });
  const [finished] = await new NativeFits().start(spec, [{ train: nativeOf(rows) }], { events: false }, () => {});
  return finished?.fitted as unknown as Fitted;
};

/** Laws of a recipe that is cut in two, written down, or changed so that nothing should change. */
export const recipeLaws = (estimator: Estimator, data: Dataset): Law[] => {
  const trainer = (): AnyTrainer => {
    if (!(estimator instanceof Trainer)) throw new NotApplicable('not a Trainer');
    return estimator as AnyTrainer;
  };
  const ones = Array.from({ length: data.rows }, () => 1);
  const several = (recipe: AnyTrainer): boolean => typeof recipeOf(recipe).loss === 'object';
  return [
    [
      'traced again, and through JSON, the recipe is the same',
      async () => {
        const text = specOf(trainer(), schemaOf(data));
        const again = specOf(new Trainer(recipeOf(trainer())) as AnyTrainer, schemaOf(data));
        if (text !== again) return 'traced twice it gives two recipes: a layer or loss that is not the same each time';
        const round = JSON.stringify(JSON.parse(text));
        const [one] = await new NativeFits().start(text, [{ train: nativeOf(data) }], { events: false }, () => {});
        const [two] = await new NativeFits().start(round, [{ train: nativeOf(data) }], { events: false }, () => {});
        return difference(weightsOf(one?.fitted as unknown as Fitted), weightsOf(two?.fitted as unknown as Fitted), 0);
      },
    ],
    [
      'left after an epoch and gone on from there it ends with the same bits',
      async () => {
        const spec = JSON.stringify({ ...(JSON.parse(specOf(trainer(), schemaOf(data))) as object), epochs: 4 });
        const train = nativeOf(data);
        const [whole] = await new NativeFits().start(spec, [{ train }], { events: false }, () => {});
        const [left] = await new NativeFits().start(spec, [{ train, until: 1 }], { events: false }, () => {});
        if (left?.paused === undefined) throw new NotApplicable('a fit of one epoch');
        const [rest] = await new NativeFits().start(spec, [{ train, resume: left.paused }], { events: false }, () => {});
        return difference(weightsOf(whole?.fitted as unknown as Fitted), weightsOf(rest?.fitted as unknown as Fitted), 0);
      },
    ],
    [
      'saved and loaded it goes on as it would have',
      async () => {
        const recipe = trainer();
        const fitted = await recipe.fit(data);
        const folder = await mkdtemp(join(tmpdir(), 'nabla-check-'));
        try {
          await fitted.save(join(folder, 'model.nabla'));
          const loaded = await Fitted.load(join(folder, 'model.nabla'));
          const [one, two] = [await recipe.fit(data, { from: fitted as never }), await recipe.fit(data, { from: loaded as never })];
          return difference(weightsOf(one as unknown as Fitted), weightsOf(two as unknown as Fitted), 0);
        } finally {
          await rm(folder, { recursive: true });
        }
      },
    ],
    [
      'classes in another order, outputs in the same, and it learns the same',
      async () => {
        const recipe = trainer();
        const { target } = schemaOf(data);
        if (target?.kind !== 'classes') throw new NotApplicable('the target is not classes');
        const options = recipeOf(recipe);
        if (several(recipe)) throw new NotApplicable('several outputs');
        const { length } = target.names;
        const backwards = target.names.map((_, k) => length - 1 - k);
        let fits = true;
        const turned = (x: Tensor): Tensor => {
          const y: unknown = (options.model as unknown as (x: Tensor) => unknown)(x);
          fits = y instanceof Tensor && y.rank === 2 && y.shape.at(-1) === length;
          return fits ? (y as Tensor).take(backwards, { axis: 1 }) : (y as Tensor);
        };
        const rows = rowsOf(data, ones);
        expectNoNoise(recipe, rows);
        const other = new Trainer({ ...options, model: turned as unknown as Model }) as AnyTrainer;
        const names = [...target.names].reverse();
        const swapped = Dataset.from({
          features: rows.features(),
          shape: [rows.rows, ...rows.sampleShape],
          targets: rows.labels(),
          classes: names,
        });
        specOf(other, schemaOf(swapped));
        if (!fits) throw new NotApplicable('not one output a class');
        const changes = { ...bare, ...descent(0.01) };
        return difference(weightsOf(await fitWith(recipe, rows, changes)), weightsOf(await fitWith(other, swapped, changes)), 1e-9);
      },
    ],
    [
      'four times the loss at a quarter of the rate gives the same steps',
      async () => {
        const recipe = trainer();
        const options = recipeOf(recipe);
        if (several(recipe)) throw new NotApplicable('several outputs');
        const own = resolveLoss(options.loss as never);
        const scaled = Object.assign((p: Tensor, t: Tensor): Tensor => own(p, t).multiply(4), {
          kind: own.kind,
          targets: own.targets,
          output: own.output,
          toJSON: () => own.toJSON(),
        });
        const rows = rowsOf(data, ones);
        expectNoNoise(recipe, rows);
        const other = new Trainer({ ...options, loss: scaled }) as AnyTrainer;
        const [one, two] = [
          await fitWith(recipe, rows, { ...bare, ...descent(0.01) }),
          await fitWith(other, rows, { ...bare, ...descent(0.0025) }),
        ];
        return difference(weightsOf(one), weightsOf(two), 1e-9);
      },
    ],
    [
      'training and inference differ by noise and batch statistics alone',
      async () => {
        const recipe = trainer();
        const rows = rowsOf(data, ones);
        expectNoNoise(recipe, rows);
        expectNoStatistics(recipe, rows);
        const fitted = await fitWith(recipe, rows, { ...bare, ...descent(0), epochs: 1 });
        return difference(fitted.history[0]?.train.loss, (await fitted.evaluate(rows)).loss, 1e-9);
      },
    ],
    [
      'batches of one row, of all, and a short last one are named errors or defined results',
      async () => {
        const recipe = trainer();
        const rows = rowsOf(data, ones);
        for (const batchSize of [1, rows.rows, Math.max(1, rows.rows - 1)]) {
          try {
            const fitted = await fitWith(recipe, rows, { ...bare, ...descent(1e-3), epochs: 1, batchSize });
            const wrong = weightsOf(fitted).find((value) => !Number.isFinite(value));
            if (wrong !== undefined) return `batches of ${batchSize}: a weight is ${wrong}`;
          } catch (error) {
            if (!(error instanceof NablaError) || error.code === 'INTERNAL') return `batches of ${batchSize}: ${error}`;
          }
        }
        return undefined;
      },
    ],
    [
      'rows of another width are refused by a named error',
      async () => {
        trainer();
        const { sampleShape, ragged, text } = schemaOf(data);
        if (sampleShape.length !== 1 || ragged || text !== undefined) throw new NotApplicable('rows that are no plain columns');
        const fitted = await estimator.fit(data);
        const wide = Dataset.from({ features: Array.from({ length: 2 }, () => new Array<number>((sampleShape[0] as number) + 1).fill(0)) });
        try {
          return `it predicts ${flat(await fitted.predict(wide))
            .slice(0, 3)
            .join(', ')}`;
        } catch (error) {
          return error instanceof NablaError && error.code !== 'INTERNAL' ? undefined : `it throws ${error}`;
        }
      },
    ],
    [
      'fits leave no memory behind',
      async () => {
        const collect = (globalThis as { gc?: () => void }).gc;
        if (collect === undefined) throw new NotApplicable('start node with --expose-gc');
        const held = async (): Promise<number> => {
          // Finalizers run in a later turn.
          for (let turn = 0; turn < 3; turn++) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            collect();
          }
          const { heapUsed, external } = process.memoryUsage();
          return heapUsed + external;
        };
        const fits = async (count: number): Promise<void> => {
          for (let i = 0; i < count; i++)
            await (await estimator.fit(data.select(data.rows > 1 ? [...Array(data.rows).keys()] : [0]))).predict(data);
        };
        await fits(5);
        const before = await held();
        await fits(10);
        const grown = (await held()) - before;
        // A fit that stays holds its rows at least; the collector's own margin is some tens of kilobytes.
        const limit = Math.max(300_000, 5 * data.rows * 8);
        return grown < limit ? undefined : `ten fits left ${Math.round(grown / 1000)} kB`;
      },
    ],
  ];
};
