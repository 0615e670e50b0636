//! The update of the weights after a backward pass: which rule with which settings acts on which parameter, side by side in a team.
//!
//! Where one setting holds for all parameters, the rule passes once over the whole trained arena and nothing else happens. Sums over
//! parameters are taken in blocks and added by a tree, both fixed by the arena, so that the bits do not depend on the team.

use std::ops::Range;

use nabla_error::Result;
use nabla_graph::Graph;
use nabla_kernels::team::Member;
use nabla_kernels::{PANEL, Real};
use nabla_optim::clip::{BLOCK, tree_of};
use nabla_optim::{Optimizer, Step};
use nabla_params::{Arena, Layout};

use crate::apart::Apart;
use crate::spec::FitSpec;

/// The most state buffers that a rule has.
pub const STATES: usize = 4;

/// How one parameter is updated.
#[derive(Clone, Debug, PartialEq)]
struct Setting {
    rule: Optimizer,
}

/// Part of one parameter whose sum one member takes.
#[derive(Clone, Debug)]
struct Block {
    row: usize,
    range: Range<usize>,
}

/// The plan of the update.
#[derive(Debug)]
pub struct Update {
    /// One a row of the arena.
    settings: Vec<Setting>,
    uniform: bool,
    by_row: bool,
    blocks: Vec<Block>,
    /// The blocks of each row.
    of_row: Vec<Range<usize>>,
    /// Two sums a block.
    sums: Vec<f64>,
    at: Step,
}

/// What a team works on during one update.
#[derive(Clone, Copy)]
pub struct Buffers<T> {
    /// The weights.
    pub theta: Apart<T>,
    /// Their gradients.
    pub gradient: Apart<T>,
    /// The rule's state.
    pub state: [Option<Apart<T>>; STATES],
}

impl Update {
    /// For the parameters of a recipe.
    pub fn new(spec: &FitSpec, graph: &Graph, arena: &Arena) -> Result<Update> {
        let settings: Vec<Setting> = arena
            .rows
            .iter()
            .map(|row| {
                let decays = graph.parameters.iter().any(|p| p.name == row.spec.name && p.decay);
                let rule = if decays {
                    spec.optimizer.clone()
                } else {
                    spec.optimizer.with_decay(0.0)
                };
                Setting { rule }
            })
            .collect();
        let trained = || arena.rows.iter().enumerate().filter(|(_, row)| row.spec.trainable);
        let uniform = trained().all(|(i, _)| settings[i] == settings[trained().next().map_or(i, |(first, _)| first)]);
        let by_row = spec.optimizer.by_row();
        let mut blocks = Vec::new();
        let mut of_row = vec![0..0; arena.rows.len()];
        if by_row {
            for (row, r) in trained() {
                let first = blocks.len();
                blocks.extend((0..r.len.div_ceil(BLOCK)).map(|i| Block {
                    row,
                    range: r.offset + i * BLOCK..r.offset + r.len.min((i + 1) * BLOCK),
                }));
                of_row[row] = first..blocks.len();
            }
        }
        Ok(Update {
            sums: vec![0.0; 2 * blocks.len()],
            at: Step::first(&spec.optimizer, spec.optimizer.learning_rate()),
            settings,
            uniform: uniform && !by_row,
            by_row,
            blocks,
            of_row,
        })
    }

    /// The rate of the next update.
    pub fn learning_rate(&self) -> f64 {
        self.at.learning_rate
    }

    /// Takes the next update's turn: the sums' memory for the team, and the step's number.
    pub fn begin(&mut self) -> Turn<'_> {
        let sums = Apart::of(&mut self.sums);
        Turn { sums, update: self }
    }

    /// After an update.
    pub fn done(&mut self, rule: &Optimizer) {
        self.at = self.at.next(rule, rule.learning_rate());
    }
}

/// One update in progress.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    update: &'a Update,
    sums: Apart<f64>,
}

impl Turn<'_> {
    /// This member's part of the update. Every member calls it.
    ///
    /// # Safety
    /// The buffers are those of the arena that the plan was made for, alive, and used by this team alone; the team has met since the
    /// gradients were written, and meets before anybody reads the weights.
    pub unsafe fn run<T: Real>(&self, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let update = self.update;
        for (row, range) in ranges(arena, member, update.uniform) {
            // SAFETY: members' ranges are disjoint.
            let (theta, gradient) = unsafe { (buffers.theta.part(range.clone()), buffers.gradient.part(range.clone())) };
            let mut state: [&mut [T]; STATES] = [&mut [], &mut [], &mut [], &mut []];
            let rule = &update.settings[row].rule;
            let count = rule.state_count();
            for (own, all) in state.iter_mut().zip(&buffers.state) {
                if let Some(all) = all {
                    // SAFETY: as above.
                    *own = unsafe { all.part(range.clone()) };
                }
            }
            rule.step(update.at, theta, gradient, &mut state[..count]);
        }
        if update.by_row {
            // SAFETY: as the caller promises.
            unsafe { self.move_rows(arena, buffers, member) };
        }
    }

    /// The second half of a rule that looks at parameters as a whole.
    unsafe fn move_rows<T: Real>(&self, arena: &Arena, buffers: &Buffers<T>, member: &Member) {
        let update = self.update;
        let read = |range: Range<usize>| {
            let mut state: [&[T]; STATES] = [&[]; STATES];
            for (own, all) in state.iter_mut().zip(&buffers.state) {
                if let Some(all) = all {
                    // SAFETY: nobody writes the state until the next update.
                    *own = unsafe { all.part(range.clone()) };
                }
            }
            state
        };
        member.barrier();
        for i in member.part(update.blocks.len()) {
            let Block { row, range } = &update.blocks[i];
            let rule = &update.settings[*row].rule;
            let state = read(range.clone());
            // SAFETY: the weights are only read between the barriers; members' blocks are disjoint.
            unsafe {
                let sums = rule.row_sums(update.at, buffers.theta.part(range.clone()), &state[..rule.state_count()]);
                self.sums.part(2 * i..2 * i + 2).copy_from_slice(&sums);
            }
        }
        member.barrier();
        for (row, range) in ranges(arena, member, false) {
            let rule = &update.settings[row].rule;
            let norms = [0, 1].map(|which| self.row_sum(row, which).sqrt());
            let state = read(range.clone());
            // SAFETY: members' ranges are disjoint.
            rule.row_move(update.at, norms, unsafe { buffers.theta.part(range) }, &state[..rule.state_count()]);
        }
    }

    /// The sum over the blocks of a row, after a barrier.
    fn row_sum(&self, row: usize, which: usize) -> f64 {
        let blocks = self.update.of_row[row].clone();
        // SAFETY: only read between two barriers.
        tree_of(blocks.len(), &|i| unsafe {
            self.sums.part(2 * (blocks.start + i)..2 * (blocks.start + i) + 2)[which]
        })
    }
}

/// The parts of the trained arena that a member checks and updates, with the row they belong to: of a matrix in panels the panels whose
/// gradients it computes, so that weights, gradients and moments stay in its own cache. Where all rows are treated alike (`whole`) a
/// single member has one part. Found anew each time: a few additions, and nothing allocated.
pub fn ranges<'a>(arena: &'a Arena, member: &Member, whole: bool) -> impl Iterator<Item = (usize, Range<usize>)> + use<'a> {
    let (rank, size) = (member.rank(), member.size());
    let whole = whole && size == 1;
    let first = arena.rows.iter().position(|r| r.spec.trainable).unwrap_or(0);
    let one = whole.then_some((first, 0..arena.trained)).filter(|_| !arena.rows.is_empty());
    let rows = if whole { 0 } else { arena.rows.len() };
    let split = (0..rows).filter(|&i| arena.rows[i].spec.trainable).map(move |i| {
        let row = &arena.rows[i];
        let panels = row.spec.shape.get(1).map_or(0, |n| n.div_ceil(PANEL));
        let by_panel = row.spec.layout == Layout::Panels && (panels.is_multiple_of(size) || panels >= 8 * size);
        let unit = if by_panel { row.len / panels } else { PANEL };
        let units = row.len / unit.max(1);
        (
            i,
            row.offset + units * rank / size * unit..row.offset + units * (rank + 1) / size * unit,
        )
    });
    one.into_iter().chain(split)
}
