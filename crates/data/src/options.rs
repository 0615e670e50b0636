//! Options that come as JSON: an unknown or misspelt one is refused with the nearest name.

use nabla_error::{Code, Error, Result};
use nabla_formats::nearest;
use serde::de::DeserializeOwned;

/// Reads options; `place` names the function or step whose options they are.
///
/// # Errors
/// `INVALID_OPTION`, with the nearest allowed name where one is near.
///
/// ```
/// use nabla_data::{options, split::HoldOutOptions};
/// let error = options::from_json::<HoldOutOptions>("split", r#"{"rows":9,"ratio":"auto"}"#).unwrap_err();
/// assert_eq!(error.hint.as_deref(), Some("Did you mean \"ratios\"?"));
/// ```
pub fn from_json<T: DeserializeOwned>(place: &str, json: &str) -> Result<T> {
    nabla_error::from_json(json).map_err(|error| refused(place, &error))
}

/// serde's sentence as our error: ``unknown field `ratio`, expected one of `rows`, `ratios` …``.
fn refused(place: &str, error: &serde_json::Error) -> Error {
    let sentence = error.to_string();
    let sentence = sentence.split(" at line ").next().unwrap_or_default();
    let quoted: Vec<&str> = sentence.split('`').skip(1).step_by(2).collect();
    let unknown = sentence.starts_with("unknown ");
    match quoted.split_first() {
        Some((name, allowed)) if unknown => {
            let what = if sentence.starts_with("unknown variant") {
                "value"
            } else {
                "option"
            };
            let list = allowed.join(", ");
            let hint = match nearest(name, allowed.iter().copied()) {
                Some(near) => format!("Did you mean {near:?}?"),
                None if allowed.is_empty() => "It takes no options.".to_owned(),
                None => format!("Allowed: {list}."),
            };
            Error::new(Code::InvalidOption, format!("unknown {what} {name:?}"))
                .at(place)
                .expected(list)
                .received(*name)
                .hint(hint)
        }
        _ => Error::new(Code::InvalidOption, sentence).at(place),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct One {
        #[expect(dead_code, reason = "only its name matters")]
        clip: bool,
    }

    #[test]
    fn says_what_is_wrong() {
        let error = from_json::<One>("minMax", r#"{"clamp":true}"#).unwrap_err();
        assert_eq!((error.code, error.hint.as_deref()), (Code::InvalidOption, Some("Allowed: clip.")));
        let error = from_json::<One>("minMax", r#"{"clp":true}"#).unwrap_err();
        assert_eq!(
            error.to_string(),
            "[INVALID_OPTION] minMax: unknown option \"clp\"\n  Hint: Did you mean \"clip\"?"
        );
        let error = from_json::<One>("minMax", r#"{"clip":3}"#).unwrap_err();
        assert!(
            error.message.starts_with("invalid type: integer `3`, expected a boolean"),
            "{error}"
        );
    }
}
