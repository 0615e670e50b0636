/** Activations and losses that TypeScript composes of operators, against their formulas. */
import { describe, expect, it, vi } from 'vitest';
import { NablaError } from '../src/errors/index.js';
import {
  binaryCrossEntropy,
  crossEntropy,
  focal,
  hinge,
  huber,
  klDivergence,
  type Loss,
  logCosh,
  meanAbsoluteError,
  meanSquaredError,
  poisson,
} from '../src/losses/index.js';
import { lossNames } from '../src/losses/loss.js';
import { resolveLoss } from '../src/losses/resolve.js';
import { type Tensor, Trace } from '../src/trace/index.js';
import { idOf } from '../src/trace/tensor.js';
import { eagerBinding } from './eager-builder.js';

let eager = eagerBinding();
vi.mock('../src/native/index.js', async (original) => ({
  ...(await original<typeof import('../src/native/index.js')>()),
  callNative: (run: (binding: unknown) => unknown) => run(eager.binding),
}));

const expectClose = (received: readonly number[], expected: readonly number[]): void => {
  expect(received).toHaveLength(expected.length);
  received.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i]!, 12);
  });
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
const softplus = (x: number): number => Math.log1p(Math.exp(x));
const elu = (x: number): number => (x > 0 ? x : Math.exp(x) - 1);

describe('activations', () => {
  const points = [-7, -3, -1, -0.5, 0, 0.5, 1, 3, 7];
  it.each<[string, (x: Tensor) => Tensor, (x: number) => number]>([
    ['leakyRelu', (x) => x.leakyRelu(), (x) => (x > 0 ? x : 0.01 * x)],
    ['leakyRelu of 0.2', (x) => x.leakyRelu(0.2), (x) => (x > 0 ? x : 0.2 * x)],
    ['prelu', (x) => x.prelu(0.25), (x) => (x > 0 ? x : 0.25 * x)],
    ['elu', (x) => x.elu(), elu],
    ['elu of 2', (x) => x.elu(2), (x) => (x > 0 ? x : 2 * (Math.exp(x) - 1))],
    ['selu', (x) => x.selu(), (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1))],
    ['silu', (x) => x.silu(), (x) => x * sigmoid(x)],
    ['mish', (x) => x.mish(), (x) => x * Math.tanh(softplus(x))],
    ['hardSigmoid', (x) => x.hardSigmoid(), (x) => Math.min(1, Math.max(0, x / 6 + 0.5))],
    ['hardTanh', (x) => x.hardTanh(), (x) => Math.min(1, Math.max(-1, x))],
    ['softsign', (x) => x.softsign(), (x) => x / (1 + Math.abs(x))],
  ])('%s', (_, run, formula) => {
    eager = eagerBinding({ x: points });
    const y = run(new Trace().input('x', [-1, points.length / 3]));
    expectClose(eager.valueOf(idOf(y)), points.map(formula));
  });

  it('elu and selu stay finite where exp overflows', () => {
    eager = eagerBinding({ x: [1000, -1000, 0] });
    const x = new Trace().input('x', [-1]);
    expectClose(eager.valueOf(idOf(x.elu())), [1000, -1, 0]);
  });
});

/** The values of a loss, one a row, for three rows. */
const rows = (loss: Loss, prediction: number[], target: number[], targetShape: number[] = [-1, target.length / 3]): number[] => {
  eager = eagerBinding({ prediction, target });
  const trace = new Trace();
  const value = loss(trace.input('prediction', [-1, prediction.length / 3]), trace.input('target', targetShape));
  expect(value.shape).toEqual([-1]);
  return [...eager.valueOf(idOf(value))];
};

const pairs = (list: readonly number[]): number[][] =>
  [0, 1, 2].map((row) => list.slice((row * list.length) / 3, ((row + 1) * list.length) / 3));
const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;

describe('losses of numbers', () => {
  const y = [0.5, -2, 3, 0, 1, -4];
  const t = [0, -2.5, 0, 0.25, 6, -4];
  it.each<[string, Loss, (e: number) => number]>([
    ['meanSquaredError', meanSquaredError(), (e) => e * e],
    ['meanAbsoluteError', meanAbsoluteError(), Math.abs],
    ['huber', huber(), (e) => (Math.abs(e) <= 1 ? e ** 2 / 2 : Math.abs(e) - 0.5)],
    ['huber of 2', huber({ delta: 2 }), (e) => (Math.abs(e) <= 2 ? e ** 2 / 2 : 2 * (Math.abs(e) - 1))],
    ['logCosh', logCosh(), (e) => Math.log(Math.cosh(e))],
  ])('%s is the mean over the outputs of its formula', (_, loss, formula) => {
    expectClose(rows(loss, y, t), pairs(y.map((value, i) => formula(value - t[i]!))).map(mean));
  });

  it('logCosh does not overflow', () => {
    expectClose(rows(logCosh(), [1e4, 0, 0], [0, 0, 0]), [1e4 - Math.LN2, 0, 0]);
  });

  it('poisson', () => {
    const counts = [0, 2, 1];
    expectClose(rows(poisson(), [0.5, 1, -1], counts), [Math.exp(0.5), Math.exp(1) - 2, Math.exp(-1) + 1]);
    expectClose(rows(poisson({ fromLogits: false }), [0.5, 1, 2], counts), [0.5, 1, 2 - Math.log(2)]);
  });
});

describe('losses of classes', () => {
  const logits = [2, -1, 0.5, 0, 0, 0, -3, 4, 1];
  const labels = [0, 2, 1];
  const logProbabilities = pairs(logits).map((row) => {
    const log = Math.log(row.reduce((sum, z) => sum + Math.exp(z), 0));
    return row.map((z) => z - log);
  });
  const right = logProbabilities.map((row, i) => row[labels[i]!]!);

  it('crossEntropy is −log p of the right class', () => {
    expectClose(
      rows(crossEntropy(), logits, labels, [-1]),
      right.map((log) => -log),
    );
    const probabilities = logProbabilities.flat().map(Math.exp);
    expectClose(
      rows(crossEntropy({ fromLogits: false }), probabilities, labels, [-1]),
      right.map((log) => -log),
    );
  });

  it('crossEntropy smooths labels as PyTorch does', () => {
    const expected = logProbabilities.map((row, i) => -0.9 * right[i]! - 0.1 * mean(row));
    expectClose(rows(crossEntropy({ labelSmoothing: 0.1 }), logits, labels, [-1]), expected);
  });

  it.each([0, 0.5, 1, 2, 3])('focal with γ = %d', (gamma) => {
    const expected = right.map((log) => -0.25 * (1 - Math.exp(log)) ** gamma * log);
    expectClose(rows(focal({ gamma, alpha: 0.25 }), logits, labels, [-1]), expected);
    const smoothed = logProbabilities.map((row, i) =>
      row.reduce((sum, log, j) => sum - ((j === labels[i] ? 0.7 : 0) + 0.1) * (1 - Math.exp(log)) ** gamma * log, 0),
    );
    expectClose(rows(focal({ gamma, labelSmoothing: 0.3 }), logits, labels, [-1]), smoothed);
  });

  it('klDivergence is Σ p·(log p − log q)', () => {
    const p = [0.2, 0.5, 0.3, 1, 0, 0, 0.25, 0.25, 0.5];
    const expected = pairs(p).map((row, i) =>
      row.reduce((sum, q, j) => sum + (q === 0 ? 0 : q * (Math.log(q) - logProbabilities[i]![j]!)), 0),
    );
    expectClose(rows(klDivergence(), logits, p), expected);
  });

  it('binaryCrossEntropy is −t·log p − (1−t)·log(1−p)', () => {
    const [z, t] = [
      [2, -1, 0],
      [1, 1, 0],
    ];
    const formula = (target: number[]) => z.map((x, i) => -target[i]! * Math.log(sigmoid(x)) - (1 - target[i]!) * Math.log(1 - sigmoid(x)));
    expectClose(rows(binaryCrossEntropy(), z, t), formula(t));
    expectClose(rows(binaryCrossEntropy({ fromLogits: false }), z.map(sigmoid), t), formula(t));
    expectClose(rows(binaryCrossEntropy({ labelSmoothing: 0.2 }), z, t), formula([0.9, 0.9, 0.1]));
    expect(rows(binaryCrossEntropy({ fromLogits: false }), [0, 1, 1], [1, 0, 1]).every(Number.isFinite)).toBe(true);
  });

  it('hinge is max(0, 1 − s·z)', () => {
    expectClose(rows(hinge(), [0.5, 2, -1], [1, 1, 1]), [0.5, 0, 2]);
    expectClose(rows(hinge(), [0.5, 2, -1], [0, 0, 0]), [1.5, 3, 0]);
  });
});

describe('a loss', () => {
  it('is found by its name, and knows what it needs', () => {
    for (const name of lossNames.filter((one) => !['triplet', 'contrastive', 'ctc'].includes(one))) {
      const loss = resolveLoss(name);
      expect(loss.kind).toBe(name);
      expect(JSON.parse(JSON.stringify({ loss })).loss.kind).toBe(name);
      expect(resolveLoss(loss)).toBe(loss);
    }
    expect({ ...resolveLoss('crossEntropy') }).toMatchObject({ targets: 'classes', output: 'softmax' });
    expect({ ...resolveLoss('binaryCrossEntropy') }).toMatchObject({ targets: 'binary', output: 'sigmoid' });
    expect({ ...resolveLoss('huber') }).toMatchObject({ targets: 'numbers', output: 'identity' });
  });

  it('can be a function of one’s own', () => {
    const own = resolveLoss((prediction, target) => prediction.subtract(target).square().mean(-1));
    expect({ ...own }).toMatchObject({ kind: 'custom', targets: 'any', output: 'identity' });
    expectClose(rows(own, [1, 2, 3], [0, 0, 0]), [1, 4, 9]);
  });

  it('refuses another name, and a function that returns nothing', () => {
    expect(() => resolveLoss('crossentropy' as never)).toThrow("did you mean 'crossEntropy'?");
    expect(() => rows(resolveLoss((() => undefined) as never), [1, 2, 3], [0, 0, 0])).toThrow(NablaError);
  });
});
