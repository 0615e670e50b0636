//! The engine's graph: what a model is ([`ir`]), what each operator is ([`ops`]), what is done to a graph ([`passes`]), where its
//! values lie ([`plan`]) and how it runs ([`program`]). It knows nothing of training.

pub mod builder;
pub mod function;
pub mod ir;
pub mod listing;
pub mod ops;
pub mod passes;
pub mod plan;
pub mod program;
pub mod shape;

pub use builder::Builder;
pub use ir::{Graph, Id};
pub use ops::Operator;
pub use ops::io::Moment;
pub use passes::mode::Mode;
pub use program::{Bases, Memory, Program, Purpose};
pub use shape::{Dim, Shape};
