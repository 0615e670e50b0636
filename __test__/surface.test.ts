import * as nabla from 'nabla';
import * as data from 'nabla/data';
import * as initializers from 'nabla/initializers';
import * as layers from 'nabla/layers';
import * as losses from 'nabla/losses';
import * as metrics from 'nabla/metrics';
import * as optimizers from 'nabla/optimizers';
import * as regularizers from 'nabla/regularizers';
import * as schedules from 'nabla/schedules';
import * as tuning from 'nabla/tuning';
import * as validation from 'nabla/validation';
import { describe, expect, it } from 'vitest';

/** The names of the families, as the design lists them. */
const families: readonly (readonly [string, object, string])[] = [
  [
    'layers',
    layers,
    'dense conv1d conv2d conv3d depthwiseConv2d convTranspose2d maxPool1d maxPool2d averagePool1d averagePool2d globalAveragePool globalMaxPool batchNorm layerNorm groupNorm instanceNorm rmsNorm weightNorm dropout spatialDropout alphaDropout gaussianNoise stochasticDepth embedding positionalEmbedding simpleRnn gru lstm bidirectional attention transformerBlock activation flatten reshape concat add residual sequential network layer',
  ],
  [
    'losses',
    losses,
    'crossEntropy binaryCrossEntropy meanSquaredError meanAbsoluteError huber logCosh hinge focal klDivergence poisson triplet contrastive ctc',
  ],
  ['regularizers', regularizers, 'l1 l2 elasticNet lq maxNorm'],
  [
    'initializers',
    initializers,
    'zeros ones constant normal uniform truncatedNormal xavierUniform xavierNormal heUniform heNormal lecunUniform lecunNormal orthogonal identity sparse lsuv',
  ],
  ['optimizers', optimizers, 'sgd adagrad adadelta rmsprop adam adamax nadam radam adamw lion lamb lbfgs sam lookahead'],
  [
    'schedules',
    schedules,
    'constant step multiStep exponential inverseTime polynomial cosine cosineRestarts warmup oneCycle reduceOnPlateau',
  ],
  [
    'metrics',
    metrics,
    'accuracy balancedAccuracy precision recall f1 fBeta confusionMatrix classificationReport rocAuc averagePrecision logLoss brier topKAccuracy matthews cohenKappa calibrationError meanSquaredError rootMeanSquaredError meanAbsoluteError medianAbsoluteError meanAbsolutePercentageError r2 explainedVariance maxError pinball',
  ],
  [
    'data',
    data,
    'standardize minMax robust maxAbs unitNorm quantile power oneHot ordinal impute selectBest flip crop rotate translate scale shear elastic brightness contrast noise cutout mixup cutmix jitter',
  ],
  [
    'validation',
    validation,
    'holdOut kFold repeatedKFold leaveOneOut leavePOut leaveOneGroupOut shuffleSplit timeSeriesSplit predefinedSplit crossValidate nestedCrossValidate learningCurve validationCurve biasVariance diagnose compareModels checkEstimator leaks',
  ],
  [
    'tuning',
    tuning,
    'tune uniform logUniform integer logInteger choice random grid sobol coarseToFine tpe gaussianProcess populationBased median successiveHalving hyperband asha threads processes queue',
  ],
];

describe.each(families)('nabla/%s', (name, family, list) => {
  it('has all its names, and the root has it as a namespace', () => {
    expect(Object.keys(family)).toEqual(expect.arrayContaining(list.split(' ')));
    expect(Object.keys((nabla as unknown as Record<string, object>)[name] as object).sort()).toEqual(Object.keys(family).sort());
  });
});

it('the root has its names', () => {
  const list =
    'Dataset Trainer Fitted Tensor NablaError sequential network layer ridge ensemble pretrain checkGradients compile valueAndGradient norm learningRateTest study';
  expect(Object.keys(nabla)).toEqual(expect.arrayContaining(list.split(' ')));
});
