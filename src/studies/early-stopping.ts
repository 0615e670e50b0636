import { Dataset } from '../data/dataset.js';
import { standardize } from '../data/preparation.js';
import { dense, sequential } from '../layers/index.js';
import { adam } from '../optimizers/index.js';
import { Chart, colourOf, figure, words } from '../text/chart.js';
import { Trainer } from '../trainer/index.js';
import { studyOf } from './study.js';

/** What each epoch scored. */
export interface EarlyStoppingData {
  readonly epochs: readonly { readonly train: number; readonly validation: number; readonly accuracy: number }[];
  /** The epoch with the least validation loss, */
  readonly best: number;
  /** and the one at which a patience of ten epochs ends the fit. */
  readonly stopped: number;
  /** On rows that nothing looked at: after all epochs, and with the weights of the best one. */
  readonly test: { readonly last: number; readonly best: number };
}

const EPOCHS = 60;

const compute = async (seed: number): Promise<EarlyStoppingData> => {
  const digits = await Dataset.builtin('digits');
  const { train, validation, test } = digits.split({ ratios: { train: 0.1, validation: 0.45, test: 0.45 }, stratify: true, seed });
  // Every fifth training row has the next digit's label, so that there is something wrong to learn by heart.
  const labels = train.labels().map((label, i) => (i % 5 === 0 ? digits.classes[(digits.classes.indexOf(label) + 1) % 10]! : label));
  const plain = (rows: Dataset, targets: readonly string[]): Dataset =>
    Dataset.from({ features: rows.features(), shape: [rows.rows, 64], targets: [...targets], classes: digits.classes });
  const wrong = plain(train, labels);
  const [others, judges] = [validation!, test!].map((rows) => plain(rows, rows.labels())) as [Dataset, Dataset];
  const recipe = {
    prepare: [standardize()],
    model: sequential([dense(128, { activation: 'relu' }), dense(128, { activation: 'relu' }), dense(10)]),
    loss: 'crossEntropy',
    metrics: ['accuracy'],
    optimizer: adam({ learningRate: 1e-3 }),
    epochs: EPOCHS,
    batchSize: 16,
    seed,
  } as const;
  const whole = await new Trainer(recipe).fit(wrong, { validation: others, threads: 1 });
  const early = await new Trainer({ ...recipe, earlyStopping: { monitor: 'loss', patience: 10 } }).fit(wrong, {
    validation: others,
    threads: 1,
  });
  return {
    epochs: whole.history.map((epoch) => ({
      train: epoch.train.loss,
      validation: epoch.validation!.loss,
      accuracy: epoch.validation!.accuracy,
    })),
    best: early.bestEpoch,
    stopped: early.history.length - 1,
    test: { last: (await whole.evaluate(judges)).loss, best: (await early.evaluate(judges)).loss },
  };
};

const draw = ({ epochs, best, stopped, test }: EarlyStoppingData): string => {
  const losses = epochs.flatMap(({ train, validation }) => [train, validation]);
  const box = { left: 70, top: 80, width: 620, height: 380 };
  const chart = new Chart(box, {
    x: [0, epochs.length - 1],
    y: [0, Math.max(...losses) * 1.05],
    title: 'Digits, 180 training rows, a fifth of them with a wrong label',
    xName: 'epoch',
    yName: 'cross-entropy',
  });
  const [from, to] = [chart.x(best), chart.x(stopped)];
  chart.add(
    `<rect x="${from.toFixed(1)}" y="${box.top}" width="${(to - from).toFixed(1)}" height="${box.height}" fill="#7570b3" fill-opacity="0.12"/>`,
  );
  chart.line(
    epochs.map((e, i) => [i, e.train] as const),
    colourOf(0),
    { name: 'training rows' },
  );
  chart.line(
    epochs.map((e, i) => [i, e.validation] as const),
    colourOf(1),
    { name: 'validation rows' },
  );
  chart.dots([[best, epochs[best]?.validation ?? Number.NaN]], '#000', 5);
  const notes = [
    words(from + 6, box.top + box.height - 34, `best: epoch ${best}`),
    words(from + 6, box.top + box.height - 18, `patience ends the fit at ${stopped}`),
    words(
      box.left,
      520,
      `Loss on rows that nothing looked at: ${test.best.toFixed(3)} with the best weights, ${test.last.toFixed(3)} after all ${epochs.length} epochs.`,
    ),
  ];
  return figure(740, 545, 'The U of early stopping', [chart.toSvg(), ...notes]);
};

/** Training and validation loss by epoch of a network that is too large for its rows: the U, its bottom, and where patience ends the fit. */
export const earlyStopping = studyOf<EarlyStoppingData>('earlyStopping', compute, draw);
