//! What an operator sees when it runs: its inputs, its output and its part of the work.

use std::ops::Range;
use std::sync::OnceLock;

use nabla_kernels::team::Member;

use crate::shape::Shape;

/// One value in memory while a program runs.
#[derive(Debug)]
pub struct Slot<T> {
    pub(crate) start: *mut T,
    pub(crate) len: usize,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slot<T> {}

/// What changes from step to step.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// Rows in this batch.
    pub batch: usize,
    /// Keys the noise: the recipe's seed …
    pub seed: u64,
    /// … and the step, from 0.
    pub step: u64,
    /// The dropout rates, in the order of the program's dropout nodes.
    pub rates: &'a [f64],
}

/// How many members at most have scratch of their own: memory, not bits, follows the machine.
pub fn slots() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 64))
}

/// The view of one node at run time. Several members of a team may hold it at once; each writes only its own part.
pub struct Io<'a, T> {
    pub(crate) moment: &'a Moment<'a>,
    pub(crate) inputs: &'a [Slot<T>],
    pub(crate) output: Slot<T>,
    pub(crate) scratch: Slot<T>,
    /// What is made of the weights alone (empty where it is not kept), and whether an earlier run made it of these.
    pub(crate) kept: Slot<T>,
    pub(crate) is_kept: bool,
    pub(crate) shapes: &'a [Shape],
    pub(crate) out_shape: &'a Shape,
    /// Whether each input lies in 16-wide panels, bit by bit.
    pub(crate) panels: u8,
    pub(crate) out_panels: bool,
    pub(crate) member: &'a Member<'a>,
}

impl<'a, T> Io<'a, T> {
    /// Rows in this batch.
    #[inline]
    pub fn batch(&self) -> usize {
        self.moment.batch
    }

    /// Seed, step and rates.
    #[inline]
    pub fn moment(&self) -> &Moment<'a> {
        self.moment
    }

    /// An input's elements.
    #[inline]
    pub fn input(&self, index: usize) -> &'a [T] {
        let slot = self.inputs[index];
        // SAFETY: the plan gives every input memory of its length that no instruction writes before the next barrier.
        unsafe { std::slice::from_raw_parts(slot.start, slot.len) }
    }

    /// The start of an input, for kernels whose output may lie in the same place.
    #[inline]
    pub fn input_start(&self, index: usize) -> *const T {
        self.inputs[index].start
    }

    /// An input's length in memory.
    #[inline]
    pub fn input_len(&self, index: usize) -> usize {
        self.inputs[index].len
    }

    /// An input's shape.
    #[inline]
    pub fn shape(&self, index: usize) -> &'a Shape {
        &self.shapes[index]
    }

    /// The output's shape.
    #[inline]
    pub fn out_shape(&self) -> &'a Shape {
        self.out_shape
    }

    /// Whether an input lies in 16-wide panels.
    #[inline]
    pub fn in_panels(&self, index: usize) -> bool {
        self.panels >> index & 1 == 1
    }

    /// Whether the output is wanted in 16-wide panels.
    #[inline]
    pub fn out_in_panels(&self) -> bool {
        self.out_panels
    }

    /// The output's length in memory.
    #[inline]
    pub fn len(&self) -> usize {
        self.output.len
    }

    /// Whether there is nothing to compute.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.output.len == 0
    }

    /// Part of the output, to write.
    ///
    /// # Safety
    /// The ranges that different members take, and those that one member holds at once, must not overlap.
    #[inline]
    pub unsafe fn output(&self, range: Range<usize>) -> &'a mut [T] {
        assert!(
            range.start <= range.end && range.end <= self.output.len,
            "a kernel's part lies outside its output"
        );
        // SAFETY: inside the output by the assertion; disjoint from all others by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.output.start.add(range.start), range.end - range.start) }
    }

    /// The start of the output, for kernels that write strided parts.
    #[inline]
    pub fn output_start(&self) -> *mut T {
        self.output.start
    }

    /// The workspace asked for by the operator, shared by all members.
    #[inline]
    pub fn scratch_start(&self) -> *mut T {
        self.scratch.start
    }

    /// Memory that no other instruction writes, for what [`Op::kept`](super::Op::kept) asked for; none if the program keeps nothing.
    #[inline]
    pub fn kept_start(&self) -> Option<*mut T> {
        (self.kept.len > 0).then_some(self.kept.start)
    }

    /// Whether an earlier run left there what this one would write.
    #[inline]
    pub fn is_kept(&self) -> bool {
        self.is_kept && self.kept.len > 0
    }

    /// This member's contiguous part of so many units.
    #[inline]
    pub fn part(&self, units: usize) -> Range<usize> {
        self.member.part(units)
    }

    /// This member's part of so many elements, in blocks of `block` (vectors stay whole).
    #[inline]
    pub fn part_in_blocks(&self, elements: usize, block: usize) -> Range<usize> {
        let part = self.member.part(elements.div_ceil(block));
        (part.start * block).min(elements)..(part.end * block).min(elements)
    }

    /// This member's part of so many units, where each member that has one needs scratch of its own: at most [`slots`] members.
    pub fn part_with_slot(&self, units: usize) -> Range<usize> {
        let members = self.members().min(slots());
        let rank = self.member.rank().min(members);
        units * rank / members..units * (rank + 1).min(members) / members
    }

    /// Which slot of scratch is this member's (if it has a part).
    #[inline]
    pub fn slot(&self) -> usize {
        self.member.rank().min(slots() - 1)
    }

    /// How many members share the work.
    #[inline]
    pub fn members(&self) -> usize {
        self.member.size()
    }

    /// Waits for all members; only inside an operator whose phases depend on each other.
    #[inline]
    pub fn barrier(&self) {
        self.member.barrier();
    }
}
