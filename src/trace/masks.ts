import { type Caller, NablaError } from '../errors/index.js';
import type { OperatorName } from './operators.js';
import type { Tensor } from './tensor.js';

/** Which steps of a sequence count. */
export interface Mask {
  /** 1 where a step counts, 0 where it is padding: [batch, time], itself without a mask. */
  readonly steps: Tensor;
  /** Whether the steps that count come first, as in sequences that are padded at their end. */
  readonly prefix: boolean;
}

/** Operators whose value at a step comes from that step alone. */
const elementwise = new Set<OperatorName>(
  (
    'add subtract multiply divide maximum minimum greater less equal negate abs sign exp expm1 log log1p sqrt square reciprocal relu tanh ' +
    'sigmoid gelu erf softplus dropout broadcast'
  ).split(' ') as OperatorName[],
);

const fromEnd = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

/** What the attributes of operators say of axes. */
export interface MaskedAxes {
  readonly axis?: number;
  readonly from?: number;
  readonly to?: number;
  readonly axes?: readonly number[] | null;
  readonly transposeA?: boolean;
}

/** Whether the steps of the result are those of `x`, each from that step alone. */
const keepsSteps = (operator: OperatorName, inputs: readonly Tensor[], attributes: MaskedAxes): boolean => {
  const [x] = inputs as [Tensor, ...Tensor[]];
  const { rank } = x;
  const axis = fromEnd(attributes.axis ?? -1, rank);
  if (elementwise.has(operator)) return true;
  switch (operator) {
    case 'softmax':
    case 'logSoftmax':
    case 'softmaxCrossEntropy':
      return rank > 2;
    case 'normalize':
      return rank > 2 && (attributes.from ?? 0) > 1;
    case 'matmul':
      return rank > 2 && attributes.transposeA !== true && inputs[1]!.rank === 2 && inputs[1]!.mask === undefined;
    case 'gather':
    case 'reshape':
      return true;
    case 'concat':
    case 'slice':
    case 'pad':
      return axis > 1;
    case 'transpose':
      return attributes.axes?.[0] === 0 && attributes.axes[1] === 1;
    case 'sum':
    case 'mean':
    case 'max':
      return attributes.axes?.every((each) => fromEnd(each, rank) > 1) === true;
    default:
      return false;
  }
};

/**
 * The mask of an operator's result, `undefined` where no input has one. Steps that are masked are never mixed with those that count:
 * an operator that would is an error.
 * @throws {NablaError} `INVALID_OPTION` with the layer
 */
export const maskAfter = (
  operator: OperatorName,
  inputs: readonly Tensor[],
  attributes: MaskedAxes,
  result: () => Tensor,
  where: { readonly label: string; readonly path: string },
  caller: Caller,
): Mask | undefined => {
  const masks = inputs.flatMap(({ mask }) => (mask === undefined ? [] : [mask]));
  const [first, ...others] = masks;
  if (first === undefined) return undefined;
  const { shape } = result();
  const time = first.steps.shape[1];
  if (operator === 'slice' && fromEnd(attributes.axis ?? 0, inputs[0]!.rank) === 1) {
    const [from = 0, to = 0] = [attributes.from, attributes.to];
    return { steps: first.steps.slice(1, from, to), prefix: first.prefix && from === 0 };
  }
  if (keepsSteps(operator, inputs, attributes) && shape[0] === first.steps.shape[0] && shape[1] === time) {
    return others.reduce(
      (both, mask) => (mask.steps === both.steps ? both : { steps: both.steps.multiply(mask.steps), prefix: both.prefix && mask.prefix }),
      first,
    );
  }
  throw new NablaError(
    {
      code: 'INVALID_OPTION',
      place: where.label === 'model' ? operator : where.label,
      layer: where.path,
      message: `${where.label === 'model' ? '' : `its ${operator} `}does not understand a mask: sequences of different lengths would be mixed with their padding.`,
      expected: 'a sequence without a mask',
      received: `a sequence with a mask [batch, ${time}]`,
      hint: 'lstm, gru, simpleRnn, attention, globalAveragePool, globalMaxPool, conv1d and what works on each step alone understand masks; x.withMask(undefined) takes it off.',
    },
    { caller },
  );
};
