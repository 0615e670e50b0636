//! A buffer whose disjoint parts are written by the members of a team.

use std::ops::Range;

/// The start and length of a buffer, shared by a team.
pub struct Apart<T> {
    start: *mut T,
    len: usize,
}
impl<T> Clone for Apart<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Apart<T> {}
// SAFETY: an address; `part` says who may use what.
unsafe impl<T: Send> Send for Apart<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Apart<T> {}

impl<T> Apart<T> {
    /// Of a buffer that nobody uses otherwise while this lives.
    pub fn of(buffer: &mut [T]) -> Apart<T> {
        Apart {
            start: buffer.as_mut_ptr(),
            len: buffer.len(),
        }
    }

    /// One member's part.
    ///
    /// # Safety
    /// The buffer is alive, and no other member uses an overlapping part meanwhile.
    pub unsafe fn part<'a>(self, range: Range<usize>) -> &'a mut [T] {
        assert!(range.start <= range.end && range.end <= self.len);
        // SAFETY: inside the buffer by the assertion; disjoint by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
