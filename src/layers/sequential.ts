import { type Caller, expectOptions, invalidOption, NablaError, optionsOf } from '../errors/index.js';
import { type Tensor, traceOf } from '../trace/index.js';
import { called, expectResult, expectTensor, type Layer, type LayerOptions, layerOptions } from './layer.js';

const sequentialOptions = optionsOf('layers/sequential', layerOptions);

/** What can stand in a sequence: a layer, or any function of a tensor. */
export type Step = Layer | ((x: Tensor) => Tensor);

/** A list of layers, or the error that names the item that is none. */
export const expectLayers = (where: string, layers: unknown, caller: Caller): readonly Step[] => {
  if (!Array.isArray(layers)) throw invalidOption(where, 'the layers', 'to be an array', layers, caller);
  if (layers.length === 0) {
    throw new NablaError(
      {
        code: 'INVALID_OPTION',
        place: where,
        message: 'expected at least one layer, got an empty array.',
        expected: 'at least one layer',
        received: '[]',
      },
      { caller },
    );
  }
  layers.forEach((step: unknown, i) => {
    if (typeof step === 'function') return;
    const hint = typeof step === 'string' ? `; an activation is written activation('${step}')` : '';
    throw invalidOption(where, `layer ${i + 1}`, `to be a layer such as dense(8)${hint}`, step, caller);
  });
  return [...layers] as Step[];
};

/** One after the other. */
export const chain = (steps: readonly Step[], x: Tensor, where: string): Tensor =>
  steps.reduce((y, step, i) => expectResult(`${where}, layer ${i + 1}`, step(y)), x);

const stepsOfSequences = new WeakMap<object, readonly Step[]>();

/** The steps of what `sequential` gave, for recipes that look at them one by one; named ones have names of their own inside. */
export const stepsOf = (model: object): readonly Step[] | undefined => stepsOfSequences.get(model);

/**
 * Layers one after the other: `y = fₙ(… f₂(f₁(x)))`. It adds nothing to the names of what is inside (`dense/kernel`), unless it is
 * given a name itself (`encoder/dense/kernel`).
 * @example sequential([dense(64, { activation: 'relu' }), dropout(0.2), dense(10)])
 */
export const sequential = (layers: readonly Step[], options: LayerOptions = {}): Layer => {
  const steps = expectLayers('sequential', layers, sequential);
  expectOptions('sequential', options, sequentialOptions, sequential);
  const { name } = options;
  const where = called('sequential', name);
  const call = (x: Tensor): Tensor => {
    expectTensor(where, x, call);
    return traceOf(x).within(call, { kind: 'sequential', name, transparent: true }, () => chain(steps, x, where));
  };
  if (name === undefined) stepsOfSequences.set(call, steps);
  return Object.defineProperty(call, 'name', { value: name ?? 'sequential' });
};
