import { planned } from '../errors/index.js';
import type { Tensor } from '../trace/index.js';
/** Values that a compiled function takes and gives. */
export interface ArrayValue {
  readonly values: Float32Array | Float64Array;
  readonly shape: readonly number[];
}

/** Any traced function, on real arrays. */
export const compile =
  planned<(run: (...inputs: Tensor[]) => Tensor) => (...inputs: (ArrayValue | readonly (readonly number[])[])[]) => ArrayValue>('compile');

/** A traced function with one value: the value, and the gradient for each input. */
export const valueAndGradient =
  planned<
    (run: (...inputs: Tensor[]) => Tensor) => (...inputs: (ArrayValue | readonly (readonly number[])[])[]) => {
      readonly value: number;
      readonly gradients: readonly ArrayValue[];
    }
  >('valueAndGradient');
