//! Windows of a map: the tokens of each, and what they have to do with each other.

#[derive(Debug, Clone)]
pub(super) struct Group {
    /// Pixels of the group's tokens.
    pub(super) pixels: Vec<usize>,
    /// For each token, the part of the map that it comes from. Tokens of different parts do not attend to each other.
    pub(super) parts: Option<Vec<(u8, u8)>>,
}

/// Square windows of a map of `[rows, columns]` pixels, row by row (arXiv 2103.14030, section 3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Rows and columns of the map. Both are multiples of the side.
    pub map: [usize; 2],
    /// Side of a window.
    pub side: usize,
    /// Number of rows and columns by which the windows are shifted, less than the side.
    pub shift: usize,
}

impl Windows {
    /// Tokens of each window, window by window, row by row.
    pub(super) fn groups(self) -> Vec<Group> {
        let Self { map: [rows, columns], side, shift } = self;
        let across = columns / side;
        // Parts of the shifted map: before the last window, in it, and in it but from beyond the border.
        let part = |position: usize, length: usize| match length - position {
            left if left <= shift => 2,
            left if left <= side => 1,
            _ => 0,
        };
        let window = |window: usize| {
            let places = (0..side * side)
                .map(|token| (window / across * side + token / side, window % across * side + token % side));
            let pixel = |(row, column)| (row + shift) % rows * columns + (column + shift) % columns;
            let parts = (shift > 0)
                .then(|| places.clone().map(|(row, column)| (part(row, rows), part(column, columns))).collect());
            Group { pixels: places.map(pixel).collect(), parts }
        };
        (0..rows / side * across).map(window).collect()
    }

    /// For each pair of tokens of a window, the place of their offset in a table: rows of offsets, row by row.
    pub(super) fn offsets(self) -> Vec<usize> {
        let side = self.side;
        let places = || (0..side * side).map(|token| (token / side, token % side));
        let of_pair = |(row, column): (usize, usize), (to_row, to_column): (usize, usize)| {
            (row + side - 1 - to_row) * (2 * side - 1) + column + side - 1 - to_column
        };
        places().flat_map(|from| places().map(move |to| of_pair(from, to))).collect()
    }

    /// Number of offsets between two tokens of a window.
    pub(super) fn offset_count(self) -> usize {
        (2 * self.side - 1) * (2 * self.side - 1)
    }
}
