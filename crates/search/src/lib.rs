//! Which hyperparameters to try next, on the unit cube. Knows nothing of models, scores are numbers of which less is better.
//!
//! A draw is a function of (space, sampler, seed, number of the trial, past): the same whatever runs side by side, in whatever order and
//! after whatever interruption. Random numbers are keyed by seed, parameter and trial number; no transcendental of the system decides.

mod acquisition;
pub mod cholesky;
pub mod coarse_to_fine;
pub mod descent;
pub mod draws;
pub mod gaussian_process;
pub mod grid;
pub mod importance;
pub mod parzen;
pub mod population;
pub mod request;
pub mod sobol;
pub mod space;
pub mod tiers;
pub mod tpe;

pub use request::{Past, Request, Sampler, suggest};
pub use space::{Dimension, Kind, Point, Space};
