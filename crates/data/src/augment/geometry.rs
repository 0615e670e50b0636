//! Where each pixel comes from.
//!
//! Pixel centres lie at whole numbers, x to the right, y down; the centre of an image is ((w − 1)/2, (h − 1)/2). A step is kept as the map
//! from a pixel of its result to the point of its input, so steps in a row are one map and the image is sampled once: linearly between the
//! four pixels around the point, those outside counting as 0 (SciPy's `order=1, mode='grid-constant'`, PyTorch's `grid_sample` with
//! `align_corners=True, padding_mode='zeros'`). A map of whole pixels copies.

use nabla_kernels::Real;

use super::{Augmentation, Draws, Scratch};

/// x ← a·x + b·y + c, y ← d·x + e·y + f.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Affine {
    a: f64,
    b: f64,
    c: f64,
    d: f64,
    e: f64,
    f: f64,
}

impl Affine {
    pub(crate) const IDENTITY: Affine = Affine {
        a: 1.0,
        b: 0.0,
        c: 0.0,
        d: 0.0,
        e: 1.0,
        f: 0.0,
    };

    /// `self` of `first`.
    pub(crate) fn after(&self, first: &Affine) -> Affine {
        Affine {
            a: self.a * first.a + self.b * first.d,
            b: self.a * first.b + self.b * first.e,
            c: self.a * first.c + self.b * first.f + self.c,
            d: self.d * first.a + self.e * first.d,
            e: self.d * first.b + self.e * first.e,
            f: self.d * first.c + self.e * first.f + self.f,
        }
    }

    /// A linear map about a point.
    fn about([x, y]: [f64; 2], a: f64, b: f64, d: f64, e: f64) -> Affine {
        Affine {
            a,
            b,
            c: x - a * x - b * y,
            d,
            e,
            f: y - d * x - e * y,
        }
    }

    pub(crate) fn of(&self, x: f64, y: f64) -> [f64; 2] {
        [self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f]
    }

    /// Whether it moves and mirrors by whole pixels.
    fn is_whole(&self) -> bool {
        let unit = |x: f64| x == 1.0 || x == -1.0;
        unit(self.a) && unit(self.e) && self.b == 0.0 && self.d == 0.0 && self.c.fract() == 0.0 && self.f.fract() == 0.0
    }
}

/// The drawn map from result to input, of a step that has one.
pub(crate) fn inverse(step: &Augmentation, draws: &mut Draws, [height, width, _]: [usize; 3]) -> Option<Affine> {
    let (h, w) = (height as f64, width as f64);
    let centre = [(w - 1.0) / 2.0, (h - 1.0) / 2.0];
    let radians = std::f64::consts::PI / 180.0;
    Some(match *step {
        Augmentation::Flip { horizontal, vertical } => {
            let (x, y) = (draws.uniform() < 0.5, draws.uniform() < 0.5);
            let mut map = Affine::IDENTITY;
            if horizontal && x {
                (map.a, map.c) = (-1.0, w - 1.0);
            }
            if vertical && y {
                (map.e, map.f) = (-1.0, h - 1.0);
            }
            map
        }
        Augmentation::Crop { padding, size } => {
            let [window_height, window_width] = size.unwrap_or([height, width]);
            let down = draws.index(height + 2 * padding - window_height + 1) as f64 - padding as f64;
            let across = draws.index(width + 2 * padding - window_width + 1) as f64 - padding as f64;
            let (by_x, by_y) = (window_width as f64 / w, window_height as f64 / h);
            // Edges on edges: (x + ½)·by − ½ from the window's edge on.
            Affine {
                a: by_x,
                c: across + 0.5 * by_x - 0.5,
                e: by_y,
                f: down + 0.5 * by_y - 0.5,
                ..Affine::IDENTITY
            }
        }
        Augmentation::Rotate { degrees } => rotation(centre, draws.within(degrees) * radians),
        Augmentation::Translate { share } => Affine {
            c: -draws.within(share) * w,
            f: -draws.within(share) * h,
            ..Affine::IDENTITY
        },
        Augmentation::Scale { low, high } => {
            let by = 1.0 / (low + draws.uniform() * (high - low));
            Affine::about(centre, by, 0.0, 0.0, by)
        }
        Augmentation::Shear { degrees } => Affine::about(centre, 1.0, -libm::tan(draws.within(degrees) * radians), 0.0, 1.0),
        _ => return None,
    })
}

/// Where the pixels of an image come from that is turned against the clock.
fn rotation(centre: [f64; 2], radians: f64) -> Affine {
    let (sin, cos) = (libm::sin(radians), libm::cos(radians));
    Affine::about(centre, cos, -sin, sin, cos)
}

/// Fills the displacements along x and y: strength · Gaussian(σ) ∗ noise in [−1, 1); nothing comes from outside (SciPy's
/// `gaussian_filter(mode='constant', truncate=3)`).
pub(crate) fn displace(field: &mut [f32], draws: &Draws, [height, width, _]: [usize; 3], strength: f64, smoothness: f64) {
    let size = height * width;
    let (axes, room) = field.split_at_mut(2 * size);
    draws.uniforms(axes);
    axes.iter_mut().for_each(|x| *x = 2.0 * *x - 1.0);
    let radius = ((3.0 * smoothness + 0.5) as usize).min(height.max(width));
    let weight = |i: usize| libm::exp(-0.5 * (i as f64 / smoothness) * (i as f64 / smoothness));
    let total = (1..=radius).map(weight).sum::<f64>() * 2.0 + 1.0;
    let kernel = |i: usize, by: f64| (weight(i) / total * by) as f32;
    for axis in axes.chunks_exact_mut(size) {
        // Along x into the room, along y back.
        room.fill(0.0);
        for i in 0..=radius {
            let k = kernel(i, strength);
            for (out, line) in room.chunks_exact_mut(width).zip(axis.chunks_exact(width)) {
                add_shifted(out, line, i, k);
            }
        }
        axis.fill(0.0);
        for i in 0..=radius {
            let k = kernel(i, 1.0);
            let by = i * width;
            add_shifted(axis, room, by, k);
        }
    }
}

/// out[j] += k·(x[j − by] + x[j + by]), once where `by` is 0.
fn add_shifted(out: &mut [f32], x: &[f32], by: usize, k: f32) {
    if by >= x.len() {
        return;
    }
    let count = x.len() - by;
    out[..count].iter_mut().zip(&x[by..]).for_each(|(out, x)| *out += k * x);
    if by > 0 {
        out[by..].iter_mut().zip(&x[..count]).for_each(|(out, x)| *out += k * x);
    }
}

/// The image sampled by a map, from `now` by way of `next`.
pub(crate) fn resample<R: Real>(map: &Affine, shape: [usize; 3], scratch: &mut Scratch<R>) {
    if map.is_whole() {
        copy(map, shape, &scratch.now, &mut scratch.next);
    } else {
        sample(shape, &scratch.now, &mut scratch.next, |x, y| map.of(x as f64, y as f64));
    }
    std::mem::swap(&mut scratch.now, &mut scratch.next);
}

/// The same with displaced pixels.
pub(crate) fn resample_displaced<R: Real>(map: &Affine, shape: [usize; 3], scratch: &mut Scratch<R>) {
    let [height, width, _] = shape;
    let (along_x, along_y) = scratch.field[..2 * height * width].split_at(height * width);
    sample(shape, &scratch.now, &mut scratch.next, |x, y| {
        let at = y * width + x;
        map.of(x as f64 + f64::from(along_x[at]), y as f64 + f64::from(along_y[at]))
    });
    std::mem::swap(&mut scratch.now, &mut scratch.next);
}

/// Pixels moved and mirrored by whole numbers; zeros where they come from outside.
fn copy<R: Real>(map: &Affine, [height, width, channels]: [usize; 3], from: &[R], out: &mut [R]) {
    let inside = |at: f64, size: usize| (at >= 0.0 && at < size as f64).then_some(at as usize);
    for (y, line) in out.chunks_exact_mut(width * channels).enumerate() {
        let Some(row) = inside(map.e * y as f64 + map.f, height) else {
            line.fill(R::ZERO);
            continue;
        };
        let source = &from[row * width * channels..][..width * channels];
        if map.a > 0.0 {
            // out[x] = source[x + c], by one copy.
            let shift = map.c as i64;
            let first = (-shift).clamp(0, width as i64) as usize;
            let end = (width as i64 - shift).clamp(0, width as i64) as usize;
            line.fill(R::ZERO);
            if first < end {
                let start = (first as i64 + shift) as usize;
                line[first * channels..end * channels].copy_from_slice(&source[start * channels..(start + end - first) * channels]);
            }
            continue;
        }
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            match inside(map.c - x as f64, width) {
                Some(at) => pixel.copy_from_slice(&source[at * channels..][..channels]),
                None => pixel.fill(R::ZERO),
            }
        }
    }
}

/// The largest whole number that is not above x.
#[inline(always)]
fn below(x: f64) -> i64 {
    let cut = x as i64;
    cut - i64::from(cut as f64 > x)
}

fn sample<R: Real>([height, width, channels]: [usize; 3], from: &[R], out: &mut [R], point: impl Fn(usize, usize) -> [f64; 2]) {
    let one = R::ONE;
    for (y, line) in out.chunks_exact_mut(width * channels).enumerate() {
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let [px, py] = point(x, y);
            let (left, top) = (below(px), below(py));
            let (u, v) = (R::from_f64(px - left as f64), R::from_f64(py - top as f64));
            let weights = [(one - u) * (one - v), u * (one - v), (one - u) * v, u * v];
            if left >= 0 && top >= 0 && left + 1 < width as i64 && top + 1 < height as i64 {
                let at = (top as usize * width + left as usize) * channels;
                let (upper, lower) = (&from[at..][..2 * channels], &from[at + width * channels..][..2 * channels]);
                for (c, out) in pixel.iter_mut().enumerate() {
                    *out = weights[0] * upper[c]
                        + weights[1] * upper[channels + c]
                        + (weights[2] * lower[c] + weights[3] * lower[channels + c]);
                }
                continue;
            }
            let tap = |dx: i64, dy: i64, c: usize| {
                let (x, y) = (left + dx, top + dy);
                if x < 0 || y < 0 || x >= width as i64 || y >= height as i64 {
                    return R::ZERO;
                }
                from[(y as usize * width + x as usize) * channels + c]
            };
            for (c, out) in pixel.iter_mut().enumerate() {
                *out = weights[0] * tap(0, 0, c) + weights[1] * tap(1, 0, c) + (weights[2] * tap(0, 1, c) + weights[3] * tap(1, 1, c));
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
