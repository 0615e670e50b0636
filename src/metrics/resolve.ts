import {
  type Check,
  expectOptions,
  invalidOption,
  isBoolean,
  isInteger,
  isNumber,
  isOneOf,
  isString,
  NablaError,
  type Spec,
} from '../errors/index.js';
import { averages, type MetricName, metricNames } from './names.js';
import type { MetricSpec, Metrics } from './spec.js';

/** A metric as the native side reads it: `{ kind: 'fBeta', name: 'f2', beta: 2 }`. */
export interface ResolvedMetric {
  readonly kind: MetricName;
  readonly name: string;
  readonly [option: string]: unknown;
}

const share = isNumber({ min: 0, max: 1 });
const averaged = { average: isOneOf(averages), threshold: share, zeroDivision: share };

/** The options of each metric and what they must be. */
const built: Readonly<Record<MetricName, Readonly<Record<string, Check>>>> = {
  accuracy: { threshold: share },
  balancedAccuracy: { threshold: share, adjusted: isBoolean },
  precision: averaged,
  recall: averaged,
  f1: averaged,
  fBeta: { ...averaged, beta: isNumber({ above: 0 }) },
  rocAuc: { average: isOneOf(['macro', 'weighted', 'micro']), multiClass: isOneOf(['ovr', 'ovo']) },
  averagePrecision: { average: isOneOf(['macro', 'weighted', 'micro']) },
  logLoss: {},
  brier: {},
  topKAccuracy: { k: isInteger({ min: 1 }), threshold: share },
  matthews: { threshold: share },
  cohenKappa: { weighting: isOneOf(['linear', 'quadratic']), threshold: share },
  calibrationError: { bins: isInteger({ min: 1, max: 10_000 }) },
  meanSquaredError: {},
  rootMeanSquaredError: {},
  meanAbsoluteError: {},
  medianAbsoluteError: {},
  meanAbsolutePercentageError: {},
  r2: {},
  explainedVariance: {},
  maxError: {},
  pinball: { quantile: isNumber({ above: 0, below: 1 }) },
};

const named: Spec = { as: isString };

const resolveMetric = (spec: MetricSpec, where: string): ResolvedMetric => {
  const [kind, options = {}] = (Array.isArray(spec) ? spec : [spec]) as readonly [MetricName, Readonly<Record<string, unknown>>?];
  const words = isOneOf(metricNames)(kind);
  if (words !== undefined) throw invalidOption(where, 'a metric', words, kind);
  expectOptions(`${where}: ${kind}`, options, { ...built[kind], ...named });
  const { as, ...rest } = options as { as?: string };
  return { kind, name: as ?? kind, ...rest };
};

/**
 * The metrics of a recipe as plain data.
 * @throws {NablaError} `INVALID_OPTION` for an unknown name or option, or two metrics under one name
 */
export const resolveMetrics = (metrics: Metrics, where = 'metrics'): readonly ResolvedMetric[] => {
  if (!Array.isArray(metrics)) throw invalidOption(where, 'metrics', "to be an array such as ['accuracy']", metrics);
  const resolved = Array.from(metrics as Metrics, (spec) => resolveMetric(spec, where));
  const taken = new Set(['loss']);
  for (const { kind, name } of resolved) {
    if (taken.has(name)) {
      throw new NablaError({
        code: 'INVALID_OPTION',
        place: where,
        message: name === 'loss' ? `a metric cannot be called 'loss', which is always there.` : `two metrics are called '${name}'.`,
        expected: 'one name a metric',
        received: name,
        hint: `name one with as: ['${kind}', { as: '…' }].`,
      });
    }
    taken.add(name);
  }
  return resolved;
};
