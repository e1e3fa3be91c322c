//! Buffers for activations and their gradients, and a pool of them. Memory that is allocated anew at every step costs a
//! page fault per page.

use std::{
    marker::PhantomData,
    ops::{Deref, DerefMut},
};

use crate::{Element, LANES};

/// A cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; 64]);

/// Values that begin at a cache line, so that no pixel straddles two. Linux is asked for large pages, which save a walk
/// through the page table for every 4 KiB.
#[derive(Debug, Clone)]
pub struct Buffer<E = f32> {
    lines: Vec<Line>,
    values: PhantomData<E>,
}

impl<E> Default for Buffer<E> {
    fn default() -> Self {
        Self { lines: vec![], values: PhantomData }
    }
}

impl<E: Element> Buffer<E> {
    /// Values in a cache line.
    const OF_LINE: usize = size_of::<Line>() / size_of::<E>();

    /// Zeros: at least `len` of them, up to the end of a cache line.
    pub fn new(len: usize) -> Self {
        let count = len.div_ceil(Self::OF_LINE);
        let mut lines = Vec::with_capacity(count);
        ask_for_large_pages(lines.spare_capacity_mut());
        // The zero of both formats is zero bytes.
        lines.resize(count, Line([0; 64]));
        Self { lines, values: PhantomData }
    }
}

impl<E: Element> Deref for Buffer<E> {
    type Target = [E];

    #[inline(always)]
    fn deref(&self) -> &[E] {
        // SAFETY: lines lie one after another, a line holds `OF_LINE` values, and each of them is a number whatever its
        // bytes are.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.lines.len() * Self::OF_LINE) }
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.lines.len() * Self::OF_LINE) }
    }
}

/// Asks the system to hold memory that nobody has touched yet in large pages. It may refuse.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask_for_large_pages<T>(memory: &mut [std::mem::MaybeUninit<T>]) {
    /// Size of a large page on x86-64, and on ARM with small pages of 4 KiB.
    const LARGE: usize = 2 << 20;
    let start = memory.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(LARGE);
    let len = size_of_val(memory).saturating_sub(before) / LARGE * LARGE;
    if len > 0 {
        // SAFETY: these pages belong to `memory` alone, and the advice changes no content.
        unsafe { libc::madvise(start.wrapping_add(before).cast(), len, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask_for_large_pages<T>(_: &mut [std::mem::MaybeUninit<T>]) {}

/// Buffers that are free.
pub struct Buffers<E = f32> {
    free: Vec<Buffer<E>>,
}

impl<E: Element> Default for Buffers<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Element> Buffers<E> {
    /// An empty pool.
    pub const fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// A buffer of at least `len` values with unspecified content: the smallest free one that fits and is not much
    /// too large, or else a new one.
    pub fn take(&mut self, len: usize) -> Buffer<E> {
        let fits = |buffer: &Buffer<E>| buffer.len() >= len && buffer.len() <= (4 * len).max(LANES);
        let best = (0..self.free.len()).filter(|i| fits(&self.free[*i])).min_by_key(|i| self.free[*i].len());
        best.map_or_else(|| Buffer::new(len), |i| self.free.swap_remove(i))
    }

    /// Returns a buffer to the pool. A buffer without values is dropped.
    pub fn give(&mut self, buffer: Buffer<E>) {
        if !buffer.is_empty() {
            self.free.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_for_what_fits_it() {
        let mut buffers = Buffers::<f32>::default();
        buffers.give(Buffer::new(112));
        buffers.give(Buffer::new(64));
        assert_eq!(buffers.take(40).len(), 64);
        assert_eq!(buffers.take(40).len(), 112);
        assert_eq!(buffers.take(40).len(), 48);
        buffers.give(Buffer::new(1000));
        assert_eq!(buffers.take(10).len(), 16);
        assert_eq!(buffers.take(5).len(), 16);
    }

    #[test]
    fn values_begin_at_a_cache_line_and_are_zero() {
        for len in [0, 1, 16, 17, 3 << 20] {
            let mut buffer = Buffer::new(len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            assert_eq!(buffer.len(), len.next_multiple_of(LANES));
            assert!(buffer.iter().all(|value| *value == 0.0));
            buffer.fill(1.0);
            assert_eq!(buffer.clone().iter().sum::<f32>(), buffer.len() as f32);
        }
    }
}
