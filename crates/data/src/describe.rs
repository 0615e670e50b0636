//! A summary for people: what each column and the target hold.

use serde::Serialize;

use crate::dataset::{ColumnValues, Dataset};
use crate::moments::Moments;
use crate::rows_file::Storage;
use crate::source::{Kind, Target};

/// `data.describe()`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// Rows of the view.
    pub rows: usize,
    /// One a column; a single one called `features` over all values where they have no names (images).
    pub columns: Vec<ColumnSummary>,
    /// What is to be predicted.
    pub target: Option<TargetSummary>,
}

/// What a column holds; numbers are `None` where no cell has a value.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ColumnSummary {
    /// Quantities.
    Number {
        /// The column.
        name: String,
        /// Cells with a value.
        count: usize,
        /// Cells without.
        missing: usize,
        /// Σx/n.
        mean: Option<f64>,
        /// √(Σ(x − mean)²/(n − 1)), of the sample; `None` for fewer than two values.
        deviation: Option<f64>,
        /// The least.
        min: Option<f64>,
        /// 25 %, linear between neighbours as in NumPy; the three are `None` for unnamed f32 and f64 values.
        lower_quartile: Option<f64>,
        /// 50 %.
        median: Option<f64>,
        /// 75 %.
        upper_quartile: Option<f64>,
        /// The greatest.
        max: Option<f64>,
    },
    /// Levels.
    Category {
        /// The column.
        name: String,
        /// Cells with a value.
        count: usize,
        /// Cells without.
        missing: usize,
        /// In the order of their codes.
        levels: Vec<LevelCount>,
    },
}

/// A level or class and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LevelCount {
    /// Its name.
    pub name: String,
    /// Rows that have it.
    pub count: usize,
}

/// What the target holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum TargetSummary {
    /// Classes, in the order of their labels.
    Classes {
        /// Names and counts.
        classes: Vec<LevelCount>,
    },
    /// One a number.
    Numbers {
        /// As feature columns.
        columns: Vec<ColumnSummary>,
    },
    /// Several by name.
    Several {
        /// In order.
        targets: Vec<NamedSummary>,
    },
}

/// One of several targets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamedSummary {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub target: TargetSummary,
}

pub(crate) fn describe(data: &Dataset) -> Description {
    let (source, rows, width) = (data.source(), data.rows(), data.width());
    // What follows a sequence's steps is no value of it.
    let step = width / source.sample_shape.first().copied().unwrap_or(1).max(1);
    let own = |row: usize| match &source.lengths {
        Some(lengths) => lengths[data.row_index(row) as usize] as usize * step,
        None => width,
    };
    let moments = Moments::of(rows, width, |row, out| {
        data.rows_to(row, out);
        if source.lengths.is_some() {
            let rows = out.chunks_exact_mut(width).enumerate();
            rows.for_each(|(at, out)| out[own(row + at)..].fill(f64::NAN));
        }
    });
    let columns = if source.columns.is_empty() {
        let quartiles = match source.features.storage() {
            Storage::U8 => byte_quartiles(data, own),
            _ => None,
        };
        let cells = (0..rows).map(own).sum();
        vec![number("features".to_owned(), cells, &moments.joined(), 0, quartiles)]
    } else {
        let mut values = ColumnValues::new(data);
        let columns = source.columns.iter().enumerate();
        let summary = columns.map(|(j, column)| match &column.kind {
            Kind::Number => number(column.name.clone(), rows, &moments, j, quartiles(values.of(j).iter().copied())),
            Kind::Category { levels } => {
                let count = moments.count[j] as usize;
                let codes = values.of(j).iter().filter(|code| !code.is_nan()).map(|&code| code as usize);
                ColumnSummary::Category {
                    name: column.name.clone(),
                    count,
                    missing: rows - count,
                    levels: counted(levels, codes),
                }
            }
        });
        summary.collect()
    };
    let target = source.target.as_ref().map(|target| summary_of(data, target));
    Description { rows, columns, target }
}

fn summary_of(data: &Dataset, target: &Target) -> TargetSummary {
    let rows = data.rows();
    match target {
        Target::Classes { names, labels } => {
            let labels = (0..rows).map(|row| labels[data.row_index(row) as usize] as usize);
            TargetSummary::Classes {
                classes: counted(names, labels),
            }
        }
        Target::Sequence { names, width, labels } => {
            let steps = |row: u32| match &data.source().lengths {
                Some(lengths) => lengths[row as usize] as usize,
                None => *width,
            };
            let row = |row: usize| &labels[data.row_index(row) as usize * width..][..steps(data.row_index(row))];
            TargetSummary::Classes {
                classes: counted(names, (0..rows).flat_map(row).map(|&label| label as usize)),
            }
        }
        Target::Numbers { names, width, values } => {
            let value = |row: usize, j: usize| values[data.row_index(row) as usize * width + j];
            let moments = Moments::of(rows, *width, |row, out| {
                let rows = out.chunks_exact_mut(*width).enumerate();
                rows.for_each(|(at, out)| out.iter_mut().enumerate().for_each(|(j, out)| *out = value(row + at, j)));
            });
            let columns = names.iter().enumerate();
            let columns = columns.map(|(j, name)| number(name.clone(), rows, &moments, j, quartiles((0..rows).map(|row| value(row, j)))));
            TargetSummary::Numbers {
                columns: columns.collect(),
            }
        }
        Target::Several { targets } => {
            let one = |(name, target): &(String, Target)| NamedSummary {
                name: name.clone(),
                target: summary_of(data, target),
            };
            TargetSummary::Several {
                targets: targets.iter().map(one).collect(),
            }
        }
    }
}

fn counted(names: &[String], codes: impl Iterator<Item = usize>) -> Vec<LevelCount> {
    let mut counts = vec![0; names.len()];
    codes.for_each(|code| counts[code] += 1);
    names
        .iter()
        .zip(counts)
        .map(|(name, count)| LevelCount { name: name.clone(), count })
        .collect()
}

fn number(name: String, cells: usize, moments: &Moments, j: usize, quartiles: Option<[f64; 3]>) -> ColumnSummary {
    let n = moments.count[j];
    let count = n as usize;
    let any = |value: f64| (count > 0).then_some(value);
    let [lower_quartile, median, upper_quartile] = quartiles.map_or([None; 3], |q| q.map(Some));
    ColumnSummary::Number {
        name,
        count,
        missing: cells - count,
        mean: any(moments.mean[j]),
        deviation: (count > 1).then(|| (moments.squares[j] / (n - 1.0)).sqrt()),
        min: any(moments.min[j]),
        lower_quartile,
        median,
        upper_quartile,
        max: any(moments.max[j]),
    }
}

/// At (n − 1)·p, linear between neighbours (type 7 of Hyndman & Fan 1996, NumPy's default).
fn quartiles(values: impl Iterator<Item = f64>) -> Option<[f64; 3]> {
    let mut values: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    values.sort_unstable_by(f64::total_cmp);
    (!values.is_empty()).then(|| at_quarters(values.len(), |i| values[i]))
}

/// The same from counts of the 256 byte values; `own` says how many of a row count.
fn byte_quartiles(data: &Dataset, own: impl Fn(usize) -> usize) -> Option<[f64; 3]> {
    let mut counts = [0usize; 256];
    let counted = data.blocks(|first, values| {
        for (at, row) in values.chunks_exact(data.width().max(1)).enumerate() {
            row[..own(first + at)].iter().for_each(|&value| counts[value as usize] += 1);
        }
        Ok(())
    });
    counted.ok()?;
    let n: usize = counts.iter().sum();
    let nth = |i: usize| {
        let mut below = 0;
        counts.iter().position(|&count| {
            below += count;
            below > i
        })
    };
    (n > 0).then(|| at_quarters(n, |i| nth(i).unwrap_or(255) as f64))
}

fn at_quarters(n: usize, sorted: impl Fn(usize) -> f64) -> [f64; 3] {
    [0.25, 0.5, 0.75].map(|p| {
        let at = (n - 1) as f64 * p;
        let (low, share) = (at.floor() as usize, at.fract());
        let (a, b) = (sorted(low), sorted((low + 1).min(n - 1)));
        a + (b - a) * share
    })
}
