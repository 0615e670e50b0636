import { resolve } from 'node:path';
import { type Caller, expectOptions, invalidOption, isInteger, isNumber, isString, optionsOf } from '../errors/index.js';

/** Where and how often a fit saves its state. */
export interface CheckpointOptions {
  /** A folder of its own for each fit, made if it is not there. */
  readonly directory: string;
  /** Saved at the end of the first epoch that ends so long after the last was. Default 30; 0 saves each epoch. */
  readonly everySeconds?: number;
  /** So many files stay, the latest. Default 3. */
  readonly keep?: number;
}

/** With all its defaults. */
export interface Checkpoint extends Required<CheckpointOptions> {
  readonly resume: boolean;
}

const checkpointOptions = optionsOf('Trainer.fit: checkpoint', {
  directory: isString,
  everySeconds: isNumber({ min: 0 }),
  keep: isInteger({ min: 1, max: 2 ** 20 }),
});

export const isCheckpoint = (value: unknown): string | undefined =>
  typeof value === 'object' && value !== null ? undefined : 'to be { directory, everySeconds?, keep? }';

/** @throws {NablaError} `INVALID_OPTION` */
export const checkpointOf = (given: CheckpointOptions | undefined, resume: boolean | undefined, caller: Caller): Checkpoint | undefined => {
  if (given === undefined) {
    if (resume) throw invalidOption('fit', 'resume', 'to come with checkpoint: { directory }', resume, caller);
    return undefined;
  }
  expectOptions('fit: checkpoint', given, checkpointOptions, caller);
  const { directory, everySeconds = 30, keep = 3 } = given;
  if (directory === undefined || directory === '') throw invalidOption('fit: checkpoint', 'directory', 'to be a folder', directory, caller);
  return { directory: resolve(directory), everySeconds, keep, resume: resume ?? false };
};
