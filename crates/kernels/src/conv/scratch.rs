//! Working memory that outlives the calls that use it: what is allocated anew at each call costs a page fault for every page.

use std::sync::{Mutex, PoisonError};

use crate::LANES;

/// Memory that no call uses at the moment.
static FREE: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());

/// A buffer that grows when it must, aligned so that no vector straddles two cache lines.
#[derive(Default)]
pub(super) struct Scratch {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Scratch {
    /// So many values of unknown content.
    pub(super) fn resize(&mut self, len: usize) -> &mut [f32] {
        if self.start + len > self.storage.len() {
            let outgrown = std::mem::replace(&mut self.storage, take(len + LANES - 1));
            give(outgrown);
            // `align_offset` may decline to answer, in which case alignment, a matter of speed alone, is given up.
            let offset = self.storage.as_ptr().align_offset(LANES * size_of::<f32>());
            self.start = if offset < LANES { offset } else { 0 };
        }
        self.len = len;
        &mut self.storage[self.start..self.start + len]
    }

    /// The values.
    pub(super) fn values(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        give(std::mem::take(&mut self.storage));
    }
}

/// The smallest free buffer that is long enough and not far too long, or a new one.
fn take(len: usize) -> Vec<f32> {
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let fits = |buffer: &Vec<f32>| buffer.len() >= len && buffer.len() <= 4 * len;
    let best = (0..free.len()).filter(|i| fits(&free[*i])).min_by_key(|i| free[*i].len());
    match best {
        Some(best) => free.swap_remove(best),
        None => vec![0.0; len],
    }
}

fn give(buffer: Vec<f32>) {
    if !buffer.is_empty() {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}
