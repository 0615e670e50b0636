/** The report of a study as a real browser lays it out. Looks for Chrome or Chromium in `NABLA_BROWSER` and in PATH. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Dataset, type Estimator } from 'nabla';
import { choice, coarseToFine, integer, logUniform, tune, uniform } from 'nabla/tuning';
import { holdOut } from 'nabla/validation';
import { expect, it } from 'vitest';

const names = ['chromium-headless-shell', 'chrome-headless-shell', 'chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const places = (process.env.PATH ?? '').split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)));
const browser = [process.env.NABLA_BROWSER ?? '', ...places].find((path) => path !== '' && existsSync(path));
const reason = browser === undefined ? ' (skipped: no Chrome or Chromium in PATH or NABLA_BROWSER)' : '';

const study = async () => {
  const formula = (loss: number): Estimator => ({ fit: async () => ({ predict: async () => [], evaluate: async () => ({ loss }) }) });
  return tune(await Dataset.builtin('iris'), {
    space: {
      learningRate: logUniform(1e-4, 1),
      units: integer(16, 256),
      optimizer: choice({ sgd: { momentum: uniform(0, 1) }, adam: {} }),
      batchSize: choice([16, 32, 64]),
    },
    estimator: ({ learningRate, units, optimizer, batchSize }) => {
      if (learningRate > 0.8) throw new Error('the rate is <too> high');
      const own = optimizer.kind === 'sgd' ? 0.1 + (optimizer.momentum - 0.9) ** 2 : 0;
      return formula((Math.log10(learningRate) + 2.3) ** 2 + ((units - 128) / 200) ** 2 + own + batchSize / 500);
    },
    objective: 'loss',
    splitter: holdOut(),
    sampler: coarseToFine({ rounds: 3 }),
    trials: 90,
    seed: 7,
    refit: false,
  });
};

/** Runs in the page: what is where. */
const measure = `<script>
const box = (element) => { const { left, top, right, bottom } = element.getBoundingClientRect(); return { left, top, right, bottom }; };
const sections = [...document.querySelectorAll('h2')].map((heading) => {
  const svgs = [...(heading.nextElementSibling.nextElementSibling?.querySelectorAll('svg') ?? [])];
  return { title: heading.textContent, pictures: svgs.map((svg) => ({ ...box(svg), marks: svg.querySelectorAll('circle, path, polyline, rect').length,
    outside: [...svg.querySelectorAll('text')].filter((text) => { const a = box(text), b = box(svg); return a.left < b.left - 1 || a.right > b.right + 1 || a.top < b.top - 1 || a.bottom > b.bottom + 1; }).map((text) => text.textContent) })) };
});
const style = getComputedStyle(document.body);
const measured = { sections, overflow: document.documentElement.scrollWidth - innerWidth, ink: style.color, paper: style.backgroundColor };
document.body.innerHTML = ''; document.body.append(Object.assign(document.createElement('pre'), { id: 'measured', textContent: JSON.stringify(measured) }));
</script>`;

interface Measured {
  readonly sections: {
    readonly title: string;
    readonly pictures: {
      readonly left: number;
      readonly right: number;
      readonly top: number;
      readonly bottom: number;
      readonly marks: number;
      readonly outside: string[];
    }[];
  }[];
  readonly overflow: number;
  readonly ink: string;
  readonly paper: string;
}

it.skipIf(browser === undefined)(
  `the report is laid out as it should be in a browser, wide and narrow${reason}`,
  { timeout: 120_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'nabla-browser-'));
    try {
      const path = join(folder, 'study.html');
      await (await study()).saveReport(path);
      const page = join(folder, 'measured.html');
      await writeFile(page, (await readFile(path, 'utf8')).replace('</body>', `${measure}</body>`));
      for (const width of [1000, 420]) {
        const run = [`--user-data-dir=${join(folder, String(width))}`, '--headless', '--no-sandbox', '--disable-gpu', '--dump-dom'];
        const { stdout } = await promisify(execFile)(browser as string, [...run, `--window-size=${width},900`, pathToFileURL(page).href]);
        const found = /<pre id="measured">(.*?)<\/pre>/s.exec(stdout)?.[1];
        const { sections, overflow, ink, paper } = JSON.parse(
          (found ?? 'null').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&'),
        ) as Measured;
        expect(sections.map(({ title }) => title)).toEqual(['History', 'Importance', 'Parallel coordinates', 'Slices', 'Zoom']);
        // One slice a hyperparameter.
        expect(sections.map(({ pictures }) => pictures.length)).toEqual([1, 1, 1, 5, 1]);
        for (const { title, pictures } of sections)
          for (const { left, right, top, bottom, marks, outside } of pictures) {
            expect([title, right - left > 150, bottom - top > 50, marks > 3, outside]).toEqual([title, true, true, true, []]);
          }
        expect(overflow).toBeLessThanOrEqual(0);
        expect(ink).not.toBe(paper);
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
);
