//! Numbers on slices: products, element-wise functions, reductions, softmax, counter-based random numbers, gathering.
//!
//! Knows nothing of graphs or parameters. Everything is generic over [`Real`] (f32 and f64), takes slices, sizes and strides, and
//! allocates nothing. Each algorithm is written once over a vector of 16 virtual lanes ([`simd::Lanes`]); the instruction set is chosen
//! once ([`level`]) and **the bits of a result depend neither on it nor on how work is split between threads**.

pub mod aligned;
pub mod attention;
mod compiled;
pub mod convolution;
pub mod denormals;
pub mod elementwise;
pub mod gather;
pub mod level;
pub mod math;
pub mod matmul;
pub mod norm;
pub mod philox;
pub mod pool;
pub mod real;
pub mod recurrent;
pub mod reduce;
pub mod simd;
pub mod softmax;
pub mod statistics;
pub mod team;

pub use aligned::Aligned;
pub use level::Level;
pub use real::Real;

/// Columns of a panel, and lanes of a virtual vector.
pub const PANEL: usize = 16;

/// Stored length of a `[rows, cols]` matrix in 16-wide panels: `rows · ⌈cols/16⌉ · 16`.
pub const fn panels_len(rows: usize, cols: usize) -> usize {
    rows * cols.div_ceil(PANEL) * PANEL
}
