//! Dense copies of data that a kernel reads many times.
//!
//! In an activation, the channels of one pixel lie a plane apart. Each is on its own memory page, and all fall into
//! the same few cache sets. A panel holds some rows of one bundle as
//! `[block of channels][row][column][channel of the block][lane]`, so that all taps of a pixel in one kernel row form
//! one contiguous stretch.

use std::ops::Range;

use pulp::Simd;

use super::super::scratch::Scratch;
use crate::{Element, LANES, Maps, element::convert_registers};

/// Number of channels that are copied together, pixel by pixel. So that neighbouring lines of the panel are written in a
/// row, and not every line into the same few cache sets.
const TOGETHER: usize = 8;

/// Reusable memory for one panel.
#[derive(Default)]
pub(super) struct Panel(Scratch);

impl Panel {
    /// Copies `rows` of one bundle, for these blocks of channels.
    #[inline(always)]
    pub(super) fn fill<S: Simd, E: Element>(
        &mut self,
        simd: S,
        values: &[E],
        maps: &Maps,
        blocks: &[Range<usize>],
        rows: &Range<usize>,
        bundle: usize,
    ) {
        let pixels = rows.len() * maps.width;
        let channels = blocks.iter().map(Range::len).sum::<usize>();
        let panel = self.0.resize(channels * pixels * LANES);
        if pixels == 0 {
            return;
        }
        let (mut panel, _) = panel.as_chunks_mut::<LANES>();
        for block in blocks {
            let (filled, rest) = panel.split_at_mut(block.len() * pixels);
            for (index, channel) in block.clone().enumerate().step_by(TOGETHER) {
                let together = TOGETHER.min(block.len() - index);
                let mut from: [&[[E; LANES]]; TOGETHER] = [&[]; TOGETHER];
                for (next, from) in from[..together].iter_mut().enumerate() {
                    let first = maps.start(bundle, channel + next) + rows.start * maps.width * LANES;
                    *from = values[first..first + pixels * LANES].as_chunks::<LANES>().0;
                }
                for (pixel, to) in filled[index..].chunks_mut(block.len()).enumerate() {
                    for (to, from) in to.iter_mut().zip(&from[..together]) {
                        convert_registers(simd, &from[pixel], to);
                    }
                }
            }
            panel = rest;
        }
    }

    /// The panel's values.
    pub(super) fn values(&self) -> &[f32] {
        self.0.values()
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
        panel.fill(pulp::Scalar::new(), &values, &maps, &[0..2, 3..5], &(1..3), 2);
        assert_eq!(panel.values().len(), 4 * 4 * LANES);
        assert_eq!(panel.values().as_ptr() as usize % 64, 0);
        // Second block, third pixel (row 2, column 0), channel 4, lane 35.
        let found = panel.values()[((2 * 4) + 2 * 2 + 1) * LANES + 3];
        assert_eq!(found, values[maps.start(2, 4) + 2 * maps.width * LANES + 3]);
    }
}
