//! The simple cell, h = f(x + h₋·U) with f = tanh or relu. Elman 1990. The record is h. Backwards, from h alone: dz = dh⊙f′, dh₋ = dz·Uᵀ.

use super::{Block, Cell, Row, RowBack, Step, StepBack, part};
use crate::simd::Lanes;
use crate::{Real, math};

/// The cell.
#[derive(Clone, Copy, Debug)]
pub struct Simple {
    /// relu instead of tanh?
    pub relu: bool,
}

impl<T: Real> Cell<T> for Simple {
    const GATES: usize = 1;
    const RECORD: usize = 1;
    const STATES: usize = 1;
    const SLOPES: usize = 1;
    const KEPT: (usize, usize) = (0, 0);

    #[inline(always)]
    unsafe fn forward<L: Lanes<T>>(self, at: &Row<T>, b: Block) -> L {
        // SAFETY: by the caller's promise.
        unsafe {
            let s: L = at.sum(0, b);
            // `max` gives its second operand when one is NaN.
            let y = if self.relu { L::zero().max(s) } else { math::tanh::<T, L>(s) };
            at.keep([y], b);
            y
        }
    }

    #[inline(always)]
    unsafe fn backward<L: Lanes<T>>(self, at: &RowBack<T>, b: Block) {
        // SAFETY: by the caller's promise.
        unsafe {
            let y: L = at.kept(0, b);
            let [eh]: [L; 1] = at.wanted(b);
            let dh = eh.add(part(at.dh, at.units, 0, b));
            let d = if self.relu {
                L::select(L::zero().less(y), dh, L::zero())
            } else {
                dh.mul(L::splat(T::ONE).sub(y.mul(y)))
            };
            at.slope([d], [d], b);
        }
    }

    fn run(step: Step<T, Self>) {
        T::run_simple_step(step);
    }

    fn run_back(step: StepBack<T, Self>) {
        T::run_simple_step_back(step);
    }
}
