//! What a fit tells about itself.

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::health::Record;

/// Loss and metrics by name, in the order of the recipe; a value that is not defined crosses as `null`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores(pub Vec<(String, f64)>);

impl Scores {
    /// The value of that name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

impl Serialize for Scores {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Scores {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Scores;
            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                write!(f, "scores by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scores, A::Error> {
                let mut scores = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Option<f64>>()? {
                    scores.push((name, value.unwrap_or(f64::NAN)));
                }
                Ok(Scores(scores))
            }
        }
        d.deserialize_map(Entries)
    }
}

/// One pass over the training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// From 0.
    pub index: usize,
    /// Running means in training mode.
    pub train: Scores,
    /// On the validation rows, after the epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<Scores>,
    /// The rate of its last step.
    pub learning_rate: f64,
    /// Steps.
    pub batches: usize,
    /// Wall-clock time.
    pub seconds: f64,
    /// The steps whose gradients were looked at. Not saved with a model.
    #[serde(default, skip_deserializing, skip_serializing_if = "Vec::is_empty")]
    pub health: Vec<Record>,
}

/// Why a fit ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stopped {
    /// All epochs are done.
    Epochs,
    /// Early stopping.
    Early,
    /// `stop()`.
    Stop,
}
