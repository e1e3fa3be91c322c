//! A pool of buffers. Memory that is allocated anew at every step costs a page fault per page.

/// Buffers that are free.
#[derive(Default)]
pub struct Buffers {
    free: Vec<Vec<f32>>,
}

impl Buffers {
    /// An empty pool.
    pub const fn new() -> Self {
        Self { free: Vec::new() }
    }

    /// A buffer of at least `len` values with unspecified content: the smallest free one that fits and is not much
    /// too large, or else a new one.
    pub fn take(&mut self, len: usize) -> Vec<f32> {
        let fits = |buffer: &Vec<f32>| buffer.len() >= len && buffer.len() <= 4 * len;
        let best = (0..self.free.len()).filter(|i| fits(&self.free[*i])).min_by_key(|i| self.free[*i].len());
        best.map_or_else(|| vec![0.0; len], |i| self.free.swap_remove(i))
    }

    /// Returns a buffer to the pool. A buffer without capacity is dropped.
    pub fn give(&mut self, buffer: Vec<f32>) {
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
        let mut buffers = Buffers::default();
        buffers.give(vec![1.0; 100]);
        buffers.give(vec![1.0; 50]);
        assert_eq!(buffers.take(40).len(), 50);
        assert_eq!(buffers.take(40).len(), 100);
        assert_eq!(buffers.take(40).len(), 40);
        buffers.give(vec![0.0; 1000]);
        assert_eq!(buffers.take(10).len(), 10);
    }
}
