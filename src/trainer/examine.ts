import { type Dataset, nativeOf, schemaOf } from '../data/dataset.js';
import { expectArgument, expectOptions, isInteger, isNumber, optionsOf } from '../errors/index.js';
import { runTask } from '../native/index.js';
import { Chart, colourOf, figure } from '../text/chart.js';
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
  /** Loss against rate with the suggestion, as an SVG that stands by itself. */
  toSvg(): string;
}

const rangePicture = (rates: Float64Array, losses: Float64Array, suggestion: number): string => {
  const finite = losses.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(finite[0] ?? 1, Math.min(...finite) * 2.5)];
  const pad = 0.05 * (high - low || 1);
  const axes = {
    x: [rates[0] ?? 1, rates.at(-1) ?? 10],
    y: [low - pad, high + pad],
    logX: true,
    xName: 'learning rate',
    yName: 'loss',
  } as const;
  const chart = new Chart({ left: 70, top: 70, width: 560, height: 300 }, { ...axes, title: `Suggested: ${suggestion.toPrecision(2)}` });
  let mean = 0;
  // The mean that the suggestion goes by, without its start at 0.
  const smooth = Array.from(losses, (loss, i) => {
    mean = 0.9 * mean + 0.1 * loss;
    return [rates[i] as number, mean / (1 - 0.9 ** (i + 1))] as const;
  });
  chart.line(
    Array.from(losses, (loss, i) => [rates[i] as number, loss] as const),
    '#bbb',
    { name: 'loss of each batch', width: 1 },
  );
  chart.line(smooth, colourOf(0), { name: 'smoothed' });
  chart.line(
    [
      [suggestion, low - pad],
      [suggestion, high + pad],
    ],
    colourOf(1),
    { dash: '4 3', name: 'suggestion' },
  );
  return figure(660, 430, 'Learning-rate range test', [chart.toSvg()]);
};

/**
 * Loss against a learning rate that grows by one factor from step to step, from the first weights; ends where the smoothed loss is four
 * times its least. Smith 2017, arXiv:1506.01186. The trainer's own schedule is left out. `toSvg()` draws it.
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
  const found = { rates: Float64Array.from(rates), losses: Float64Array.from(losses, (loss) => loss ?? Number.NaN), suggestion };
  return { ...found, toSvg: () => rangePicture(found.rates, found.losses, suggestion) };
};
