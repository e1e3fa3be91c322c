//! Dense copies of what a kernel is about to read again and again.
//!
//! In an activation, the channels of one pixel lie a plane apart: each on its own memory page, and each in the same few cache
//! sets. A panel holds some rows of one bundle as `[block of channels][row][column][channel of the block][lane]`, so
//! that all the taps of a pixel in one kernel row are one contiguous stretch.

use std::ops::Range;

use crate::{LANES, Maps};

/// Reusable memory for one panel, aligned so that no vector straddles two cache lines.
#[derive(Default)]
pub(in super::super) struct Panel {
    storage: Vec<f32>,
    start: usize,
    len: usize,
}

impl Panel {
    /// Copies `rows` of one bundle of `blocks` of channels.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        values: &[f32],
        maps: &Maps,
        blocks: &[Range<usize>],
        rows: &Range<usize>,
        bundle: usize,
    ) {
        let pixels = rows.len() * maps.width;
        let channels = blocks.iter().map(Range::len).sum::<usize>();
        let panel = self.resize(channels * pixels * LANES);
        if pixels == 0 {
            return;
        }
        let (mut panel, _) = panel.as_chunks_mut::<LANES>();
        for block in blocks {
            let (filled, rest) = panel.split_at_mut(block.len() * pixels);
            for (index, channel) in block.clone().enumerate() {
                let first = maps.start(bundle, channel) + rows.start * maps.width * LANES;
                let (from, _) = values[first..first + pixels * LANES].as_chunks::<LANES>();
                for (to, from) in filled[index..].iter_mut().step_by(block.len()).zip(from) {
                    *to = *from;
                }
            }
            panel = rest;
        }
    }

    /// The panel's values.
    pub(in super::super) fn values(&self) -> &[f32] {
        &self.storage[self.start..self.start + self.len]
    }

    /// Room for so many values, whatever they were.
    pub(in super::super) fn resize(&mut self, len: usize) -> &mut [f32] {
        if self.start + len > self.storage.len() {
            self.storage = vec![0.0; len + LANES - 1];
            // `align_offset` may decline to answer, in which case alignment, a matter of speed alone, is given up.
            let offset = self.storage.as_ptr().align_offset(LANES * size_of::<f32>());
            self.start = if offset < LANES { offset } else { 0 };
        }
        self.len = len;
        &mut self.storage[self.start..self.start + len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_holds_the_right_values_aligned() {
        let maps = Maps::new(5, 3, 2, 40);
        let values: Vec<f32> = (0..maps.len()).map(|i| i as f32).collect();
        let mut panel = Panel::default();
        panel.fill(&values, &maps, &[0..2, 3..5], &(1..3), 2);
        assert_eq!(panel.values().len(), 4 * 4 * LANES);
        assert_eq!(panel.values().as_ptr() as usize % 64, 0);
        // Second block, third pixel (row 2, column 0), channel 4, lane 35.
        let found = panel.values()[((2 * 4) + 2 * 2 + 1) * LANES + 3];
        assert_eq!(found, values[maps.start(2, 4) + 2 * maps.width * LANES + 3]);
    }
}
