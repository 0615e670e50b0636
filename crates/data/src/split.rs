//! Splitters: they make row indices and touch no data.

use std::borrow::Cow;
use std::collections::HashMap;

use nabla_error::{Code, Error, Result};
use serde::Deserialize;

use crate::allotment::{stratified_groups, whole_groups, within_one};
use crate::order::permutation;

/// Static split into train, validation and test rows.
///
/// Sizes: `counts` as given; `ratios` give validation = round(v·n) and test = round(t·n), train the rest (or round(train·n),
/// and rows left over belong to no part). `'auto'` (the default) gives validation = test = min(round(0.2·n), 10 000), the
/// validation scaled by `tuning`: the fewer hyperparameters, the fewer rows to judge them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HoldOutOptions {
    /// How many rows there are.
    pub rows: usize,
    /// Shares; not together with `counts`.
    pub ratios: Option<Ratios>,
    /// Numbers of rows; a missing `train` is the rest.
    pub counts: Option<Counts>,
    /// For `'auto'`: none 0, light ½, full 1 (the default).
    pub tuning: Option<Tuning>,
    /// Keep class shares within one row; needs labels. False by default.
    pub stratify: bool,
    /// Random rows (true, the default), or the first for training and the last for the test, as for series.
    pub shuffle: bool,
    /// Of the random order; 0 by default.
    pub seed: u64,
    /// What the sizes count where groups stay whole.
    pub balance: Balance,
}

/// What parts or folds are even in where groups stay whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Balance {
    /// Rows, as near as whole groups allow.
    #[default]
    Rows,
    /// Groups, taken by chance, however many rows they have.
    Groups,
}

impl Default for HoldOutOptions {
    fn default() -> Self {
        Self {
            rows: 0,
            ratios: None,
            counts: None,
            tuning: None,
            stratify: false,
            shuffle: true,
            seed: 0,
            balance: Balance::Rows,
        }
    }
}

/// `'auto'` or shares.
#[derive(Clone, Debug, PartialEq)]
pub enum Ratios {
    /// 60/20/20 up to tens of thousands of rows, 10 000 + 10 000 beyond.
    Auto,
    /// Given.
    Shares(Shares),
}

/// Shares in [0, 1] with a sum of at most 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Shares {
    /// The rest when missing.
    pub train: Option<f64>,
    /// 0 when missing.
    pub validation: Option<f64>,
    /// 0 when missing.
    pub test: Option<f64>,
}

/// Numbers of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Counts {
    /// The rest when missing.
    pub train: Option<usize>,
    /// 0 when missing.
    pub validation: Option<usize>,
    /// 0 when missing.
    pub test: Option<usize>,
}

impl<'de> Deserialize<'de> for Ratios {
    /// By hand, so a misspelt share is named: an untagged enum would only say that nothing matched.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) if text == "auto" => Ok(Ratios::Auto),
            value @ serde_json::Value::Object(_) => serde_json::from_value(value).map(Ratios::Shares).map_err(serde::de::Error::custom),
            other => Err(serde::de::Error::custom(format!(
                "expected ratios 'auto' or {{ train?, validation?, test? }}, got {other}"
            ))),
        }
    }
}

/// How many hyperparameters the validation rows have to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Tuning {
    /// None: no validation rows.
    None,
    /// A few: half as many.
    Light,
    /// Many: as many as for the test.
    Full,
}

/// Row indices of each part, in the random order when shuffled, else ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldOut {
    /// To learn from.
    pub train: Vec<u32>,
    /// To choose by.
    pub validation: Vec<u32>,
    /// To judge once.
    pub test: Vec<u32>,
}

/// The sizes `[train, validation, test]` that the options ask for.
///
/// # Errors
/// `INVALID_OPTION` when shares or counts do not fit, or no row is left for training.
pub fn hold_out_sizes(options: &HoldOutOptions) -> Result<[usize; 3]> {
    let n = options.rows;
    if n == 0 || n > u32::MAX as usize {
        return Err(Error::option("rows", "from 1 to 4,294,967,295", n));
    }
    if options.ratios.is_some() && options.counts.is_some() {
        return Err(Error::new(Code::InvalidOption, "give ratios or counts, not both").at("ratios"));
    }
    let auto = options.counts.is_none() && matches!(options.ratios, None | Some(Ratios::Auto));
    if options.tuning.is_some() && !auto {
        return Err(Error::new(Code::InvalidOption, "tuning only scales ratios: 'auto'").at("tuning"));
    }
    let round = |share: f64| (share * n as f64).round() as usize;
    let sizes = match (&options.ratios, &options.counts) {
        (Some(Ratios::Shares(shares)), _) => {
            let given = [("train", shares.train), ("validation", shares.validation), ("test", shares.test)];
            for (name, share) in given {
                if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
                    return Err(Error::option(name, "in [0, 1]", share).at("ratios"));
                }
            }
            let sum: f64 = given.iter().filter_map(|(_, share)| *share).sum();
            // Three decimals such as 0.7 + 0.2 + 0.1 may sum to a little more than 1.
            if sum > 1.0 + 1e-9 {
                return Err(Error::option("ratios", "with a sum of at most 1", sum));
            }
            let test = round(shares.test.unwrap_or(0.0));
            let validation = round(shares.validation.unwrap_or(0.0)).min(n - test);
            let rest = n - test - validation;
            let train = match shares.train {
                Some(train) if sum < 1.0 - 1e-9 => round(train).min(rest),
                _ => rest,
            };
            [train, validation, test]
        }
        (_, Some(counts)) => {
            let (validation, test) = (counts.validation.unwrap_or(0), counts.test.unwrap_or(0));
            let held = validation.saturating_add(test);
            let train = counts.train.unwrap_or(n.saturating_sub(held));
            if held.saturating_add(train) > n {
                return Err(Error::option(
                    "counts",
                    format!("with a sum of at most the {n} rows"),
                    held.saturating_add(train),
                ));
            }
            [train, validation, test]
        }
        _ => {
            let test = round(0.2).min(10_000);
            let validation = match options.tuning.unwrap_or(Tuning::Full) {
                Tuning::None => 0,
                Tuning::Light => test.div_ceil(2),
                Tuning::Full => test,
            };
            [n - test - validation, validation, test]
        }
    };
    if sizes[0] == 0 {
        let message = format!(
            "no row is left for training: {} for validation and {} for the test, of {n}",
            sizes[1], sizes[2]
        );
        return Err(Error::new(Code::InvalidOption, message).at("ratios"));
    }
    Ok(sizes)
}

/// Splits rows into train, validation and test: each row in one part at most.
///
/// Sizes are exact. With `stratify` each class's share is within one row of the part's; with `groups` each group stays
/// whole, so sizes are only as near as the groups allow, or count groups ([`Balance::Groups`], scikit-learn's `GroupShuffleSplit`).
///
/// # Errors
/// As [`hold_out_sizes`]; `INVALID_DATA` when a class has fewer rows than there are parts or the groups cannot fill the parts.
pub fn hold_out(options: &HoldOutOptions, labels: Option<&[u32]>, groups: Option<&[u32]>) -> Result<HoldOut> {
    let n = options.rows;
    expect_rows("labels", labels, n)?;
    expect_rows("groups", groups, n)?;
    if options.stratify && labels.is_none() {
        return Err(no_labels());
    }
    if let (Some(groups), Balance::Groups) = (groups, options.balance) {
        return hold_out_groups(options, groups);
    }
    let sizes = hold_out_sizes(options)?;
    let labels = labels.filter(|_| options.stratify).map(dense);
    let labels = labels.as_deref();
    let unused = n - sizes.iter().sum::<usize>();
    let wanted = [sizes[0], sizes[1], sizes[2], unused];
    let order = if options.shuffle {
        permutation(n, options.seed)
    } else {
        (0..n as u32).collect()
    };
    let part_of = match groups {
        Some(groups) => by_groups(&order, labels, groups, &wanted)?,
        None => by_rows(&order, labels, &wanted)?,
    };
    Ok(collected(order, |row| part_of[row as usize]))
}

fn collected(order: Vec<u32>, part_of: impl Fn(u32) -> u32) -> HoldOut {
    let mut parts = HoldOut::default();
    for row in order {
        match part_of(row) {
            0 => parts.train.push(row),
            1 => parts.validation.push(row),
            2 => parts.test.push(row),
            _ => {}
        }
    }
    parts
}

/// Sizes are numbers of groups, drawn by chance; rows ascend.
fn hold_out_groups(options: &HoldOutOptions, groups: &[u32]) -> Result<HoldOut> {
    let rows: Vec<u32> = (0..options.rows as u32).collect();
    let (group_of, counts) = group_counts(&rows, None, groups)?;
    let by_group = HoldOutOptions {
        rows: counts.len(),
        stratify: false,
        balance: Balance::Rows,
        ..options.clone()
    };
    let sizes = hold_out_sizes(&by_group)?;
    let mut part_of_group = vec![3; counts.len()];
    let mut order = group_order(counts.len(), options.shuffle, options.seed).into_iter();
    for (part, &size) in sizes.iter().enumerate() {
        order.by_ref().take(size).for_each(|g| part_of_group[g as usize] = part as u32);
    }
    Ok(collected(rows, |row| part_of_group[group_of[row as usize] as usize]))
}

fn group_order(groups: usize, shuffle: bool, seed: u64) -> Vec<u32> {
    if shuffle {
        permutation(groups, seed)
    } else {
        (0..groups as u32).collect()
    }
}

/// Walks the rows in order; each goes to the first part that still wants one of its class.
fn by_rows(order: &[u32], labels: Option<&[u32]>, wanted: &[usize; 4]) -> Result<Vec<u32>> {
    let mut left = match labels {
        None => vec![wanted.to_vec()],
        Some(labels) => {
            let counts = class_counts(labels);
            let parts = wanted[..3].iter().filter(|&&size| size > 0).count();
            if let Some((class, &count)) = counts.iter().enumerate().find(|&(_, &count)| count > 0 && count < parts) {
                return Err(Error::new(
                    Code::InvalidData,
                    format!("class {class} has {count} of the rows, too few to be in each of {parts} parts"),
                )
                .at("stratify")
                .expected(format!("at least {parts} rows of each class"))
                .received(count.to_string())
                .hint("Use stratify: false, merge rare classes, or make fewer parts."));
            }
            within_one(&counts, wanted)
        }
    };
    let mut part_of = vec![0u32; order.len()];
    for &row in order {
        let left = &mut left[labels.map_or(0, |labels| labels[row as usize] as usize)];
        let part = left
            .iter()
            .position(|&left| left > 0)
            .ok_or_else(|| Error::internal("a split that does not add up"))?;
        left[part] -= 1;
        part_of[row as usize] = part as u32;
    }
    Ok(part_of)
}

fn by_groups(order: &[u32], labels: Option<&[u32]>, groups: &[u32], wanted: &[usize; 4]) -> Result<Vec<u32>> {
    let (group_of, counts) = group_counts(order, labels, groups)?;
    let parts: Vec<usize> = (0..4).filter(|&p| wanted[p] > 0).collect();
    let n = order.len() as f64;
    let classes = counts.first().map_or(1, Vec::len);
    let totals: Vec<f64> = (0..classes).map(|c| counts.iter().map(|group| group[c] as f64).sum()).collect();
    let targets: Vec<Vec<f64>> = parts
        .iter()
        .map(|&p| totals.iter().map(|t| t * wanted[p] as f64 / n).collect())
        .collect();
    let part_of_group = whole_groups(&counts, &targets);
    let empty = (0..parts.len()).find(|&p| parts[p] != 3 && !part_of_group.contains(&(p as u32)));
    if let Some(p) = empty {
        let name = ["training", "validation", "test"][parts[p]];
        return Err(Error::new(
            Code::InvalidData,
            format!(
                "{} groups cannot fill {} parts: the {name} part is empty",
                counts.len(),
                parts.len()
            ),
        )
        .at("groups")
        .hint("Ask for fewer or larger parts, or split without groups."));
    }
    Ok(group_of.iter().map(|&g| parts[part_of_group[g as usize] as usize] as u32).collect())
}

/// How many folds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folds {
    /// 20 under 200 rows, 10 to 10 000, 5 to 100 000, then 3.
    Auto,
    /// From 2 to the number of rows.
    Count(usize),
}

impl<'de> Deserialize<'de> for Folds {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_str(), value.as_u64()) {
            (Some("auto"), _) => Ok(Folds::Auto),
            (_, Some(k)) => Ok(Folds::Count(k as usize)),
            _ => Err(serde::de::Error::custom(format!("expected k an integer or 'auto', got {value}"))),
        }
    }
}

/// k folds; each row is in one. Defaults: k 10, shuffled by seed 0.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct KFoldOptions {
    /// How many rows there are.
    pub rows: usize,
    /// How many folds.
    pub k: Folds,
    /// Random rows (true, the default), or neighbours together.
    pub shuffle: bool,
    /// Of the random order.
    pub seed: u64,
    /// What folds are even in where groups stay whole.
    pub balance: Balance,
}

impl Default for KFoldOptions {
    fn default() -> Self {
        Self {
            rows: 0,
            k: Folds::Count(10),
            shuffle: true,
            seed: 0,
            balance: Balance::Rows,
        }
    }
}

impl KFoldOptions {
    /// The number of folds for these rows.
    ///
    /// # Errors
    /// `INVALID_OPTION` when k is not from 2 to the number of rows.
    pub fn folds(&self) -> Result<usize> {
        let k = match (self.k, self.rows) {
            (Folds::Count(k), _) => k,
            (Folds::Auto, rows) if rows < 200 => 20.min(rows),
            (Folds::Auto, rows) if rows <= 10_000 => 10,
            (Folds::Auto, rows) if rows <= 100_000 => 5,
            (Folds::Auto, _) => 3,
        };
        if k < 2 || k > self.rows || self.rows > u32::MAX as usize {
            return Err(Error::option("k", format!("from 2 to the {} rows", self.rows), k));
        }
        Ok(k)
    }
}

/// The fold of each row. Without labels the first `rows mod k` folds hold one row more, as scikit-learn's `KFold`.
/// With labels class counts are those of its `StratifiedKFold`: per fold within one row of each other, and fold sizes too.
/// With groups each group is in one fold: the heaviest group to the lightest fold, as its `GroupKFold`; with labels as well as its
/// `StratifiedGroupKFold`; or, by [`Balance::Groups`], as many groups a fold, by chance, as its `GroupKFold(shuffle=True)`.
///
/// # Errors
/// `INVALID_OPTION` for k; `INVALID_DATA` when every class has fewer than k rows, or there are fewer than k groups.
pub fn k_fold(options: &KFoldOptions, labels: Option<&[u32]>, groups: Option<&[u32]>) -> Result<Vec<u32>> {
    let (n, k) = (options.rows, options.folds()?);
    expect_rows("labels", labels, n)?;
    expect_rows("groups", groups, n)?;
    let labels = labels.map(dense);
    let labels = labels.as_deref();
    let order = if options.shuffle {
        permutation(n, options.seed)
    } else {
        (0..n as u32).collect()
    };
    if let Some(groups) = groups {
        // Drawn by chance, groups are numbered as they appear: a shuffled order of rows would meet the large ones first.
        let order = match options.balance {
            Balance::Rows => order,
            Balance::Groups => (0..n as u32).collect(),
        };
        let (group_of, counts) = group_counts(&order, labels, groups)?;
        if counts.len() < k {
            return Err(
                Error::new(Code::InvalidData, format!("{} groups cannot fill {k} folds", counts.len()))
                    .at("groups")
                    .expected(format!("at least {k} groups"))
                    .received(counts.len().to_string())
                    .hint("Use a smaller k."),
            );
        }
        let m = counts.len();
        let fold_of_group = match (options.balance, labels) {
            (Balance::Groups, _) => {
                let mut fold_of_group = vec![0; m];
                let mut groups = group_order(m, options.shuffle, options.seed).into_iter();
                for f in 0..k {
                    let size = m / k + usize::from(f < m % k);
                    groups.by_ref().take(size).for_each(|g| fold_of_group[g as usize] = f as u32);
                }
                fold_of_group
            }
            (Balance::Rows, Some(_)) => stratified_groups(&counts, k),
            (Balance::Rows, None) => whole_groups(&counts, &vec![vec![n as f64 / k as f64]; k]),
        };
        return Ok(group_of.iter().map(|&g| fold_of_group[g as usize]).collect());
    }
    let mut fold = vec![0u32; n];
    let Some(labels) = labels else {
        let mut rows = order.into_iter();
        for f in 0..k {
            let size = n / k + usize::from(f < n % k);
            rows.by_ref().take(size).for_each(|row| fold[row as usize] = f as u32);
        }
        return Ok(fold);
    };
    let left = stratified_counts(labels, k)?;
    let [classes, folds] = [left.len(), k].map(|count| count <= 1 << 8);
    if classes && folds {
        // Rows are met in random order: tables of bytes stay in the cache.
        let labels: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
        let mut small = vec![0u8; n];
        fill_folds(&order, &labels, left, |row, f| small[row as usize] = f as u8)?;
        fold.iter_mut().zip(&small).for_each(|(fold, &f)| *fold = f.into());
    } else {
        fill_folds(&order, labels, left, |row, f| fold[row as usize] = f)?;
    }
    Ok(fold)
}

/// The rows of a class come in random order, so filling one fold after the other is random; unshuffled, they stay neighbours.
fn fill_folds<L: Copy + Into<u32>>(order: &[u32], labels: &[L], left: Vec<Vec<usize>>, mut put: impl FnMut(u32, u32)) -> Result<()> {
    // How many rows the fold that a class fills still takes, and which fold that is.
    let mut filling: Vec<(usize, u32)> = left.iter().map(|folds| (folds.first().copied().unwrap_or(0), 0)).collect();
    for &row in order {
        let class = labels[row as usize].into() as usize;
        let (room, f) = &mut filling[class];
        while *room == 0 {
            *f += 1;
            let next = left[class].get(*f as usize);
            *room = *next.ok_or_else(|| Error::internal("folds that do not add up"))?;
        }
        *room -= 1;
        put(row, *f);
    }
    Ok(())
}

/// The rows that are in a fold and those that are not, both ascending, into arrays of the right lengths.
///
/// # Errors
/// `INTERNAL` for arrays of other lengths.
pub fn fold_rows(folds: &[u32], fold: u32, train: &mut [u32], validation: &mut [u32]) -> Result<()> {
    let held = folds.iter().filter(|&&f| f == fold).count();
    if (train.len(), validation.len()) != (folds.len() - held, held) {
        return Err(Error::internal("a fold of another size"));
    }
    parted(0, folds, fold, train, validation);
    Ok(())
}

/// Halves until they are small, each by a core.
fn parted(first: u32, folds: &[u32], fold: u32, train: &mut [u32], validation: &mut [u32]) {
    const SMALL: usize = 1 << 18;
    const BLOCK: usize = 1 << 10;
    if folds.len() > SMALL {
        let (left, right) = folds.split_at(folds.len() / 2);
        let held = left.iter().filter(|&&f| f == fold).count();
        let (train, more_train) = train.split_at_mut(left.len() - held);
        let (validation, more_validation) = validation.split_at_mut(held);
        rayon::join(
            || parted(first, left, fold, train, validation),
            || parted(first + left.len() as u32, right, fold, more_train, more_validation),
        );
        return;
    }
    let (mut others, mut own) = ([0u32; BLOCK], [0u32; BLOCK]);
    let (mut t, mut v) = (0, 0);
    for (at, folds) in folds.chunks(BLOCK).enumerate() {
        let (mut here, mut held) = (0, 0);
        for (row, &f) in (first + (at * BLOCK) as u32..).zip(folds) {
            // Without a branch, which chance would decide.
            others[here % BLOCK] = row;
            own[held % BLOCK] = row;
            let is_held = usize::from(f == fold);
            held += is_held;
            here += 1 - is_held;
        }
        train[t..t + here].copy_from_slice(&others[..here]);
        validation[v..v + held].copy_from_slice(&own[..held]);
        (t, v) = (t + here, v + held);
    }
}

/// Rows of class c for fold f, `[class][fold]`: classes in the order of their first row, laid end to end; position i goes to
/// fold i mod k. That is `StratifiedKFold`'s allocation, and why class counts and fold sizes are both within one.
fn stratified_counts(labels: &[u32], k: usize) -> Result<Vec<Vec<usize>>> {
    let counts = class_counts(labels);
    let most = counts.iter().copied().max().unwrap_or(0);
    if most < k {
        return Err(Error::new(
            Code::InvalidData,
            format!("no class has the {k} rows that {k} stratified folds need"),
        )
        .at("stratify")
        .expected(format!("a class with at least {k} rows"))
        .received(most.to_string())
        .hint("Use a smaller k, or stratify: false."));
    }
    expect_small(counts.len(), k)?;
    let mut table = vec![Vec::new(); counts.len()];
    let mut position = 0;
    for &label in labels {
        let row = &mut table[label as usize];
        if row.is_empty() {
            let count = counts[label as usize];
            // Positions position..position + count: count/k in every fold, one more in the next count mod k from position mod k.
            *row = (0..k)
                .map(|f| count / k + usize::from((f + k - position % k) % k < count % k))
                .collect();
            position += count;
        }
    }
    Ok(table)
}

fn class_counts(labels: &[u32]) -> Vec<usize> {
    let classes = labels.iter().max().map_or(0, |&most| most as usize + 1);
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    counts
}

/// Groups numbered in the order in which `order` meets them: the group of each row, and its rows by class.
fn group_counts(order: &[u32], labels: Option<&[u32]>, groups: &[u32]) -> Result<(Vec<u32>, Vec<Vec<usize>>)> {
    let mut number = HashMap::new();
    let mut group_of = vec![0u32; order.len()];
    for &row in order {
        let next = number.len() as u32;
        group_of[row as usize] = *number.entry(groups[row as usize]).or_insert(next);
    }
    let classes = labels.map_or(1, |labels| labels.iter().max().map_or(1, |&most| most as usize + 1));
    expect_small(number.len(), classes)?;
    let mut counts = vec![vec![0; classes]; number.len()];
    for (row, &group) in group_of.iter().enumerate() {
        counts[group as usize][labels.map_or(0, |labels| labels[row] as usize)] += 1;
    }
    Ok((group_of, counts))
}

/// Labels below the number of rows, in the same order: a caller's own may be any 32-bit numbers.
fn dense(labels: &[u32]) -> Cow<'_, [u32]> {
    if labels.iter().all(|&label| (label as usize) < labels.len()) {
        return Cow::Borrowed(labels);
    }
    let mut distinct = labels.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    labels.iter().map(|label| distinct.partition_point(|d| d < label) as u32).collect()
}

/// A table of classes by groups or folds is kept whole; one of 2²⁶ entries (half a gigabyte) has classes that are none.
fn expect_small(rows: usize, columns: usize) -> Result<()> {
    if rows.saturating_mul(columns) <= 1 << 26 {
        return Ok(());
    }
    Err(
        Error::new(Code::InvalidData, format!("{rows} × {columns} counts are too many to stratify"))
            .at("stratify")
            .hint("The labels look like numbers or ids, not classes: use stratify: false."),
    )
}

fn expect_rows(what: &str, values: Option<&[u32]>, rows: usize) -> Result<()> {
    match values {
        Some(values) if values.len() != rows => {
            Err(Error::new(Code::InvalidData, format!("expected {rows} {what}, got {}", values.len())).at(what))
        }
        _ => Ok(()),
    }
}

fn no_labels() -> Error {
    Error::new(Code::InvalidOption, "stratify needs a target of classes")
        .at("stratify")
        .hint("Use stratify: false, or task: 'classification'.")
}

#[cfg(test)]
mod tests;
