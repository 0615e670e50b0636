//! A data set from a table: which column is what.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use nabla_error::{Code, Error, Result, memory};
use nabla_formats::csv;
use nabla_formats::{Cells, MISSING, Table};
use serde::Deserialize;

use crate::builder::{SourceParts, TargetParts};
use crate::dataset::Dataset;
use crate::source::{Column, Kind, Matrix};
use crate::spill::{FeatureSink, RowsWriter};

/// Options of `fromCsv`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CsvOptions {
    /// What is to be predicted: one column, or several of numbers. None: features only.
    pub target: Option<Names>,
    /// Text and booleans are classes, numbers are regression, unless this says `classification`.
    pub task: Option<Task>,
    /// Columns to leave out.
    pub drop: Vec<String>,
    /// The column that says which rows belong together; it is no feature.
    pub groups: Option<String>,
    /// The column of sample weights; it is no feature.
    pub weights: Option<String>,
    /// Texts that stand for a missing cell; `NA NaN nan null ?` by default, and the empty cell always.
    pub missing: Option<Vec<String>>,
    /// Kinds that the cells should not decide: `{ zip: 'category' }`.
    pub kinds: BTreeMap<String, csv::Kind>,
    /// Of two classes the one that becomes class 1.
    pub positive_class: Option<PositiveClass>,
    /// `,` by default.
    pub delimiter: Option<char>,
    /// Whether the first line names the columns; true by default.
    pub header: Option<bool>,
    /// Whether features are held in memory; otherwise they go into a temporary file. True by default.
    pub in_memory: Option<bool>,
    /// What the bytes are; UTF-8 by default, or what a byte-order mark says.
    pub encoding: Option<csv::Encoding>,
}

/// `'species'` or `['x', 'y']`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Names {
    /// One column.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Task {
    /// Classes.
    Classification,
    /// Numbers.
    Regression,
}

/// `'yes'`, `1` or `true`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum PositiveClass {
    /// By name.
    Text(String),
    /// By truth.
    Boolean(bool),
    /// By number.
    Number(f64),
}

/// Reads a CSV file into a data set of f64 features.
///
/// # Errors
/// `DATA_FORMAT` with path, line and column; `INVALID_OPTION` for a column that is not there, with the nearest name;
/// `INVALID_DATA` for a missing target.
pub fn read_csv(path: &Path, options: &CsvOptions) -> Result<Dataset> {
    read_csv_watched(path, options, &|_, _| Ok(()))
}

/// The same, telling `watch` now and then how many bytes it has read of how many; an error of its ends the reading.
///
/// # Errors
/// As [`read_csv`], and those of `watch`.
pub fn read_csv_watched(path: &Path, options: &CsvOptions, watch: &csv::Watch) -> Result<Dataset> {
    let defaults = csv::Options::default();
    let reading = csv::Options {
        delimiter: options.delimiter.unwrap_or(defaults.delimiter),
        header: options.header.unwrap_or(defaults.header),
        missing: options.missing.clone().unwrap_or(defaults.missing),
        kinds: options.kinds.clone(),
        skip: options.drop.clone(),
        encoding: options.encoding,
    };
    let file = path.display().to_string();
    let mut kept: Vec<&str> = match &options.target {
        None => Vec::new(),
        Some(Names::One(name)) => vec![name],
        Some(Names::Many(names)) => names.iter().map(String::as_str).collect(),
    };
    kept.extend(options.groups.as_deref().into_iter().chain(options.weights.as_deref()));
    let mut sink = (options.in_memory == Some(false)).then(|| FeatureSink::new(&kept)).transpose()?;
    let table = match &mut sink {
        Some(sink) => csv::read_into(path, &reading, watch, sink),
        None => csv::read_watched(path, &reading, watch),
    };
    let table = table.map_err(|error| error.at(file.clone()))?;
    data_of(table, sink.map(|sink| sink.writer), options)
        .map_err(|error| in_lines(error, path, &reading))
        .map_err(|error| match &error.place {
            Some(place) if !place.contains(&file) => Error {
                place: Some(format!("{file}: {place}")),
                ..error
            },
            _ => error.at(file),
        })
}

/// A place that ends with a row of the table says the line of the file instead.
fn in_lines(mut error: Error, path: &Path, reading: &csv::Options) -> Error {
    let line = error.place.as_deref().and_then(|place| {
        let (before, row) = place.rsplit_once("row ")?;
        Some(format!("{before}line {}", csv::line_of(path, reading, row.parse().ok()?)?))
    });
    if line.is_some() {
        error.place = line;
        error.hint = error.hint.map(|hint| hint.replace("; rows are counted from 0", ""));
    }
    error
}

/// The same from a table in memory: text columns become categories, booleans the numbers 0 and 1.
pub fn from_table(table: Table, options: &CsvOptions) -> Result<Dataset> {
    data_of(table, None, options)
}

/// Features from the cells of the table, or from the file into which they went.
fn data_of(table: Table, written: Option<RowsWriter>, options: &CsvOptions) -> Result<Dataset> {
    let find = |name: &str, option: &str| table.index(name).map_err(|error| error.at(option));
    let targets = match &options.target {
        None => Vec::new(),
        Some(Names::One(name)) => vec![find(name, "target")?],
        Some(Names::Many(names)) => names.iter().map(|name| find(name, "target")).collect::<Result<_>>()?,
    };
    let groups = options.groups.as_deref().map(|name| find(name, "groups")).transpose()?;
    let weights = options.weights.as_deref().map(|name| find(name, "weights")).transpose()?;
    let mut role = vec![None; table.columns.len()];
    let dropped = options
        .drop
        .iter()
        .map(|name| Ok((find(name, "drop")?, "drop")))
        .collect::<Result<Vec<_>>>()?;
    let named = targets
        .iter()
        .map(|&i| (i, "target"))
        .chain(groups.map(|i| (i, "groups")))
        .chain(weights.map(|i| (i, "weights")));
    for (i, option) in named.chain(dropped) {
        if let Some(other) = role[i].replace(option).filter(|other| *other != "drop" || option != "drop") {
            let message = format!("column {:?} is named by both {other} and {option}", table.columns[i].name);
            return Err(Error::new(Code::InvalidOption, message).at(option));
        }
    }
    if table.rows == 0 {
        return Err(Error::new(Code::InvalidData, "the file has a header but no rows"));
    }
    let (rows, names): (usize, Vec<String>) = (table.rows, table.columns.iter().map(|c| c.name.clone()).collect());
    let mut cells: Vec<Option<Cells>> = table.columns.into_iter().map(|column| Some(column.cells)).collect();
    let mut take = |i: usize| cells[i].take().ok_or_else(|| Error::internal("a column with two roles"));

    let target = match targets.as_slice() {
        [] if options.positive_class.is_some() || options.task.is_some() => {
            return Err(Error::new(Code::InvalidOption, "task and positiveClass need a target").at("target"));
        }
        [] => None,
        [one] => Some(single_target(&names[*one], take(*one)?, options)?),
        many => {
            let columns = many.iter().map(|&i| Ok((names[i].clone(), take(i)?))).collect::<Result<Vec<_>>>()?;
            Some(several_targets(columns, rows, options)?)
        }
    };
    let group_cells = groups.map(&mut take).transpose()?;
    let groups = group_cells
        .map(|cells| classes_of(cells, options.groups.as_deref().unwrap_or_default(), "group"))
        .transpose()?;
    let weight_cells = weights.map(&mut take).transpose()?;
    let weights = weight_cells
        .map(|cells| weights_of(cells, options.weights.as_deref().unwrap_or_default()))
        .transpose()?;
    let (groups, group_names) = groups.map_or((None, None), |(names, codes)| (Some(codes), Some(names)));

    let kept = names.iter().zip(cells).enumerate().filter(|(i, _)| role[*i].is_none());
    let kept: Vec<(&String, Cells)> = kept.filter_map(|(_, (name, cells))| Some((name, cells?))).collect();
    for (name, _) in &kept {
        if options.kinds.get(*name) == Some(&csv::Kind::Text) {
            return Err(
                Error::new(Code::NotImplemented, format!("column {name:?}: text features are not built yet"))
                    .at("kinds")
                    .hint("Drop the column, or declare it a category."),
            );
        }
    }
    let (columns, features) = match written {
        None => features_of(kept, rows)?,
        Some(written) => (kept.into_iter().map(column_of).collect(), Matrix::File(Arc::new(written.finish()?))),
    };
    let parts = SourceParts {
        columns: Some(columns),
        target,
        weights,
        groups,
        group_names,
        ..SourceParts::new(rows, features)
    };
    Ok(parts.build()?.into())
}

/// Columns side by side, row-major; blocks of rows keep the writes of a block in cache.
fn features_of(kept: Vec<(&String, Cells)>, rows: usize) -> Result<(Vec<Column>, Matrix)> {
    const BLOCK: usize = 256;
    let width = kept.len();
    let length = rows.saturating_mul(width);
    let mut values: Vec<f64> = memory::room_for(length, || format!("{rows} rows of {width} features"))?;
    memory::prefer_large_pages(values.spare_capacity_mut());
    values.resize(length, 0.0);
    let number = |code: u32| if code == MISSING { f64::NAN } else { f64::from(code) };
    for start in (0..rows).step_by(BLOCK) {
        let block = start..rows.min(start + BLOCK);
        for (j, (_, cells)) in kept.iter().enumerate() {
            let out = values[start * width + j..].iter_mut().step_by(width);
            match cells {
                Cells::Numbers(cells) => out.zip(&cells[block.clone()]).for_each(|(out, &cell)| *out = cell),
                Cells::Booleans(codes) | Cells::Texts { codes, .. } => {
                    out.zip(&codes[block.clone()]).for_each(|(out, &code)| *out = number(code));
                }
            }
        }
    }
    Ok((kept.into_iter().map(column_of).collect(), Matrix::F64(values)))
}

fn column_of((name, cells): (&String, Cells)) -> Column {
    let kind = match cells {
        Cells::Texts { levels, .. } => Kind::Category { levels },
        _ => Kind::Number,
    };
    Column { name: name.clone(), kind }
}

fn single_target(name: &str, cells: Cells, options: &CsvOptions) -> Result<TargetParts> {
    let numbers = matches!(cells, Cells::Numbers(_));
    let task = options
        .task
        .unwrap_or(if numbers { Task::Regression } else { Task::Classification });
    if task == Task::Classification {
        let (mut names, mut labels) = classes_of(cells, name, "target")?;
        if let Some(positive) = &options.positive_class {
            put_last(positive, &mut names, &mut labels)?;
        }
        return Ok(TargetParts::Classes { names, labels });
    }
    if options.positive_class.is_some() {
        return Err(
            Error::new(Code::InvalidOption, "positiveClass is for classes, the target is numbers")
                .at("positiveClass")
                .hint("Numbers that stand for classes need task: 'classification'."),
        );
    }
    let Cells::Numbers(values) = cells else {
        return Err(Error::new(Code::InvalidOption, format!("target {name:?} is text, so it cannot be regression")).at("task"));
    };
    refuse_missing(values.iter().position(|v| v.is_nan()), name, "target")?;
    Ok(TargetParts::Numbers {
        names: Some(vec![name.to_owned()]),
        width: 1,
        values,
    })
}

/// Numbers side by side; where some are classes, each by its own name.
fn several_targets(columns: Vec<(String, Cells)>, rows: usize, options: &CsvOptions) -> Result<TargetParts> {
    if options.task == Some(Task::Classification) || columns.iter().any(|(_, cells)| !matches!(cells, Cells::Numbers(_))) {
        if options.positive_class.is_some() {
            return Err(Error::new(Code::InvalidOption, "positiveClass is for one target").at("positiveClass"));
        }
        let one = |(name, cells): (String, Cells)| {
            let target = single_target(&name, cells, options)?;
            Ok((name, target))
        };
        return Ok(TargetParts::Several {
            targets: columns.into_iter().map(one).collect::<Result<_>>()?,
        });
    }
    let width = columns.len();
    let mut values = vec![0.0; rows * width];
    let mut names = Vec::with_capacity(width);
    for (j, (name, cells)) in columns.into_iter().enumerate() {
        let Cells::Numbers(cells) = cells else {
            return Err(Error::new(Code::InvalidData, format!("target {name:?} is not numbers"))
                .at("target")
                .expected("columns of numbers"));
        };
        refuse_missing(cells.iter().position(|v| v.is_nan()), &name, "target")?;
        values[j..].iter_mut().step_by(width).zip(cells).for_each(|(out, cell)| *out = cell);
        names.push(name);
    }
    Ok(TargetParts::Numbers {
        names: Some(names),
        width,
        values,
    })
}

/// Sorted names and the code of each row; numbers sort by value and are named as they print.
fn classes_of(cells: Cells, name: &str, what: &str) -> Result<(Vec<String>, Vec<u32>)> {
    match cells {
        Cells::Texts { levels, codes } => {
            refuse_missing(codes.iter().position(|&code| code == MISSING), name, what)?;
            Ok((levels, codes))
        }
        Cells::Booleans(codes) => {
            refuse_missing(codes.iter().position(|&code| code == MISSING), name, what)?;
            Ok((vec!["false".into(), "true".into()], codes))
        }
        Cells::Numbers(values) => {
            refuse_missing(values.iter().position(|v| v.is_nan()), name, what)?;
            // + 0.0 makes one class of 0 and −0.
            let mut distinct: Vec<f64> = values.iter().map(|v| v + 0.0).collect();
            distinct.sort_unstable_by(f64::total_cmp);
            distinct.dedup();
            let codes = values.iter().map(|v| distinct.partition_point(|d| d < v) as u32).collect();
            Ok((distinct.iter().map(f64::to_string).collect(), codes))
        }
    }
}

fn put_last(positive: &PositiveClass, names: &mut [String], labels: &mut [u32]) -> Result<()> {
    let wanted = match positive {
        PositiveClass::Text(text) => text.clone(),
        PositiveClass::Boolean(truth) => truth.to_string(),
        PositiveClass::Number(number) => number.to_string(),
    };
    let Some(at) = names.iter().position(|name| *name == wanted) else {
        let near = nabla_formats::nearest(&wanted, names.iter().map(String::as_str));
        let shown = names.iter().take(12).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let hint = near.map_or(format!("The classes are {shown}."), |near| format!("Did you mean {near:?}?"));
        return Err(Error::new(Code::InvalidOption, format!("there is no class {wanted:?}"))
            .at("positiveClass")
            .hint(hint));
    };
    if names.len() != 2 {
        let message = format!("positiveClass is for two classes, the target has {}", names.len());
        return Err(Error::new(Code::InvalidOption, message).at("positiveClass"));
    }
    if at == 0 {
        names.swap(0, 1);
        labels.iter_mut().for_each(|label| *label = 1 - *label);
    }
    Ok(())
}

fn weights_of(cells: Cells, name: &str) -> Result<Vec<f64>> {
    let Cells::Numbers(values) = cells else {
        return Err(Error::new(Code::InvalidData, "the weights are not numbers")
            .at(format!("weights {name:?}"))
            .expected("a column of numbers"));
    };
    refuse_missing(values.iter().position(|v| v.is_nan()), name, "weight")?;
    if let Some(row) = values.iter().position(|&v| v < 0.0) {
        return Err(Error::new(Code::InvalidData, format!("the weight is {}", values[row]))
            .at(format!("weight {name:?}, row {row}"))
            .expected("a number, 0 or more"));
    }
    if values.iter().all(|&v| v == 0.0) {
        return Err(Error::new(Code::InvalidData, "all weights are 0").at(format!("weights {name:?}")));
    }
    Ok(values)
}

fn refuse_missing(row: Option<usize>, name: &str, what: &str) -> Result<()> {
    let Some(row) = row else { return Ok(()) };
    Err(Error::new(Code::InvalidData, format!("the {what} is missing"))
        .at(format!("{what} {name:?}, row {row}"))
        .expected("a value in each row")
        .hint(format!("Remove the rows without a {what}; rows are counted from 0.")))
}

#[cfg(test)]
mod tests;
