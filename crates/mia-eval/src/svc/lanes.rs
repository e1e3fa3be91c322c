//! Loops over many values that the compiler turns into vector instructions, compiled for the processor at hand.
//!
//! Every loop treats each value by itself, or keeps eight sums in a fixed order, so results have the same bits on every
//! processor.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

/// Points per tile. Their kernels with another point are computed together, in registers.
pub(super) const TILE: usize = 32;

/// Tiles per block. A block stays in the cache while it is met with many points.
const BLOCK: usize = 8;

/// Points whose sums are computed together, block by block.
const TOGETHER: usize = 64;

/// Values among which the search for a pair looks for the one that it found.
const STRETCH: usize = 256;

/// Points by column, and the kernel exp(−‖x − x′‖² / dimension) of each with another point.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// `[tiles, dimension in fours, 4, TILE]`, less the mean of the points, so that no distance is the small difference of
    /// great squares. The last tile and the last four columns are filled up with zeros.
    values: Vec<[[f64; TILE]; 4]>,
    /// The mean of the points.
    centre: Vec<f64>,
    /// ‖x‖² of every point, less the mean, `[tiles, TILE]`.
    squares: Vec<[f64; TILE]>,
    len: usize,
}

impl Columns {
    /// Transposes points, `[len, dimension]`.
    pub(super) fn new(points: &[f64], dimension: usize) -> Self {
        let len = points.len() / dimension;
        let column = |column: usize| points[column..].iter().step_by(dimension);
        let centre: Vec<f64> = (0..dimension).map(|c| column(c).sum::<f64>() / len as f64).collect();
        let fours = dimension.div_ceil(4);
        let mut values = vec![[[0.0; TILE]; 4]; len.div_ceil(TILE) * fours];
        let mut squares = Vec::with_capacity(len.div_ceil(TILE));
        for (tile, columns) in points.chunks(TILE * dimension).zip(values.chunks_mut(fours)) {
            for (c, centre) in centre.iter().enumerate() {
                let column = tile[c..].iter().step_by(dimension).map(|v| v - centre);
                columns[c / 4][c % 4].iter_mut().zip(column).for_each(|(to, value)| *to = value);
            }
            let mut of_tile = [0.0; TILE];
            let of_points = tile.chunks_exact(dimension).map(|point| square(&less(point, &centre)));
            of_tile.iter_mut().zip(of_points).for_each(|(to, square)| *to = square);
            squares.push(of_tile);
        }
        Self { values, centre, squares, len }
    }

    /// The kernel of every point with `at`, rounded to `f32`.
    pub(super) fn row(&self, at: &[f64], row: &mut Vec<f32>) {
        row.resize(self.len, 0.0);
        Arch::new().dispatch(Row { columns: self, at: &self.centred(at), kernels: row });
    }

    /// The kernel of every point with `at`.
    pub(super) fn kernels(&self, at: &[f64]) -> Vec<f64> {
        let mut kernels = Arch::new().dispatch(Kernels { columns: self, at: &self.centred(at) });
        kernels.truncate(self.len);
        kernels
    }

    /// Σ coefficientⱼ · kernel(pointⱼ, at).
    pub(super) fn expansion(&self, coefficients: &[f64], at: &[f64]) -> f64 {
        self.expansions(coefficients, at)[0]
    }

    /// Σ coefficientⱼ · kernel(pointⱼ, at) for each of `ats`, `[rows, dimension]`, in parallel. A sum does not depend on
    /// the other rows.
    pub(super) fn expansions(&self, coefficients: &[f64], ats: &[f64]) -> Vec<f64> {
        let dimension = self.centre.len();
        let mut filled = coefficients.to_vec();
        filled.resize(self.squares.len() * TILE, 0.0);
        let (coefficients, _) = filled.as_chunks();
        let mut sums = vec![0.0; ats.len() / dimension];
        let parts = sums.par_chunks_mut(TOGETHER).zip(ats.par_chunks(TOGETHER * dimension));
        parts.for_each(|(sums, ats)| {
            let ats: Vec<[f64; 4]> = ats.chunks_exact(dimension).flat_map(|at| self.centred(at)).collect();
            Arch::new().dispatch(Expansions { columns: self, coefficients, ats: &ats, sums });
        });
        sums
    }

    /// A point less the mean, filled up with zeros.
    fn centred(&self, at: &[f64]) -> Vec<[f64; 4]> {
        let mut at = less(at, &self.centre);
        at.resize(at.len().next_multiple_of(4), 0.0);
        at.as_chunks().0.to_vec()
    }

    /// The kernel of the points of a tile with `at`, less the mean. Its square is given.
    #[inline(always)]
    fn tile(&self, number: usize, at: &[[f64; 4]], square: f64) -> [f64; TILE] {
        // ‖x − x′‖² = ‖x‖² − 2 x·x′ + ‖x′‖².
        let columns = &self.values[number * at.len()..(number + 1) * at.len()];
        let mut sums = [0.0; TILE];
        for (x, [a, b, c, d]) in at.iter().zip(columns) {
            for i in 0..TILE {
                sums[i] += (a[i] * x[0] + b[i] * x[1]) + (c[i] * x[2] + d[i] * x[3]);
            }
        }
        let (scale, squares) = (1.0 / self.centre.len() as f64, &self.squares[number]);
        for i in 0..TILE {
            let distance = square - 2.0 * sums[i] + squares[i];
            sums[i] = -scale * if distance > 0.0 { distance } else { 0.0 };
        }
        exp(sums)
    }
}

/// A point less another.
fn less(point: &[f64], other: &[f64]) -> Vec<f64> {
    point.iter().zip(other).map(|(x, y)| x - y).collect()
}

fn square(point: &[f64]) -> f64 {
    point.iter().map(|x| x * x).sum()
}

struct Row<'a> {
    columns: &'a Columns,
    at: &'a [[f64; 4]],
    kernels: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let square = square(self.at.as_flattened());
        for (number, row) in self.kernels.chunks_mut(TILE).enumerate() {
            let kernels = self.columns.tile(number, self.at, square).map(|value| value as f32);
            row.copy_from_slice(&kernels[..row.len()]);
        }
    }
}

struct Kernels<'a> {
    columns: &'a Columns,
    at: &'a [[f64; 4]],
}

impl WithSimd for Kernels<'_> {
    type Output = Vec<f64>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Vec<f64> {
        let square = square(self.at.as_flattened());
        let mut kernels = Vec::with_capacity(self.columns.squares.len() * TILE);
        for number in 0..self.columns.squares.len() {
            kernels.extend_from_slice(&self.columns.tile(number, self.at, square));
        }
        kernels
    }
}

struct Expansions<'a> {
    columns: &'a Columns,
    /// As long as the tiles, the last filled up with zeros.
    coefficients: &'a [[f64; TILE]],
    ats: &'a [[f64; 4]],
    sums: &'a mut [f64],
}

impl WithSimd for Expansions<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let mut parts = vec![[0.0; 8]; self.sums.len()];
        for (number, block) in self.coefficients.chunks(BLOCK).enumerate() {
            for (at, parts) in self.ats.chunks_exact(self.columns.centre.len().div_ceil(4)).zip(&mut parts) {
                let (square, mut sums) = (square(at.as_flattened()), *parts);
                for (coefficients, tile) in block.iter().zip(number * BLOCK..) {
                    let kernels = self.columns.tile(tile, at, square);
                    for i in 0..TILE {
                        sums[i % 8] += kernels[i] * coefficients[i];
                    }
                }
                *parts = sums;
            }
        }
        self.sums.iter_mut().zip(&parts).for_each(|(sum, parts)| *sum = parts.iter().sum());
    }
}

/// The state of the search for a pair of variables: what a variable could gain, and which may rise or fall.
pub(super) struct Pairs {
    /// −yᵢ times the gradient: the bias if point i were on the margin.
    pub(super) implied: Vec<f64>,
    /// 0 where yᵢαᵢ may rise, −∞ elsewhere.
    pub(super) rises: Vec<f64>,
    /// 0 where yᵢαᵢ may fall, +∞ elsewhere.
    pub(super) falls: Vec<f64>,
    gains: Vec<f32>,
}

impl Pairs {
    pub(super) fn new(implied: Vec<f64>) -> Self {
        let n = implied.len();
        Self { rises: vec![0.0; n], falls: vec![0.0; n], gains: vec![0.0; n], implied }
    }

    /// The variable with the greatest implied bias among those that may rise, the last of equals. `None` if none may.
    pub(super) fn up(&self) -> Option<usize> {
        let (greatest, stretch) = Arch::new().dispatch(Greatest { values: &self.implied, barriers: &self.rises });
        let of = |i: usize| self.implied[i] + self.rises[i];
        let within = stretch * STRETCH..((stretch + 1) * STRETCH).min(self.implied.len());
        if greatest == f64::NEG_INFINITY { None } else { within.rev().find(|&i| of(i) == greatest) }
    }

    /// The variable that may fall and gains most together with `up`, whose kernel row is given, the first of equals, and
    /// the least implied bias of any that may fall.
    pub(super) fn down(&mut self, up: usize, row: &[f32], least_curvature: f32) -> (Option<usize>, f64) {
        let at = self.implied[up];
        let Self { implied, falls, gains, .. } = self;
        let inputs = Gains { at, implied, falls, row, results: gains, least_curvature };
        let (best, stretch, least) = Arch::new().dispatch(inputs);
        let within = stretch * STRETCH..((stretch + 1) * STRETCH).min(gains.len());
        let found = if best > 0.0 { within.into_iter().find(|&i| gains[i] == best) } else { None };
        (found, least)
    }

    /// Subtracts step · (a − b) from every implied bias.
    pub(super) fn step(&mut self, step: f64, a: &[f32], b: &[f32]) {
        Arch::new().dispatch(Step { implied: &mut self.implied, length: step, a, b });
    }
}

struct Greatest<'a> {
    values: &'a [f64],
    barriers: &'a [f64],
}

impl WithSimd for Greatest<'_> {
    /// The greatest value, and the last stretch that has it.
    type Output = (f64, usize);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f64, usize) {
        let mut found = (f64::NEG_INFINITY, 0);
        for (number, (values, barriers)) in self.values.chunks(STRETCH).zip(self.barriers.chunks(STRETCH)).enumerate() {
            let ((eights, rest), (barriers, rest_barriers)) = (values.as_chunks::<8>(), barriers.as_chunks::<8>());
            let mut greatest = [f64::NEG_INFINITY; 8];
            for (values, barriers) in eights.iter().zip(barriers) {
                for i in 0..8 {
                    let value = values[i] + barriers[i];
                    greatest[i] = if value > greatest[i] { value } else { greatest[i] };
                }
            }
            let rest = rest.iter().zip(rest_barriers).map(|(value, barrier)| value + barrier);
            let greatest = greatest.into_iter().chain(rest).fold(f64::NEG_INFINITY, f64::max);
            if greatest >= found.0 {
                found = (greatest, number);
            }
        }
        found
    }
}

struct Gains<'a> {
    at: f64,
    implied: &'a [f64],
    falls: &'a [f64],
    row: &'a [f32],
    results: &'a mut [f32],
    least_curvature: f32,
}

impl Gains<'_> {
    /// The gain of a pair.
    #[inline(always)]
    fn of(at: f64, implied: f64, kernel: f32, least_curvature: f32) -> f32 {
        let difference = (at - implied) as f32;
        let difference = if difference > 0.0 { difference } else { 0.0 };
        let curvature = 2.0 - 2.0 * kernel;
        let curvature = if curvature > least_curvature { curvature } else { least_curvature };
        difference * difference / curvature
    }
}

impl WithSimd for Gains<'_> {
    /// The greatest gain, the first stretch that has it, and the least implied bias.
    type Output = (f32, usize, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, usize, f64) {
        let Self { at, least_curvature, .. } = self;
        let (mut found, mut least) = ((0.0, 0), [f64::INFINITY; 8]);
        let inputs = self.implied.chunks(STRETCH).zip(self.falls.chunks(STRETCH)).zip(self.row.chunks(STRETCH));
        for (number, (((implied, falls), row), gains)) in inputs.zip(self.results.chunks_mut(STRETCH)).enumerate() {
            let mut best = [0.0_f32; 8];
            let ((implied, last), (falls, last_falls)) = (implied.as_chunks::<8>(), falls.as_chunks::<8>());
            let ((row, last_row), (gains, last_gains)) = (row.as_chunks::<8>(), gains.as_chunks_mut::<8>());
            for (((implied, falls), row), gains) in implied.iter().zip(falls).zip(row).zip(gains) {
                for i in 0..8 {
                    let implied = implied[i] + falls[i];
                    least[i] = if implied < least[i] { implied } else { least[i] };
                    gains[i] = Self::of(at, implied, row[i], least_curvature);
                    best[i] = if gains[i] > best[i] { gains[i] } else { best[i] };
                }
            }
            for (i, (((implied, falls), kernel), gain)) in
                last.iter().zip(last_falls).zip(last_row).zip(last_gains).enumerate()
            {
                let implied = implied + falls;
                least[i] = least[i].min(implied);
                *gain = Self::of(at, implied, *kernel, least_curvature);
                best[i] = best[i].max(*gain);
            }
            let best = best.into_iter().fold(0.0, f32::max);
            if best > found.0 {
                found = (best, number);
            }
        }
        (found.0, found.1, least.into_iter().fold(f64::INFINITY, f64::min))
    }
}

struct Step<'a> {
    implied: &'a mut [f64],
    length: f64,
    a: &'a [f32],
    b: &'a [f32],
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for ((value, a), b) in self.implied.iter_mut().zip(self.a).zip(self.b) {
            *value -= self.length * (f64::from(*a) - f64::from(*b));
        }
    }
}

/// exp(x) for x ≤ 0, to two units in the last place. Below −708 it stays at exp(−708).
#[inline(always)]
fn exp(mut x: [f64; TILE]) -> [f64; TILE] {
    /// Adding this to a number below 2⁵¹ rounds it to a whole number, which is then in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// log 2 in two parts: the first times a whole number below 2¹¹ is exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    /// 1/12!, …, 1/0!.
    const FACTORS: [f64; 13] = [
        1.0 / 479_001_600.0,
        1.0 / 39_916_800.0,
        1.0 / 3_628_800.0,
        1.0 / 362_880.0,
        1.0 / 40_320.0,
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let (mut scales, mut series) = ([0.0; TILE], [1.0 / 6_227_020_800.0; TILE]);
    for i in 0..TILE {
        let limited = if x[i] > -708.0 { x[i] } else { -708.0 };
        let shifted = limited * std::f64::consts::LOG2_E + ROUND;
        let whole = shifted - ROUND;
        x[i] = (limited - whole * LN_2[0]) - whole * LN_2[1];
        scales[i] = f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52));
    }
    // One factor after the other for all of them, so that no multiplication waits for the one before.
    for factor in FACTORS {
        for i in 0..TILE {
            series[i] = series[i] * x[i] + factor;
        }
    }
    for i in 0..TILE {
        series[i] *= scales[i];
    }
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_the_standard_librarys() {
        for i in 0..=70_000_i32 {
            let x = -f64::from(i) * 0.01;
            let expected = x.exp();
            let found = exp([x; TILE])[i as usize % TILE];
            assert!((found - expected).abs() <= 5e-16 * expected, "{x}: {found} {expected}");
        }
        assert_eq!((exp([0.0; TILE])[0], exp([-1e9; TILE])[0] < 1e-300), (1.0, true));
    }

    #[test]
    fn kernels_are_those_of_the_points_one_by_one() {
        let points: Vec<f64> = (0..3 * 700).map(|i| f64::from(i * i % 97) * 0.02).collect();
        let columns = Columns::new(&points, 3);
        let at = &points[6..9];
        let mut row = Vec::new();
        columns.row(at, &mut row);
        let coefficients: Vec<f64> = (0..700).map(|i| f64::from(i % 7) - 3.0).collect();
        let mut sum = 0.0;
        for (i, point) in points.chunks_exact(3).enumerate() {
            let distance: f64 = point.iter().zip(at).map(|(a, b)| (a - b) * (a - b)).sum();
            let expected = (-distance / 3.0).exp();
            assert!((f64::from(row[i]) - expected).abs() < 1e-7, "{i}");
            sum += coefficients[i] * expected;
        }
        assert!((columns.expansion(&coefficients, at) - sum).abs() < 1e-10);
    }

    #[test]
    fn points_far_from_zero_keep_their_distances() {
        let points: Vec<f64> = (0..200).map(|i| 1e8 + f64::from(i * i % 31) * 0.05).collect();
        let mut row = Vec::new();
        Columns::new(&points, 2).row(&points[..2], &mut row);
        for (point, found) in points.chunks_exact(2).zip(row) {
            let distance: f64 = point.iter().zip(&points).map(|(a, b)| (a - b) * (a - b)).sum();
            assert!((f64::from(found) - (-distance / 2.0).exp()).abs() < 1e-6, "{found}");
        }
    }

    #[test]
    fn a_pair_is_chosen_as_one_by_one() {
        let n = 101;
        let implied: Vec<f64> = (0..n).map(|i| f64::from(i * 37 % 41) / 8.0).collect();
        let row: Vec<f32> = (0..n).map(|i| (i % 10) as f32 / 10.0).collect();
        let mut pairs = Pairs::new(implied.clone());
        for i in 0..n as usize {
            pairs.rises[i] = if i % 3 == 0 { f64::NEG_INFINITY } else { 0.0 };
            pairs.falls[i] = if i % 4 == 0 { f64::INFINITY } else { 0.0 };
        }
        let up = (0..n as usize).filter(|i| i % 3 != 0).max_by(|&a, &b| implied[a].total_cmp(&implied[b])).unwrap();
        assert_eq!(pairs.up(), Some(up));
        let may_fall = || (0..n as usize).filter(|i| i % 4 != 0);
        let gain = |j: usize| {
            let difference = (implied[up] - implied[j]).max(0.0) as f32;
            difference * difference / (2.0 - 2.0 * row[j]).max(1e-12)
        };
        let best = may_fall().fold((0.0, None), |best, j| if gain(j) > best.0 { (gain(j), Some(j)) } else { best });
        let least = may_fall().map(|j| implied[j]).fold(f64::INFINITY, f64::min);
        assert_eq!(pairs.down(up, &row, 1e-12), (best.1, least));
        pairs.rises.fill(f64::NEG_INFINITY);
        assert_eq!(pairs.up(), None);
    }
}
