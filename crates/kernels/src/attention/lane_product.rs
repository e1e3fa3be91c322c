//! Products of matrices whose entries are the samples of a bundle: each lane has matrices of its own.

use pulp::Simd;

use crate::{
    LANES,
    conv::even_blocks,
    simd::{self, BundleKernel},
};

/// A matrix of entries of [`LANES`] values each.
#[derive(Clone, Copy)]
pub(super) struct Entries<'a> {
    pub(super) values: &'a [f32],
    /// Distance from one row (of the left matrix) or column (of the right one) to the next, and from one term of a
    /// sum to the next, in entries.
    pub(super) strides: [usize; 2],
}

impl Entries<'_> {
    /// Whether the matrix has `count` rows or columns and `terms` terms.
    fn holds(&self, count: usize, terms: usize) -> bool {
        let last = count.saturating_sub(1) * self.strides[0] + terms.saturating_sub(1) * self.strides[1];
        (last + 1) * LANES <= self.values.len()
    }
}

/// out\[row\]\[column\] = Σ over terms of left\[row\]\[term\] · right\[column\]\[term\]. The terms are added in order.
pub(super) struct LaneProduct<'a> {
    /// Number of rows, of columns and of terms.
    pub(super) size: [usize; 3],
    pub(super) left: Entries<'a>,
    pub(super) right: Entries<'a>,
    /// `[rows, columns, LANES]`, overwritten.
    pub(super) out: &'a mut [f32],
}

impl BundleKernel for LaneProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd, const V: usize>(self, simd: S) {
        let Self { size: [rows, columns, terms], left, right, out } = self;
        assert!(left.holds(rows, terms) && right.holds(columns, terms), "matrices for {rows}×{columns}×{terms}");
        assert!(out.len() >= rows * columns * LANES, "{} values for {rows}×{columns} entries", out.len());
        let row_blocks = even_blocks(rows, const { simd::product_tile::<S>().0 });
        for column_block in even_blocks(columns, const { simd::product_tile::<S>().1 }) {
            for row_block in &row_blocks {
                let (first_row, first_column) = (row_block.start, column_block.start);
                for v in 0..V {
                    let tile = Tile {
                        left: left.values[first_row * left.strides[0] * LANES + v * S::F32_LANES..].as_ptr(),
                        right: right.values[first_column * right.strides[0] * LANES + v * S::F32_LANES..].as_ptr(),
                        out: out[(first_row * columns + first_column) * LANES + v * S::F32_LANES..].as_mut_ptr(),
                        strides: [left.strides.map(|s| s * LANES), right.strides.map(|s| s * LANES)],
                        row: columns * LANES,
                        terms,
                    };
                    // SAFETY: the assertions above hold the last entry that any tile reads or writes, and a tile's
                    // entries lie between its first and that one.
                    unsafe { tile.run(simd, (row_block.len(), column_block.len())) };
                }
            }
        }
    }
}

/// Some rows and columns, of one of a bundle's registers.
struct Tile {
    left: *const f32,
    right: *const f32,
    out: *mut f32,
    /// Strides of both matrices, in values.
    strides: [[usize; 2]; 2],
    /// Distance from one row of the output to the next, in values.
    row: usize,
    terms: usize,
}

impl Tile {
    /// # Safety
    /// Every entry of the tile is valid, for reading in both matrices and for writing in the output.
    #[inline(always)]
    unsafe fn run<S: Simd>(&self, simd: S, size: (usize, usize)) {
        macro_rules! sizes {
            ($($rows:literal: $($columns:literal)+;)+) => {
                match size {
                    // SAFETY: guaranteed by the caller.
                    $($(($rows, $columns) if const {
                        $rows <= simd::product_tile::<S>().0 && $columns <= simd::product_tile::<S>().1
                    } => unsafe {
                        self.sums::<S, $rows, $columns>(simd);
                    },)+)+
                    _ => unreachable!("tiles have at most four rows and six columns"),
                }
            };
        }
        sizes! { 1: 1 2 3 4 5 6; 2: 1 2 3 4 5 6; 3: 1 2 3 4 5 6; 4: 1 2 3 4 5 6; }
    }

    /// # Safety
    /// As [`Tile::run`].
    #[inline(always)]
    unsafe fn sums<S: Simd, const R: usize, const C: usize>(&self, simd: S) {
        let [[left_row, left_term], [right_column, right_term]] = self.strides;
        let mut sums = [[simd.splat_f32s(0.0); C]; R];
        let (mut left, mut right) = (self.left, self.right);
        for _ in 0..self.terms {
            let mut of_row = [simd.splat_f32s(0.0); R];
            for (r, value) in of_row.iter_mut().enumerate() {
                // SAFETY: guaranteed by the caller.
                *value = unsafe { simd::load(simd, left.wrapping_add(r * left_row)) };
            }
            let mut of_column = [simd.splat_f32s(0.0); C];
            for (c, value) in of_column.iter_mut().enumerate() {
                // SAFETY: guaranteed by the caller.
                *value = unsafe { simd::load(simd, right.wrapping_add(c * right_column)) };
            }
            for (sums, of_row) in sums.iter_mut().zip(&of_row) {
                for (sum, of_column) in sums.iter_mut().zip(&of_column) {
                    *sum = simd.mul_add_f32s(*of_row, *of_column, *sum);
                }
            }
            (left, right) = (left.wrapping_add(left_term), right.wrapping_add(right_term));
        }
        for (r, sums) in sums.iter().enumerate() {
            for (c, sum) in sums.iter().enumerate() {
                // SAFETY: guaranteed by the caller.
                unsafe { simd::store(simd, self.out.wrapping_add(r * self.row + c * LANES), *sum) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        simd::dispatch_bundle,
        testing::{noise, on_every_instruction_set},
    };

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.min(64)))]
        #[test]
        fn each_lane_has_its_own_product(
            rows in 1usize..11, columns in 1usize..15, terms in 1usize..9, left_turned: bool, right_turned: bool,
        ) {
            let (a, b) = (noise(rows * terms * LANES, 3), noise(columns * terms * LANES, 5));
            let left = Entries { values: &a, strides: if left_turned { [1, rows] } else { [terms, 1] } };
            let right = Entries { values: &b, strides: if right_turned { [1, columns] } else { [terms, 1] } };
            let at = |of: &Entries<'_>, index, term, lane| {
                f64::from(of.values[(index * of.strides[0] + term * of.strides[1]) * LANES + lane])
            };
            on_every_instruction_set(|| {
                let mut out = vec![f32::NAN; rows * columns * LANES];
                dispatch_bundle(LaneProduct { size: [rows, columns, terms], left, right, out: &mut out });
                for (index, found) in out.iter().enumerate() {
                    let (entry, lane) = (index / LANES, index % LANES);
                    let (row, column) = (entry / columns, entry % columns);
                    let expected: f64 =
                        (0..terms).map(|term| at(&left, row, term, lane) * at(&right, column, term, lane)).sum();
                    assert!((f64::from(*found) - expected).abs() < 1e-6 * terms as f64, "{row} {column} {lane}");
                }
            });
        }
    }
}
