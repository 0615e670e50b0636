/** Activations by name; each is also a method of `Tensor`. `'identity'` leaves its input as it is. */
export const activationNames = [
  'identity',
  'relu',
  'leakyRelu',
  'prelu',
  'elu',
  'selu',
  'gelu',
  'silu',
  'mish',
  'sigmoid',
  'hardSigmoid',
  'tanh',
  'hardTanh',
  'softplus',
  'softsign',
  'softmax',
  'logSoftmax',
] as const;

export type ActivationName = (typeof activationNames)[number];
