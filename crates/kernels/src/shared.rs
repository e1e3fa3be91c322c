//! One output buffer that several threads write at disjoint places.

use std::marker::PhantomData;

/// A buffer whose parts are handed out by offset.
pub(crate) struct Shared<'a, E = f32> {
    start: *mut E,
    len: usize,
    owner: PhantomData<&'a mut [E]>,
}

impl<E> Clone for Shared<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Shared<'_, E> {}

// SAFETY: a `Shared` only hands out addresses. The caller who writes there promises that no two threads use the same
// place.
unsafe impl<E: Send> Send for Shared<'_, E> {}
// SAFETY: as above.
unsafe impl<E: Send> Sync for Shared<'_, E> {}

impl<'a, E> Shared<'a, E> {
    pub(crate) fn new(buffer: &'a mut [E]) -> Self {
        Self { start: buffer.as_mut_ptr(), len: buffer.len(), owner: PhantomData }
    }

    /// The address of the first value.
    #[inline(always)]
    pub(crate) fn start(&self) -> *mut E {
        self.start
    }

    /// The address of one value.
    #[inline(always)]
    pub(crate) fn at(&self, offset: usize) -> *mut E {
        debug_assert!(offset < self.len, "offset {offset} in a buffer of {}", self.len);
        self.start.wrapping_add(offset)
    }

    /// Some values, for reading.
    ///
    /// # Safety
    /// They lie in the buffer, and nobody writes there during the lifetime of the slice.
    #[inline(always)]
    pub(crate) unsafe fn slice<'s>(&self, offset: usize, len: usize) -> &'s [E] {
        debug_assert!(offset + len <= self.len, "{len} values from {offset} on in a buffer of {}", self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts(self.start.wrapping_add(offset), len) }
    }

    /// Some values, for writing.
    ///
    /// # Safety
    /// They lie in the buffer, and nobody else reads or writes there during the lifetime of the slice.
    #[inline(always)]
    pub(crate) unsafe fn slice_mut<'s>(&self, offset: usize, len: usize) -> &'s mut [E] {
        debug_assert!(offset + len <= self.len, "{len} values from {offset} on in a buffer of {}", self.len);
        // SAFETY: guaranteed by the caller.
        unsafe { std::slice::from_raw_parts_mut(self.start.wrapping_add(offset), len) }
    }
}
