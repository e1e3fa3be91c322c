//! Memory that is asked for before it is needed.
//!
//! A task reads and writes some rows of every channel of a bundle: many short stretches a plane apart, which no processor
//! foresees. So while it computes it asks for what it will write next and for what the task after it will read. That changes
//! speed alone, never a value.

use std::ops::Range;

use crate::{LANES, Maps, shared::Shared, simd};

/// Some rows of every channel of a bundle, asked for a few pixels at a time.
pub(crate) struct Ahead<'a> {
    values: &'a [f32],
    /// The pixels of the channel at hand that are left, as places in `values`.
    left: Range<usize>,
    /// Channels after it.
    channels: usize,
    /// Values of the rows of one channel.
    len: usize,
    /// Values from one channel to the next.
    plane: usize,
    /// Pixels to ask for at each step.
    pixels: usize,
}

impl<'a> Ahead<'a> {
    /// These rows, as far as they exist, in so many steps.
    pub(crate) fn rows(values: &'a [f32], maps: &Maps, bundle: usize, rows: Range<usize>, steps: usize) -> Self {
        let rows = if bundle < maps.bundles() { rows.start..rows.end.min(maps.height) } else { 0..0 };
        let len = rows.len() * maps.width * LANES;
        let start = maps.start(bundle, 0) + rows.start * maps.width * LANES;
        let pixels = (maps.channels * rows.len() * maps.width).div_ceil(steps.max(1));
        let channels = if len == 0 { 0 } else { maps.channels.saturating_sub(1) };
        Self { values, left: start..start + len, channels, len, plane: maps.plane, pixels }
    }

    /// Asks for the next pixels.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        for _ in 0..self.pixels {
            if self.left.is_empty() {
                if self.channels == 0 {
                    return;
                }
                self.channels -= 1;
                let start = self.left.start - self.len + self.plane;
                self.left = start..start + self.len;
            }
            simd::prefetch(self.values.as_ptr().wrapping_add(self.left.start));
            self.left.start += LANES;
        }
    }
}

/// Asks for a pixel of some channels, which lie `plane` values apart. It need not exist.
#[inline(always)]
pub(crate) fn ask_for_pixel(to: Shared<'_>, place: usize, plane: usize, channels: usize) {
    for channel in 0..channels {
        simd::prefetch(to.start().wrapping_add(place + channel * plane));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places that each of so many steps asks for.
    fn places(ahead: &mut Ahead<'_>, steps: usize) -> Vec<usize> {
        let position = |ahead: &Ahead<'_>| (ahead.left.start, ahead.channels);
        let mut places = vec![];
        for _ in 0..steps {
            let before = position(ahead);
            ahead.step();
            places.extend((before != position(ahead)).then_some(ahead.left.start - LANES));
        }
        places
    }

    #[test]
    fn every_pixel_of_the_rows_that_exist_is_asked_for_once() {
        let maps = Maps::new(2, 3, 2, 20);
        let values = vec![0.0; maps.len()];
        // One pixel a step: the second and third row of both channels of the second bundle.
        let mut ahead = Ahead::rows(&values, &maps, 1, 1..5, 8);
        let places_of = |channel| (2..6).map(move |pixel| maps.start(1, channel) + pixel * LANES);
        let expected: Vec<_> = (0..2).flat_map(places_of).collect();
        assert_eq!(places(&mut ahead, 10), expected);
        for mut nothing in [Ahead::rows(&values, &maps, 2, 0..3, 1), Ahead::rows(&values, &maps, 0, 3..9, 1)] {
            assert_eq!(places(&mut nothing, 3), [0; 0]);
        }
    }
}
