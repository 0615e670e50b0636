//! Windows of a series: samples of consecutive rows that remember which rows they were made of, so that a splitter can keep apart
//! what overlaps.

use nabla_error::{Code, Error, Result, memory};
use serde::Deserialize;

use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::source::{Groups, Kind, Matrix, Target};

/// The rows of the series that each sample was made of, its targets among them; both ends belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    /// One a sample.
    pub first: Vec<u32>,
    /// One a sample, not below `first`.
    pub last: Vec<u32>,
}

/// How windows are cut: sample i takes `length` rows from row i·`stride`, then `gap` rows are left out, then `horizon` rows give the targets.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct WindowOptions {
    /// Rows a window.
    pub length: usize,
    /// Rows that are predicted; 1 by default.
    pub horizon: usize,
    /// The column that is predicted, of the features or of the target; by default the data set's target.
    pub target: Option<String>,
    /// From the start of a window to the start of the next; 1 by default.
    pub stride: usize,
    /// Rows between the window and what is predicted; 0 by default.
    pub gap: usize,
}

impl Default for WindowOptions {
    fn default() -> Self {
        Self {
            length: 0,
            horizon: 1,
            target: None,
            stride: 1,
            gap: 0,
        }
    }
}

/// What is predicted, row by row of the series.
enum Predicted<'a> {
    Classes {
        names: &'a [String],
        labels: &'a [u32],
    },
    Numbers {
        name: &'a str,
        values: &'a [f64],
        width: usize,
        at: usize,
    },
    Feature {
        name: &'a str,
        at: usize,
    },
}

/// Samples `[length, columns]` of a series whose rows are in the order of time.
///
/// A window never crosses from one group to another (several series in one data set), nor a place where rows of the source are left out.
///
/// # Errors
/// `INVALID_OPTION` for a target that is no column; `INVALID_DATA` for rows out of order, categories, a missing target or a series
/// shorter than one window; `OUT_OF_MEMORY`.
pub fn windows(series: &Dataset, options: &WindowOptions) -> Result<Dataset> {
    let source = series.source();
    let WindowOptions {
        length,
        horizon,
        stride,
        gap,
        ..
    } = *options;
    for (name, value) in [("length", length), ("horizon", horizon), ("stride", stride)] {
        if value == 0 {
            return Err(Error::option(name, "at least 1", value));
        }
    }
    let [width] = *source.sample_shape() else {
        return Err(Error::new(Code::InvalidData, "windows are cut from rows of columns")
            .at("windows")
            .expected("samples of one axis")
            .received(format!("samples of shape {:?}", source.sample_shape())));
    };
    if let Some(column) = source.columns().iter().find(|column| column.kind != Kind::Number) {
        return Err(Error::new(
            Code::InvalidData,
            format!("column {:?} is a category, and windows hold numbers", column.name),
        )
        .at("windows")
        .expected("columns of numbers")
        .received("a category")
        .hint("Leave it out (`drop`), or give it as columns of 0 and 1."));
    }
    let predicted = predicted(series, options.target.as_deref())?;
    let starts = starts(series, length + gap + horizon, stride)?;
    let rows = starts.len();
    let features = cut(series, &starts, length, width)?;
    let ahead = |&start: &usize| (0..horizon).map(move |step| series.row_index(start + length + gap + step) as usize);
    let target = match predicted {
        Predicted::Classes { names, labels } => {
            let labels = starts.iter().flat_map(ahead).map(|row| labels[row]).collect();
            let names = names.to_vec();
            if horizon == 1 {
                TargetParts::Classes { names, labels }
            } else {
                TargetParts::Sequence {
                    names,
                    width: horizon,
                    labels,
                }
            }
        }
        Predicted::Numbers { name, values, width, at } => numbers(
            name,
            horizon,
            starts.iter().flat_map(ahead).map(|row| (row, values[row * width + at])),
        )?,
        Predicted::Feature { name, at } => numbers(
            name,
            horizon,
            starts
                .iter()
                .flat_map(ahead)
                .map(|row| (row, source.features().get(row * width + at))),
        )?,
    };
    let first_target = |&start: &usize| series.row_index(start + length + gap) as usize;
    let mut parts = SourceParts::new(rows, features);
    parts.sample_shape = Some(vec![length, width]);
    parts.target = Some(target);
    parts.weights = source
        .weights()
        .map(|weights| starts.iter().map(|s| weights[first_target(s)]).collect());
    if let Some(Groups { names, codes }) = source.groups() {
        parts.groups = Some(starts.iter().map(|s| codes[first_target(s)]).collect());
        parts.group_names = Some(names.clone());
    }
    parts.spans = Some(Spans {
        first: starts.iter().map(|&s| series.row_index(s)).collect(),
        last: starts.iter().map(|&s| series.row_index(s + length + gap + horizon - 1)).collect(),
    });
    Ok(Dataset::from(parts.build()?))
}

fn predicted<'a>(series: &'a Dataset, asked: Option<&'a str>) -> Result<Predicted<'a>> {
    let source = series.source();
    let names: Vec<&str> = source.columns().iter().map(|column| column.name.as_str()).collect();
    let Some(name) = asked else {
        return match source.target() {
            Some(Target::Classes { names, labels }) => Ok(Predicted::Classes { names, labels }),
            Some(Target::Numbers {
                names,
                width: width @ 1,
                values,
            }) => Ok(Predicted::Numbers {
                name: &names[0],
                values,
                width: *width,
                at: 0,
            }),
            _ => Err(
                Error::new(Code::InvalidOption, "expected the name of the column to predict, got none")
                    .at("windows: target")
                    .expected(format!("one of {}", names.join(", ")))
                    .received("none"),
            ),
        };
    };
    if let Some(at) = names.iter().position(|&column| column == name) {
        return Ok(Predicted::Feature { name, at });
    }
    if let Some(Target::Numbers { names, width, values }) = source.target()
        && let Some(at) = names.iter().position(|target| target == name)
    {
        return Ok(Predicted::Numbers {
            name,
            values,
            width: *width,
            at,
        });
    }
    Err(nabla_formats::no_such_column(name, names.into_iter()).at("windows: target"))
}

/// The positions in the view at which a window of `span` rows starts.
fn starts(series: &Dataset, span: usize, stride: usize) -> Result<Vec<usize>> {
    let rows = series.rows();
    let groups = series.source().groups().map(|groups| groups.codes.as_slice());
    let mut starts = Vec::new();
    let mut from = 0;
    for row in 1..=rows {
        if row < rows {
            let (before, here) = (series.row_index(row - 1), series.row_index(row));
            if here <= before {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("row {row} comes from row {here} of the source, after row {before}: the rows are not in the order of time"),
                )
                .at("windows")
                .expected("rows in their order")
                .hint("Cut the windows first and split them then: splitters keep overlapping windows apart."));
            }
            if here == before + 1 && groups.is_none_or(|codes| codes[here as usize] == codes[before as usize]) {
                continue;
            }
        }
        starts.extend((from..(row + 1).saturating_sub(span)).step_by(stride));
        from = row;
    }
    if starts.is_empty() {
        return Err(
            Error::new(Code::InvalidData, format!("no {span} rows follow each other: not one window"))
                .at("windows")
                .expected(format!("at least {span} rows (length + gap + horizon)"))
                .received(format!("{rows} rows"))
                .hint("Ask for a shorter length."),
        );
    }
    Ok(starts)
}

fn cut(series: &Dataset, starts: &[usize], length: usize, width: usize) -> Result<Matrix> {
    fn copied<T: Copy>(values: &[T], from: impl Iterator<Item = usize>, each: usize, total: Option<usize>) -> Result<Vec<T>> {
        let mut out = memory::room_for(total.unwrap_or(usize::MAX), || format!("windows of {each} values each")).map_err(|e| {
            let hint = e.hint.clone().unwrap_or_default();
            e.at("windows").hint(format!("A larger stride makes fewer windows. {hint}"))
        })?;
        from.for_each(|at| out.extend_from_slice(&values[at..at + each]));
        Ok(out)
    }
    let each = length * width;
    let total = each.checked_mul(starts.len());
    // Rows of a window follow each other in the source.
    let from = starts.iter().map(|&start| series.row_index(start) as usize * width);
    Ok(match &*series.source().features().in_memory()? {
        Matrix::F32(values) => Matrix::F32(copied(values, from, each, total)?),
        Matrix::F64(values) => Matrix::F64(copied(values, from, each, total)?),
        Matrix::U8(values) => Matrix::U8(copied(values, from, each, total)?),
        Matrix::File(_) => return Err(Error::internal("values in memory lie in a file")),
    })
}

fn numbers(name: &str, horizon: usize, cells: impl Iterator<Item = (usize, f64)>) -> Result<TargetParts> {
    let values = cells.map(|(row, value)| {
        if value.is_finite() {
            return Ok(value);
        }
        Err(Error::new(Code::InvalidData, "the target is missing")
            .at(format!("windows: target {name:?}, row {row}"))
            .expected("a value in each row")
            .received("a missing cell")
            .hint("Rows are counted from 0. Fill the gap, or leave the row out with `select`: no window crosses it then."))
    });
    Ok(TargetParts::Numbers {
        names: Some(if horizon == 1 {
            vec![name.to_owned()]
        } else {
            (1..=horizon).map(|step| format!("{name}+{step}")).collect()
        }),
        width: horizon,
        values: values.collect::<Result<_>>()?,
    })
}

/// The rows of `train` whose windows share no row of the series with a window of `held`, in their order (López de Prado 2018, chapter 7).
/// All three index samples of `spans`.
pub fn purged(train: &[u32], held: &[u32], spans: &Spans) -> Vec<u32> {
    // The rows that are held out, as intervals apart from each other, ascending.
    let mut spent: Vec<(u32, u32)> = held
        .iter()
        .map(|&row| (spans.first[row as usize], spans.last[row as usize]))
        .collect();
    spent.sort_unstable();
    spent.dedup_by(|next, before| {
        let joined = next.0 <= before.1;
        if joined {
            before.1 = before.1.max(next.1);
        }
        joined
    });
    let apart = |row: u32| {
        let (first, last) = (spans.first[row as usize], spans.last[row as usize]);
        let before = spent.partition_point(|&(start, _)| start <= last);
        before == 0 || spent[before - 1].1 < first
    };
    train.iter().copied().filter(|&row| apart(row)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row t holds t and 10·t.
    fn series(rows: usize, groups: Option<Vec<u32>>) -> Dataset {
        let values = (0..rows).flat_map(|t| [t as f64, 10.0 * t as f64]).collect();
        let mut parts = SourceParts::new(rows, Matrix::F64(values));
        parts.groups = groups;
        Dataset::from(parts.build().unwrap())
    }

    fn options(length: usize, horizon: usize, stride: usize, gap: usize) -> WindowOptions {
        WindowOptions {
            length,
            horizon,
            stride,
            gap,
            target: Some("x1".into()),
        }
    }

    #[test]
    fn windows_and_their_targets() {
        let data = windows(&series(10, None), &options(3, 2, 2, 1)).unwrap();
        // 3 rows, one left out, 2 predicted: starts 0, 2, 4.
        assert_eq!((data.rows(), data.source().sample_shape()), (3, &[3, 2][..]));
        assert_eq!(data.features_f64().unwrap()[6..12], [2.0, 20.0, 3.0, 30.0, 4.0, 40.0]);
        assert_eq!(data.targets().unwrap(), [40.0, 50.0, 60.0, 70.0, 80.0, 90.0]);
        let spans = data.spans().unwrap();
        assert_eq!((spans.first, spans.last), (vec![0, 2, 4], vec![5, 7, 9]));
    }

    #[test]
    fn no_window_crosses_groups_or_holes() {
        let grouped = series(8, Some(vec![0, 0, 0, 0, 1, 1, 1, 1]));
        let spans = windows(&grouped, &options(2, 1, 1, 0)).unwrap().spans().unwrap();
        assert_eq!(spans.first, [0, 1, 4, 5]);
        let holed = series(8, None).select(&[0, 1, 2, 4, 5, 6, 7]).unwrap();
        let spans = windows(&holed, &options(2, 1, 1, 0)).unwrap().spans().unwrap();
        assert_eq!((spans.first, spans.last), (vec![0, 4, 5], vec![2, 6, 7]));
    }

    #[test]
    fn what_cannot_be_cut_is_an_error() {
        let fails = |data: &Dataset, options: WindowOptions| windows(data, &options).unwrap_err().to_string();
        assert!(fails(&series(4, None), options(4, 1, 1, 0)).contains("not one window"));
        assert!(fails(&series(4, None).select(&[2, 1]).unwrap(), options(1, 1, 1, 0)).contains("order of time"));
        let unknown = WindowOptions {
            target: Some("x2".into()),
            ..options(1, 1, 1, 0)
        };
        assert!(fails(&series(4, None), unknown).contains("no column"));
        let none = WindowOptions {
            target: None,
            ..options(1, 1, 1, 0)
        };
        assert!(fails(&series(4, None), none).contains("to predict"));
    }

    /// Against the definition: no row in common with any window that is held out.
    #[test]
    fn purging_leaves_exactly_what_shares_no_row() {
        let spans = windows(&series(60, None), &options(4, 2, 1, 1)).unwrap().spans().unwrap();
        let n = spans.first.len() as u32;
        for held in [vec![0], vec![n - 1], vec![20, 21, 22], vec![3, 40], (10..30).collect::<Vec<u32>>()] {
            let train: Vec<u32> = (0..n).filter(|row| !held.contains(row)).collect();
            let overlap = |a: u32, b: u32| {
                let (a, b) = (a as usize, b as usize);
                spans.first[a] <= spans.last[b] && spans.first[b] <= spans.last[a]
            };
            let expected: Vec<u32> = train.iter().copied().filter(|&a| held.iter().all(|&b| !overlap(a, b))).collect();
            assert_eq!(purged(&train, &held, &spans), expected);
        }
    }
}
