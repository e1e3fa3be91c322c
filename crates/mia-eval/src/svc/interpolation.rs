//! Explicit coordinates in which the kernel of one-dimensional points is a scalar product.
//!
//! exp(−(x − x′)²) is very smooth. Interpolation between the 16 nodes around x, on a grid of spacing 0.1, gives its
//! values to about 10⁻¹². So the kernel matrix is W K Wᵀ, where W has 16 entries per row and K is the kernel of the
//! nodes. The kernel vanishes over a distance of 55 nodes, so K is banded, and so is its Cholesky factor G with K = G
//! Gᵀ. The coordinates are the rows of Z = W G. Neither Z nor any other matrix of size points × nodes is ever formed,
//! so the time is linear in both.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::Kernel;
use super::banded::Banded;

/// Number of nodes that a value is interpolated from.
const WINDOW: usize = 16;

/// Distance between neighbouring nodes. The interpolation error of the kernel is then below 10⁻¹².
const SPACING: f64 = 0.1;

/// The kernel of nodes with a larger distance is zero: exp(−5.5²) < 10⁻¹³.
const REACH: usize = 55;

/// Added to the diagonal of K, which is singular to rounding.
const JITTER: f64 = 1e-12;

/// Limits on the number of nodes. Up to the first number, a grid is always used. Above, it may have as many nodes as
/// there are points, up to the second number.
const MAX_NODES: [usize; 2] = [512, 16_384];

/// One-dimensional points, ascending, interpolated from a grid.
#[derive(Debug)]
pub(super) struct Interpolation {
    /// Positions of the nodes, ascending. Parts of the grid without points are left out.
    pub(super) nodes: Vec<f64>,
    /// For each point, the weights of its first node and of the following ones. They sum to one.
    stencils: Vec<[f64; WINDOW]>,
    /// The first node of all points of a run, and the end of the run. Points with equal first nodes are one run.
    runs: Vec<(usize, usize)>,
    /// G, `[nodes, nodes]`.
    factor: Banded,
}

impl Interpolation {
    /// Builds the coordinates of `points`, which must ascend. Returns `None` if they are spread too widely.
    pub(super) fn new(points: &[f64]) -> Option<Self> {
        let origin = *points.first()?;
        let limit = points.len().clamp(MAX_NODES[0], MAX_NODES[1]);
        let mut grid: Vec<i64> = vec![];
        let mut stencils = Vec::with_capacity(points.len());
        let mut runs: Vec<(usize, usize)> = vec![];
        for point in points {
            let at = (point - origin) / SPACING;
            let first = at.floor() as i64 - (WINDOW as i64 / 2 - 1);
            let next = grid.last().map_or(first, |last| first.max(last + 1));
            grid.extend(next..first.saturating_add(WINDOW as i64));
            if grid.len() > limit {
                return None;
            }
            stencils.push(stencil(at - first as f64));
            let first = grid.len() - WINDOW;
            match runs.last_mut() {
                Some((last, end)) if *last == first => *end = stencils.len(),
                _ => runs.push((first, stencils.len())),
            }
        }
        let nodes: Vec<f64> = grid.iter().map(|&k| origin + SPACING * k as f64).collect();
        let factor = factorise(&nodes)?;
        Some(Self { nodes, stencils, runs, factor })
    }

    /// The coordinates of some points alone, given by their numbers, ascending.
    pub(super) fn of(&self, rows: &[usize]) -> Self {
        let mut runs: Vec<(usize, usize)> = vec![];
        let mut start = 0;
        for &(first, end) in &self.runs {
            let stop = start + rows[start..].partition_point(|row| *row < end);
            if stop > start {
                runs.push((first, stop));
            }
            start = stop;
        }
        let stencils = rows.iter().map(|&row| self.stencils[row]).collect();
        Self { nodes: self.nodes.clone(), stencils, runs, factor: self.factor.clone() }
    }

    /// Interpolates values at the nodes to every point.
    pub(super) fn interpolate(&self, values: &[f64]) -> Vec<f64> {
        Arch::new().dispatch(Interpolate { points: self, values })
    }

    /// Distributes one value per point over the nodes: the transpose of [`Interpolation::interpolate`].
    pub(super) fn spread(&self, values: &[f64]) -> Vec<f64> {
        Arch::new().dispatch(Spread { points: self, values })
    }

    /// The first node of every run, and its points.
    #[inline(always)]
    fn runs(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let starts = std::iter::once(0).chain(self.runs.iter().map(|(_, end)| *end));
        self.runs.iter().zip(starts).map(|((first, end), start)| (*first, start..*end))
    }

    /// Z times a vector of coordinates: one value per point.
    pub(super) fn product(&self, coordinates: &[f64]) -> Vec<f64> {
        self.interpolate(&self.factor.product(coordinates))
    }

    /// Zᵀ times one value per point: a vector of coordinates.
    pub(super) fn transposed_product(&self, values: &[f64]) -> Vec<f64> {
        self.factor.transposed_product(&self.spread(values))
    }

    /// The lower triangle of Zᵀ diag(scales) Z.
    pub(super) fn gram(&self, scales: &[f64]) -> Banded {
        Arch::new().dispatch(Gram { points: self, scales })
    }

    #[inline(always)]
    fn gram_of(&self, scales: &[f64]) -> Banded {
        // Wᵀ diag(scales) W is banded too. Only the diagonal and the entries right of it are used.
        const HALF: usize = WINDOW / 2;
        let len = self.nodes.len();
        let mut band = vec![[0.0; WINDOW]; len];
        for (first, run) in self.runs() {
            // The upper half of the run's square of nodes, and the right half of the lower one.
            let (mut upper, mut lower) = ([[0.0; WINDOW]; HALF], [[0.0; HALF]; HALF]);
            // So few points are in the cache when the next row of the square needs them.
            for (stencils, scales) in self.stencils[run.clone()].chunks(128).zip(scales[run].chunks(128)) {
                for j in 0..HALF {
                    let (mut one, mut other) = (upper[j], lower[j]);
                    for (weights, scale) in stencils.iter().zip(scales) {
                        let factors = [scale * weights[j], scale * weights[HALF + j]];
                        for k in 0..WINDOW {
                            one[k] += factors[0] * weights[k];
                        }
                        for k in 0..HALF {
                            other[k] += factors[1] * weights[HALF + k];
                        }
                    }
                    (upper[j], lower[j]) = (one, other);
                }
            }
            for j in 0..HALF {
                band[first + j].iter_mut().zip(&upper[j][j..]).for_each(|(b, w)| *b += w);
                band[first + HALF + j].iter_mut().zip(&lower[j][j..]).for_each(|(b, w)| *b += w);
            }
        }
        let mut gram = Banded::zeros(len, REACH + WINDOW - 1);
        let mut product = vec![0.0; REACH + WINDOW];
        for (k, band) in band.iter().enumerate() {
            let first = self.factor.first(k);
            let last = (k + WINDOW - 1).min(len - 1);
            // Row k of the band times G, with the entries right of the diagonal in full and the diagonal entry
            // halved.
            product.fill(0.0);
            for (j, value) in (k..=last).zip(band) {
                let value = if j == k { 0.5 * value } else { *value };
                let from = first.max(self.factor.first(j));
                product[from - first..].iter_mut().zip(self.factor.row(j, from)).for_each(|(p, g)| *p += value * g);
            }
            // The product of this with row k of G, plus its transpose, is the whole matrix.
            let row = self.factor.row(k, first);
            for (i, (g, p)) in (first..=k).zip(row.iter().zip(&product)) {
                let others = product.iter().zip(row);
                gram.row_mut(i, first).iter_mut().zip(others).for_each(|(to, (q, h))| *to += g * q + h * p);
            }
            for (i, p) in (k + 1..=last).zip(&product[k + 1 - first..]) {
                gram.row_mut(i, first).iter_mut().zip(row).for_each(|(to, g)| *to += g * p);
            }
        }
        gram
    }
}

/// [`Interpolation::interpolate`], compiled for the processor at hand. Eight sums are kept in a fixed order, so the bits are
/// the same on every processor.
struct Interpolate<'a> {
    points: &'a Interpolation,
    values: &'a [f64],
}

impl WithSimd for Interpolate<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut results = Vec::with_capacity(self.points.stencils.len());
        for (first, run) in self.points.runs() {
            let values: [f64; WINDOW] = std::array::from_fn(|k| self.values[first + k]);
            results.extend(self.points.stencils[run].iter().map(|weights| {
                let eight: [f64; 8] = std::array::from_fn(|k| weights[k] * values[k] + weights[k + 8] * values[k + 8]);
                let four: [f64; 4] = std::array::from_fn(|k| eight[k] + eight[k + 4]);
                (four[0] + four[2]) + (four[1] + four[3])
            }));
        }
        results
    }
}

/// [`Interpolation::spread`], compiled for the processor at hand. Each value is added to by itself.
struct Spread<'a> {
    points: &'a Interpolation,
    values: &'a [f64],
}

impl WithSimd for Spread<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let mut sums = vec![0.0; self.points.nodes.len()];
        for (first, run) in self.points.runs() {
            let mut of_run = [0.0; WINDOW];
            for (weights, value) in self.points.stencils[run.clone()].iter().zip(&self.values[run]) {
                for k in 0..WINDOW {
                    of_run[k] += weights[k] * value;
                }
            }
            sums[first..].iter_mut().zip(of_run).for_each(|(sum, part)| *sum += part);
        }
        sums
    }
}

/// [`Interpolation::gram`], compiled for the processor at hand. Each value is added to by itself, so the bits are the same
/// on every processor.
struct Gram<'a> {
    points: &'a Interpolation,
    scales: &'a [f64],
}

impl WithSimd for Gram<'_> {
    type Output = Banded;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Banded {
        self.points.gram_of(self.scales)
    }
}

/// The weights of Lagrange interpolation at `at`, in units of the spacing, for nodes 0 to 15, in barycentric form.
fn stencil(at: f64) -> [f64; WINDOW] {
    let mut weights = [0.0; WINDOW];
    let mut binomial = 1.0;
    for (j, weight) in weights.iter_mut().enumerate() {
        let distance = at - j as f64;
        if distance == 0.0 {
            return std::array::from_fn(|k| f64::from(u8::from(k == j)));
        }
        let sign = if j % 2 == 0 { 1.0 } else { -1.0 };
        *weight = sign * binomial / distance;
        binomial *= (WINDOW - 1 - j) as f64 / (j + 1) as f64;
    }
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// The Cholesky factor G of the nodes' kernel.
fn factorise(nodes: &[f64]) -> Option<Banded> {
    let kernel = Kernel { dimension: 1 };
    let mut matrix = Banded::zeros(nodes.len(), REACH);
    for (i, &node) in nodes.iter().enumerate() {
        let first = matrix.first(i);
        let row = matrix.row_mut(i, first);
        row.iter_mut().zip(&nodes[first..]).for_each(|(to, &other)| *to = kernel.eval(&[node], &[other]));
        row[i - first] += JITTER;
    }
    matrix.cholesky()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unevenly spaced points with a gap: 200 on [0, 2] and 40 on [11, 12].
    fn points() -> Vec<f64> {
        let spread = |i: i32| (f64::from(i) * 0.7).sin().abs();
        let mut points: Vec<f64> = (0..200).map(|i| 2.0 * spread(i)).chain((0..40).map(|i| 11.0 + spread(i))).collect();
        points.sort_by(f64::total_cmp);
        points
    }

    fn unit(len: usize, i: usize) -> Vec<f64> {
        (0..len).map(|j| f64::from(u8::from(i == j))).collect()
    }

    #[test]
    fn products_of_coordinates_are_the_kernel() {
        let points = points();
        let interpolation = Interpolation::new(&points).unwrap();
        for (i, &x) in points.iter().enumerate() {
            let coordinates = interpolation.transposed_product(&unit(points.len(), i));
            for (&other, value) in points.iter().zip(interpolation.product(&coordinates)) {
                let exact = Kernel { dimension: 1 }.eval(&[x], &[other]);
                assert!((value - exact).abs() < 1e-11, "{x} {other}: {value} {exact}");
            }
        }
    }

    #[test]
    fn gram_is_the_sum_of_scaled_outer_products() {
        let points = points();
        let interpolation = Interpolation::new(&points).unwrap();
        let len = interpolation.nodes.len();
        let scales: Vec<f64> = (0..points.len()).map(|i| (i % 7) as f64 + 0.5).collect();
        let gram = interpolation.gram(&scales);
        for j in 0..len {
            let scaled: Vec<f64> =
                interpolation.product(&unit(len, j)).iter().zip(&scales).map(|(c, s)| c * s).collect();
            let expected = interpolation.transposed_product(&scaled);
            for (i, expected) in expected.iter().enumerate().skip(j) {
                let value = if gram.first(i) <= j { gram.row(i, j)[0] } else { 0.0 };
                assert!((value - expected).abs() < 1e-9, "{i} {j}: {value} {expected}");
            }
        }
    }

    #[test]
    fn gives_up_on_points_too_far_apart() {
        let apart: Vec<f64> = (0..33).map(|i| f64::from(i) * 10.0).collect();
        assert!(Interpolation::new(&apart).is_none());
        assert_eq!(Interpolation::new(&apart[..32]).unwrap().nodes.len(), MAX_NODES[0]);
    }
}
