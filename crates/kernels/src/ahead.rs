//! Prefetching of memory before it is needed.
//!
//! A task reads and writes some rows of every channel of a bundle. These are many short stretches, one plane apart,
//! and no hardware prefetcher predicts them. So a task prefetches what it will write next and what the next task will
//! read while it computes. Prefetching changes the speed only, never a value.

use std::ops::Range;

use crate::{LANES, Maps, shared::Shared, simd};

/// Prefetches some rows of many channels of a bundle, a few pixels at a time.
pub(crate) struct Ahead<'a, E = f32> {
    values: &'a [E],
    /// Remaining pixels of the current channel, as offsets into `values`.
    left: Range<usize>,
    /// Number of channels after the current one.
    channels: usize,
    /// Number of values in the rows of one channel.
    len: usize,
    /// Distance from one channel to the next, in values.
    plane: usize,
    /// Pixels to prefetch at each step.
    pixels: usize,
}

impl<'a, E> Ahead<'a, E> {
    /// Prefetches these rows of every channel, as far as they exist, spread over `steps` steps.
    pub(crate) fn rows(values: &'a [E], maps: &Maps, bundle: usize, rows: Range<usize>, steps: usize) -> Self {
        Self::channels(values, maps, &(0..maps.channels), bundle, rows, steps)
    }

    /// The same for some channels only.
    pub(crate) fn channels(
        values: &'a [E],
        maps: &Maps,
        channels: &Range<usize>,
        bundle: usize,
        rows: Range<usize>,
        steps: usize,
    ) -> Self {
        let rows = if bundle < maps.bundles() { rows.start..rows.end.min(maps.height) } else { 0..0 };
        let len = rows.len() * maps.width * LANES;
        let start = maps.start(bundle, channels.start) + rows.start * maps.width * LANES;
        let pixels = (channels.len() * rows.len() * maps.width).div_ceil(steps.max(1));
        let channels = if len == 0 { 0 } else { channels.len().saturating_sub(1) };
        Self { values, left: start..start + len, channels, len, plane: maps.plane, pixels }
    }

    /// Prefetches nothing.
    pub(crate) fn nothing() -> Self {
        Self { values: &[], left: 0..0, channels: 0, len: 0, plane: 0, pixels: 0 }
    }

    /// Prefetches the next pixels.
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

/// Prefetches one pixel of some channels, which lie `plane` values apart. The pixel need not exist.
#[inline(always)]
pub(crate) fn ask_for_pixel<E>(to: Shared<'_, E>, place: usize, plane: usize, channels: usize) {
    for channel in 0..channels {
        simd::prefetch(to.start().wrapping_add(place + channel * plane));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offsets that each of `steps` steps prefetches.
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
        // Each step prefetches one pixel: the second and third row of both channels of the second bundle.
        let mut ahead = Ahead::rows(&values, &maps, 1, 1..5, 8);
        let places_of = |channel| (2..6).map(move |pixel| maps.start(1, channel) + pixel * LANES);
        let expected: Vec<_> = (0..2).flat_map(places_of).collect();
        assert_eq!(places(&mut ahead, 10), expected);
        for mut nothing in [Ahead::rows(&values, &maps, 2, 0..3, 1), Ahead::rows(&values, &maps, 0, 3..9, 1)] {
            assert_eq!(places(&mut nothing, 3), [0; 0]);
        }
    }
}
