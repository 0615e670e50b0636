//! Products of many matrices: [.., m, k] · [.., k, n] → [.., m, n], leading axes broadcast by NumPy's rules. Part of [`super::matmul`].

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::matmul::{self, Epilogue, Left, Product, panels_len};

use super::matmul::{Matmul, Sizes, in_panels, pack_rows, row_major};
use super::{At, Gradients, Io};
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::{Dim, Shape};

/// Rows of one unit of work.
const ROWS: usize = 32;

/// Does a product of these shapes pair matrices (rather than fold leading axes into rows)?
pub(super) fn applies(op: &Matmul, a: &Shape, b: &Shape) -> bool {
    b.rank() > 2 || (op.transpose_a && a.rank() > 2)
}

/// The last two axes, turned if asked.
fn matrix(shape: &Shape, transposed: bool) -> (Dim, Dim) {
    let (rows, columns) = (shape.0[shape.rank() - 2], shape.0[shape.rank() - 1]);
    if transposed { (columns, rows) } else { (rows, columns) }
}

fn leading(shape: &Shape) -> Shape {
    Shape(shape.0[..shape.rank() - 2].to_vec())
}

/// The shape rule; both have at least two axes.
pub(super) fn shape(op: &Matmul, a: &Shape, b: &Shape) -> Result<Shape> {
    let ((m, k), (inner, n)) = (matrix(a, op.transpose_a), matrix(b, op.transpose_b));
    let wrong = |message: String| Error::new(Code::ShapeMismatch, message).received(format!("{a} and {b}"));
    if k != inner {
        return Err(
            wrong(format!("{a} · {b} don't fit, inner sizes {k} and {inner} differ")).expected(format!("inner size {k} on both sides"))
        );
    }
    if [m, k, n].iter().any(|d| d.batch) {
        return Err(wrong(format!("{a} · {b}: the batch axis lies within the matrices")).expected("it among the leading axes"));
    }
    let lead = leading(a)
        .broadcast(&leading(b))
        .map_err(|_| wrong(format!("{a} · {b}: the leading axes do not broadcast")).expected("equal sizes, or 1, on every leading axis"))?;
    let shape = Shape(lead.0.into_iter().chain([m, n]).collect());
    Shape::product(&shape.0)?;
    Ok(shape)
}

/// The derivative rule.
pub(super) fn gradient(op: &Matmul, b: &mut Builder, at: &At) -> Result<Gradients> {
    let (x, w, dy) = (at.inputs[0], at.inputs[1], at.dy);
    let (sx, sw) = (b.shape(x).clone(), b.shape(w).clone());
    let product = |b: &mut Builder, p: Id, q: Id, transpose_a, transpose_b| b.apply(Matmul { transpose_a, transpose_b }.into(), &[p, q]);
    let (mut dx, mut dw) = (None, None);
    if at.wants[0] {
        let d = match (op.transpose_a, op.transpose_b) {
            (false, tb) => product(b, dy, w, false, !tb)?,
            (true, tb) => product(b, w, dy, tb, true)?,
        };
        dx = Some(b.sum_to(d, &sx)?);
    }
    if at.wants[1] {
        let d = match (op.transpose_a, op.transpose_b) {
            (ta, false) => product(b, x, dy, !ta, false)?,
            (ta, true) => product(b, dy, x, true, ta)?,
        };
        dw = Some(b.sum_to(d, &sw)?);
    }
    Ok(vec![dx, dw])
}

fn sizes(op: &Matmul, a: &Shape, b: &Shape, batch: usize) -> Sizes {
    let ((m, k), (_, n)) = (matrix(a, op.transpose_a), matrix(b, op.transpose_b));
    Sizes {
        m: m.at(batch),
        k: k.at(batch),
        n: n.at(batch),
    }
}

fn count(shape: &Shape, batch: usize) -> usize {
    leading(shape).elements(batch)
}

/// The transposed right matrices are packed once a run.
pub(super) fn scratch(op: &Matmul, a: &Shape, b: &Shape, batch: usize) -> usize {
    if !op.transpose_b {
        return 0;
    }
    let s = sizes(op, a, b, batch);
    count(b, batch) * panels_len(s.k, s.n)
}

/// The cost.
pub(super) fn work(op: &Matmul, a: &Shape, b: &Shape, y: &Shape, batch: usize) -> usize {
    let s = sizes(op, a, b, batch);
    2 * count(y, batch) * s.m * s.k * s.n.next_multiple_of(16)
}

/// Which matrix of an operand belongs to the `index`th of the result.
fn operand(index: usize, out: &Shape, shape: &Shape, batch: usize) -> usize {
    let (mut index, mut offset, mut stride) = (index, 0, 1);
    for back in 3..=out.rank() {
        let n = out.0[out.rank() - back].at(batch);
        if back <= shape.rank() {
            let own = shape.0[shape.rank() - back].at(batch);
            offset += if own == 1 { 0 } else { index % n * stride };
            stride *= own;
        }
        index /= n;
    }
    offset
}

/// This member's part.
pub(super) fn run<T: Real>(op: &Matmul, io: &Io<T>) {
    let batch = io.batch();
    let (a, b, y) = (io.shape(0), io.shape(1), io.out_shape());
    let s = sizes(op, a, b, batch);
    let packed = panels_len(s.k, s.n);
    if op.transpose_b {
        let panels = s.n.div_ceil(16);
        for unit in io.part(count(b, batch) * panels) {
            let (index, panel) = (unit / panels, unit % panels);
            // SAFETY: `scratch` made room for the panels of all matrices, and members pack disjoint ones.
            let out = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(index * packed + panel * s.k * 16), s.k * 16) };
            pack_rows(&io.input(1)[index * s.n * s.k..], s, panel, out);
        }
        io.barrier();
    }
    if io.is_empty() {
        return;
    }
    let product = Product {
        m: s.m,
        n: s.n,
        k: s.k,
        left: if op.transpose_a {
            Left::transposed(s.m)
        } else {
            Left::row_major(s.k)
        },
        right: if op.transpose_b { in_panels(s.k) } else { row_major(s.n) },
        out: row_major(s.n),
    };
    let blocks = s.m.div_ceil(ROWS);
    for unit in io.part(count(y, batch) * blocks) {
        let (index, block) = (unit / blocks, unit % blocks);
        let rows = block * ROWS..(block * ROWS + ROWS).min(s.m);
        let (ia, ib) = (operand(index, y, a, batch), operand(index, y, b, batch));
        // SAFETY: operands and output have the lengths that their shapes say; members write disjoint rows of disjoint matrices.
        unsafe {
            let right = if op.transpose_b {
                io.scratch_start().add(ib * packed).cast_const()
            } else {
                io.input(1).as_ptr().add(ib * s.k * s.n)
            };
            let left = io.input(0).as_ptr().add(ia * s.m * s.k);
            let out = io.output_start().add(index * s.m * s.n);
            matmul::matmul(&product, left, right, out, &Epilogue::default(), rows, 0..s.n.div_ceil(16));
        }
    }
}
