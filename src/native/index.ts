export type {
  Binding,
  FitJob,
  FitOutcome,
  Fits,
  GraphBuilder,
  NativeArray,
  NativeData,
  NativeModel,
  OptimizerState,
  Scaler,
} from './binding.js';
export { awaitNative, callNative, native, nativeError } from './call.js';
export { installHint, loadBinding } from './load.js';
export { libc, type Platform, platform, platforms } from './platform.js';
