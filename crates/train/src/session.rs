//! A fitted model of sequences, one step at a time: what it carries from step to step stays in the memory of its program.

use std::sync::Arc;

use nabla_data::prepare::Fitted;
use nabla_error::{Code, Error, Result};
use nabla_graph::passes::step::{Stepped, step};
use nabla_graph::plan::Place;
use nabla_graph::{Bases, Memory, Mode, Moment, Program, Purpose};
use nabla_kernels::Real;
use nabla_kernels::denormals::flush_to_zero;
use nabla_kernels::team::Member;

use crate::model::{Model, Weights};

/// A program of one step with its memory.
#[derive(Debug)]
struct Run<T: Real> {
    program: Program,
    memory: Memory<T>,
    features: Place,
    output: Place,
    position: Option<Place>,
    /// From, to.
    states: Vec<(Place, Place)>,
    /// From, to, numbers a step.
    caches: Vec<(Place, Place, usize)>,
}

impl<T: Real> Run<T> {
    fn new(model: &Model, stepped: &Stepped) -> Result<Run<T>> {
        let mut outputs = vec!["output".to_owned()];
        outputs.extend(stepped.states.iter().map(|s| s.output.clone()));
        outputs.extend(stepped.caches.iter().map(|c| c.output.clone()));
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs,
            capacity: 1,
        };
        let program = Program::compile(&stepped.graph, &model.recipe.arena, &purpose)?;
        let place = |name: &str| {
            program
                .place(name)
                .ok_or_else(|| Error::internal(format!("the program of a step has no place for {name}")))
        };
        Ok(Run {
            memory: program.memory()?,
            features: place("features")?,
            output: place("output")?,
            position: program.place("position"),
            states: stepped
                .states
                .iter()
                .map(|s| Ok((place(&s.output)?, place(&s.input)?)))
                .collect::<Result<_>>()?,
            caches: stepped
                .caches
                .iter()
                .map(|c| Ok((place(&c.output)?, place(&c.input)?, c.width)))
                .collect::<Result<_>>()?,
            program,
        })
    }

    fn step(&mut self, theta: &[T], features: &[f64], position: usize) -> Vec<f64> {
        let bases = Bases::reading(&mut self.memory, theta);
        // SAFETY: `&mut self`: nobody else uses the memory; the program runs on this thread and is done before its outputs are read.
        // States and caches are inputs, whose memory no instruction writes; they are written between two runs.
        unsafe {
            let x = bases.write(&self.features, 1, 0..self.features.len.at(1));
            x.iter_mut().zip(features).for_each(|(x, &value)| *x = T::from_f64(value));
            if let Some(place) = &self.position {
                bases.write(place, 1, 0..1)[0] = T::from_f64(position as f64);
            }
            let moment = Moment {
                batch: 1,
                seed: 0,
                step: 0,
                rates: &[],
            };
            self.program.run(&bases, &moment, &Member::alone());
            for (from, to) in &self.states {
                bases.write(to, 1, 0..to.len.at(1)).copy_from_slice(bases.read(from, 1));
            }
            for (from, to, width) in &self.caches {
                let kept = width * position..width * (position + 1);
                bases.write(to, 1, kept).copy_from_slice(bases.read(from, 1));
            }
            bases.read(&self.output, 1).iter().map(|v| v.to_f64()).collect()
        }
    }

    fn reset(&mut self) {
        self.memory.workspace.fill(T::ZERO);
    }
}

#[derive(Debug)]
enum Either {
    F32(Run<f32>),
    F64(Run<f64>),
}

/// Steps a model.
#[derive(Debug)]
pub struct Session {
    model: Arc<Model>,
    run: Either,
    limit: Option<usize>,
    width: usize,
    /// Of the numbers of a step.
    preparation: Fitted,
    position: usize,
}

impl Session {
    /// Of a model whose layers look back only.
    ///
    /// # Errors
    /// `INVALID_OPTION` naming the layer that cannot be stepped.
    pub fn new(model: Arc<Model>) -> Result<Session> {
        let width = model.input_width() / model.schema.sample_shape.first().copied().unwrap_or(1).max(1);
        let map = model.preparation.map();
        let preparation = map.part(0..width.min(map.width()));
        let alike = (0..map.width() / width.max(1)).all(|t| map.part(t * width..(t + 1) * width) == preparation);
        if model.preparation.has_stages() || !alike {
            return Err(Error::new(Code::InvalidOption, "a model whose steps are not prepared alike cannot be stepped")
                .at("session")
                .expected("a model without prepare, or of sequences of different lengths (ragged: true)")
                .hint("Columns of sequences of one length are prepared for each step by itself: give ragged: true, or prepare before Dataset.from."));
        }
        let stepped = step(&model.recipe.graph)?;
        let run = match model.weights {
            Weights::F32(_) => Either::F32(Run::new(&model, &stepped)?),
            Weights::F64(_) => Either::F64(Run::new(&model, &stepped)?),
        };
        Ok(Session {
            preparation,
            model,
            run,
            limit: stepped.limit,
            width,
            position: 0,
        })
    }

    /// How many steps there can be, if the model tells them apart by their place.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Steps so far.
    pub fn position(&self) -> usize {
        self.position
    }

    /// Takes in one step and gives the prediction after it.
    ///
    /// # Errors
    /// `SHAPE_MISMATCH`, `NOT_FINITE`, `INVALID_OPTION` after the last step there can be.
    pub fn step(&mut self, features: &[f64]) -> Result<Vec<f64>> {
        if features.len() != self.width {
            return Err(Error::new(Code::ShapeMismatch, format!("a step has {} values", self.width))
                .at("step")
                .expected(format!("{} values", self.width))
                .received(format!("{} values", features.len())));
        }
        if let Some(at) = features.iter().position(|v| !v.is_finite()) {
            return Err(Error::new(Code::NotFinite, format!("a feature is {}", features[at])).at(format!("step, value {at}")));
        }
        if let Some(limit) = self.limit.filter(|&limit| self.position >= limit) {
            return Err(
                Error::new(Code::InvalidOption, format!("the model was made for sequences of {limit} steps"))
                    .at("step")
                    .expected(format!("at most {limit} steps"))
                    .received(format!("{} steps", limit + 1))
                    .hint("reset() begins a new sequence."),
            );
        }
        let _flush = flush_to_zero();
        let mut prepared = features.to_vec();
        self.preparation.transform(&mut prepared)?;
        let mut out = match (&mut self.run, &self.model.weights) {
            (Either::F32(run), Weights::F32(theta)) => run.step(theta, &prepared, self.position),
            (Either::F64(run), Weights::F64(theta)) => run.step(theta, &prepared, self.position),
            _ => return Err(Error::internal("weights and programs differ in precision")),
        };
        self.position += 1;
        self.model.target_preparation_inverse(&mut out)?;
        self.model
            .expect_finite(&out)
            .map_err(|e| e.at("step").hint("The state is spoiled with it: reset() begins a new sequence."))?;
        Ok(out)
    }

    /// Begins a new sequence.
    pub fn reset(&mut self) {
        match &mut self.run {
            Either::F32(run) => run.reset(),
            Either::F64(run) => run.reset(),
        }
        self.position = 0;
    }
}
