import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { expectArgument, expectOptions, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { runTask } from '../native/index.js';
import { type AnyTrainer, expectDataset, isTrainer, specOf } from './trainer.js';

/** Options of `checkGradients`. */
export interface CheckGradientsOptions {
  /** Step of the differences, times |θ| where that is above 1; in (0, 1), default 1e-5. */
  readonly epsilon?: number;
  /** Derivatives of each parameter that are compared at most, evenly chosen; default 200. */
  readonly limit?: number;
}
const checkOptions = optionsOf('checkGradients', { epsilon: isNumber({ above: 0, below: 1 }), limit: isInteger({ min: 1 }) });

/** What a gradient check found. */
export interface GradientCheck {
  /** |a − n|/max(|a| + |n|, a thousandth of the parameter's largest derivative), the largest of all. */
  readonly maxRelativeError: number;
  /** Where it is, */
  readonly worstParameter: string;
  /** at this index, row-major: */
  readonly worstIndex: number;
  /** the derivative by the graph's rules, */
  readonly analytic: number;
  /** and by differences. */
  readonly numeric: number;
  /** How many derivatives were compared. */
  readonly checked: number;
  /** The largest error of each parameter. */
  readonly parameters: readonly { readonly name: string; readonly maxRelativeError: number }[];
}

/**
 * Numeric, (L(θ+ε) − L(θ−ε))/2ε, against analytic gradients of any model, loss and batch, in double precision, at the first weights with
 * the noise of dropout held. Right derivatives agree to 1e-6 or better; at a kink (of relu) the step is made smaller.
 * @example const { maxRelativeError, worstParameter } = await checkGradients(trainer, digits.take(8));
 */
export const checkGradients = async (trainer: AnyTrainer, data: Dataset, options: CheckGradientsOptions = {}): Promise<GradientCheck> => {
  expectArgument('checkGradients', 'the trainer', trainer, isTrainer, checkGradients);
  expectDataset('checkGradients', data);
  expectOptions('checkGradients', options, checkOptions, checkGradients);
  const { epsilon = 1e-5, limit = 200 } = options;
  const spec = specOf(trainer, schemaOf(data));
  const text = await runTask(
    (n, task) => n.checkGradients(task, spec, nativeOf(data), JSON.stringify({ epsilon, limit })),
    (task) => task.takeText(),
  );
  return JSON.parse(text) as GradientCheck;
};

/** Options of `learningRateTest`. */
export interface LearningRateTestOptions {
  /** First rate, default 1e-6. */
  readonly from?: number;
  /** Last rate, default 10. */
  readonly to?: number;
  /** Steps from one to the other, each on a batch; at least 10, default 100. */
  readonly steps?: number;
}
const isRate = isNumber({ above: 0 });
const rangeOptions = optionsOf('learningRateTest', { from: isRate, to: isRate, steps: isInteger({ min: 10 }) });

/** What a learning-rate range test found. */
export interface LearningRateTest {
  /** The rate of each step. */
  readonly rates: Float64Array;
  /** The loss of its batch. */
  readonly losses: Float64Array;
  /** The rate where the smoothed loss fell fastest. */
  readonly suggestion: number;
}

/**
 * Loss against a learning rate that grows by one factor from step to step, from the first weights; ends where the smoothed loss is four
 * times its least. Smith 2017, arXiv:1506.01186. The trainer's own schedule is left out.
 * @example const { suggestion } = await learningRateTest(trainer, train);
 */
export const learningRateTest = async (
  trainer: AnyTrainer,
  data: Dataset,
  options: LearningRateTestOptions = {},
): Promise<LearningRateTest> => {
  expectArgument('learningRateTest', 'the trainer', trainer, isTrainer, learningRateTest);
  expectDataset('learningRateTest', data);
  expectOptions('learningRateTest', options, rangeOptions, learningRateTest);
  const { from = 1e-6, to = 10, steps = 100 } = options;
  const spec = specOf(trainer, schemaOf(data));
  const text = await runTask(
    (n, task) => n.learningRateTest(task, spec, nativeOf(data), JSON.stringify({ from, to, steps })),
    (task) => task.takeText(),
  );
  const { rates, losses, suggestion } = JSON.parse(text) as { rates: number[]; losses: (number | null)[]; suggestion: number };
  return { rates: Float64Array.from(rates), losses: Float64Array.from(losses, (loss) => loss ?? Number.NaN), suggestion };
};
