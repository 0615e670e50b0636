//! One update of one whole parameter by a team of threads, and the look whether its gradient is finite. The bits are those of
//! [`Optimizer::update`]: parts are cut at blocks, and the sums of a rule with [`crate::Rule::BY_ROW`] are the same tree over them.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Real, reduce};

use crate::clip::{BLOCK, tree_of};
use crate::{Optimizer, Step};

/// More state buffers no rule has.
const STATES: usize = 4;

/// A slice that members take disjoint parts of.
#[derive(Clone, Copy)]
struct Parts<'a, T> {
    start: *mut T,
    len: usize,
    slice: PhantomData<&'a mut [T]>,
}

// SAFETY: an address and a length of a slice that `of` has borrowed alone; parts are handed out under the rule of `part`.
unsafe impl<T: Send> Send for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    fn of(slice: &'a mut [T]) -> Self {
        Self {
            start: slice.as_mut_ptr(),
            len: slice.len(),
            slice: PhantomData,
        }
    }

    /// # Safety
    /// Nobody else uses this part while it lives, or all only read it.
    unsafe fn part(self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: within the slice; the rest is the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

impl Optimizer {
    /// One update of one whole parameter, in place, by all members of a team; `false`, and nothing is changed, if the gradient is not
    /// finite.
    ///
    /// # Panics
    /// As [`crate::Rule::step`].
    pub fn update_shared<T: Real>(&self, team: &mut Team, at: Step, theta: &mut [T], g: &[T], state: &mut [&mut [T]]) -> bool {
        let (len, count) = (theta.len(), state.len());
        assert!(
            count <= STATES && g.len() == len && state.iter().all(|s| s.len() == len),
            "a gradient and a state for each parameter"
        );
        let blocks = len.div_ceil(BLOCK);
        let mut sums = vec![[0.0; 2]; if self.by_row() { blocks } else { 0 }];
        let sums = Parts::of(&mut sums);
        let theta = Parts::of(theta);
        let mut parts = [const { None }; STATES];
        for (part, own) in parts.iter_mut().zip(state.iter_mut()) {
            *part = Some(Parts::of(own));
        }
        let broken = AtomicBool::new(false);
        team.run(&|member: &Member| {
            let own = member.part(blocks);
            let range = (own.start * BLOCK).min(len)..(own.end * BLOCK).min(len);
            if !reduce::all_finite(&g[range.clone()]) {
                broken.store(true, Ordering::Relaxed);
            }
            member.barrier();
            if broken.load(Ordering::Relaxed) {
                return;
            }
            let mut state: [&mut [T]; STATES] = [&mut [], &mut [], &mut [], &mut []];
            for (own, all) in state.iter_mut().zip(parts.into_iter().flatten()) {
                // SAFETY: members' ranges are disjoint.
                *own = unsafe { all.part(range.clone()) };
            }
            // SAFETY: as above.
            let theta = unsafe { theta.part(range.clone()) };
            self.step(at, theta, &g[range.clone()], &mut state[..count]);
            if !self.by_row() {
                return;
            }
            let read: [&[T]; STATES] = state.map(|s| &*s);
            for (i, (at_block, block)) in theta.chunks(BLOCK).enumerate().map(|(i, block)| (i * BLOCK, block)).enumerate() {
                let of_block = read.map(|s| s.get(at_block..at_block + block.len()).unwrap_or(&[]));
                // SAFETY: members' blocks are disjoint.
                unsafe { sums.part(own.start + i..own.start + i + 1)[0] = self.row_sums(at, block, &of_block[..count]) };
            }
            member.barrier();
            // SAFETY: sums are only read after the barrier.
            let norm = |which: usize| tree_of(blocks, &|i| unsafe { sums.part(i..i + 1)[0][which] }).sqrt();
            self.row_move(at, [norm(0), norm(1)], theta, &read[..count]);
        });
        !broken.into_inner()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_team_gives_the_bits_of_one() {
        for len in [0, 5, 2 * BLOCK + 77] {
            for rule in Optimizer::samples() {
                let g: Vec<f32> = (0..len).map(|i| ((i * 7) % 11) as f32 * 0.37 - 1.8).collect();
                let start: Vec<f32> = (0..len).map(|i| (i % 101) as f32 * 0.1 - 5.0).collect();
                let run = |size: usize| {
                    let (mut theta, mut state) = (start.clone(), vec![vec![0.0f32; len]; rule.state_count()]);
                    let mut team = Team::new(size.max(1), || {});
                    let mut at = Step::first(&rule, rule.learning_rate());
                    for _ in 0..2 {
                        let mut slices: Vec<&mut [f32]> = state.iter_mut().map(Vec::as_mut_slice).collect();
                        if size == 0 {
                            rule.update(at, &mut theta, &g, &mut slices);
                        } else {
                            assert!(rule.update_shared(&mut team, at, &mut theta, &g, &mut slices));
                        }
                        at = at.next(&rule, rule.learning_rate());
                    }
                    let bits = |x: &Vec<f32>| x.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    (bits(&theta), state.iter().map(bits).collect::<Vec<_>>())
                };
                let expected = run(0);
                for size in [1, 2] {
                    assert!(run(size) == expected, "{rule:?}, {len} on {size}");
                }
            }
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_changes_nothing() {
        let rule = &Optimizer::samples()[0];
        let (mut theta, mut g) = (vec![1.0f64; 2 * BLOCK], vec![1.0; 2 * BLOCK]);
        g[BLOCK + 3] = f64::NAN;
        let mut team = Team::new(2, || {});
        assert!(!rule.update_shared(&mut team, Step::first(rule, 0.1), &mut theta, &g, &mut []));
        assert!(theta.iter().all(|x| *x == 1.0));
    }
}
