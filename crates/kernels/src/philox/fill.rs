//! Whole slices of random numbers, eight blocks at a time.
//!
//! f32: one word an element, element i is word i%4 of block i/4 (24 bits). f64: two words, element i is half i%2 of block i/2 (53 bits).
//! Normal: Box–Muller on pairs of elements, see [`fill_normal`].

use super::Stream;
use crate::simd::{self, Kernel, Lanes};
use crate::{PANEL, Real, math};

/// out[i] ← element `first + i`, uniform in [0, 1).
pub fn fill_uniform<T: Real>(stream: Stream, first: u64, out: &mut [T]) {
    T::run_fill(Fill {
        stream,
        first,
        out,
        what: What::Uniform,
    })
}

/// out[i] ← element `first + i`, standard normal.
///
/// Box & Muller 1958: √(−2 ln u)·cos 2πv for the even and ·sin 2πv for the odd element of a pair; u in (0, 1].
pub fn fill_normal<T: Real>(stream: Stream, first: u64, out: &mut [T]) {
    T::run_fill(Fill {
        stream,
        first,
        out,
        what: What::Normal,
    })
}

/// out[i] ← 0 with probability `rate`, else 1/(1 − rate): the mask of inverted dropout for elements `first ..`; rate in [0, 1).
pub fn dropout_mask<T: Real>(stream: Stream, first: u64, rate: f64, out: &mut [T]) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in [0, 1)");
    T::run_fill(Fill {
        stream,
        first,
        out,
        what: What::Mask {
            rate: T::from_f64(rate),
            kept: T::from_f64(1.0 / (1.0 - rate)),
        },
    })
}

/// The words of the blocks from `first` on, one block after the other.
pub(super) fn words<const N: usize>(stream: &Stream, first: u64, out: &mut [u32; N]) {
    simd::dispatch::<f32, _>(Blocks {
        stream,
        first,
        out: out.as_chunks_mut::<4>().0,
    });
}

struct Blocks<'a> {
    stream: &'a Stream,
    first: u64,
    out: &'a mut [[u32; 4]],
}

impl Kernel<f32> for Blocks<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<f32>>(self) {
        for (at, eight) in self.out.chunks_mut(8).enumerate() {
            let words = blocks8(self.stream, self.first + 8 * at as u64);
            for (i, block) in eight.iter_mut().enumerate() {
                *block = [words[0][i], words[1][i], words[2][i], words[3][i]];
            }
        }
    }
}

#[derive(Clone, Copy)]
enum What<T> {
    Uniform,
    Normal,
    Mask { rate: T, kept: T },
}

pub(crate) struct Fill<'a, T> {
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

/// Word w of blocks `first .. first + 8`, as `[w][block]`. (Written round by round over arrays of eight it was half as fast.)
#[inline(always)]
fn blocks8(stream: &Stream, first: u64) -> [[u32; 8]; 4] {
    let mut words = [[0; 8]; 4];
    for i in 0..8 {
        let block = stream.block(first + i as u64);
        for (word, value) in words.iter_mut().zip(block) {
            word[i] = value;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::level::testing::same_on_all_levels;
    use crate::math::tests::bits;

    fn moments<T: Real>(x: &[T]) -> [f64; 4] {
        let n = x.len() as f64;
        let power = |p: i32| x.iter().map(|v| v.to_f64().powi(p)).sum::<f64>() / n;
        [power(1), power(2), power(3), power(4)]
    }

    fn an_element_depends_on_its_index_only<T: Real>() {
        let stream = Stream::new(1, 2, 3);
        let fills: [fn(Stream, u64, &mut [T]); 3] = [
            |s, f, o| fill_uniform(s, f, o),
            |s, f, o| fill_normal(s, f, o),
            |s, f, o| dropout_mask(s, f, 0.3, o),
        ];
        for fill in fills {
            let mut whole = vec![T::ZERO; 150];
            fill(stream, 0, &mut whole);
            for (first, len) in [(0, 1), (1, 1), (5, 40), (31, 2), (32, 64), (33, 117), (149, 1)] {
                let part = same_on_all_levels("fill", || {
                    let mut part = vec![T::ZERO; len];
                    fill(stream, first, &mut part);
                    bits(&part)
                });
                assert_eq!(part, bits(&whole[first as usize..][..len]));
            }
            // Far out, where the block's index needs its high word.
            let mut far = vec![T::ZERO; 70];
            fill(stream, (1 << 35) - 30, &mut far);
            let mut one = [T::ZERO];
            fill(stream, (1 << 35) + 20, &mut one);
            assert_eq!(far[50], one[0]);
        }
    }

    #[test]
    fn an_element_depends_on_its_index_only_f32() {
        an_element_depends_on_its_index_only::<f32>();
    }

    #[test]
    fn an_element_depends_on_its_index_only_f64() {
        an_element_depends_on_its_index_only::<f64>();
    }

    #[test]
    fn words_are_philox_words() {
        let stream = Stream::new(7, 8, 9);
        let mut x = [0.0f32; 40];
        fill_uniform(stream, 0, &mut x);
        assert_eq!(x[37], (stream.block(9)[1] >> 8) as f32 / (1 << 24) as f32);
        let mut x = [0.0f64; 40];
        fill_uniform(stream, 0, &mut x);
        assert_eq!(x[37], stream.uniform(37));
    }

    /// Means of powers within 5 standard errors.
    #[test]
    fn distributions() {
        let n = if cfg!(miri) { 1000 } else { 1_000_000 };
        let bound = |variance: f64| 5.0 * (variance / n as f64).sqrt();
        let mut x = vec![0.0f32; n];
        fill_uniform(Stream::new(1, 1, 0), 0, &mut x);
        assert!(x.iter().all(|v| (0.0..1.0).contains(v)));
        let m = moments(&x);
        assert!(
            (m[0] - 0.5).abs() < bound(1.0 / 12.0) && (m[1] - 1.0 / 3.0).abs() < bound(4.0 / 45.0),
            "{m:?}"
        );
        fill_normal(Stream::new(1, 2, 0), 0, &mut x);
        let m = moments(&x);
        assert!(m[0].abs() < bound(1.0) && (m[1] - 1.0).abs() < bound(2.0), "{m:?}");
        assert!(m[2].abs() < bound(15.0) && (m[3] - 3.0).abs() < bound(96.0), "{m:?}");
        let pairs: f64 = x.as_chunks::<2>().0.iter().map(|[a, b]| f64::from(a * b)).sum::<f64>() / (n / 2) as f64;
        assert!(pairs.abs() < bound(2.0), "the two of a pair are uncorrelated: {pairs}");
        dropout_mask(Stream::new(1, 3, 0), 0, 0.2, &mut x);
        let kept = x.iter().filter(|v| **v != 0.0).count() as f64 / n as f64;
        assert!(
            (kept - 0.8).abs() < bound(0.16) && x.iter().all(|v| *v == 0.0 || *v == 1.25),
            "{kept}"
        );
    }
}
