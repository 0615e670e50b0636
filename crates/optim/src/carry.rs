//! What a fit carries from step to step, in one row of numbers: written by one process and read by another, to the same bits.
//!
//! Each part writes its buffers and its counters one after the other and reads them back in the same order.

use nabla_error::{Code, Error, Result};
use nabla_kernels::{Aligned, Real};

/// Numbers in the order in which they were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carry<T> {
    /// All buffers, one after the other.
    pub buffers: Vec<T>,
    /// Lengths, counters, and the bits of single numbers.
    pub counts: Vec<u64>,
}

impl<T: Real> Carry<T> {
    /// A counter.
    pub fn count(&mut self, value: u64) {
        self.counts.push(value);
    }

    /// A single number, by its bits: it may be no number.
    pub fn number(&mut self, value: f64) {
        self.counts.push(value.to_bits());
    }

    /// A buffer. `OUT_OF_MEMORY` where there is no room for a copy.
    pub fn buffer(&mut self, values: &[T]) -> Result<()> {
        self.count(values.len() as u64);
        let error = |_| {
            Error::new(
                Code::OutOfMemory,
                format!("no room for {} numbers of a fit that is left", values.len()),
            )
        };
        self.buffers.try_reserve(values.len()).map_err(error)?;
        self.buffers.extend_from_slice(values);
        Ok(())
    }

    /// A buffer that may be missing.
    pub fn maybe(&mut self, values: Option<&Aligned<T>>) -> Result<()> {
        self.count(u64::from(values.is_some()));
        values.map_or(Ok(()), |values| self.buffer(values))
    }

    /// Reads it from the beginning.
    pub fn reader(&self) -> Reader<'_, T> {
        Reader {
            buffers: &self.buffers,
            counts: &self.counts,
        }
    }
}

/// What is left to be read.
#[derive(Clone, Debug)]
pub struct Reader<'a, T> {
    buffers: &'a [T],
    counts: &'a [u64],
}

fn short() -> Error {
    Error::new(Code::DataFormat, "what a fit has left is damaged: it ends too early")
}

impl<T: Real> Reader<'_, T> {
    /// A counter.
    ///
    /// # Errors
    /// `DATA_FORMAT` where there is none, as in all of these.
    pub fn count(&mut self) -> Result<u64> {
        let (first, rest) = self.counts.split_first().ok_or_else(short)?;
        self.counts = rest;
        Ok(*first)
    }

    /// A single number.
    pub fn number(&mut self) -> Result<f64> {
        self.count().map(f64::from_bits)
    }

    /// A counter as a length or place, below `limit`.
    pub fn place(&mut self, limit: usize) -> Result<usize> {
        let place = self.count()?;
        usize::try_from(place).ok().filter(|place| *place < limit).ok_or_else(short)
    }

    /// A buffer.
    pub fn buffer(&mut self) -> Result<Aligned<T>> {
        let length = self.place(self.buffers.len() + 1)?;
        let (values, rest) = self.buffers.split_at(length);
        self.buffers = rest;
        let mut buffer = Aligned::zeroed(length)?;
        buffer.copy_from_slice(values);
        Ok(buffer)
    }

    /// A buffer that may be missing.
    pub fn maybe(&mut self) -> Result<Option<Aligned<T>>> {
        (self.place(2)? == 1).then(|| self.buffer()).transpose()
    }

    /// That nothing is left.
    pub fn end(&self) -> Result<()> {
        if self.buffers.is_empty() && self.counts.is_empty() {
            return Ok(());
        }
        Err(Error::new(Code::DataFormat, "what a fit has left is damaged: it goes on too long"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_in_order_and_says_when_it_is_short() {
        let mut carry = Carry::<f32>::default();
        carry.number(f64::NAN);
        carry.buffer(&[1.0, -0.0]).unwrap();
        carry.count(7);
        carry.maybe(None).unwrap();
        let mut reader = carry.reader();
        assert!(reader.number().unwrap().is_nan());
        assert!(reader.end().is_err());
        let buffer = reader.buffer().unwrap();
        assert_eq!(buffer.iter().map(|v| v.to_bits()).collect::<Vec<_>>(), [0x3f80_0000, 0x8000_0000]);
        assert_eq!(reader.place(8).unwrap(), 7);
        assert!(reader.maybe().unwrap().is_none());
        reader.end().unwrap();
        assert!(reader.count().is_err());
        carry.counts[1] = 3;
        let mut reader = carry.reader();
        reader.number().unwrap();
        assert!(reader.buffer().is_err());
    }
}
