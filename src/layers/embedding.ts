import { expectArgument, expectOptions, invalidOption, isInteger, isOneOf, NablaError, optionsOf } from '../errors/index.js';
import { type InitializerLike, normal, uniform } from '../initializers/index.js';
import { isInitializer } from '../initializers/initializer.js';
import { shapeText, type Tensor, traceOf } from '../trace/index.js';
import { called, expectTensor, type Layer, type LayerOptions, layer, layerOptions, parameterOf } from './layer.js';

/** Options of `embedding`. */
export interface EmbeddingOptions extends LayerOptions {
  /** Default uniform ±0.05, as in Keras. */
  initializer?: InitializerLike;
  /** An index that means padding: its row is zeros and stays so (PyTorch's `padding_idx`), and steps that have it are masked. */
  padding?: number;
}

/** An embedding, which can also project with its table. */
export interface EmbeddingLayer extends Layer {
  /**
   * One score a level from the same table: x·tableᵀ, [batch, …, width] → [batch, …, levels]. Tied weights: Press & Wolf 2017,
   * arXiv:1608.05859.
   */
  project(x: Tensor): Tensor;
}

const embeddingOptions = optionsOf('layers/embedding', { initializer: isInitializer, padding: isInteger({ min: 0 }), ...layerOptions });

/**
 * A row of `width` learned numbers a level: indices [batch, …] → [batch, …, width]; `table` [levels, width]. Indices are whole numbers
 * from 0 below `levels`; another one is an error (`NOT_FINITE`) of the fit, with this layer and the row, and of `predict`, with the row.
 * @example
 * const tokens = embedding(65, 64);
 * network((x) => tokens.project(lstm(64, { returnSequences: true })(tokens(x)))); // one table for both ends
 */
export const embedding = (levels: number, width: number, options: EmbeddingOptions = {}): EmbeddingLayer => {
  expectArgument('embedding', 'levels', levels, isInteger({ min: 1 }), embedding);
  expectArgument('embedding', 'width', width, isInteger({ min: 1 }), embedding);
  expectOptions('embedding', options, embeddingOptions, embedding);
  const { name, initializer = uniform(), padding } = options;
  if (padding !== undefined && padding >= levels)
    throw invalidOption(called('embedding', name), 'padding', `to be one of the ${levels} levels`, padding, embedding);
  const table = (x: Tensor): Tensor => {
    const rows = parameterOf(x)('table', [levels, width], initializer);
    if (padding === undefined) return rows;
    const kept = Array.from({ length: levels }, (_, level) => Number(level !== padding));
    return rows.multiply(traceOf(x).constant(kept, [levels, 1]));
  };
  const rows = (x: Tensor): Tensor => {
    const found = table(x).gather(x);
    if (padding === undefined) return found;
    const plain = x.withMask(undefined);
    const kept = plain.equal(padding).negate().add(1);
    const steps = x.mask === undefined ? kept : kept.multiply(x.mask.steps);
    return found.withMask(undefined).withMask({ steps, prefix: false });
  };
  const value = layer('embedding', rows, name === undefined ? {} : { name });
  const project = (x: Tensor): Tensor => {
    expectTensor(called('embedding', name), x, project);
    return traceOf(x).within(value, { kind: 'embedding', name }, () => x.matmul(table(x), { transposeB: true }));
  };
  return Object.assign(value, { project });
};

/** Options of `positionalEmbedding`. */
export interface PositionalEmbeddingOptions extends LayerOptions {
  /** `'learned'`, or the fixed sines of Vaswani et al. 2017 (default). */
  kind?: 'sines' | 'learned';
  /** Longest sequence of `'learned'`; default that of the first input. */
  length?: number;
}

const positionalOptions = optionsOf('layers/positionalEmbedding', {
  kind: isOneOf(['sines', 'learned']),
  length: isInteger({ min: 1 }),
  ...layerOptions,
});

/** sin(p/10000^(2i/c)) in even channels, cos in odd ones, [time, channels]. (V8's sine is a fixed algorithm on every machine.) */
const sines = (time: number, channels: number): number[] =>
  Array.from({ length: time * channels }, (_, at) => {
    const [position, channel] = [Math.floor(at / channels), at % channels];
    const angle = position / 10000 ** ((channel - (channel % 2)) / channels);
    return channel % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });

/**
 * Adds to each position what tells it from the others: [batch, time, c] → the same. Vaswani et al. 2017, arXiv:1706.03762, section 3.5;
 * `'learned'`: `table` [length, c], started from N(0, 0.02²) as in GPT-2.
 * @example sequential([embedding(65, 128), positionalEmbedding({ kind: 'learned' }), transformerBlock({ heads: 4, causal: true })])
 */
export const positionalEmbedding = (options: PositionalEmbeddingOptions = {}): Layer => {
  expectOptions('positionalEmbedding', options, positionalOptions, positionalEmbedding);
  const { kind = 'sines', length, name } = options;
  return layer(
    'positionalEmbedding',
    (x, { parameter, path }) => {
      const [, time = 0, channels = 0] = x.shape;
      const longest = length ?? time;
      if (x.rank !== 3 || time > longest) {
        throw new NablaError({
          code: 'SHAPE_MISMATCH',
          place: traceOf(x).label,
          layer: path,
          message: x.rank === 3 ? `x has ${time} positions, the table ${longest}.` : `x ${shapeText(x.shape)} is no sequence.`,
          expected: length === undefined ? '[batch, time, c]' : `[batch, time ≤ ${length}, c]`,
          received: shapeText(x.shape),
        });
      }
      if (kind === 'sines') return x.add(traceOf(x).constant(sines(time, channels), [time, channels]));
      const table = parameter('table', [longest, channels], normal({ deviation: 0.02 }));
      return x.add(longest === time ? table : table.slice(0, 0, time));
    },
    name === undefined ? {} : { name },
  );
};
