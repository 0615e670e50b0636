import { expectArgument, expectOptions, isOneOf, optionsOf } from '../errors/index.js';
import { type Layer, type LayerOptions, layer, layerOptions } from './layer.js';
import { againOf, isRecurrent, type RecurrentLayer, recurrentOptionsOf } from './recurrent.js';

/** Options of `bidirectional`. */
export interface BidirectionalOptions extends LayerOptions {
  /** How the two directions meet, default `'concat'`. */
  merge?: 'concat' | 'add' | 'multiply' | 'average';
}

const bidirectionalOptions = optionsOf('layers/bidirectional', {
  merge: isOneOf(['concat', 'add', 'multiply', 'average']),
  ...layerOptions,
});

const isLayer = (value: unknown): string | undefined => (isRecurrent(value) ? undefined : 'to be simpleRnn(…), gru(…) or lstm(…)');

/**
 * Runs a recurrent layer forwards and, with parameters of its own, backwards. Schuster & Paliwal 1997. The parameters are named
 * `bidirectional/forward/…` and `bidirectional/backward/…`.
 *
 * Shapes: [batch, time, in] → [batch, 2·units] (other merges: [batch, units]), with `returnSequences` [batch, time, …].
 * @example bidirectional(lstm(4))
 */
export const bidirectional = (recurrent: RecurrentLayer, options: BidirectionalOptions = {}): Layer => {
  expectArgument('bidirectional', 'the layer', recurrent, isLayer, bidirectional);
  expectOptions('bidirectional', options, bidirectionalOptions, bidirectional);
  const { merge = 'concat', name } = options;
  const again = againOf(recurrent);
  const { reverse = false } = recurrentOptionsOf(recurrent);
  const there = again({ name: 'forward' });
  const back = again({ name: 'backward', reverse: !reverse });
  return layer(
    'bidirectional',
    (x) => {
      const [a, b] = [there(x), back(x)];
      if (merge === 'concat') return a.concat(b);
      if (merge === 'multiply') return a.multiply(b);
      return merge === 'add' ? a.add(b) : a.add(b).multiply(0.5);
    },
    name === undefined ? {} : { name },
  );
};
