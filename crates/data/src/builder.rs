//! A source from its parts, validated once: what passes here never has to be checked again.

use std::collections::HashSet;

use nabla_error::{Code, Error, Result};
use nabla_formats::image::Fit;
use nabla_kernels::reduce::all_finite;

use crate::source::{Column, Groups, Kind, Matrix, Part, Source, Target, Text};
use crate::windows::Spans;

/// The parts; what is left `None` gets a default.
#[derive(Clone, Debug)]
pub struct SourceParts {
    /// How many rows.
    pub rows: usize,
    /// `[rows, width]`, row-major. NaN is a missing cell; ±∞ is refused.
    pub features: Matrix,
    /// The shape of one row; `[width]` by default.
    pub sample_shape: Option<Vec<usize>>,
    /// Names and kinds; numbers called `x0`, `x1`, … by default. Samples of more than one axis have none.
    pub columns: Option<Vec<Column>>,
    /// Values that belong together by name, over the whole row; none by default.
    pub parts: Option<Vec<Part>>,
    /// What is to be predicted.
    pub target: Option<TargetParts>,
    /// One a row, finite, not negative, not all 0.
    pub weights: Option<Vec<f64>>,
    /// One a row.
    pub groups: Option<Vec<u32>>,
    /// Names of the groups; their numbers by default.
    pub group_names: Option<Vec<String>>,
    /// Of rows that were pictures: how those came to their size.
    pub images: Option<Fit>,
    /// Of samples cut from a series: the rows that each was made of.
    pub spans: Option<Spans>,
    /// Steps of each row, where rows are sequences of different lengths padded to the first axis of the sample shape.
    pub lengths: Option<Vec<u32>>,
    /// Of rows that are texts: what their numbers stand for.
    pub text: Option<Text>,
}

/// The target before validation.
#[derive(Clone, Debug)]
pub enum TargetParts {
    /// One class a row, each below `names.len()`; of two classes the second is the positive one.
    Classes {
        /// Unique.
        names: Vec<String>,
        /// One a row.
        labels: Vec<u32>,
    },
    /// `width` classes a row, each below `names.len()`.
    Sequence {
        /// Unique.
        names: Vec<String>,
        /// At least 1.
        width: usize,
        /// Row-major.
        labels: Vec<u32>,
    },
    /// `width` numbers a row.
    Numbers {
        /// `y`, or `y0`, `y1`, … by default.
        names: Option<Vec<String>>,
        /// At least 1.
        width: usize,
        /// Row-major, finite.
        values: Vec<f64>,
    },
    /// Several by name, each of classes or numbers.
    Several {
        /// At least one.
        targets: Vec<(String, TargetParts)>,
    },
}

impl SourceParts {
    /// Features alone; add the rest by setting fields.
    pub fn new(rows: usize, features: Matrix) -> Self {
        let (sample_shape, columns, parts, target, weights, groups, group_names, images, spans, lengths, text) = Default::default();
        Self {
            rows,
            features,
            sample_shape,
            columns,
            parts,
            target,
            weights,
            groups,
            group_names,
            images,
            spans,
            lengths,
            text,
        }
    }

    /// Checks lengths, names, classes and finiteness.
    ///
    /// # Errors
    /// `INVALID_DATA` (no rows, lengths that differ, names twice, class or level out of range, bad weights),
    /// `SHAPE_MISMATCH` (values do not fill rows × shape), `NOT_FINITE` (±∞ in features, NaN or ±∞ in targets).
    pub fn build(self) -> Result<Source> {
        let rows = self.rows;
        if rows == 0 || self.features.is_empty() {
            return Err(Error::new(Code::InvalidData, "the data set has no rows or no features")
                .hint("A data set needs at least one row and one feature."));
        }
        if rows > u32::MAX as usize {
            return Err(Error::new(
                Code::InvalidData,
                format!("{rows} rows are more than the 4,294,967,295 that row indices allow"),
            ));
        }
        let (width, sample_shape) = shape_of_a_row(rows, &self.features, self.sample_shape)?;
        if let Some(lengths) = &self.lengths {
            check_lengths(rows, lengths, sample_shape[0])?;
        }
        // Steps of a sequence have no names.
        let columns = match self.lengths {
            Some(_) => Vec::new(),
            None => named_columns(self.columns, &sample_shape)?,
        };
        let parts = checked_parts(self.parts.unwrap_or_default(), &sample_shape)?;
        let mut source = Source {
            rows,
            width,
            sample_shape,
            columns,
            parts,
            features: self.features,
            target: None,
            weights: None,
            groups: None,
            images: self.images,
            spans: None,
            lengths: self.lengths,
            text: self.text,
        };
        check_features(&source)?;
        source.target = self.target.map(|target| checked_target(rows, target)).transpose()?;
        if let (Some(_), Some(Target::Sequence { width, .. })) = (&source.lengths, &source.target) {
            expect_length("classes a row", *width, source.sample_shape[0])?;
        }
        if let Some(weights) = &self.weights {
            check_weights(rows, weights)?;
        }
        source.weights = self.weights;
        source.groups = self.groups.map(|codes| checked_groups(rows, codes, self.group_names)).transpose()?;
        if let Some(spans) = &self.spans {
            expect_length("spans", spans.first.len(), rows)?;
            expect_length("spans", spans.last.len(), rows)?;
            if let Some(row) = (0..rows).find(|&row| spans.first[row] > spans.last[row] || spans.last[row] == u32::MAX) {
                return Err(Error::new(Code::InvalidData, format!("the span of row {row} ends before it starts")).at("spans"));
            }
        }
        source.spans = self.spans;
        Ok(source)
    }
}

fn check_lengths(rows: usize, lengths: &[u32], time: usize) -> Result<()> {
    expect_length("lengths", lengths.len(), rows)?;
    match lengths.iter().position(|&length| length == 0 || length as usize > time) {
        Some(row) => Err(Error::new(Code::InvalidData, format!("row {row} has {} steps", lengths[row]))
            .at("lengths")
            .expected(format!("1 to {time} steps"))
            .received(lengths[row].to_string())),
        None => Ok(()),
    }
}

fn shape_of_a_row(rows: usize, features: &Matrix, shape: Option<Vec<usize>>) -> Result<(usize, Vec<usize>)> {
    let width = match &shape {
        Some(shape) => shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)).unwrap_or(usize::MAX),
        None => features.len() / rows,
    };
    if shape.as_ref().is_some_and(Vec::is_empty) || width == 0 || width.checked_mul(rows) != Some(features.len()) {
        let shape = shape.map_or_else(String::new, |shape| format!(" of shape {shape:?}"));
        return Err(Error::new(
            Code::ShapeMismatch,
            format!("{} feature values do not fill {rows} rows{shape}", features.len()),
        )
        .at("features")
        .expected(format!("a multiple of {rows}"))
        .received(features.len().to_string()));
    }
    Ok((width, shape.unwrap_or_else(|| vec![width])))
}

fn named_columns(columns: Option<Vec<Column>>, sample_shape: &[usize]) -> Result<Vec<Column>> {
    if let [width] = *sample_shape {
        let columns = columns.unwrap_or_else(|| (0..width).map(|i| Column::number(format!("x{i}"))).collect());
        expect_length("columns", columns.len(), width)?;
        expect_unique("columns", columns.iter().map(|column| column.name.as_str()))?;
        for column in &columns {
            if let Kind::Category { levels } = &column.kind {
                expect_unique(&format!("levels of column {:?}", column.name), levels.iter().map(String::as_str))?;
            }
        }
        Ok(columns)
    } else if columns.as_ref().is_none_or(Vec::is_empty) {
        Ok(Vec::new())
    } else {
        Err(Error::new(
            Code::InvalidData,
            format!("samples of shape {sample_shape:?} have no named columns"),
        )
        .at("columns"))
    }
}

/// Parts cover the row, and nothing else.
fn checked_parts(parts: Vec<Part>, sample_shape: &[usize]) -> Result<Vec<Part>> {
    if parts.is_empty() {
        return Ok(parts);
    }
    expect_unique("names of parts", parts.iter().map(|part| part.name.as_str()))?;
    let width = parts
        .iter()
        .flat_map(|part| part.shape.iter().try_fold(1usize, |n, &axis| n.checked_mul(axis)))
        .try_fold(0usize, usize::checked_add);
    match (sample_shape, width) {
        ([expected], Some(width)) => expect_length("values of named parts", width, *expected)?,
        _ => return Err(Error::new(Code::ShapeMismatch, "named parts lie in flat rows").at("parts")),
    }
    Ok(parts)
}

fn check_features(source: &Source) -> Result<()> {
    // In vectors first: looking number by number takes ten times as long.
    let infinite = match &source.features {
        Matrix::F32(values) if !all_finite(values) => values.iter().position(|v| v.is_infinite()),
        Matrix::F64(values) if !all_finite(values) => values.iter().position(|v| v.is_infinite()),
        Matrix::F32(_) | Matrix::F64(_) => None,
        Matrix::U8(_) => None,
        Matrix::File(file) => file.infinite(),
    };
    if let Some(at) = infinite {
        let place = format!("{}, row {}", source.column_place(at % source.width), at / source.width);
        return Err(Error::new(Code::NotFinite, format!("the feature is {}", source.features.get(at)))
            .at(place)
            .expected("a finite number, or NaN for a missing cell")
            .hint("Remove the row, or replace the value by NaN and let a preparation step fill it."));
    }
    for (j, column) in source.columns.iter().enumerate() {
        let Kind::Category { levels } = &column.kind else { continue };
        // Those of a file were looked at when they were written, and its checksum holds.
        if matches!(source.features, Matrix::File(_)) {
            continue;
        }
        for row in 0..source.rows {
            let code = source.features.get(row * source.width + j);
            let is_level = code >= 0.0 && code < levels.len() as f64 && code.fract() == 0.0;
            if !(is_level || code.is_nan()) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("{code} is no code of one of its {} levels", levels.len()),
                )
                .at(format!("column {:?}, row {row}", column.name))
                .expected(format!(
                    "an integer from 0 to {}, or NaN for a missing cell",
                    levels.len() as i64 - 1
                )));
            }
        }
    }
    Ok(())
}

fn checked_target(rows: usize, target: TargetParts) -> Result<Target> {
    match target {
        TargetParts::Classes { names, labels } => {
            expect_length("labels", labels.len(), rows)?;
            expect_unique("classes", names.iter().map(String::as_str))?;
            if let Some(row) = labels.iter().position(|&label| label as usize >= names.len()) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("class {} in row {row}, but there are {} classes", labels[row], names.len()),
                )
                .at("labels")
                .expected(format!("an integer from 0 to {}", names.len() as i64 - 1)));
            }
            Ok(Target::Classes { names, labels })
        }
        TargetParts::Sequence { names, width, labels } => {
            if width == 0 {
                return Err(Error::option("width", "at least 1", width).at("targets"));
            }
            expect_length("labels", labels.len(), rows.saturating_mul(width))?;
            expect_unique("classes", names.iter().map(String::as_str))?;
            if let Some(at) = labels.iter().position(|&label| label as usize >= names.len()) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("class {} in row {}, but there are {} classes", labels[at], at / width, names.len()),
                )
                .at("labels")
                .expected(format!("an integer from 0 to {}", names.len() as i64 - 1)));
            }
            Ok(Target::Sequence { names, width, labels })
        }
        TargetParts::Numbers { names, width, values } => {
            if width == 0 {
                return Err(Error::option("width", "at least 1", width).at("targets"));
            }
            expect_length("targets", values.len(), rows.saturating_mul(width))?;
            let names = names.unwrap_or_else(|| match width {
                1 => vec!["y".into()],
                _ => (0..width).map(|i| format!("y{i}")).collect(),
            });
            expect_length("names of targets", names.len(), width)?;
            expect_unique("names of targets", names.iter().map(String::as_str))?;
            if let Some(at) = values.iter().position(|value| !value.is_finite()) {
                let hint = if values[at].is_nan() {
                    "Remove the rows without a target."
                } else {
                    "Remove the row."
                };
                return Err(Error::new(Code::NotFinite, format!("the target is {}", values[at]))
                    .at(format!("target {:?}, row {}", names[at % width], at / width))
                    .expected("a finite number")
                    .hint(hint));
            }
            Ok(Target::Numbers { names, width, values })
        }
        TargetParts::Several { targets } => {
            if targets.is_empty() {
                return Err(Error::new(Code::InvalidData, "there is no target among the named ones").at("targets"));
            }
            expect_unique("names of targets", targets.iter().map(|(name, _)| name.as_str()))?;
            let checked = |(name, target): (String, TargetParts)| {
                if matches!(target, TargetParts::Several { .. } | TargetParts::Sequence { .. }) {
                    return Err(
                        Error::new(Code::InvalidData, "one of several targets is classes or numbers").at(format!("target {name:?}"))
                    );
                }
                let target = checked_target(rows, target).map_err(|e| Error {
                    place: Some(format!("target {name:?}")),
                    ..e
                })?;
                Ok((name, target))
            };
            Ok(Target::Several {
                targets: targets.into_iter().map(checked).collect::<Result<_>>()?,
            })
        }
    }
}

fn check_weights(rows: usize, weights: &[f64]) -> Result<()> {
    expect_length("weights", weights.len(), rows)?;
    if let Some(row) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
        let code = if weights[row].is_finite() {
            Code::InvalidData
        } else {
            Code::NotFinite
        };
        return Err(Error::new(code, format!("weight {} in row {row}", weights[row]))
            .at("weights")
            .expected("a finite number, 0 or more"));
    }
    if weights.iter().all(|&w| w == 0.0) {
        return Err(Error::new(Code::InvalidData, "all weights are 0").at("weights"));
    }
    Ok(())
}

fn checked_groups(rows: usize, codes: Vec<u32>, names: Option<Vec<String>>) -> Result<Groups> {
    expect_length("groups", codes.len(), rows)?;
    match names {
        Some(names) => {
            expect_unique("groups", names.iter().map(String::as_str))?;
            if let Some(row) = codes.iter().position(|&code| code as usize >= names.len()) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("group {} in row {row}, but there are {} groups", codes[row], names.len()),
                )
                .at("groups"));
            }
            Ok(Groups { names, codes })
        }
        // Numbers that stand for groups may be far apart (customer numbers), so codes are dense and names keep the numbers.
        None => {
            let mut distinct = codes.clone();
            distinct.sort_unstable();
            distinct.dedup();
            let codes = codes.iter().map(|code| distinct.partition_point(|d| d < code) as u32).collect();
            Ok(Groups {
                names: distinct.iter().map(u32::to_string).collect(),
                codes,
            })
        }
    }
}

fn expect_length(what: &str, received: usize, expected: usize) -> Result<()> {
    if received == expected {
        return Ok(());
    }
    Err(Error::new(Code::InvalidData, format!("expected {expected} {what}, got {received}"))
        .at(what)
        .expected(expected.to_string())
        .received(received.to_string()))
}

fn expect_unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::new(Code::InvalidData, format!("{name:?} occurs twice"))
                .at(what)
                .expected("names that differ"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> SourceParts {
        SourceParts::new(2, Matrix::F64(vec![1.0, 2.0, f64::NAN, 4.0]))
    }

    #[test]
    fn defaults() {
        let source = parts().build().unwrap();
        assert_eq!((source.width(), source.sample_shape()), (2, &[2][..]));
        assert_eq!(source.columns()[1].name, "x1");
        let image = SourceParts {
            sample_shape: Some(vec![1, 2, 1]),
            ..parts()
        }
        .build()
        .unwrap();
        assert!(image.columns().is_empty());
        assert_eq!(image.column_place(1), "value [0, 1, 0]");
        let groups = SourceParts {
            groups: Some(vec![900, 7]),
            ..parts()
        }
        .build()
        .unwrap()
        .groups
        .unwrap();
        assert_eq!((groups.names, groups.codes), (vec!["7".to_owned(), "900".to_owned()], vec![1, 0]));
    }

    #[test]
    fn bad_parts_are_coded_errors() {
        let classes = |names: &[&str], labels: &[u32]| {
            Some(TargetParts::Classes {
                names: names.iter().map(|n| n.to_string()).collect(),
                labels: labels.to_vec(),
            })
        };
        let numbers = |values: &[f64]| {
            Some(TargetParts::Numbers {
                names: None,
                width: 1,
                values: values.to_vec(),
            })
        };
        let category = |levels: &[&str]| {
            let levels = levels.iter().map(|l| l.to_string()).collect();
            Some(vec![
                Column::number("a"),
                Column {
                    name: "b".into(),
                    kind: Kind::Category { levels },
                },
            ])
        };
        let cases = [
            (SourceParts::new(0, Matrix::F32(vec![])), Code::InvalidData, "no rows"),
            (
                SourceParts::new(2, Matrix::F32(vec![1.0; 3])),
                Code::ShapeMismatch,
                "3 feature values",
            ),
            (
                SourceParts {
                    sample_shape: Some(vec![3]),
                    ..parts()
                },
                Code::ShapeMismatch,
                "[3]",
            ),
            (
                SourceParts {
                    sample_shape: Some(vec![usize::MAX, 2]),
                    ..parts()
                },
                Code::ShapeMismatch,
                "rows",
            ),
            (
                SourceParts::new(1, Matrix::F64(vec![0.0, f64::INFINITY])),
                Code::NotFinite,
                "column \"x1\", row 0",
            ),
            (
                SourceParts {
                    columns: Some(vec![Column::number("a")]),
                    ..parts()
                },
                Code::InvalidData,
                "expected 2 columns, got 1",
            ),
            (
                SourceParts {
                    columns: Some(vec![Column::number("a"); 2]),
                    ..parts()
                },
                Code::InvalidData,
                "\"a\" occurs twice",
            ),
            (
                SourceParts {
                    columns: category(&["p", "q"]),
                    ..parts()
                },
                Code::InvalidData,
                "column \"b\", row 0: 2 is no code",
            ),
            (
                SourceParts {
                    target: classes(&["p", "q"], &[0, 2]),
                    ..parts()
                },
                Code::InvalidData,
                "class 2 in row 1",
            ),
            (
                SourceParts {
                    target: classes(&["p", "p"], &[0, 1]),
                    ..parts()
                },
                Code::InvalidData,
                "twice",
            ),
            (
                SourceParts {
                    target: classes(&["p"], &[0]),
                    ..parts()
                },
                Code::InvalidData,
                "expected 2 labels, got 1",
            ),
            (
                SourceParts {
                    target: numbers(&[0.0, f64::NAN]),
                    ..parts()
                },
                Code::NotFinite,
                "target \"y\", row 1",
            ),
            (
                SourceParts {
                    target: numbers(&[0.0]),
                    ..parts()
                },
                Code::InvalidData,
                "expected 2 targets",
            ),
            (
                SourceParts {
                    weights: Some(vec![1.0, -1.0]),
                    ..parts()
                },
                Code::InvalidData,
                "weight -1 in row 1",
            ),
            (
                SourceParts {
                    weights: Some(vec![1.0, f64::NAN]),
                    ..parts()
                },
                Code::NotFinite,
                "weight NaN in row 1",
            ),
            (
                SourceParts {
                    weights: Some(vec![0.0, 0.0]),
                    ..parts()
                },
                Code::InvalidData,
                "all weights",
            ),
            (
                SourceParts {
                    groups: Some(vec![0]),
                    ..parts()
                },
                Code::InvalidData,
                "expected 2 groups",
            ),
            (
                SourceParts {
                    parts: Some(vec![Part {
                        name: "a".into(),
                        shape: vec![3],
                    }]),
                    ..parts()
                },
                Code::InvalidData,
                "expected 2 values of named parts, got 3",
            ),
            (
                SourceParts {
                    target: Some(TargetParts::Several {
                        targets: vec![("a".to_owned(), numbers(&[0.0]).unwrap())],
                    }),
                    ..parts()
                },
                Code::InvalidData,
                "target \"a\"",
            ),
            (
                SourceParts {
                    target: Some(TargetParts::Several { targets: Vec::new() }),
                    ..parts()
                },
                Code::InvalidData,
                "no target among",
            ),
            (
                SourceParts {
                    target: Some(TargetParts::Several {
                        targets: vec![("a".to_owned(), TargetParts::Several { targets: Vec::new() })],
                    }),
                    ..parts()
                },
                Code::InvalidData,
                "classes or numbers",
            ),
        ];
        for (parts, code, text) in cases {
            let error = parts.build().unwrap_err();
            assert!(error.code == code && error.to_string().contains(text), "{error}");
        }
    }
}
