//! How much each column says about the target, column by column.

use nabla_error::{Code, Error, Result};

use crate::pipeline::Goal;
use crate::prepare::{Score, SelectBest};

/// The k columns with the greatest score, ascending. NaN (a constant column) is the least.
pub(crate) fn best_columns(step: &SelectBest, values: &[f64], width: usize, goal: &Goal) -> Result<Vec<usize>> {
    let score = |j: usize| {
        let column: Vec<f64> = values.iter().skip(j).step_by(width).copied().collect();
        match (step.score, goal) {
            (Score::F, Goal::Classes { labels, count }) => Ok(f_of_classes(&column, labels, *count)),
            (Score::F, Goal::Number(y)) => Ok(f_of_numbers(&column, y)),
            (Score::ChiSquared, Goal::Classes { labels, count }) => chi_squared(&column, labels, *count),
            (Score::ChiSquared, Goal::Number(_)) => {
                Err(Error::new(Code::InvalidOption, "chiSquared needs a target of classes").at("selectBest"))
            }
        }
    };
    let scores: Vec<f64> = (0..width).map(score).collect::<Result<_>>()?;
    let mut order: Vec<usize> = (0..width).collect();
    let rank = |j: &usize| if scores[*j].is_nan() { f64::NEG_INFINITY } else { scores[*j] };
    // The last k of a stable ascending sort, as `SelectKBest`.
    order.sort_by(|a, b| rank(a).total_cmp(&rank(b)));
    let mut keep = order.split_off(width - step.k);
    keep.sort_unstable();
    Ok(keep)
}

/// Between over within: (Σ n_c(m_c − m)²/(C − 1))/(Σ (x − m_c)²/(n − C)), over the classes that are there.
fn f_of_classes(x: &[f64], labels: &[u32], count: usize) -> f64 {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    let (mut rows, mut sums) = (vec![0.0; count], vec![0.0; count]);
    for (x, label) in x.iter().zip(labels) {
        rows[*label as usize] += 1.0;
        sums[*label as usize] += x - mean;
    }
    let there = rows.iter().filter(|n| **n > 0.0).count() as f64;
    let of = |label: u32| sums[label as usize] / rows[label as usize];
    let within: f64 = x.iter().zip(labels).map(|(x, label)| (x - mean - of(*label)).powi(2)).sum();
    let between: f64 = rows
        .iter()
        .zip(&sums)
        .filter(|(n, _)| **n > 0.0)
        .map(|(n, sum)| sum * sum / n)
        .sum();
    (between / (there - 1.0)) / (within / (x.len() as f64 - there))
}

/// r²/(1 − r²)·(n − 2).
fn f_of_numbers(x: &[f64], y: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (mx, my) = (mean(x), mean(y));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    let r2 = xy * xy / (xx * yy);
    r2 / (1.0 - r2) * (x.len() as f64 - 2.0)
}

/// Σ (observed − expected)²/expected over classes, of sums of values that are counts or shares.
fn chi_squared(x: &[f64], labels: &[u32], count: usize) -> Result<f64> {
    if let Some(row) = x.iter().position(|x| *x < 0.0) {
        return Err(Error::new(
            Code::InvalidData,
            format!("chiSquared needs values of at least 0, row {row} has {}", x[row]),
        )
        .at("selectBest"));
    }
    let (mut rows, mut observed) = (vec![0.0; count], vec![0.0; count]);
    for (x, label) in x.iter().zip(labels) {
        rows[*label as usize] += 1.0;
        observed[*label as usize] += x;
    }
    let total: f64 = observed.iter().sum();
    let expected = |n: &f64| n / x.len() as f64 * total;
    let there = rows.iter().zip(&observed).filter(|(n, _)| **n > 0.0);
    Ok(there.map(|(n, o)| (o - expected(n)).powi(2) / expected(n)).sum())
}
