/** Types as tests: checked by the compiler, never run. */
import { describe, expectTypeOf, it } from 'vitest';
import type { Dataset } from '../src/data/index.js';
import { heNormal, ones } from '../src/initializers/index.js';
import { concat, dense, type Layer, layer, type Network, network, residual, sequential } from '../src/layers/index.js';
import { crossEntropy, huber, type Loss } from '../src/losses/index.js';
import { accuracy, confusionMatrix, fBeta, type MetricKey, type Metrics, type MetricValues } from '../src/metrics/index.js';
import { adam, sgd } from '../src/optimizers/index.js';
import { l2 } from '../src/regularizers/index.js';
import type { Tensor } from '../src/trace/index.js';
import { Trainer } from '../src/trainer/index.js';
import { choice, coarseToFine, integer, logUniform, type Params, tune, uniform } from '../src/tuning/index.js';
import { kFold, nestedCrossValidate } from '../src/validation/index.js';

declare const data: Dataset;
declare const x: Tensor;

describe('layers', () => {
  it('are functions of tensors', () => {
    expectTypeOf(dense(8)).toEqualTypeOf<Layer>();
    expectTypeOf(dense(8)(x)).toEqualTypeOf<Tensor>();
    expectTypeOf(x.shape.at(-1)!).toEqualTypeOf<number>();
    const scale = layer('scale', (h, { parameter }) => h.multiply(parameter('gain', [h.shape.at(-1)!], ones())));
    expectTypeOf(scale()).toEqualTypeOf<Layer>();
    expectTypeOf(scale(x)).toEqualTypeOf<Tensor>();
    sequential([dense(8), scale(), scale, (h) => h.relu(), residual([dense(8)])]);
  });

  it('take exact options', () => {
    dense(8, { activation: 'relu', kernelInitializer: 'heNormal', biasInitializer: ones(), name: 'head' });
    // @ts-expect-error: no such option
    dense(8, { activaton: 'relu' });
    // @ts-expect-error: no such activation
    dense(8, { activation: 'rleu' });
    // @ts-expect-error: constant needs its value
    dense(8, { kernelInitializer: 'constant' });
    // @ts-expect-error: an activation is not a layer
    sequential([dense(8), 'relu']);
    // @ts-expect-error: the layers are a list
    sequential(dense(8), dense(1));
  });

  it('make networks of one or of named tensors', () => {
    const single = network((h) => {
      expectTypeOf(h.relu()).toEqualTypeOf<Tensor>();
      return dense(1)(h);
    });
    expectTypeOf(single(x)).toEqualTypeOf<Tensor>();
    sequential([single]);
    const two = network(({ pixels, age }) => {
      const h = dense(64, { activation: 'relu' })(pixels.concat(age));
      return { digit: dense(10)(h), parity: dense(1)(h) };
    });
    expectTypeOf(two({ pixels: x, age: x })).toEqualTypeOf<{ digit: Tensor; parity: Tensor }>();
    const exact = network<{ pixels: Tensor; age: Tensor }>(({ pixels, age }) => concat()([pixels, age]));
    expectTypeOf(exact).toEqualTypeOf<Network<{ pixels: Tensor; age: Tensor }, Tensor>>();
    // @ts-expect-error: an input is missing
    exact({ pixels: x });
  });
});

describe('recipes', () => {
  it('take models and losses of one’s own', () => {
    const scale = layer('scale', (h, { parameter }) => h.multiply(parameter('gain', [h.shape.at(-1)!], ones())));
    const block = (width: number) => residual([dense(width, { activation: 'relu' }), scale(), dense(width)]);
    new Trainer({
      model: network((h) => dense(1, { name: 'head' })(block(64)(block(64)(dense(64)(h))))),
      loss: (prediction, target) => prediction.subtract(target).square().mean(-1),
      epochs: 5,
    });
    new Trainer({
      model: network(({ pixels, age }) => {
        const h = dense(64, { activation: 'relu' })(pixels.concat(age));
        return { digit: dense(10)(h), parity: dense(1)(h) };
      }),
      loss: { digit: 'crossEntropy', parity: 'binaryCrossEntropy' },
      lossWeights: { parity: 0.3 },
      epochs: 5,
    });
    new Trainer({ model: dense(1), loss: huber({ delta: 2 }), optimizer: 'sgd', schedule: (step) => 1 / step, regularizers: [l2(1e-3)] });
    // @ts-expect-error: no such loss
    new Trainer({ model: dense(1), loss: 'crossentropy' });
    // @ts-expect-error: no such optimizer
    new Trainer({ model: dense(1), loss: 'huber', optimizer: 'adan' });
  });
});

describe('values', () => {
  it('are plain data with what they can do', () => {
    expectTypeOf(heNormal().sample([2, 3], { seed: 1 })).toEqualTypeOf<Float32Array>();
    expectTypeOf(heNormal().sample([2, 3], { precision: 'f64' })).toEqualTypeOf<Float64Array>();
    expectTypeOf(adam().beta1).toEqualTypeOf<number>();
    expectTypeOf(sgd().start(new Float64Array(2)).theta).toExtend<Float64Array>();
    expectTypeOf(crossEntropy()).toEqualTypeOf<Loss>();
    // @ts-expect-error: PyTorch's name
    adam({ lr: 1e-3 });
  });
});

describe('metrics', () => {
  it('keep the type of the labels', () => {
    expectTypeOf(accuracy(['a', 'b'], ['a', 'a'])).toEqualTypeOf<number>();
    expectTypeOf(confusionMatrix(['a', 'b'] as string[], ['a', 'a']).classes).toEqualTypeOf<readonly string[]>();
    fBeta([0, 1], [1, 1], { beta: 2, average: 'macro' });
    // @ts-expect-error: numbers are not compared with words
    accuracy([0, 1], ['a', 'b']);
    // @ts-expect-error: no such average
    fBeta([0, 1], [1, 1], { average: 'makro' });
  });

  it('name the results of a recipe', () => {
    const keys = <const M extends Metrics>(_metrics: M): MetricKey<M> => 'loss' as never;
    expectTypeOf(keys(['accuracy', 'f1'])).toEqualTypeOf<'accuracy' | 'f1'>();
    expectTypeOf(keys(['accuracy', ['fBeta', { beta: 2, average: 'macro', as: 'f2' }]])).toEqualTypeOf<'accuracy' | 'f2'>();
    expectTypeOf(keys(['r2', ['fBeta', { beta: 2 }]])).toEqualTypeOf<'r2' | 'fBeta'>();
    expectTypeOf(keys([])).toBeNever();
    expectTypeOf<MetricValues<readonly ['r2']>>().toEqualTypeOf<{ readonly r2: number }>();
    // @ts-expect-error: no such metric
    keys(['acuracy']);
    // @ts-expect-error: beta belongs to fBeta
    keys([['accuracy', { beta: 2 }]]);
    // @ts-expect-error: r2 has no options
    keys([['r2', { beta: 2 }]]);
    // @ts-expect-error: a matrix is no score
    keys(['confusionMatrix']);
  });
});

describe('tuning', () => {
  it('infers the space to the last literal', () => {
    const space = { units: integer(16, 256), batchSize: choice([16, 32, 64]), activation: choice(['relu', 'tanh']) };
    expectTypeOf<Params<typeof space>>().toEqualTypeOf<{
      readonly units: number;
      readonly batchSize: 16 | 32 | 64;
      readonly activation: 'relu' | 'tanh';
    }>();
  });

  it('infers branches as a union', () => {
    const space = { optimizer: choice({ sgd: { momentum: uniform(0, 1), nesterov: choice([true, false]) }, adam: {} }) };
    type Optimizer = Params<typeof space>['optimizer'];
    expectTypeOf<Optimizer['kind']>().toEqualTypeOf<'sgd' | 'adam'>();
    expectTypeOf<Extract<Optimizer, { kind: 'sgd' }>['momentum']>().toEqualTypeOf<number>();
    expectTypeOf<Extract<Optimizer, { kind: 'sgd' }>['nesterov']>().toEqualTypeOf<boolean>();
    tune(data, {
      space,
      estimator: ({ optimizer }) => {
        // @ts-expect-error: only one of the branches has it
        optimizer.momentum;
        const chosen = optimizer.kind === 'sgd' ? sgd({ momentum: optimizer.momentum }) : adam();
        return new Trainer({ model: dense(1), loss: 'meanSquaredError', optimizer: chosen });
      },
      objective: 'loss',
      first: [{ optimizer: { kind: 'adam' } }],
      constraint: ({ optimizer }) => optimizer.kind === 'adam' || optimizer.momentum < 0.99,
    });
    const huberOf = () => new Trainer({ model: dense(1), loss: 'huber' });
    // @ts-expect-error: no such branch
    tune(data, { space, estimator: huberOf, objective: 'loss', first: [{ optimizer: { kind: 'lamb' } }] });
    // @ts-expect-error: a value of another hyperparameter
    tune(data, { space: { a: choice([1, 2]) }, estimator: huberOf, objective: 'loss', first: [{ a: 3 }] });
    // @ts-expect-error: a range is no space
    choice({ sgd: uniform(0, 1) });
    // @ts-expect-error: not a hyperparameter
    tune(data, { space: { a: 3 }, estimator: huberOf, objective: 'loss' });
  });

  it('keeps every kind of literal, however deep', async () => {
    const space = {
      rate: choice([0.1, 'cosine', null, true]),
      shape: choice([{ units: 8, depth: 1 }, { units: 16 }]),
      outer: choice({ deep: { inner: choice({ a: { n: integer(1, 3), s: choice(['x', 'y']) }, b: {} }) }, flat: {} }),
    };
    type P = Params<typeof space>;
    expectTypeOf<P['rate']>().toEqualTypeOf<0.1 | 'cosine' | null | true>();
    expectTypeOf<P['shape']['units']>().toEqualTypeOf<8 | 16>();
    type Inner = Extract<P['outer'], { kind: 'deep' }>['inner'];
    expectTypeOf<Inner['kind']>().toEqualTypeOf<'a' | 'b'>();
    expectTypeOf<Extract<Inner, { kind: 'a' }>['s']>().toEqualTypeOf<'x' | 'y'>();
    const estimator = () => new Trainer({ model: dense(1), loss: 'huber' });
    const study = await tune(data, { space, estimator, objective: 'loss' });
    expectTypeOf(study.top(3)[0]?.params.rate).toEqualTypeOf<0.1 | 'cosine' | null | true | undefined>();
    // @ts-expect-error: read only
    study.best.params.rate = 0.1;
    // @ts-expect-error: no such hyperparameter
    study.importance.rates;
    // @ts-expect-error: a hyperparameter is missing
    tune(data, { space, estimator, objective: 'loss', first: [{ rate: null }] });
    // @ts-expect-error: no such hyperparameter
    tune(data, { space, estimator, objective: 'loss', constraint: ({ rates }) => rates === null });
    // @ts-expect-error: a range takes numbers
    uniform('0', 1);
    // @ts-expect-error: a sampler is made by its function
    tune(data, { space, estimator, objective: 'loss', sampler: 'random' });
    // @ts-expect-error: no such option
    tune(data, { space, estimator, objective: 'loss', trails: 3 });
  });

  it('chooses inside the folds of nestedCrossValidate', async () => {
    const recipe = ({ units }: { units: 8 | 16 }) => new Trainer({ model: dense(units), loss: 'crossEntropy', metrics: ['accuracy'] });
    const report = await nestedCrossValidate(data, {
      tune: async (train) => {
        const study = await tune(train, { space: { units: choice([8, 16]) }, estimator: recipe, objective: 'accuracy', refit: false });
        return recipe(study.best.params);
      },
    });
    expectTypeOf(report.scores.accuracy.mean).toEqualTypeOf<number>();
    // @ts-expect-error: not a metric of the recipe
    report.scores.f1;
    // @ts-expect-error: hyperparameters are no estimator
    nestedCrossValidate(data, { tune: async () => ({ units: 8 }) });
  });

  it('has no model without a refit', async () => {
    const estimator = () => new Trainer({ model: dense(1), loss: 'meanSquaredError' });
    expectTypeOf((await tune(data, { space: {}, estimator, objective: 'loss', refit: false })).fitted).toEqualTypeOf<undefined>();
    expectTypeOf((await tune(data, { space: {}, estimator, objective: 'loss' })).fitted.bestEpoch).toEqualTypeOf<number>();
  });

  it('carries it into the estimator, and the scores out of it', async () => {
    const study = await tune(data, {
      space: { learningRate: logUniform(1e-4, 1e-1), units: integer(16, 256), batchSize: choice([16, 32, 64]) },
      estimator: ({ learningRate, units, batchSize }) => {
        expectTypeOf(learningRate).toEqualTypeOf<number>();
        expectTypeOf(batchSize).toEqualTypeOf<16 | 32 | 64>();
        return new Trainer({
          model: sequential([dense(units, { activation: 'relu' }), dense(10)]),
          loss: 'crossEntropy',
          optimizer: adam({ learningRate }),
          metrics: ['accuracy'],
          batchSize,
        });
      },
      splitter: kFold({ k: 5, stratify: true, seed: 7 }),
      objective: 'accuracy',
      sampler: coarseToFine({ rounds: 3 }),
      trials: 60,
      storage: 'digits.study.jsonl',
      test: data,
      seed: 7,
    });
    expectTypeOf(study.best.params.batchSize).toEqualTypeOf<16 | 32 | 64>();
    expectTypeOf(study.best.score).toEqualTypeOf<number>();
    expectTypeOf(study.testScores.accuracy).toEqualTypeOf<number>();
    expectTypeOf(study.importance.learningRate).toEqualTypeOf<number>();
    // @ts-expect-error: not a metric of the trainer
    study.testScores.f1;
  });

  it('has no test scores without a test set, and knows its objectives', async () => {
    const estimator = () => new Trainer({ model: dense(1), loss: 'meanSquaredError', metrics: ['r2'] });
    const study = await tune(data, { space: {}, estimator, objective: 'r2' });
    expectTypeOf(study.testScores).toEqualTypeOf<undefined>();
    tune(data, { space: {}, estimator, objective: 'loss' });
    // @ts-expect-error: not a metric of the trainer
    tune(data, { space: {}, estimator, objective: 'accuracy' });
    for await (const trial of tune(data, { space: { units: choice([8, 16]) }, estimator, objective: 'r2' })) {
      expectTypeOf(trial.params.units).toEqualTypeOf<8 | 16>();
    }
  });
});

describe('split', () => {
  it('takes only the names there are', () => {
    data.split({ ratios: { train: 0.8, test: 0.2 }, stratify: true });
    // @ts-expect-error: stratify
    data.split({ ratios: 'auto', startify: true });
    // @ts-expect-error: test
    data.split({ ratios: { train: 0.8, tset: 0.2 } });
  });
});
