//! The error of every room, as data: a stable code, what was expected, what came, where, and what to do.
//!
//! It stays data until it reaches TypeScript, which makes one class of it (`NablaError`) and the final sentence.

pub mod memory;

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Stable codes; the union that TypeScript documents is generated from [`Code::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Shapes that do not fit together.
    ShapeMismatch,
    /// An option, argument or name outside what is allowed.
    InvalidOption,
    /// Values of a data set that cannot be used (lengths, classes, empty sets, missing cells).
    InvalidData,
    /// A file or buffer that is not what it should be.
    DataFormat,
    /// NaN or ±∞ in features, targets, weights, loss or gradients.
    NotFinite,
    /// The caller's `AbortSignal` fired.
    Aborted,
    /// A buffer could not be allocated.
    OutOfMemory,
    /// Reading or writing a file failed.
    Io,
    /// An operator has no derivative, or no gradient reaches a parameter.
    NoGradient,
    /// Declared, documented, not built yet.
    NotImplemented,
    /// The native binary is missing or does not fit this platform.
    NativeMissing,
    /// The queue of a batcher is full.
    Overloaded,
    /// A study's storage was made with other data, space, splitter or recipe.
    StudyChanged,
    /// A bug in nabla: please report it.
    Internal,
}

impl Code {
    /// Every code, in the order of the documentation.
    pub const ALL: &'static [Code] = &[
        Code::ShapeMismatch,
        Code::InvalidOption,
        Code::InvalidData,
        Code::DataFormat,
        Code::NotFinite,
        Code::Aborted,
        Code::OutOfMemory,
        Code::Io,
        Code::NoGradient,
        Code::NotImplemented,
        Code::NativeMissing,
        Code::Overloaded,
        Code::StudyChanged,
        Code::Internal,
    ];

    /// The code as users see it, such as `SHAPE_MISMATCH`.
    pub fn name(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

/// What went wrong, for a person: `dense "head": x [32, 10] · kernel [12, 4] don't fit …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// One sentence without the place.
    pub message: String,
    /// The layer, the column and line, the parameter, the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// What would have been right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// What came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What else is known, as JSON (what gradient health saw before a fit stopped being finite).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// The result of everything that a user's input can make fail.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error with a code and a sentence.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            place: None,
            expected: None,
            received: None,
            hint: None,
            details: None,
        }
    }

    /// An option out of its range: `expected rate in [0, 1), got 1.5`.
    pub fn option(name: &str, expected: impl fmt::Display, received: impl fmt::Display) -> Self {
        Self::new(Code::InvalidOption, format!("expected {name} {expected}, got {received}"))
            .at(name)
            .expected(expected.to_string())
            .received(received.to_string())
    }

    /// A bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Code::Internal, message).hint("This is a bug in nabla: please report it with the program that shows it.")
    }

    /// Names the place; the first one named (the innermost) stays.
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place.get_or_insert_with(|| place.into());
        self
    }

    /// Names the layer around the place that is named, such as `conv2d: stride`.
    pub fn within(mut self, layer: &str) -> Self {
        self.place = match self.place.take() {
            place if layer.is_empty() => place,
            Some(place) if place != layer && !place.starts_with(&format!("{layer}: ")) => Some(format!("{layer}: {place}")),
            _ => Some(layer.to_owned()),
        };
        self
    }

    /// Says what would have been right.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Says what came.
    pub fn received(mut self, received: impl Into<String>) -> Self {
        self.received = Some(received.into());
        self
    }

    /// Says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The form in which it crosses to TypeScript.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|_| format!("{{\"code\":\"INTERNAL\",\"message\":{:?}}}", self.message))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.code.name())?;
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}", self.message)?;
        if let Some(hint) = &self.hint {
            write!(f, "\n  Hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Reads JSON by way of its tree: whoever reads some values from text and others from trees needs the code of one way, not of two, and
/// that code is long.
///
/// # Errors
/// Those of `serde_json`; what is no such value, without a line.
pub fn from_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_value(serde_json::from_str(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_screaming_and_unique() {
        let names: Vec<String> = Code::ALL.iter().map(|c| c.name()).collect();
        assert_eq!(names[0], "SHAPE_MISMATCH");
        let unique: std::collections::HashSet<&String> = names.iter().collect();
        assert_eq!(unique.len(), names.len());
    }

    #[test]
    fn crosses_as_json_and_back() {
        let error = Error::option("rate", "in [0, 1)", 1.5)
            .hint("use 0.5")
            .at("later place does not replace the first");
        assert_eq!(serde_json::from_str::<Error>(&error.to_json()).unwrap(), error);
        assert_eq!(
            error.to_string(),
            "[INVALID_OPTION] rate: expected rate in [0, 1), got 1.5\n  Hint: use 0.5"
        );
    }
}
