//! From an error as data to a JavaScript error whose message is its JSON.

use nabla_error::{Code, Error};
use serde::de::DeserializeOwned;

/// What every export returns.
pub type Result<T> = napi::Result<T>;

/// The JavaScript form.
pub fn js(error: Error) -> napi::Error {
    napi::Error::from_reason(error.to_json())
}

/// Options that crossed as JSON.
pub fn options<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    nabla_error::from_json(text).map_err(|e| js(Error::new(Code::InvalidOption, format!("{what}: {e}")).at(what)))
}

/// A seed: a whole number that JavaScript can hold exactly.
pub fn seed(value: f64) -> Result<u64> {
    if (0.0..=9_007_199_254_740_991.0).contains(&value) && value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(js(Error::option("seed", "to be a whole number from 0 to 2^53 − 1", value)))
}

/// Plain data as JSON.
pub fn json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|e| js(Error::internal(format!("cannot be written as JSON: {e}"))))
}
