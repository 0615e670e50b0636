/**
 * The native addon as TypeScript sees it. Plain data crosses as JSON, numbers as typed arrays. Every function throws an `Error` whose
 * `message` is the JSON of an error as data, which `callNative` and `runTask` turn into a `NablaError`. What takes longer than a moment
 * is a task: it gets a number, runs on nabla's own threads, tells of itself through the one callback given to `connect`, and its answer
 * is taken when it has said that it is over.
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
  /** How many values there are. */
  size(): number;
  /** The operators of the values `from` ≤ id < `to` again, with `values` in place of `replaced`: the new ids of `wanted`. */
  repeat(from: number, to: number, replaced: number[], values: number[], wanted: number[]): number[];
  /** ∂(Σ y)/∂x for each x, as new values. */
  gradients(y: number, of: number[]): number[];
  /** `outputs` is JSON such as `{"prediction": 4, "loss": 9}`; returns the graph as versioned plain JSON. */
  finish(outputs: string): string;
}

/** Storage of features and the numbers beside them. */
export type NativeArray = Float32Array | Float64Array | Uint8Array | Uint32Array;

/** An immutable data set, or an index view of one. */
export interface NativeData {
  schema(): string;
  describe(): string;
  /** Hexadecimal digits over schema and values. */
  fingerprint(): string;
  select(indices: Uint32Array): NativeData;
  /** Steps of each row, where rows are sequences of different lengths. */
  lengths(): Uint32Array | null;
  /** Index of each row in the source. */
  sourceRows(): Uint32Array;
  features(): Float64Array;
  targets(): Float64Array | null;
  labels(): Uint32Array | null;
  weights(): Float64Array | null;
  groups(): Uint32Array | null;
  groupNames(): string[] | null;
  /** First and last row of the series that each window was made of. */
  spans(): Uint32Array[] | null;
  /** Windows of a series; `options` is JSON. */
  windows(options: string): NativeData;
  /** Writes the rows to a file. */
  save(task: number, path: string): Task;
}

/** Work in progress. */
export interface Task {
  /** Ends early with what there is. */
  stop(): void;
  /** Ends with an error within one batch. */
  abort(): void;
  takeDone(): void;
  takeData(): NativeData;
  takeNumbers(): Float64Array;
  takeNumbersInto(to: Float64Array): void;
  takeText(): string;
  takeModel(): NativeModel;
  takeLinear(): LinearModel;
  takeFits(): FitResult[];
}

/** The data sets of one fit. */
export interface FitJob {
  /** Makes it a part of a fit: the one that it goes on from, and the epochs in all after which it is left. */
  part(resume?: PausedFit | null, until?: number | null): void;
  /** Saves its state in a folder each so many seconds, keeps so many files, and goes on from the latest if asked. */
  checkpoint(directory: string, everySeconds: number, keep: number, resume: boolean): void;
}

/** A fit that was left after an epoch; another goes on from it. */
export interface PausedFit {
  /** As bytes, to go on from in another process. */
  toBytes(): Uint8Array;
  /** The memory of its buffers. */
  bytes(): number;
}

/** What one job gave: a model and its summary, or an error. `summary` and `error` are JSON. */
export interface FitResult {
  model(): NativeModel | null;
  /** Where it was left, if it was to be; asked once. */
  paused(): PausedFit | null;
  summary(): string;
  error(): string | null;
}

/** A fitted model: weights, fitted preparation, class names. */
export interface NativeModel {
  info(): string;
  /** What was saved beside it, as JSON. */
  extra(): string;
  predict(task: number, data: NativeData, threads?: number | null): Task;
  /** `lengths`: steps of each row, where rows are sequences of different lengths. */
  predictSync(features: Float32Array | Float64Array, lengths?: Uint32Array | null): Float64Array;
  /** Means, then standard deviations, `[rows, output width]` each. */
  predictSamples(task: number, data: NativeData, samples: number, seed: number): Task;
  evaluate(task: number, data: NativeData, metrics?: string | null): Task;
  save(task: number, folder: string, extra: string): Task;
  weights(): string;
  weight(name: string): Float64Array;
  /** Its program as text. */
  listing(batch: number, training: boolean): string;
  bytes(): number;
}

/** A sequence in progress. */
export interface NativeSession {
  /** How many steps there can be, if the model tells them apart by their place. */
  limit(): number | null;
  position(): number;
  step(features: Float64Array): Float64Array;
  reset(): void;
}

/** A traced function of arrays, compiled for their shapes. */
export interface CompiledFunction {
  /** The outputs one after the other, in the order of the alphabet. */
  run(inputs: Float64Array[]): Float64Array;
}

/** An optimizer's state over one flat parameter vector. */
export interface OptimizerState {
  /** SAM: keeps `theta` and moves it to the worst point nearby; `update` comes back first. */
  lookAround(theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array): void;
  /** Nesterov's look-ahead: keeps `theta` and moves it to where the gradient is wanted; `update` comes back first. */
  goAhead(theta: Float32Array | Float64Array): void;
  update(theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array): void;
  /** L-BFGS: `evaluate` writes the gradient at `theta` into `gradient` and gives the loss, or `null` to give up. */
  search(theta: Float32Array | Float64Array, gradient: Float32Array | Float64Array, evaluate: () => number | null): boolean;
}

/** A fitted linear model of basis functions. */
export interface LinearModel {
  info(): string;
  predict(task: number, features: Float64Array): Task;
}

/** A fitted preparation, usable alone. */
export interface Scaler {
  /** Into `out`, a new array of the same kind; `missing`: NaN is a missing cell. */
  transform(values: Float32Array | Float64Array, out: Float32Array | Float64Array, missing: boolean): void;
  inverse(values: Float32Array | Float64Array, out: Float32Array | Float64Array, missing: boolean): void;
  info(): string;
}

/** The exports of the addon. */
export interface Binding {
  /** Once an environment: hears every event of every task; an empty one says that the task is over. `memory`: bytes of the machine. */
  connect(callback: (task: number, event: string) => void, memory: number): void;
  GraphBuilder: new () => GraphBuilder;
  operators(): string;
  CompiledFunction: new (graph: string, inputs: string[], single: boolean) => CompiledFunction;
  Data: { create(spec: string, buffers: NativeArray[]): NativeData };
  /** Whether there is neither NaN nor ±∞. */
  allFinite(values: Float32Array | Float64Array): boolean;
  readCsvFile(task: number, path: string, options: string): Task;
  augmentedData(data: NativeData, recipe: string, copies: number, seed: number): NativeData;
  contactSheet(data: NativeData, recipe: string, rows: number, variants: number, seed: number): Uint8Array;
  readImages(task: number, path: string | null, bytes: Uint8Array[], labels: string[] | null, options: string): Task;
  /** A data set of columns by the rules of a CSV file; `columns` and `options` are JSON. */
  loadData(task: number, path: string, inMemory: boolean): Task;
  /** Features stay in the file, where `layout` (JSON) says they lie; `spec` and `buffers` say the rest, as for `Data.create`. */
  rowsInFile(task: number, path: string, layout: string, spec: string, buffers: NativeArray[]): Task;
  columnsToData(task: number, columns: string, buffers: NativeArray[], options: string): Task;
  readIdxFiles(task: number, images: string, labels: string | null, options: string): Task;
  permutation(rows: number, seed: number): Uint32Array;
  holdOutIndices(options: string, labels: Uint32Array | null, groups: Uint32Array | null): Uint32Array[];
  /** The rows of `train` whose windows share no row of the series with one of `held`. */
  purgedRows(train: Uint32Array, held: Uint32Array, first: Uint32Array, last: Uint32Array): Uint32Array;
  kFoldIndices(options: string, labels: Uint32Array | null, groups: Uint32Array | null): Uint32Array;
  /** The rows of a fold into `validation`, the others into `train`: new arrays of the right lengths. */
  foldRows(folds: Uint32Array, fold: number, train: Uint32Array, validation: Uint32Array): void;
  PausedFit: { fromBytes(bytes: Uint8Array): PausedFit };
  FitJob: new (
    train: NativeData,
    validation?: NativeData | null,
    score?: NativeData | null,
    test?: NativeData | null,
    from?: NativeModel | null,
    take?: string[] | null,
    keep?: boolean | null,
  ) => FitJob;
  startFits(task: number, spec: string, jobs: FitJob[], options: string): Task;
  Session: new (model: NativeModel) => NativeSession;
  /** Least squares; `settings` is JSON `{ width, lambda, l1Ratio, intercept, basis }`. */
  leastSquares(task: number, features: Float64Array, targets: Float64Array, weights: Float64Array | null, settings: string): Task;
  checkGradients(task: number, spec: string, data: NativeData, settings: string): Task;
  learningRateTest(task: number, spec: string, data: NativeData, settings: string): Task;
  /** A few steps of a recipe, looked at: JSON `{ records, broke }`. */
  examineHealth(task: number, spec: string, job: FitJob, settings: string): Task;
  /** Mean, deviation, norm, extremes, zeros and a histogram, as JSON. */
  numberStatistics(values: Float64Array): string;
  loadModel(task: number, folder: string): Task;
  metric(spec: string, truth: Float64Array, prediction: Float64Array, width: number, classes: number, weights: Float64Array | null): number;
  /** P(|T| ≥ |t|) of Student's t distribution. */
  studentTTwoSided(t: number, freedom: number): number;
  /** t with P(T ≤ t) = p. */
  studentTQuantile(p: number, freedom: number): number;
  sampleInitializer(spec: string, shape: number[], seed: number): Float64Array;
  OptimizerState: new (spec: string, length: number, precision: 'f32' | 'f64') => OptimizerState;
  /** The columns that preparation steps make of others, both as JSON. */
  columnsAfter(steps: string, columns: string): string;
  Scaler: { fit(steps: string, values: Float32Array | Float64Array, width: number): Scaler };
  norm(values: Float64Array | Float32Array, p: number): number;
  /** The next points of a search, as JSON; so is what is asked. */
  suggest(asked: string): string;
  /** The regions that coarse-to-fine has looked at, as JSON. */
  /** Members of a population as JSON, `{ parent, values }` each. */
  populationMembers(asked: string): string;
  searchRegions(asked: string): string;
  /** Share of the score's variance that each dimension explains; what is asked is JSON. */
  importance(asked: string): Float64Array;
  /** Whole lines of a journal from byte `at` on; with `lines`, appends them if it ends there. Text: `{ text, end, appended }`. */
  journalStep(task: number, path: string, at: number, lines: string | null, sync: boolean): Task;
  /** Bytes that may be taken: what is free, or what `NABLA_MEMORY_LIMIT` allows; `null` where nothing is known. */
  freeMemory(): number | null;
  /** How many programs this process has compiled. */
  compilations(): number;
  simdLevel(): string;
  /** `NABLA_THREADS`, else all cores. */
  defaultThreads(): number;
  version(): string;
  /** Every error code, as JSON. */
  errorCodes(): string;
}
