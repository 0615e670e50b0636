//! Where a training program's inputs and outputs lie, and how a batch is written there.

use nabla_error::{Error, Result};
use nabla_graph::plan::Place;
use nabla_graph::{Bases, Program};
use nabla_kernels::Real;
use nabla_kernels::team::Member;

use crate::feed::{BatchWeights, Feed};
use crate::output_weights::class_weight_places;
use crate::recipe::Recipe;

/// The places of a training program's inputs and outputs.
pub(crate) struct Places {
    pub features: Option<Place>,
    pub mask: Option<Place>,
    pub targets: Option<Place>,
    /// Targets of the samples that are mixed in, and the shares of the rows' own.
    pub partners: Option<(Place, Place)>,
    pub weights: Place,
    /// Of the outputs whose classes have weights, in their order.
    pub class_weights: Vec<Place>,
    pub loss: Place,
    pub output: Option<Place>,
    /// New values of untrained weights, and the arena's rows.
    pub updates: Vec<(Place, usize)>,
}

impl Places {
    /// Of a training program of a recipe.
    pub fn of(program: &Program, recipe: &Recipe) -> Result<Places> {
        let missing = |name: &str| Error::internal(format!("the training program has no place for {name}"));
        Ok(Places {
            features: program.place("features"),
            mask: program.place("mask"),
            targets: program.place("targets"),
            partners: program.place("partnerTargets").zip(program.place("ownShares")),
            weights: program.place("rowWeights").ok_or_else(|| missing("rowWeights"))?,
            class_weights: class_weight_places(&recipe.spec, program)?,
            loss: program.place("loss").ok_or_else(|| missing("loss"))?,
            output: program.place("output"),
            updates: recipe
                .updates
                .iter()
                .map(|(name, row)| program.place(name).map(|place| (place, *row)).ok_or_else(|| missing(name)))
                .collect::<Result<_>>()?,
        })
    }

    /// Writes a batch into the program's inputs: this member's rows of the features, the first member's targets and weights.
    ///
    /// # Safety
    /// The program's own memory, used by one team, whose members all call this and meet before anybody reads.
    pub unsafe fn fill<T: Real>(
        &self,
        bases: &Bases<T>,
        feed: &Feed,
        weights: &BatchWeights,
        (rows, epoch): (&[u32], usize),
        member: &Member,
    ) {
        let n = rows.len();
        if let Some(place) = &self.features {
            let (part, width) = (member.part(n), place.len.at(1));
            // SAFETY: members fill disjoint rows.
            let x = unsafe { bases.write(place, n, part.start * width..part.end * width) };
            feed.changed_features(epoch, &rows[part], member.rank(), x);
        }
        if member.rank() == 0 {
            // SAFETY: the first member alone fills mask, targets and weights.
            unsafe {
                if let Some(place) = &self.mask {
                    feed.mask(rows, bases.write(place, n, 0..place.len.at(n)));
                }
                if let Some(place) = &self.targets {
                    let targets = bases.write(place, n, 0..place.len.at(n));
                    let other = self
                        .partners
                        .as_ref()
                        .map(|(partners, shares)| (bases.write(partners, n, 0..n), bases.write(shares, n, 0..n)));
                    feed.changed_targets(epoch, rows, targets, other);
                }
                weights.fill(rows, bases.write(&self.weights, n, 0..n));
                for (index, place) in self.class_weights.iter().enumerate() {
                    feed.fill_class_weights(index, rows, bases.write(place, n, 0..n));
                }
            }
        }
    }
}
