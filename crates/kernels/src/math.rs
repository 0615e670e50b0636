//! exp, ln, tanh, erf and their kin on 16 lanes: polynomials by FMA, the same bits on every level.
//!
//! Ranges are reduced as in Sun's fdlibm (1993); the polynomials are our own minimax fits (Remez, errors stated in `coefficients.rs`).
//! Largest errors seen, in units in the last place, over 400,000 arguments against libm in f64; the tests hold them (for f64 the reference
//! is itself up to 1 ulp off, and GELU is compared with nine values of 40 digits):
//!
//! | | exp | expm1 | log | log1p | tanh | sigmoid | erf | gelu | softplus |
//! |---|---|---|---|---|---|---|---|---|---|
//! | f32 | 1.0 | 1.4 | 0.8 | 0.8 | 2.3 | 2.0 | 1.9 | 4.9 (in the negative tail) | 1.5 |
//! | f64 | 1 | 2 | 1 | 1 | 3 | 3 | 1 | 5 | 2 |

use crate::Real;
use crate::simd::Lanes;

mod coefficients;

pub use coefficients::Math;

/// c₀ + c₁x + c₂x² + … by Horner's rule, one FMA a coefficient.
#[inline(always)]
fn horner<T: Real, L: Lanes<T>, const N: usize>(x: L, c: &[T; N]) -> L {
    let mut p = L::splat(c[N - 1]);
    let mut i = N - 1;
    while i > 0 {
        i -= 1;
        p = p.mul_add(x, L::splat(c[i]));
    }
    p
}

/// x = n·ln 2 + r with |r| ≤ ln 2 / 2: (n, r).
#[inline(always)]
fn reduce<T: Real, L: Lanes<T>>(x: L) -> (L, L) {
    let n = x.mul(L::splat(T::LOG2_E)).round();
    let r = n.mul_add(L::splat(-T::LN_2_HIGH), x);
    (n, n.mul_add(L::splat(-T::LN_2_LOW), r))
}

/// eˣ. 0 below the smallest denormal, +∞ above the largest number.
#[inline(always)]
pub fn exp<T: Real, L: Lanes<T>>(x: L) -> L {
    // The bounds come first: `max` and `min` give their second operand when one is NaN.
    let (n, r) = reduce::<T, L>(L::splat(T::EXP_HIGHEST).min(L::splat(T::EXP_LOWEST).max(x)));
    exp_reduced::<T, L>(n, r)
}

/// 2ⁿ·eʳ
#[inline(always)]
fn exp_reduced<T: Real, L: Lanes<T>>(n: L, r: L) -> L {
    let q = T::exp_tail::<L>(r);
    r.mul(r).mul_add(q, r).add(L::splat(T::ONE)).scale(n)
}

/// eʳ − 1 of a reduced argument.
#[inline(always)]
fn expm1_reduced<T: Real, L: Lanes<T>>(r: L) -> L {
    r.mul(r).mul_add(T::expm1_tail::<L>(r), r)
}

/// eˣ − 1 = 2·(2ⁿ⁻¹(eʳ − 1) + 2ⁿ⁻¹ − ½): halves, so that n = 128 does not overflow too early.
#[inline(always)]
pub fn expm1<T: Real, L: Lanes<T>>(x: L) -> L {
    let (n, r) = reduce::<T, L>(L::splat(T::EXP_HIGHEST).min(L::splat(T::EXPM1_LOWEST).max(x)));
    let power = L::splat(T::ONE).scale(n.sub(L::splat(T::ONE)));
    let half = power.mul_add(expm1_reduced::<T, L>(r), power.sub(L::splat(T::from_f64(0.5))));
    half.add(half)
}

/// tanh x = t/(t + 2) with t = e²ˣ − 1, on |x|.
#[inline(always)]
pub fn tanh<T: Real, L: Lanes<T>>(x: L) -> L {
    let a = L::splat(T::TANH_ONE).min(x.abs());
    let (n, r) = reduce::<T, L>(a.add(a));
    let power = L::splat(T::ONE).scale(n);
    let t = power.mul_add(expm1_reduced::<T, L>(r), power.sub(L::splat(T::ONE)));
    t.div(t.add(L::splat(T::from_f64(2.0)))).abs().with_sign(x)
}

/// 1/(1 + e⁻ˣ): with e = e^−|x|, 1/(1 + e) for x ≥ 0 and e/(1 + e) below, exact far out on both sides.
#[inline(always)]
pub fn sigmoid<T: Real, L: Lanes<T>>(x: L) -> L {
    let one = L::splat(T::ONE);
    let a = L::splat(-T::EXP_LOWEST).min(x.abs());
    let (n, r) = reduce::<T, L>(a.neg());
    let e = exp_reduced::<T, L>(n, r);
    L::select(x.less(L::zero()), e, one).div(one.add(e))
}

/// ln(x + c·x/u) of fdlibm's form, where `correction` is a small addend to the logarithm; x positive and finite.
#[inline(always)]
fn log_positive<T: Real, L: Lanes<T>>(x: L, correction: L) -> L {
    let one = L::splat(T::ONE);
    let half = L::splat(T::from_f64(0.5));
    // Denormals are lifted into the normal range first.
    let tiny = x.less(L::splat(T::MIN_POSITIVE));
    let x = L::select(tiny, x.mul(L::splat(T::TWO_TO_MANTISSA)), x);
    // The biased exponent as a number: its bits as the mantissa of 2^mantissa.
    let two = L::splat(T::TWO_TO_MANTISSA);
    let k = x
        .shift_right_mantissa()
        .or(two)
        .sub(L::splat(T::TWO_TO_MANTISSA + T::EXPONENT_BIAS));
    let k = L::select(tiny, k.sub(L::splat(T::MANTISSA)), k);
    let m = x.and(L::splat(T::from_bits64((1 << T::MANTISSA_BITS) - 1))).or(one);
    let large = L::splat(T::SQRT_2).less(m);
    let m = L::select(large, m.mul(half), m);
    let k = L::select(large, k.add(one), k);
    // ln(1 + f) = f − (f²/2 − s·(f²/2 + R)), s = f/(2 + f), R = s²·L(s²).
    let f = m.sub(one);
    let s = f.div(f.add(L::splat(T::from_f64(2.0))));
    let z = s.mul(s);
    let r = z.mul(T::log_tail::<L>(z));
    let square = half.mul(f).mul(f);
    let low = s.mul_add(square.add(r), k.mul_add(L::splat(T::LOG_LN_2_LOW), correction));
    k.mul_add(L::splat(T::LOG_LN_2_HIGH), f.sub(square.sub(low)))
}

/// ln x; −∞ at 0, NaN below.
#[inline(always)]
pub fn log<T: Real, L: Lanes<T>>(x: L) -> L {
    log_special::<T, L>(x, log_positive::<T, L>(x, L::zero()))
}

/// Puts the values of 0, ∞, negative numbers and NaN in their places.
#[inline(always)]
fn log_special<T: Real, L: Lanes<T>>(x: L, log: L) -> L {
    let infinity = L::splat(T::INFINITY);
    let log = L::select(L::zero().less(x), log, L::splat(T::NAN));
    let log = L::select(x.equal(L::zero()), infinity.neg(), log);
    L::select(x.equal(infinity), infinity, log)
}

/// ln(1 + x) = ln u + c/u with u = fl(1 + x) and c = 1 + x − u exactly (Knuth's two-sum).
#[inline(always)]
pub fn log1p<T: Real, L: Lanes<T>>(x: L) -> L {
    let one = L::splat(T::ONE);
    let u = one.add(x);
    let rest = u.sub(one);
    let c = one.sub(u.sub(rest)).add(x.sub(rest)).div(u);
    let log = log_special::<T, L>(u, log_positive::<T, L>(u, c));
    // Where u = 1 the logarithm is c itself, which keeps −0 and denormals.
    L::select(u.equal(one), x, log)
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)
#[inline(always)]
pub fn softplus<T: Real, L: Lanes<T>>(x: L) -> L {
    let one = L::splat(T::ONE);
    let e = exp::<T, L>(x.abs().neg());
    // e is in [0, 1], so 1 + e loses nothing that (1 − u) + e does not bring back.
    let u = one.add(e);
    let c = one.sub(u).add(e).div(u);
    L::select(u.equal(one), e, log_positive::<T, L>(u, c)).add(L::zero().max(x))
}

/// ½·erfc(y/√2)/exp(−y²/2) for y ≥ 0: t·P(1 − 2t) with t = 1/(1 + y/κ), which maps [0, ∞) onto (0, 1].
#[inline(always)]
fn scaled_tail<T: Real, L: Lanes<T>>(y: L) -> L {
    let one = L::splat(T::ONE);
    let t = one.div(y.mul_add(L::splat(T::TAIL_SCALE), one));
    t.mul(T::tail::<L>(t.mul_add(L::splat(T::from_f64(-2.0)), one)))
}

/// exp(−factor·a²) with the rounding of a² made good, for a up to the square root of the range of exp.
#[inline(always)]
fn exp_of_square<T: Real, L: Lanes<T>>(a: L, factor: T) -> L {
    let factor = L::splat(-factor);
    let square = a.mul(a);
    let rest = a.mul_add(a, square.neg());
    let (n, r) = reduce::<T, L>(square.mul(factor));
    exp_reduced::<T, L>(n, rest.mul_add(factor, r))
}

/// erf x: an odd polynomial on [−1, 1], 1 − 2·tail outside.
#[inline(always)]
pub fn erf<T: Real, L: Lanes<T>>(x: L) -> L {
    let a = L::splat(T::ERF_ONE).min(x.abs());
    let near = a.mul_add(T::erf_near::<L>(a.mul(a)), a);
    let e = exp_of_square::<T, L>(a, T::ONE);
    let tail = scaled_tail::<T, L>(a.mul(L::splat(T::SQRT_2))).mul(e);
    let far = tail.mul_add(L::splat(T::from_f64(-2.0)), L::splat(T::ONE));
    L::select(a.less_equal(L::splat(T::ONE)), near, far).with_sign(x)
}

/// exp(−x²/2), Φ(x), and |x| cut where Φ(−|x|) is 0. Near 0, Φ = ½ + x·polynomial; far out, the tail or one minus it.
#[inline(always)]
fn normal<T: Real, L: Lanes<T>>(x: L) -> (L, L, L) {
    let a = L::splat(T::NORMAL_HIGHEST).min(x.abs());
    let e = exp_of_square::<T, L>(a, T::from_f64(0.5));
    let tail = e.mul(scaled_tail::<T, L>(a));
    let far = L::select(x.less(L::zero()), tail, L::splat(T::ONE).sub(tail));
    let near = x.mul_add(T::normal_near::<L>(x.mul(x)), L::splat(T::from_f64(0.5)));
    (e, L::select(a.less(L::splat(T::from_f64(0.6))), near, far), a)
}

/// x·Φ(x), Φ(x) = (1 + erf(x/√2))/2; small for large negative x without cancellation.
#[inline(always)]
pub fn gelu<T: Real, L: Lanes<T>>(x: L) -> L {
    let (_, phi, a) = normal::<T, L>(x);
    // The cut |x| below 0, so that −∞ gives −0 rather than ∞·0.
    L::select(x.less(L::zero()), a.neg(), x).mul(phi)
}

/// The derivative of [`gelu`]: Φ(x) + x·φ(x), φ(x) = exp(−x²/2)/√(2π).
#[inline(always)]
pub fn gelu_slope<T: Real, L: Lanes<T>>(x: L) -> L {
    let (e, phi, a) = normal::<T, L>(x);
    a.with_sign(x).mul(L::splat(T::from_f64(0.398_942_280_401_432_7))).mul_add(e, phi)
}

/// sin 2πv and cos 2πv for v in [0, 1].
#[inline(always)]
pub fn sine_cosine_of_turns<T: Real, L: Lanes<T>>(v: L) -> (L, L) {
    let one = L::splat(T::ONE);
    let q = v.mul(L::splat(T::from_f64(4.0))).round();
    let r = q.mul_add(L::splat(T::from_f64(-0.25)), v);
    let z = r.mul(r);
    let sine = r.mul(T::sine::<L>(z));
    let cosine = T::cosine::<L>(z);
    // Quarters 0 … 4: odd ones swap; the sine is negative in 2 and 3, the cosine in 1 and 2.
    let half = L::splat(T::from_f64(0.5));
    let odd = q.sub(q.mul(half).floor().mul(L::splat(T::from_f64(2.0)))).equal(one);
    let (s, c) = (L::select(odd, cosine, sine), L::select(odd, sine, cosine));
    let from_centre = |centre: f64| q.sub(L::splat(T::from_f64(centre))).abs().less(one);
    (L::select(from_centre(2.5), s.neg(), s), L::select(from_centre(1.5), c.neg(), c))
}

#[cfg(test)]
pub(crate) mod tests;
