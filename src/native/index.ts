export type {
  Binding,
  CompiledFunction,
  FitJob,
  FitResult,
  GraphBuilder,
  LinearModel,
  NativeArray,
  NativeData,
  NativeModel,
  NativeSession,
  OptimizerState,
  PausedFit,
  Scaler,
  Task,
} from './binding.js';
export { callNative, native, nativeError } from './call.js';
export { installHint, loadBinding } from './load.js';
export { libc, type Platform, platform, platforms } from './platform.js';
export { type RunningTask, runTask, startTask } from './task.js';
