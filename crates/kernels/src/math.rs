//! stub
use crate::Real;
use crate::simd::Lanes;

#[doc(hidden)]
pub trait Math {}
impl Math for f32 {}
impl Math for f64 {}

macro_rules! stub { ($($n:ident $f:expr),*) => { $(
    /// stub
    #[inline(always)]
    pub fn $n<T: Real, L: Lanes<T>>(x: L) -> L {
        let mut a = x.to_array();
        for v in &mut a { let f: fn(f64) -> f64 = $f; *v = T::from_f64(f(v.to_f64())); }
        L::load(&a)
    })* } }
stub!(exp libm::exp, log libm::log, tanh libm::tanh, sigmoid |x| 1.0 / (1.0 + libm::exp(-x)), erf libm::erf, expm1 libm::expm1, log1p libm::log1p,
  softplus |x| x.max(0.0) + libm::log1p(libm::exp(-x.abs())), gelu |x| 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
  gelu_slope |x| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2) + x * libm::exp(-0.5 * x * x) * 0.3989422804014327);
/// stub
#[inline(always)]
pub fn sine_cosine_of_turns<T: Real, L: Lanes<T>>(x: L) -> (L, L) {
    let a = x.to_array();
    let (mut s, mut c) = (a, a);
    for v in &mut s { *v = T::from_f64(libm::sin(v.to_f64() * std::f64::consts::TAU)); }
    for v in &mut c { *v = T::from_f64(libm::cos(v.to_f64() * std::f64::consts::TAU)); }
    (L::load(&s), L::load(&c))
}
