//! Denormals to zero, per thread, as long as a guard lives.
//!
//! Rarely active inputs leave denormals in Adam's first moment, and arithmetic on them is many times slower. Every thread of a fit holds
//! a guard, so the bits do not depend on the thread. x86-64: MXCSR's FTZ and DAZ; aarch64: FPCR's FZ (untested); elsewhere nothing.

use std::marker::PhantomData;

/// Flushes denormal results and operands to zero on this thread; dropping it restores what was before.
#[must_use = "denormals are flushed only while the guard lives"]
#[derive(Debug)]
pub struct FlushToZero {
    before: u64,
    /// Belongs to its thread: not Send.
    thread: PhantomData<*const ()>,
}

/// Starts flushing on this thread.
pub fn flush_to_zero() -> FlushToZero {
    let before = control::read();
    control::write(before | control::FLUSH);
    FlushToZero {
        before,
        thread: PhantomData,
    }
}

impl Drop for FlushToZero {
    fn drop(&mut self) {
        control::write((control::read() & !control::FLUSH) | (self.before & control::FLUSH));
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod control {
    use std::arch::asm;

    /// FTZ is bit 15, DAZ bit 6.
    pub const FLUSH: u64 = (1 << 15) | (1 << 6);

    pub fn read() -> u64 {
        let mut word = 0u32;
        // SAFETY: stores MXCSR (SSE, in every x86-64) into four bytes of ours.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word.into()
    }

    pub fn write(word: u64) {
        let word = word as u32;
        // SAFETY: the word was read from MXCSR; only FTZ and DAZ differ, which no Rust code relies on but for speed and tiny values.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[cfg(all(target_arch = "aarch64", not(miri)))]
mod control {
    use std::arch::asm;

    /// FZ is bit 24.
    pub const FLUSH: u64 = 1 << 24;

    pub fn read() -> u64 {
        let word: u64;
        // SAFETY: reads the thread's floating-point control register.
        unsafe { asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    pub fn write(word: u64) {
        // SAFETY: the word was read from FPCR; only FZ differs.
        unsafe { asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack, preserves_flags)) };
    }
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod control {
    pub const FLUSH: u64 = 0;
    pub fn read() -> u64 {
        0
    }
    pub fn write(_: u64) {}
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn flushes_while_the_guard_lives() {
        let half = || black_box(black_box(f32::MIN_POSITIVE) * black_box(0.5));
        assert!(half() > 0.0);
        {
            let _outer = flush_to_zero();
            assert_eq!(half(), 0.0);
            drop(flush_to_zero());
            assert_eq!(half(), 0.0, "an inner guard leaves the outer one's setting");
        }
        assert!(half() > 0.0);
    }
}
