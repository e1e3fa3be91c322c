//! Working memory of tasks. It outlives the calls that use it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Buffers, LANES};

/// Memory that no call uses at present.
static FREE: Mutex<Buffers> = Mutex::new(Buffers::new());

/// A buffer that grows on demand. It is aligned so that no vector straddles two cache lines.
#[derive(Default)]
pub(crate) struct Scratch {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Scratch {
    /// Resizes to `len` values with unspecified content.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [f32] {
        if self.start + len > self.storage.len() {
            let mut free = free();
            free.give(std::mem::take(&mut self.storage));
            self.storage = free.take(len + LANES - 1);
            // `align_offset` may fail. The buffer is then unaligned, which affects the speed only.
            let offset = self.storage.as_ptr().align_offset(LANES * size_of::<f32>());
            self.start = if offset < LANES { offset } else { 0 };
        }
        self.len = len;
        &mut self.storage[self.start..self.start + len]
    }

    /// The values.
    pub(crate) fn values(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        free().give(std::mem::take(&mut self.storage));
    }
}

fn free() -> MutexGuard<'static, Buffers> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}
