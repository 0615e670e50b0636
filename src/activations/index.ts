export { type Activation, activate, isActivation } from './activate.js';
export { defaultInitializer } from './default-initializer.js';
export { type ActivationName, activationNames } from './names.js';
