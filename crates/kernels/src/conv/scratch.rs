//! Working memory of tasks. It outlives the calls that use it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Buffer, Buffers};

/// Memory that no call uses at present.
static FREE: Mutex<Buffers> = Mutex::new(Buffers::new());

/// A buffer that grows on demand.
#[derive(Default)]
pub(crate) struct Scratch {
    storage: Buffer,
    len: usize,
}

impl Scratch {
    /// Resizes to `len` values with unspecified content.
    pub(crate) fn resize(&mut self, len: usize) -> &mut [f32] {
        if len > self.storage.len() {
            let mut free = free();
            free.give(std::mem::take(&mut self.storage));
            self.storage = free.take(len);
        }
        self.len = len;
        &mut self.storage[..len]
    }

    /// The values.
    pub(crate) fn values(&self) -> &[f32] {
        &self.storage[..self.len]
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
