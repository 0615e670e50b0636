//! Sizes of a convolution: which pixels and taps meet.

use nabla_error::{Code, Error, Result};
use nabla_kernels::convolution::{Axis, Kernel, Taps, Windows};

use super::Conv;
use crate::shape::{Dim, Shape};

/// One axis of a convolution.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub size: usize,
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub dilation: usize,
    pub before: usize,
}

/// All sizes of a convolution but the number of images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub spans: [Span; 3],
    rank: usize,
    pub channels: usize,
    pub filters: usize,
    pub groups: usize,
}

/// The largest stride, dilation or padding: sums and products of these stay far from overflow.
const LARGEST: usize = 1 << 20;

impl Conv {
    fn geometry(&self, sizes: &[Dim], kernel: &[Dim], channels: Dim, filters: Dim) -> Result<Geometry> {
        let rank = sizes.len();
        let wrong = |message: String| Error::new(Code::ShapeMismatch, message);
        let option = |name: &str, expected: &str, list: &[usize]| Error::option(name, expected, format!("{list:?}"));
        if kernel.len() != rank || !(1..=3).contains(&rank) {
            return Err(
                wrong(format!("a convolution over {rank} axes does not fit a kernel of {}", kernel.len()))
                    .expected("[batch, size…, channels] with one to three sizes, and a kernel with as many"),
            );
        }
        if sizes.iter().chain(kernel).chain([&channels, &filters]).any(|d| d.batch) {
            return Err(wrong("only the first axis of a convolution can be the batch".to_owned()));
        }
        for (name, list, low) in [("stride", &self.stride, 1), ("dilation", &self.dilation, 1)] {
            if !(list.is_empty() || list.len() == rank) || list.iter().any(|v| !(low..=LARGEST).contains(v)) {
                return Err(option(name, "one whole number of at least 1 for each axis", list));
            }
        }
        if !(self.padding.is_empty() || self.padding.len() == 2 * rank) || self.padding.iter().any(|&v| v > LARGEST) {
            return Err(option("padding", "two whole numbers of at least 0 for each axis", &self.padding));
        }
        let (channels, filters, groups) = (channels.size, filters.size, self.groups);
        if groups == 0 || !channels.is_multiple_of(groups) || !filters.is_multiple_of(groups) {
            return Err(
                wrong(format!("{groups} groups do not divide {channels} channels and {filters} filters"))
                    .at("groups")
                    .expected("a divisor of both"),
            );
        }
        let one = Span {
            size: 1,
            out: 1,
            kernel: 1,
            stride: 1,
            dilation: 1,
            before: 0,
        };
        let mut spans = [one; 3];
        for i in 0..rank {
            let at = |list: &[usize], index: usize, default: usize| list.get(index).copied().unwrap_or(default);
            let (size, kernel) = (sizes[i].size, kernel[i].size);
            let (before, after) = (at(&self.padding, 2 * i, 0), at(&self.padding, 2 * i + 1, 0));
            let (stride, dilation) = (at(&self.stride, i, 1), at(&self.dilation, i, 1));
            let reach = kernel.saturating_sub(1).saturating_mul(dilation).saturating_add(1);
            let padded = size.saturating_add(before + after);
            if kernel == 0 || padded < reach {
                return Err(wrong(format!(
                    "a window that reaches over {reach} does not fit in size {size} with {before} + {after} zeros of padding"
                ))
                .expected(format!("at least {reach}"))
                .received(format!("{padded}"))
                .hint("Pad with padding: 'same', or use a smaller kernel or fewer pooling layers before."));
            }
            spans[3 - rank + i] = Span {
                size,
                out: (padded - reach) / stride + 1,
                kernel,
                stride,
                dilation,
                before,
            };
        }
        Ok(Geometry {
            spans,
            rank,
            channels,
            filters,
            groups,
        })
    }

    /// From x and w.
    pub(super) fn forward(&self, x: &Shape, w: &Shape) -> Result<Geometry> {
        let (rank, wide) = (x.rank(), w.rank());
        if rank < 3 || wide < 3 {
            return Err(Error::new(Code::ShapeMismatch, format!("x {x} and kernel {w} are no convolution"))
                .expected("x [batch, size…, channels], kernel [k…, channels/groups, filters]")
                .received(format!("{x} and {w}"))
                .hint("Images need an axis of channels, even of one: reshape([height, width, 1])."));
        }
        let g = self.geometry(&x.0[1..rank - 1], &w.0[..wide - 2], x.0[rank - 1], w.0[wide - 1])?;
        g.expect_kernel(w)?;
        Ok(g)
    }

    /// From y and w; `size` says how large x is.
    pub(super) fn backward(&self, y: &Shape, w: &Shape) -> Result<Geometry> {
        let (rank, wide) = (y.rank(), w.rank());
        if rank < 3 || wide < 3 || self.size.len() + 2 != rank {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{y} and kernel {w} are no transposed convolution"))
                    .expected("[batch, size…, filters], kernel [k…, channels/groups, filters]")
                    .received(format!("{y} and {w}")),
            );
        }
        let channels = Dim::fixed(w.0[wide - 2].size.saturating_mul(self.groups));
        let mut sizes = [Dim::fixed(0); 8];
        sizes.iter_mut().zip(&self.size).for_each(|(d, &n)| *d = Dim::fixed(n));
        let sizes = sizes.get(..self.size.len()).unwrap_or_default();
        let g = self.geometry(sizes, &w.0[..wide - 2], channels, w.0[wide - 1])?;
        g.expect_kernel(w)?;
        g.expect_output(y)?;
        Ok(g)
    }

    /// From x and y; `size` says how large the kernel is.
    pub(super) fn of_kernel(&self, x: &Shape, y: &Shape) -> Result<Geometry> {
        let rank = x.rank();
        if rank < 3 || y.rank() != rank || self.size.len() + 2 != rank || x.0[0] != y.0[0] {
            return Err(
                Error::new(Code::ShapeMismatch, format!("{x} and {y} are no input and output of a convolution"))
                    .expected("[batch, size…, channels] and [batch, out…, filters]")
                    .received(format!("{x} and {y}")),
            );
        }
        let mut sizes = [Dim::fixed(0); 8];
        sizes.iter_mut().zip(&self.size).for_each(|(d, &n)| *d = Dim::fixed(n));
        let sizes = sizes.get(..self.size.len()).unwrap_or_default();
        let g = self.geometry(&x.0[1..rank - 1], sizes, x.0[rank - 1], y.0[rank - 1])?;
        g.expect_output(y)?;
        Ok(g)
    }

    pub(super) fn sized(&self, size: Vec<usize>) -> Conv {
        Conv { size, ..self.clone() }
    }
}

impl Geometry {
    fn expect_kernel(&self, w: &Shape) -> Result<()> {
        let (expected, found) = (self.channels / self.groups, w.0[w.rank() - 2]);
        if found == Dim::fixed(expected) {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!("a kernel {w} reads {found} channels a group, but there are {expected}"),
        )
        .expected(expected.to_string())
        .received(found.to_string()))
    }

    fn expect_output(&self, y: &Shape) -> Result<()> {
        let outs = self.own().iter().map(|s| Dim::fixed(s.out)).chain([Dim::fixed(self.filters)]);
        if y.0[1..].iter().copied().eq(outs) {
            return Ok(());
        }
        let sizes: Vec<usize> = self.own().iter().map(|s| s.out).chain([self.filters]).collect();
        Err(Error::new(
            Code::ShapeMismatch,
            format!("a convolution of these sizes gives {sizes:?}, not {y}"),
        )
        .expected(format!("{sizes:?}"))
        .received(y.to_string()))
    }

    fn own(&self) -> &[Span] {
        &self.spans[3 - self.rank..]
    }

    /// `[lead, one of each span…, last]`.
    pub(super) fn shape(&self, lead: Option<Dim>, of: impl Fn(&Span) -> usize, last: &[usize]) -> Shape {
        let spans = self.own().iter().map(|s| Dim::fixed(of(s)));
        Shape(lead.into_iter().chain(spans).chain(last.iter().map(|&n| Dim::fixed(n))).collect())
    }

    pub(super) fn product(&self, of: impl Fn(&Span) -> usize) -> usize {
        self.spans.iter().map(of).product()
    }

    pub(super) fn group_channels(&self) -> usize {
        self.channels / self.groups
    }

    pub(super) fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// Elements of a window of one group.
    pub(super) fn window(&self) -> usize {
        self.product(|s| s.kernel) * self.group_channels()
    }

    pub(super) fn work(&self, images: usize) -> usize {
        2 * images * self.product(|s| s.out) * self.window() * self.filters.next_multiple_of(8)
    }

    /// The windows of x that a group of filters reads.
    pub(super) fn windows(&self, group: usize) -> Windows {
        let axis = |s: Span| Axis {
            positions: s.out,
            step: s.stride,
            first: -(s.before as isize),
            taps: s.kernel,
            tap_step: s.dilation,
            source: s.size,
        };
        Windows {
            axes: self.spans.map(axis),
            channels: self.channels,
            from: group * self.group_channels(),
            width: self.group_channels(),
        }
    }

    pub(super) fn kernel(&self, group: usize) -> Kernel {
        let (c, f) = (self.group_channels(), self.group_filters());
        let all = |s: Span| Taps {
            first: 0,
            step: 1,
            count: s.kernel,
        };
        Kernel {
            sizes: self.spans.map(|s| s.kernel),
            taps: self.spans.map(all),
            tap_stride: c * self.filters,
            from: group * f,
            rows: (c, self.filters),
            columns: (f, 1),
        }
    }

    /// How many residues of the position by the stride there are.
    pub(super) fn phases(&self) -> usize {
        self.product(|s| s.stride.min(s.size))
    }

    /// One of them: the positions, and the windows of y and taps of the kernel that meet them.
    pub(super) fn phase(&self, mut index: usize, group: usize) -> Phase {
        let (c, f) = (self.group_channels(), self.group_filters());
        let mut axes = [Axis::default(); 3];
        let mut taps = [Taps::default(); 3];
        let mut origin = [0; 3];
        for (i, s) in self.spans.iter().enumerate().rev() {
            let count = s.stride.min(s.size);
            let p = index % count;
            index /= count;
            origin[i] = p;
            // Tap k of the window at o reads o·stride + k·dilation − before: those with o whole, the last first, so that o ascends.
            let from = (p + s.before) as isize;
            let meets = |k: usize| (from - (k * s.dilation) as isize).rem_euclid(s.stride as isize) == 0;
            let mut found = (0..s.kernel).rev().filter(|&k| meets(k));
            let (last, next) = (found.next(), found.next());
            let apart = last.zip(next).map_or(1, |(a, b)| a - b);
            axes[i] = Axis {
                positions: (s.size - p).div_ceil(s.stride),
                step: 1,
                first: last.map_or(0, |k| (from - (k * s.dilation) as isize).div_euclid(s.stride as isize)),
                taps: last.map_or(0, |k| if next.is_some() { k / apart + 1 } else { 1 }),
                tap_step: (apart * s.dilation / s.stride).max(1),
                source: s.out,
            };
            taps[i] = Taps {
                first: last.unwrap_or(0),
                step: -(apart as isize),
                count: axes[i].taps,
            };
        }
        Phase {
            windows: Windows {
                axes,
                channels: self.filters,
                from: group * f,
                width: f,
            },
            kernel: Kernel {
                sizes: self.spans.map(|s| s.kernel),
                taps,
                tap_stride: c * self.filters,
                from: group * f,
                rows: (f, 1),
                columns: (c, self.filters),
            },
            origin,
        }
    }
}

/// One residue of the position by the stride.
pub(super) struct Phase {
    pub windows: Windows,
    pub kernel: Kernel,
    /// Its first position.
    pub origin: [usize; 3],
}
