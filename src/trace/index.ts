export type { OperatorName, Operators } from './operators.js';
export { type Operand, type ReduceOptions, shapeText, Tensor, type TensorType, traceOf } from './tensor.js';
export { type ParameterOptions, type PlainInitializer, Trace } from './trace.js';
