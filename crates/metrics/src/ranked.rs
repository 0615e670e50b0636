//! Scores kept until the end, for metrics that look at their order.
//!
//! Memory: 8 bytes a score, 4 a row and 8 a weight. A value sorts each column once.

use nabla_error::{Code, Error, Result};

use crate::rule::State;
use crate::{Batch, Truth};

/// The rows seen.
#[derive(Clone, Debug, Default)]
pub struct Ranked {
    /// Classes, or labels of a row.
    pub(crate) count: usize,
    /// Scores of a row: 1, or `count`.
    pub(crate) width: usize,
    /// Class of each row; empty for several labels a row.
    pub(crate) labels: Vec<u32>,
    /// Several labels a row, `[rows, count]`.
    pub(crate) marks: Option<Vec<bool>>,
    pub(crate) scores: Vec<f64>,
    /// 1 for each row where no weights came.
    pub(crate) weights: Vec<f64>,
}

impl Ranked {
    pub(crate) fn add(&mut self, batch: &Batch) -> Result<()> {
        match batch.truth {
            Truth::Classes { .. } => {
                let (labels, count, width) = batch.classes()?;
                self.expect(count, width, false)?;
                self.labels.extend_from_slice(labels);
            }
            Truth::Numbers { .. } => {
                let (values, width) = batch.numbers()?;
                if let Some(i) = values.iter().position(|v| *v != 0.0 && *v != 1.0) {
                    return Err(Error::new(
                        Code::InvalidData,
                        format!("row {} has the target {}, this metric needs classes or marks", i / width, values[i]),
                    )
                    .expected("class targets, or several marks of 0 and 1 a row")
                    .received("number targets")
                    .hint("use meanSquaredError, meanAbsoluteError or r2"));
                }
                self.expect(width, width, true)?;
                self.marks.get_or_insert_default().extend(values.iter().map(|v| *v == 1.0));
            }
        }
        self.scores.extend_from_slice(batch.prediction);
        self.weights.extend((0..batch.rows()).map(|row| batch.weight(row)));
        Ok(())
    }

    fn expect(&mut self, count: usize, width: usize, marks: bool) -> Result<()> {
        if self.width == 0 {
            *self = Self {
                count,
                width,
                marks: marks.then(Vec::new),
                ..Self::default()
            };
        }
        if (self.count, self.width, self.marks.is_some()) == (count, width, marks) {
            return Ok(());
        }
        Err(Error::new(
            Code::ShapeMismatch,
            format!(
                "{width} scores a row for {count} classes, before there were {} for {}",
                self.width, self.count
            ),
        ))
    }

    pub(crate) fn rows(&self) -> usize {
        self.weights.len()
    }

    /// Whether there is one question only: is it the positive class or not.
    pub(crate) fn is_binary(&self) -> bool {
        self.count <= 2 && self.marks.is_none() || self.count == 1
    }

    pub(crate) fn is(&self, row: usize, column: usize) -> bool {
        match &self.marks {
            Some(marks) => marks[row * self.count + column],
            None => self.labels[row] as usize == column,
        }
    }

    /// Weight of the rows of a class or label.
    pub(crate) fn truth(&self, column: usize) -> f64 {
        (0..self.rows())
            .filter(|row| self.is(*row, column))
            .map(|row| self.weights[row])
            .sum()
    }

    /// The positive class's own question.
    pub(crate) fn binary(&self) -> Curve {
        let (class, column) = match &self.marks {
            Some(_) => (0, 0),
            None => (1, self.width - 1),
        };
        self.curve(|row| Some(self.is(row, class)), column)
    }

    /// One class against the rest.
    pub(crate) fn against_rest(&self, column: usize) -> Curve {
        self.curve(|row| Some(self.is(row, column)), column)
    }

    /// Class `a` against class `b` alone, by the scores of `a`.
    pub(crate) fn against(&self, a: usize, b: usize) -> Curve {
        let of = |row| match (self.is(row, a), self.is(row, b)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        };
        self.curve(of, a)
    }

    /// Each score a question of its own.
    pub(crate) fn all(&self) -> Curve {
        let entries = (0..self.scores.len()).map(|i| {
            (
                self.scores[i],
                self.is(i / self.width, i % self.width),
                self.weights[i / self.width],
            )
        });
        Curve::of(entries.collect())
    }

    fn curve(&self, of: impl Fn(usize) -> Option<bool>, column: usize) -> Curve {
        let entry = |row: usize| of(row).map(|positive| (self.scores[row * self.width + column], positive, self.weights[row]));
        Curve::of((0..self.rows()).filter_map(entry).collect())
    }
}

impl State for Ranked {
    fn merge(&mut self, other: &Self) -> Result<()> {
        if other.width == 0 {
            return Ok(());
        }
        self.expect(other.count, other.width, other.marks.is_some())?;
        self.labels.extend_from_slice(&other.labels);
        if let (Some(a), Some(b)) = (&mut self.marks, &other.marks) {
            a.extend_from_slice(b);
        }
        self.scores.extend_from_slice(&other.scores);
        self.weights.extend_from_slice(&other.weights);
        Ok(())
    }
}

/// Bits of a digit of the radix sort.
const DIGIT: u32 = 11;
/// Digits: the leading 33 bits are sign, exponent and 21 bits of the fraction, which tell most scores apart.
const DIGITS: u32 = 3;

/// The leading bits of a score, greatest score first.
fn leading(score: f64) -> u64 {
    // −0 becomes 0. Ascending as integers: all bits flipped where negative, the sign alone where not; then turned around.
    let bits = (score + 0.0).to_bits();
    let ascending = bits ^ (((bits as i64) >> 63) as u64 | 1 << 63);
    !ascending >> (64 - DIGIT * DIGITS)
}

/// Entries by the leading bits of their scores, the greatest first, in three passes of counting (a radix sort from the last digit on): a
/// million in a sixth of the time of a comparison sort. Few are compared.
fn descending(mut entries: Vec<Entry>) -> Vec<Entry> {
    if entries.len() < 1 << 12 {
        entries.sort_by_key(|entry| leading(entry.0));
        return entries;
    }
    let mut other = entries.clone();
    let mask = (1u64 << DIGIT) - 1;
    for digit in 0..DIGITS {
        let of = |entry: &Entry| ((leading(entry.0) >> (digit * DIGIT)) & mask) as usize;
        let mut places = vec![0usize; 1 << DIGIT];
        entries.iter().for_each(|entry| places[of(entry)] += 1);
        let mut sum = 0;
        for place in &mut places {
            sum += std::mem::replace(place, sum);
        }
        for entry in &entries {
            let place = &mut places[of(entry)];
            other[*place] = *entry;
            *place += 1;
        }
        std::mem::swap(&mut entries, &mut other);
    }
    entries
}

/// Score, whether it is positive, weight.
type Entry = (f64, bool, f64);

/// Weights of positive and negative rows at or above each distinct score, from the greatest down; rows of weight 0 are absent.
#[derive(Debug)]
pub(crate) struct Curve {
    pub positives: Vec<f64>,
    pub negatives: Vec<f64>,
}

impl Curve {
    fn of(mut entries: Vec<Entry>) -> Self {
        entries.retain(|(_, _, w)| *w > 0.0);
        let mut entries = descending(entries);
        // What the leading bits could not tell apart is now side by side. −0 equals 0; NaN has been refused.
        let mut from = 0;
        for to in 1..=entries.len() {
            if to == entries.len() || leading(entries[to].0) != leading(entries[from].0) {
                entries[from..to].sort_unstable_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal));
                from = to;
            }
        }
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        let (mut tp, mut fp) = (0.0, 0.0);
        for (i, (score, positive, w)) in entries.iter().enumerate() {
            *(if *positive { &mut tp } else { &mut fp }) += w;
            if entries.get(i + 1).is_none_or(|next| next.0 != *score) {
                positives.push(tp);
                negatives.push(fp);
            }
        }
        Self { positives, negatives }
    }

    pub(crate) fn totals(&self) -> (f64, f64) {
        (
            self.positives.last().copied().unwrap_or(0.0),
            self.negatives.last().copied().unwrap_or(0.0),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against a comparison sort: scores of all sizes and signs, ties, and ones that differ in their last bits only.
    #[test]
    fn many_scores_are_sorted_as_few_are() {
        let mut state = 7u64;
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state >> 11
        };
        let score = |i: u64, r: u64| match i % 5 {
            0 => (r % 8) as f64 - 4.0,
            1 => 0.5 + (r % 4) as f64 * f64::EPSILON,
            2 => -(r as f64) * 1e-300,
            3 => {
                if r.is_multiple_of(2) {
                    0.0
                } else {
                    -0.0
                }
            }
            _ => r as f64 / (1u64 << 53) as f64,
        };
        let entries: Vec<Entry> = (0..20_000)
            .map(|i| (score(i, next()), next() % 3 == 0, (next() % 4) as f64))
            .collect();
        let curve = Curve::of(entries.clone());
        let mut expected: Vec<Entry> = entries.into_iter().filter(|entry| entry.2 > 0.0).collect();
        expected.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap());
        let (mut tp, mut fp, mut at) = (0.0, 0.0, 0);
        for (i, entry) in expected.iter().enumerate() {
            *(if entry.1 { &mut tp } else { &mut fp }) += entry.2;
            if expected.get(i + 1).is_none_or(|next| next.0 != entry.0) {
                assert_eq!((curve.positives[at], curve.negatives[at]), (tp, fp));
                at += 1;
            }
        }
        assert_eq!(at, curve.positives.len());
    }
}
