//! Marks in a graph that holds a scan step by step: where a step begins and ends, so that a session can take one of them. y = x; the
//! second value says what x is a step of. Every program leaves marks out (the pass `mode`); only the pass `step` reads them.

use nabla_error::Result;
use nabla_kernels::Real;
use serde::{Deserialize, Serialize};

use super::{At, Gradients, Io, Op, Sample, attributes_by_serde};
use crate::builder::Builder;
use crate::shape::Shape;

/// What a marked value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The first step of a sequence, [batch, …]; the second value is the sequence, [batch, time, …].
    #[default]
    Input,
    /// A state before the first step.
    State,
    /// The same state after it.
    Next,
    /// What is kept of the first step, [batch, …].
    Output,
    /// What is kept of all steps, [batch, time, …].
    All,
    /// A state after the last step.
    Final,
}

/// The mark.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanMark {
    /// Which scan of the graph.
    pub scan: usize,
    /// What of it.
    pub role: Role,
    /// Which of its states.
    pub index: usize,
    /// From the last step to the first?
    pub reverse: bool,
}

impl Op for ScanMark {
    const NAMES: &'static [&'static str] = &["scanMark"];
    const HINT: &'static str = "a mark changes no shape.";
    const INPUTS: usize = 2;
    attributes_by_serde!();

    fn shape(&self, x: &[&Shape]) -> Result<Shape> {
        Ok(x[0].clone())
    }

    fn gradient(&self, _b: &mut Builder, at: &At) -> Result<Gradients> {
        Ok(vec![Some(at.dy), None])
    }

    fn work(&self, _x: &[&Shape], y: &Shape, batch: usize) -> usize {
        2 * y.elements(batch)
    }

    fn run<T: Real>(&self, io: &Io<T>) {
        let part = io.part(io.len());
        // SAFETY: members take disjoint parts.
        unsafe { io.output(part.clone()) }.copy_from_slice(&io.input(0)[part]);
    }

    fn samples() -> Vec<Sample> {
        vec![
            Sample::new(ScanMark::default(), &[&[-1, 3], &[-1, 4, 3]]),
            Sample::new(ScanMark::default(), &[&[0, 3], &[0, 3]]),
        ]
    }

    fn bad_samples() -> Vec<Sample> {
        Vec::new()
    }
}
