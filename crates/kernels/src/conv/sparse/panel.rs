//! Rows of one bundle with zeros around them, so that a kept weight is a constant offset.

use std::ops::Range;

use pulp::Simd;

use super::{
    super::{scratch::Scratch, source::Source},
    axis::Axis,
    pattern::KeptWeight,
};
use crate::{Element, LANES, Maps, simd};

/// Layout of a panel, `[channel][row][run][place][lane]`.
///
/// Columns are distributed over runs: column `c` is place `c / step` of run `c % step`. So neighbouring pixels read
/// neighbouring places, whatever the stride.
#[derive(Debug)]
pub(super) struct PanelLayout {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    runs: usize,
    /// Number of pixels in a run.
    run: usize,
    /// Number of pixels from one channel to the next. It is odd, so that channels fall into different cache sets.
    plane: usize,
    /// Number of written rows in a band.
    band: usize,
}

impl PanelLayout {
    /// Layout for bands of `band` written rows.
    pub(super) fn new(rows: Axis, columns: Axis, kernel: usize, written: &Maps, band: usize) -> Self {
        let read = columns.read_by(&(0..written.width));
        let (runs, run) = (columns.step.min(kernel), read.end.div_ceil(columns.step));
        let bands = (0..written.height).step_by(band).map(|first| rows.read_by(&(first..first + band)).len());
        let plane = (bands.max().unwrap_or(0) * runs * run) | 1;
        Self { rows, columns, runs, run, plane, band }
    }

    /// The bands of written rows.
    pub(super) fn bands(&self, height: usize) -> Vec<Range<usize>> {
        (0..height).step_by(self.band).map(|first| first..(first + self.band).min(height)).collect()
    }

    /// Rows of the source maps that a band reads.
    pub(super) fn source_rows(&self, band: &Range<usize>) -> Range<usize> {
        let mut rows = self.rows.read_by(band).filter_map(|row| self.rows.source(row));
        let first = rows.next().unwrap_or(0);
        first..rows.next_back().unwrap_or(first) + 1
    }

    /// First panel row that a band copies.
    pub(super) fn first_row(&self, band: &Range<usize>) -> usize {
        self.rows.read_by(band).start
    }

    /// Offset of a kept weight from a pixel's own place, for the panel positions of the weight's kernel row and
    /// column.
    pub(super) fn offset(&self, channel: usize, row: usize, column: usize) -> u32 {
        let place = column % self.columns.step * self.run + column / self.columns.step;
        let pixel = channel * self.plane + row * self.runs * self.run + place;
        u32::try_from(pixel * LANES).expect("a panel, which fits a cache, has fewer than 2³² values")
    }

    /// Number of values from one panel row to the next.
    pub(super) fn row(&self) -> usize {
        self.runs * self.run * LANES
    }

    /// Offset of a pixel in the panel. `row` counts panel rows from the first copied one; `place` is the pixel's
    /// place in a run.
    pub(super) fn place(&self, row: usize, place: usize) -> usize {
        (row * self.runs * self.run + place) * LANES
    }

    /// Copies the rows that a band of one bundle reads.
    #[inline(always)]
    pub(super) fn fill<S: Simd, E: Element>(
        &self,
        simd: S,
        panel: &mut Scratch,
        from: Source<'_, E>,
        maps: &Maps,
        bundle: usize,
        band: &Range<usize>,
    ) {
        let rows = self.rows.read_by(band);
        let panel = panel.resize(maps.channels * self.plane * LANES);
        let (pixels, _) = panel.as_chunks_mut::<LANES>();
        // For each run: the places that lie in the source, and the source column of the first of them.
        let columns: Vec<(Range<usize>, usize)> = (0..self.runs)
            .map(|run| {
                let source = |place: usize| self.columns.source(place * self.columns.step + run);
                let first = (0..self.run).find(|&place| source(place).is_some()).unwrap_or(self.run);
                let end = (first..self.run).find(|&place| source(place).is_none()).unwrap_or(self.run);
                (first..end, source(first).unwrap_or(0))
            })
            .collect();
        let source_rows = self.source_rows(band);
        for (channel, plane) in pixels.chunks_exact_mut(self.plane).enumerate() {
            let (source, _) = from.stored()[maps.start(bundle, channel)..][..maps.used()].as_chunks::<LANES>();
            let reading = from.channel(maps, bundle, channel);
            for (row, to) in rows.clone().zip(plane.chunks_exact_mut(self.runs * self.run)) {
                if !self.rows.is_read(row) {
                    continue;
                }
                let Some(row) = self.rows.source(row) else {
                    to.fill([0.0; LANES]);
                    continue;
                };
                prefetch_row(from.stored(), maps, bundle, later((channel, row), &source_rows));
                let from = &source[row * maps.width..(row + 1) * maps.width];
                for (to, (places, column)) in to.chunks_exact_mut(self.run).zip(&columns) {
                    to[..places.start].fill([0.0; LANES]);
                    to[places.end..].fill([0.0; LANES]);
                    let (from, to) = (&from[(*column).min(maps.width)..], &mut to[places.clone()]);
                    if self.columns.step == 1 {
                        reading.copy(simd, from[..to.len()].as_flattened(), to.as_flattened_mut());
                        continue;
                    }
                    for (to, from) in to.iter_mut().zip(from.iter().step_by(self.columns.step)) {
                        reading.copy(simd, from, to);
                    }
                }
            }
        }
    }
}

/// How many rows before a row is copied it is prefetched.
const ROWS_AHEAD: usize = 4;

/// The channel and row that are copied [`ROWS_AHEAD`] rows after this one, if `rows` of each channel are copied.
fn later((channel, row): (usize, usize), rows: &Range<usize>) -> (usize, usize) {
    let row = row - rows.start + ROWS_AHEAD;
    (channel + row / rows.len(), rows.start + row % rows.len())
}

/// Prefetches a row of a channel. It need not exist.
#[inline(always)]
fn prefetch_row<E>(values: &[E], maps: &Maps, bundle: usize, (channel, row): (usize, usize)) {
    let start = values.as_ptr().wrapping_add(maps.start(bundle, channel) + row * maps.width * LANES);
    (0..maps.width).for_each(|pixel| simd::prefetch(start.wrapping_add(pixel * LANES)));
}

/// The kept weights of each written channel, for the pixels of one phase of rows and one phase of columns.
#[derive(Debug, Default)]
pub(super) struct Walks {
    /// Where the entries of each channel begin, followed by where those of the last channel end.
    pub(super) starts: Vec<usize>,
    /// Offset of each kept weight from the pixel's place.
    pub(super) offsets: Vec<u32>,
    /// Index of each kept weight in the weight tensor.
    pub(super) indices: Vec<u32>,
}

impl Walks {
    /// `kept` must be ordered by written channel. `channels` gives the written and the read channel of a weight.
    pub(super) fn new<'a>(
        kept: impl Iterator<Item = &'a KeptWeight>,
        written: usize,
        layout: &PanelLayout,
        (row_phase, column_phase): (usize, usize),
        channels: impl Fn(&KeptWeight) -> (usize, usize),
    ) -> Self {
        let row_taps = &layout.rows.phases[row_phase].taps;
        let column_taps = &layout.columns.phases[column_phase].taps;
        let mut walks = Self { starts: vec![0], ..Self::default() };
        for weight in kept {
            let (channel, read) = channels(weight);
            let (kernel_row, kernel_column) = weight.position();
            let (Some(row), Some(column)) = (row_taps[kernel_row], column_taps[kernel_column]) else { continue };
            walks.starts.resize(channel + 1, walks.offsets.len());
            walks.offsets.push(layout.offset(read, row, column));
            walks.indices.push(weight.index);
        }
        walks.starts.resize(written + 1, walks.offsets.len());
        walks
    }

    /// The entries of a channel.
    pub(super) fn of(&self, channel: usize) -> Range<usize> {
        self.starts[channel]..self.starts[channel + 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_prefetched_in_the_order_in_which_they_are_copied() {
        let copied: Vec<_> = (0..6).flat_map(|channel| (5..8).map(move |row| (channel, row))).collect();
        for (at, later_one) in copied.iter().zip(&copied[ROWS_AHEAD..]) {
            assert_eq!(later(*at, &(5..8)), *later_one);
        }
        assert_eq!(later((2, 7), &(7..8)), (6, 7));
    }
}
