import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { program } from '../src/cli/program.js';
import { Dataset } from '../src/data/index.js';
import { dense } from '../src/layers/index.js';
import { Trainer } from '../src/trainer/index.js';

describe('nabla program', () => {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'nabla-program-'));
    const data = Dataset.from({ features: [[0], [1], [2], [3]], targets: [0, 2, 4, 6], task: 'regression' });
    const fitted = await new Trainer({ model: dense(1), loss: 'meanSquaredError', epochs: 1 }).fit(data);
    await fitted.save(folder);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('shows the training program pass by pass, with its plan and peak', async () => {
    const text = await program([folder, '--batch', '8']);
    expect(text).toMatch(/^traced: \d+ operators\n/);
    expect(text).toContain('after differentiate:');
    expect(text).toContain('→ gradient:dense/kernel');
    expect(text).toContain('plan for batches of up to 8 rows');
    expect(text).toMatch(/planned peak: [\d.]+ MB/);
  });

  it('shows the program of prediction', async () => {
    const text = await program([folder, '--predict']);
    expect(text).not.toContain('gradient:');
    expect(text).toContain('plan for batches of up to 32 rows');
  });

  it('refuses what it does not know', async () => {
    await expect(program([])).rejects.toThrow(/one folder is needed/);
    await expect(program([folder, '--batch', '0'])).rejects.toThrow(/--batch 0 is no number of rows/);
    await expect(program([join(folder, 'nothing')])).rejects.toThrow(expect.objectContaining({ code: 'IO' }));
  });
});
