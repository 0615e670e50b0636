//! Recurrent cells over time: a step's product of the state with the recurrent weights, then the gates element by element.
//!
//! Values are [batch, time, width], row-major; a record keeps for each step what the derivative needs. A call computes some rows of the
//! batch from the first step to the last: rows never meet, so threads split them and the bits stay. Scratch memory is given by the
//! caller, each row's at its own place. The loop over time is here and the same for all; a [`Cell`] is its formulas, in a file of its own.

use std::ops::Range;

use crate::matmul::{Epilogue, Left, Product, Right, matmul};
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

pub mod gru;
pub mod lstm;
pub mod simple;

/// What a call over time works on.
#[derive(Clone, Copy, Debug)]
pub struct Sequence {
    /// Steps.
    pub time: usize,
    /// Width of the state.
    pub units: usize,
    /// From the last step to the first?
    pub reverse: bool,
}

impl Sequence {
    /// The position of the `step`th step to be computed.
    #[inline(always)]
    fn at(&self, step: usize) -> usize {
        if self.reverse { self.time - 1 - step } else { step }
    }
}

/// A matrix by address, as the right operand of products.
#[derive(Clone, Copy, Debug)]
pub struct Weights<T> {
    /// Its start.
    pub start: *const T,
    /// Its layout.
    pub layout: Right,
}

/// The formulas of a cell. Widths are in units.
pub trait Cell<T: Real>: Copy {
    /// Of x and of h·U.
    const GATES: usize;
    /// Of a step's record, whose last part is h.
    const RECORD: usize;
    /// Of the state: h, and what else goes from step to step.
    const STATES: usize;
    /// Of a step of what the backward pass gives: first the gradient of x.
    const SLOPES: usize;
    /// Which part of the record the next step and its derivative want, and where it is in the state.
    const KEPT: (usize, usize);

    /// h of a block of units; the record is written.
    ///
    /// # Safety
    /// The block lies within the units.
    unsafe fn forward<L: Lanes<T>>(self, at: &Row<T>, b: Block) -> L;

    /// Slopes, the gradient of h·U and what is carried of a block of units are written.
    ///
    /// # Safety
    /// As `forward`.
    unsafe fn backward<L: Lanes<T>>(self, at: &RowBack<T>, b: Block);

    /// Runs a step at the machine's level; each cell is compiled in one place.
    fn run(step: Step<T, Self>);

    /// The same backwards.
    fn run_back(step: StepBack<T, Self>);
}

/// The forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Forward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// x·W + b, [batch, time, gates·units].
    pub x: *const T,
    /// U, [units, gates·units].
    pub u: Weights<T>,
    /// The state before the first step, [batch, states·units].
    pub state: *const T,
    /// The record to write, [batch, time, record·units].
    pub record: *mut T,
    /// [batch, units] for h …
    pub h: *mut T,
    /// … and [batch, gates·units] for h·U.
    pub z: *mut T,
}

/// The backward pass.
#[derive(Clone, Copy, Debug)]
pub struct Backward<T> {
    /// Sizes and direction.
    pub sequence: Sequence,
    /// ∂loss/∂h, [batch, time, units], or of the whole record.
    pub dy: *const T,
    /// Is it of the whole record?
    pub whole: bool,
    /// The record.
    pub record: *const T,
    /// Uᵀ, [gates·units, units].
    pub ut: Weights<T>,
    /// The state before the first step; a cell that keeps nothing but h for its derivative does not read it.
    pub state: *const T,
    /// The slopes to write, [batch, steps, slopes·units].
    pub dz: *mut T,
    /// `time`, or one more: the last then begins with the gradient of the state.
    pub steps: usize,
    /// [batch, gates·units] for a step's gradient of h·U …
    pub z: *mut T,
    /// … [batch, units] for dh from the product …
    pub dh: *mut T,
    /// … and [batch, units] for what goes back beside it.
    pub carry: *mut T,
}

/// Runs all steps for some rows.
///
/// # Safety
/// The addresses are valid for the shapes stated; the rows' parts of `record`, `h` and `z` are nobody else's.
pub unsafe fn forward<T: Real, C: Cell<T>>(cell: C, p: &Forward<T>, rows: Range<usize>) {
    let n = p.sequence.units;
    for row in rows.clone() {
        // SAFETY: row `row` of the state and of its copy.
        unsafe { std::ptr::copy_nonoverlapping(p.state.add(row * C::STATES * n), p.h.add(row * n), n) };
    }
    for step in 0..p.sequence.time {
        // SAFETY: by the caller's promise.
        unsafe { product(rows.clone(), n, C::GATES * n, p.h, &p.u, p.z) };
        C::run(Step {
            cell,
            p: *p,
            step,
            rows: rows.clone(),
        });
    }
}

/// Runs all steps for some rows, backwards.
///
/// # Safety
/// As [`forward`]; the rows' parts of `dz`, `z`, `dh` and `carry` are nobody else's.
pub unsafe fn backward<T: Real, C: Cell<T>>(cell: C, p: &Backward<T>, rows: Range<usize>) {
    let (n, time) = (p.sequence.units, p.sequence.time);
    for row in rows.clone() {
        // SAFETY: the row's own scratch.
        unsafe {
            std::slice::from_raw_parts_mut(p.dh.add(row * n), n).fill(T::ZERO);
            std::slice::from_raw_parts_mut(p.carry.add(row * n), n).fill(T::ZERO);
        }
    }
    for step in (0..time).rev() {
        C::run_back(StepBack {
            cell,
            p: *p,
            step,
            rows: rows.clone(),
        });
        if step > 0 || p.steps > time {
            // SAFETY: by the caller's promise.
            unsafe { product(rows.clone(), C::GATES * n, n, p.z, &p.ut, p.dh) };
        }
    }
    if p.steps == time {
        return;
    }
    for row in rows {
        // SAFETY: the last step of the row's own part of dz, and its scratch.
        unsafe {
            let out = p.dz.add((row * p.steps + time) * C::SLOPES * n);
            std::slice::from_raw_parts_mut(out, C::SLOPES * n).fill(T::ZERO);
            std::ptr::copy_nonoverlapping(p.dh.add(row * n), out, n);
            let (carry, to) = (p.carry.add(row * n), out.add((C::STATES - 1) * n));
            for j in 0..n {
                to.add(j).write(to.add(j).read() + carry.add(j).read());
            }
        }
    }
}

/// One step of some rows.
pub struct Step<T, C> {
    cell: C,
    p: Forward<T>,
    step: usize,
    rows: Range<usize>,
}

impl<T: Real, C: Cell<T>> Kernel<T> for Step<T, C> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Step { cell, p, step, rows } = self;
        let (n, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        for row in rows {
            // SAFETY: `forward`'s caller gave addresses that hold these rows, and blocks lie within the units.
            unsafe {
                let before = if step == 0 {
                    p.state.add((row * C::STATES + C::KEPT.1) * n)
                } else {
                    let last = row * time + p.sequence.at(step - 1);
                    p.record.add((last * C::RECORD + C::KEPT.0) * n).cast_const()
                };
                let own = Row {
                    units: n,
                    x: p.x.add((row * time + at) * C::GATES * n),
                    z: p.z.add(row * C::GATES * n),
                    before,
                    record: p.record.add((row * time + at) * C::RECORD * n),
                };
                let h = p.h.add(row * n);
                let mut j = 0;
                while j < n {
                    let b = Block::new(j, n);
                    let y = cell.forward::<L>(&own, b);
                    store_parts([y], h, n, b);
                    j += PANEL;
                }
            }
        }
    }
}

/// One step of some rows, backwards.
pub struct StepBack<T, C> {
    cell: C,
    p: Backward<T>,
    step: usize,
    rows: Range<usize>,
}

impl<T: Real, C: Cell<T>> Kernel<T> for StepBack<T, C> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let StepBack { cell, p, step, rows } = self;
        let (n, time) = (p.sequence.units, p.sequence.time);
        let at = p.sequence.at(step);
        for row in rows {
            // SAFETY: as in the forward step; the state's address is only read where the cell wants it.
            unsafe {
                let before = if step == 0 {
                    p.state.wrapping_add((row * C::STATES + C::KEPT.1) * n)
                } else {
                    let last = row * time + p.sequence.at(step - 1);
                    p.record.add((last * C::RECORD + C::KEPT.0) * n)
                };
                let own = RowBack {
                    units: n,
                    whole: p.whole,
                    dy: p.dy.add((row * time + at) * if p.whole { C::RECORD * n } else { n }),
                    record: p.record.add((row * time + at) * C::RECORD * n),
                    before,
                    dz: p.dz.add((row * p.steps + at) * C::SLOPES * n),
                    z: p.z.add(row * C::GATES * n),
                    dh: p.dh.add(row * n),
                    carry: p.carry.add(row * n),
                };
                let mut j = 0;
                while j < n {
                    cell.backward::<L>(&own, Block::new(j, n));
                    j += PANEL;
                }
            }
        }
    }
}

/// A row's step.
pub struct Row<T> {
    units: usize,
    x: *const T,
    z: *const T,
    before: *const T,
    record: *mut T,
}

impl<T: Real> Row<T> {
    /// x + h·U of a gate.
    #[inline(always)]
    unsafe fn sum<L: Lanes<T>>(&self, gate: usize, b: Block) -> L {
        // SAFETY: the addresses hold all gates.
        unsafe { part::<T, L>(self.x, self.units, gate, b).add(part(self.z, self.units, gate, b)) }
    }

    /// Writes the record.
    #[inline(always)]
    unsafe fn keep<L: Lanes<T>, const N: usize>(&self, values: [L; N], b: Block) {
        // SAFETY: as above.
        unsafe { store_parts(values, self.record, self.units, b) }
    }
}

/// A row's step, backwards.
pub struct RowBack<T> {
    units: usize,
    whole: bool,
    dy: *const T,
    record: *const T,
    before: *const T,
    dz: *mut T,
    z: *mut T,
    dh: *mut T,
    carry: *mut T,
}

impl<T: Real> RowBack<T> {
    /// A part of the record.
    #[inline(always)]
    unsafe fn kept<L: Lanes<T>>(&self, at: usize, b: Block) -> L {
        // SAFETY: the addresses hold all parts.
        unsafe { part(self.record, self.units, at, b) }
    }

    /// What the loss wants of the parts of the record: of all but the last only where dy is of the whole.
    #[inline(always)]
    unsafe fn wanted<L: Lanes<T>, const N: usize>(&self, b: Block) -> [L; N] {
        let mut all = [L::zero(); N];
        // SAFETY: as above.
        unsafe {
            if self.whole {
                let mut k = 0;
                while k < N {
                    all[k] = part(self.dy, self.units, k, b);
                    k += 1;
                }
            } else {
                all[N - 1] = part(self.dy, self.units, 0, b);
            }
        }
        all
    }

    /// Writes the slopes, and the gradient of h·U.
    #[inline(always)]
    unsafe fn slope<L: Lanes<T>, const N: usize, const G: usize>(&self, slopes: [L; N], of_product: [L; G], b: Block) {
        // SAFETY: as above.
        unsafe {
            store_parts(slopes, self.dz, self.units, b);
            store_parts(of_product, self.z, self.units, b);
        }
    }
}

/// `out[rows, n] = a[rows, k] · w[k, n]`, both contiguous.
///
/// # Safety
/// The addresses are valid for these sizes; `out` is nobody else's.
#[inline]
unsafe fn product<T: Real>(rows: Range<usize>, k: usize, n: usize, a: *const T, w: &Weights<T>, out: *mut T) {
    let product = Product {
        m: rows.end,
        n,
        k,
        left: Left::row_major(k),
        right: w.layout,
        out: Right::row_major(n),
    };
    // SAFETY: by the caller's promise.
    unsafe { matmul(&product, a, w.start, out, &Epilogue::default(), rows, 0..n.div_ceil(PANEL)) }
}

/// Sixteen lanes (or the first `width`) of part `part` of a step whose parts are `units` wide.
///
/// # Safety
/// The address is valid for them.
#[inline(always)]
unsafe fn part<T: Real, L: Lanes<T>>(start: *const T, units: usize, part: usize, at: Block) -> L {
    // SAFETY: by the caller's promise.
    unsafe { L::load_first_at(start.add(part * units + at.from), at.width) }
}

/// Writes consecutive parts.
///
/// # Safety
/// The address is valid for them.
#[inline(always)]
unsafe fn store_parts<T: Real, L: Lanes<T>, const N: usize>(values: [L; N], start: *mut T, units: usize, at: Block) {
    let mut k = 0;
    while k < N {
        // SAFETY: by the caller's promise.
        unsafe { values[k].store_first_at(start.add(k * units + at.from), at.width) };
        k += 1;
    }
}

/// Up to sixteen units.
#[derive(Clone, Copy)]
pub struct Block {
    from: usize,
    width: usize,
}

impl Block {
    #[inline(always)]
    fn new(from: usize, units: usize) -> Block {
        Block {
            from,
            width: PANEL.min(units - from),
        }
    }
}
