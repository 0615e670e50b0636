import { expectArgument, expectOptions, isBoolean, isFunction, isInteger, NablaError, optionsOf } from '../errors/index.js';
import { shapeText, Tensor, type Trace, traceOf } from '../trace/index.js';
import type { Operators } from '../trace/operators.js';
import { expectTensor } from './layer.js';

/** What a scan carries from step to step: one tensor, or several. */
export type ScanState = Tensor | readonly Tensor[];

/** What a step of a scan gives: the state after it, and what is kept of the step (default: the state, or the first of them). */
export interface ScanStep<S extends ScanState> {
  readonly state: S;
  readonly output?: Tensor;
}

/** What a scan gives. */
export interface Scanned<S extends ScanState> {
  /** The outputs of all steps, [batch, time, …]; 0 where the sequence has a mask and it is 0. */
  readonly output: Tensor;
  /** After the last step that counts. */
  readonly state: S;
}

/** Options of `scan`. */
export interface ScanOptions {
  /** From the last step to the first; each output stays at its step. Default `false`. */
  readonly reverse?: boolean;
}

const scanOptions = optionsOf('layers/scan', { reverse: isBoolean });

/** The steps of [batch, time, …], each [batch, …]: by halves, so that the gradients of n steps meet in log n sums of whole sequences. */
const stepsOf = (x: Tensor): Tensor[] => {
  const [batch = -1, time = 0, ...rest] = x.shape;
  if (time === 1) return [x.reshape([batch, ...rest])];
  const middle = time >> 1;
  return [...stepsOf(x.slice(1, 0, middle)), ...stepsOf(x.slice(1, middle))];
};

/** [batch, width] zeros. */
const zeros = (sequence: Tensor, width: number): Tensor => {
  expectArgument('scan', 'the width of the state', width, isInteger({ min: 1 }), scan);
  const trace = traceOf(sequence);
  return trace.apply('broadcast', [trace.constant(0)], { shape: [sequence.shape[0]!, width] }, scan);
};

/** How many scans a trace has. */
const counts = new WeakMap<Trace, number>();

const listed = (state: ScanState): readonly Tensor[] => (state instanceof Tensor ? [state] : state);

const misfit = (where: string, message: string, expected: string, received: string): NablaError =>
  new NablaError({ code: 'SHAPE_MISMATCH', place: where, message, expected, received });

/**
 * A recurrent cell of one's own over a sequence: `step` gets a step [batch, …] of `sequence` and the state, and gives the next state. It
 * is traced once, whatever the length; its derivative runs from the last step to the first. Parameters are those of the layer that calls
 * it, and all steps share them; a layer called in the step must be made outside of it. The state starts as `initial`: one tensor
 * [batch, …], several, or a number n for zeros [batch, n]. Where the sequence has a mask, masked steps carry the state.
 *
 * Shapes: sequence [batch, time, …], state as `initial`, output [batch, time, …]. Memory and compile time grow with time, so sequences
 * of some hundred steps are what it is for; `simpleRnn`, `gru` and `lstm` have operators of their own. A session takes one step at a time,
 * where the states start at 0 and the scan runs forwards.
 * @throws {NablaError} `SHAPE_MISMATCH` if `sequence` is none or the state changes its shape, `INVALID_OPTION`
 * @example
 * const leaky = layer('leaky', (x, { parameter }) => {
 *   const w = parameter('kernel', [x.shape[2]!, 8], xavierUniform());
 *   const u = parameter('recurrentKernel', [8, 8], orthogonal());
 *   const { output } = scan(x, 8, (xₜ, h) => ({ state: h.multiply(0.9).add(xₜ.matmul(w).add(h.matmul(u)).tanh().multiply(0.1)) }));
 *   return output;
 * });
 */
export const scan: {
  (sequence: Tensor, initial: number, step: (x: Tensor, state: Tensor) => ScanStep<Tensor>, options?: ScanOptions): Scanned<Tensor>;
  <S extends ScanState>(sequence: Tensor, initial: S, step: (x: Tensor, state: S) => ScanStep<S>, options?: ScanOptions): Scanned<S>;
} = <S extends ScanState>(
  sequence: Tensor,
  start: S | number,
  step: (x: Tensor, state: S) => ScanStep<S>,
  options: ScanOptions = {},
): Scanned<S> => {
  expectTensor('scan', sequence, scan);
  expectArgument('scan', 'the step', step, isFunction, scan);
  expectOptions('scan', options, scanOptions, scan);
  const trace = traceOf(sequence);
  const where = trace.label;
  const [batch = -1, time = 0] = sequence.shape;
  if (sequence.rank < 2 || time < 1) {
    throw misfit(where, `scan: ${shapeText(sequence.shape)} is no sequence.`, '[batch, time, …]', shapeText(sequence.shape));
  }
  const { mask } = sequence;
  const initial = (typeof start === 'number' ? zeros(sequence, start) : start) as S;
  for (const state of listed(initial)) expectTensor(`${where}: the initial state`, state, scan);
  const positions = Array.from({ length: time }, (_, at) => (options.reverse ? time - 1 - at : at));
  const plain = sequence.withMask(undefined);
  const xs = stepsOf(plain);
  const marks = mask === undefined ? [] : [mask.steps.reshape([batch, time, 1])];
  const counted = marks.flatMap(stepsOf);
  const single = initial instanceof Tensor;
  let states = listed(initial).map((state) => state.withMask(undefined));

  const carried = (before: Tensor, after: Tensor, counts: Tensor | undefined): Tensor => {
    if (!(after instanceof Tensor) || after.shape.join() !== before.shape.join()) {
      const received = after instanceof Tensor ? shapeText(after.shape) : String(after);
      throw misfit(
        where,
        `scan: the step changes the state from ${shapeText(before.shape)} to ${received}.`,
        shapeText(before.shape),
        received,
      );
    }
    if (counts === undefined) return after;
    const share = counts.reshape([batch, ...before.shape.slice(1).map(() => 1)]);
    return share.multiply(after).add(share.negate().add(1).multiply(before));
  };
  const traced = (x: Tensor, before: readonly Tensor[], counts: Tensor | undefined): readonly Tensor[] => {
    const result = step(x, (single ? before[0] : before) as S);
    const after = result?.state === undefined ? [] : listed(result.state);
    if (after.length !== before.length) {
      throw misfit(where, 'scan: the step does not return the state.', `{ state } of ${before.length}`, `${after.length}`);
    }
    const next = before.map((state, i) => carried(state, after[i]!, counts));
    return [result.output ?? next[0]!, ...next];
  };
  // Marks say where the first step begins and ends: a session takes that one and no other.
  const number = counts.get(trace) ?? 0;
  counts.set(trace, number + 1);
  const marked = (role: Operators['scanMark']['role'], value: Tensor, index = 0, whole = value): Tensor =>
    trace.apply('scanMark', [value, whole], { scan: number, role, index, reverse: options.reverse ?? false }, scan);
  // The first step is traced; the others repeat its operators on other values.
  const first = positions[0]!;
  const outputs: Tensor[] = [];
  const begun = [marked('input', xs[first]!, 0, plain), ...states.map((state, i) => marked('state', state, i))];
  const counting = marks.map((whole) => marked('input', counted[first]!, 1, whole));
  const repeat = trace.recorded(() => traced(begun[0]!, begun.slice(1), counting[0]), [...begun, ...counting]);
  positions.forEach((at, i) => {
    if (i === 0) {
      const [output, ...next] = repeat.first;
      outputs[at] = marked('output', output!);
      states = next.map((state, index) => marked('next', state, index));
      return;
    }
    const [output, ...next] = repeat.again([xs[at]!, ...states, ...counted.slice(at, at + 1)]);
    states = next;
    outputs[at] = output!;
  });
  const rows = outputs.map((output) => output.reshape([batch, 1, ...output.shape.slice(1)]));
  const all = marked('all', rows[0]!.concat(rows.slice(1), { axis: 1 }));
  states = states.map((state, i) => marked('final', state, i));
  const kept = mask === undefined ? all : all.multiply(mask.steps.reshape([batch, time, ...all.shape.slice(2).map(() => 1)]));
  return { output: kept.withMask(mask), state: (single ? states[0] : states) as S };
};
