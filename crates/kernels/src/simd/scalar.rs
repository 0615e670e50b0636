//! 16 lanes as an array: the level that every processor runs, and the oracle of the others.
//!
//! On x86-64 each operation is a call: the level serves processors from before 2013, whose FMA is a software routine anyway, and 16
//! unrolled lanes of every kernel would take most of this crate's build time. Elsewhere (aarch64) it is inlined, for the compiler to make
//! vectors of.

use super::{Lanes, sealed::Sealed};
use crate::Real;

/// 16 plain numbers.
#[derive(Clone, Copy)]
pub struct Scalar<T>([T; 16]);

impl<T> Sealed for Scalar<T> {}

impl<T: Real> Scalar<T> {
    #[inline(always)]
    fn map(self, f: impl Fn(T) -> T) -> Self {
        let mut out = self;
        for x in &mut out.0 {
            *x = f(*x);
        }
        out
    }

    #[inline(always)]
    fn zip(self, b: Self, f: impl Fn(T, T) -> T) -> Self {
        let mut out = self;
        for (x, y) in out.0.iter_mut().zip(b.0) {
            *x = f(*x, y);
        }
        out
    }

    #[inline(always)]
    fn compare(self, b: Self, f: impl Fn(T, T) -> bool) -> [bool; 16] {
        let mut out = [false; 16];
        for (o, (x, y)) in out.iter_mut().zip(self.0.into_iter().zip(b.0)) {
            *o = f(x, y);
        }
        out
    }
}

impl<T: Real> Lanes<T> for Scalar<T> {
    type Mask = [bool; 16];
    type Low = Self;
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;

    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn splat(x: T) -> Self {
        Self([x; 16])
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn load(x: &[T; 16]) -> Self {
        Self(*x)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn store(self, to: &mut [T; 16]) {
        *to = self.0;
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    unsafe fn load_at(p: *const T) -> Self {
        // SAFETY: the caller vouches for 16 numbers at `p`.
        Self(unsafe { p.cast::<[T; 16]>().read() })
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    unsafe fn store_at(self, p: *mut T) {
        // SAFETY: the caller vouches for room for 16 numbers at `p`.
        unsafe { p.cast::<[T; 16]>().write(self.0) }
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    unsafe fn load_first_at(p: *const T, n: usize) -> Self {
        let mut out = [T::ZERO; 16];
        for (i, x) in out.iter_mut().enumerate().take(n) {
            // SAFETY: `i < n`, and the caller vouches for `n` numbers.
            *x = unsafe { p.add(i).read() };
        }
        Self(out)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    unsafe fn store_first_at(self, p: *mut T, n: usize) {
        for (i, x) in self.0.into_iter().enumerate().take(n) {
            // SAFETY: `i < n`, and the caller vouches for `n` numbers.
            unsafe { p.add(i).write(x) }
        }
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn keep_first(self, n: usize) -> Self {
        let mut out = self;
        for x in out.0.iter_mut().skip(n) {
            *x = T::ZERO;
        }
        out
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn add(self, b: Self) -> Self {
        self.zip(b, |x, y| x + y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn sub(self, b: Self) -> Self {
        self.zip(b, |x, y| x - y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn mul(self, b: Self) -> Self {
        self.zip(b, |x, y| x * y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn div(self, b: Self) -> Self {
        self.zip(b, |x, y| x / y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn mul_add(self, b: Self, c: Self) -> Self {
        let mut out = self;
        for (x, (y, z)) in out.0.iter_mut().zip(b.0.into_iter().zip(c.0)) {
            *x = x.mul_add(y, z);
        }
        out
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn sqrt(self) -> Self {
        self.map(T::sqrt)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn max(self, b: Self) -> Self {
        self.zip(b, T::max)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn min(self, b: Self) -> Self {
        self.zip(b, T::min)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn round(self) -> Self {
        self.map(T::round_even)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn floor(self) -> Self {
        self.map(T::floor)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn scale(self, n: Self) -> Self {
        // Two steps, the first exact (both factors are normal numbers), so that a denormal result is rounded once.
        let bias = (1u64 << (62 - T::MANTISSA_BITS - if T::MANTISSA_BITS == 23 { 32 } else { 0 })) - 1;
        let power = |n: T| T::from_bits64(((n.to_f64() as i64 + bias as i64) as u64) << T::MANTISSA_BITS);
        self.zip(n, |x, n| {
            let half = (n * T::from_f64(0.5)).floor();
            x * power(half) * power(n - half)
        })
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn and(self, b: Self) -> Self {
        self.zip(b, |x, y| T::from_bits64(x.to_bits64() & y.to_bits64()))
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn or(self, b: Self) -> Self {
        self.zip(b, |x, y| T::from_bits64(x.to_bits64() | y.to_bits64()))
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn xor(self, b: Self) -> Self {
        self.zip(b, |x, y| T::from_bits64(x.to_bits64() ^ y.to_bits64()))
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn shift_right_mantissa(self) -> Self {
        self.map(|x| T::from_bits64(x.to_bits64() >> T::MANTISSA_BITS))
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn less(self, b: Self) -> [bool; 16] {
        self.compare(b, |x, y| x < y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn less_equal(self, b: Self) -> [bool; 16] {
        self.compare(b, |x, y| x <= y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn equal(self, b: Self) -> [bool; 16] {
        self.compare(b, |x, y| x == y)
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn select(mask: [bool; 16], a: Self, b: Self) -> Self {
        let mut out = b;
        for ((o, x), m) in out.0.iter_mut().zip(a.0).zip(mask) {
            *o = if m { x } else { *o };
        }
        out
    }
    #[cfg_attr(target_arch = "x86_64", inline(never))]
    #[cfg_attr(not(target_arch = "x86_64"), inline(always))]
    fn all(mask: [bool; 16]) -> bool {
        mask == [true; 16]
    }
}
