//! What is seen inside a recurrent cell: where its gates stand, and how far back in time the gradient reaches.

use nabla_graph::passes::taps::{Cell, GATES, STEPS};
use nabla_graph::plan::Place;
use nabla_graph::{Bases, Program};
use nabla_kernels::statistics::{Beyond, beyond};
use nabla_kernels::{Real, reduce};
use serde::Serialize;

use super::statistics::{evenly_of, short};
use super::watch::SATURATED;

/// Steps that are taken down at most.
const STEPS_KEPT: usize = 256;

/// One gate of a recurrent cell, over rows, steps and units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gate {
    /// `input`, `forget`, `candidate`, `output` of an LSTM; `reset`, `update`, `candidate` of a GRU.
    pub gate: &'static str,
    /// The mean.
    pub mean: f64,
    /// The share at the lower end: below 0.025, of a candidate (tanh) below −0.95.
    pub low: f64,
    /// The share at the upper end: above 0.975, of a candidate above 0.95.
    pub high: f64,
}

/// A cell with the places of its values.
pub(super) struct Seen {
    cell: Cell,
    record: Option<Place>,
    back: Option<Place>,
}

impl Seen {
    pub fn new(cell: &Cell, program: &Program) -> Seen {
        let place = |prefix: &str| program.place(&format!("{prefix}{}", cell.record));
        Seen {
            record: place(GATES),
            back: place(STEPS),
            cell: cell.clone(),
        }
    }
}

/// The gates of all calls of a layer together, and the gradient by step of its calls of one length.
///
/// # Safety
/// The bases are those of a step that has run, and nobody writes them meanwhile.
pub(super) unsafe fn look<T: Real>(cells: &[Seen], bases: &Bases<T>, n: usize) -> (Vec<Gate>, Vec<f64>) {
    let Some(first) = cells.first() else { return Default::default() };
    let names = first.cell.gates;
    let mut sums = vec![(Beyond::default(), 0usize); names.len()];
    let mut squares = vec![0.0; first.cell.time];
    let mut known = false;
    for Seen { cell, record, back } in cells {
        if let Some(place) = record {
            // SAFETY: as the caller promises.
            let values = unsafe { bases.read(place, n) };
            let stride = values.len() / (n * cell.time).max(1);
            for (i, (sum, count)) in sums.iter_mut().enumerate() {
                let of_gate = beyond(&values[i * cell.units..], (cell.units, stride), limits(names[i]));
                (*sum, *count) = (sum.and(of_gate), *count + n * cell.time * cell.units);
            }
        }
        if let Some(place) = back.as_ref().filter(|_| cell.time == squares.len()) {
            // SAFETY: as the caller promises.
            let values = unsafe { bases.read(place, n) };
            // The gradient of the state may lie after the last step of a row; that of a GRU's h·U beside that of x.
            let width = cell.gates.len().max(1) * cell.units;
            let stride = width * if names.len() == 3 { 2 } else { 1 };
            let row = values.len() / n.max(1);
            for (row, time) in values
                .chunks_exact(row.max(1))
                .flat_map(|row| (0..cell.time).map(move |time| (row, time)))
            {
                let at = if cell.reverse { cell.time - 1 - time } else { time };
                squares[time] += sum_squares(&row[at * stride..at * stride + width]);
            }
            known = true;
        }
    }
    let gates = names.iter().zip(sums).map(|(gate, (sum, count))| {
        let share = |x: f64| short(x / count.max(1) as f64);
        Gate {
            gate,
            mean: share(sum.sum),
            low: share(sum.below as f64),
            high: share(sum.above as f64),
        }
    });
    let kept = evenly_of(squares.len(), STEPS_KEPT).map(|i| short(squares[i].sqrt()));
    (gates.collect(), if known { kept.collect() } else { Vec::new() })
}

/// Where the slope of a gate is below a tenth of its largest.
fn limits(gate: &str) -> (f64, f64) {
    if gate == "candidate" {
        (-SATURATED, SATURATED)
    } else {
        (0.5 - 0.5 * SATURATED, 0.5 + 0.5 * SATURATED)
    }
}

fn sum_squares<T: Real>(x: &[T]) -> f64 {
    let sum = reduce::sum_squares(x);
    if sum.is_finite() {
        sum.to_f64()
    } else {
        // What overflows in single precision does not in double.
        x.iter().map(|v| v.to_f64() * v.to_f64()).sum()
    }
}
