import { short } from '../text/number.js';
import type { Epoch } from '../trainer/epoch.js';

/** Where progress is written: `process.stderr`, or anything like it. */
export interface ProgressStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  write(text: string): unknown;
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'] as const;

/** A bar of `width` cells, filled to `share` in steps of an eighth of a cell. */
export const bar = (share: number, width: number): string => {
  const filled = Math.round(Math.min(Math.max(share, 0), 1) * width * 8);
  const text = '█'.repeat(Math.floor(filled / 8)) + (eighths[filled % 8] ?? '');
  return text.padEnd(width, '·');
};

/** `850 ms`, `12.3 s`, `3 min 05 s`. */
export const duration = (seconds: number): string => {
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${String(Math.round(seconds % 60)).padStart(2, '0')} s`;
};

const scores = (epoch: Epoch): string => {
  const parts = [`loss ${short(epoch.train.loss)}`];
  for (const [name, value] of Object.entries(epoch.validation ?? epoch.train)) {
    if (name !== 'loss') parts.push(`${epoch.validation === undefined ? '' : 'validation '}${name} ${short(value)}`);
    else if (epoch.validation !== undefined) parts.push(`validation loss ${short(value)}`);
  }
  return parts.join(' · ');
};

/** What a run tells of itself. */
export interface Progress {
  epoch(epoch: Epoch): void;
  done(): void;
}

/**
 * One line that is rewritten, in a terminal; elsewhere (a log, a pipe) about ten plain lines over the whole run, so that a log stays
 * readable and still shows life.
 */
export const progressBar = (epochs: number, stream: ProgressStream = process.stderr): Progress => {
  let seconds = 0;
  let drawn = false;
  const every = Math.max(1, Math.ceil(epochs / 10));
  let last = 0;
  return {
    epoch(epoch) {
      const count = epoch.index + 1;
      seconds += epoch.seconds;
      const text = `epoch ${String(count).padStart(String(epochs).length)}/${epochs}`;
      if (stream.isTTY !== true) {
        if (count % every === 0 || count === epochs) stream.write(`${text} ${scores(epoch)} · ${duration(seconds)}\n`);
        return;
      }
      // At most thirty drawings a second: a tiny network makes thousands of epochs in one.
      const now = performance.now();
      if (count < epochs && now - last < 33) return;
      last = now;
      const columns = stream.columns ?? 80;
      const said = `${scores(epoch)} · ${duration(seconds)}`;
      // The numbers matter more than the bar: it takes what they leave.
      const room = Math.min(columns - text.length - said.length - 4, 20);
      const line = room >= 4 ? `${text} ${bar(count / epochs, room)} ${said}` : `${text} ${said}`;
      stream.write(`\r\u001b[2K${line.length < columns ? line : `${line.slice(0, columns - 2)}…`}`);
      drawn = true;
    },
    done() {
      if (drawn) stream.write('\n');
      drawn = false;
    },
  };
};

/** A line that counts what has been read; `total` where it is known. Outside of a terminal ten lines, or one each ten thousand. */
export const readingLine = (
  what: string,
  stream: ProgressStream = process.stderr,
): { read(count: number, total: number | null): void; done(): void } => {
  let said = 0;
  let drawn = false;
  return {
    read(count, total) {
      const text = `reading ${what} ${count}${total === null ? '' : `/${total}`}`;
      if (stream.isTTY === true) {
        stream.write(`\r\u001b[2K${total === null ? text : `${text} ${bar(count / total, 20)}`}`);
        drawn = true;
      } else if (count - said >= (total === null ? 10_000 : total / 10) || count === total) {
        said = count;
        stream.write(`${text}\n`);
      }
    },
    done() {
      if (drawn) stream.write('\n');
    },
  };
};

/** A bar that counts finished parts (folds, trials). */
export const countBar = (what: string, total: number, stream: ProgressStream = process.stderr): { tick(): void; done(): void } => {
  let count = 0;
  return {
    tick() {
      count++;
      if (stream.isTTY === true) stream.write(`\r\u001b[2K${what} ${count}/${total} ${bar(count / total, 20)}`);
      else stream.write(`${what} ${count}/${total}\n`);
    },
    done() {
      if (stream.isTTY === true && count > 0) stream.write('\n');
    },
  };
};
