//! One output buffer that several threads write at disjoint places.

use std::marker::PhantomData;

/// A buffer whose parts are handed out by offset.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a `Shared` only hands out addresses. The caller who writes there promises that no two threads use the same
// place.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    pub(crate) fn new(buffer: &'a mut [f32]) -> Self {
        Self { start: buffer.as_mut_ptr(), len: buffer.len(), owner: PhantomData }
    }

    /// The address of the first value.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut f32 {
        self.start
    }

    /// The address of one value.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize) -> *mut f32 {
        debug_assert!(offset < self.len, "offset {offset} in a buffer of {}", self.len);
        self.start.wrapping_add(offset)
    }

    /// Some values, for reading.
    ///
    /// # Safety
    /// They lie in the buffer, and nobody writes there during the lifetime of the slice.
    #[inline(always)]
    pub(crate) unsafe fn slice<'s>(&self, offset: usize, len: usize) -> &'s [f32] {
        debug_assert!(offset + len <= self.len, "{len} values from {offset} on in a buffer of {}", self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts(self.start.wrapping_add(offset), len) }
    }

    /// Some values, for writing.
    ///
    /// # Safety
    /// They lie in the buffer, and nobody else reads or writes there during the lifetime of the slice.
    #[inline(always)]
    pub(crate) unsafe fn slice_mut<'s>(&self, offset: usize, len: usize) -> &'s mut [f32] {
        debug_assert!(offset + len <= self.len, "{len} values from {offset} on in a buffer of {}", self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.wrapping_add(offset), len) }
    }
}
