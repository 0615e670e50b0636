//! A compiled graph: planned for a batch capacity, run for any batch up to it, by one thread or a team, with the same bits.

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

use nabla_error::{Code, Error, Result, memory};
use nabla_kernels::team::Member;
use nabla_kernels::{Aligned, Real};
use nabla_params::{Arena, Spec};

use crate::ir::{Graph, Node};
use crate::ops::Operator;
use crate::ops::io::{Io, Moment, Slot};
use crate::passes;
use crate::passes::mode::Mode;
use crate::passes::taps::Tap;
use crate::plan::{Instruction, Place, Plan, Space, layouts, plan};
use crate::shape::Shape;

/// What a compiled graph is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Purpose {
    /// Noise on or off.
    pub mode: Mode,
    /// Whether the parameters' gradients are computed.
    pub gradients: bool,
    /// The outputs wanted beside them.
    pub outputs: Vec<String>,
    /// The largest batch.
    pub capacity: usize,
}

/// A compiled graph.
#[derive(Debug)]
pub struct Program {
    plan: Plan,
    /// Where the weights lie.
    pub arena: Arc<Arena>,
    /// The dropout rates that the recipe gives, one a slot.
    pub rates: Vec<f64>,
    /// The largest batch.
    pub capacity: usize,
    /// The graph after all passes.
    pub graph: Graph,
    /// The layers that are looked at, where the program was compiled to look.
    pub taps: Vec<Tap>,
}

/// The arena of a graph's parameters: the same for every program of that graph, so that they share the weights.
pub fn arena(graph: &Graph) -> Result<Arena> {
    let specs = graph.parameters.iter().zip(layouts(graph)).map(|(p, layout)| Spec {
        name: p.name.clone(),
        shape: p.shape.clone(),
        initializer: p.initializer.clone(),
        trainable: p.trainable,
        layout,
    });
    Arena::new(specs.collect())
}

/// The largest value that an operator makes.
fn largest(graph: &Graph, capacity: usize) -> Option<&Node> {
    let nodes = graph.nodes.iter().filter(|n| !n.op.is_source());
    nodes.max_by_key(|n| n.shape.elements(capacity))
}

/// No value of a batch is larger than can be counted, and the largest has room.
fn fits(graph: &Graph, capacity: usize) -> Result<()> {
    graph
        .nodes
        .iter()
        .try_for_each(|n| n.shape.check_size(capacity).map_err(|e| e.within(&n.path)))?;
    largest(graph, capacity).map_or(Ok(()), |n| n.shape.expect_room(capacity, "values").map_err(|e| e.within(&n.path)))
}

impl Program {
    /// Compiles a traced graph.
    pub fn compile(graph: &Graph, arena: &Arc<Arena>, purpose: &Purpose) -> Result<Program> {
        Self::compile_watched(graph, arena, purpose, &mut |_, _| {})
    }

    /// The same step, and what gradient health looks at as outputs: the taps' nodes under [`VALUES`](passes::taps::VALUES), the gradients
    /// there under [`SIGNALS`](passes::taps::SIGNALS).
    pub fn compile_tapped(graph: &Graph, arena: &Arc<Arena>, purpose: &Purpose) -> Result<Program> {
        Self::compiled(passes::run_tapped(graph, purpose, true, &mut |_, _| {})?, arena, purpose)
    }

    /// The same; `watch` sees the graph after each pass.
    pub fn compile_watched(
        graph: &Graph,
        arena: &Arc<Arena>,
        purpose: &Purpose,
        watch: &mut dyn FnMut(&'static str, &Graph),
    ) -> Result<Program> {
        fits(graph, purpose.capacity)?;
        Self::compiled(passes::run_tapped(graph, purpose, false, watch)?, arena, purpose)
    }

    fn compiled((graph, rates, taps): (Graph, Vec<f64>, Vec<Tap>), arena: &Arc<Arena>, purpose: &Purpose) -> Result<Program> {
        fits(&graph, purpose.capacity)?;
        let plan = plan(&graph, arena, purpose.capacity);
        if let Some(deep) = graph.nodes.iter().find(|n| n.shape.rank() > 8 || n.inputs.len() > 4) {
            return Err(Error::new(Code::NotImplemented, "a value of more than eight axes").at(deep.path.clone()));
        }
        Ok(Program {
            plan,
            arena: Arc::clone(arena),
            rates,
            capacity: purpose.capacity,
            graph,
            taps,
        })
    }

    /// The cost of one step in operations at full speed.
    pub fn work(&self) -> usize {
        self.plan.work
    }

    /// The instructions, to look at.
    pub fn instructions(&self) -> &[Instruction] {
        &self.plan.instructions
    }

    /// Lets the members of a team share every instruction, however small: for tests of what sharing must not change.
    pub fn share_everything(&mut self) {
        self.plan.share_everything(self.capacity);
    }

    /// Elements of workspace.
    pub fn workspace_len(&self) -> usize {
        self.plan.workspace
    }

    /// The layer of the largest value of a step, and its shape.
    pub fn largest(&self) -> Option<(&str, &Shape)> {
        largest(&self.graph, self.capacity).map(|n| (n.path.as_str(), &n.shape))
    }

    /// Memory for running it.
    ///
    /// # Errors
    /// `OUT_OF_MEMORY`, before anything is allocated, with the layer whose values are the largest.
    pub fn memory<T: Real>(&self) -> Result<Memory<T>> {
        memory::expect_room(self.plan.workspace.checked_mul(size_of::<T>()), || {
            let largest = self
                .largest()
                .map(|(_, shape)| format!(", the largest {shape}"))
                .unwrap_or_default();
            format!("the values of a batch of {} rows{largest}", self.capacity)
        })
        .map_err(|e| match self.largest() {
            Some((path, _)) if !path.is_empty() => e.at(path),
            _ => e,
        })?;
        let constants: Vec<T> = self.plan.constants.iter().map(|&v| T::from_f64(v)).collect();
        Ok(Memory {
            workspace: Aligned::zeroed(self.plan.workspace)?,
            constants: Aligned::copied(&constants)?,
        })
    }

    /// Memory in which this program and another take turns: the workspace of the larger, and the other's constants, which
    /// [`Memory::swap_constants`] puts in place.
    pub fn shared_memory<T: Real>(&self, other: &Program) -> Result<(Memory<T>, Aligned<T>)> {
        let mut memory = self.memory()?;
        if other.plan.workspace > self.plan.workspace {
            memory.workspace = Aligned::zeroed(other.plan.workspace)?;
        }
        Ok((memory, other.memory()?.constants))
    }

    /// Where a run-time input or an output lies in the workspace, if the program has it. (An output that is a weight or a constant
    /// itself lies elsewhere.)
    pub fn place(&self, name: &str) -> Option<Place> {
        self.plan.places.get(name).copied()
    }

    fn slot<T>(&self, place: &Place, bases: &Bases<T>, batch: usize) -> Slot<T> {
        let base = match place.space {
            Space::Workspace => bases.workspace,
            Space::Parameters => bases.theta,
            Space::Gradients => bases.gradient,
            Space::Constants => bases.constants,
        };
        Slot {
            start: base.wrapping_add(place.offset),
            len: place.len.at(batch),
        }
    }

    /// One instruction, by the one copy of all operators that this crate has for each type: a generic function would be compiled into
    /// every crate that runs programs, with all kernels that it calls.
    #[inline]
    fn step<T: Real>(&self, i: &Instruction, bases: &Bases<T>, moment: &Moment, member: &Member) {
        let bases: &dyn Any = bases;
        if let Some(bases) = bases.downcast_ref() {
            self.step_single(i, bases, moment, member);
        } else if let Some(bases) = bases.downcast_ref() {
            self.step_double(i, bases, moment, member);
        }
    }

    #[inline(never)]
    fn step_single(&self, i: &Instruction, bases: &Bases<f32>, moment: &Moment, member: &Member) {
        self.view(i, bases, moment, member, |io| i.op.run(io));
    }

    #[inline(never)]
    fn step_double(&self, i: &Instruction, bases: &Bases<f64>, moment: &Moment, member: &Member) {
        self.view(i, bases, moment, member, |io| i.op.run(io));
    }

    /// Calls `work` with what an instruction sees.
    #[inline]
    fn view<T: Real, R>(&self, i: &Instruction, bases: &Bases<T>, moment: &Moment, member: &Member, work: impl FnOnce(&Io<T>) -> R) -> R {
        let mut inputs = [Slot {
            start: std::ptr::null_mut(),
            len: 0,
        }; 4];
        for (slot, place) in inputs.iter_mut().zip(&i.inputs) {
            *slot = self.slot(place, bases, moment.batch);
        }
        work(&Io {
            moment,
            inputs: &inputs,
            output: self.slot(&i.output, bases, moment.batch),
            scratch: self.slot(&i.scratch, bases, moment.batch),
            kept: self.slot(&i.kept, bases, moment.batch),
            is_kept: bases.kept,
            shapes: &i.shapes,
            out_shape: &i.out_shape,
            panels: i.panels,
            out_panels: i.out_panels,
            member,
        })
    }

    /// Runs this member's part of all instructions. Every member of a team calls it with the same arguments; they must have met
    /// since the inputs were written, and must meet before the outputs are read.
    ///
    /// # Safety
    /// `bases` must point to this program's memory ([`Program::memory`]), to its arena's weights and, if it computes gradients, to a
    /// gradient arena, all unused by anybody else while the team runs it, and `moment.batch ≤ capacity`.
    pub unsafe fn run<T: Real>(&self, bases: &Bases<T>, moment: &Moment, member: &Member) {
        debug_assert!(moment.batch <= self.capacity);
        let alone = Member::alone();
        for i in &self.plan.instructions {
            if i.barrier {
                member.barrier();
            }
            if i.parallel {
                self.step(i, bases, moment, member);
            } else if member.rank() == 0 {
                self.step(i, bases, moment, &alone);
            }
        }
    }

    /// Runs alone, and tells after each instruction, by its number: for benchmarks of the parts.
    ///
    /// # Safety
    /// As [`Program::run`].
    pub unsafe fn run_watched<T: Real>(&self, bases: &Bases<T>, moment: &Moment, mut after: impl FnMut(usize)) {
        let alone = Member::alone();
        for (index, i) in self.plan.instructions.iter().enumerate() {
            self.step(i, bases, moment, &alone);
            after(index);
        }
    }

    /// Runs alone, and stops at the first instruction whose output is not finite.
    ///
    /// # Safety
    /// As [`Program::run`].
    pub unsafe fn run_checked<T: Real>(&self, bases: &Bases<T>, moment: &Moment) -> Option<NotFinite> {
        let alone = Member::alone();
        for i in &self.plan.instructions {
            let out = self.slot(&i.output, bases, moment.batch);
            let found = if let Operator::Chain(chain) = &i.op {
                self.view(i, bases, moment, &alone, |io| chain.run_checked(io))
            } else {
                self.step(i, bases, moment, &alone);
                // SAFETY: the instruction just wrote this memory, which the plan gave it.
                let values = unsafe { std::slice::from_raw_parts(out.start, out.len) };
                values.iter().position(|v| !v.is_finite()).map(|at| (i.op.name(), None, at))
            };
            if let Some((operator, path, at)) = found {
                let by_row = i.out_shape.0.first().is_some_and(|d| d.batch);
                let row = by_row.then(|| at / (out.len / moment.batch.max(1)).max(1));
                return Some(NotFinite {
                    path: path.unwrap_or(&i.path).to_string(),
                    operator,
                    row,
                });
            }
        }
        None
    }
}

/// Where a value first stopped being finite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotFinite {
    /// The layer.
    pub path: String,
    /// The operator.
    pub operator: &'static str,
    /// The row in the batch, where the value has rows.
    pub row: Option<usize>,
}

/// The memory one run of a program needs beside the weights.
#[derive(Debug)]
pub struct Memory<T: Real> {
    /// Values of one step.
    pub workspace: Aligned<T>,
    constants: Aligned<T>,
}

impl<T: Real> Memory<T> {
    /// Puts another program's constants in place, and gives those of before.
    pub fn swap_constants(&mut self, constants: &mut Aligned<T>) {
        std::mem::swap(&mut self.constants, constants);
    }
}

/// The starts of all memories, shared by a team.
#[derive(Clone, Copy, Debug)]
pub struct Bases<T> {
    workspace: *mut T,
    constants: *mut T,
    theta: *mut T,
    gradient: *mut T,
    kept: bool,
}
// SAFETY: plain addresses; whoever runs a program with them promises who uses the memory (`Program::run`).
unsafe impl<T: Send> Send for Bases<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Bases<T> {}

impl<T: Real> Bases<T> {
    /// Of a program's memory, the weights and their gradients (empty where there are none).
    pub fn new(memory: &mut Memory<T>, theta: &mut [T], gradient: &mut [T]) -> Self {
        Self {
            workspace: memory.workspace.as_mut_ptr(),
            // Never written: no instruction has a constant as its output.
            constants: memory.constants.as_mut_ptr(),
            theta: theta.as_mut_ptr(),
            gradient: gradient.as_mut_ptr(),
            kept: false,
        }
    }

    /// The same with weights that are only read (a program without gradients).
    pub fn reading(memory: &mut Memory<T>, theta: &[T]) -> Self {
        Self {
            workspace: memory.workspace.as_mut_ptr(),
            constants: memory.constants.as_mut_ptr(),
            theta: theta.as_ptr().cast_mut(),
            gradient: std::ptr::null_mut(),
            kept: false,
        }
    }

    /// The same, and whether the program has run in this memory before, with the very same weights: then what it makes of weights alone is
    /// there still (in programs of few rows without gradients), and is not made again. The bits are the same.
    pub fn keeping(self, kept: bool) -> Self {
        Self { kept, ..self }
    }

    fn start(&self, space: Space) -> *mut T {
        match space {
            Space::Workspace => self.workspace,
            Space::Parameters => self.theta,
            Space::Gradients => self.gradient,
            Space::Constants => self.constants,
        }
    }

    /// A value to read.
    ///
    /// # Safety
    /// Nobody writes it meanwhile, and the place is one of the program that these are the bases of.
    pub unsafe fn read<'a>(&self, place: &Place, batch: usize) -> &'a [T] {
        // SAFETY: the plan gave the place this many elements.
        unsafe { std::slice::from_raw_parts(self.start(place.space).add(place.offset), place.len.at(batch)) }
    }

    /// Part of a value to write.
    ///
    /// # Safety
    /// Nobody else reads or writes that part meanwhile, and the place is one of the program that these are the bases of.
    pub unsafe fn write<'a>(&self, place: &Place, batch: usize, range: std::ops::Range<usize>) -> &'a mut [T] {
        assert!(range.end <= place.len.at(batch) && range.start <= range.end);
        // SAFETY: inside the place by the assertion.
        unsafe { std::slice::from_raw_parts_mut(self.start(place.space).add(place.offset + range.start), range.len()) }
    }
}

/// A safe run for tests and small functions: inputs by name in, outputs by name out, row-major, on the calling thread.
pub fn evaluate<T: Real>(
    graph: &Graph,
    purpose: &Purpose,
    weights: &HashMap<String, Vec<T>>,
    inputs: &HashMap<String, Vec<T>>,
    seed: u64,
) -> Result<HashMap<String, Vec<T>>> {
    let arena = Arc::new(arena(graph)?);
    let program = Program::compile(graph, &arena, purpose)?;
    let mut memory = program.memory::<T>()?;
    let (mut theta, mut gradient) = (Aligned::zeroed(arena.len)?, Aligned::zeroed(arena.len)?);
    for row in &arena.rows {
        if let Some(values) = weights.get(&row.spec.name) {
            arena.write(row, values, &mut theta)?;
        }
    }
    let batch = purpose.capacity;
    let bases = Bases::new(&mut memory, &mut theta, &mut gradient);
    for (name, values) in inputs {
        if let Some(place) = program.place(name) {
            if values.len() != place.len.at(batch) {
                return Err(Error::internal(format!(
                    "input {name} has {} values, not {}",
                    values.len(),
                    place.len.at(batch)
                )));
            }
            // SAFETY: nothing runs yet.
            unsafe { bases.write(&place, batch, 0..values.len()) }.copy_from_slice(values);
        }
    }
    let moment = Moment {
        batch,
        seed,
        step: 0,
        rates: &program.rates,
    };
    // SAFETY: the memory was made for this program and this call alone uses it.
    unsafe { program.run(&bases, &moment, &Member::alone()) };
    let mut found = HashMap::new();
    for name in &purpose.outputs {
        if let Some(place) = program.place(name) {
            // SAFETY: the run is over.
            found.insert(name.clone(), unsafe { bases.read(&place, batch) }.to_vec());
        }
    }
    if purpose.gradients {
        for row in arena.rows.iter().filter(|r| r.spec.trainable) {
            found.insert(format!("gradient:{}", row.spec.name), arena.read(row, &gradient));
        }
    }
    Ok(found)
}
