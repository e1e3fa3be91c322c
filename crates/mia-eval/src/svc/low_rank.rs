//! Explicit coordinates in which a kernel of low numerical rank is a scalar product.
//!
//! An incomplete Cholesky factorisation with diagonal pivoting (Fine & Scheinberg 2001, section 4): after r steps the kernel
//! matrix is approximated by Z Zᵀ, Z of r columns, and the remainder is positive semidefinite, so that its diagonal
//! bounds every entry's error.

use super::{Kernel, Problem};

/// The greatest error of any entry of the kernel matrix.
const TOLERANCE: f64 = 1e-12;

/// Coordinates of the training points, and how to get those of others.
#[derive(Debug)]
pub(super) struct LowRank {
    /// `[points, rank]`, row-major.
    pub(super) rows: Vec<f64>,
    pub(super) rank: usize,
    pub(super) coordinates: Coordinates,
}

/// Maps a point to its coordinates.
#[derive(Debug, Clone)]
pub(super) struct Coordinates {
    /// The pivots, row-major.
    pivots: Vec<f64>,
    /// The pivots' own coordinates: lower triangular, `[rank, rank]`, row-major.
    factor: Vec<f64>,
}

/// Factorises the kernel matrix of the problem's points, or gives up where the rank exceeds `max_rank`.
pub(super) fn factorise(problem: &Problem, max_rank: usize) -> Option<LowRank> {
    let n = problem.len();
    let mut columns: Vec<Vec<f64>> = vec![];
    let mut chosen: Vec<usize> = vec![];
    // The radial kernel of a point with itself is 1.
    let mut remainder = vec![1.0_f64; n];
    loop {
        let pivot = (0..n).max_by(|&a, &b| remainder[a].total_cmp(&remainder[b]))?;
        if remainder[pivot] <= TOLERANCE {
            break;
        }
        if columns.len() == max_rank {
            return None;
        }
        let root = remainder[pivot].sqrt();
        let mut column: Vec<f64> =
            (0..n).map(|i| problem.kernel.eval(problem.point(i), problem.point(pivot))).collect();
        for earlier in &columns {
            let factor = earlier[pivot];
            column.iter_mut().zip(earlier).for_each(|(c, e)| *c -= factor * e);
        }
        for (c, r) in column.iter_mut().zip(&mut remainder) {
            *c /= root;
            *r -= *c * *c;
        }
        // Exactly, whatever the rounding: what was a pivot is not one again.
        column[pivot] = root;
        chosen.iter().for_each(|&p: &usize| column[p] = 0.0);
        remainder[pivot] = 0.0;
        chosen.push(pivot);
        columns.push(column);
    }
    let rank = columns.len();
    let row = |i: usize| columns.iter().map(move |column| column[i]);
    Some(LowRank {
        rows: (0..n).flat_map(row).collect(),
        rank,
        coordinates: Coordinates {
            pivots: chosen.iter().flat_map(|&p| problem.point(p)).copied().collect(),
            factor: chosen.iter().flat_map(|&p| row(p)).collect(),
        },
    })
}

impl Coordinates {
    /// The coordinates of one point, by forward substitution.
    pub(super) fn of(&self, kernel: Kernel, point: &[f64]) -> Vec<f64> {
        let rank = self.pivots.len() / kernel.dimension;
        let mut coordinates = Vec::with_capacity(rank);
        for (i, pivot) in self.pivots.chunks_exact(kernel.dimension).enumerate() {
            let row = &self.factor[i * rank..=i * rank + i];
            let known = super::dot(row, &coordinates);
            coordinates.push((kernel.eval(pivot, point) - known) / row[i]);
        }
        coordinates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(points: &[f64], dimension: usize) -> Problem {
        let members: Vec<bool> = (0..points.len() / dimension).map(|i| i % 2 == 0).collect();
        Problem::new(points, dimension, &members).unwrap()
    }

    #[test]
    fn products_of_coordinates_are_the_kernel() {
        // 300 points of one dimension over [0, 5], and 60 of two.
        for (count, dimension) in [(300, 1), (60, 2)] {
            let points: Vec<f64> = (0..count * dimension).map(|i| (i as f64 * 0.7).sin().abs() * 5.0).collect();
            let problem = problem(&points, dimension);
            let LowRank { rows, rank, coordinates } = factorise(&problem, 256).unwrap();
            assert!(rank < 60, "rank {rank} of {count}");
            for i in 0..problem.len() {
                let mapped = coordinates.of(problem.kernel, problem.point(i));
                for j in 0..problem.len() {
                    let exact = problem.kernel.eval(problem.point(i), problem.point(j));
                    let row = &rows[j * rank..(j + 1) * rank];
                    assert!((super::super::dot(&rows[i * rank..(i + 1) * rank], row) - exact).abs() < 2e-12);
                    assert!((super::super::dot(&mapped, row) - exact).abs() < 1e-9);
                }
            }
        }
    }

    #[test]
    fn gives_up_on_a_kernel_of_full_rank() {
        let points: Vec<f64> = (0..40).map(|i| f64::from(i) * 10.0).collect();
        assert!(factorise(&problem(&points, 1), 39).is_none());
        assert_eq!(factorise(&problem(&points, 1), 40).unwrap().rank, 40);
    }
}
