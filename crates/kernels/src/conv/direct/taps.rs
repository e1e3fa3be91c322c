//! The source pixels that contribute to a target pixel, and their weights.

use std::ops::Range;

use crate::{ConvShape, Maps};

/// Kernel positions `k` of output position `out` that lie inside a side of `length`:
/// `0 ≤ out·stride + k − padding < length`.
pub(super) fn inside(shape: &ConvShape, length: usize, out: usize) -> Range<usize> {
    let start = out * shape.stride;
    let first = shape.padding.saturating_sub(start);
    let last = (length + shape.padding).saturating_sub(start).min(shape.kernel);
    first.min(last)..last
}

/// Output positions, out of `out_length`, for which kernel position `k` lies inside a side of `length`.
pub(super) fn meeting(shape: &ConvShape, length: usize, out_length: usize, k: usize) -> Range<usize> {
    let first = shape.padding.saturating_sub(k).div_ceil(shape.stride);
    let end = (length + shape.padding).saturating_sub(k).div_ceil(shape.stride).min(out_length);
    first.min(end)..end
}

/// A source row and the kernel row that multiplies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowTap {
    pub(super) source: usize,
    pub(super) kernel_row: usize,
}

/// Neighbouring source columns and the neighbouring packed kernel columns that multiply them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ColumnTaps {
    pub(super) source: usize,
    pub(super) packed: usize,
    pub(super) count: usize,
}

impl ColumnTaps {
    const NONE: Self = Self { source: 0, packed: 0, count: 0 };
}

/// Target columns that read through the same packed kernel columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AlikeColumns {
    /// The first packed kernel column.
    pub(super) packed: usize,
    /// Number of kernel columns.
    pub(super) count: usize,
    /// Each target column with its first source column.
    pub(super) columns: Vec<(usize, usize)>,
}

/// The taps for every row and every column of a target map.
#[derive(Debug)]
pub(super) struct Taps {
    /// Taps of each target row.
    pub(super) rows: Vec<Vec<RowTap>>,
    /// The target columns, in groups that read through the same kernel columns.
    pub(super) alike_columns: Vec<AlikeColumns>,
    /// Whether the kernel adds to the target instead of overwriting it.
    pub(super) accumulate: bool,
}

impl Taps {
    /// Source rows that these target rows read, from the first to the last. Target rows past the end read none.
    pub(super) fn sources(&self, rows: &Range<usize>) -> Range<usize> {
        let sources = self.rows.get(rows.clone()).unwrap_or_default().iter().flatten().map(|tap| tap.source);
        let end = sources.clone().max().map_or(0, |last| last + 1);
        sources.min().unwrap_or(0)..end
    }

    /// Cuts a range of target rows into ranges that read through the same kernel rows.
    pub(super) fn alike(&self, rows: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let same = |a: &Vec<RowTap>, b: &Vec<RowTap>| {
            a.iter().map(|tap| tap.kernel_row).eq(b.iter().map(|tap| tap.kernel_row))
        };
        let mut start = rows.start;
        self.rows[rows].chunk_by(same).map(move |alike| {
            start += alike.len();
            start - alike.len()..start
        })
    }

    fn new(rows: Vec<Vec<RowTap>>, columns: impl Iterator<Item = ColumnTaps>) -> Self {
        let mut alike_columns: Vec<AlikeColumns> = vec![];
        for (column, ColumnTaps { source, packed, count }) in columns.enumerate() {
            match alike_columns.iter_mut().find(|alike| (alike.packed, alike.count) == (packed, count)) {
                Some(alike) => alike.columns.push((column, source)),
                None => alike_columns.push(AlikeColumns { packed, count, columns: vec![(column, source)] }),
            }
        }
        Self { rows, alike_columns, accumulate: false }
    }

    /// Taps of the forward pass: the target is the output, the source is the input.
    pub(super) fn forward(shape: &ConvShape, input: &Maps, output: &Maps) -> Self {
        let rows = (0..output.height).map(|out| {
            let taps = inside(shape, input.height, out);
            taps.map(|k| RowTap { source: out * shape.stride + k - shape.padding, kernel_row: k }).collect()
        });
        let columns = (0..output.width).map(|out| {
            let taps = inside(shape, input.width, out);
            if taps.is_empty() {
                return ColumnTaps::NONE;
            }
            let source = out * shape.stride + taps.start - shape.padding;
            ColumnTaps { source, packed: taps.start, count: taps.len() }
        });
        Self::new(rows.collect(), columns)
    }

    /// Taps of the input gradient: the target is the input's gradient, the source is the output's gradient.
    pub(super) fn transposed(shape: &ConvShape, input: &Maps, output: &Maps) -> Self {
        let ConvShape { kernel, stride, padding, .. } = *shape;
        let column_order = transposed_columns(shape);
        // Outputs that read input position `i`, ascending, each with its kernel position.
        let seen_by = |i: usize, out_length: usize| {
            let first = (i + padding + 1).saturating_sub(kernel).div_ceil(stride);
            let end = ((i + padding) / stride + 1).min(out_length);
            (first..end).map(move |o| (o, i + padding - o * stride))
        };
        let rows = (0..input.height).map(|i| {
            let taps = seen_by(i, output.height);
            taps.map(|(source, kernel_row)| RowTap { source, kernel_row }).collect()
        });
        let columns = (0..input.width).map(|i| {
            let mut taps = seen_by(i, output.width);
            let count = taps.clone().count();
            match taps.next() {
                Some((source, k)) => {
                    let packed = column_order.iter().position(|&column| column == k).expect("every column is packed");
                    ColumnTaps { source, packed, count }
                }
                None => ColumnTaps::NONE,
            }
        });
        Self::new(rows.collect(), columns)
    }
}

/// The order of kernel columns in weights that are packed for the input gradient.
///
/// Input position `i` contributes to output `o` through `k = i + padding − o·stride`. Positions with the same phase
/// `(i + padding) mod stride` use the same kernel positions, which descend while `o` ascends. The columns are
/// therefore packed phase by phase, in descending order, so that the taps of a pixel are neighbours.
pub(super) fn transposed_columns(shape: &ConvShape) -> Vec<usize> {
    let of_phase = |phase| (0..shape.kernel).filter(move |k| k % shape.stride == phase).rev();
    (0..shape.stride).flat_map(of_phase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_inside_and_outputs_meeting_are_two_views_of_one_relation() {
        for (kernel, stride, padding, length) in [(3, 1, 1, 5), (3, 2, 1, 6), (1, 2, 0, 5), (5, 3, 2, 4), (7, 1, 3, 2)]
        {
            let shape = ConvShape { in_channels: 1, out_channels: 1, kernel, stride, padding, groups: 1 };
            let out_length = (length + 2 * padding - kernel) / stride + 1;
            for out in 0..out_length {
                for k in 0..kernel {
                    let position = out * stride + k;
                    let is_inside = (padding..length + padding).contains(&position);
                    assert_eq!(inside(&shape, length, out).contains(&k), is_inside, "{shape:?} {out} {k}");
                    assert_eq!(meeting(&shape, length, out_length, k).contains(&out), is_inside);
                }
            }
        }
    }

    #[test]
    fn stride_two_alternates_between_phases() {
        let shape = ConvShape { in_channels: 1, out_channels: 1, kernel: 3, stride: 2, padding: 1, groups: 1 };
        let input = Maps::new(1, 4, 4, 1);
        let taps = Taps::transposed(&shape, &input, &shape.output(&input));
        assert_eq!(transposed_columns(&shape), [2, 0, 1]);
        // Output 0 reads column 0 through kernel column 1. Outputs 0 and 1 read column 1 through kernel columns 2 and
        // 0.
        // Column 3 reads output 1 alone, because there is no output 2.
        let alike = |packed, count, columns| AlikeColumns { packed, count, columns };
        let columns = [alike(2, 1, vec![(0, 0), (2, 1)]), alike(0, 2, vec![(1, 0)]), alike(0, 1, vec![(3, 1)])];
        assert_eq!(taps.alike_columns, columns);
        assert_eq!(taps.alike(1..4).collect::<Vec<_>>(), [1..2, 2..3, 3..4]);
    }
}
