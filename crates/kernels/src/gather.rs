//! Rows of a data set into a batch, with an affine preparation on the way.

use crate::simd::{self, Kernel, Lanes};
use crate::{PANEL, Real};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for u8 {}
}

/// What a data set stores: f32, f64 or u8.
pub trait Stored: Copy + Send + Sync + 'static + sealed::Sealed {
    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounded once where needed.
    fn to_real<T: Real>(self) -> T;
}

macro_rules! stored {
    ($($t:ty)*) => { $(
        impl Stored for $t {
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self.into()
            }
            #[inline(always)]
            fn to_real<T: Real>(self) -> T {
                T::from_f64(self.into())
            }
        }
    )* };
}
stored!(f32 f64 u8);

/// out[b, j] = (src[rows[b], j] − shift[j])·factor[j], computed in f64 and rounded once; without `scale` the number itself.
///
/// `src` is row-major with `width` columns, `out` is `[rows.len(), width]`.
///
/// # Panics
/// If a row lies outside of `src` or a length does not fit.
pub fn gather_rows<S: Stored, T: Real>(src: &[S], width: usize, rows: &[u32], scale: Option<(&[f64], &[f64])>, out: &mut [T]) {
    assert_eq!(out.len(), rows.len() * width, "gather: out is not [{}, {width}]", rows.len());
    if width == 0 {
        return;
    }
    if let Some((shift, factor)) = scale {
        assert!(
            shift.len() == width && factor.len() == width,
            "gather: shift and factor need {width} values"
        );
    }
    // Plain loops: compiled for each level, the compiler makes vectors of them; conversions and products round the same everywhere.
    simd::dispatch::<T, _>(Gather {
        src,
        width,
        rows,
        scale,
        out,
    });
}

struct Gather<'a, S, T> {
    src: &'a [S],
    width: usize,
    rows: &'a [u32],
    scale: Option<(&'a [f64], &'a [f64])>,
    out: &'a mut [T],
}

impl<S: Stored, T: Real> Kernel<T> for Gather<'_, S, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        let Gather {
            src,
            width,
            rows,
            scale,
            out,
        } = self;
        for (row, out) in rows.iter().zip(out.chunks_exact_mut(width)) {
            let from = &src[*row as usize * width..][..width];
            match (scale, width >= PANEL) {
                (None, true) => pieces(width, |at| {
                    let (x, mut y) = (read(from, at), [T::ZERO; PANEL]);
                    for i in 0..PANEL {
                        y[i] = x[i].to_real();
                    }
                    write(out, at, y);
                }),
                (None, false) => from.iter().zip(out).for_each(|(x, out)| *out = x.to_real()),
                (Some((shift, factor)), true) => pieces(width, |at| {
                    let (x, shift, factor) = (read(from, at), read(shift, at), read(factor, at));
                    let mut y = [T::ZERO; PANEL];
                    for i in 0..PANEL {
                        y[i] = T::from_f64((x[i].to_f64() - shift[i]) * factor[i]);
                    }
                    write(out, at, y);
                }),
                (Some((shift, factor)), false) => {
                    for (((x, out), shift), factor) in from.iter().zip(out).zip(shift).zip(factor) {
                        *out = T::from_f64((x.to_f64() - shift) * factor);
                    }
                }
            }
        }
    }
}

/// Sixteen at a time, of which the compiler makes vectors where it sees that none overlap; the last sixteen once more where the width is no
/// multiple, which writes the same again.
#[inline(always)]
fn pieces(width: usize, mut each: impl FnMut(usize)) {
    for at in (0..width).step_by(PANEL) {
        each(at.min(width - PANEL));
    }
}

// By reference to an array: a copy of a slice is a call where the compiler does not inline it into the level's function.
#[inline(always)]
fn read<S: Copy>(from: &[S], at: usize) -> [S; PANEL] {
    *from[at..].first_chunk().expect("at least sixteen")
}

#[inline(always)]
fn write<T: Copy>(out: &mut [T], at: usize, values: [T; PANEL]) {
    *out[at..].first_chunk_mut().expect("at least sixteen") = values;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_and_prepares() {
        let src: Vec<u8> = (0..12).collect();
        let mut out = [0.0f32; 6];
        gather_rows(&src, 3, &[3, 0], None, &mut out);
        assert_eq!(out, [9.0, 10.0, 11.0, 0.0, 1.0, 2.0]);
        gather_rows(&src, 3, &[1, 2], Some((&[3.0, 4.0, 0.0], &[1.0, 2.0, 0.5])), &mut out);
        assert_eq!(out, [0.0, 0.0, 2.5, 3.0, 6.0, 4.0]);
        gather_rows::<f64, f64>(&[], 0, &[], None, &mut []);
    }

    #[test]
    #[should_panic(expected = "range")]
    fn a_missing_row_panics() {
        gather_rows(&[1.0f64, 2.0], 2, &[1], None, &mut [0.0f32; 2]);
    }
}
