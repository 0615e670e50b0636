//! The simple cell, h = f(x + h₋·U) with f = tanh or relu. Elman 1990. Backwards, from h alone: dz = dh⊙f′, dh₋ = dz·Uᵀ.

use std::ops::Range;

use super::{Block, Sequence, Weights, part, product, store_parts};
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math};

/// The forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Forward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// relu instead of tanh?
    pub relu: bool,
    /// x·W + b, [batch, time, units].
    pub x: *const T,
    /// U, [units, units].
    pub u: Weights<T>,
    /// h before the first step, [batch, units].
    pub state: *const T,
    /// The states to write, [batch, time, units].
    pub y: *mut T,
    /// [batch, units] for h …
    pub h: *mut T,
    /// … and [batch, units] for h·U.
    pub z: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// The addresses are valid for the shapes stated; the rows' parts of `y`, `h` and `z` are nobody else's.
pub unsafe fn forward<T: Real>(p: &Forward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: row `row` of the state and of its copy.
        unsafe { std::ptr::copy_nonoverlapping(p.state.add(row * n), p.h.add(row * n), n) };
    }
    for step in 0..p.sequence.time {
        // SAFETY: by the caller's promise.
        unsafe { product(rows.clone(), n, n, p.h, &p.u, p.z) };
        T::run_simple_step(Step {
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
                let x = p.x.add((row * time + at) * n);
                let z = p.z.add(row * n);
                let y = p.y.add((row * time + at) * n);
                let h = p.h.add(row * n);
                let mut j = 0;
                while j < n {
                    let b = Block::new(j, n);
                    let s = part::<T, L>(x, n, 0, b).add(part(z, n, 0, b));
                    // `max` gives its second operand when one is NaN.
                    let value = if p.relu { L::zero().max(s) } else { math::tanh::<T, L>(s) };
                    store_parts([value], y, n, b);
                    store_parts([value], h, n, b);
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
    /// relu instead of tanh?
    pub relu: bool,
    /// ∂loss/∂h, [batch, time, units].
    pub dy: *const T,
    /// The states.
    pub y: *const T,
    /// Uᵀ, [units, units].
    pub ut: Weights<T>,
    /// ∂loss/∂z to write, [batch, time, units].
    pub dz: *mut T,
    /// [batch, units] for a step's dz …
    pub z: *mut T,
    /// … and [batch, units] for dh.
    pub dh: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// As [`forward`]; the rows' parts of `dz`, `z` and `dh` are nobody else's.
pub unsafe fn backward<T: Real>(p: &Backward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: the row's own scratch.
        unsafe { std::slice::from_raw_parts_mut(p.dh.add(row * n), n).fill(T::ZERO) };
    }
    for step in (0..p.sequence.time).rev() {
        T::run_simple_step_back(StepBack {
            p: *p,
            step,
            rows: rows.clone(),
        });
        if step > 0 {
            // SAFETY: by the caller's promise.
            unsafe { product(rows.clone(), n, n, p.z, &p.ut, p.dh) };
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
                let start = (row * time + at) * n;
                let (z, dh) = (p.z.add(row * n), p.dh.add(row * n));
                let mut j = 0;
                while j < n {
                    let b = Block::new(j, n);
                    let y: L = part(p.y.add(start), n, 0, b);
                    let d = part::<T, L>(p.dy.add(start), n, 0, b).add(part(dh, n, 0, b));
                    let d = if p.relu {
                        L::select(L::zero().less(y), d, L::zero())
                    } else {
                        d.mul(one.sub(y.mul(y)))
                    };
                    store_parts([d], p.dz.add(start), n, b);
                    store_parts([d], z, n, b);
                    j += PANEL;
                }
            }
        }
    }
}
