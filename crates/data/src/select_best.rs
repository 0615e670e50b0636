//! How much each column says about the target, column by column.

use nabla_error::{Code, Error, Result};

use crate::pipeline::Goal;
use crate::prepare::{Score, SelectBest};

/// The k columns with the greatest score, ascending. NaN (a constant column) is the least.
pub(crate) fn best_columns(step: &SelectBest, width: usize, mut column: impl FnMut(usize) -> Vec<f64>, goal: &Goal) -> Result<Vec<usize>> {
    let score = |j: usize| {
        let column = column(j);
        match (step.score, goal) {
            (Score::F, Goal::Classes { labels, count }) => Ok(f_of_classes(&column, labels, *count)),
            (Score::F, Goal::Number(y)) => Ok(f_of_numbers(&column, y)),
            (Score::ChiSquared, Goal::Classes { labels, count }) => chi_squared(&column, labels, *count),
            (Score::MutualInformation, Goal::Classes { labels, .. }) => {
                Ok(information(&column, &labels.iter().map(|&l| l as usize).collect::<Vec<_>>()))
            }
            (Score::MutualInformation, Goal::Number(y)) => Ok(information(&column, &bins(y))),
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

/// Parts of equal count that a column of numbers is cut into; the cube root of the rows, as is usual for tables of counts.
fn parts(rows: usize) -> usize {
    ((rows as f64).cbrt().ceil() as usize).clamp(2, 64)
}

/// The part of each value: as many values in each as ties allow; a column of few values has a part for each.
fn bins(x: &[f64]) -> Vec<usize> {
    let mut sorted: Vec<f64> = x.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    let parts = parts(x.len());
    let mut edges: Vec<f64> = if distinct.len() <= parts {
        distinct
    } else {
        (1..=parts).map(|part| sorted[(part * x.len()).div_ceil(parts) - 1]).collect()
    };
    edges.dedup();
    x.iter().map(|x| edges.partition_point(|edge| edge < x)).collect()
}

/// Σ p(a, b)·ln(p(a, b)/(p(a)·p(b))) in nats, of the column cut into parts of equal count and the target's class or part; less the
/// (A − 1)(B − 1)/2n that chance alone gives (Miller & Madow 1955), so that a column without information scores about 0.
fn information(x: &[f64], target: &[usize]) -> f64 {
    let x = bins(x);
    let count = |codes: &[usize]| codes.iter().max().map_or(0, |most| most + 1);
    let (rows, columns, n) = (count(&x), count(target), x.len() as f64);
    let mut table = vec![0.0; rows * columns];
    let (mut left, mut right) = (vec![0.0; rows], vec![0.0; columns]);
    for (&a, &b) in x.iter().zip(target) {
        table[a * columns + b] += 1.0;
        left[a] += 1.0;
        right[b] += 1.0;
    }
    let term = |i: usize| match table[i] {
        0.0 => 0.0,
        both => both / n * libm::log(both * n / (left[i / columns] * right[i % columns])),
    };
    let there = |counts: &[f64]| counts.iter().filter(|n| **n > 0.0).count() as f64;
    (0..table.len()).map(term).sum::<f64>() - (there(&left) - 1.0) * (there(&right) - 1.0) / (2.0 * n)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn information_sees_what_no_line_does() {
        let x: Vec<f64> = (0..999).map(|i| f64::from(i) / 499.5 - 1.0).collect();
        let folded: Vec<usize> = x.iter().map(|x| usize::from(x.abs() > 0.6)).collect();
        // Ten parts end where the classes do: all of the entropy of 2/5, −0.4·ln 0.4 − 0.6·ln 0.6, less the correction.
        let found = information(&x, &folded);
        assert!((found - 0.673).abs() < 0.03, "{found}");
        let noise: Vec<usize> = (0..999).map(|i: usize| (i * 7919) % 2).collect();
        assert!(information(&x, &noise).abs() < 0.01);
        assert!(information(&x, &bins(&x)) > 2.0);
        assert_eq!(information(&vec![3.0; 999], &folded), 0.0);
    }
}
