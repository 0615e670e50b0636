//! Which instruction set runs: found once, at first use; every level gives the same bits.
//!
//! `NABLA_SIMD=scalar|avx2|avx512|neon` forces one; a name that is unknown or that this machine lacks falls back to the best, and
//! [`forced_error`] says so. NEON is untested (nobody here could run it) and today means the scalar path, compiled for NEON's FMA.

use std::sync::atomic::{AtomicU8, Ordering};

/// An instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Level {
    /// Plain Rust, any processor (FMA in software where the processor has none).
    Scalar = 1,
    /// AVX2 and FMA.
    Avx2 = 2,
    /// AVX-512 F, BW, DQ, VL.
    Avx512 = 3,
    /// NEON (aarch64): untested.
    Neon = 4,
}

impl Level {
    /// The name that `NABLA_SIMD` takes.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
            Level::Neon => "neon",
        }
    }

    fn from_name(name: &str) -> Option<Level> {
        [Level::Scalar, Level::Avx2, Level::Avx512, Level::Neon]
            .into_iter()
            .find(|l| l.name() == name)
    }

    const fn from_code(code: u8) -> Level {
        match code {
            2 => Level::Avx2,
            3 => Level::Avx512,
            4 => Level::Neon,
            _ => Level::Scalar,
        }
    }
}

/// 0 until the first use.
static LEVEL: AtomicU8 = AtomicU8::new(0);

/// The level in use: one relaxed load after the first call.
#[inline(always)]
pub fn level() -> Level {
    let code = LEVEL.load(Ordering::Relaxed);
    if code == 0 { detect() } else { Level::from_code(code) }
}

#[cold]
#[inline(never)]
fn detect() -> Level {
    let available = available();
    let best = available.last().copied().unwrap_or(Level::Scalar);
    let wanted = std::env::var("NABLA_SIMD").ok().and_then(|name| Level::from_name(name.trim()));
    let chosen = wanted.filter(|l| available.contains(l)).unwrap_or(best);
    // A racing `force` wins: only the undetermined state is replaced.
    match LEVEL.compare_exchange(0, chosen as u8, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => chosen,
        Err(code) => Level::from_code(code),
    }
}

/// The levels this machine can run, slowest first; always begins with `Scalar`.
pub fn available() -> Vec<Level> {
    #[allow(unused_mut, reason = "other architectures have the scalar level only")]
    let mut levels = vec![Level::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            levels.push(Level::Avx2);
            if is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl")
            {
                levels.push(Level::Avx512);
            }
        }
    }
    #[cfg(target_arch = "aarch64")]
    levels.push(Level::Neon);
    levels
}

/// Uses this level from now on, in the whole process (for tests and comparisons).
///
/// # Panics
/// If the machine cannot run it.
pub fn force(level: Level) {
    assert!(available().contains(&level), "this machine cannot run the {} level", level.name());
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Why `NABLA_SIMD` was not followed; `None` when it is unset or was followed.
pub fn forced_error() -> Option<String> {
    let name = std::env::var("NABLA_SIMD").ok()?;
    let known = Level::from_name(name.trim());
    match known {
        Some(level) if available().contains(&level) => None,
        Some(level) => Some(format!(
            "NABLA_SIMD={}: this machine has no {}; it would use {}",
            name,
            level.name(),
            self::level().name()
        )),
        None => Some(format!(
            "NABLA_SIMD={name}: expected scalar, avx2, avx512 or neon; it would use {}",
            self::level().name()
        )),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Tests that force levels take turns: the level is process-wide (any level gives the same bits, so other tests may run beside).
    use super::*;
    use std::sync::{Mutex, PoisonError};

    static TURN: Mutex<()> = Mutex::new(());

    /// Runs `work` on each available level and wants the same result, bit for bit.
    pub(crate) fn same_on_all_levels<R: PartialEq>(what: &str, mut work: impl FnMut() -> R) -> R {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let before = level();
        let mut first = None;
        for l in available() {
            force(l);
            let result = work();
            match &first {
                None => first = Some(result),
                Some(expected) => assert!(*expected == result, "{what}: {} differs from scalar", l.name()),
            }
        }
        force(before);
        first.expect("scalar is always available")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalar_comes_first_and_the_level_is_available() {
        assert_eq!(available()[0], Level::Scalar);
        assert!(available().contains(&level()));
        for l in available() {
            assert_eq!(Level::from_name(l.name()), Some(l));
            assert_eq!(Level::from_code(l as u8), l);
        }
    }
}
