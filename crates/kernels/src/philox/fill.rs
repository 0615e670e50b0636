//! Whole slices of random numbers, eight blocks at a time.
//!
//! f32: one word an element, element i is word i%4 of block i/4 (24 bits). f64: two words, element i is half i%2 of block i/2 (53 bits).
//! Normal: Box–Muller on pairs of elements, see [`fill_normal`].

use super::Stream;
use crate::simd::{self, Kernel, Lanes};
use crate::{PANEL, Real, math};

/// out[i] ← element `first + i`, uniform in [0, 1).
pub fn fill_uniform<T: Real>(stream: Stream, first: u64, out: &mut [T]) {
    simd::dispatch(Fill { stream, first, out, what: What::Uniform })
}

/// out[i] ← element `first + i`, standard normal.
///
/// Box & Muller 1958: √(−2 ln u)·cos 2πv for the even and ·sin 2πv for the odd element of a pair; u in (0, 1].
pub fn fill_normal<T: Real>(stream: Stream, first: u64, out: &mut [T]) {
    simd::dispatch(Fill { stream, first, out, what: What::Normal })
}

/// out[i] ← 0 with probability `rate`, else 1/(1 − rate): the mask of inverted dropout for elements `first ..`; rate in [0, 1).
pub fn dropout_mask<T: Real>(stream: Stream, first: u64, rate: f64, out: &mut [T]) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
    simd::dispatch(Fill { stream, first, out, what: What::Mask { rate: T::from_f64(rate), kept: T::from_f64(1.0 / (1.0 - rate)) } })
}

#[derive(Clone, Copy)]
enum What<T> {
    Uniform,
    Normal,
    Mask { rate: T, kept: T },
}

struct Fill<'a, T> {
    stream: Stream,
    first: u64,
    out: &'a mut [T],
    what: What<T>,
}

/// Elements made together: eight blocks of f32, sixteen of f64.
const GROUP: usize = 2 * PANEL;

impl<T: Real> Kernel<T> for Fill<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let mut element = self.first;
        let mut out = self.out;
        while !out.is_empty() {
            // Groups start at multiples of 32, whatever the first element is.
            let skip = (element % GROUP as u64) as usize;
            let take = (GROUP - skip).min(out.len());
            let (now, later) = out.split_at_mut(take);
            let mut group = [T::ZERO; GROUP];
            uniforms(&self.stream, element - skip as u64, &mut group);
            match self.what {
                What::Uniform => {}
                What::Normal => normals::<T, L>(&mut group),
                What::Mask { rate, kept } => {
                    for x in &mut group {
                        *x = if *x < rate { T::ZERO } else { kept };
                    }
                }
            }
            now.copy_from_slice(&group[skip..skip + take]);
            element += take as u64;
            out = later;
        }
    }
}

/// 32 uniform numbers from element `first`, a multiple of 32.
#[inline(always)]
fn uniforms<T: Real>(stream: &Stream, first: u64, out: &mut [T; GROUP]) {
    // Words by lane of blocks: plain loops over eight counters, which the compiler turns into vectors.
    if size_of::<T>() == 4 {
        let words = blocks8(stream, first / 4);
        for (i, x) in out.iter_mut().enumerate() {
            *x = T::from_f64(f64::from(words[i % 4][i / 4] >> 8) * (1.0 / (1u64 << 24) as f64));
        }
    } else {
        for half in 0..2 {
            let words = blocks8(stream, first / 2 + half as u64 * 8);
            for i in 0..PANEL {
                let w = i % 2 * 2;
                let bits = u64::from(words[w][i / 2]) | u64::from(words[w + 1][i / 2]) << 32;
                out[half * PANEL + i] = T::from_f64((bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64));
            }
        }
    }
}

/// Word w of blocks `first .. first + 8`, as `[w][block]`; `first` is a multiple of 8, so only the low counter word differs.
#[inline(always)]
fn blocks8(stream: &Stream, first: u64) -> [[u32; 8]; 4] {
    let mut words = [[0; 8]; 4];
    for i in 0..8 {
        let block = stream.block(first + i as u64);
        for w in 0..4 {
            words[w][i] = block[w];
        }
    }
    words
}

/// Uniform to normal: neighbours (2i, 2i+1) are a pair.
#[inline(always)]
fn normals<T: Real, L: Lanes<T>>(group: &mut [T; GROUP]) {
    let (mut u, mut v) = ([T::ZERO; PANEL], [T::ZERO; PANEL]);
    for i in 0..PANEL {
        u[i] = T::ONE - group[2 * i];
        v[i] = group[2 * i + 1];
    }
    let radius = math::log::<T, L>(L::load(&u)).mul(L::splat(T::from_f64(-2.0))).sqrt();
    let (sine, cosine) = math::sine_cosine_of_turns::<T, L>(L::load(&v));
    let (even, odd) = (radius.mul(cosine).to_array(), radius.mul(sine).to_array());
    for i in 0..PANEL {
        group[2 * i] = even[i];
        group[2 * i + 1] = odd[i];
    }
}
