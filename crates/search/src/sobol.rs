//! Sobol's sequence (1967), scrambled after Owen (1998) by hashing (Burley 2020, JCGT 9(4)).

use nabla_error::{Code, Error, Result};

use crate::space::{Point, Space};

/// Points of the sequence; draws beyond are random.
pub const POINTS: u64 = 1 << 16;

/// More dimensions than the sequence has are refused.
pub fn expect_possible(space: &Space) -> Result<()> {
    let (most, given) = (sobol_burley::NUM_DIMENSIONS as usize, space.dimensions.len());
    if given <= most {
        return Ok(());
    }
    Err(Error::new(
        Code::InvalidOption,
        format!("Sobol's sequence has {most} dimensions, the space {given}"),
    )
    .at("sobol")
    .expected(format!("at most {most} hyperparameters"))
    .received(given.to_string()))
}

/// Point `number`. A dimension of a branch has its coordinate whether it is chosen or not.
pub fn point(space: &Space, seed: u64, number: u64) -> Point {
    let seed = (nabla_kernels::philox::mix(seed) >> 32) as u32;
    space.fill(|at, d| d.kind.decode(f64::from(sobol_burley::sample(number as u32, at as u32, seed))))
}
