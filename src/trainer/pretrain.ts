import { activate } from '../activations/index.js';
import { Dataset, schemaOf } from '../data/dataset.js';
import { expectArgument, expectOptions, invalidOption, isInteger, isNumber, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { normal, zeros } from '../initializers/index.js';
import { type DenseParts, partsOf } from '../layers/dense.js';
import { network } from '../layers/index.js';
import { type LayerContext, layer } from '../layers/layer.js';
import { chain, type Step, stepsOf } from '../layers/sequential.js';
import { adam, sgd } from '../optimizers/index.js';
import { type Tensor, traceOf } from '../trace/index.js';
import type { Epoch } from './epoch.js';
import type { Fitted } from './fitted.js';
import type { PredictionKind } from './predictions.js';
import { Run } from './run.js';
import { type AnyTrainer, expectDataset, type FitOptions, isTrainer, recipeOf, Trainer } from './trainer.js';

/** Options of `pretrain`. */
export interface PretrainOptions {
  /**
   * `'restrictedBoltzmann'`: each hidden layer as a restricted Boltzmann machine of binary units by contrastive divergence, stacked into a
   * deep belief network. `'denoisingAutoencoder'`: each hidden layer gives back its input from a part of it, with tied weights.
   */
  readonly method: 'restrictedBoltzmann' | 'denoisingAutoencoder';
  /**
   * What a Boltzmann machine of the first layer sees: `'binary'` units (default), inputs from 0 to 1 as probabilities; `'gaussian'` ones of
   * variance 1, for numbers that are standardized. The layers above see binary units.
   */
  readonly visible?: 'binary' | 'gaussian';
  /** Passes over the rows for each layer, default 10. */
  readonly epochs?: number;
  /**
   * Default 0.05 for Boltzmann machines (momentum 0.5), 0.001 for one of Gaussian units, which is left by too large steps (Hinton 2010,
   * section 13.2), 0.001 for autoencoders (Adam).
   */
  readonly learningRate?: number;
  /** Rows a step, default 32. */
  readonly batchSize?: number;
  /** Share of its input that an autoencoder does not see, in [0, 1); default 0.3. 0 is a plain autoencoder. */
  readonly corruption?: number;
  /** Steps of Gibbs sampling, k of CD-k; default 1. */
  readonly steps?: number;
  /** More rows to learn features from; their targets are not looked at, and they may have none. Default: the rows of the fit. */
  readonly unlabelled?: Dataset;
}

const isDataset = (value: unknown): string | undefined => (value instanceof Dataset ? undefined : 'to be a Dataset');
const pretrainOptions = optionsOf('pretrain', {
  method: isOneOf(['restrictedBoltzmann', 'denoisingAutoencoder']),
  visible: isOneOf(['binary', 'gaussian']),
  epochs: isInteger({ min: 1 }),
  learningRate: isNumber({ above: 0 }),
  batchSize: isInteger({ min: 1 }),
  corruption: isNumber({ min: 0, below: 1 }),
  steps: isInteger({ min: 1, max: 100 }),
  unlabelled: isDataset,
});

/** 0 or 1, 1 with probability p. No gradient. The uniform number it compares with has eight random bits: one mask of dropout each. */
const bernoulli = (p: Tensor): Tensor => {
  const ones = p.multiply(0).add(1);
  const bit = (): Tensor => traceOf(p).apply('dropout', [ones], { rate: 0.5, kind: 'element' }, bernoulli);
  // A mask is 0 or 2. The last half step keeps the number away from 0 and 1.
  const uniform = Array.from({ length: 8 }, (_, k) => bit().multiply(2 ** -(k + 2))).reduce((sum, part) => sum.add(part));
  return p.greater(uniform.add(2 ** -9));
};

/**
 * x to the nearest 1/512, within ±16, bit by bit: comparisons have no gradient, so neither has what is made of them.
 */
const withoutGradient = (x: Tensor): Tensor => {
  let rest = x.add(16 + 2 ** -10);
  let sum: Tensor | undefined;
  for (let k = 4; k >= -9; k--) {
    const part = rest.greaterOrEqual(2 ** k).multiply(2 ** k);
    rest = rest.subtract(part);
    sum = sum === undefined ? part : sum.add(part);
  }
  return sum!.subtract(16);
};

/** What a layer that is being pre-trained has: its weights, and a bias for what it sees. */
const machine = (v: Tensor, parts: DenseParts, { parameter }: LayerContext, ownInitializer: boolean) => {
  const width = v.shape.at(-1)!;
  const kernel = parameter('kernel', [width, parts.units], ownInitializer ? parts.initializer : normal({ deviation: 0.01 }));
  const bias = parameter('bias', [parts.units], zeros(), { decay: false });
  const visible = parameter('visibleBias', [width], zeros(), { decay: false });
  const up = (x: Tensor): Tensor => x.matmul(kernel).add(bias);
  const down = (h: Tensor): Tensor => h.matmul(kernel, { transposeB: true }).add(visible);
  return { visible, up, down };
};

/**
 * Free energy of a row less that of its reconstruction, F(v) = −b·v − Σ log(1 + exp(vW + c)); the reconstruction is a sample without a
 * gradient, so the gradient is that of CD-k. Gaussian units of variance 1 have ½‖v − b‖² in place of −b·v, and are given back by their mean.
 * Hinton 2002; Hinton 2010, "A practical guide to training restricted Boltzmann machines", sections 3 and 13.2.
 */
const boltzmann = (v: Tensor, parts: DenseParts, context: LayerContext, steps: number, gaussian: boolean): Tensor => {
  const { visible, up, down } = machine(v, parts, context, false);
  const seen = (x: Tensor): Tensor => (gaussian ? x.subtract(visible).square().sum(-1).multiply(-0.5) : x.multiply(visible).sum(-1));
  const energy = (x: Tensor): Tensor => seen(x).add(up(x).softplus().sum(-1)).negate();
  let sample = v;
  for (let k = 0; k < steps; k++) {
    const mean = down(bernoulli(up(sample).sigmoid()));
    sample = gaussian ? withoutGradient(mean) : bernoulli(mean.sigmoid());
  }
  return energy(v).subtract(energy(sample));
};

/**
 * The cross-entropy (of inputs in [0, 1]), or the squared error, of a row given back from the part that the corruption left of it.
 * Vincent et al. 2010, JMLR 11.
 */
const autoencoder = (v: Tensor, parts: DenseParts, context: LayerContext, corruption: number, binary: boolean): Tensor => {
  const { up, down } = machine(v, parts, context, true);
  const seen =
    corruption === 0
      ? v
      : traceOf(v)
          .apply('dropout', [v], { rate: corruption, kind: 'element' }, autoencoder)
          .multiply(1 - corruption);
  const z = down(activate(up(seen), parts.activation, context.parameter));
  if (!binary) return z.subtract(v).square().sum(-1);
  const missing = v.negate().add(1).multiply(z.softplus());
  return v.multiply(z.negate().softplus()).add(missing).sum(-1);
};

/** Where a hidden layer stands in the sequence. */
interface Hidden {
  readonly at: number;
  readonly parts: DenseParts;
  readonly name: string | undefined;
}

/** All dense layers but the last. */
const hiddenLayers = (steps: readonly Step[]): Hidden[] => {
  const dense = steps.flatMap((step, at) => {
    const parts = partsOf(step);
    return parts === undefined ? [] : [{ at, parts, name: parts.name }];
  });
  return dense.slice(0, -1);
};

/** Greedy pre-training in progress hands on what it has learnt by the names of weights. */
const isBinary = (activation: unknown): boolean => activation === 'sigmoid' || activation === 'hardSigmoid';

/** Whether all inputs of the network lie in [0, 1]: its last preparation says so, or there is none and the numbers do. */
const inUnitRange = (trainer: AnyTrainer, data: Dataset): boolean => {
  const { prepare = [] } = recipeOf(trainer);
  if (prepare === 'auto') return false;
  const last = prepare.at(-1);
  if (last !== undefined) {
    const { kind, spec } = last as { kind: string; spec: { range?: readonly number[] } };
    const [low = 0, high = 1] = spec.range ?? [];
    return kind === 'minMax' && low >= 0 && high <= 1;
  }
  return data.features().every((value) => value >= 0 && value <= 1);
};

/** The same rows with some target: a loss that does not look at it still needs one. */
const withTarget = (data: Dataset): Dataset => {
  const { target, rows, sampleShape } = schemaOf(data);
  if (target !== null) return data;
  return Dataset.from({
    features: Float32Array.from(data.features()),
    shape: [rows, ...sampleShape],
    targets: new Float64Array(rows),
  });
};

/**
 * Greedy pre-training, layer by layer, then fine-tuning of the whole by `trainer`: an estimator like any other. The trainer's model is a
 * `sequential([…])` of `dense` layers; all but the last are pre-trained, each on what the ones below make of the rows. Preparation is fitted
 * on the rows of the pre-training and kept. Boltzmann machines want sigmoid layers and inputs in [0, 1] (`prepare: [minMax()]`), or
 * standardized ones with `visible: 'gaussian'`.
 *
 * Hinton, Osindero & Teh 2006, "A fast learning algorithm for deep belief nets"; Bengio et al. 2007; Vincent et al. 2010.
 * @throws {NablaError} `INVALID_OPTION`: a model without hidden dense layers, inputs out of range, an activation that is not binary
 * @example
 * const estimator = pretrain(trainer, { method: 'denoisingAutoencoder', unlabelled: allRows });
 * const fitted = await estimator.fit(fewLabelledRows);
 */
export const pretrain = (
  trainer: AnyTrainer,
  options: PretrainOptions,
): { fit(data: Dataset, options?: FitOptions): Run<Fitted<string, PredictionKind>, Epoch> } => {
  expectArgument('pretrain', 'the trainer', trainer, isTrainer, pretrain);
  expectOptions('pretrain', options, pretrainOptions, pretrain);
  const { method, visible = 'binary', epochs = 10, batchSize = 32, corruption = 0.3, steps: gibbs = 1, unlabelled } = options;
  if (method === undefined)
    throw invalidOption('pretrain', 'method', "to be 'restrictedBoltzmann' or 'denoisingAutoencoder'", method, pretrain);
  const boltzmannMachines = method === 'restrictedBoltzmann';
  if (visible === 'gaussian' && !boltzmannMachines)
    throw invalidOption('pretrain', 'visible', 'to be left out for autoencoders, which take any numbers', visible, pretrain);
  const recipe = recipeOf(trainer);
  const steps = stepsOf(recipe.model);
  const hidden = steps === undefined ? [] : hiddenLayers(steps);
  if (steps === undefined || hidden.length === 0)
    throw invalidOption(
      'pretrain',
      "the trainer's model",
      'to be sequential([…]) with dense layers before the last one',
      recipe.model,
      pretrain,
    );
  for (const { parts } of hidden) {
    if (boltzmannMachines && !isBinary(parts.activation))
      throw invalidOption(
        'pretrain',
        'the activation of a hidden layer',
        "to be 'sigmoid' for Boltzmann machines",
        parts.activation,
        pretrain,
      );
    if (!parts.bias) throw invalidOption('pretrain', 'the bias of a hidden layer', 'to be there', false, pretrain);
  }
  const gaussianAt = (index: number): boolean => index === 0 && visible === 'gaussian';
  const optimizerOf = (index: number) =>
    boltzmannMachines
      ? sgd({ learningRate: options.learningRate ?? (gaussianAt(index) ? 1e-3 : 0.05), momentum: 0.5 })
      : adam({ learningRate: options.learningRate ?? 1e-3 });

  /** The trainer of one hidden layer: what lies below it runs as it is, frozen. */
  const stage = (index: number, binary: boolean, frozen: readonly string[]): AnyTrainer => {
    const { at, parts, name } = hidden[index]!;
    const own = layer(
      'dense',
      (v, context) =>
        boltzmannMachines ? boltzmann(v, parts, context, gibbs, gaussianAt(index)) : autoencoder(v, parts, context, corruption, binary),
      name === undefined ? {} : { name },
    );
    return new Trainer({
      model: network((x) => {
        const below = at === 0 ? x : chain(steps.slice(0, at), x, 'pretrain');
        return own(below).reshape([-1, 1]);
      }),
      loss: (prediction) => prediction.reshape([-1]),
      optimizer: optimizerOf(index),
      epochs,
      batchSize,
      ...(recipe.prepare === undefined ? {} : { prepare: recipe.prepare }),
      groups: frozen.map((match) => ({ match, freeze: true })),
      ...(recipe.seed === undefined ? {} : { seed: recipe.seed }),
      ...(recipe.precision === undefined ? {} : { precision: recipe.precision }),
    });
  };

  const run = async (data: Dataset, fitOptions: FitOptions, emit: (epoch: Epoch) => void, hold: (run: Run<unknown, unknown>) => void) => {
    const rows = unlabelled ?? data;
    const unit = inUnitRange(trainer, rows);
    if (boltzmannMachines && visible === 'binary' && !unit) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        place: 'pretrain',
        message: 'Boltzmann machines of binary units need inputs from 0 to 1.',
        expected: 'inputs from 0 to 1',
        received: 'other numbers',
        hint: "Use prepare: [minMax()]; visible: 'gaussian' with prepare: [standardize()]; or method: 'denoisingAutoencoder'.",
      });
    }
    const some = withTarget(rows);
    const { signal, threads } = fitOptions;
    const shared = { ...(signal === undefined ? {} : { signal }), ...(threads === undefined ? {} : { threads }) };
    let last: Fitted<string, PredictionKind> | undefined;
    const learnt: string[] = [];
    for (let index = 0; index < hidden.length; index++) {
      const { at } = hidden[index]!;
      const before = at === 0 ? undefined : partsOf(steps[hidden[index - 1]?.at ?? 0]!);
      const binary = index === 0 ? unit : isBinary(before?.activation);
      const from = last === undefined ? {} : { from: last, take: [...learnt], preparation: 'keep' as const };
      const fit = stage(index, binary, learnt).fit(some, { ...shared, ...from });
      hold(fit as Run<unknown, unknown>);
      last = (await fit) as Fitted<string, PredictionKind>;
      for (const name of last.weights().keys()) if (!name.endsWith('/visibleBias') && !learnt.includes(name)) learnt.push(name);
    }
    const tuning = trainer.fit(data, { ...fitOptions, from: last!, take: learnt, preparation: 'keep' } as FitOptions);
    hold(tuning as unknown as Run<unknown, unknown>);
    for await (const epoch of tuning) emit(epoch as Epoch);
    return (await tuning) as unknown as Fitted<string, PredictionKind>;
  };

  return Object.freeze({
    fit(data: Dataset, fitOptions: FitOptions = {}): Run<Fitted<string, PredictionKind>, Epoch> {
      expectDataset('fit', data);
      for (const name of ['from', 'take'] as const)
        if (fitOptions[name] !== undefined)
          throw invalidOption('fit', name, 'to be left out: pre-training gives the first weights', fitOptions[name]);
      let now: Run<unknown, unknown> | undefined;
      return new Run<Fitted<string, PredictionKind>, Epoch>(
        {
          start: (_, emit) =>
            run(data, fitOptions, emit, (running) => {
              now = running;
            }),
          history: (fitted) => fitted.history,
          stop: () => now?.stop(),
          abort: () => now?.stop(),
        },
        {},
      );
    },
  });
};
