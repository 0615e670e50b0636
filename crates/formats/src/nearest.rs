//! The nearest of the allowed names, for messages such as *unknown option "ratio"; did you mean "ratios"?*

/// The candidate nearest to `name` by edits (insert, delete, replace, swap of neighbours; letter case is free),
/// or `None` when all are farther than a third of the name's length (at least one edit is always allowed).
///
/// ```
/// assert_eq!(nabla_formats::nearest("spieces", ["species", "petal_width"]), Some("species"));
/// assert_eq!(nabla_formats::nearest("colour", ["weight"]), None);
/// ```
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).collect();
    if name.len() > 200 {
        return None;
    }
    let allowed = (name.len() / 3).max(1);
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
            let far = letters.len().abs_diff(name.len()) > allowed;
            let distance = if far { usize::MAX } else { edits(&name, &letters) };
            (distance <= allowed).then_some((distance, candidate))
        })
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance (Damerau 1964, restricted): three rows of the table are kept.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = above;
        above = row;
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let cases = [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("", "xy", 2),
        ];
        for (a, b, expected) in cases {
            let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
            assert_eq!((edits(&a, &b), edits(&b, &a)), (expected, expected));
        }
    }

    #[test]
    fn picks_the_nearest_or_none() {
        assert_eq!(nearest("Ratio", ["counts", "ratios"]), Some("ratios"));
        assert_eq!(nearest("stratfiy", ["seed", "stratify"]), Some("stratify"));
        assert_eq!(nearest("x", ["y1234"]), None);
        assert_eq!(nearest("", []), None);
    }
}
