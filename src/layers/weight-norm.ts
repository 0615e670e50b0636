import { expectArgument, expectOptions, invalidOption, isFunction, isListOf, isString, optionsOf } from '../errors/index.js';
import { traceOf } from '../trace/index.js';
import { called, expectResult, expectTensor, type Layer, type LayerOptions, layerOptions } from './layer.js';

/** Options of `weightNorm`. */
export interface WeightNormOptions extends LayerOptions {
  /** Parameters it applies to, default `['kernel']`. */
  parameters?: readonly string[];
}

const weightNormOptions = optionsOf('layers/weightNorm', { parameters: isListOf(isString), ...layerOptions });

/**
 * Writes each unit's weights (a column of the last axis) as g·v/‖v‖ and learns g and v. Salimans & Kingma 2016, arXiv:1602.07868.
 *
 * v keeps the parameter's name, g is called `kernelGain` and starts as ‖v‖, so the first output is that of the layer alone (as in
 * PyTorch's `weight_norm`; the paper's start from data is `lsuv`). g is left out of weight decay.
 * @throws {NablaError} `INVALID_OPTION` for a parameter that the layer does not have
 * @example sequential([weightNorm(dense(64, { activation: 'relu' })), dense(10)])
 */
export const weightNorm = (inner: Layer, options: WeightNormOptions = {}): Layer => {
  expectArgument('weightNorm', 'the layer', inner, isFunction, weightNorm);
  expectOptions('weightNorm', options, weightNormOptions, weightNorm);
  const { parameters = ['kernel'], name } = options;
  const where = called('weightNorm', name);
  const checked = new WeakSet<object>();
  const call: Layer = (x) => {
    expectTensor(where, x, call);
    const trace = traceOf(x);
    const missing = new Set(checked.has(trace) ? [] : parameters);
    return trace.within(call, { kind: 'weightNorm', name, transparent: true }, () => {
      const y = trace.reparametrized(
        (v, { name: own, path, shape, initializer, caller }) => {
          if (!parameters.includes(own) || shape.length < 2) return v;
          missing.delete(own);
          const gain = trace.parameter(
            `${own}Gain`,
            [shape.at(-1)!],
            { kind: 'norms', of: initializer, shape, name: path } as { kind: string },
            { decay: false },
            caller,
          );
          const axes = shape.slice(0, -1).map((_, axis) => axis);
          return v.multiply(gain.divide(v.square().sum(axes).sqrt()));
        },
        () => expectResult(where, inner(x)),
      );
      checked.add(trace);
      if (missing.size > 0) throw invalidOption(where, 'parameters', 'to name matrices of the layer', [...missing].join(', '), call);
      return y;
    });
  };
  return Object.defineProperty(call, 'name', { value: name ?? inner.name });
};
