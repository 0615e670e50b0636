import { type Caller, NablaError } from '../errors/index.js';
import { callNative, type GraphBuilder } from '../native/index.js';
import { type MaskedAxes, maskAfter } from './masks.js';
import type { OperatorName, Operators } from './operators.js';
import { childScope, rootScope, type Scope, type ScopeRequest } from './scope.js';
import { idOf, Tensor, type TensorType, traceOf } from './tensor.js';

/** What the optimizer may do with a parameter. */
export interface ParameterOptions {
  /** `false`: kept as initialized, no gradient. */
  trainable?: boolean;
  /** `false`: left out of penalties and weight decay, as biases and the scales of norms are. */
  decay?: boolean;
  /** A penalty on this parameter alone, such as `l2(1e-3)`. */
  regularizer?: PlainPenalty;
}

/** What becomes of a parameter that a layer asks for. */
export type Reparametrization = (
  parameter: Tensor,
  asked: {
    readonly name: string;
    readonly path: string;
    readonly shape: readonly number[];
    readonly initializer: PlainInitializer;
    readonly caller: Caller;
  },
) => Tensor;

/** A penalty as plain data. */
export interface PlainPenalty {
  readonly kind: string;
}

/** A penalty and the parameters it acts on, by name. */
export interface OwnPenalty {
  readonly penalty: PlainPenalty;
  readonly parameters: readonly string[];
}

/** An initializer as plain data; its values are drawn natively, keyed by seed and parameter path. */
export interface PlainInitializer {
  readonly kind: string;
}

/**
 * One function being traced into a graph. Layers are recipes without state: their names and parameters belong to the trace, so one
 * model can be traced any number of times.
 *
 * @example
 * const trace = new Trace();
 * const prediction = model(trace.input('features', [-1, 64]));
 * const graph = trace.finish({ prediction });
 */
export class Trace {
  readonly #builder: GraphBuilder;
  readonly #scopes = new WeakMap<object, Scope>();
  readonly #constants = new Map<number, Tensor>();
  /** Untrained parameters by node: the path, and what it becomes after a step. */
  readonly #untrained = new Map<number, { path: string; next?: Tensor }>();
  #scope: Scope = rootScope();
  #lastLayer = '';
  /** Penalties that parameters asked for, in the order of their first use. */
  readonly penalties: OwnPenalty[] = [];

  /** What makes parameters of others, `weightNorm`, around the layer that is running. */
  #reparametrization: Reparametrization | undefined;
  readonly #weights: boolean;

  /** `weights: false` refuses parameters: a compiled function gets all it needs as arguments. */
  constructor({ weights = true }: { weights?: boolean } = {}) {
    this.#weights = weights;
    this.#builder = callNative((binding) => new binding.GraphBuilder());
  }

  /** A value that comes from outside; `shape` starts with −1 for the batch. */
  input(name: string, shape: readonly number[], type: TensorType = 'float'): Tensor {
    const id = this.#call((builder) => builder.input(name, [...shape]), this.input);
    return new Tensor(this, id, type);
  }

  /** A number, a row of numbers, … known while tracing. */
  constant(values: number | readonly number[], shape: readonly number[] = typeof values === 'number' ? [] : [values.length]): Tensor {
    const known = typeof values === 'number' && shape.length === 0 ? this.#constants.get(values) : undefined;
    if (known !== undefined) return known;
    const id = this.#call(
      (builder) => builder.constant(Float64Array.from(typeof values === 'number' ? [values] : values), [...shape]),
      this.constant,
    );
    const tensor = new Tensor(this, id, 'float');
    if (typeof values === 'number' && shape.length === 0) this.#constants.set(values, tensor);
    return tensor;
  }

  /** One operator, one native call. `caller` is the public function that an error's stack starts after. */
  apply<N extends OperatorName>(operator: N, inputs: readonly Tensor[], attributes: Operators[N], caller: Caller): Tensor {
    const ids = inputs.map((input) => {
      if (traceOf(input) !== this) {
        throw new NablaError(
          {
            code: 'INVALID_OPTION',
            place: this.#scope.path === '' ? operator : this.#scope.label,
            layer: this.#scope.path,
            message: `${operator} was given a Tensor of another trace.`,
            hint: 'a Tensor lives only while its model is traced: do not keep one in a variable outside the function.',
          },
          { caller },
        );
      }
      return idOf(input);
    });
    const text = JSON.stringify(attributes);
    const id = this.#call((builder) => builder.apply(operator, ids, text, this.#scope.path), caller);
    const result = new Tensor(this, id, 'float');
    if (inputs.every(({ mask }) => mask === undefined)) return result;
    return result.withMask(maskAfter(operator, inputs, attributes as MaskedAxes, () => result, this.#scope, caller));
  }

  /**
   * Traces a function once and repeats its operators on other values: `again` gets one for each of `inputs` and gives what the function
   * would. What does not depend on them (parameters, constants) is shared.
   */
  recorded(
    run: () => readonly Tensor[],
    inputs: readonly Tensor[],
  ): { readonly first: readonly Tensor[]; again(values: readonly Tensor[]): readonly Tensor[] } {
    const from = this.#call((builder) => builder.size(), this.recorded);
    const first = run();
    const to = this.#call((builder) => builder.size(), this.recorded);
    const [replaced, wanted] = [inputs.map(idOf), first.map(idOf)];
    const again = (values: readonly Tensor[]): readonly Tensor[] =>
      this.#call((builder) => builder.repeat(from, to, replaced, values.map(idOf), wanted), this.recorded).map(
        (id) => new Tensor(this, id, 'float'),
      );
    return { first, again };
  }

  /** A parameter of the layer that is running; the same name again is the same parameter. */
  parameter(name: string, shape: readonly number[], initializer: PlainInitializer, options: ParameterOptions, caller: Caller): Tensor {
    const { parameters, path, label } = this.#scope;
    const known = parameters.get(name);
    if (known !== undefined) {
      if (known.shape.length === shape.length && known.shape.every((size, axis) => size === shape[axis])) return known;
      throw new NablaError(
        {
          code: 'SHAPE_MISMATCH',
          place: label,
          layer: path,
          message: `the parameter '${name}' was made with shape [${known.shape.join(', ')}] and is now asked for with [${shape.join(', ')}].`,
          expected: `[${known.shape.join(', ')}]`,
          received: `[${shape.join(', ')}]`,
          hint: 'one layer value shares its parameters between its calls, so each call needs inputs of the same width; make a second layer for another width.',
        },
        { caller },
      );
    }
    const full = path === '' ? name : `${path}/${name}`;
    if (!this.#weights) {
      throw new NablaError(
        {
          code: 'INVALID_OPTION',
          place: label,
          layer: path,
          message: `a compiled function has no weights of its own, and this asks for '${full}'.`,
          expected: 'weights as arguments',
          received: full,
          hint: 'A model with weights is fitted by a Trainer.',
        },
        { caller },
      );
    }
    const { regularizer, ...rest } = options;
    const id = this.#call((builder) => builder.parameter(full, [...shape], JSON.stringify(initializer), JSON.stringify(rest)), caller);
    if (regularizer !== undefined) this.penalties.push({ penalty: regularizer, parameters: [full] });
    const tensor = new Tensor(this, id, 'float');
    const own = this.#reparametrization;
    if (own !== undefined) {
      // What it makes on its own is not made over again.
      this.#reparametrization = undefined;
      const made = own(tensor, { name, path: full, shape, initializer, caller });
      this.#reparametrization = own;
      parameters.set(name, made);
      return made;
    }
    parameters.set(name, tensor);
    if (options.trainable === false) this.#untrained.set(id, { path: full });
    return tensor;
  }

  /** What an untrained parameter becomes after a training step; a second call goes on from the first one's value. */
  update(parameter: Tensor, next: (old: Tensor) => Tensor, caller: Caller): void {
    const known = traceOf(parameter) === this ? this.#untrained.get(idOf(parameter)) : undefined;
    if (known === undefined) {
      throw new NablaError(
        {
          code: 'INVALID_OPTION',
          place: this.#scope.label,
          layer: this.#scope.path,
          message: 'update: only a parameter made with { trainable: false } can be given a new value; the optimizer changes the others.',
          expected: 'an untrained parameter of this trace',
          received: String(parameter),
        },
        { caller },
      );
    }
    const value = next(known.next ?? parameter);
    if (value.rank !== parameter.rank || value.shape.some((size, axis) => size !== parameter.shape[axis])) {
      throw new NablaError(
        {
          code: 'SHAPE_MISMATCH',
          place: this.#scope.label,
          layer: this.#scope.path,
          message: `the new value of '${known.path}' has shape [${value.shape.join(', ')}], the parameter [${parameter.shape.join(', ')}].`,
          expected: `[${parameter.shape.join(', ')}]`,
          received: `[${value.shape.join(', ')}]`,
        },
        { caller },
      );
    }
    known.next = value;
  }

  /** Runs a layer's function in its scope; `layer` is the value whose second call shares what the first one made. */
  within<T>(layer: object, request: ScopeRequest, run: () => T): T {
    const parent = this.#scope;
    let scope = this.#scopes.get(layer);
    if (scope === undefined) {
      scope = childScope(parent, request);
      this.#scopes.set(layer, scope);
    } else {
      // Known from before: what is new after it comes after its place.
      const position = parent.children.indexOf(scope);
      if (position >= 0) parent.cursor = Math.max(parent.cursor, position + 1);
    }
    scope.cursor = 0;
    this.#scope = scope;
    try {
      return run();
    } finally {
      this.#scope = parent;
      if (scope.path !== '' && scope.kind !== 'loss') this.#lastLayer = scope.path;
    }
  }

  /** Runs with each new parameter replaced by what `make` makes of it. */
  reparametrized<T>(make: Reparametrization, run: () => T): T {
    const outer = this.#reparametrization;
    this.#reparametrization = make;
    try {
      return run();
    } finally {
      this.#reparametrization = outer;
    }
  }

  /** ∂(Σ y)/∂x for each x, as values of this trace: zeros where y does not depend on it. */
  gradients(y: Tensor, of: readonly Tensor[], caller: Caller): Tensor[] {
    const ids = this.#call((builder) => builder.gradients(idOf(y), of.map(idOf)), caller);
    return ids.map((id) => new Tensor(this, id, 'float'));
  }

  /** Path of the layer that is running, empty outside of any. */
  get path(): string {
    return this.#scope.path;
  }

  /** What an error calls the layer that is running. */
  get label(): string {
    return this.#scope.label;
  }

  /** Path of the layer that ran last, such as `dense2`: the one to name when the output does not fit the targets. */
  get lastLayer(): string {
    return this.#lastLayer;
  }

  /** The shape of a node. */
  shapeOf(id: number): readonly number[] {
    return this.#call((builder) => builder.shape(id), this.shapeOf);
  }

  /** Ends the trace: the graph as versioned plain JSON. `outputs` such as `{ prediction, loss }`, loss with one value a row. */
  finish(outputs: Readonly<Record<string, Tensor>>): string {
    const updates = [...this.#untrained.values()].flatMap(({ path, next }) =>
      next === undefined ? [] : [[`update:${path}`, next] as const],
    );
    const ids = Object.fromEntries([...Object.entries(outputs), ...updates].map(([name, tensor]) => [name, idOf(tensor)]));
    return this.#call((builder) => builder.finish(JSON.stringify(ids)), this.finish);
  }

  /** A native call whose error names the layer that is running. */
  #call<T>(run: (builder: GraphBuilder) => T, caller: Caller): T {
    try {
      return callNative(() => run(this.#builder), caller);
    } catch (error) {
      if (!(error instanceof NablaError) || this.#scope.path === '') throw error;
      throw error.with({ place: this.#scope.label, layer: this.#scope.path }, { caller });
    }
  }
}
