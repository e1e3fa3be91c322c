//! Division of maps into tiles.

use std::ops::Range;

use crate::Maps;

/// Side of an output tile.
pub(super) const OUTPUT_TILE: usize = 4;
/// Side of an input tile.
pub(super) const INPUT_TILE: usize = 6;

/// The tiles of output maps, in rows. Row numbers run through all bundles.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tiles {
    /// Number of tiles in a row.
    pub(super) across: usize,
    /// Number of rows of tiles in a bundle.
    pub(super) down: usize,
    /// Number of rows of tiles in all bundles.
    pub(super) rows: usize,
}

/// One tile: its bundle, and its first row and column in the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) bundle: usize,
    pub(super) row: usize,
    pub(super) column: usize,
}

impl Tiles {
    pub(super) fn of(output: &Maps) -> Self {
        let down = output.height.div_ceil(OUTPUT_TILE);
        Self { across: output.width.div_ceil(OUTPUT_TILE), down, rows: output.bundles() * down }
    }

    /// Number of tiles.
    pub(super) fn count(&self) -> usize {
        self.rows * self.across
    }

    /// The tile with index `index`.
    pub(super) fn tile(&self, index: usize) -> Tile {
        let (row, column) = (index / self.across, index % self.across);
        Tile { bundle: row / self.down, row: row % self.down * OUTPUT_TILE, column: column * OUTPUT_TILE }
    }

    /// Bundle and output rows of one row of tiles.
    pub(super) fn output_rows(&self, row: usize, output: &Maps) -> (usize, Range<usize>) {
        let first = row % self.down * OUTPUT_TILE;
        (row / self.down, first..(first + OUTPUT_TILE).min(output.height))
    }
}

/// Of `T` positions that start at `start`, which may be negative: the range of those that lie within a side of
/// `length`.
pub(super) fn within<const T: usize>(start: isize, length: usize) -> Range<usize> {
    let first = (-start).clamp(0, T as isize) as usize;
    let end = (length as isize - start).clamp(first as isize, T as isize) as usize;
    first..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_within_a_side() {
        assert_eq!(within::<6>(-1, 8), 1..6);
        assert_eq!(within::<6>(3, 8), 0..5);
        assert_eq!(within::<6>(-2, 2), 2..4);
        assert_eq!(within::<4>(8, 8), 0..0);
    }

    #[test]
    fn rows_of_tiles_go_through_all_bundles() {
        let output = Maps::new(3, 6, 9, 20);
        let tiles = Tiles::of(&output);
        assert_eq!((tiles.across, tiles.down, tiles.rows, tiles.count()), (3, 2, 4, 12));
        assert_eq!(tiles.tile(11), Tile { bundle: 1, row: 4, column: 8 });
        assert_eq!(tiles.output_rows(3, &output), (1, 4..6));
    }
}
