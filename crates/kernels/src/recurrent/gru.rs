//! Gated recurrent unit, reset after the product, gates in the order r, z, n as in PyTorch and cuDNN:
//! r, z = σ(x + h₋·U);  m = h₋·Uₙ + bₙ;  n = tanh(xₙ + r⊙m);  h = (1 − z)⊙n + z⊙h₋. Cho et al. 2014, arXiv:1406.1078.
//! The record of a step is [r, z, n, m, h], each `units` wide.
//!
//! Backwards: dn = dh⊙(1 − z)⊙(1 − n²);  dz = dh⊙(h₋ − n)⊙z(1 − z);  dr = dn⊙m⊙r(1 − r);  the gradient of x is [dr, dz, dn], that of
//! h₋·U is [dr, dz, dn⊙r];  dh₋ = dh⊙z + [dr, dz, dn⊙r]·Uᵀ.

use super::{Block, Cell, Row, RowBack, Step, StepBack, part, store_parts};
use crate::simd::Lanes;
use crate::{Real, math};

/// The cell, with bₙ [units]; the backward pass does not read it.
#[derive(Clone, Copy, Debug)]
pub struct Gru<T> {
    /// bₙ
    pub bias: *const T,
}

impl<T: Real> Cell<T> for Gru<T> {
    const GATES: usize = 3;
    const RECORD: usize = 5;
    const STATES: usize = 1;
    const SLOPES: usize = 6;
    const KEPT: (usize, usize) = (4, 0);

    #[inline(always)]
    unsafe fn forward<L: Lanes<T>>(self, at: &Row<T>, b: Block) -> L {
        // SAFETY: by the caller's promise.
        unsafe {
            let r = math::sigmoid::<T, L>(at.sum(0, b));
            let z = math::sigmoid::<T, L>(at.sum(1, b));
            let m = part::<T, L>(at.z, at.units, 2, b).add(part(self.bias, at.units, 0, b));
            let n = math::tanh::<T, L>(r.mul_add(m, part(at.x, at.units, 2, b)));
            // n + z·(h₋ − n)
            let y = z.mul_add(part::<T, L>(at.before, at.units, 0, b).sub(n), n);
            at.keep([r, z, n, m, y], b);
            y
        }
    }

    #[inline(always)]
    unsafe fn backward<L: Lanes<T>>(self, at: &RowBack<T>, b: Block) {
        // SAFETY: by the caller's promise.
        unsafe {
            let one = L::splat(T::ONE);
            let (r, z): (L, L) = (at.kept(0, b), at.kept(1, b));
            let (n, m): (L, L) = (at.kept(2, b), at.kept(3, b));
            let [er, ez, en, em, eh]: [L; 5] = at.wanted(b);
            let dh = eh.add(part(at.dh, at.units, 0, b)).add(part(at.carry, at.units, 0, b));
            let dn = dh.mul_add(one.sub(z), en).mul(one.sub(n.mul(n)));
            let before: L = part(at.before, at.units, 0, b);
            let dz = dh.mul_add(before.sub(n), ez).mul(z).mul(one.sub(z));
            let dm = dn.mul_add(r, em);
            let dr = dn.mul_add(m, er).mul(r).mul(one.sub(r));
            store_parts([dh.mul(z)], at.carry, at.units, b);
            at.slope([dr, dz, dn, dr, dz, dm], [dr, dz, dm], b);
        }
    }

    fn run(step: Step<T, Self>) {
        T::run_gru_step(step);
    }

    fn run_back(step: StepBack<T, Self>) {
        T::run_gru_step_back(step);
    }
}
