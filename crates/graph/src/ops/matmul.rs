//! Matrix product, y = x·w. Shapes: [.., m, k] · [k, n] → [.., m, n], or [.., m, k] · [.., k, n] → [.., m, n] with leading axes
//! broadcast; `transposeA` and `transposeB` read a matrix as its transpose.
//! dx = dy·wᵀ, dw = xᵀ·dy (with one w over all leading axes at once).
//! Each output element is one chain of fused multiply-adds in ascending k, so that neither tile nor thread changes a bit.

use std::ops::Range;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::matmul::{self, Activation, Epilogue, Left, Product, Right, panels_len};
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, matmul_batched};
use crate::builder::Builder;
use crate::shape::{Dim, Shape};

/// The attributes of a product.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Matmul {
    /// Read the left matrix as its transpose.
    pub transpose_a: bool,
    /// Read the right matrix as its transpose.
    pub transpose_b: bool,
}

/// The sizes of a product at run time.
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub m: usize,
    pub k: usize,
    pub n: usize,
}

impl Matmul {
    fn sizes(&self, a: &Shape, b: &Shape, batch: usize) -> Sizes {
        let k_or_n = |i: usize| b.0[i].at(batch);
        let n = k_or_n(if self.transpose_b { 0 } else { 1 });
        let columns = a.last(batch);
        let rows = a.0[..a.rank() - 1].iter().map(|d| d.at(batch)).product();
        if self.transpose_a {
            Sizes { m: columns, k: rows, n }
        } else {
            Sizes { m: rows, k: columns, n }
        }
    }

    fn left(&self, sizes: Sizes) -> Left {
        if self.transpose_a {
            Left {
                row: 1,
                col: sizes.m,
                panel: 16 * sizes.m,
            }
        } else {
            Left {
                row: sizes.k,
                col: 1,
                panel: 16,
            }
        }
    }
}

/// A row-major matrix of so many columns.
pub(super) fn row_major(columns: usize) -> Right {
    Right {
        row: columns,
        panel: 16,
        padded: false,
    }
}

/// A matrix in 16-wide panels, of so many rows.
pub(super) fn in_panels(rows: usize) -> Right {
    Right {
        row: 16,
        panel: 16 * rows,
        padded: true,
    }
}

/// A member's part of an output: whole panels where they divide well (each core then keeps its own panels of the weights, of their
/// gradients and of the optimizer's state in its cache), else rows in blocks of eight.
pub(super) fn split<T>(io: &Io<T>, sizes: Sizes) -> (Range<usize>, Range<usize>) {
    let panels = sizes.n.div_ceil(16);
    if io.members() == 1 {
        return (0..sizes.m, 0..panels);
    }
    if panels.is_multiple_of(io.members()) || panels >= 8 * io.members() {
        return (0..sizes.m, io.part(panels));
    }
    let rows = io.part(sizes.m.div_ceil(8));
    ((rows.start * 8).min(sizes.m)..(rows.end * 8).min(sizes.m), 0..panels)
}

impl Op for Matmul {
    const NAMES: &'static [&'static str] = &["matmul"];
    const HINT: &'static str = "[…, m, k] · […, k, n]: transpose() or reshape() one of them; leading axes broadcast.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let (a, b) = (x[0], x[1]);
        let wrong = |message: String| Error::new(Code::ShapeMismatch, message).received(format!("{a} and {b}"));
        if a.rank() < 2 || b.rank() < 2 {
            return Err(wrong(format!("a matrix product needs matrices, got {a} and {b}")).expected("at least two axes each"));
        }
        if matmul_batched::applies(self, a, b) {
            return matmul_batched::shape(self, a, b);
        }
        let inner_b = b.0[usize::from(self.transpose_b)];
        let columns = b.0[usize::from(!self.transpose_b)];
        let (lead, inner_a): (Vec<Dim>, Dim) = if self.transpose_a {
            (vec![a.0[1]], a.0[0])
        } else {
            (a.0[..a.rank() - 1].to_vec(), a.0[a.rank() - 1])
        };
        if inner_a != inner_b {
            return Err(wrong(format!("{a} · {b} don't fit, inner sizes {inner_a} and {inner_b} differ"))
                .expected(format!("inner size {inner_a} on both sides")));
        }
        Shape::product(&lead)?;
        Ok(Shape(lead.into_iter().chain([columns]).collect()))
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (x, w, dy) = (at.inputs[0], at.inputs[1], at.dy);
        if matmul_batched::applies(self, b.shape(x), b.shape(w)) {
            return matmul_batched::gradient(self, b, at);
        }
        let (sx, sw) = (b.shape(x).clone(), b.shape(w).clone());
        let product = |b: &mut Builder, p, q, transpose_a, transpose_b| b.apply(Matmul { transpose_a, transpose_b }.into(), &[p, q]);
        let mut dx = None;
        let mut dw = None;
        if at.wants[0] {
            dx = Some(match (self.transpose_a, self.transpose_b) {
                (false, tb) => product(b, dy, w, false, !tb)?,
                (true, false) => product(b, w, dy, false, true)?,
                (true, true) => product(b, w, dy, true, true)?,
            });
        }
        if at.wants[1] {
            // Leading axes are rows: one product over all of them.
            let flat = |b: &mut Builder, id, shape: &Shape| -> Result<usize> {
                let rows = Shape::product(&shape.0[..shape.rank() - 1])?;
                b.reshape(id, Shape(vec![rows, shape.0[shape.rank() - 1]]))
            };
            let sy = b.shape(dy).clone();
            let (x2, dy2) = (flat(b, x, &sx)?, flat(b, dy, &sy)?);
            dw = Some(match (self.transpose_a, self.transpose_b) {
                (ta, false) => product(b, x2, dy2, !ta, false)?,
                (ta, true) => product(b, dy2, x2, true, ta)?,
            });
            debug_assert_eq!(b.shape(dw.unwrap_or_default()), &sw);
        }
        Ok(vec![dx, dw])
    }

    /// The transposed right matrix is packed once a run.
    fn scratch(&self, x: &[&Shape], batch: usize) -> usize {
        if matmul_batched::applies(self, x[0], x[1]) {
            return matmul_batched::scratch(self, x[0], x[1], batch);
        }
        if !self.transpose_b {
            return 0;
        }
        let s = self.sizes(x[0], x[1], batch);
        panels_len(s.k, s.n)
    }

    fn work(&self, x: &[&Shape], y: &Shape, batch: usize) -> usize {
        if matmul_batched::applies(self, x[0], x[1]) {
            return matmul_batched::work(self, x[0], x[1], y, batch);
        }
        let s = self.sizes(x[0], x[1], batch);
        2 * s.m * s.k * s.n.next_multiple_of(16)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        if matmul_batched::applies(self, io.shape(0), io.shape(1)) {
            return matmul_batched::run(self, io);
        }
        let sizes = self.sizes(io.shape(0), io.shape(1), io.batch());
        let plain = Epilogue {
            bias: None,
            activation: Activation::Identity,
            accumulate: false,
        };
        if !self.transpose_b {
            return product(io, sizes, self.left(sizes), None, &plain);
        }
        // b is [n, k]: as the right operand it must be [k, n] in panels.
        let packed = io.part(sizes.n.div_ceil(16));
        if io.in_panels(1) {
            // SAFETY: the plan gave `scratch` room for all panels, and members pack disjoint ones.
            unsafe { matmul::pack_transposed(sizes.n, sizes.k, io.input(1).as_ptr(), io.scratch_start(), packed) };
        } else {
            for panel in packed {
                // SAFETY: as above: this panel is this member's.
                let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(panel * sizes.k * 16), sizes.k * 16) };
                pack_rows(io.input(1), sizes, panel, out);
            }
        }
        io.barrier();
        product(io, sizes, self.left(sizes), Some(io.scratch_start()), &plain);
    }

    fn samples() -> Vec<Sample> {
        let mut all = Vec::new();
        for (m, k, n) in [(3, 4, 5), (1, 1, 1), (-1, 7, 17), (8, 0, 3), (2, 3, 0), (9, 33, 40)] {
            for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
                let a = if transpose_a { [k, m] } else { [m, k] };
                let b = if transpose_b { [n, k] } else { [k, n] };
                all.push(Sample::new(Matmul { transpose_a, transpose_b }, &[&a, &b]));
            }
        }
        for (a, b) in [
            (&[-1i64, 2] as &[i64], &[-1i64, 2] as &[i64]),
            (&[2, 1], &[1, 3]),
            (&[], &[-1]),
            (&[4], &[]),
            (&[0], &[0]),
        ] {
            for (transpose_a, transpose_b) in [(false, false), (true, false), (false, true), (true, true)] {
                let with = |lead: &[i64], m: i64, n: i64, turned: bool| {
                    let matrix = if turned { [n, m] } else { [m, n] };
                    lead.iter().copied().chain(matrix).collect::<Vec<i64>>()
                };
                let (a, b) = (with(a, 3, 5, transpose_a), with(b, 5, 18, transpose_b));
                all.push(Sample::new(Matmul { transpose_a, transpose_b }, &[&a, &b]));
            }
        }
        all.push(Sample::new(Matmul::default(), &[&[2, 40, 3], &[2, 3, 1]]));
        all.push(Sample::new(Matmul::default(), &[&[-1, 3, 4], &[4, 2]]));
        all.push(Sample::new(
            Matmul {
                transpose_b: true,
                ..Matmul::default()
            },
            &[&[2, 3, 4], &[5, 4]],
        ));
        all
    }

    fn bad_samples() -> Vec<Sample> {
        let mm = Matmul::default();
        vec![
            Sample::new(mm.clone(), &[&[3, 4], &[5, 6]]),
            Sample::new(mm.clone(), &[&[3], &[3, 6]]),
            Sample::new(mm, &[&[3, 4], &[4]]),
            Sample::new(Matmul::default(), &[&[2, 3, 4], &[2, 5, 2]]),
            Sample::new(Matmul::default(), &[&[2, 3, 4], &[3, 4, 2]]),
            Sample::new(Matmul::default(), &[&[3, 4], &[2, 4, -1]]),
            Sample::new(
                Matmul {
                    transpose_a: true,
                    transpose_b: false,
                },
                &[&[2, 3, 4], &[4, 2]],
            ),
        ]
    }
}

/// One panel of the transpose of a row-major [n, k] matrix: sixteen of its rows side by side.
pub(super) fn pack_rows<T: Real>(b: &[T], sizes: Sizes, panel: usize, out: &mut [T]) {
    out.fill(T::ZERO);
    for (lane, row) in (panel * 16..sizes.n.min(panel * 16 + 16)).enumerate() {
        let values = &b[row * sizes.k..(row + 1) * sizes.k];
        values.iter().zip(out.chunks_exact_mut(16)).for_each(|(&v, out)| out[lane] = v);
    }
}

/// This member's part of a product, from input 0 and either input 1 or already packed panels.
pub(super) fn product<T: Real>(io: &Io<T>, sizes: Sizes, left: Left, packed: Option<*mut T>, epilogue: &Epilogue<T>) {
    let right = if packed.is_some() || io.in_panels(1) {
        in_panels(sizes.k)
    } else {
        row_major(sizes.n)
    };
    let out = if io.out_in_panels() {
        in_panels(sizes.m)
    } else {
        row_major(sizes.n)
    };
    let product = Product {
        m: sizes.m,
        n: sizes.n,
        k: sizes.k,
        left,
        right,
        out,
    };
    let (rows, panels) = split(io, sizes);
    let b = packed.map_or(io.input(1).as_ptr(), |p| p.cast_const());
    // SAFETY: inputs and output have the lengths that their shapes and layouts say, by the plan; members write disjoint parts.
    unsafe { matmul::matmul(&product, io.input(0).as_ptr(), b, io.output_start(), epilogue, rows, panels) };
}
