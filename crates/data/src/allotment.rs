//! How many rows of each class a part gets, and which groups go where.

/// Splits classes over parts so that each part's size is exact and each class's share is within one row:
/// entry (c, p) is ⌊n_c·s_p/n⌋ or ⌈n_c·s_p/n⌉, rows sum to n_c, columns to s_p. `classes` and `parts` have the same sum.
///
/// Such a rounding of a table with given margins always exists (Bacharach 1966); it is found by augmenting paths over the
/// few parts, the largest fraction first, so it does not depend on a seed.
pub(crate) fn within_one(classes: &[usize], parts: &[usize]) -> Vec<Vec<usize>> {
    let n = classes.iter().sum::<usize>().max(1) as u128;
    let share = |class: usize, part: usize| (class as u128 * part as u128 / n) as usize;
    let fraction = |class: usize, part: usize| class as u128 * part as u128 % n;
    let mut table: Vec<Vec<usize>> = classes.iter().map(|&c| parts.iter().map(|&p| share(c, p)).collect()).collect();
    let mut room: Vec<usize> = (0..parts.len())
        .map(|p| parts[p] - table.iter().map(|row| row[p]).sum::<usize>())
        .collect();
    // taken[c][p]: class c got its one row more in part p.
    let mut taken = vec![vec![false; parts.len()]; classes.len()];
    for (c, &class) in classes.iter().enumerate() {
        let mut order: Vec<usize> = (0..parts.len()).filter(|&p| fraction(class, parts[p]) > 0).collect();
        order.sort_by_key(|&p| std::cmp::Reverse(fraction(class, parts[p])));
        for _ in table[c].iter().sum::<usize>()..class {
            let starts: Vec<usize> = order.iter().copied().filter(|&p| !taken[c][p]).collect();
            let allowed = |d: usize, p: usize| fraction(classes[d], parts[p]) > 0;
            if let Some(start) = make_room(&starts, &mut room, &mut taken, c, allowed) {
                taken[c][start] = true;
            }
        }
    }
    for (row, taken) in table.iter_mut().zip(&taken) {
        row.iter_mut().zip(taken).for_each(|(count, &more)| *count += usize::from(more));
    }
    table
}

/// Finds a part among `starts` with room, moving other classes' extra rows along a shortest chain of parts where needed.
fn make_room(
    starts: &[usize],
    room: &mut [usize],
    taken: &mut [Vec<bool>],
    class: usize,
    allowed: impl Fn(usize, usize) -> bool,
) -> Option<usize> {
    // came[q] = (p, d): class d can move its extra row from p to q.
    let mut came: Vec<Option<(usize, usize)>> = vec![None; room.len()];
    let mut queue = starts.to_vec();
    let mut next = 0;
    while next < queue.len() {
        let part = queue[next];
        next += 1;
        if room[part] > 0 {
            room[part] -= 1;
            let mut at = part;
            while let Some((from, moved)) = came[at] {
                (taken[moved][from], taken[moved][at]) = (false, true);
                at = from;
            }
            return Some(at);
        }
        for d in (0..class).filter(|&d| taken[d][part]) {
            for q in 0..room.len() {
                if !taken[d][q] && allowed(d, q) && !queue.contains(&q) {
                    came[q] = Some((part, d));
                    queue.push(q);
                }
            }
        }
    }
    None
}

/// Whole groups to parts: the part of each group. `groups[g][c]` rows of class c (one class when nothing is stratified),
/// `targets[p][c]` rows wanted. The largest group first, ties in the given order (which the caller has
/// shuffled), each to the part that brings
/// Σ (rows − wanted)² down most, classes weighted by 1/size; with one class and equal parts this is the greedy rule
/// "heaviest group to the lightest fold" of scikit-learn's `GroupKFold`.
pub(crate) fn whole_groups(groups: &[Vec<usize>], targets: &[Vec<f64>]) -> Vec<u32> {
    let classes = targets.first().map_or(0, Vec::len);
    let weight: Vec<f64> = (0..classes)
        .map(|c| 1.0 / targets.iter().map(|t| t[c]).sum::<f64>().max(1.0))
        .collect();
    let mut left: Vec<Vec<f64>> = targets.to_vec();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|&g| std::cmp::Reverse(groups[g].iter().sum::<usize>()));
    let mut part_of = vec![0u32; groups.len()];
    for g in order {
        let rows = &groups[g];
        // (left − g)² − left² = g² − 2·g·left; g² is the same for every part.
        let gain = |left: &Vec<f64>| -> f64 { (0..classes).map(|c| weight[c] * rows[c] as f64 * left[c]).sum() };
        let mut best = 0;
        for p in 1..left.len() {
            if gain(&left[p]) > gain(&left[best]) {
                best = p;
            }
        }
        left[best].iter_mut().zip(rows).for_each(|(left, &rows)| *left -= rows as f64);
        part_of[g] = best as u32;
    }
    part_of
}

/// Whole groups to k folds, class shares as even as they can be: the fold of each group. The groups whose class counts deviate most
/// come first, ties in the given order, each to the fold that brings the mean over classes of the deviation over folds of
/// (rows of the class in the fold)/(rows of the class) down most, the fold with fewer rows where two do alike: scikit-learn's
/// `StratifiedGroupKFold`. Cost: groups · k² · classes.
pub(crate) fn stratified_groups(groups: &[Vec<usize>], k: usize) -> Vec<u32> {
    let classes = groups.first().map_or(0, Vec::len);
    let totals: Vec<f64> = (0..classes)
        .map(|c| groups.iter().map(|group| group[c] as f64).sum::<f64>())
        .collect();
    // A class that no row has says nothing.
    let present: Vec<usize> = (0..classes).filter(|&c| totals[c] > 0.0).collect();
    let deviation = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / values.len() as f64).sqrt()
    };
    let spread: Vec<f64> = groups
        .iter()
        .map(|group| deviation(&present.iter().map(|&c| group[c] as f64).collect::<Vec<_>>()))
        .collect();
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by(|&a, &b| spread[b].total_cmp(&spread[a]));
    let mut filled = vec![vec![0usize; k]; classes];
    let mut shares = vec![0.0; k];
    let mut rows = vec![0usize; k];
    let mut fold_of = vec![0u32; groups.len()];
    for g in order {
        let group = &groups[g];
        let (mut best, mut least) = (0, f64::INFINITY);
        for fold in 0..k {
            let mut sum = 0.0;
            for &c in &present {
                filled[c][fold] += group[c];
                shares
                    .iter_mut()
                    .zip(&filled[c])
                    .for_each(|(share, &rows)| *share = rows as f64 / totals[c]);
                sum += deviation(&shares);
                filled[c][fold] -= group[c];
            }
            let mean = sum / present.len() as f64;
            // NumPy's `isclose`.
            let alike = (mean - least).abs() <= 1e-8 + 1e-5 * least.abs();
            if mean < least || (alike && rows[fold] < rows[best]) {
                (best, least) = (fold, mean);
            }
        }
        for &c in &present {
            filled[c][best] += group[c];
        }
        rows[best] += group.iter().sum::<usize>();
        fold_of[g] = best as u32;
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn margins_are_exact_and_entries_within_one(
            classes in proptest::collection::vec(0usize..40, 1..12),
            cuts in proptest::collection::vec(0usize..=1000, 0..5),
        ) {
            let n: usize = classes.iter().sum();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut * n / 1000).collect();
            cuts.extend([0, n]);
            cuts.sort_unstable();
            let parts: Vec<usize> = cuts.windows(2).map(|w| w[1] - w[0]).collect();
            let table = within_one(&classes, &parts);
            for (row, &class) in table.iter().zip(&classes) {
                prop_assert_eq!(row.iter().sum::<usize>(), class);
                for (&count, &part) in row.iter().zip(&parts) {
                    let share = class as f64 * part as f64 / n.max(1) as f64;
                    prop_assert!((count as f64 - share).abs() < 1.0);
                }
            }
            for (p, &part) in parts.iter().enumerate() {
                prop_assert_eq!(table.iter().map(|row| row[p]).sum::<usize>(), part);
            }
        }
    }
}
