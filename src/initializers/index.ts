export { constant, ones, zeros } from './constants.js';
export { type NormalOptions, normal, truncatedNormal, type UniformOptions, uniform } from './distributions.js';
export type { Initializer, InitializerLike, InitializerName, NamedInitializer, SampleOptions } from './initializer.js';
export { type LsuvOptions, lsuv } from './lsuv.js';
export { identity, type MatrixOptions, orthogonal, type SparseOptions, sparse } from './matrices.js';
export { type GainOptions, type HeOptions, heNormal, heUniform, lecunNormal, lecunUniform, xavierNormal, xavierUniform } from './scaled.js';
