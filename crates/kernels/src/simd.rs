//! One small vector trait: 16 virtual lanes of f32 or f64 on every instruction set.
//!
//! # Writing a loop once
//! Put the arguments in a struct, implement [`Kernel`] for it and call [`dispatch`]; the loop is compiled for each level, and the one
//! that [`crate::level`] chose runs. Same operations in the same order on 16 lanes, so the same bits on every level.
//! ```
//! use nabla_kernels::{Real, simd::{self, Kernel, Lanes}};
//!
//! /// θ ← θ − η·g
//! struct Descend<'a, T> { theta: &'a mut [T], g: &'a [T], rate: T }
//!
//! impl<T: Real> Kernel<T> for Descend<'_, T> {
//!     type Output = ();
//!     #[inline(always)] // needed: else the body is not compiled for the level
//!     fn run<L: Lanes<T>>(self) {
//!         let rate = L::splat(-self.rate);
//!         let (theta, theta_tail) = self.theta.as_chunks_mut::<16>();
//!         let (g, g_tail) = self.g.as_chunks::<16>();
//!         for (theta, g) in theta.iter_mut().zip(g) {
//!             rate.mul_add(L::load(g), L::load(theta)).store(theta);
//!         }
//!         // The rest, fewer than 16: missing lanes read as zero and are not written. (Arena rows have no rest: they are padded.)
//!         rate.mul_add(L::load_first(g_tail), L::load_first(theta_tail)).store_first(theta_tail);
//!     }
//! }
//!
//! let mut theta = vec![1.0f32; 100];
//! simd::dispatch(Descend { theta: &mut theta, g: &[0.5; 100], rate: 0.1 });
//! assert_eq!(theta[99], 1.0 - 0.05);
//! ```
//! `run`, and every generic function it calls with `L`, must be `#[inline(always)]`, and must not pass an `L` through a closure or an
//! iterator adaptor that the compiler might not inline (plain `for` loops over `as_chunks` are safe).
//!
//! # Why the methods of `Lanes` are safe
//! The vector types of an instruction set cannot be named outside of this crate; a value of them exists only inside [`dispatch`], which
//! has checked that the machine has the instructions.

use crate::Real;
use crate::level::{Level, level};

mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;
#[cfg(target_arch = "x86_64")]
mod x86_operations;

pub(crate) use sealed::Vectors;

mod sealed {
    use super::{Lanes, Real};

    /// The vector types of a number type, one a level.
    pub trait Vectors: Sized {
        type Scalar: Lanes<Self>
        where
            Self: Real;
        #[cfg(target_arch = "x86_64")]
        type Avx2: Lanes<Self>
        where
            Self: Real;
        #[cfg(target_arch = "x86_64")]
        type Avx512: Lanes<Self>
        where
            Self: Real;
    }

    /// Keeps [`Lanes`] closed.
    pub trait Sealed {}
}

impl Vectors for f32 {
    type Scalar = scalar::Scalar<f32>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::Avx2F32;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::Avx512F32;
}

impl Vectors for f64 {
    type Scalar = scalar::Scalar<f64>;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = x86::Avx2F64;
    #[cfg(target_arch = "x86_64")]
    type Avx512 = x86::Avx512F64;
}

/// 16 lanes of `T`. Every method acts lane by lane, rounds once, and gives the same bits on every level.
pub trait Lanes<T: Real>: Copy + sealed::Sealed {
    /// One truth value a lane.
    type Mask: Copy;
    /// The same with lanes 8 … 15 left out (they read as 0, and are written as 0), at half the cost where that can be.
    type Low: Lanes<T>;
    /// Rows of the matmul tile that fit this level's registers when it is one panel wide.
    const TILE_ROWS: usize;
    /// Panels of the widest matmul tile.
    const TILE_PANELS: usize;

    /// x in every lane.
    fn splat(x: T) -> Self;
    /// Reads 16 numbers.
    fn load(x: &[T; 16]) -> Self;
    /// Writes 16 numbers.
    fn store(self, to: &mut [T; 16]);
    /// Reads the first `min(x.len(), 16)` numbers; the other lanes are 0.
    fn load_first(x: &[T]) -> Self {
        // SAFETY: the slice holds the numbers that are read.
        unsafe { Self::load_first_at(x.as_ptr(), x.len().min(16)) }
    }
    /// Writes the first `min(to.len(), 16)` lanes.
    fn store_first(self, to: &mut [T]) {
        // SAFETY: the slice holds the numbers that are written.
        unsafe { self.store_first_at(to.as_mut_ptr(), to.len().min(16)) }
    }
    /// Reads 16 numbers.
    ///
    /// # Safety
    /// `p` is valid for reads of 16 numbers (any alignment that `T` has).
    unsafe fn load_at(p: *const T) -> Self;
    /// Writes 16 numbers.
    ///
    /// # Safety
    /// `p` is valid for writes of 16 numbers.
    unsafe fn store_at(self, p: *mut T);
    /// Writes 16 numbers that are not read soon: past the caches where the machine can, so that nothing is fetched to be overwritten. Others
    /// see them after [`Lanes::streamed`].
    ///
    /// # Safety
    /// `p` is valid for writes of 16 numbers and lies on a 64-byte line.
    #[inline(always)]
    unsafe fn stream_at(self, p: *mut T) {
        // SAFETY: as the caller vouches.
        unsafe { self.store_at(p) }
    }
    /// Ends a run of [`Lanes::stream_at`].
    #[inline(always)]
    fn streamed() {}
    /// Reads `n ≤ 16` numbers; the other lanes are 0.
    ///
    /// # Safety
    /// `p` is valid for reads of `n` numbers; `n ≤ 16`.
    unsafe fn load_first_at(p: *const T, n: usize) -> Self;
    /// Writes `n ≤ 16` lanes.
    ///
    /// # Safety
    /// `p` is valid for writes of `n` numbers; `n ≤ 16`.
    unsafe fn store_first_at(self, p: *mut T, n: usize);
    /// The first `n ≤ 16` lanes; the others become 0.
    fn keep_first(self, n: usize) -> Self;

    /// self + b
    fn add(self, b: Self) -> Self;
    /// self − b
    fn sub(self, b: Self) -> Self;
    /// self · b
    fn mul(self, b: Self) -> Self;
    /// self / b, correctly rounded
    fn div(self, b: Self) -> Self;
    /// self · b + c, rounded once
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// √self, correctly rounded
    fn sqrt(self) -> Self;
    /// `if self > b { self } else { b }`: b when one is NaN
    fn max(self, b: Self) -> Self;
    /// `if self < b { self } else { b }`: b when one is NaN
    fn min(self, b: Self) -> Self;
    /// Nearest integer, ties to even
    fn round(self) -> Self;
    /// Largest integer ≤ self
    fn floor(self) -> Self;
    /// self · 2ⁿ, rounded once, for finite or NaN self and integral n with |n| ≤ 250 (f32) or 2000 (f64)
    fn scale(self, n: Self) -> Self;

    /// Bits of both
    fn and(self, b: Self) -> Self;
    /// Bits of either
    fn or(self, b: Self) -> Self;
    /// Bits of one but not both
    fn xor(self, b: Self) -> Self;
    /// Bits shifted right by the mantissa's length: sign and biased exponent, as an integer's bits
    fn shift_right_mantissa(self) -> Self;

    /// self < b
    fn less(self, b: Self) -> Self::Mask;
    /// self ≤ b
    fn less_equal(self, b: Self) -> Self::Mask;
    /// self = b
    fn equal(self, b: Self) -> Self::Mask;
    /// `self` where the mask is true, `b` elsewhere
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
    /// True in every lane?
    fn all(mask: Self::Mask) -> bool;

    /// The lanes as numbers.
    #[inline(always)]
    fn to_array(self) -> [T; 16] {
        let mut array = [T::ZERO; 16];
        self.store(&mut array);
        array
    }
    /// 0 in every lane.
    #[inline(always)]
    fn zero() -> Self {
        Self::splat(T::ZERO)
    }
    /// |self|
    #[inline(always)]
    fn abs(self) -> Self {
        self.and(Self::splat(T::from_bits64(!(-T::ZERO).to_bits64())))
    }
    /// −self (the sign bit flips, also of 0 and NaN)
    #[inline(always)]
    fn neg(self) -> Self {
        self.xor(Self::splat(-T::ZERO))
    }
    /// The magnitude of self with the sign of `sign`; self must not be negative.
    #[inline(always)]
    fn with_sign(self, sign: Self) -> Self {
        self.or(sign.and(Self::splat(-T::ZERO)))
    }
    /// Sum of the lanes by the fixed tree (i, i+8), (i, i+4), (i, i+2), (i, i+1).
    #[inline(always)]
    fn sum(self) -> T {
        let mut a = self.to_array();
        let mut half = 8;
        while half > 0 {
            for i in 0..half {
                a[i] += a[i + half];
            }
            half /= 2;
        }
        a[0]
    }
    /// Largest lane; the same tree; no NaN rule (see [`crate::reduce::max`]).
    #[inline(always)]
    fn largest(self) -> T {
        let mut a = self.to_array();
        let mut half = 8;
        while half > 0 {
            for i in 0..half {
                a[i] = a[i].max(a[i + half]);
            }
            half /= 2;
        }
        a[0]
    }
    /// Smallest lane; the same tree; no NaN rule (see [`crate::reduce::min`]).
    #[inline(always)]
    fn smallest(self) -> T {
        let mut a = self.to_array();
        let mut half = 8;
        while half > 0 {
            for i in 0..half {
                a[i] = a[i].min(a[i + half]);
            }
            half /= 2;
        }
        a[0]
    }
}

/// Work that is compiled once for each level.
pub trait Kernel<T: Real> {
    /// What it returns.
    type Output;
    /// The work; mark the implementation `#[inline(always)]`.
    fn run<L: Lanes<T>>(self) -> Self::Output;
}

/// Runs a kernel on the level in use.
#[inline(always)]
pub fn dispatch<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    match level() {
        // SAFETY: the level is in use only if the machine has its instructions.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { run_avx512::<T, K>(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { run_avx2::<T, K>(kernel) },
        _ => run_scalar::<T, K>(kernel),
    }
}

#[inline(never)]
fn run_scalar<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<<T as Vectors>::Scalar>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn run_avx2<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<<T as Vectors>::Avx2>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
unsafe fn run_avx512<T: Real, K: Kernel<T>>(kernel: K) -> K::Output {
    kernel.run::<<T as Vectors>::Avx512>()
}
