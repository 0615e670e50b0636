//! The two number types: f32 to train, f64 to check.

use std::fmt::{Debug, Display};
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::compiled::Compiled;
use crate::math::Math;
use crate::simd::Vectors;

/// f32 or f64; sealed. `mul_add` is one rounding on every machine (in software where the processor has no FMA).
pub trait Real:
    Copy
    + Send
    + Sync
    + 'static
    + Debug
    + Display
    + Default
    + PartialEq
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + Sum
    + Vectors
    + Math
    + Compiled
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// +∞
    const INFINITY: Self;
    /// A quiet NaN
    const NAN: Self;
    /// Distance from 1 to the next number
    const EPSILON: Self;
    /// Smallest positive normal number
    const MIN_POSITIVE: Self;
    /// Stored mantissa bits: 23 or 52.
    const MANTISSA_BITS: u32;
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// Rounds to nearest, ties to even.
    fn from_f64(x: f64) -> Self;
    /// Exact.
    fn to_f64(self) -> f64;
    /// The bits, widened.
    fn to_bits64(self) -> u64;
    /// The number with these (low) bits.
    fn from_bits64(bits: u64) -> Self;
    /// `self · b + c`, rounded once.
    fn mul_add(self, b: Self, c: Self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// √x, correctly rounded.
    fn sqrt(self) -> Self;
    /// `if self > other { self } else { other }`: the second operand when one is NaN, as x86 does.
    fn max(self, other: Self) -> Self;
    /// `if self < other { self } else { other }`: the second operand when one is NaN, as x86 does.
    fn min(self, other: Self) -> Self;
    /// Largest integer ≤ x.
    fn floor(self) -> Self;
    /// Nearest integer, ties to even.
    fn round_even(self) -> Self;
    /// Neither NaN nor ±∞.
    fn is_finite(self) -> bool;
    /// NaN?
    fn is_nan(self) -> bool;
}

macro_rules! real {
    ($t:ident, $bits:ident, $mantissa:literal, $name:literal) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const INFINITY: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;
            const EPSILON: Self = $t::EPSILON;
            const MIN_POSITIVE: Self = $t::MIN_POSITIVE;
            const MANTISSA_BITS: u32 = $mantissa;
            const NAME: &'static str = $name;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn to_bits64(self) -> u64 {
                self.to_bits() as u64
            }
            #[inline(always)]
            fn from_bits64(bits: u64) -> Self {
                $t::from_bits(bits as $bits)
            }
            #[inline(always)]
            fn mul_add(self, b: Self, c: Self) -> Self {
                $t::mul_add(self, b, c)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                if self > other { self } else { other }
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if self < other { self } else { other }
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $t::floor(self)
            }
            #[inline(always)]
            fn round_even(self) -> Self {
                $t::round_ties_even(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
        }
    };
}
real!(f32, u32, 23, "f32");
real!(f64, u64, 52, "f64");
