//! Recurrent cells over time: a step's product of the state with the recurrent weights, then the gates element by element.
//!
//! Values are [batch, time, width], row-major; a record keeps for each step what the derivative needs. A call computes some rows of the
//! batch from the first step to the last: rows never meet, so threads split them and the bits stay. Scratch memory is given by the
//! caller, each row's at its own place.

use std::ops::Range;

use crate::matmul::{Epilogue, Left, Product, Right, matmul};
use crate::simd::Lanes;
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
struct Block {
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
