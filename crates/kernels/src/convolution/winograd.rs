//! Convolution by 3×3 kernels with a quarter of the multiplications: F(4×4, 3×3), Winograd 1980; Lavin & Gray 2015, arXiv:1509.09308.
//!
//! Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A a tile: 6×6 pixels d of the input give 4×4 of the output. The 36 points ⊙ are 36 products over the
//! channels. For the kernel's gradient dg = Gᵀ[Σ (Bᵀ d B) ⊙ (A dY Aᵀ)]G, the sum over tiles.
//!
//! In f32 only: rounding is some ten times that of the direct way (1e-6 of the largest value), which training does not notice and a
//! gradient check would.

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::matmul::Activation;
use crate::simd::{Kernel, Lanes};
use crate::{PANEL, Real, math};

/// Products a tile.
pub const POINTS: usize = 36;
/// Pixels of the output a tile has along each axis.
pub const TILE: usize = 4;

/// Images of `channels` values a pixel, seen as tiles: tile t of an axis starts at pixel `4·t + first`, perhaps outside, where all is 0.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Tiles along each axis
    pub counts: [usize; 2],
    /// Where the first starts
    pub first: [isize; 2],
    /// Pixels along each axis
    pub sizes: [usize; 2],
    /// Values a pixel
    pub channels: usize,
}

impl Tiles {
    /// Tiles an image.
    pub fn count(&self) -> usize {
        self.counts[0] * self.counts[1]
    }

    /// Values an image.
    pub fn image(&self) -> usize {
        self.sizes[0] * self.sizes[1] * self.channels
    }

    /// Image and first pixel of a tile.
    #[inline(always)]
    fn at(&self, tile: usize) -> (usize, [isize; 2]) {
        let (rest, x) = (tile / self.counts[1], tile % self.counts[1]);
        let (image, y) = (rest / self.counts[0], rest % self.counts[0]);
        (
            image * self.image(),
            [(TILE * y) as isize + self.first[0], (TILE * x) as isize + self.first[1]],
        )
    }

    /// Whether N×N pixels from here lie inside.
    #[inline(always)]
    fn inside<const N: usize>(&self, from: [isize; 2]) -> bool {
        (0..2).all(|a| from[a] >= 0 && from[a] as usize + N <= self.sizes[a])
    }

    /// Which of N pixels from here along an axis lie inside.
    #[inline(always)]
    fn within<const N: usize>(&self, from: [isize; 2], axis: usize) -> Range<usize> {
        let low = from[axis].min(0).unsigned_abs().min(N);
        let high = (self.sizes[axis] as isize - from[axis]).clamp(0, N as isize) as usize;
        low..high
    }

    /// Where pixel (y, x) from here lies; it may be outside, and then nobody reads there.
    #[inline(always)]
    fn pixel(&self, from: [isize; 2], y: usize, x: usize) -> isize {
        ((from[0] + y as isize) * self.sizes[1] as isize + from[1] + x as isize) * self.channels as isize
    }
}

/// The transformed side of tiles: value c of point p of the i-th is at `p·point + i·row + c`; rows are padded to whole panels.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    /// From a point to the next
    pub point: usize,
    /// From a tile to the next
    pub row: usize,
}

impl Points {
    /// For so many tiles of so many channels. The points do not fall into the same lines of the cache.
    pub fn new(tiles: usize, channels: usize) -> Points {
        let row = channels.next_multiple_of(PANEL);
        let lines = tiles * row / PANEL;
        Points {
            point: (lines | 1) * PANEL,
            row,
        }
    }

    /// Elements of all.
    pub fn len(&self) -> usize {
        POINTS * self.point
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.point == 0
    }
}

/// Bᵀ d B of these tiles.
///
/// # Safety
/// `source` holds the images of the tiles; `out` has room for them and is touched by nobody else.
pub unsafe fn of_input<T: Real>(tiles: &Tiles, range: Range<usize>, source: *const T, points: Points, out: *mut T) {
    T::run_winograd_spread(Spread::<T> {
        tiles,
        range,
        source,
        points,
        out,
        input: true,
    });
}

/// A dY Aᵀ of these tiles.
///
/// # Safety
/// As [`of_input`].
pub unsafe fn of_gradient<T: Real>(tiles: &Tiles, range: Range<usize>, source: *const T, points: Points, out: *mut T) {
    T::run_winograd_spread(Spread::<T> {
        tiles,
        range,
        source,
        points,
        out,
        input: false,
    });
}

/// activation(Aᵀ M A + bias) into these tiles of the images.
///
/// # Safety
/// `from` holds the tiles' points; `out` the images, and these tiles of them are touched by nobody else.
pub unsafe fn to_output<T: Real>(
    tiles: &Tiles,
    range: Range<usize>,
    from: *const T,
    points: Points,
    bias: Option<&[T]>,
    activation: Activation,
    out: *mut T,
) {
    assert!(bias.is_none_or(|bias| bias.len() >= tiles.channels));
    T::run_winograd_collect(Collect {
        tiles,
        range,
        from,
        points,
        bias,
        activation,
        out,
    });
}

/// G g Gᵀ of `rows` rows of 16 columns: row (tap, i) lies at `(tap·rows + i)·step`; point p of row i goes to `p·point + i·16`.
///
/// # Safety
/// `taps` holds `9·rows` rows of 16; `out` has room for the points and is touched by nobody else.
pub unsafe fn of_kernel<T: Real>(taps: *const T, step: usize, rows: usize, point: usize, out: *mut T) {
    T::run_winograd_kernel(KernelPoints {
        taps,
        step,
        rows,
        point,
        out,
    });
}

/// Gᵀ U G of one row of a kernel's gradient, U the sum of `groups` matrices in order: point p of column j lies at
/// `g·group + p·point + j`; tap t of column j goes to `t·tap + j`.
///
/// # Safety
/// `from` holds the points, padded to whole panels; `out` has room for `columns` a tap, and nobody else touches them.
pub unsafe fn to_kernel<T: Real>(columns: usize, from: *const T, groups: (usize, usize), point: usize, tap: usize, out: *mut T) {
    T::run_winograd_gather(KernelGradient {
        columns,
        from,
        groups,
        point,
        tap,
        out,
    });
}

/// Writes a column of a matrix of vectors. (Clearing such a matrix first would be a call of `memset` a tile.)
///
/// # Safety
/// `x < N`.
#[inline(always)]
unsafe fn put<L: Copy, const N: usize, const M: usize>(half: &mut MaybeUninit<[[L; N]; M]>, x: usize, column: &[L; M]) {
    let start = half.as_mut_ptr().cast::<L>();
    for (y, value) in column.iter().enumerate() {
        // SAFETY: row y and column x exist.
        unsafe { start.add(y * N + x).write(*value) };
    }
}

#[inline(always)]
fn c<T: Real, L: Lanes<T>>(x: f64) -> L {
    L::splat(T::from_f64(x))
}

/// Bᵀ
#[inline(always)]
fn input<T: Real, L: Lanes<T>>(d: &[L; 6]) -> [L; 6] {
    let (two, four, minus_four, minus_five) = (c::<T, L>(2.0), c::<T, L>(4.0), c::<T, L>(-4.0), c::<T, L>(-5.0));
    let (a, b) = (minus_four.mul_add(d[2], d[4]), minus_four.mul_add(d[1], d[3]));
    let (e, f) = (d[4].sub(d[2]), d[3].sub(d[1]));
    [
        four.mul_add(d[0], minus_five.mul_add(d[2], d[4])),
        a.add(b),
        a.sub(b),
        two.mul_add(f, e),
        c::<T, L>(-2.0).mul_add(f, e),
        four.mul_add(d[1], minus_five.mul_add(d[3], d[5])),
    ]
}

/// A
#[inline(always)]
fn gradient<T: Real, L: Lanes<T>>(y: &[L; 4]) -> [L; 6] {
    let (two, four) = (c::<T, L>(2.0), c::<T, L>(4.0));
    let (a, b) = (y[0].add(y[2]), y[1].add(y[3]));
    let (e, f) = (four.mul_add(y[2], y[0]), two.mul(four.mul_add(y[3], y[1])));
    [y[0], a.add(b), a.sub(b), e.add(f), e.sub(f), y[3]]
}

/// Aᵀ
#[inline(always)]
fn output<T: Real, L: Lanes<T>>(m: &[L; 6]) -> [L; 4] {
    let (a, b) = (m[1].add(m[2]), m[1].sub(m[2]));
    let (e, f) = (m[3].add(m[4]), m[3].sub(m[4]));
    [
        m[0].add(a).add(e),
        c::<T, L>(2.0).mul_add(f, b),
        c::<T, L>(4.0).mul_add(e, a),
        c::<T, L>(8.0).mul_add(f, b).add(m[5]),
    ]
}

/// G
#[inline(always)]
fn kernel<T: Real, L: Lanes<T>>(g: &[L; 3]) -> [L; 6] {
    let outer = g[0].add(g[2]).mul(c::<T, L>(-1.0 / 6.0));
    let middle = g[1].mul(c::<T, L>(1.0 / 6.0));
    let even = c::<T, L>(1.0 / 24.0).mul_add(g[0], g[2].mul(c::<T, L>(1.0 / 6.0)));
    let odd = g[1].mul(c::<T, L>(1.0 / 12.0));
    [
        g[0].mul(c::<T, L>(0.25)),
        outer.sub(middle),
        outer.add(middle),
        even.add(odd),
        even.sub(odd),
        g[2],
    ]
}

/// Gᵀ
#[inline(always)]
fn kernel_gradient<T: Real, L: Lanes<T>>(u: &[L; 6]) -> [L; 3] {
    let (a, b) = (u[1].add(u[2]).mul(c::<T, L>(-1.0 / 6.0)), u[2].sub(u[1]));
    let (e, f) = (u[3].add(u[4]), u[3].sub(u[4]));
    [
        c::<T, L>(1.0 / 24.0).mul_add(e, c::<T, L>(0.25).mul_add(u[0], a)),
        c::<T, L>(1.0 / 12.0).mul_add(f, b.mul(c::<T, L>(1.0 / 6.0))),
        c::<T, L>(1.0 / 6.0).mul_add(e, a).add(u[5]),
    ]
}

pub(crate) struct Spread<'a, T> {
    tiles: &'a Tiles,
    range: Range<usize>,
    source: *const T,
    points: Points,
    out: *mut T,
    input: bool,
}

/// What N pixels along an axis become.
trait Side<const N: usize> {
    fn points<T: Real, L: Lanes<T>>(x: &[L; N]) -> [L; 6];
}

struct Input;
impl Side<6> for Input {
    #[inline(always)]
    fn points<T: Real, L: Lanes<T>>(x: &[L; 6]) -> [L; 6] {
        input::<T, L>(x)
    }
}

struct Gradient;
impl Side<4> for Gradient {
    #[inline(always)]
    fn points<T: Real, L: Lanes<T>>(x: &[L; 4]) -> [L; 6] {
        gradient::<T, L>(x)
    }
}

impl<T: Real> Spread<'_, T> {
    /// N×N pixels → 6×6 points, by the same rule along both axes.
    #[inline(always)]
    fn each<L: Lanes<T>, S: Side<N>, const N: usize>(&self) {
        let t = self.tiles;
        for (i, tile) in self.range.clone().enumerate() {
            let (image, from) = t.at(tile);
            let inside = t.inside::<N>(from);
            for j in (0..t.channels).step_by(PANEL) {
                let width = PANEL.min(t.channels - j);
                let source = self.source.wrapping_add(image + j);
                let (lines, pixels) = (t.within::<N>(from, 0), t.within::<N>(from, 1));
                let mut half = MaybeUninit::<[[L; N]; 6]>::uninit();
                for x in 0..N {
                    let mut column = [L::zero(); N];
                    if !pixels.contains(&x) {
                        // SAFETY: x is one of the columns.
                        unsafe { put(&mut half, x, &[L::zero(); 6]) };
                        continue;
                    }
                    if inside && width == PANEL {
                        let start = (from[0] as usize * t.sizes[1] + from[1] as usize + x) * t.channels;
                        for (y, value) in column.iter_mut().enumerate() {
                            // SAFETY: all N×N pixels are inside, and 16 channels from j exist.
                            *value = unsafe { L::load_at(source.add(start + y * t.sizes[1] * t.channels)) };
                        }
                    } else {
                        for (y, value) in column.iter_mut().enumerate() {
                            if lines.contains(&y) {
                                let at = source.wrapping_offset(t.pixel(from, y, x));
                                // SAFETY: the pixel is inside, and `width` channels from j exist.
                                *value = unsafe {
                                    if width == PANEL {
                                        L::load_at(at)
                                    } else {
                                        L::load_first_at(at, width)
                                    }
                                };
                            }
                        }
                    }
                    let points = S::points::<T, L>(&column);
                    // SAFETY: x is one of the columns.
                    unsafe { put(&mut half, x, &points) };
                }
                let out = self.out.wrapping_add(i * self.points.row + j);
                // SAFETY: every column was written.
                let half = unsafe { half.assume_init_ref() };
                for (y, half) in half.iter().enumerate() {
                    let points = S::points::<T, L>(half);
                    for (x, value) in points.iter().enumerate() {
                        // SAFETY: `out` has room for the points of this tile, in whole panels.
                        unsafe { value.store_at(out.add((y * 6 + x) * self.points.point)) };
                    }
                }
            }
        }
    }
}

impl<T: Real> Kernel<T> for Spread<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        if const { size_of::<T>() != 4 } {
            return;
        }
        if self.input {
            self.each::<L, Input, 6>();
        } else {
            self.each::<L, Gradient, 4>();
        }
    }
}

pub(crate) struct Collect<'a, T> {
    tiles: &'a Tiles,
    range: Range<usize>,
    from: *const T,
    points: Points,
    bias: Option<&'a [T]>,
    activation: Activation,
    out: *mut T,
}

impl<T: Real> Kernel<T> for Collect<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        if const { size_of::<T>() != 4 } {
            return;
        }
        let t = self.tiles;
        for (i, tile) in self.range.clone().enumerate() {
            let (image, from) = t.at(tile);
            let inside = t.inside::<4>(from);
            for j in (0..t.channels).step_by(PANEL) {
                let width = PANEL.min(t.channels - j);
                let points = self.from.wrapping_add(i * self.points.row + j);
                let mut half = MaybeUninit::<[[L; 6]; 4]>::uninit();
                for x in 0..6 {
                    let mut column = [L::zero(); 6];
                    for (y, value) in column.iter_mut().enumerate() {
                        // SAFETY: the points of this tile are there, in whole panels.
                        *value = unsafe { L::load_at(points.add((y * 6 + x) * self.points.point)) };
                    }
                    let values = output::<T, L>(&column);
                    // SAFETY: x is one of the columns.
                    unsafe { put(&mut half, x, &values) };
                }
                let bias = match self.bias {
                    // SAFETY: the bias has a value for each channel.
                    Some(bias) => unsafe { L::load_first_at(bias.as_ptr().add(j), width) },
                    None => L::zero(),
                };
                let out = self.out.wrapping_add(image + j);
                let (lines, pixels) = (t.within::<4>(from, 0), t.within::<4>(from, 1));
                // SAFETY: every column was written.
                let half = unsafe { half.assume_init_ref() };
                for (y, half) in half.iter().enumerate() {
                    if !lines.contains(&y) {
                        continue;
                    }
                    let mut values = output::<T, L>(half);
                    if self.bias.is_some() {
                        for value in &mut values {
                            *value = value.add(bias);
                        }
                    }
                    for value in &mut values {
                        match self.activation {
                            Activation::Identity => {}
                            Activation::Relu => *value = L::zero().max(*value),
                            Activation::Tanh => *value = math::tanh::<T, L>(*value),
                            Activation::Sigmoid => *value = math::sigmoid::<T, L>(*value),
                            Activation::Gelu => *value = math::gelu::<T, L>(*value),
                        }
                    }
                    for (x, value) in values.iter().enumerate() {
                        if inside && width == PANEL {
                            let at = ((from[0] as usize + y) * t.sizes[1] + from[1] as usize + x) * t.channels;
                            // SAFETY: the whole tile is inside, and 16 channels from j exist.
                            unsafe { value.store_at(out.add(at)) };
                        } else if pixels.contains(&x) {
                            let at = out.wrapping_offset(t.pixel(from, y, x));
                            // SAFETY: the pixel is inside, and `width` channels from j exist.
                            unsafe {
                                if width == PANEL {
                                    value.store_at(at);
                                } else {
                                    value.store_first_at(at, width);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

pub(crate) struct KernelPoints<T> {
    taps: *const T,
    step: usize,
    rows: usize,
    point: usize,
    out: *mut T,
}

impl<T: Real> Kernel<T> for KernelPoints<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        if const { size_of::<T>() != 4 } {
            return;
        }
        for i in 0..self.rows {
            let mut half = MaybeUninit::<[[L; 3]; 6]>::uninit();
            for x in 0..3 {
                let mut column = [L::zero(); 3];
                for (y, value) in column.iter_mut().enumerate() {
                    // SAFETY: there is this row of 16.
                    *value = unsafe { L::load_at(self.taps.add(((y * 3 + x) * self.rows + i) * self.step)) };
                }
                let points = kernel::<T, L>(&column);
                // SAFETY: x is one of the columns.
                unsafe { put(&mut half, x, &points) };
            }
            // SAFETY: every column was written.
            let half = unsafe { half.assume_init_ref() };
            for (y, half) in half.iter().enumerate() {
                let points = kernel::<T, L>(half);
                for (x, value) in points.iter().enumerate() {
                    // SAFETY: `out` has room for the points of this row.
                    unsafe { value.store_at(self.out.add((y * 6 + x) * self.point + i * PANEL)) };
                }
            }
        }
    }
}

pub(crate) struct KernelGradient<T> {
    columns: usize,
    from: *const T,
    groups: (usize, usize),
    point: usize,
    tap: usize,
    out: *mut T,
}

impl<T: Real> Kernel<T> for KernelGradient<T> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lanes<T>>(self) {
        if const { size_of::<T>() != 4 } {
            return;
        }
        for j in (0..self.columns).step_by(PANEL) {
            let width = PANEL.min(self.columns - j);
            let mut half = MaybeUninit::<[[L; 6]; 3]>::uninit();
            for x in 0..6 {
                let mut column = [L::zero(); 6];
                for (y, value) in column.iter_mut().enumerate() {
                    for g in 0..self.groups.0 {
                        // SAFETY: the points of every group are there, in whole panels.
                        let more = unsafe { L::load_at(self.from.add(g * self.groups.1 + (y * 6 + x) * self.point + j)) };
                        *value = value.add(more);
                    }
                }
                let taps = kernel_gradient::<T, L>(&column);
                // SAFETY: x is one of the columns.
                unsafe { put(&mut half, x, &taps) };
            }
            // SAFETY: every column was written.
            let half = unsafe { half.assume_init_ref() };
            for (y, half) in half.iter().enumerate() {
                let taps = kernel_gradient::<T, L>(half);
                for (x, value) in taps.iter().enumerate() {
                    // SAFETY: `out` has room for `width` columns from j of each tap.
                    unsafe { value.store_first_at(self.out.add((y * 3 + x) * self.tap + j), width) };
                }
            }
        }
    }
}
