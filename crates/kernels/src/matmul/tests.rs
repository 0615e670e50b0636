//! Laws: the chain of FMAs in plain Rust gives the same bits; ndarray in f64 is close; partitions and levels change nothing.

use ndarray::Array2;

use super::*;
use crate::elementwise::{Unary, unary};
use crate::level::testing::same_on_all_levels;
use crate::math::tests::bits;
use crate::philox::{Stream, fill_normal};

const SHAPES: &[(usize, usize, usize)] = &[
    (0, 3, 4),
    (3, 0, 4),
    (3, 4, 0),
    (1, 1, 1),
    (1, 100, 70),
    (2, 33, 40),
    (3, 17, 16),
    (4, 4, 5),
    (5, 16, 3),
    (6, 15, 31),
    (7, 31, 33),
    (9, 40, 48),
    (16, 4, 16),
    (17, 3, 10),
    (23, 50, 100),
    (32, 64, 64),
    (1, 5, 200),
    // Stretch by stretch: a row and a panel more than whole ones, and a lone last step of k.
    (203, 257, 67),
    // Block by block.
    (150, 400, 33),
];

fn normal<T: Real>(len: usize, seed: u64) -> Vec<T> {
    let mut x = vec![T::ZERO; len];
    fill_normal(Stream::new(seed, 0, 0), 0, &mut x);
    x
}

/// Row-major values laid out as `Right` says; what the layout does not address is NaN, padding is 0.
fn lay_right<T: Real>(r: &Right, k: usize, n: usize, x: &[T]) -> Vec<T> {
    let mut out = vec![T::NAN; right_len(r, k, n)];
    for i in 0..k {
        for j in 0..n {
            out[i * r.row + j / PANEL * r.panel + j % PANEL] = x[i * n + j];
        }
        if r.padded {
            for j in n..n.next_multiple_of(PANEL) {
                out[i * r.row + j / PANEL * r.panel + j % PANEL] = T::ZERO;
            }
        }
    }
    out
}

fn lay_left<T: Real>(l: &Left, m: usize, k: usize, x: &[T]) -> Vec<T> {
    let mut out = vec![T::NAN; left_len(l, m, k)];
    for i in 0..m {
        for j in 0..k {
            out[i * l.row + j / PANEL * l.panel + j % PANEL * l.col] = x[i * k + j];
        }
    }
    out
}

/// The law itself, element by element.
fn chain<T: Real>(m: usize, n: usize, k: usize, a: &[T], b: &[T], c: &[T], e: &Epilogue<T>) -> Vec<T> {
    let mut out = vec![T::ZERO; m * n];
    for i in 0..m {
        for j in 0..n {
            let mut sum = if e.accumulate { c[i * n + j] } else { T::ZERO };
            for p in 0..k {
                sum = a[i * k + p].mul_add(b[p * n + j], sum);
            }
            if let Some(bias) = e.bias {
                sum += bias[j];
            }
            out[i * n + j] = sum;
        }
    }
    let function = match e.activation {
        Activation::Identity => Unary::Identity,
        Activation::Relu => Unary::Relu,
        Activation::Tanh => Unary::Tanh,
        Activation::Sigmoid => Unary::Sigmoid,
        Activation::Gelu => Unary::Gelu,
    };
    let mut y = out.clone();
    unary(function, &out, &mut y);
    y
}

fn law<T: Real>() {
    let shapes = if cfg!(miri) { &SHAPES[..9] } else { SHAPES };
    for (number, &(m, k, n)) in shapes.iter().enumerate() {
        let (a, b, c, bias) = (
            normal::<T>(m * k, 1),
            normal::<T>(k * n, 2),
            normal::<T>(m * n, 3),
            normal::<T>(n, 4),
        );
        for left in [Left::row_major(k + 3), Left::transposed(m + 1), Left::panels(m)] {
            for (right, out) in [
                (Right::row_major(n), Right::row_major(n + 5)),
                (Right::panels(k), Right::panels(m)),
                (Right::row_major(n + 2), Right::panels(m)),
                (Right::panels(k), Right::row_major(n)),
            ] {
                let p = Product { m, n, k, left, right, out };
                let (a_laid, b_laid, c_laid) = (lay_left(&left, m, k, &a), lay_right(&right, k, n, &b), lay_right(&out, m, n, &c));
                for activation in [
                    Activation::Identity,
                    Activation::Relu,
                    Activation::Tanh,
                    Activation::Sigmoid,
                    Activation::Gelu,
                ] {
                    // Long chains are slow in plain Rust: of each kind of epilogue one is enough there.
                    if m * n * k > 1_000_000 && !matches!(activation, Activation::Identity | Activation::Tanh) {
                        continue;
                    }
                    let e = Epilogue {
                        bias: (number % 2 == 0).then_some(&bias[..]),
                        activation,
                        accumulate: number % 3 == 0,
                    };
                    let what = format!("{} {p:?} {activation:?}", T::NAME);
                    let expected = bits(&lay_right(&out, m, n, &chain(m, n, k, &a, &b, &c, &e)));
                    let got = same_on_all_levels(&what, || {
                        let mut c = c_laid.clone();
                        matmul_into(&p, &a_laid, &b_laid, &mut c, &e);
                        bits(&c)
                    });
                    assert!(got == expected, "{what}: differs from the chain");
                    // Parts of rows and panels, in any order, give the whole.
                    let parted = same_on_all_levels(&what, || {
                        let mut c = c_laid.clone();
                        let (rows, panels) = (m / 3 + 1, n.div_ceil(PANEL));
                        for j in (0..panels).rev() {
                            for i in (0..m).step_by(rows) {
                                // SAFETY: the buffers have the lengths of their layouts, the parts are in range.
                                unsafe {
                                    let (a, b, c) = (a_laid.as_ptr(), b_laid.as_ptr(), c.as_mut_ptr());
                                    matmul(&p, a, b, c, &e, i..(i + rows).min(m), j..j + 1);
                                }
                            }
                        }
                        bits(&c)
                    });
                    assert!(parted == expected, "{what}: parts differ from the whole");
                }
            }
        }
    }
}

#[test]
fn one_chain_an_element_f32() {
    law::<f32>();
}

#[test]
fn one_chain_an_element_f64() {
    law::<f64>();
}

#[test]
fn close_to_ndarray_in_f64() {
    let (m, k, n) = if cfg!(miri) { (5, 20, 17) } else { (65, 784, 130) };
    let (a, b) = (normal::<f32>(m * k, 1), normal::<f32>(k * n, 2));
    let mut c = vec![0.0f32; m * n];
    let p = Product {
        m,
        n,
        k,
        left: Left::row_major(k),
        right: Right::row_major(n),
        out: Right::row_major(n),
    };
    matmul_into(&p, &a, &b, &mut c, &Epilogue::default());
    let wide = |rows, cols, x: &[f32]| Array2::from_shape_vec((rows, cols), x.iter().map(|v| f64::from(*v)).collect()).unwrap();
    let expected = wide(m, k, &a).dot(&wide(k, n, &b));
    // A chain of k rounded additions of values near 1: √k·√k·ε, with room.
    let bound = k as f64 * f64::from(f32::EPSILON);
    for (got, expected) in c.iter().zip(&expected) {
        assert!((f64::from(*got) - expected).abs() < bound, "{got} against {expected}");
    }
}

/// A padded C keeps its padding at zero even if it held rubbish, also under an activation with f(0) ≠ 0.
#[test]
fn padding_becomes_zero() {
    let p = Product {
        m: 5,
        n: 3,
        k: 2,
        left: Left::row_major(2),
        right: Right::row_major(3),
        out: Right::panels(5),
    };
    let e = Epilogue {
        activation: Activation::Sigmoid,
        ..Epilogue::default()
    };
    same_on_all_levels("padding", || {
        let mut c = vec![f32::NAN; panels_len(5, 3)];
        matmul_into(&p, &[1.0; 10], &[1.0; 6], &mut c, &e);
        for row in c.chunks(PANEL) {
            assert!(row[..3].iter().all(|x| *x > 0.8) && row[3..].iter().all(|x| *x == 0.0));
        }
    });
}

#[test]
#[should_panic(expected = "B is too short")]
fn a_short_slice_panics() {
    let p = Product {
        m: 1,
        n: 17,
        k: 2,
        left: Left::row_major(2),
        right: Right::row_major(17),
        out: Right::row_major(17),
    };
    matmul_into(&p, &[0.0f32; 2], &[0.0; 33], &mut [0.0; 17], &Epilogue::default());
}
