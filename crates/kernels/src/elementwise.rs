//! Element-wise functions over slices: rows of a table, one loop.
//!
//! Transcendentals come from [`crate::math`] (polynomials by FMA; the errors are measured there). Broadcasting is the caller's.

use crate::math;
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real};

/// y = f(x)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// x
    Identity,
    /// −x
    Negate,
    /// |x|
    Abs,
    /// −1, 0 or 1; NaN for NaN
    Sign,
    /// eˣ
    Exp,
    /// ln x; NaN below 0, −∞ at 0
    Log,
    /// √x
    Sqrt,
    /// 1/√x (exact root, exact division)
    Rsqrt,
    /// x²
    Square,
    /// 1/x
    Reciprocal,
    /// max(x, 0); NaN stays
    Relu,
    /// tanh x
    Tanh,
    /// 1/(1+e⁻ˣ)
    Sigmoid,
    /// x·Φ(x) = x·(1+erf(x/√2))/2
    Gelu,
    /// erf x
    Erf,
    /// ln(1+eˣ)
    Softplus,
    /// ln(1+x)
    Log1p,
    /// eˣ−1
    Expm1,
    /// 1 where x > 0, else 0
    Step,
    /// 1 where x = 0, else 0
    Not,
    /// Largest integer ≤ x
    Floor,
}

impl Unary {
    /// All of them.
    pub const ALL: &'static [Unary] = &[
        Unary::Identity,
        Unary::Negate,
        Unary::Abs,
        Unary::Sign,
        Unary::Exp,
        Unary::Log,
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Square,
        Unary::Reciprocal,
        Unary::Relu,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Gelu,
        Unary::Erf,
        Unary::Softplus,
        Unary::Log1p,
        Unary::Expm1,
        Unary::Step,
        Unary::Not,
        Unary::Floor,
    ];
}

/// y = f(a, b)
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b
    Add,
    /// a − b
    Subtract,
    /// a · b
    Multiply,
    /// a / b
    Divide,
    /// The larger; NaN if either is NaN (as NumPy's `maximum`)
    Maximum,
    /// The smaller; NaN if either is NaN
    Minimum,
    /// 1 where a > b, else 0
    Greater,
    /// 1 where a < b, else 0
    Less,
    /// 1 where a = b, else 0
    Equal,
    /// (y, dy): dy where y > 0, else 0
    ReluGradient,
    /// (y, dy): dy·(1 − y²)
    TanhGradient,
    /// (y, dy): dy·y·(1 − y)
    SigmoidGradient,
    /// (x, dy): dy·(Φ(x) + x·φ(x))
    GeluGradient,
}

impl Binary {
    /// All of them.
    pub const ALL: &'static [Binary] = &[
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::Maximum,
        Binary::Minimum,
        Binary::Greater,
        Binary::Less,
        Binary::Equal,
        Binary::ReluGradient,
        Binary::TanhGradient,
        Binary::SigmoidGradient,
        Binary::GeluGradient,
    ];
}

/// One side of a binary function.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a, T> {
    /// One value an element
    Slice(&'a [T]),
    /// The same value for all
    Scalar(T),
}

/// y ← f(x), equal lengths.
pub fn unary<T: Real>(op: Unary, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "unary {op:?}: lengths differ");
    // SAFETY: both slices have `y.len()` numbers.
    unsafe { unary_at(op, x.as_ptr(), y.as_mut_ptr(), y.len()) }
}

/// x ← f(x).
pub fn unary_in_place<T: Real>(op: Unary, x: &mut [T]) {
    // SAFETY: reads and writes the same numbers, each read before it is written.
    unsafe { unary_at(op, x.as_ptr(), x.as_mut_ptr(), x.len()) }
}

/// y ← f(x) over `n` numbers.
///
/// # Safety
/// `x` and `y` are valid for `n` numbers; they are the same address or do not overlap.
pub unsafe fn unary_at<T: Real>(op: Unary, x: *const T, y: *mut T, n: usize) {
    T::run_unary(UnaryLoop { op, x, y, n })
}

/// Up to 16 of the numbers that are left.
#[inline(always)]
unsafe fn load<T: Real, L: Lanes<T>>(from: *const T, left: usize) -> L {
    // SAFETY: the caller vouches for `left` numbers.
    unsafe {
        if left >= PANEL {
            L::load_at(from)
        } else {
            L::load_first_at(from, left)
        }
    }
}

/// Up to 16 of the numbers that are left.
#[inline(always)]
unsafe fn store<T: Real, L: Lanes<T>>(x: L, to: *mut T, left: usize) {
    // SAFETY: the caller vouches for `left` numbers.
    unsafe {
        if left >= PANEL {
            x.store_at(to)
        } else {
            x.store_first_at(to, left)
        }
    }
}

/// From so many bytes on a result would push everything else out of the caches, itself included: it goes past them.
const STREAMED: usize = 12 << 20;

pub(crate) struct UnaryLoop<T> {
    op: Unary,
    x: *const T,
    y: *mut T,
    n: usize,
}

impl<T: Real> Kernel<T> for UnaryLoop<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let streams = self.n * size_of::<T>() >= STREAMED && self.x != self.y.cast_const() && self.y.addr().is_multiple_of(64);
        macro_rules! over {
            ($x:ident => $f:expr) => {{
                // One body for whole vectors and the rest: two well predicted branches cost less than the code twice.
                let mut i = 0;
                while i < self.n {
                    let left = self.n - i;
                    // SAFETY: `left` numbers are left, and the caller vouches for n.
                    let $x = unsafe { load::<T, L>(self.x.add(i), left) };
                    let y: L = $f;
                    // SAFETY: as above; from a 64-byte line on every 16 numbers begin one.
                    unsafe {
                        if streams && left >= PANEL {
                            y.stream_at(self.y.add(i));
                        } else {
                            store::<T, L>(y, self.y.add(i), left);
                        }
                    }
                    i += PANEL;
                }
            }};
        }
        let one = L::splat(T::ONE);
        let zero = L::zero();
        match self.op {
            Unary::Identity => over!(x => x),
            Unary::Negate => over!(x => x.neg()),
            Unary::Abs => over!(x => x.abs()),
            Unary::Sign => over!(x => L::select(x.equal(x), L::select(x.equal(zero), zero, one.with_sign(x)), x)),
            Unary::Exp => over!(x => math::exp::<T, L>(x)),
            Unary::Log => over!(x => math::log::<T, L>(x)),
            Unary::Sqrt => over!(x => x.sqrt()),
            Unary::Rsqrt => over!(x => one.div(x.sqrt())),
            Unary::Square => over!(x => x.mul(x)),
            Unary::Reciprocal => over!(x => one.div(x)),
            Unary::Relu => over!(x => zero.max(x)),
            Unary::Tanh => over!(x => math::tanh::<T, L>(x)),
            Unary::Sigmoid => over!(x => math::sigmoid::<T, L>(x)),
            Unary::Gelu => over!(x => math::gelu::<T, L>(x)),
            Unary::Erf => over!(x => math::erf::<T, L>(x)),
            Unary::Softplus => over!(x => math::softplus::<T, L>(x)),
            Unary::Log1p => over!(x => math::log1p::<T, L>(x)),
            Unary::Expm1 => over!(x => math::expm1::<T, L>(x)),
            Unary::Step => over!(x => L::select(zero.less(x), one, zero)),
            Unary::Not => over!(x => L::select(x.equal(zero), one, zero)),
            Unary::Floor => over!(x => x.floor()),
        }
        if streams {
            L::streamed();
        }
    }
}

/// y ← f(a, b); slices are as long as y.
pub fn binary<T: Real>(op: Binary, a: Operand<T>, b: Operand<T>, y: &mut [T]) {
    for operand in [a, b] {
        if let Operand::Slice(x) = operand {
            assert_eq!(x.len(), y.len(), "binary {op:?}: lengths differ");
        }
    }
    // SAFETY: the lengths were checked.
    unsafe { binary_at(op, Source::of(a), Source::of(b), y.as_mut_ptr(), y.len()) }
}

/// a ← f(a, b).
pub fn binary_in_place<T: Real>(op: Binary, a: &mut [T], b: Operand<T>) {
    if let Operand::Slice(x) = b {
        assert_eq!(x.len(), a.len(), "binary {op:?}: lengths differ");
    }
    // SAFETY: the lengths were checked; a is read before it is written, element by element.
    unsafe { binary_at(op, Source::Slice(a.as_ptr()), Source::of(b), a.as_mut_ptr(), a.len()) }
}

/// One side of a binary function, by address: for plans whose buffers may be reused in place.
#[derive(Clone, Copy, Debug)]
pub enum Source<T> {
    /// One value an element
    Slice(*const T),
    /// The same value for all
    Scalar(T),
}

impl<T: Real> Source<T> {
    fn of(operand: Operand<T>) -> Self {
        match operand {
            Operand::Slice(x) => Source::Slice(x.as_ptr()),
            Operand::Scalar(x) => Source::Scalar(x),
        }
    }
}

/// y ← f(a, b) over `n` numbers.
///
/// # Safety
/// Slices and `y` are valid for `n` numbers; a slice is at the address of `y` or does not overlap it.
pub unsafe fn binary_at<T: Real>(op: Binary, a: Source<T>, b: Source<T>, y: *mut T, n: usize) {
    T::run_binary(BinaryLoop { op, a, b, y, n })
}

pub(crate) struct BinaryLoop<T> {
    op: Binary,
    a: Source<T>,
    b: Source<T>,
    y: *mut T,
    n: usize,
}

impl<T: Real> Kernel<T> for BinaryLoop<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        // A scalar is one vector, made once; its address is never read.
        let (a_at, a_value, a_slice) = match self.a {
            Source::Slice(p) => (p, L::zero(), true),
            Source::Scalar(x) => (self.y.cast_const(), L::splat(x), false),
        };
        let (b_at, b_value, b_slice) = match self.b {
            Source::Slice(p) => (p, L::zero(), true),
            Source::Scalar(x) => (self.y.cast_const(), L::splat(x), false),
        };
        let n = self.n;
        macro_rules! over {
            (|$a:ident, $b:ident| $f:expr) => {{
                let mut i = 0;
                while i < n {
                    let left = n - i;
                    // SAFETY: `left` numbers are left of each slice, and the caller vouches for n.
                    let $a = unsafe { if a_slice { load::<T, L>(a_at.add(i), left) } else { a_value } };
                    // SAFETY: as above.
                    let $b = unsafe { if b_slice { load::<T, L>(b_at.add(i), left) } else { b_value } };
                    let y: L = $f;
                    // SAFETY: as above.
                    unsafe { store::<T, L>(y, self.y.add(i), left) };
                    i += PANEL;
                }
            }};
        }
        let one = L::splat(T::ONE);
        let zero = L::zero();
        match self.op {
            Binary::Add => over!(|a, b| a.add(b)),
            Binary::Subtract => over!(|a, b| a.sub(b)),
            Binary::Multiply => over!(|a, b| a.mul(b)),
            Binary::Divide => over!(|a, b| a.div(b)),
            // `max` gives b when either is NaN; a NaN in a must win then.
            Binary::Maximum => over!(|a, b| L::select(a.equal(a), a.max(b), a)),
            Binary::Minimum => over!(|a, b| L::select(a.equal(a), a.min(b), a)),
            Binary::Greater => over!(|a, b| L::select(b.less(a), one, zero)),
            Binary::Less => over!(|a, b| L::select(a.less(b), one, zero)),
            Binary::Equal => over!(|a, b| L::select(a.equal(b), one, zero)),
            Binary::ReluGradient => over!(|y, dy| L::select(zero.less(y), dy, zero)),
            Binary::TanhGradient => over!(|y, dy| dy.mul(y.neg().mul_add(y, one))),
            Binary::SigmoidGradient => over!(|y, dy| dy.mul(y.mul(one.sub(y)))),
            Binary::GeluGradient => over!(|x, dy| dy.mul(math::gelu_slope::<T, L>(x))),
        }
    }
}

/// y ← y + factor·x, one FMA an element.
pub fn axpy<T: Real>(factor: T, x: &[T], y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "axpy: lengths differ");
    T::run_axpy(Axpy { factor, x, y })
}

pub(crate) struct Axpy<'a, T> {
    factor: T,
    x: &'a [T],
    y: &'a mut [T],
}

impl<T: Real> Kernel<T> for Axpy<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let factor = L::splat(self.factor);
        let (x, x_tail) = self.x.as_chunks::<PANEL>();
        let (y, y_tail) = self.y.as_chunks_mut::<PANEL>();
        for (x, y) in x.iter().zip(y) {
            factor.mul_add(L::load(x), L::load(y)).store(y);
        }
        if !y_tail.is_empty() {
            factor.mul_add(L::load_first(x_tail), L::load_first(y_tail)).store_first(y_tail);
        }
    }
}

/// x ← factor·x.
pub fn scale<T: Real>(factor: T, x: &mut [T]) {
    binary_in_place(Binary::Multiply, x, Operand::Scalar(factor));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;
    use crate::math::tests::bits;

    fn numbers<T: Real>(n: usize) -> (Vec<T>, Vec<T>) {
        let a = (0..n).map(|i| T::from_f64(((i * 37) % 101) as f64 / 9.0 - 5.0)).collect();
        let b = (0..n).map(|i| T::from_f64(((i * 53) % 89) as f64 / 11.0 - 4.0)).collect();
        (a, b)
    }

    fn expected(op: Binary, a: f64, b: f64) -> f64 {
        let truth = |t: bool| f64::from(u8::from(t));
        match op {
            Binary::Add => a + b,
            Binary::Subtract => a - b,
            Binary::Multiply => a * b,
            Binary::Divide => a / b,
            Binary::Maximum => a.max(b),
            Binary::Minimum => a.min(b),
            Binary::Greater => truth(a > b),
            Binary::Less => truth(a < b),
            Binary::Equal => truth(a == b),
            Binary::ReluGradient => truth(a > 0.0) * b,
            Binary::TanhGradient => b * (1.0 - a * a),
            Binary::SigmoidGradient => b * a * (1.0 - a),
            Binary::GeluGradient => {
                b * (0.5 * libm::erfc(-a * std::f64::consts::FRAC_1_SQRT_2) + a * libm::exp(-0.5 * a * a) * 0.398_942_280_401_432_7)
            }
        }
    }

    #[test]
    fn long_results_go_past_the_caches_unchanged() {
        let n = STREAMED / size_of::<f32>() + 21;
        let x = numbers::<f32>(n).0;
        let mut expected = vec![0.0; n];
        for (x, y) in x.chunks(1000).zip(expected.chunks_mut(1000)) {
            unary(Unary::Sigmoid, x, y);
        }
        let mut y = crate::Aligned::zeroed(n + 1).unwrap();
        for from in [0, 1] {
            unary(Unary::Sigmoid, &x, &mut y[from..from + n]);
            assert!(y[from..from + n] == expected[..], "from {from} on");
        }
    }

    fn binary_laws<T: Real>() {
        for op in Binary::ALL {
            for n in [0, 1, 15, 16, 17, 100] {
                let (a, b) = numbers::<T>(n);
                let c = T::from_f64(1.5);
                let got = same_on_all_levels(&format!("{op:?}"), || {
                    let (mut both, mut left, mut right, mut place) = (a.clone(), a.clone(), a.clone(), a.clone());
                    binary(*op, Operand::Slice(&a), Operand::Slice(&b), &mut both);
                    binary(*op, Operand::Scalar(c), Operand::Slice(&b), &mut left);
                    binary(*op, Operand::Slice(&a), Operand::Scalar(c), &mut right);
                    binary_in_place(*op, &mut place, Operand::Slice(&b));
                    assert_eq!(bits(&both), bits(&place));
                    [bits(&both), bits(&left), bits(&right)]
                });
                for i in 0..n {
                    let pairs = [(a[i], b[i]), (c, b[i]), (a[i], c)];
                    for (got, (a, b)) in got.iter().zip(pairs) {
                        let (got, want) = (T::from_bits64(got[i]).to_f64(), expected(*op, a.to_f64(), b.to_f64()));
                        let bound = 8.0 * T::EPSILON.to_f64() * (want.abs() + (a.to_f64().abs() + 1.0) * b.to_f64().abs() * 4.0);
                        assert!(
                            got == want || (got - want).abs() <= bound,
                            "{op:?}({a}, {b}) = {got}, expected {want}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn binary_laws_f32() {
        binary_laws::<f32>();
    }

    #[test]
    fn binary_laws_f64() {
        binary_laws::<f64>();
    }

    #[test]
    fn nan_wins_in_maximum_and_minimum() {
        same_on_all_levels("NaN", || {
            for op in [Binary::Maximum, Binary::Minimum] {
                for (a, b) in [(f32::NAN, 1.0), (1.0, f32::NAN)] {
                    let mut y = [0.0];
                    binary(op, Operand::Scalar(a), Operand::Scalar(b), &mut y);
                    assert!(y[0].is_nan(), "{op:?}({a}, {b})");
                }
            }
        });
    }

    #[test]
    fn in_place_is_the_same() {
        for op in Unary::ALL {
            let (x, _) = numbers::<f32>(37);
            let (mut y, mut z) = (x.clone(), x.clone());
            unary(*op, &x, &mut y);
            unary_in_place(*op, &mut z);
            assert_eq!(bits(&y), bits(&z), "{op:?}");
        }
    }

    #[test]
    fn axpy_and_scale() {
        for n in [0, 1, 16, 35] {
            let (x, y) = numbers::<f64>(n);
            let got = same_on_all_levels("axpy", || {
                let mut y = y.clone();
                axpy(0.3, &x, &mut y);
                scale(2.0, &mut y);
                bits(&y)
            });
            let want: Vec<f64> = x.iter().zip(&y).map(|(x, y)| 0.3f64.mul_add(*x, *y) * 2.0).collect();
            assert_eq!(got, bits(&want));
        }
    }
}
