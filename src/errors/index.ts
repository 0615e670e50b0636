export { type Code, codes } from './codes.js';
export { type Caller, type ErrorData, type ErrorOptions, NablaError } from './nabla-error.js';
export { nearest } from './nearest.js';
export { notImplemented, planned, plannedNames, register } from './not-implemented.js';
export {
  type Bounds,
  type Check,
  checkOptions,
  expectArgument,
  expectInteger,
  expectNumber,
  expectOneOf,
  expectOptions,
  invalidOption,
  isAnything,
  isArrayLike,
  isBoolean,
  isEither,
  isFunction,
  isInteger,
  isListOf,
  isNumber,
  isOneOf,
  isString,
  optionsOf,
  type Spec,
} from './options.js';
export { oneOf, shown } from './shown.js';
export { callSite, continueFrom } from './stack.js';
