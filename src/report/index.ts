export { short } from './number.js';
export { bar, countBar, duration, type Progress, type ProgressStream, progressBar } from './progress.js';
export { table } from './table.js';
