//! Training: the epoch runner and its policies, many fits side by side, the fitted model. It knows nothing of JavaScript.

mod apart;
pub mod control;
pub mod early_stopping;
mod examiner;
mod feed;
pub mod fit;
pub mod fits;
pub mod history;
pub mod least_squares;
pub mod model;
mod pace;
pub mod recipe;
mod saving;
mod scorer;
pub mod spec;
mod update;

pub use control::{Control, Event, Listener};
pub use fit::{Job, Outcome};
pub use model::Model;
pub use recipe::Recipe;
pub use spec::FitSpec;
