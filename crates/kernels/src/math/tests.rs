//! Errors in units in the last place, special values, and the same bits on all levels.

use crate::Real;
use crate::elementwise::{Unary, unary};
use crate::level::testing::same_on_all_levels;

/// Distance in ulps of `expected`'s binade (as a number of T).
fn ulps<T: Real>(got: T, expected: f64) -> f64 {
    if T::from_f64(expected).to_bits64() == got.to_bits64() || (got.is_nan() && expected.is_nan()) {
        return 0.0;
    }
    let exponent = if expected == 0.0 { -1100 } else { libm::ilogb(expected) };
    let lowest = if T::MANTISSA_BITS == 23 { -126 } else { -1022 };
    let ulp = libm::scalbn(1.0, exponent.max(lowest) - T::MANTISSA_BITS as i32);
    ((got.to_f64() - expected) / ulp).abs()
}

fn gelu_reference(x: f64) -> f64 {
    0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

type Case = (Unary, fn(f64) -> f64, f64, f64, f64, f64);

/// Function, reference, range, largest ulps of f32 and of f64.
const CASES: &[Case] = &[
    (Unary::Exp, libm::exp, -87.0, 88.7, 1.1, 2.0),
    (Unary::Expm1, libm::expm1, -15.0, 88.0, 2.0, 2.5),
    (Unary::Log, libm::log, 1e-30, 20.0, 1.0, 2.0),
    (Unary::Log1p, libm::log1p, -0.999, 20.0, 2.0, 2.5),
    (Unary::Tanh, libm::tanh, -10.0, 10.0, 2.5, 3.0),
    (Unary::Sigmoid, |x| 1.0 / (1.0 + libm::exp(-x)), -80.0, 30.0, 2.5, 3.0),
    (Unary::Erf, libm::erf, -4.0, 4.0, 2.0, 2.0),
    (Unary::Gelu, gelu_reference, -12.0, 12.0, 5.0, f64::INFINITY),
    (
        Unary::Softplus,
        |x| {
            if x > 0.0 {
                x + libm::log1p(libm::exp(-x))
            } else {
                libm::log1p(libm::exp(x))
            }
        },
        -80.0,
        30.0,
        3.0,
        4.0,
    ),
];

fn arguments<T: Real>(low: f64, high: f64, count: usize) -> Vec<T> {
    let mut x: Vec<T> = (0..count)
        .map(|i| T::from_f64(low + (high - low) * i as f64 / count as f64))
        .collect();
    // And close to 0, on both sides where the range has them.
    for i in 0..count / 2 {
        let small = libm::exp2(-30.0 * i as f64 / (count / 2) as f64);
        x.extend([small, -small].into_iter().filter(|s| (low..high).contains(s)).map(T::from_f64));
    }
    x
}

fn worst<T: Real>((op, reference, low, high, ..): &Case, count: usize) -> (f64, f64) {
    let x = arguments::<T>(*low, *high, count);
    let mut y = vec![T::ZERO; x.len()];
    unary(*op, &x, &mut y);
    let mut worst = (0.0, 0.0);
    for (x, y) in x.iter().zip(&y) {
        let error = ulps(*y, reference(x.to_f64()));
        if error > worst.0 {
            worst = (error, x.to_f64());
        }
    }
    worst
}

#[test]
fn errors_stay_below_the_stated_ulps() {
    let count = if cfg!(miri) { 100 } else { 200_000 };
    let mut failed = false;
    for case in CASES {
        let (f, d) = (worst::<f32>(case, count), worst::<f64>(case, count));
        println!("{:?}: f32 {:.2} ulp at {}, f64 {:.2} ulp at {}", case.0, f.0, f.1, d.0, d.1);
        failed |= f.0 > case.4 || d.0 > case.5;
    }
    assert!(!failed, "an error above its bound, see the list");
}

fn special<T: Real>() -> Vec<T> {
    let tiny = T::from_bits64(1);
    let mut x = vec![
        T::ZERO,
        T::ONE,
        T::INFINITY,
        T::NAN,
        tiny,
        T::MIN_POSITIVE,
        T::EPSILON,
        T::from_f64(1e30),
        T::from_f64(100.0),
        T::from_f64(0.5),
    ];
    x.extend([88.0, 89.0, 103.0, 105.0, 709.5, 745.0, 14.0, 39.0, 3.9, 5.9].map(T::from_f64));
    let negative: Vec<T> = x.iter().map(|v| -*v).collect();
    x.extend(negative);
    x
}

/// NaN in one form: its sign and payload mean nothing.
pub(crate) fn bits<T: Real>(y: &[T]) -> Vec<u64> {
    y.iter().map(|v| if v.is_nan() { u64::MAX } else { v.to_bits64() }).collect()
}

fn levels_agree<T: Real>() {
    for op in Unary::ALL {
        let mut x = special::<T>();
        x.extend(arguments::<T>(-120.0, 120.0, if cfg!(miri) { 20 } else { 5_003 }));
        let run = || {
            let mut y = vec![T::ZERO; x.len()];
            unary(*op, &x, &mut y);
            bits(&y)
        };
        same_on_all_levels(&format!("{op:?} {}", T::NAME), run);
        // Flushed too, for arguments that are no denormals: plain Rust may compare those by their bits.
        let x: Vec<T> = x
            .iter()
            .copied()
            .filter(|v| *v == T::ZERO || v.is_nan() || v.abs() >= T::MIN_POSITIVE)
            .collect();
        let _flush = crate::denormals::flush_to_zero();
        same_on_all_levels(&format!("{op:?} {} flushed", T::NAME), || {
            let mut y = vec![T::ZERO; x.len()];
            unary(*op, &x, &mut y);
            bits(&y)
        });
    }
}

#[test]
fn levels_agree_f32() {
    levels_agree::<f32>();
}

#[test]
fn levels_agree_f64() {
    levels_agree::<f64>();
}

fn of<T: Real>(op: Unary, x: f64) -> f64 {
    let mut y = [T::ZERO];
    unary(op, &[T::from_f64(x)], &mut y);
    y[0].to_f64()
}

fn special_values<T: Real>() {
    let infinity = f64::INFINITY;
    let table: &[(Unary, &[(f64, f64)])] = &[
        (Unary::Exp, &[(-infinity, 0.0), (infinity, infinity), (0.0, 1.0), (-0.0, 1.0)]),
        (Unary::Expm1, &[(-infinity, -1.0), (infinity, infinity), (0.0, 0.0)]),
        (
            Unary::Log,
            &[
                (0.0, -infinity),
                (-0.0, -infinity),
                (1.0, 0.0),
                (infinity, infinity),
                (-1.0, f64::NAN),
                (-infinity, f64::NAN),
            ],
        ),
        (
            Unary::Log1p,
            &[(0.0, 0.0), (-1.0, -infinity), (infinity, infinity), (-2.0, f64::NAN)],
        ),
        (
            Unary::Tanh,
            &[(0.0, 0.0), (-0.0, -0.0), (infinity, 1.0), (-infinity, -1.0), (100.0, 1.0)],
        ),
        (Unary::Sigmoid, &[(0.0, 0.5), (infinity, 1.0), (-infinity, 0.0)]),
        (Unary::Erf, &[(0.0, 0.0), (-0.0, -0.0), (infinity, 1.0), (-infinity, -1.0)]),
        (Unary::Gelu, &[(0.0, 0.0), (infinity, infinity), (-infinity, -0.0), (100.0, 100.0)]),
        (Unary::Softplus, &[(infinity, infinity), (-infinity, 0.0), (200.0, 200.0)]),
        (Unary::Sign, &[(3.0, 1.0), (-3.0, -1.0), (0.0, 0.0), (infinity, 1.0)]),
        (Unary::Relu, &[(3.0, 3.0), (-3.0, 0.0), (infinity, infinity), (-infinity, 0.0)]),
        (Unary::Step, &[(3.0, 1.0), (0.0, 0.0), (-3.0, 0.0)]),
        (Unary::Not, &[(3.0, 0.0), (0.0, 1.0), (-0.0, 1.0)]),
        (Unary::Floor, &[(1.5, 1.0), (-1.5, -2.0), (3.0, 3.0)]),
        (Unary::Rsqrt, &[(4.0, 0.5), (0.0, infinity)]),
    ];
    for (op, values) in table {
        for (x, expected) in *values {
            let got = of::<T>(*op, *x);
            assert!(
                got == *expected || (got.is_nan() && expected.is_nan()),
                "{op:?}({x}) = {got}, expected {expected}"
            );
            assert_eq!(
                got.is_sign_negative() && !got.is_nan(),
                expected.is_sign_negative(),
                "{op:?}({x}): sign of {got}"
            );
        }
        if !matches!(op, Unary::Step | Unary::Not) {
            assert!(of::<T>(*op, f64::NAN).is_nan(), "{op:?}(NaN)");
        }
    }
}

#[test]
fn special_values_are_in_their_places() {
    special_values::<f32>();
    special_values::<f64>();
}

/// 40 digits of mpmath 1.3, rounded.
#[test]
fn gelu_f64_against_mpmath() {
    for (x, expected) in [
        (-36.5, -2.0238248852723182e-290),
        (-20.25, -3.596804726522879e-90),
        (-10.125, -2.1666423446411244e-23),
        (-5.0625, -1.0474162280521018e-06),
        (-1.0, -0.15865525393145705),
        (-0.61, -0.16526785130763347),
        (-0.59, -0.1637812416045443),
        (0.3, 0.1853734266566858),
        (2.5, 2.4844758366855597),
    ] {
        let mut y = [0.0];
        unary(Unary::Gelu, &[x], &mut y);
        assert!(ulps(y[0], expected) <= 5.0, "gelu({x}) = {}: {} ulp", y[0], ulps(y[0], expected));
    }
}

#[test]
fn gelu_slope_is_the_derivative() {
    use crate::elementwise::{Binary, Operand, binary};
    let x = arguments::<f64>(-30.0, 30.0, 500);
    let mut y = vec![0.0; x.len()];
    binary(Binary::GeluGradient, Operand::Slice(&x), Operand::Scalar(1.0), &mut y);
    for (x, y) in x.iter().zip(&y) {
        let density = libm::exp(-0.5 * x * x) / libm::sqrt(std::f64::consts::TAU);
        let slope = 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * density;
        assert!((slope - y).abs() < 1e-15 * 8.0, "{x}: {y} against {slope}");
    }
}

#[test]
fn sine_and_cosine_of_turns() {
    use crate::simd::{self, Kernel, Lanes};
    struct Turns([f64; 16]);
    impl Kernel<f64> for Turns {
        type Output = ([f64; 16], [f64; 16]);
        #[inline(always)]
        fn run<L: Lanes<f64>>(self) -> Self::Output {
            let (s, c) = super::sine_cosine_of_turns::<f64, L>(L::load(&self.0));
            (s.to_array(), c.to_array())
        }
    }
    for i in 0..64 {
        let v: [f64; 16] = std::array::from_fn(|j| (i * 16 + j) as f64 / 1023.0);
        let (s, c) = simd::dispatch(Turns(v));
        for j in 0..16 {
            let (sine, cosine) = libm::sincos(v[j] * std::f64::consts::TAU);
            assert!(
                (s[j] - sine).abs() < 1e-15 && (c[j] - cosine).abs() < 1e-15,
                "{}: {} {}",
                v[j],
                s[j],
                c[j]
            );
        }
    }
}
