import { type Caller, type Check, type ErrorData, expectArgument, expectOptions, NablaError } from '../errors/index.js';
import { callNative } from '../native/index.js';

/** Parameters, or a gradient, as one flat array; single or double precision. */
export type Values = Float32Array | Float64Array;

/** What a rule that looks more than once asks for: loss and gradient at `theta`, on the same batch. */
export type Evaluate = (theta: Values) => { loss: number; gradient: Values };

/** An optimizer at work on one flat array. */
export interface OptimizerRun<V extends Values = Values> {
  /** The array given to `start`, updated in place. */
  readonly theta: V;
  /** One step down `gradient`; the state (moments, velocity) is kept natively. */
  update(gradient: V): void;
  /** One step of a rule that evaluates more than once (`lbfgs`, `sam`). */
  update(evaluate: Evaluate): void;
}

export type OptimizerName =
  | 'sgd'
  | 'adagrad'
  | 'adadelta'
  | 'rmsprop'
  | 'adam'
  | 'adamax'
  | 'nadam'
  | 'radam'
  | 'adamw'
  | 'lion'
  | 'lamb'
  | 'lbfgs'
  | 'sam'
  | 'lookahead';

/** An update rule as plain data: `{ kind: 'adam', learningRate: 0.001, … }`. */
export interface Optimizer {
  readonly kind: OptimizerName;
  readonly learningRate: number;
  /**
   * Uses the rule by itself, outside of any model.
   * @example
   * const step = adam({ learningRate: 1e-3 }).start(theta);
   * step.update(gradient); // theta changed in place
   */
  start<V extends Values>(theta: V): OptimizerRun<V>;
}

const isValues: Check = (value) =>
  value instanceof Float32Array || value instanceof Float64Array ? undefined : 'to be a Float32Array or a Float64Array';

/** SAM, or what is wrapped around it. */
const looksTwice = (data: object): boolean => {
  const { kind, base } = data as { readonly kind?: string; readonly base?: object };
  return kind === 'sam' || (base !== undefined && looksTwice(base));
};

/** Nesterov's own form. */
const looksAhead = (data: object): boolean => (data as { readonly lookAhead?: boolean }).lookAhead === true;

const start = <V extends Values>(data: Readonly<{ kind: OptimizerName }>, theta: V): OptimizerRun<V> => {
  const precision = theta instanceof Float32Array ? 'f32' : 'f64';
  const state = callNative((binding) => new binding.OptimizerState(JSON.stringify(data), theta.length, precision));
  let searching = false;
  const search = (where: string, evaluate: Evaluate): void => {
    if (searching)
      throw wrong(where, 'a search is going on: evaluate only computes loss and gradient.', 'loss and gradient', 'a step', update);
    searching = true;
    const gradient = theta.slice().fill(0) as V;
    let failure: { readonly error: unknown } | undefined;
    const look = (): number | null => {
      try {
        const found = evaluate(theta);
        gradient.set(expectGradient(where, found.gradient));
        expectArgument(where, 'the loss', found.loss, (loss) => (typeof loss === 'number' ? undefined : 'to be a number'), update);
        return found.loss;
      } catch (error) {
        failure = { error };
        return null;
      }
    };
    try {
      callNative(() => state.search(theta, gradient, look), update);
    } finally {
      searching = false;
    }
    if (failure !== undefined) throw failure.error;
  };
  const update = (gradient: V | Evaluate): void => {
    const where = `${data.kind}.update`;
    if (data.kind === 'lbfgs') {
      if (typeof gradient !== 'function')
        throw wrong(where, 'lbfgs looks several times a step, so it takes a function of theta.', 'a function', 'a gradient', update);
      search(where, gradient);
      return;
    }
    if (looksAhead(data)) {
      if (typeof gradient !== 'function')
        throw wrong(where, 'the gradient is wanted ahead of theta, so it takes a function of it.', 'a function', 'a gradient', update);
      callNative(() => state.goAhead(theta), update);
      const ahead = expectGradient(where, gradient(theta).gradient);
      callNative(() => state.update(theta, ahead), update);
      return;
    }
    if (typeof gradient === 'function') {
      if (!looksTwice(data))
        throw wrong(where, `${data.kind} looks once a step, so it takes the gradient itself.`, 'a gradient', 'a function', update);
      const first = expectGradient(where, gradient(theta).gradient);
      callNative(() => state.lookAround(theta, first), update);
      const second = expectGradient(where, gradient(theta).gradient);
      callNative(() => state.update(theta, second), update);
      return;
    }
    if (looksTwice(data))
      throw wrong(where, `${data.kind} looks twice a step, so it takes a function of theta.`, 'a function', 'a gradient', update);
    expectGradient(where, gradient);
    callNative(() => state.update(theta, gradient), update);
  };
  const expectGradient = (where: string, gradient: Values): Values => {
    expectArgument(where, 'the gradient', gradient, isValues, update);
    if (gradient.length !== theta.length || gradient.constructor !== theta.constructor) {
      const [expected, received] = [theta, gradient].map((x) => `${x.constructor.name} of ${x.length}`) as [string, string];
      throw wrong(where, `expected the gradient to be a ${expected} as theta is, got a ${received}.`, expected, received, update);
    }
    return gradient;
  };
  return { theta, update };
};

const wrong = (place: string, message: string, expected: string, received: string, caller: (...args: never[]) => unknown): NablaError => {
  const data: ErrorData = { code: expected.startsWith('Float') ? 'SHAPE_MISMATCH' : 'INVALID_OPTION', place, message, expected, received };
  return new NablaError(data, { caller });
};

/** An optimizer value: only its data are enumerable, so it compares, copies and travels as JSON. */
export const optimizer = <D extends { kind: OptimizerName; learningRate: number }>(data: D): Optimizer & Readonly<D> => {
  const method = <V extends Values>(theta: V): OptimizerRun<V> => {
    expectArgument(`${data.kind}.start`, 'theta', theta, isValues, method);
    return start(data, theta);
  };
  const value: D = { ...data };
  return Object.freeze(Object.defineProperty(value, 'start', { value: method })) as unknown as Optimizer & Readonly<D>;
};

/** An optimizer of its options over its defaults, checked. */
export const ruled = <O extends { learningRate?: number }>(
  kind: OptimizerName,
  options: O,
  checks: Readonly<Record<keyof O, Check>>,
  defaults: Required<O> & { learningRate: number },
  caller: Caller,
): Optimizer & Readonly<Required<O>> => {
  expectOptions(kind, options, checks, caller);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return optimizer({ kind, ...defaults, ...given });
};

/** True for what `adam()` and its kin give. */
export const isOptimizer: Check = (value) =>
  typeof value === 'object' && value !== null && 'kind' in value && 'start' in value
    ? undefined
    : 'to be an optimizer such as adam({ learningRate: 1e-3 })';
