//! Sums of kernels to known bounds, at a fraction of the time: from few points in place of all support vectors.
//!
//! The kernel of points in a bounded region is very smooth, so the feature maps of all points lie almost in the span of those
//! of a few, the pivots. A Cholesky factorisation that takes the point with the greatest remainder first (Fine & Scheinberg
//! 2001) finds them. The kernel is then g·g′ and a remainder. By the inequality of Cauchy and Schwarz, the remainder of two
//! points is at most √(δδ′), where δ = 1 − ‖g‖². So every sum comes with a bound of its error, and the few sums for which the
//! bound does not decide can be computed in full.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::lanes::{Columns, TILE};

/// Largest number of pivots.
const PIVOTS: usize = 192;

/// A remainder of this size makes bounds so small that no further pivot is worth its time.
const REMAINDER: f64 = 1e-7;

/// Added to remainders for rounding.
const ROUNDING: f64 = 1e-12;

/// The pivots, and the factor of their kernel.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    pivots: Columns,
    /// Row k holds columns 0 to k of the lower triangular factor, with the reciprocal of the diagonal entry.
    factor: Vec<Vec<f64>>,
}

/// Points in the coordinates of a sketch.
pub(super) struct Coordinates {
    /// `[tiles, pivots, TILE]`.
    values: Vec<[f64; TILE]>,
    /// √δ of every point.
    remainders: Vec<f64>,
    pivots: usize,
}

/// A sum of kernels in the coordinates of a sketch.
#[derive(Debug, Clone)]
pub(super) struct Sum {
    weights: Vec<f64>,
    /// Σ |coefficient| √δ.
    remainder: f64,
}

/// An approximate value, and the bound of its error.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) value: f64,
    pub(super) within: f64,
}

impl Sketch {
    /// Chooses pivots among `points`, `[rows, dimension]`.
    pub(super) fn new(points: &[f64], dimension: usize) -> Self {
        let columns = Columns::new(points, dimension);
        let row = |i: usize| &points[i * dimension..(i + 1) * dimension];
        let len = points.len() / dimension;
        let mut remainders = vec![1.0_f64; len];
        // The factor's columns on all points.
        let mut found: Vec<Vec<f64>> = vec![];
        let mut chosen: Vec<usize> = vec![];
        while chosen.len() < PIVOTS.min(len) {
            let next = (0..len).max_by(|&a, &b| remainders[a].total_cmp(&remainders[b])).unwrap_or(0);
            if remainders[next] < REMAINDER {
                break;
            }
            let mut column = columns.kernels(row(next));
            let known: Vec<f64> = found.iter().map(|column| column[next]).collect();
            Arch::new().dispatch(Eliminate { found: &found, known: &known, column: &mut column });
            let diagonal = remainders[next].sqrt();
            for (value, remainder) in column.iter_mut().zip(&mut remainders) {
                *value /= diagonal;
                *remainder -= *value * *value;
            }
            remainders[next] = 0.0;
            chosen.push(next);
            found.push(column);
        }
        let factor = chosen.iter().enumerate().map(|(k, &pivot)| {
            let mut row: Vec<f64> = found[..=k].iter().map(|column| column[pivot]).collect();
            row[k] = row[k].recip();
            row
        });
        let pivots: Vec<f64> = chosen.iter().flat_map(|&i| row(i)).copied().collect();
        Self { factor: factor.collect(), pivots: Columns::new(&pivots, dimension) }
    }

    /// The coordinates of points, `[rows, dimension]`.
    pub(super) fn coordinates(&self, points: &[f64], dimension: usize) -> Coordinates {
        let (pivots, rows) = (self.factor.len(), points.len() / dimension);
        let mut values = vec![[0.0; TILE]; rows.div_ceil(TILE) * pivots];
        let mut remainders = vec![0.0; rows];
        let parts = values.par_chunks_mut(pivots).zip(remainders.par_chunks_mut(TILE));
        parts.zip(points.par_chunks(TILE * dimension)).for_each(|((values, remainders), points)| {
            for (lane, point) in points.chunks_exact(dimension).enumerate() {
                for (value, kernel) in values.iter_mut().zip(self.pivots.kernels(point)) {
                    value[lane] = kernel;
                }
            }
            let squares = Arch::new().dispatch(Solve { factor: &self.factor, values });
            for (remainder, square) in remainders.iter_mut().zip(squares) {
                *remainder = ((1.0 - square).max(0.0) + ROUNDING).sqrt();
            }
        });
        Coordinates { values, remainders, pivots }
    }
}

impl Coordinates {
    /// Σ coefficientⱼ · kernel(pointⱼ, ·).
    pub(super) fn sum(&self, coefficients: &[f64]) -> Sum {
        let weights = Arch::new().dispatch(Weights { of: self, coefficients });
        let remainder = coefficients.iter().zip(&self.remainders).map(|(c, remainder)| c.abs() * remainder).sum();
        Sum { weights, remainder }
    }

    /// A sum's values at these points.
    pub(super) fn values(&self, sum: &Sum) -> Vec<About> {
        let mut values = Arch::new().dispatch(Values { of: self, weights: &sum.weights });
        values.truncate(self.remainders.len());
        let about = |(value, remainder): (f64, &f64)| About { value, within: remainder * sum.remainder };
        values.into_iter().zip(&self.remainders).map(about).collect()
    }
}

struct Eliminate<'a> {
    found: &'a [Vec<f64>],
    known: &'a [f64],
    column: &'a mut [f64],
}

impl WithSimd for Eliminate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (found, known) in self.found.iter().zip(self.known) {
            for (value, found) in self.column.iter_mut().zip(found) {
                *value -= known * found;
            }
        }
    }
}

struct Solve<'a> {
    factor: &'a [Vec<f64>],
    values: &'a mut [[f64; TILE]],
}

impl WithSimd for Solve<'_> {
    /// The sum of squares of every point.
    type Output = [f64; TILE];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> [f64; TILE] {
        let mut squares = [0.0; TILE];
        for (k, row) in self.factor.iter().enumerate() {
            let (known, rest) = self.values.split_at_mut(k);
            let mut value = rest[0];
            for (known, factor) in known.iter().zip(row) {
                for i in 0..TILE {
                    value[i] -= known[i] * factor;
                }
            }
            for i in 0..TILE {
                value[i] *= row[k];
                squares[i] += value[i] * value[i];
            }
            rest[0] = value;
        }
        squares
    }
}

struct Weights<'a> {
    of: &'a Coordinates,
    coefficients: &'a [f64],
}

impl WithSimd for Weights<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut sums = vec![[0.0; 8]; self.of.pivots];
        for (tile, coefficients) in self.of.values.chunks(self.of.pivots).zip(self.coefficients.chunks(TILE)) {
            let mut filled = [0.0; TILE];
            filled[..coefficients.len()].copy_from_slice(coefficients);
            for (sums, values) in sums.iter_mut().zip(tile) {
                for i in 0..8 {
                    let [a, b, c, d] = [0, 8, 16, 24].map(|from| values[from + i] * filled[from + i]);
                    sums[i] += (a + b) + (c + d);
                }
            }
        }
        sums.iter().map(|sums| sums.iter().sum()).collect()
    }
}

struct Values<'a> {
    of: &'a Coordinates,
    weights: &'a [f64],
}

impl WithSimd for Values<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut results = Vec::with_capacity(self.of.remainders.len() + TILE);
        for tile in self.of.values.chunks(self.of.pivots) {
            let mut sums = [0.0; TILE];
            for (values, weight) in tile.iter().zip(self.weights) {
                for i in 0..TILE {
                    sums[i] += values[i] * weight;
                }
            }
            results.extend_from_slice(&sums);
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_within_their_bounds_even_far_from_the_pivots() {
        let wave = |i: usize, c: usize| ((i * (3 * c + 7)) as f64 * 0.618).sin();
        // Three coordinates in −1..1. The last points lie apart.
        let points: Vec<f64> = (0..500).flat_map(|i| (0..3).map(move |c| (i, c))).map(|(i, c)| wave(i, c)).collect();
        let far: Vec<f64> = (0..40).flat_map(|i| (0..3).map(move |c| wave(i, c) * (1.0 + i as f64 / 4.0))).collect();
        let coefficients: Vec<f64> = (0..500).map(|i| if i % 3 == 0 { 3.0 } else { -1.5 }).collect();
        let sketch = Sketch::new(&points[..600], 3);
        let sum = sketch.coordinates(&points, 3).sum(&coefficients);
        for (at, tight) in [(&points, true), (&far, false)] {
            let exact = Columns::new(&points, 3).expansions(&coefficients, at);
            let about = sketch.coordinates(at, 3).values(&sum);
            assert_eq!(about.len(), exact.len());
            for (About { value, within }, exact) in about.into_iter().zip(exact) {
                assert!((value - exact).abs() <= within, "{value} {exact} {within}");
                assert!(!tight || within < 0.1, "{within}");
            }
        }
        // Of a point's kernel with itself, the whole remainder is missing: the bound is reached.
        let far = sketch.coordinates(&far, 3);
        for i in 0..40 {
            let mut one = vec![0.0; 40];
            one[i] = 1.0;
            let About { value, within } = far.values(&far.sum(&one))[i];
            assert!((value - 1.0).abs() <= within && within < (value - 1.0).abs() + 1e-11, "{value} {within}");
        }
    }
}
