//! Search spaces, flattened: each dimension has one coordinate in [0, 1]; those of a branch exist while the branch is chosen.

use libm::{exp, floor, log, round};
use nabla_error::{Code, Error, Result};
use serde::{Deserialize, Serialize};

/// How a coordinate becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Kind {
    /// low + u·(high − low)
    Uniform {
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
    },
    /// exp of a uniform between the logarithms.
    LogUniform {
        /// Smallest, above 0.
        low: f64,
        /// Largest.
        high: f64,
    },
    /// low + ⌊u·(high − low + 1)⌋
    Integer {
        /// Smallest.
        low: f64,
        /// Largest.
        high: f64,
    },
    /// Rounded exp of a uniform between ln(low − ½) and ln(high + ½).
    LogInteger {
        /// Smallest, at least 1.
        low: f64,
        /// Largest.
        high: f64,
    },
    /// Index ⌊u·count⌋.
    Choice {
        /// How many.
        count: usize,
    },
}

/// One hyperparameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its path; random numbers are keyed by it.
    pub name: String,
    /// How it is drawn.
    #[serde(flatten)]
    pub kind: Kind,
    /// It exists only while this earlier dimension (a choice) has this index.
    #[serde(default)]
    pub under: Option<(usize, usize)>,
}

/// Hyperparameters; a parent comes before what is under it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Space {
    /// In their order.
    pub dimensions: Vec<Dimension>,
}

/// One value a dimension: a number, or the index of a choice; `None` while its branch is not chosen.
pub type Point = Vec<Option<f64>>;

impl Kind {
    /// The value at a coordinate; outside [0, 1] beyond the range (a choice stays within).
    pub fn decode(self, u: f64) -> f64 {
        match self {
            Kind::Uniform { low, high } => (low + u * (high - low)).clamp(lower(low, high, u), upper(high, u)),
            Kind::LogUniform { low, high } => {
                let (a, b) = (log(low), log(high));
                exp(a + u * (b - a)).clamp(lower(low, high, u), upper(high, u))
            }
            Kind::Integer { low, high } => {
                let value = low + floor(u * (high - low + 1.0));
                value.clamp(lower(low, high, u), upper(high, u))
            }
            Kind::LogInteger { low, high } => {
                let (a, b) = (log(low - 0.5), log(high + 0.5));
                round(exp(a + u * (b - a))).clamp(if u < 0.0 { 1.0 } else { low }, upper(high, u))
            }
            Kind::Choice { count } => floor(u * count as f64).clamp(0.0, count as f64 - 1.0),
        }
    }

    /// The coordinate of a value: the middle of its bin where values are whole.
    pub fn encode(self, value: f64) -> f64 {
        match self {
            Kind::Uniform { low, high } => ratio(value - low, high - low),
            Kind::LogUniform { low, high } => ratio(log(value) - log(low), log(high) - log(low)),
            Kind::Integer { low, high } => (value - low + 0.5) / (high - low + 1.0),
            Kind::LogInteger { low, high } => {
                let (a, b) = (log(low - 0.5), log(high + 0.5));
                (log(value) - a) / (b - a)
            }
            Kind::Choice { count } => (value + 0.5) / count as f64,
        }
    }

    /// How many values there are, where they are whole.
    pub fn count(self) -> Option<usize> {
        match self {
            Kind::Integer { low, high } | Kind::LogInteger { low, high } => Some((high - low) as usize + 1),
            Kind::Choice { count } => Some(count),
            _ => None,
        }
    }

    /// Whether order means nothing.
    pub fn is_choice(self) -> bool {
        matches!(self, Kind::Choice { .. })
    }
}

/// A range that is widened keeps the sign of its lower end.
fn lower(low: f64, high: f64, u: f64) -> f64 {
    match u {
        u if u >= 0.0 => low,
        _ if low >= 0.0 => 0.0,
        _ => low - (high - low),
    }
}

fn upper(high: f64, u: f64) -> f64 {
    if u <= 1.0 { high } else { f64::INFINITY }
}

fn ratio(a: f64, b: f64) -> f64 {
    if b == 0.0 { 0.5 } else { a / b }
}

impl Space {
    /// Checks ranges and branches.
    pub fn validate(&self) -> Result<()> {
        for (at, dimension) in self.dimensions.iter().enumerate() {
            let ok = match dimension.kind {
                Kind::Uniform { low, high } => low <= high && (high - low).is_finite(),
                Kind::LogUniform { low, high } => 0.0 < low && low <= high && high.is_finite(),
                Kind::Integer { low, high } => low <= high && low.fract() == 0.0 && high.fract() == 0.0 && (high - low).is_finite(),
                Kind::LogInteger { low, high } => {
                    1.0 <= low && low <= high && low.fract() == 0.0 && high.fract() == 0.0 && high.is_finite()
                }
                Kind::Choice { count } => count > 0,
            };
            if !ok {
                return Err(Error::new(
                    Code::InvalidOption,
                    format!("the range of {} is empty or not finite", dimension.name),
                )
                .at(dimension.name.clone())
                .expected("low ≤ high, above 0 where it is logarithmic")
                .received(format!("{:?}", dimension.kind)));
            }
            if let Some((parent, branch)) = dimension.under {
                let known = parent < at && matches!(self.dimensions[parent].kind, Kind::Choice { count } if branch < count);
                if !known {
                    return Err(Error::internal(format!("{} lies under an unknown branch", dimension.name)));
                }
            }
        }
        Ok(())
    }

    /// Fills a point from the first dimension to the last; those of branches that are not chosen stay `None`.
    pub fn fill(&self, mut draw: impl FnMut(usize, &Dimension) -> f64) -> Point {
        let mut point: Point = Vec::with_capacity(self.dimensions.len());
        for (at, dimension) in self.dimensions.iter().enumerate() {
            let exists = dimension.under.is_none_or(|(parent, branch)| point[parent] == Some(branch as f64));
            point.push(exists.then(|| draw(at, dimension)));
        }
        point
    }

    /// Coordinates of a point.
    pub fn encode(&self, point: &[Option<f64>]) -> Vec<Option<f64>> {
        self.dimensions
            .iter()
            .zip(point)
            .map(|(d, v)| v.map(|v| d.kind.encode(v)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [Kind; 5] = [
        Kind::Uniform { low: -2.0, high: 3.0 },
        Kind::LogUniform { low: 1e-5, high: 1e-1 },
        Kind::Integer { low: -3.0, high: 12.0 },
        Kind::LogInteger { low: 1.0, high: 1024.0 },
        Kind::Choice { count: 3 },
    ];

    #[test]
    fn values_stay_in_range_and_come_back() {
        for kind in KINDS {
            for i in 0..=1000 {
                let value = kind.decode(f64::from(i) / 1000.0);
                match kind {
                    Kind::Choice { count } => assert!(value < count as f64 && value.fract() == 0.0),
                    Kind::Uniform { low, high } | Kind::LogUniform { low, high } => assert!((low..=high).contains(&value)),
                    Kind::Integer { low, high } | Kind::LogInteger { low, high } => {
                        assert!((low..=high).contains(&value) && value.fract() == 0.0);
                    }
                }
                let again = kind.decode(kind.encode(value));
                assert!((again - value).abs() <= 1e-12 * value.abs(), "{kind:?} {value} {again}");
            }
        }
    }

    #[test]
    fn each_whole_number_is_as_likely() {
        let kind = Kind::Integer { low: 1.0, high: 4.0 };
        let mut counts = [0; 4];
        for i in 0..4000 {
            counts[kind.decode((f64::from(i) + 0.5) / 4000.0) as usize - 1] += 1;
        }
        assert_eq!(counts, [1000; 4]);
    }
}
