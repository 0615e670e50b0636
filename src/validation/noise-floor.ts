import type { Dataset } from '../data/dataset.js';
import type { OneOutput } from './one-output.js';

/** Rows that are compared at most: the cost is their square times the width. */
const most = 1500;
const neighbours = 10;

/** Features as mean 0 and deviation 1, so that no column outweighs the others; a missing cell is its column's mean. */
const standardized = (features: Float64Array, rows: number): Float64Array => {
  const width = features.length / rows;
  const out = new Float64Array(features.length);
  for (let j = 0; j < width; j++) {
    let [count, mean, squares] = [0, 0, 0];
    for (let i = j; i < out.length; i += width) {
      const value = features[i]!;
      if (Number.isNaN(value)) continue;
      // Welford 1962: a column far from zero keeps its digits.
      const far = value - mean;
      mean += far / ++count;
      squares += far * (value - mean);
    }
    const deviation = Math.sqrt(squares / Math.max(1, count)) || 1;
    for (let i = j; i < out.length; i += width) out[i] = Number.isNaN(features[i]!) ? 0 : (features[i]! - mean) / deviation;
  }
  return out;
};

/** The nearest rows of each row, nearest first: their squared distances and numbers. Lets the event loop turn meanwhile. */
const nearest = async (x: Float64Array, rows: number, count: number): Promise<{ distances: Float64Array; indices: Uint32Array }> => {
  const width = x.length / rows;
  const distances = new Float64Array(rows * count).fill(Number.POSITIVE_INFINITY);
  const indices = new Uint32Array(rows * count);
  for (let i = 0; i < rows; i++) {
    if (i % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    const from = i * count;
    for (let k = 0; k < rows; k++) {
      if (k === i) continue;
      let distance = 0;
      for (let j = 0; j < width; j++) distance += (x[i * width + j]! - x[k * width + j]!) ** 2;
      if (distance >= distances[from + count - 1]!) continue;
      let at = count - 1;
      for (; at > 0 && distances[from + at - 1]! > distance; at--) {
        distances[from + at] = distances[from + at - 1]!;
        indices[from + at] = indices[from + at - 1]!;
      }
      distances[from + at] = distance;
      indices[from + at] = k;
    }
  }
  return { distances, indices };
};

/**
 * An estimate of the error that no model goes below, from neighbouring rows.
 *
 * Classes: half of the nearest neighbour's error at least, exactly (K − 1)/K·(1 − √(1 − K/(K − 1)·e)) (Cover & Hart 1967). Numbers: the
 * Gamma test, half of the mean squared difference of targets against the mean squared distance of the 1st to 10th neighbours, its line
 * carried to distance 0 (Stefánsson, Končar & Jones 1997). Undefined where rows are too few.
 */
export const noiseFloor = async (data: Dataset, one: OneOutput): Promise<number | undefined> => {
  // Every so many rows: both parts of a joined set are seen.
  const step = Math.max(1, data.rows / most);
  const view = data.select(Uint32Array.from({ length: Math.floor(data.rows / step) }, (_, i) => Math.floor(i * step)));
  const { rows } = view;
  if (rows < 30) return undefined;
  const x = standardized(view.features(), rows);
  const y = one.values(view);
  if (one.classes > 0) {
    const { indices } = await nearest(x, rows, 1);
    const error = y.reduce((sum, label, i) => sum + Number(label !== y[indices[i]!]), 0) / rows;
    const share = (one.classes - 1) / one.classes;
    return share * (1 - Math.sqrt(Math.max(0, 1 - error / share)));
  }
  const { distances, indices } = await nearest(x, rows, neighbours);
  const delta = new Float64Array(neighbours);
  const gamma = new Float64Array(neighbours);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < neighbours; k++) {
      delta[k]! += distances[i * neighbours + k]! / rows;
      gamma[k]! += (y[i]! - y[indices[i * neighbours + k]!]!) ** 2 / (2 * rows);
    }
  }
  const mean = (values: Float64Array): number => values.reduce((a, b) => a + b, 0) / neighbours;
  const [meanDelta, meanGamma] = [mean(delta), mean(gamma)];
  let [over, under] = [0, 0];
  for (let k = 0; k < neighbours; k++) {
    over += (delta[k]! - meanDelta) * (gamma[k]! - meanGamma);
    under += (delta[k]! - meanDelta) ** 2;
  }
  return under === 0 ? meanGamma : Math.max(0, meanGamma - (over / under) * meanDelta);
};
