//! Running statistics of averaged weights, by a pass over the training rows.

use nabla_error::Result;
use nabla_graph::{Bases, Moment};
use nabla_kernels::team::Member;
use nabla_kernels::{Aligned, Real};

use crate::control::Control;
use crate::feed::Feed;
use crate::fit::Fit;

impl<T: Real> Fit<'_, T> {
    /// Running statistics of the mean of the last epochs' weights: its own, by a pass over the training rows, the mean over their batches.
    /// (Izmailov et al. 2018, Algorithm 1.) A step gives new = m·old + (1 − m)·batch for each; with old = 0 and 1 it tells batch and m.
    pub(crate) fn refresh_statistics(&mut self, (order, epoch): (&[u32], usize), feed: &Feed, control: &Control) -> Result<()> {
        let recipe = self.recipe;
        let (arena, spec) = (&recipe.arena, &recipe.spec);
        if self.places.updates.is_empty() || self.update.epochs_mean(spec).is_none() {
            return Ok(());
        }
        let mut theta = match self.update.epochs_mean(spec) {
            Some(mean) => std::mem::replace(mean, Aligned::zeroed(0)?),
            None => return Ok(()),
        };
        let updates = &self.places.updates;
        let sizes: Vec<usize> = updates.iter().map(|(_, row)| arena.rows[*row].values()).collect();
        let old: Vec<Vec<T>> = updates.iter().map(|(_, row)| arena.read(&arena.rows[*row], &theta)).collect();
        let filled = |value: f64| -> Vec<Vec<T>> { sizes.iter().map(|&size| vec![T::from_f64(value); size]).collect() };
        let (zeros, ones) = (filled(0.0), filled(1.0));
        let zero = || -> Vec<Vec<f64>> { sizes.iter().map(|&size| vec![0.0; size]).collect() };
        let (mut sums, mut kept) = (zero(), zero());
        let mut batches = 0.0;
        for rows in order.chunks(self.batch) {
            control.check()?;
            for (values, sign) in [(&ones, 1.0), (&zeros, -1.0)] {
                if sign > 0.0 && batches > 0.0 {
                    continue;
                }
                for ((_, row), values) in updates.iter().zip(values) {
                    arena.write(&arena.rows[*row], values, &mut theta)?;
                }
                let bases = Bases::new(&mut self.memory, &mut theta, &mut self.gradient);
                let moment = Moment {
                    batch: rows.len(),
                    seed: spec.seed,
                    step: self.step,
                    rates: &recipe.rates,
                };
                let (program, places, weights) = (&self.program, &self.places, feed.batch_weights(rows));
                let run = |member: &Member| {
                    // SAFETY: this fit's own memory, weights and gradients, used by this team alone; n ≤ capacity, the batch size.
                    unsafe {
                        places.fill(&bases, feed, &weights, (rows, epoch), member);
                        member.barrier();
                        program.run(&bases, &moment, member);
                    }
                };
                if self.team.size() == 1 {
                    run(&Member::alone());
                } else {
                    self.team.run(&run);
                }
                for (i, (place, _)) in updates.iter().enumerate() {
                    // SAFETY: the team is done.
                    for (j, value) in unsafe { bases.read(place, rows.len()) }.iter().enumerate() {
                        let value = value.to_f64();
                        if batches == 0.0 {
                            kept[i][j] += sign * value;
                        }
                        if sign < 0.0 {
                            sums[i][j] += value;
                        }
                    }
                }
            }
            feed.check()?;
            batches += 1.0;
        }
        for (i, (_, row)) in updates.iter().enumerate() {
            let new: Vec<T> = (0..sizes[i])
                .map(|j| {
                    let value = sums[i][j] / batches / (1.0 - kept[i][j]);
                    // What does not forget has no mean of its own.
                    if value.is_finite() { T::from_f64(value) } else { old[i][j] }
                })
                .collect();
            arena.write(&arena.rows[*row], &new, &mut theta)?;
        }
        if let Some(mean) = self.update.epochs_mean(spec) {
            *mean = theta;
        }
        Ok(())
    }
}
