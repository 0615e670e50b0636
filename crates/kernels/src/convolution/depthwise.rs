//! Convolution where each channel has a kernel of its own: vectors over channels, several positions at a time.
//!
//! Every element is one chain of fused multiply-adds in ascending order, as in [`super::strip`].

use std::ops::Range;

use super::strip::Grid;
use crate::matmul::Activation;
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// y[p, c] = activation(Σₜ x[p, t, c]·w[t, c] + bias[c]).
#[derive(Clone, Copy, Debug)]
pub struct Depthwise {
    /// Positions in x
    pub rows: Grid,
    /// Taps: three nested counts with their strides in x
    pub taps: [(usize, usize); 3],
    /// Positions in y
    pub out: Grid,
    /// Channels, side by side in x, w and y
    pub channels: usize,
    /// Identity or ReLU
    pub activation: Activation,
}

impl Depthwise {
    fn count(&self) -> usize {
        self.taps.iter().map(|t| t.0).product()
    }
}

/// Computes these positions.
///
/// # Safety
/// `x` and `y` are valid for every element that the strides address, `w` for all taps; nobody else touches these positions of y.
pub unsafe fn depthwise<T: Real>(d: &Depthwise, x: *const T, w: *const T, y: *mut T, bias: Option<&[T]>, rows: Range<usize>) {
    assert!(bias.is_none_or(|bias| bias.len() >= d.channels));
    T::run_depthwise(Run { d, x, w, y, bias, rows });
}

/// sums[t, c] += Σₚ x[p, t, c]·dy[p, c] over these positions; `out` says where dy lies.
///
/// # Safety
/// `x`, `dy` and `sums` are valid for every element that the strides address; nobody else touches `sums`.
pub unsafe fn depthwise_gradient<T: Real>(d: &Depthwise, x: *const T, dy: *const T, sums: *mut T, rows: Range<usize>) {
    T::run_depthwise_gradient(Gradient { d, x, dy, sums, rows });
}

/// Reads `width` of 16 lanes.
#[inline(always)]
unsafe fn load<T: Real, L: Lanes<T>>(p: *const T, width: usize) -> L {
    // SAFETY: the caller vouches for `width` numbers.
    unsafe {
        if width == PANEL {
            L::load_at(p)
        } else {
            L::load_first_at(p, width)
        }
    }
}

pub(crate) struct Run<'a, T> {
    d: &'a Depthwise,
    x: *const T,
    w: *const T,
    y: *mut T,
    bias: Option<&'a [T]>,
    rows: Range<usize>,
}

impl<T: Real> Run<'_, T> {
    /// R positions from row `i`, `width` channels from `j`.
    ///
    /// # Safety
    /// They exist.
    #[inline(always)]
    unsafe fn tile<L: Lanes<T>, const R: usize>(&self, i: usize, j: usize, width: usize) {
        let d = self.d;
        let mut sums = [L::zero(); R];
        let mut at = [0; R];
        for (r, at) in at.iter_mut().enumerate() {
            *at = d.rows.at(i + r) + j;
        }
        let mut w = self.w.wrapping_add(j);
        let [(n0, d0), (n1, d1), (n2, d2)] = d.taps;
        for i0 in 0..n0 {
            for i1 in 0..n1 {
                for i2 in 0..n2 {
                    let x = self.x.wrapping_add(i0 * d0 + i1 * d1 + i2 * d2);
                    // SAFETY: the tap and the channels exist, in w and at each position.
                    unsafe {
                        let w = load::<T, L>(w, width);
                        for (r, sum) in sums.iter_mut().enumerate() {
                            *sum = load::<T, L>(x.wrapping_add(at[r]), width).mul_add(w, *sum);
                        }
                    }
                    w = w.wrapping_add(d.channels);
                }
            }
        }
        for (r, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the channels exist, in the bias and in y.
            unsafe {
                if let Some(bias) = self.bias {
                    *sum = sum.add(load(bias.as_ptr().add(j), width));
                }
                if d.activation == Activation::Relu {
                    *sum = L::zero().max(*sum);
                }
                sum.store_first_at(self.y.wrapping_add(d.out.at(i + r) + j), width);
            }
        }
    }
}

impl<T: Real> Kernel<T> for Run<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        for j in (0..self.d.channels).step_by(PANEL) {
            let width = PANEL.min(self.d.channels - j);
            let mut i = self.rows.start;
            while i < self.rows.end {
                // SAFETY: these positions and channels are asked for.
                unsafe {
                    if self.rows.end - i >= 6 {
                        self.tile::<L, 6>(i, j, width);
                        i += 6;
                    } else if self.rows.end - i >= 2 {
                        self.tile::<L, 2>(i, j, width);
                        i += 2;
                    } else {
                        self.tile::<L, 1>(i, j, width);
                        i += 1;
                    }
                }
            }
        }
    }
}

pub(crate) struct Gradient<'a, T> {
    d: &'a Depthwise,
    x: *const T,
    dy: *const T,
    sums: *mut T,
    rows: Range<usize>,
}

/// Taps that are summed at a time: a kernel of 3×3.
const TAPS: usize = 9;

impl<T: Real> Kernel<T> for Gradient<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let d = self.d;
        let [_, (n1, d1), (n2, d2)] = d.taps;
        let offset = |t: usize| t / (n1 * n2) * d.taps[0].1 + t / n2 % n1 * d1 + t % n2 * d2;
        let count = d.count();
        for j in (0..d.channels).step_by(PANEL) {
            let width = PANEL.min(d.channels - j);
            for first in (0..count).step_by(TAPS) {
                let taps = TAPS.min(count - first);
                let mut at = [0; TAPS];
                let mut sums = [L::zero(); TAPS];
                // Where fewer are left, the others repeat the first and are not stored.
                for (t, (at, sum)) in at.iter_mut().zip(&mut sums).enumerate() {
                    let tap = if t < taps { first + t } else { first };
                    *at = offset(tap) + j;
                    // SAFETY: the tap and the channels exist in `sums`.
                    *sum = unsafe { load(self.sums.add(tap * d.channels + j), width) };
                }
                for i in self.rows.clone() {
                    // SAFETY: the position exists in x and dy.
                    unsafe {
                        let x = self.x.wrapping_add(d.rows.at(i));
                        let dy = load::<T, L>(self.dy.wrapping_add(d.out.at(i) + j), width);
                        for (t, sum) in sums.iter_mut().enumerate() {
                            *sum = load::<T, L>(x.wrapping_add(at[t]), width).mul_add(dy, *sum);
                        }
                    }
                }
                for (t, sum) in sums.iter().enumerate().take(taps) {
                    // SAFETY: as above.
                    unsafe { sum.store_first_at(self.sums.add((first + t) * d.channels + j), width) };
                }
            }
        }
    }
}
