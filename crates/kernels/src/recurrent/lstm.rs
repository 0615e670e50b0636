//! LSTM with a forget gate, gates in the order i, f, g, o: z = xₜ + hₜ₋₁·U;  i, f, o = σ(z);  g = tanh z;  c = f⊙c₋ + i⊙g;  h = o⊙tanh c.
//! Hochreiter & Schmidhuber 1997; Gers, Schmidhuber & Cummins 2000. The record of a step is [i, f, g, o, c, h], each `units` wide; the
//! state is h‖c.
//!
//! Backwards, from dh and dc: t = tanh c;  dc += dh⊙o⊙(1 − t²);  dzᵢ = dc⊙g⊙i(1 − i);  dz_f = dc⊙c₋⊙f(1 − f);  dz_g = dc⊙i⊙(1 − g²);
//! dz_o = dh⊙t⊙o(1 − o);  then dc₋ = dc⊙f and dh₋ = dz·Uᵀ.

use super::{Block, Cell, Row, RowBack, Step, StepBack, part, store_parts};
use crate::simd::Lanes;
use crate::{Real, math};

/// The cell.
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl<T: Real> Cell<T> for Lstm {
    const GATES: usize = 4;
    const RECORD: usize = 6;
    const STATES: usize = 2;
    const SLOPES: usize = 4;
    const KEPT: (usize, usize) = (4, 1);

    #[inline(always)]
    unsafe fn forward<L: Lanes<T>>(self, at: &Row<T>, b: Block) -> L {
        // SAFETY: by the caller's promise.
        unsafe {
            let i = math::sigmoid::<T, L>(at.sum(0, b));
            let f = math::sigmoid::<T, L>(at.sum(1, b));
            let g = math::tanh::<T, L>(at.sum(2, b));
            let o = math::sigmoid::<T, L>(at.sum(3, b));
            let c = f.mul_add(part(at.before, at.units, 0, b), i.mul(g));
            let y = o.mul(math::tanh::<T, L>(c));
            at.keep([i, f, g, o, c, y], b);
            y
        }
    }

    #[inline(always)]
    unsafe fn backward<L: Lanes<T>>(self, at: &RowBack<T>, b: Block) {
        // SAFETY: by the caller's promise.
        unsafe {
            let one = L::splat(T::ONE);
            let (i, f): (L, L) = (at.kept(0, b), at.kept(1, b));
            let (g, o): (L, L) = (at.kept(2, b), at.kept(3, b));
            let t = math::tanh::<T, L>(at.kept(4, b));
            let [ei, ef, eg, eo, ec, eh]: [L; 6] = at.wanted(b);
            let dh = eh.add(part(at.dh, at.units, 0, b));
            let dc = dh.mul(o).mul(one.sub(t.mul(t))).add(part(at.carry, at.units, 0, b)).add(ec);
            let di = dc.mul_add(g, ei).mul(i).mul(one.sub(i));
            let df = dc.mul_add(part(at.before, at.units, 0, b), ef).mul(f).mul(one.sub(f));
            let dg = dc.mul_add(i, eg).mul(one.sub(g.mul(g)));
            let d_o = dh.mul_add(t, eo).mul(o).mul(one.sub(o));
            store_parts([dc.mul(f)], at.carry, at.units, b);
            at.slope([di, df, dg, d_o], [di, df, dg, d_o], b);
        }
    }

    fn run(step: Step<T, Self>) {
        T::run_lstm_step(step);
    }

    fn run_back(step: StepBack<T, Self>) {
        T::run_lstm_step_back(step);
    }
}
