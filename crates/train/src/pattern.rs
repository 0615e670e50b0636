//! Names of parameters by pattern: `dense`, `dense/kernel`, `conv*`, `*/bias`.

/// Whether a pattern names a parameter: its whole name, or a layer that it lies in; `*` stands for any letters, also `/`.
pub fn matches(pattern: &str, name: &str) -> bool {
    let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
    ends.into_iter().any(|end| glob(pattern.as_bytes(), &name.as_bytes()[..end]))
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|skip| glob(rest, &text[skip..])),
        Some((letter, rest)) => text.first() == Some(letter) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn layers_names_and_stars() {
        for (pattern, name, expected) in [
            ("dense", "dense/kernel", true),
            ("dense", "dense2/kernel", false),
            ("dense*", "dense2/kernel", true),
            ("*/bias", "dense2/bias", true),
            ("*/bias", "dense2/kernel", false),
            ("residual", "residual/dense/kernel", true),
            ("residual/dense2", "residual/dense/kernel", false),
            ("dense/kernel", "dense/kernel", true),
            ("*", "a", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
