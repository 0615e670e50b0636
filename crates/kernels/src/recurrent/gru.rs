//! Gated recurrent unit, reset after the product, gates in the order r, z, n as in PyTorch and cuDNN:
//! r, z = σ(x + h₋·U);  m = h₋·Uₙ + bₙ;  n = tanh(xₙ + r⊙m);  h = (1 − z)⊙n + z⊙h₋. Cho et al. 2014, arXiv:1406.1078.
//! The record of a step is [r, z, n, m, h], each `units` wide.
//!
//! Backwards: dn = dh⊙(1 − z)⊙(1 − n²);  dz = dh⊙(h₋ − n)⊙z(1 − z);  dr = dn⊙m⊙r(1 − r);  the gradient of x is [dr, dz, dn], that of
//! h₋·U is [dr, dz, dn⊙r];  dh₋ = dh⊙z + [dr, dz, dn⊙r]·Uᵀ.

use std::ops::Range;

use super::{Block, Sequence, Weights, part, product, store_parts};
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math};

/// Parts of a record, each `units` wide.
pub const RECORD: usize = 5;

/// The forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Forward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// x·W + b, [batch, time, 3·units].
    pub x: *const T,
    /// U, [units, 3·units].
    pub u: Weights<T>,
    /// bₙ, [units].
    pub bias: *const T,
    /// h before the first step, [batch, units].
    pub state: *const T,
    /// The record to write, [batch, time, 5·units].
    pub record: *mut T,
    /// [batch, units] for h …
    pub h: *mut T,
    /// … and [batch, 3·units] for h·U.
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
        unsafe { std::ptr::copy_nonoverlapping(p.state.add(row * n), p.h.add(row * n), n) };
    }
    for step in 0..p.sequence.time {
        // SAFETY: by the caller's promise.
        unsafe { product(rows.clone(), n, 3 * n, p.h, &p.u, p.z) };
        T::run_gru_step(Step {
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
        let (units, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        for row in rows {
            // SAFETY: `forward`'s caller gave addresses that hold these rows, and j + width ≤ units.
            unsafe {
                let x = p.x.add((row * time + at) * 3 * units);
                let hu = p.z.add(row * 3 * units);
                let record = p.record.add((row * time + at) * RECORD * units);
                let h = p.h.add(row * units);
                let mut j = 0;
                while j < units {
                    let b = Block::new(j, units);
                    let r = math::sigmoid::<T, L>(part::<T, L>(x, units, 0, b).add(part(hu, units, 0, b)));
                    let z = math::sigmoid::<T, L>(part::<T, L>(x, units, 1, b).add(part(hu, units, 1, b)));
                    let m = part::<T, L>(hu, units, 2, b).add(part(p.bias, units, 0, b));
                    let n = math::tanh::<T, L>(r.mul_add(m, part(x, units, 2, b)));
                    // n + z·(h₋ − n)
                    let y = z.mul_add(part::<T, L>(h, units, 0, b).sub(n), n);
                    store_parts([r, z, n, m, y], record, units, b);
                    store_parts([y], h, units, b);
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
    /// ∂loss/∂h, [batch, time, units], or of the whole record, [batch, time, 5·units].
    pub dy: *const T,
    /// Is it of the whole record?
    pub whole: bool,
    /// The record.
    pub record: *const T,
    /// Uᵀ, [3·units, units].
    pub ut: Weights<T>,
    /// h before the first step.
    pub state: *const T,
    /// [dr, dz, dn, dr, dz, dn⊙r] to write: [batch, steps, 6·units].
    pub dz: *mut T,
    /// `time`, or one more: the last then begins with the gradient of the state.
    pub steps: usize,
    /// [batch, 3·units] for a step's gradient of h·U …
    pub z: *mut T,
    /// … [batch, units] for dh from the product …
    pub dh: *mut T,
    /// … and [batch, units] for dh⊙z.
    pub carry: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// As [`forward`]; the rows' parts of `dz`, `z`, `dh` and `carry` are nobody else's.
pub unsafe fn backward<T: Real>(p: &Backward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: the row's own scratch.
        unsafe {
            std::slice::from_raw_parts_mut(p.dh.add(row * n), n).fill(T::ZERO);
            std::slice::from_raw_parts_mut(p.carry.add(row * n), n).fill(T::ZERO);
        }
    }
    for step in (0..p.sequence.time).rev() {
        T::run_gru_step_back(StepBack {
            p: *p,
            step,
            rows: rows.clone(),
        });
        if step > 0 || p.steps > p.sequence.time {
            // SAFETY: by the caller's promise.
            unsafe { product(rows.clone(), 3 * n, n, p.z, &p.ut, p.dh) };
        }
    }
    if p.steps > p.sequence.time {
        for row in rows {
            // SAFETY: the last step of the row's own part of dz.
            unsafe {
                let out = p.dz.add((row * p.steps + p.sequence.time) * 6 * n);
                for j in 0..n {
                    out.add(j).write(p.dh.add(row * n + j).read() + p.carry.add(row * n + j).read());
                }
                std::slice::from_raw_parts_mut(out.add(n), 5 * n).fill(T::ZERO);
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
        let (units, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        let one = L::splat(T::ONE);
        for row in rows {
            // SAFETY: as in the forward step.
            unsafe {
                let record = p.record.add((row * time + at) * RECORD * units);
                let before = if step == 0 {
                    p.state.add(row * units)
                } else {
                    p.record.add((row * time + p.sequence.at(step - 1)) * RECORD * units + 4 * units)
                };
                let dy = p.dy.add((row * time + at) * if p.whole { RECORD * units } else { units });
                let out = p.dz.add((row * p.steps + at) * 6 * units);
                let own = p.z.add(row * 3 * units);
                let (dh, carry) = (p.dh.add(row * units), p.carry.add(row * units));
                let mut j = 0;
                while j < units {
                    let b = Block::new(j, units);
                    let (r, z): (L, L) = (part(record, units, 0, b), part(record, units, 1, b));
                    let (n, m): (L, L) = (part(record, units, 2, b), part(record, units, 3, b));
                    let zero = L::zero();
                    // What else the loss wants of r, z, n and m themselves; of h always.
                    let (er, ez, en, em, eh): (L, L, L, L, L) = if p.whole {
                        (
                            part(dy, units, 0, b),
                            part(dy, units, 1, b),
                            part(dy, units, 2, b),
                            part(dy, units, 3, b),
                            part(dy, units, 4, b),
                        )
                    } else {
                        (zero, zero, zero, zero, part(dy, units, 0, b))
                    };
                    let dh_now = eh.add(part(dh, units, 0, b)).add(part(carry, units, 0, b));
                    let dn = dh_now.mul_add(one.sub(z), en).mul(one.sub(n.mul(n)));
                    let dz = dh_now.mul_add(part::<T, L>(before, units, 0, b).sub(n), ez).mul(z).mul(one.sub(z));
                    let dm = dn.mul_add(r, em);
                    let dr = dn.mul_add(m, er).mul(r).mul(one.sub(r));
                    store_parts([dh_now.mul(z)], carry, units, b);
                    store_parts([dr, dz, dn, dr, dz, dm], out, units, b);
                    store_parts([dr, dz, dm], own, units, b);
                    j += PANEL;
                }
            }
        }
    }
}
