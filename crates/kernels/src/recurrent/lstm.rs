//! LSTM with a forget gate, gates in the order i, f, g, o: z = xₜ + hₜ₋₁·U;  i, f, o = σ(z);  g = tanh z;  c = f⊙c₋ + i⊙g;  h = o⊙tanh c.
//! Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000. The record of a step is [i, f, g, o, c, h], each `units` wide.
//!
//! Backwards, from dh and dc: t = tanh c;  dc += dh⊙o⊙(1 − t²);  dzᵢ = dc⊙g⊙i(1 − i);  dz_f = dc⊙c₋⊙f(1 − f);  dz_g = dc⊙i⊙(1 − g²);
//! dz_o = dh⊙t⊙o(1 − o);  then dc₋ = dc⊙f and dh₋ = dz·Uᵀ.

use std::ops::Range;

use super::{Block, Sequence, Weights, part, product, store_parts};
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math};

/// Parts of a record, each `units` wide.
pub const RECORD: usize = 6;

/// The forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Forward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// x·W + b, [batch, time, 4·units].
    pub x: *const T,
    /// U, [units, 4·units].
    pub u: Weights<T>,
    /// h‖c before the first step, [batch, 2·units].
    pub state: *const T,
    /// The record to write, [batch, time, 6·units].
    pub record: *mut T,
    /// [batch, units] for h …
    pub h: *mut T,
    /// … and [batch, 4·units] for h·U.
    pub z: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// The addresses are valid for the shapes stated; the rows' parts of `record`, `h` and `z` are nobody else's.
pub unsafe fn forward<T: Real>(p: &Forward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: row `row` of the state and of its copy.
        unsafe { std::ptr::copy_nonoverlapping(p.state.add(row * 2 * n), p.h.add(row * n), n) };
    }
    for step in 0..p.sequence.time {
        // SAFETY: by the caller's promise.
        unsafe { product(rows.clone(), n, 4 * n, p.h, &p.u, p.z) };
        T::run_lstm_step(Step {
            p: *p,
            step,
            rows: rows.clone(),
        });
    }
}

/// One step of some rows.
pub(crate) struct Step<T> {
    p: Forward<T>,
    step: usize,
    rows: Range<usize>,
}

impl<T: Real> Kernel<T> for Step<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Step { p, step, rows } = self;
        let (n, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        for row in rows {
            // SAFETY: `forward`'s caller gave addresses that hold these rows, and j + width ≤ units.
            unsafe {
                let x = p.x.add((row * time + at) * 4 * n);
                let z = p.z.add(row * 4 * n);
                let record = p.record.add((row * time + at) * RECORD * n);
                let before = if step == 0 {
                    p.state.add(row * 2 * n + n)
                } else {
                    p.record
                        .add((row * time + p.sequence.at(step - 1)) * RECORD * n + 4 * n)
                        .cast_const()
                };
                let h = p.h.add(row * n);
                let mut j = 0;
                while j < n {
                    let b = Block::new(j, n);
                    let i = math::sigmoid::<T, L>(part::<T, L>(x, n, 0, b).add(part(z, n, 0, b)));
                    let f = math::sigmoid::<T, L>(part::<T, L>(x, n, 1, b).add(part(z, n, 1, b)));
                    let g = math::tanh::<T, L>(part::<T, L>(x, n, 2, b).add(part(z, n, 2, b)));
                    let o = math::sigmoid::<T, L>(part::<T, L>(x, n, 3, b).add(part(z, n, 3, b)));
                    let c = f.mul_add(part(before, n, 0, b), i.mul(g));
                    let y = o.mul(math::tanh::<T, L>(c));
                    store_parts([i, f, g, o, c, y], record, n, b);
                    store_parts([y], h, n, b);
                    j += PANEL;
                }
            }
        }
    }
}

/// The backward pass.
#[derive(Clone, Copy, Debug)]
pub struct Backward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// ∂loss/∂h, [batch, time, units], or of the whole record, [batch, time, 6·units].
    pub dy: *const T,
    /// Is it of the whole record?
    pub whole: bool,
    /// The record.
    pub record: *const T,
    /// Uᵀ, [4·units, units].
    pub ut: Weights<T>,
    /// h‖c before the first step.
    pub state: *const T,
    /// ∂loss/∂z to write: [batch, steps, 4·units].
    pub dz: *mut T,
    /// `time`, or one more: the last then gets the gradient of the state, dh‖dc, in its first half.
    pub steps: usize,
    /// [batch, 4·units] for a step's dz …
    pub z: *mut T,
    /// … [batch, units] for dh …
    pub dh: *mut T,
    /// … and [batch, units] for dc.
    pub dc: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// As [`forward`]; the rows' parts of `dz`, `z`, `dh` and `dc` are nobody else's.
pub unsafe fn backward<T: Real>(p: &Backward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: the row's own scratch.
        unsafe {
            std::slice::from_raw_parts_mut(p.dh.add(row * n), n).fill(T::ZERO);
            std::slice::from_raw_parts_mut(p.dc.add(row * n), n).fill(T::ZERO);
        }
    }
    for step in (0..p.sequence.time).rev() {
        T::run_lstm_step_back(StepBack {
            p: *p,
            step,
            rows: rows.clone(),
        });
        if step > 0 || p.steps > p.sequence.time {
            // SAFETY: by the caller's promise.
            unsafe { product(rows.clone(), 4 * n, n, p.z, &p.ut, p.dh) };
        }
    }
    if p.steps > p.sequence.time {
        for row in rows {
            // SAFETY: the last step of the row's own part of dz.
            unsafe {
                let out = p.dz.add((row * p.steps + p.sequence.time) * 4 * n);
                std::ptr::copy_nonoverlapping(p.dh.add(row * n), out, n);
                std::ptr::copy_nonoverlapping(p.dc.add(row * n), out.add(n), n);
                std::slice::from_raw_parts_mut(out.add(2 * n), 2 * n).fill(T::ZERO);
            }
        }
    }
}

/// One step of some rows, backwards.
pub(crate) struct StepBack<T> {
    p: Backward<T>,
    step: usize,
    rows: Range<usize>,
}

impl<T: Real> Kernel<T> for StepBack<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let StepBack { p, step, rows } = self;
        let (n, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        let one = L::splat(T::ONE);
        for row in rows {
            // SAFETY: as in the forward step.
            unsafe {
                let record = p.record.add((row * time + at) * RECORD * n);
                let before = if step == 0 {
                    p.state.add(row * 2 * n + n)
                } else {
                    p.record.add((row * time + p.sequence.at(step - 1)) * RECORD * n + 4 * n)
                };
                let dy = p.dy.add((row * time + at) * if p.whole { RECORD * n } else { n });
                let dz = p.dz.add((row * p.steps + at) * 4 * n);
                let z = p.z.add(row * 4 * n);
                let (dh, dc) = (p.dh.add(row * n), p.dc.add(row * n));
                let mut j = 0;
                while j < n {
                    let b = Block::new(j, n);
                    let (i, f): (L, L) = (part(record, n, 0, b), part(record, n, 1, b));
                    let (g, o): (L, L) = (part(record, n, 2, b), part(record, n, 3, b));
                    let t = math::tanh::<T, L>(part(record, n, 4, b));
                    let zero = L::zero();
                    // What else the loss wants of i, f, g, o and c themselves; of h always.
                    let (ei, ef, eg, eo, ec, eh): (L, L, L, L, L, L) = if p.whole {
                        (
                            part(dy, n, 0, b),
                            part(dy, n, 1, b),
                            part(dy, n, 2, b),
                            part(dy, n, 3, b),
                            part(dy, n, 4, b),
                            part(dy, n, 5, b),
                        )
                    } else {
                        (zero, zero, zero, zero, zero, part(dy, n, 0, b))
                    };
                    let dh_now = eh.add(part(dh, n, 0, b));
                    let dc_now = dh_now.mul(o).mul(one.sub(t.mul(t))).add(part(dc, n, 0, b)).add(ec);
                    let di = dc_now.mul_add(g, ei).mul(i).mul(one.sub(i));
                    let df = dc_now.mul_add(part(before, n, 0, b), ef).mul(f).mul(one.sub(f));
                    let dg = dc_now.mul_add(i, eg).mul(one.sub(g.mul(g)));
                    let d_o = dh_now.mul_add(t, eo).mul(o).mul(one.sub(o));
                    store_parts([dc_now.mul(f)], dc, n, b);
                    store_parts([di, df, dg, d_o], dz, n, b);
                    store_parts([di, df, dg, d_o], z, n, b);
                    j += PANEL;
                }
            }
        }
    }
}
