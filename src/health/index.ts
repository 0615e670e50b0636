export { GradientHealth } from './gradient-health.js';
export type { GateHealth, HealthRecord, LayerHealth, ParameterHealth, Statistics } from './record.js';
export { type HealthFinding, type HealthVerdict, healthThresholds } from './verdict.js';
