//! The parameter arena (named rows of one flat buffer) and the initializers.
//!
//! All weights of a model lie in one aligned buffer; gradients and optimizer state lie in twins with the same offsets,
//! so a clip, a norm, an update or an average is one pass over one slice. A [`Row`] names a part of it.

pub mod arena;
pub mod fan;
pub mod initializer;
mod norm;
mod orthogonal;
mod truncated;

pub use arena::{Arena, Layout, Row, Spec};
pub use fan::Fan;
pub use initializer::Initializer;
pub use norm::norm;
