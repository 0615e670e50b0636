//! Training: the epoch runner and its policies, many fits side by side, the fitted model. It knows nothing of JavaScript.

mod apart;
pub mod basis;
mod binary_targets;
pub mod control;
pub mod coordinate_descent;
pub mod early_stopping;
mod examiner;
mod feed;
pub mod fit;
pub mod fits;
pub mod gradient_check;
pub mod history;
pub mod least_squares;
pub mod linear;
pub mod lsuv;
pub mod model;
mod pace;
mod pattern;
pub mod range_test;
pub mod recipe;
mod sampled;
mod saving;
mod scorer;
mod session;
pub mod spec;
pub mod stage;
pub mod start;
mod units;
mod update;

pub use control::{Control, Event, Listener};
pub use fit::{Job, Outcome};
pub use model::Model;
pub use recipe::Recipe;
pub use session::Session;
pub use spec::FitSpec;
pub use stage::Paused;
