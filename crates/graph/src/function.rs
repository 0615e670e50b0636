//! A graph without weights as a function of arrays: compiled once for its shapes, run on the calling thread.

use std::sync::Arc;

use nabla_error::{Code, Error, Result};
use nabla_kernels::Real;
use nabla_kernels::denormals::flush_to_zero;
use nabla_kernels::team::Member;

use crate::ir::Graph;
use crate::ops::io::Moment;
use crate::passes::mode::Mode;
use crate::program::{Bases, Memory, Program, Purpose, arena};

/// A compiled function with its memory.
#[derive(Debug)]
pub struct Function<T: Real> {
    program: Program,
    memory: Memory<T>,
    outputs: Vec<String>,
}

impl<T: Real> Function<T> {
    /// Of a graph whose shapes are all fixed; its outputs are the function's.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY` before anything is computed, `INVALID_OPTION` for a graph with weights.
    pub fn new(graph: &Graph) -> Result<Function<T>> {
        if let Some(parameter) = graph.parameters.first() {
            return Err(Error::new(Code::InvalidOption, "a compiled function has no weights of its own").at(parameter.name.clone()));
        }
        let outputs: Vec<String> = graph.outputs.keys().cloned().collect();
        let purpose = Purpose {
            mode: Mode::Infer,
            gradients: false,
            outputs: outputs.clone(),
            capacity: 1,
        };
        let program = Program::compile(graph, &Arc::new(arena(graph)?), &purpose)?;
        Ok(Function {
            memory: program.memory()?,
            program,
            outputs,
        })
    }

    /// Inputs by name, row-major; each output by name goes to `each`.
    ///
    /// # Errors
    /// `SHAPE_MISMATCH` for an input of another length.
    pub fn run(&mut self, inputs: &[(String, &[T])], mut each: impl FnMut(&str, &[T])) -> Result<()> {
        let _flush = flush_to_zero();
        let (mut theta, mut gradient) = ([], []);
        let bases = Bases::new(&mut self.memory, &mut theta, &mut gradient);
        for (name, values) in inputs {
            let Some(place) = self.program.place(name) else { continue };
            if values.len() != place.len.at(1) {
                return Err(Error::new(
                    Code::ShapeMismatch,
                    format!("{} values, the function was compiled for {}", values.len(), place.len.at(1)),
                )
                .at(name.clone()));
            }
            // SAFETY: `&mut self`: nothing runs yet, and nobody else has this memory.
            unsafe { bases.write(&place, 1, 0..values.len()) }.copy_from_slice(values);
        }
        let moment = Moment {
            batch: 1,
            seed: 0,
            step: 0,
            rates: &[],
        };
        // SAFETY: the memory was made for this program and this call alone uses it; the program has no weights and no gradients of them.
        unsafe { self.program.run(&bases, &moment, &Member::alone()) };
        for name in &self.outputs {
            let place = self.program.place(name);
            let place = place.ok_or_else(|| Error::internal(format!("the function has no place for {name}")))?;
            // SAFETY: the run is over.
            each(name, unsafe { bases.read(&place, 1) });
        }
        Ok(())
    }
}
