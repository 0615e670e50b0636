export { bar, countBar, duration, type Progress, type ProgressStream, progressBar } from './progress.js';
