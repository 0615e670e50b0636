export type { Mask } from './masks.js';
export type { OperatorName, Operators } from './operators.js';
export { type Operand, type ReduceOptions, shapeText, Tensor, type TensorType, traceOf } from './tensor.js';
export { type OwnPenalty, type ParameterOptions, type PlainInitializer, type PlainPenalty, Trace } from './trace.js';
