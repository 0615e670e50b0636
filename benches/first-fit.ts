// W13: what a fresh process does until it has its first fitted model (W6). Started and timed by works.ts.
import { Dataset } from 'nabla';
import { irisTrainer } from './recipes.js';

await irisTrainer().fit(await Dataset.builtin('iris'));
