//! Products of rows with each other and with vectors, summed in f64.

use rayon::prelude::*;

/// Rows of a tile of the Gram matrix: those of two tiles at [`DEPTH`] fit the second-level cache.
const TILE: usize = 96;
/// Values of a row that are multiplied before the next rows' turn.
const DEPTH: usize = 256;
/// Rows of one tile, and of the other, whose products are in registers together.
const BLOCK: [usize; 2] = [4, 3];
/// Values of a register.
const LANES: usize = 4;

/// The lower triangle, diagonal included, of the matrix `[n, n]` of dot products of `rows` `[n, width]`; above it is
/// nonsense. Stops, and gives nothing, once `stop` holds.
pub(super) fn gram(rows: &[f32], width: usize, stop: impl Fn() -> bool + Sync) -> Option<Vec<f64>> {
    let n = rows.len() / width;
    let tiles = n.div_ceil(TILE);
    let pairs: Vec<_> = (0..tiles).flat_map(|i| (0..=i).map(move |j| (i * TILE, j * TILE))).collect();
    let range = |first: usize| first..(first + TILE).min(n);
    let products: Vec<_> = pairs
        .par_iter()
        .map(|&(i, j)| {
            let tile = |first| &rows[range(first).start * width..range(first).end * width];
            (!stop()).then(|| products(tile(i), tile(j), width))
        })
        .collect::<Option<_>>()?;
    let mut matrix = vec![0.0; n * n];
    for ((i, j), products) in pairs.into_iter().zip(products) {
        for (row, products) in range(i).zip(products.chunks_exact(range(j).len())) {
            matrix[row * n..][range(j)].copy_from_slice(products);
        }
    }
    Some(matrix)
}

/// Dot products of every row of `a` with every row of `b`.
fn products(a: &[f32], b: &[f32], width: usize) -> Vec<f64> {
    let columns = b.len() / width;
    let mut sums = vec![0.0; a.len() / width * columns];
    pulp::Arch::new().dispatch(|| {
        for start in (0..width).step_by(DEPTH) {
            let depth = start..(start + DEPTH).min(width);
            for (a, sums) in a.chunks(BLOCK[0] * width).zip(sums.chunks_mut(BLOCK[0] * columns)) {
                let mut doubled = [[0.0; DEPTH]; BLOCK[0]];
                for (doubled, row) in doubled.iter_mut().zip(a.chunks_exact(width)) {
                    doubled.iter_mut().zip(&row[depth.clone()]).for_each(|(to, from)| *to = f64::from(*from));
                }
                for (number, b) in b.chunks(BLOCK[1] * width).enumerate() {
                    // A block at the edge takes its last row more than once, and drops what that gives.
                    let last = b.len() / width - 1;
                    let row = |j: usize| &b[j.min(last) * width..][depth.clone()];
                    let block = block(&doubled, std::array::from_fn(row));
                    for (sums, block) in sums.chunks_exact_mut(columns).zip(block) {
                        let sums = &mut sums[number * BLOCK[1]..];
                        sums.iter_mut().zip(block).for_each(|(sum, product)| *sum += product);
                    }
                }
            }
        }
    });
    sums
}

/// Products of the rows of `a`, zero past the length of those of `b`, with these.
#[expect(clippy::inline_always, reason = "only what is inlined into a dispatched function gets its instructions")]
#[inline(always)]
fn block(a: &[[f64; DEPTH]; BLOCK[0]], b: [&[f32]; BLOCK[1]]) -> [[f64; BLOCK[1]]; BLOCK[0]] {
    let a_lanes = a.each_ref().map(|row| row.as_chunks::<LANES>().0);
    let b_lanes = b.map(|row| row.as_chunks::<LANES>());
    let mut sums = [[[0.0; LANES]; BLOCK[1]]; BLOCK[0]];
    let places = b_lanes[0].0.len();
    for place in 0..places {
        let b = b_lanes.map(|(chunks, _)| chunks[place].map(f64::from));
        for (sums, a) in sums.iter_mut().zip(&a_lanes) {
            let a = &a[place];
            for (sums, b) in sums.iter_mut().zip(&b) {
                for lane in 0..LANES {
                    sums[lane] += a[lane] * b[lane];
                }
            }
        }
    }
    std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let rest = a[i][places * LANES..].iter().zip(b_lanes[j].1).map(|(a, b)| a * f64::from(*b));
            sums[i][j].iter().sum::<f64>() + rest.sum::<f64>()
        })
    })
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
