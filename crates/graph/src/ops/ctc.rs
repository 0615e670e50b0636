//! Connectionist temporal classification: −log of the summed probability of all alignments of a row's labels with its time steps. Logits
//! [batch, time, classes], labels [batch, most] → [batch]. A row's labels end where the first blank stands; between two labels, and where
//! one repeats, a path goes through the blank. Graves, Fernández, Gomez & Schmidhuber 2006, by forward and backward sums of logarithms, in
//! f64. Where a row has more labels than its time steps can hold, no alignment exists and the loss is ∞.
//!
//! d logits = (softmax − γ)·dℓ, γ the share of all alignments' probability that has a class at a step. Labels have no gradient.

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde, ctc_composed};
use crate::builder::Builder;
use crate::ir::Id;
use crate::passes::differentiate::of_gradient;
use crate::shape::Shape;

/// The loss of each row.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Ctc {
    /// The class that stands for "no label".
    pub blank: usize,
}

fn expect_shapes(blank: usize, x: &Shape, labels: &Shape) -> Result<Shape> {
    let fits = x.rank() == 3 && labels.rank() == 2 && x.0[0] == labels.0[0] && !x.0[1].batch && !x.0[2].batch && !labels.0[1].batch;
    if !fits || x.0[1].size == 0 || x.0[2].size < 2 {
        return Err(
            Error::new(Code::ShapeMismatch, format!("ctc: logits {x} and labels {labels} don't fit"))
                .expected("logits [batch, time, classes] and labels [batch, most]")
                .received(format!("{x} and {labels}")),
        );
    }
    if blank >= x.0[2].size {
        return Err(Error::option("blank", format!("below the {} classes", x.0[2].size), blank));
    }
    Ok(Shape(vec![x.0[0]]))
}

/// The sizes of one row.
#[derive(Clone, Copy)]
struct Sizes {
    time: usize,
    classes: usize,
    most: usize,
    blank: usize,
}

impl Sizes {
    /// Numbers of scratch that one row needs: the logarithms of softmax's denominators, and the sums forwards and backwards.
    fn scratch(self) -> usize {
        self.time + 2 * self.time * (2 * self.most + 1)
    }
}

fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY {
        high
    } else {
        high + libm::log1p(libm::exp(low - high))
    }
}

/// A row: its logits, its labels without the blanks after them, and its scratch.
struct Row<'a, T> {
    sizes: Sizes,
    x: &'a [T],
    labels: &'a [T],
    norms: &'a mut [T],
    forward: &'a mut [T],
    backward: &'a mut [T],
}

impl<'a, T: Real> Row<'a, T> {
    fn new(sizes: Sizes, x: &'a [T], labels: &'a [T], scratch: &'a mut [T]) -> Self {
        let count = labels.iter().position(|l| l.to_f64() == sizes.blank as f64).unwrap_or(labels.len());
        let (norms, rest) = scratch.split_at_mut(sizes.time);
        let (forward, backward) = rest.split_at_mut(sizes.time * (2 * sizes.most + 1));
        for (t, norm) in norms.iter_mut().enumerate() {
            let row = &x[t * sizes.classes..(t + 1) * sizes.classes];
            let largest = row.iter().fold(f64::NEG_INFINITY, |m, v| m.max(v.to_f64()));
            let sum: f64 = row.iter().map(|v| libm::exp(v.to_f64() - largest)).sum();
            *norm = T::from_f64(largest + libm::log(sum));
        }
        Self {
            sizes,
            x,
            labels: &labels[..count],
            norms,
            forward,
            backward,
        }
    }

    fn states(&self) -> usize {
        2 * self.labels.len() + 1
    }

    /// The class of a state: blanks lie between the labels. `None` for a label that is no class.
    fn class(&self, state: usize) -> Option<usize> {
        if state.is_multiple_of(2) {
            return Some(self.sizes.blank);
        }
        let label = self.labels[state / 2].to_f64();
        (label >= 0.0 && label < self.sizes.classes as f64).then_some(label as usize)
    }

    fn log_p(&self, t: usize, state: usize) -> f64 {
        let class = self.class(state);
        class.map_or(f64::NAN, |c| self.x[t * self.sizes.classes + c].to_f64() - self.norms[t].to_f64())
    }

    /// Whether a path may go from state − 2 to a state: between two labels that differ.
    fn skips(&self, state: usize) -> bool {
        state >= 2 && !state.is_multiple_of(2) && self.class(state) != self.class(state - 2)
    }

    /// Sums over the paths up to each step and state; gives log p of the labels.
    fn run_forward(&mut self) -> f64 {
        let (states, time) = (self.states(), self.sizes.time);
        for t in 0..time {
            for s in 0..states {
                let before = |s: usize| self.forward[(t - 1) * states + s].to_f64();
                let sum = match t {
                    0 if s < 2 => 0.0,
                    0 => f64::NEG_INFINITY,
                    _ => {
                        let mut sum = before(s);
                        if s >= 1 {
                            sum = log_add(sum, before(s - 1));
                        }
                        if self.skips(s) {
                            sum = log_add(sum, before(s - 2));
                        }
                        sum
                    }
                };
                self.forward[t * states + s] = T::from_f64(sum + self.log_p(t, s));
            }
        }
        let last = |s: usize| self.forward[(time - 1) * states + s].to_f64();
        if states == 1 {
            last(0)
        } else {
            log_add(last(states - 1), last(states - 2))
        }
    }

    /// Sums over the paths from each step and state on, without that step's own probability.
    fn run_backward(&mut self) {
        let (states, time) = (self.states(), self.sizes.time);
        for t in (0..time).rev() {
            for s in 0..states {
                let after = |s: usize| self.backward[(t + 1) * states + s].to_f64() + self.log_p(t + 1, s);
                let sum = if t == time - 1 {
                    if s + 2 >= states { 0.0 } else { f64::NEG_INFINITY }
                } else {
                    let mut sum = after(s);
                    if s + 1 < states {
                        sum = log_add(sum, after(s + 1));
                    }
                    if s + 2 < states && self.skips(s + 2) {
                        sum = log_add(sum, after(s + 2));
                    }
                    sum
                };
                self.backward[t * states + s] = T::from_f64(sum);
            }
        }
    }
}

/// Sizes, and this member's rows with scratch of its own.
fn share<T: Real>(io: &Io<T>, blank: usize, mut run: impl FnMut(usize, Sizes, &mut [T])) {
    let sizes = sizes_of(blank, io.shape(0), io.shape(1));
    let (rows, need) = (io.shape(0).0[0].at(io.batch()), sizes.scratch());
    for row in io.part_with_slot(rows) {
        // SAFETY: the scratch memory has a part of this size for each slot; members have slots of their own.
        let own = unsafe { std::slice::from_raw_parts_mut(io.scratch_start().add(io.slot() * need), need) };
        run(row, sizes, own);
    }
}

fn sizes_of(blank: usize, x: &Shape, labels: &Shape) -> Sizes {
    Sizes {
        time: x.0[1].size,
        classes: x.0[2].size,
        most: labels.0[1].size,
        blank,
    }
}

impl Op for Ctc {
    const NAMES: &'static [&'static str] = &["ctc"];
    const HINT: &'static str =
        "logits are [batch, time, classes] with at least one step, labels [batch, most]; blank is one of the classes.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        expect_shapes(self.blank, x[0], x[1])
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let op = CtcGradient { blank: self.blank };
        Ok(vec![Some(b.apply(op.into(), &[at.inputs[0], at.inputs[1], at.dy])?), None])
    }

    fn decompose(&self, b: &mut Builder, inputs: &[Id]) -> Option<Result<Id>> {
        Some(ctc_composed::loss(b, self.blank, inputs[0], inputs[1]))
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        super::io::slots() * sizes_of(self.blank, x[0], x[1]).scratch()
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        100 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        share(io, self.blank, |row, s, scratch| {
            let (cells, most) = (s.time * s.classes, s.most);
            let (x, labels) = (
                &io.input(0)[row * cells..(row + 1) * cells],
                &io.input(1)[row * most..(row + 1) * most],
            );
            let loss = -Row::new(s, x, labels, scratch).run_forward();
            // SAFETY: members take disjoint rows.
            let out = unsafe { io.output(row..row + 1) };
            out[0] = T::from_f64(loss);
        });
    }

    fn samples() -> Vec<Sample> {
        samples(|blank| Ctc { blank }.into(), false)
    }

    fn bad_samples() -> Vec<Sample> {
        vec![
            Sample::new(Ctc { blank: 0 }, &[&[2, 5, 4], &[3, 2]]),
            Sample::new(Ctc { blank: 4 }, &[&[2, 5, 4], &[2, 2]]),
            Sample::new(Ctc { blank: 0 }, &[&[2, 5], &[2, 2]]),
            Sample::new(Ctc { blank: 0 }, &[&[2, 0, 4], &[2, 2]]),
        ]
    }
}

fn samples(op: impl Fn(usize) -> super::Operator, with_gradient: bool) -> Vec<Sample> {
    let mut all = Vec::new();
    for (rows, time, classes, most, blank) in [
        (3i64, 8i64, 4i64, 3i64, 0usize),
        (-1, 9, 5, 2, 4),
        (1, 1, 2, 1, 1),
        (0, 4, 3, 2, 0),
        (2, 4, 3, 0, 0),
    ] {
        let (x, labels, dl) = ([rows, time, classes], [rows, most], [rows]);
        let mut shapes: Vec<&[i64]> = vec![&x, &labels];
        if with_gradient {
            shapes.push(&dl);
        }
        all.push(Sample::new(op(blank), &shapes).indices(1, classes as usize));
    }
    all
}

/// Its gradient: logits, labels and dℓ → [batch, time, classes].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CtcGradient {
    /// As forwards.
    pub blank: usize,
}

impl Op for CtcGradient {
    const NAMES: &'static [&'static str] = &["ctcGradient"];
    const HINT: &'static str = "logits are [batch, time, classes], labels [batch, most], and the gradient has one number a row.";
    const INPUTS: usize = 3;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        let rows = expect_shapes(self.blank, x[0], x[1])?;
        if *x[2] != rows {
            return Err(Error::new(Code::ShapeMismatch, format!("ctcGradient: dℓ {} is not {rows}", x[2]))
                .expected(rows.to_string())
                .received(x[2].to_string()));
        }
        Ok(x[0].clone())
    }

    fn gradient(&self, b: &mut Builder, at: &At) -> Result<Gradients> {
        let (x, labels, dl) = (at.inputs[0], at.inputs[1], at.inputs[2]);
        let loss = ctc_composed::loss(b, self.blank, x, labels)?;
        let found = of_gradient(b, loss, x, dl, at.dy)?;
        Ok(vec![found[0], None, found[1]])
    }

    fn scratch(&self, x: &[&Shape], _batch: usize) -> usize {
        super::io::slots() * sizes_of(self.blank, x[0], x[1]).scratch()
    }

    fn work(&self, x: &[&Shape], _y: &Shape, batch: usize) -> usize {
        200 * x[0].elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        share(io, self.blank, |row, s, scratch| {
            let (cells, most) = (s.time * s.classes, s.most);
            let (x, labels) = (
                &io.input(0)[row * cells..(row + 1) * cells],
                &io.input(1)[row * most..(row + 1) * most],
            );
            let dl = io.input(2)[row].to_f64();
            let mut alignment = Row::new(s, x, labels, scratch);
            let total = alignment.run_forward();
            alignment.run_backward();
            let states = alignment.states();
            // SAFETY: members take disjoint rows.
            let out = unsafe { io.output(row * cells..(row + 1) * cells) };
            for t in 0..s.time {
                let out = &mut out[t * s.classes..(t + 1) * s.classes];
                for (out, x) in out.iter_mut().zip(&x[t * s.classes..]) {
                    *out = T::from_f64(libm::exp(x.to_f64() - alignment.norms[t].to_f64()) * dl);
                }
                for state in 0..states {
                    let share =
                        libm::exp(alignment.forward[t * states + state].to_f64() + alignment.backward[t * states + state].to_f64() - total);
                    match alignment.class(state) {
                        Some(class) => out[class] -= T::from_f64(share * dl),
                        None => out.fill(T::from_f64(f64::NAN)),
                    }
                }
            }
        });
    }

    fn samples() -> Vec<Sample> {
        samples(|blank| CtcGradient { blank }.into(), true)
    }

    fn bad_samples() -> Vec<Sample> {
        vec![Sample::new(CtcGradient { blank: 0 }, &[&[2, 5, 4], &[2, 2], &[3]])]
    }
}
