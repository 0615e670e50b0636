//! The second program of a watched fit, and what is taken down from its steps.

use std::sync::Arc;

use nabla_error::Result;
use nabla_graph::passes::taps::{Bound, SIGNALS, Tap, VALUES};
use nabla_graph::plan::Place;
use nabla_graph::{Bases, Memory, Program};
use nabla_kernels::statistics::{Beyond, beyond, moved};
use nabla_kernels::team::Member;
use nabla_kernels::{Aligned, Real};
use nabla_params::{Arena, Layout, Row};

use super::recurrence::{self, Gate, Seen};
use super::statistics::{Statistics, Sums, evenly, short};
use super::{LayerRecord, ParameterRecord, Record};
use crate::apart::Apart;
use crate::places::Places;
use crate::recipe::Recipe;
use crate::room::expect_room;

/// Rows on which a unit must have given nothing but 0 to be called dead.
const DEAD_ROWS: u64 = 256;
/// |tanh| from which on it is saturated: its slope is below a tenth.
pub(super) const SATURATED: f64 = 0.95;

/// A layer that is looked at.
struct Looked {
    tap: Tap,
    values: Vec<Place>,
    signals: Vec<Place>,
    /// Of a ReLU: how many rows had been seen when each unit last was above 0.
    alive: Vec<u64>,
    seen: u64,
    cells: Vec<Seen>,
    found: Found,
}

/// What one step showed of a layer.
#[derive(Default)]
struct Found {
    outputs: Option<Statistics>,
    signal: Option<Statistics>,
    saturated: Option<f64>,
    gates: Vec<Gate>,
    steps: Vec<f64>,
}

/// A parameter that is looked at.
struct Moved {
    row: usize,
    /// Where the values of its histogram lie, from its start.
    sampled: Vec<usize>,
    found: Option<Statistics>,
    weight_norm: f64,
    update_norm: f64,
}

/// What a watched fit has beside the rest.
pub(crate) struct Watch<T: Real> {
    every: u64,
    program: Arc<Program>,
    places: Places,
    constants: Aligned<T>,
    /// Weights before the update.
    before: Aligned<T>,
    layers: Vec<Looked>,
    parameters: Vec<Moved>,
    input: Option<Statistics>,
    dead_rows: u64,
    records: Vec<Record>,
}

/// What a team writes to while it looks.
pub(crate) struct Look<T> {
    before: Apart<T>,
    layers: Apart<Looked>,
    parameters: Apart<Moved>,
    input: Apart<Option<Statistics>>,
    layer_count: usize,
    parameter_count: usize,
    features: Option<Place>,
}

impl<T: Real> Watch<T> {
    /// For a fit whose steps run `program`: each so many steps. Memory for both.
    pub fn new(recipe: &Recipe, program: &Program, rows: usize, every: usize) -> Result<(Watch<T>, Memory<T>)> {
        let tapped = recipe.training_tapped(program.capacity)?;
        expect_room::<T>(recipe, &tapped)?;
        let (memory, constants) = program.shared_memory::<T>(&tapped)?;
        let place = |prefix: &str, id: &usize| tapped.place(&format!("{prefix}{id}"));
        let layers = tapped.taps.iter().map(|tap| {
            let values: Vec<Place> = tap.nodes.iter().filter_map(|id| place(VALUES, id)).collect();
            Looked {
                signals: tap.nodes.iter().filter_map(|id| place(SIGNALS, id)).collect(),
                alive: vec![0; if tap.bound == Some(Bound::Relu) { tap.units } else { 0 }],
                seen: 0,
                values,
                tap: tap.clone(),
                cells: tap.cells.iter().map(|cell| Seen::new(cell, &tapped)).collect(),
                found: Found::default(),
            }
        });
        let trained = (0..recipe.arena.rows.len()).filter(|&row| recipe.arena.rows[row].spec.trainable);
        let watch = Watch {
            every: every.max(1) as u64,
            places: Places::of(&tapped, recipe)?,
            constants,
            before: Aligned::zeroed(recipe.arena.trained)?,
            layers: layers.collect(),
            parameters: trained
                .map(|row| Moved {
                    row,
                    sampled: {
                        let row = &recipe.arena.rows[row];
                        evenly(row.values()).map(|i| row.stored(i) - row.offset).collect()
                    },
                    found: None,
                    weight_norm: 0.0,
                    update_norm: 0.0,
                })
                .collect(),
            input: None,
            dead_rows: DEAD_ROWS.min(rows as u64),
            records: Vec::new(),
            program: tapped,
        };
        Ok((watch, memory))
    }

    /// Whether a step is looked at.
    pub fn wants(&self, step: u64) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Puts the second program and its constants in the place of the first, or back.
    pub fn swap(&mut self, program: &mut Arc<Program>, places: &mut Places, memory: &mut Memory<T>) {
        std::mem::swap(&mut self.program, program);
        std::mem::swap(&mut self.places, places);
        memory.swap_constants(&mut self.constants);
    }

    /// What a team needs to look. `places` are those of the step.
    pub fn look(&mut self, places: &Places) -> Look<T> {
        Look {
            before: Apart::of(&mut self.before),
            layer_count: self.layers.len(),
            parameter_count: self.parameters.len(),
            layers: Apart::of(&mut self.layers),
            parameters: Apart::of(&mut self.parameters),
            input: Apart::of(std::slice::from_mut(&mut self.input)),
            features: places.features,
        }
    }

    /// Takes down what was found.
    pub fn record(&mut self, arena: &Arena, (step, epoch, rows): (u64, usize, usize), loss: f64, learning_rate: f64) {
        let mut layers: Vec<LayerRecord> = self
            .layers
            .iter_mut()
            .map(|l| {
                let found = std::mem::take(&mut l.found);
                let dead = || l.alive.iter().filter(|&&last| l.seen - last >= self.dead_rows).count() as f64 / l.alive.len() as f64;
                LayerRecord {
                    layer: l.tap.layer.clone(),
                    bound: l.tap.bound.map(|bound| match bound {
                        Bound::Relu => "relu",
                        Bound::Tanh => "tanh",
                        Bound::Sigmoid => "sigmoid",
                    }),
                    recurrent: l.tap.recurrent,
                    ends: l.tap.ends.clone(),
                    outputs: found.outputs,
                    saturated: found.saturated,
                    dead: (!l.alive.is_empty() && l.seen >= self.dead_rows).then(dead).map(short),
                    signal: found.signal,
                    gates: found.gates,
                    steps: found.steps,
                    parameters: Vec::new(),
                }
            })
            .collect();
        for moved in &mut self.parameters {
            let spec = &arena.rows[moved.row].spec;
            let Some(gradient) = moved.found.take() else { continue };
            let own = spec.name.rsplit_once('/').map_or("", |(layer, _)| layer);
            let parameter = ParameterRecord {
                name: spec.name.clone(),
                kernel: spec.shape.len() > 1,
                gradient,
                weight_norm: short(moved.weight_norm),
                update_norm: short(moved.update_norm),
            };
            // A layer whose output is not one value (a norm's scale inside another's layer) is a layer without outputs.
            match layers.iter_mut().find(|l| l.layer == own) {
                Some(layer) => layer.parameters.push(parameter),
                None => layers.push(LayerRecord {
                    layer: own.to_owned(),
                    bound: None,
                    recurrent: false,
                    ends: Vec::new(),
                    outputs: None,
                    saturated: None,
                    dead: None,
                    signal: None,
                    gates: Vec::new(),
                    steps: Vec::new(),
                    parameters: vec![parameter],
                }),
            }
        }
        self.records.push(Record {
            step,
            epoch,
            rows,
            loss: short(loss),
            learning_rate,
            input: self.input.take(),
            layers,
        });
    }

    /// The records since the last call.
    pub fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }
}

/// Values of several places, as one.
fn of_places<T: Real>(parts: &[&[T]], range: Option<(f64, f64)>) -> Option<Statistics> {
    let sums = parts.iter().map(|part| Sums::of(part, 0)).reduce(Sums::and)?;
    let len = parts[0].len().max(1);
    let at = |i: usize| parts.get(i / len).and_then(|part| part.get(i % len)).map_or(0.0, |v| v.to_f64());
    let count = parts.iter().map(|part| part.len()).sum();
    Some(match parts {
        [one] => sums.statistics(range, evenly(count).map(|i| one[i].to_f64())),
        _ => sums.statistics(range, evenly(count).map(at)),
    })
}

/// The gradient of one row of the arena.
fn of_row<T: Real>(row: &Row, sampled: &[usize], gradient: &[T]) -> Statistics {
    let panels = row.spec.layout == Layout::Panels;
    let used = if panels { row.len } else { row.values() };
    let sums = Sums::of(&gradient[..used], used - row.values());
    sums.statistics(None, sampled.iter().map(|&i| gradient[i].to_f64()))
}

impl<T: Real> Look<T> {
    /// Looks at outputs, signals and gradients, and keeps the weights: this member's share.
    ///
    /// # Safety
    /// The bases, gradients and weights are those of the step that has just run, and nobody writes them meanwhile; each member calls it once.
    pub unsafe fn before(&self, bases: &Bases<T>, arena: &Arena, (theta, gradient): (Apart<T>, Apart<T>), n: usize, member: &Member) {
        let (rank, size) = (member.rank(), member.size());
        for i in (rank..self.parameter_count).step_by(size) {
            // SAFETY: members take different parameters; weights and gradients are only read.
            let (moved, gradient) = unsafe {
                let moved = &mut self.parameters.part(i..i + 1)[0];
                let range = arena.rows[moved.row].range();
                self.before.part(range.clone()).copy_from_slice(theta.part(range.clone()));
                (moved, gradient.part(range))
            };
            moved.found = Some(of_row(&arena.rows[moved.row], &moved.sampled, gradient));
        }
        for i in (rank..self.layer_count).step_by(size) {
            // SAFETY: members take different layers; outputs and signals are only read.
            let layer = unsafe { &mut self.layers.part(i..i + 1)[0] };
            // SAFETY: as above.
            let read = |places: &[Place]| -> Vec<&[T]> { places.iter().map(|place| unsafe { bases.read(place, n) }).collect() };
            let (values, signals) = (read(&layer.values), read(&layer.signals));
            let range = match layer.tap.bound {
                Some(Bound::Tanh) => Some((-1.0, 1.0)),
                Some(Bound::Sigmoid) => Some((0.0, 1.0)),
                _ => None,
            };
            let saturated = match layer.tap.bound {
                Some(Bound::Tanh) => Some(outside(&values, -SATURATED, SATURATED)),
                Some(Bound::Sigmoid) => Some(outside(&values, 0.5 - 0.5 * SATURATED, 0.5 + 0.5 * SATURATED)),
                _ => None,
            };
            layer.seen += n as u64;
            let (seen, units) = (layer.seen, layer.alive.len());
            for unit in values.iter().flat_map(|part| part.chunks_exact(units.max(1))).filter(|_| units > 0) {
                for (last, v) in layer.alive.iter_mut().zip(unit) {
                    *last = if *v == T::ZERO { *last } else { seen };
                }
            }
            // SAFETY: as above.
            let (gates, steps) = unsafe { recurrence::look(&layer.cells, bases, n) };
            layer.found = Found {
                outputs: of_places(&values, range),
                signal: of_places(&signals, None),
                saturated,
                gates,
                steps,
            };
        }
        if rank + 1 == size
            && let Some(features) = &self.features
        {
            // SAFETY: the last member alone writes it; features are only read.
            unsafe { self.input.part(0..1)[0] = of_places(&[bases.read(features, n)], None) };
        }
    }

    /// Looks at what the update did: this member's share.
    ///
    /// # Safety
    /// The weights are those that [`Self::before`] saw, updated, and nobody writes them meanwhile; each member calls it once.
    pub unsafe fn after(&self, arena: &Arena, theta: Apart<T>, member: &Member) {
        for i in (member.rank()..self.parameter_count).step_by(member.size()) {
            // SAFETY: members take different parameters; weights are only read.
            unsafe {
                let own = &mut self.parameters.part(i..i + 1)[0];
                let range = arena.rows[own.row].range();
                (own.weight_norm, own.update_norm) = moved(theta.part(range.clone()), self.before.part(range));
            }
        }
    }
}

/// The share of numbers below `low` or above `high`.
fn outside<T: Real>(parts: &[&[T]], low: f64, high: f64) -> f64 {
    let count: usize = parts.iter().map(|part| part.len()).sum();
    let all = |part: &&[T]| beyond(part, (part.len(), part.len()), (low, high));
    let found = parts.iter().map(all).fold(Beyond::default(), Beyond::and);
    short((found.below + found.above) as f64 / count.max(1) as f64)
}
