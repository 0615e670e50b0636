//! Every combination, in a shuffled order, so that a study that is cut short has seen a spread of them.

use nabla_error::{Code, Error, Result};
use nabla_kernels::philox::permutation;
use serde::{Deserialize, Serialize};

use crate::space::{Kind, Point, Space};

/// The largest grid.
pub const LARGEST: usize = 1 << 20;

/// Options.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Grid {
    /// Values a range, both ends included; a choice gives all of its own.
    pub points: usize,
}

impl Default for Grid {
    fn default() -> Self {
        Self { points: 5 }
    }
}

impl Grid {
    fn values(self, kind: Kind) -> Vec<f64> {
        let most = kind.count().unwrap_or(usize::MAX);
        if let Kind::Choice { count } = kind {
            return (0..count).map(|i| i as f64).collect();
        }
        let points = self.points.min(most);
        let mut values: Vec<f64> = (0..points)
            .map(|i| kind.decode(if points == 1 { 0.5 } else { i as f64 / (points - 1) as f64 }))
            .collect();
        values.dedup();
        values
    }

    /// All combinations.
    pub fn points(self, space: &Space, seed: u64) -> Result<Vec<Point>> {
        if self.points == 0 {
            return Err(Error::option("points", "to be at least 1", 0));
        }
        let mut points: Vec<Point> = vec![Vec::new()];
        for dimension in &space.dimensions {
            let values = self.values(dimension.kind);
            let mut next = Vec::new();
            for point in points {
                let exists = dimension.under.is_none_or(|(parent, branch)| point[parent] == Some(branch as f64));
                let options: Vec<Option<f64>> = if exists {
                    values.iter().copied().map(Some).collect()
                } else {
                    vec![None]
                };
                for value in options {
                    next.push([point.as_slice(), &[value]].concat());
                }
            }
            if next.len() > LARGEST {
                return Err(Error::new(Code::InvalidOption, "the grid has more than a million combinations")
                    .at("grid")
                    .expected(format!("at most {LARGEST}"))
                    .received(format!("{} and more", next.len()))
                    .hint("Give fewer points, or search at random: that is better whenever few hyperparameters matter."));
            }
            points = next;
        }
        let order = permutation(points.len(), seed);
        Ok(order.into_iter().map(|i| std::mem::take(&mut points[i as usize])).collect())
    }
}
