import { expectOptions, isInteger, optionsOf } from '../errors/index.js';

/** What a study gives: its numbers, and a picture of them. */
export interface StudyPicture<Data = unknown> {
  readonly data: Data;
  /** One SVG file: it stands by itself. */
  toSvg(): string;
}

/** Options of every study. */
export interface StudyOptions {
  /** Of all that is random. Default 0. */
  readonly seed?: number;
}
const studyOptions = optionsOf('study', { seed: isInteger({ min: 0 }) });

/** A study: its options are checked, its numbers computed once, its picture drawn when asked for. */
export const studyOf = <Data>(
  name: string,
  compute: (seed: number) => Promise<Data>,
  draw: (data: Data) => string,
): ((options?: StudyOptions) => Promise<StudyPicture<Data>>) => {
  const study = async (options: StudyOptions = {}): Promise<StudyPicture<Data>> => {
    expectOptions(`study.${name}`, options, studyOptions, study);
    const data = await compute(options.seed ?? 0);
    return Object.freeze({ data, toSvg: () => draw(data) });
  };
  return Object.defineProperty(study, 'name', { value: name });
};
