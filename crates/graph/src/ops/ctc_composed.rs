//! CTC in simpler operators, for its second derivative and as the oracle of its kernel: the forward sums over states, all rows and states
//! of a step at once. State 2l is the blank before label l, state 2l + 1 the label. Where no alignment exists it gives some 1e30, not ∞.

use nabla_error::Result;

use super::concat;
use super::elementwise::{BinaryKind, UnaryKind};
use super::matmul::Matmul;
use super::one_hot::OneHot;
use super::slice::slice;
use super::softmax::LogSoftmax;
use super::transpose::Transpose;
use crate::builder::Builder;
use crate::ir::Id;
use crate::shape::{Dim, Shape};

/// What stands for the logarithm of 0.
const NEVER: f64 = -1e30;

/// `[rows, columns]` of zeros, with `value(row)` at `column(row)`.
fn placed(b: &mut Builder, rows: usize, columns: usize, column: impl Fn(usize) -> usize) -> Result<Id> {
    let mut values = vec![0.0; rows * columns];
    (0..rows).for_each(|row| values[row * columns + column(row)] = 1.0);
    b.constant(values, &[rows, columns])
}

/// The loss of each row, [batch].
pub(super) fn loss(b: &mut Builder, blank: usize, x: Id, labels: Id) -> Result<Id> {
    use BinaryKind::{Add, Equal, Multiply, Subtract};
    let (time, classes) = (b.shape(x).0[1].size, b.shape(x).0[2].size);
    let (rows, most) = (b.shape(labels).0[0], b.shape(labels).0[1].size);
    let states = 2 * most + 1;
    let one = b.scalar(1.0);
    let never = b.scalar(NEVER);
    let p = b.apply(LogSoftmax.into(), &[x])?;
    // log p of each state's class, [batch, time, states].
    let of_blank = slice(b, p, 2, blank, blank + 1)?;
    let even: Vec<f64> = (0..states).map(|s| f64::from(u8::from(s % 2 == 0))).collect();
    let even = b.constant(even, &[states])?;
    let mut of_state = b.binary(Multiply, of_blank, even)?;
    // How many labels a row has, [batch, 1], and what a skip from state − 2 costs, [batch, states].
    let column = Shape(vec![rows, Dim::fixed(1)]);
    let zero = b.scalar(0.0);
    let mut count = b.broadcast_to(zero, column.clone())?;
    let cost: Vec<f64> = (0..states).map(|s| if s >= 3 && s % 2 == 1 { 0.0 } else { NEVER }).collect();
    let mut skip = b.constant(cost, &[1, states])?;
    if most > 0 {
        let chosen = b.apply(OneHot { classes }.into(), &[labels])?;
        let chosen = b.apply(Transpose { axes: None }.into(), &[chosen])?;
        let of_label = b.apply(Matmul::default().into(), &[p, chosen])?;
        let odd = placed(b, most, states, |l| 2 * l + 1)?;
        let of_label = b.apply(Matmul::default().into(), &[of_label, odd])?;
        of_state = b.binary(Add, of_state, of_label)?;
        let blanks = b.scalar(blank as f64);
        let ends = b.binary(Equal, labels, blanks)?;
        let goes_on = b.binary(Subtract, one, ends)?;
        let mut on = b.broadcast_to(one, column.clone())?;
        for l in 0..most {
            let this = slice(b, goes_on, 1, l, l + 1)?;
            on = b.binary(Multiply, on, this)?;
            count = b.binary(Add, count, on)?;
        }
        if most > 1 {
            let (later, earlier) = (slice(b, labels, 1, 1, most)?, slice(b, labels, 1, 0, most - 1)?);
            let same = b.binary(Equal, later, earlier)?;
            let places = placed(b, most - 1, states, |l| 2 * l + 3)?;
            let same = b.apply(Matmul::default().into(), &[same, places])?;
            let refused = b.binary(Multiply, same, never)?;
            skip = b.binary(Add, skip, refused)?;
        }
    }
    let wide = Shape(vec![rows, Dim::fixed(states)]);
    let first = slice(b, of_state, 1, 0, 1)?;
    let first = b.reshape(first, wide.clone())?;
    let start: Vec<f64> = (0..states).map(|s| if s < 2 { 0.0 } else { NEVER }).collect();
    let start = b.constant(start, &[states])?;
    let mut sums = b.binary(Add, first, start)?;
    for t in 1..time {
        let mut parts = vec![sums];
        for by in [1, 2].into_iter().filter(|&by| by < states) {
            let kept = slice(b, sums, 1, 0, states - by)?;
            let before = b.broadcast_to(never, Shape(vec![rows, Dim::fixed(by)]))?;
            let moved = b.apply(concat::Concat { axis: 1 }.into(), &[before, kept])?;
            parts.push(if by == 2 { b.binary(Add, moved, skip)? } else { moved });
        }
        let own = slice(b, of_state, 1, t, t + 1)?;
        let own = b.reshape(own, wide.clone())?;
        let sum = log_sum(b, &parts)?;
        sums = b.binary(Add, sum, own)?;
    }
    // A row ends at its last label or at the blank after it.
    let twice = b.scale(count, 2.0)?;
    let number = b.constant((0..states).map(|s| s as f64).collect(), &[1, states])?;
    let last = b.binary(Equal, number, twice)?;
    let before = b.binary(Subtract, twice, one)?;
    let before = b.binary(Equal, number, before)?;
    let ends = b.binary(Add, last, before)?;
    let others = b.binary(Subtract, one, ends)?;
    let others = b.binary(Multiply, others, never)?;
    let ending = b.binary(Add, sums, others)?;
    let mut columns = Vec::new();
    for s in 0..states {
        columns.push(slice(b, ending, 1, s, s + 1)?);
    }
    let total = log_sum(b, &columns)?;
    let total = b.reshape(total, Shape(vec![rows]))?;
    b.unary(UnaryKind::Negate, total)
}

/// log Σ exp of values of one shape.
fn log_sum(b: &mut Builder, parts: &[Id]) -> Result<Id> {
    let mut largest = parts[0];
    for &part in &parts[1..] {
        largest = b.binary(BinaryKind::Maximum, largest, part)?;
    }
    let mut sum = None;
    for &part in parts {
        let d = b.binary(BinaryKind::Subtract, part, largest)?;
        let e = b.unary(UnaryKind::Exp, d)?;
        sum = Some(match sum {
            Some(sum) => b.binary(BinaryKind::Add, sum, e)?,
            None => e,
        });
    }
    let log = b.unary(UnaryKind::Log, sum.unwrap_or(largest))?;
    b.binary(BinaryKind::Add, log, largest)
}
