//! Runs the inference program over a data set: for scores, and for predictions.

use std::ops::Range;
use std::sync::Arc;

use nabla_error::Result;
use nabla_graph::plan::Place;
use nabla_graph::{Bases, Memory, Moment, Program};
use nabla_kernels::team::{Member, Team};
use nabla_kernels::{Real, reduce};

use crate::control::Control;
use crate::feed::Feed;
use crate::history::Scores;
use crate::output_weights::class_weight_places;
use crate::recipe::Recipe;
use crate::scorer::Scorer;

/// The most rows of a batch of inference.
pub const BATCH: usize = 256;

/// How many rows, a multiple of 8 below `most` or `most` itself, have values of about so many bytes together, but at least `least`. It
/// follows from the recipe alone.
pub fn rows_within<T: Real>(recipe: &Recipe, loss: bool, bytes: usize, least: usize, most: usize) -> Result<usize> {
    if most <= least {
        return Ok(most);
    }
    let all = recipe.inference(most, loss)?.workspace_len() * size_of::<T>();
    Ok(if all <= bytes {
        most
    } else {
        (bytes * most / all / 8 * 8).max(least)
    })
}

/// Rows a batch of scores, of so many in all: enough to fill the kernels for several threads, few enough for their caches.
pub fn batch<T: Real>(recipe: &Recipe, rows: usize) -> Result<usize> {
    rows_within::<T>(recipe, true, 8 << 20, 32, rows.min(BATCH))
}

/// An inference program with its memory.
pub struct Examiner<T: Real> {
    program: Arc<Program>,
    memory: Memory<T>,
    features: Place,
    mask: Option<Place>,
    targets: Option<Place>,
    loss: Option<Place>,
    /// Weights of the classes of outputs: scores are without them.
    class_weights: Vec<Place>,
    output: Place,
    noise: Option<Noise>,
    /// Where the weights lie of which the memory holds what a run has made of them alone.
    kept: Option<usize>,
}

/// Keys of the noise of sampled predictions.
pub struct Noise {
    /// Of all samples.
    pub seed: u64,
    /// The first batch's step of this sample.
    pub step: u64,
    /// Of each noise layer.
    pub rates: Vec<f64>,
}

impl<T: Real> Examiner<T> {
    /// For batches up to so many rows; with the loss or without.
    pub fn new(recipe: &Recipe, capacity: usize, loss: bool) -> Result<Examiner<T>> {
        let mut examiner = Self::of(recipe.inference(capacity.max(1), loss)?, loss)?;
        if loss {
            examiner.class_weights = class_weight_places(&recipe.spec, &examiner.program)?;
        }
        Ok(examiner)
    }

    /// Samples of predictions.
    pub fn sampling(recipe: &Recipe, capacity: usize, seed: u64) -> Result<Examiner<T>> {
        let mut examiner = Self::of(recipe.sampling(capacity.max(1))?, false)?;
        let rates = recipe.rates.clone();
        examiner.noise = Some(Noise { seed, step: 0, rates });
        Ok(examiner)
    }

    fn of(program: Arc<Program>, loss: bool) -> Result<Examiner<T>> {
        let missing = || nabla_error::Error::internal("the program lacks its features or its output");
        Ok(Examiner {
            memory: program.memory()?,
            features: program.place("features").ok_or_else(missing)?,
            mask: program.place("mask"),
            targets: program.place("targets").filter(|_| loss),
            loss: program.place("loss").filter(|_| loss),
            class_weights: Vec::new(),
            output: program.place("output").ok_or_else(missing)?,
            noise: None,
            kept: None,
            program,
        })
    }

    /// The largest batch.
    pub fn capacity(&self) -> usize {
        self.program.capacity
    }

    /// The cost of a full batch in operations at full speed.
    pub fn work(&self) -> usize {
        self.program.work()
    }

    /// Calls `each` with the rows, losses (where computed) and outputs of each batch.
    pub fn run(
        &mut self,
        team: &mut Team,
        theta: &[T],
        feed: &Feed,
        control: &Control,
        mut each: impl FnMut(&[u32], Option<&[T]>, &[T]) -> Result<()>,
    ) -> Result<()> {
        // These weights may change before the next call.
        self.kept = None;
        let bases = Bases::reading(&mut self.memory, theta);
        let width = self.features.len.at(1);
        for rows in feed.rows.chunks(self.program.capacity) {
            control.check()?;
            let n = rows.len();
            let (seed, step, rates) = match &mut self.noise {
                Some(noise) => {
                    noise.step += 1;
                    (noise.seed, noise.step - 1, noise.rates.as_slice())
                }
                None => (0, 0, [].as_slice()),
            };
            let moment = Moment {
                batch: n,
                seed,
                step,
                rates,
            };
            team.run(&|member: &Member| {
                let part = member.part(n);
                // SAFETY: members fill disjoint rows of the program's input, which nobody reads before the barrier.
                let x = unsafe { bases.write(&self.features, n, part.start * width..part.end * width) };
                feed.features(&rows[part], x);
                if let (Some(place), 0) = (&self.mask, member.rank()) {
                    // SAFETY: the first member alone.
                    feed.mask(rows, unsafe { bases.write(place, n, 0..place.len.at(n)) });
                }
                if let (Some(place), 0) = (&self.targets, member.rank()) {
                    // SAFETY: the first member alone.
                    feed.targets(rows, unsafe { bases.write(place, n, 0..place.len.at(n)) });
                }
                if member.rank() == 0 {
                    for place in &self.class_weights {
                        // SAFETY: the first member alone.
                        unsafe { bases.write(place, n, 0..n) }.fill(T::ONE);
                    }
                }
                member.barrier();
                // SAFETY: this program's own memory and weights of its arena, used by this team alone; n ≤ capacity by `chunks`.
                unsafe { self.program.run(&bases, &moment, member) };
            });
            feed.check()?;
            // SAFETY: the team is done.
            let (loss, output) = unsafe { (self.loss.as_ref().map(|p| bases.read(p, n)), bases.read(&self.output, n)) };
            each(rows, loss, output)?;
        }
        Ok(())
    }

    /// For weights that never change while this lives, as a model's.
    fn bases_of_model(&mut self, theta: &[T]) -> Bases<T> {
        let kept = self.kept == Some(theta.as_ptr().addr());
        Bases::reading(&mut self.memory, theta).keeping(kept)
    }

    /// These of a feed's rows, on the calling thread, by a model's weights: they stay as they are while this lives.
    ///
    /// # Errors
    /// `INVALID_DATA` naming the first cell that is missing.
    pub fn predict_rows(&mut self, theta: &[T], feed: &Feed, range: Range<usize>) -> Result<&[T]> {
        let bases = self.bases_of_model(theta);
        let (rows, n) = (&feed.rows[range.clone()], range.len());
        assert!(n <= self.program.capacity, "{n} rows for a program of {}", self.program.capacity);
        // SAFETY: `&mut self`: nobody else uses the memory; the program runs on this thread and is done before the output is read.
        unsafe {
            let x = bases.write(&self.features, n, 0..self.features.len.at(n));
            feed.features(rows, x);
            feed.check()?;
            // A missing cell shows in what was just gathered; only where it may not, or does, the data set is looked at.
            if feed.clips() || !reduce::all_finite(x) {
                feed.check_rows(range)?;
            }
            if let Some(place) = &self.mask {
                feed.mask(rows, bases.write(place, n, 0..place.len.at(n)));
            }
            let moment = Moment {
                batch: n,
                seed: 0,
                step: 0,
                rates: &[],
            };
            self.program.run(&bases, &moment, &Member::alone());
            self.kept = Some(theta.as_ptr().addr());
            Ok(bases.read(&self.output, n))
        }
    }

    /// Loss and metrics over a data set.
    pub fn score(&mut self, team: &mut Team, theta: &[T], feed: &Feed, scorer: &mut Scorer, control: &Control) -> Result<Scores> {
        self.run(team, theta, feed, control, |rows, loss, output| {
            scorer.update(feed, rows, loss.unwrap_or(&[]), Some(output))
        })?;
        Ok(scorer.take())
    }

    /// One batch already in hand, on the calling thread, by a model's weights as above: `fill` writes the prepared features, the outputs are read from the result.
    /// With `lengths` rows are sequences of so many steps, else all steps count.
    pub fn predict(&mut self, theta: &[T], rows: usize, lengths: Option<&[u32]>, fill: impl FnOnce(&mut [T])) -> &[T] {
        assert!(rows <= self.program.capacity);
        let bases = self.bases_of_model(theta);
        // SAFETY: `&mut self`: nobody else uses the memory; the program runs on this thread and is done before the output is read.
        unsafe {
            fill(bases.write(&self.features, rows, 0..self.features.len.at(rows)));
            if let Some(place) = &self.mask {
                let time = place.len.at(1);
                for row in 0..rows {
                    let own = lengths.map_or(time, |l| l[row] as usize);
                    bases.write(place, rows, row * time..row * time + own).fill(T::ONE);
                    bases.write(place, rows, row * time + own..(row + 1) * time).fill(T::ZERO);
                }
            }
            let moment = Moment {
                batch: rows,
                seed: 0,
                step: 0,
                rates: &[],
            };
            self.program.run(&bases, &moment, &Member::alone());
            self.kept = Some(theta.as_ptr().addr());
            bases.read(&self.output, rows)
        }
    }
}
