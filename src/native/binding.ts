/**
 * The native addon as TypeScript sees it. Every function throws, or rejects with, an `Error` whose `message` is the JSON of an error
 * as data; `callNative` and `awaitNative` turn it into a `NablaError`. Plain data crosses as JSON, numbers as typed arrays.
 */

/** One function being traced: each call returns the id of a node, or throws at once, so the stack ends on the user's own line. */
export interface GraphBuilder {
  /** −1 is the batch axis. */
  input(name: string, shape: number[]): number;
  /** `path` such as "dense/kernel", unique within the graph; `initializer` and `options` are JSON. */
  parameter(path: string, shape: number[], initializer: string, options: string): number;
  constant(values: Float64Array, shape: number[]): number;
  /** `attributes` is JSON; `path` is the layer's, for errors. */
  apply(operator: string, inputs: number[], attributes: string, path: string): number;
  shape(id: number): number[];
  /** `outputs` is JSON such as `{"prediction": 4, "loss": 9}`; returns the graph as versioned plain JSON. */
  finish(outputs: string): string;
}

/** Storage of features and the numbers beside them. */
export type NativeArray = Float32Array | Float64Array | Uint8Array | Uint32Array;

/** An immutable data set, or an index view of one. */
export interface NativeData {
  schema(): string;
  describe(): string;
  select(indices: Uint32Array): NativeData;
  /** Index of each row in the source. */
  sourceRows(): Uint32Array;
  features(): Float64Array;
  targets(): Float64Array | null;
  labels(): Uint32Array | null;
  weights(): Float64Array | null;
  groups(): Uint32Array | null;
}

/** One or many fits in progress. */
export interface Fits {
  /** Ends each fit after its current epoch; the result is what there is. */
  stop(): void;
  /** Ends each fit within one batch; the result rejects. */
  abort(): void;
  result(): Promise<FitOutcome[]>;
}

/** What one job gave: a model and its summary, or an error. `summary` and `error` are JSON. */
export interface FitOutcome {
  model?: NativeModel | null;
  summary: string;
  error?: string | null;
}

/** The data sets of one fit. */
export interface FitJob {
  train: NativeData;
  validation?: NativeData;
  score?: NativeData;
  test?: NativeData;
}

/** A fitted model: weights, fitted preparation, class names. */
export interface NativeModel {
  info(): string;
  predict(data: NativeData): Promise<Float32Array | Float64Array>;
  predictSync(features: Float32Array, rows: number): Float32Array;
  evaluate(data: NativeData, metrics?: string): Promise<string>;
  save(folder: string, extra: string): Promise<void>;
  weights(): string;
  weight(name: string): Float64Array;
}

/** An optimizer's state over one flat parameter vector. */
export interface OptimizerState {
  update(theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array): void;
}

/** A fitted preparation, usable alone. */
export interface Scaler {
  transform(values: Float64Array): Float64Array;
  inverse(values: Float64Array): Float64Array;
}

/** The exports of the addon. */
export interface Binding {
  GraphBuilder: new () => GraphBuilder;
  operators(): string;
  Data: {
    create(spec: string, buffers: NativeArray[]): NativeData;
    readCsv(path: string, options: string): Promise<NativeData>;
    readIdx(images: string, labels: string | null, options: string): Promise<NativeData>;
  };
  permutation(rows: number, seed: number): Uint32Array;
  holdOutIndices(options: string, labels: Uint32Array | null, groups: Uint32Array | null): Uint32Array[];
  kFoldIndices(options: string, labels: Uint32Array | null): Uint32Array;
  startFits(spec: string, jobs: FitJob[], options: string, onEvent: (json: string) => void): Fits;
  Model: { load(folder: string): Promise<NativeModel> };
  metric(spec: string, truth: Float64Array, prediction: Float64Array, width: number, classes: number, weights: Float64Array | null): number;
  sampleInitializer(spec: string, shape: number[], seed: number): Float64Array;
  OptimizerState: new (spec: string, length: number, precision: 'f32' | 'f64') => OptimizerState;
  Scaler: { fit(steps: string, values: Float64Array, width: number): Scaler };
  norm(values: Float64Array | Float32Array, p: number): number;
  simdLevel(): string;
  version(): string;
}
