//! Dot products of rows with each other and with vectors, summed in f64.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Rows of a tile of the Gram matrix. The rows of two tiles at [`DEPTH`] fit the second-level cache. A tile consists
/// of whole blocks.
const TILE: usize = 96;
/// Number of values of a row that are multiplied before the next rows are visited.
const DEPTH: usize = 256;
/// Number of rows of each of the two tiles whose products are in registers together.
const BLOCK: [usize; 2] = [4, 3];

/// The lower triangle, including the diagonal, of the matrix `[n, n]` of dot products of `rows` `[n, width]`. Values
/// above it are unspecified. Stops and returns `None` as soon as `stop` returns true.
pub(super) fn gram(rows: &[f32], width: usize, stop: impl Fn() -> bool + Sync) -> Option<Vec<f64>> {
    let n = rows.len() / width;
    let tiles = n.div_ceil(TILE);
    let pairs: Vec<_> = (0..tiles).flat_map(|i| (0..=i).map(move |j| (i * TILE, j * TILE))).collect();
    let range = |first: usize| first..(first + TILE).min(n);
    let of_pair = |&(i, j): &(usize, usize)| {
        let tile = |first| &rows[range(first).start * width..range(first).end * width];
        (!stop()).then(|| products(tile(i), tile(j), width))
    };
    let products: Vec<_> = pairs.par_iter().map(of_pair).collect::<Option<_>>()?;
    let mut matrix = vec![0.0; n * n];
    for ((i, j), products) in pairs.into_iter().zip(products) {
        for (row, products) in range(i).zip(products.chunks_exact(TILE)) {
            matrix[row * n..][range(j)].copy_from_slice(&products[..range(j).len()]);
        }
    }
    Some(matrix)
}

/// Dot products `[TILE, TILE]` of every row of `a` with every row of `b`. Each has at most `TILE` rows.
fn products(a: &[f32], b: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; TILE * TILE];
    let [mut doubled_a, mut doubled_b] = [(); 2].map(|()| vec![0.0; TILE * DEPTH]);
    for start in (0..width).step_by(DEPTH) {
        let depth = start..(start + DEPTH).min(width);
        for (doubled, rows) in [(&mut doubled_a, a), (&mut doubled_b, b)] {
            Arch::new().dispatch(Double { rows, width, depth: depth.clone(), doubled });
        }
        let used = [a.len() / width, b.len() / width];
        Arch::new().dispatch(AddProducts { a: &doubled_a, b: &doubled_b, used, sums: &mut sums });
    }
    sums
}

/// Writes the values at `depth` of rows of `width` as `[TILE, DEPTH]`, padded with zeros.
struct Double<'a> {
    rows: &'a [f32],
    width: usize,
    depth: Range<usize>,
    doubled: &'a mut [f64],
}

impl WithSimd for Double<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (doubled, row) in self.doubled.chunks_exact_mut(DEPTH).zip(self.rows.chunks_exact(self.width)) {
            let (values, rest) = doubled.split_at_mut(self.depth.len());
            values.iter_mut().zip(&row[self.depth.clone()]).for_each(|(to, from)| *to = f64::from(*from));
            rest.fill(0.0);
        }
    }
}

/// Adds to `sums` `[TILE, TILE]` the products of rows `[TILE, DEPTH]`.
struct AddProducts<'a> {
    a: &'a [f64],
    b: &'a [f64],
    used: [usize; 2],
    sums: &'a mut [f64],
}

impl WithSimd for AddProducts<'_> {
    type Output = ();

    #[expect(clippy::inline_always, reason = "only inlined code is compiled for the dispatched instruction set")]
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        for i in (0..self.used[0]).step_by(BLOCK[0]) {
            let a = |row: usize| S::as_simd_f64s(&self.a[(i + row) * DEPTH..][..DEPTH]).0;
            let (a0, a1, a2, a3) = (a(0), a(1), a(2), a(3));
            for j in (0..self.used[1]).step_by(BLOCK[1]) {
                let b = |row: usize| S::as_simd_f64s(&self.b[(j + row) * DEPTH..][..DEPTH]).0;
                let (b0, b1, b2) = (b(0), b(1), b(2));
                let mut sums = [[simd.splat_f64s(0.0); BLOCK[1]]; BLOCK[0]];
                for ((((((a0, a1), a2), a3), b0), b1), b2) in a0.iter().zip(a1).zip(a2).zip(a3).zip(b0).zip(b1).zip(b2)
                {
                    let (a, b) = ([*a0, *a1, *a2, *a3], [*b0, *b1, *b2]);
                    for i in 0..BLOCK[0] {
                        for j in 0..BLOCK[1] {
                            sums[i][j] = simd.mul_add_e_f64s(a[i], b[j], sums[i][j]);
                        }
                    }
                }
                for (row, sums) in sums.into_iter().enumerate() {
                    for (sum, product) in self.sums[(i + row) * TILE + j..].iter_mut().zip(sums) {
                        *sum += simd.reduce_sum_f64s(product);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_size_the_lower_triangle_holds_all_dot_products() {
        for (n, width) in [(1, 1), (5, 7), (98, 259), (193, 512)] {
            let rows: Vec<f32> =
                (0..n * width).map(|i| ((i * 7919 + i * i / 11) % 1000) as f32 / 500.0 - 1.0).collect();
            let matrix = gram(&rows, width, || false).unwrap();
            let row = |i: usize| &rows[i * width..][..width];
            for i in 0..n {
                for j in 0..=i {
                    let products = row(i).iter().zip(row(j)).map(|(a, b)| f64::from(*a) * f64::from(*b));
                    let (sum, size) = products.fold((0.0, 0.0), |(sum, size), p: f64| (sum + p, size + p.abs()));
                    assert!((matrix[i * n + j] - sum).abs() <= 1e-13 * size, "{i}, {j} of {n}");
                }
            }
        }
    }

    #[test]
    fn it_stops_when_told_to() {
        assert_eq!(gram(&[1.0; 4], 2, || true), None);
    }
}
