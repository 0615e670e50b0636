export type { ArrayInput, ArrayValue } from './arrays.js';
export {
  type CompileOptions,
  compile,
  type GradientOptions,
  type Inputs,
  type TracedFunction,
  type ValueAndGradient,
  valueAndGradient,
} from './compile.js';
export type { Mask } from './masks.js';
export type { OperatorName, Operators } from './operators.js';
export { type Operand, type ReduceOptions, shapeText, Tensor, type TensorType, traceOf } from './tensor.js';
export {
  type OwnPenalty,
  type ParameterOptions,
  type PlainInitializer,
  type PlainPenalty,
  type Reparametrization,
  Trace,
} from './trace.js';
