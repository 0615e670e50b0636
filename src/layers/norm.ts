import { type Caller, expectOptions, invalidOption, isBoolean, isInteger, isNumber, NablaError, optionsOf } from '../errors/index.js';
import { ones, zeros } from '../initializers/index.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, type Layer, type LayerOptions, layer, layerOptions, type ParameterFunction } from './layer.js';

/** Options of the norms. */
export interface NormOptions extends LayerOptions {
  /** Added to the variance, default 1e-5 (PyTorch; Keras: 1e-3). */
  epsilon?: number;
  /** Learns a scale γ, started at 1; default `true`. */
  scale?: boolean;
  /** Learns a shift β, started at 0; default `true`. */
  shift?: boolean;
}

/** Options of `groupNorm`. */
export interface GroupNormOptions extends NormOptions {
  /** Number of groups of channels; divides their number. */
  groups: number;
}

/** What every norm takes, for their option tables. */
export const normOptions = { epsilon: isNumber({ min: 0 }), scale: isBoolean, shift: isBoolean, ...layerOptions };
const layerNormOptions = optionsOf('layers/layerNorm', normOptions);
const groupNormOptions = optionsOf('layers/groupNorm', { ...normOptions, groups: isInteger({ min: 1 }) });
const instanceNormOptions = optionsOf('layers/instanceNorm', normOptions);
const rmsNormOptions = optionsOf('layers/rmsNorm', { epsilon: normOptions.epsilon, scale: isBoolean, ...layerOptions });

/** γ, one a channel; fixed ones where it is not learned. */
export const scaleOf = (x: Tensor, options: NormOptions, parameter: ParameterFunction): Tensor => {
  const channels = x.shape.at(-1)!;
  if (options.scale ?? true) return parameter('scale', [channels], ones(), { decay: false });
  return traceOf(x).constant(Array.from({ length: channels }, () => 1));
};

/** β, one a channel; fixed zeros where it is not learned. */
export const shiftOf = (x: Tensor, options: NormOptions, parameter: ParameterFunction): Tensor => {
  const channels = x.shape.at(-1)!;
  if (options.shift ?? true) return parameter('shift', [channels], zeros(), { decay: false });
  return traceOf(x).constant(Array.from({ length: channels }, () => 0));
};

interface Over {
  /** The first axis that is averaged over. */
  from: (rank: number) => number;
  groups: (channels: number) => number;
  centre: boolean;
}

const norm = (kind: string, options: NormOptions, { from, groups, centre }: Over, caller: Caller): Layer => {
  const { epsilon = 1e-5, name } = options;
  return layer(
    kind,
    (x, { parameter }) => {
      const trace = traceOf(x);
      if (x.rank < 2) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: trace.label,
          layer: trace.path,
          message: `x ${shapeText(x.shape)} has nothing to normalize over.`,
          expected: '[batch, …, channels]',
          received: shapeText(x.shape),
        });
      }
      const attributes = { from: from(x.rank), groups: groups(x.shape.at(-1)!), centre, epsilon };
      const y = trace.apply('normalize', [x], attributes, caller);
      const scaled = (options.scale ?? true) ? y.multiply(scaleOf(x, options, parameter)) : y;
      return centre && (options.shift ?? true) ? scaled.add(shiftOf(x, options, parameter)) : scaled;
    },
    name === undefined ? {} : { name },
  );
};

/**
 * γ·(x − μ)/√(σ² + ε) + β, μ and σ² (biased) over the last axis of each row, alike in training and at inference. Ba, Kiros & Hinton 2016,
 * arXiv:1607.06450. Shapes: [batch, …, c] → the same; `scale` and `shift`: [c].
 * @throws {NablaError} `SHAPE_MISMATCH`, `INVALID_OPTION`
 */
export const layerNorm = (options: NormOptions = {}): Layer => {
  expectOptions('layerNorm', options, layerNormOptions, layerNorm);
  return norm('layerNorm', options, { from: (rank) => rank - 1, groups: () => 1, centre: true }, layerNorm);
};

/** The same over groups of channels and all positions of each row. Wu & He 2018, arXiv:1803.08494. */
export const groupNorm = (options: GroupNormOptions): Layer => {
  expectOptions('groupNorm', options, groupNormOptions, groupNorm);
  if (options.groups === undefined) {
    throw invalidOption(called('groupNorm', options.name), 'groups', 'to be the number of groups of channels', undefined, groupNorm);
  }
  return norm('groupNorm', options, { from: () => 1, groups: () => options.groups, centre: true }, groupNorm);
};

/**
 * The same over the positions of each row and channel. Ulyanov, Vedaldi & Lempitsky 2016, arXiv:1607.08022. (PyTorch learns no scale and
 * shift unless asked.)
 */
export const instanceNorm = (options: NormOptions = {}): Layer => {
  expectOptions('instanceNorm', options, instanceNormOptions, instanceNorm);
  return norm('instanceNorm', options, { from: () => 1, groups: (channels) => channels, centre: true }, instanceNorm);
};

/** γ·x/√(mean x² + ε) over the last axis: no mean, no shift. Zhang & Sennrich 2019, arXiv:1910.07467. */
export const rmsNorm = (options: Omit<NormOptions, 'shift'> = {}): Layer => {
  expectOptions('rmsNorm', options, rmsNormOptions, rmsNorm);
  return norm('rmsNorm', options, { from: (rank) => rank - 1, groups: () => 1, centre: false }, rmsNorm);
};
