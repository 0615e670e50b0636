//! A zeroed buffer on a 64-byte boundary: one cache line, one AVX-512 register.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nabla_error::{Code, Error, Result, memory};

use crate::Real;

const ALIGNMENT: usize = 64;

/// Owned, 64-byte aligned numbers; derefs to a slice. Allocation may fail, as an error, never as an abort.
#[derive(Debug)]
pub struct Aligned<T: Real> {
    start: NonNull<T>,
    len: usize,
}

// SAFETY: `Aligned` owns its numbers alone, as Vec does, and T is Send.
unsafe impl<T: Real> Send for Aligned<T> {}
// SAFETY: a shared `Aligned` gives out shared slices only, and T is Sync.
unsafe impl<T: Real> Sync for Aligned<T> {}

impl<T: Real> Aligned<T> {
    /// `len` zeros. `OUT_OF_MEMORY` when the system has no room (untouched pages of a large buffer cost nothing until written).
    pub fn zeroed(len: usize) -> Result<Self> {
        if len == 0 {
            return Ok(Self {
                start: NonNull::dangling(),
                len,
            });
        }
        let layout = Self::layout(len).ok_or_else(|| Self::no_room(len))?;
        memory::expect_room(Some(layout.size()), || format!("{len} numbers of type {}", T::NAME))?;
        // SAFETY: `len > 0` and T has a size, so the layout is not of size zero.
        let start = unsafe { alloc_zeroed(layout) }.cast::<T>();
        match NonNull::new(start) {
            Some(start) => Ok(Self { start, len }),
            None => Err(Self::no_room(len)),
        }
    }

    /// A copy of `values`.
    pub fn copied(values: &[T]) -> Result<Self> {
        let mut copy = Self::zeroed(values.len())?;
        copy.copy_from_slice(values);
        Ok(copy)
    }

    /// A copy of itself.
    pub fn try_clone(&self) -> Result<Self> {
        Self::copied(self)
    }

    fn layout(len: usize) -> Option<Layout> {
        Layout::array::<T>(len).ok()?.align_to(ALIGNMENT).ok()
    }

    fn no_room(len: usize) -> Error {
        Error::new(Code::OutOfMemory, format!("no room for {len} numbers of type {}", T::NAME))
            .hint("use a smaller batch, or a smaller model")
    }
}

impl<T: Real> Drop for Aligned<T> {
    fn drop(&mut self) {
        if self.len > 0
            && let Some(layout) = Self::layout(self.len)
        {
            // SAFETY: allocated in `zeroed` with this very layout, and freed once.
            unsafe { dealloc(self.start.as_ptr().cast(), layout) };
        }
    }
}

impl<T: Real> Deref for Aligned<T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: `start` points at `len` initialized numbers (or dangles, aligned, with `len` 0).
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T: Real> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`; `&mut self` makes the access unique.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl<T: Real> Default for Aligned<T> {
    fn default() -> Self {
        Self {
            start: NonNull::dangling(),
            len: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_aligned_zeroed_and_writable() {
        for len in [0, 1, 15, 16, 1000] {
            let mut a = Aligned::<f32>::zeroed(len).unwrap();
            assert_eq!(a.len(), len);
            assert!(a.iter().all(|x| *x == 0.0));
            if len > 0 {
                assert_eq!(a.as_ptr() as usize % ALIGNMENT, 0);
                a[len - 1] = 3.0;
                assert_eq!(a.try_clone().unwrap()[len - 1], 3.0);
            }
        }
    }

    #[test]
    fn too_much_is_an_error() {
        let error = Aligned::<f64>::zeroed(usize::MAX / 16).unwrap_err();
        assert_eq!(error.code, Code::OutOfMemory);
        assert_eq!(Aligned::<f64>::zeroed(usize::MAX).unwrap_err().code, Code::OutOfMemory);
    }
}
