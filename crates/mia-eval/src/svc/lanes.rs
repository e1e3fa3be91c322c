//! Loops over many values that the compiler turns into vector instructions, compiled for the processor at hand.
//!
//! Every loop treats each value by itself, or keeps eight sums in a fixed order, so results have the same bits on every
//! processor.

use pulp::{Arch, Simd, WithSimd};

/// Values per block. Blocks stay in the cache while all columns are added to them.
const BLOCK: usize = 512;

/// Points by column, `[dimension, len]`, and the kernel exp(−‖x − x′‖² / dimension) of each with another point.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// `[dimension, len]`, less the mean of the points, so that no distance is the small difference of great squares.
    values: Vec<f64>,
    /// The mean of the points.
    centre: Vec<f64>,
    /// ‖x‖² of every point, less the mean.
    squares: Vec<f64>,
    len: usize,
}

impl Columns {
    /// Transposes points, `[len, dimension]`.
    pub(super) fn new(points: &[f64], dimension: usize) -> Self {
        let len = points.len() / dimension;
        let column = |column: usize| points[column..].iter().step_by(dimension);
        let centre: Vec<f64> = (0..dimension).map(|c| column(c).sum::<f64>() / len as f64).collect();
        let values = (0..dimension).flat_map(|c| column(c).map(move |v| (c, v))).map(|(c, v)| v - centre[c]).collect();
        let squares = points.chunks_exact(dimension).map(|point| square(&less(point, &centre))).collect();
        Self { values, centre, squares, len }
    }

    /// The kernel of every point with `at`, rounded to `f32`.
    pub(super) fn row(&self, at: &[f64], row: &mut Vec<f32>) {
        row.resize(self.len, 0.0);
        Arch::new().dispatch(Row { columns: self, at: &less(at, &self.centre), kernels: row });
    }

    /// Σ coefficientⱼ · kernel(pointⱼ, at).
    pub(super) fn expansion(&self, coefficients: &[f64], at: &[f64]) -> f64 {
        Arch::new().dispatch(Expansion { columns: self, coefficients, at: &less(at, &self.centre) })
    }

    /// Puts the kernel of the points from `start` on with `at`, less the mean, into `block`. Its square is given.
    #[inline(always)]
    fn block(&self, start: usize, at: &[f64], square: f64, block: &mut [f64]) {
        // ‖x − x′‖² = ‖x‖² − 2 x·x′ + ‖x′‖².
        block.fill(0.0);
        let len = block.len();
        let column = |number: usize| &self.values[number * self.len + start..][..len];
        let mut fours = at.chunks_exact(4);
        for (number, x) in fours.by_ref().enumerate() {
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| column(4 * number + i));
            for (i, sum) in block.iter_mut().enumerate() {
                *sum += (a[i] * x[0] + b[i] * x[1]) + (c[i] * x[2] + d[i] * x[3]);
            }
        }
        let rest = fours.remainder();
        for (number, &x) in (at.len() - rest.len()..).zip(rest) {
            for (sum, &v) in block.iter_mut().zip(column(number)) {
                *sum += v * x;
            }
        }
        let scale = 1.0 / at.len() as f64;
        for (value, &other) in block.iter_mut().zip(&self.squares[start..]) {
            let distance = square - 2.0 * *value + other;
            *value = exp(-scale * if distance > 0.0 { distance } else { 0.0 });
        }
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
    at: &'a [f64],
    kernels: &'a mut [f32],
}

impl WithSimd for Row<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let (mut block, square) = ([0.0; BLOCK], square(self.at));
        for (number, row) in self.kernels.chunks_mut(BLOCK).enumerate() {
            let block = &mut block[..row.len()];
            self.columns.block(number * BLOCK, self.at, square, block);
            for (to, &value) in row.iter_mut().zip(&*block) {
                *to = value as f32;
            }
        }
    }
}

struct Expansion<'a> {
    columns: &'a Columns,
    coefficients: &'a [f64],
    at: &'a [f64],
}

impl WithSimd for Expansion<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let (mut block, square) = ([0.0; BLOCK], square(self.at));
        let mut sums = [0.0; 8];
        for (number, coefficients) in self.coefficients.chunks(BLOCK).enumerate() {
            let block = &mut block[..coefficients.len()];
            self.columns.block(number * BLOCK, self.at, square, block);
            for (values, coefficients) in block.chunks(8).zip(coefficients.chunks(8)) {
                for ((sum, value), coefficient) in sums.iter_mut().zip(values).zip(coefficients) {
                    *sum += value * coefficient;
                }
            }
        }
        sums.iter().sum()
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
        let greatest = Arch::new().dispatch(Greatest { values: &self.implied, barriers: &self.rises });
        let of = |i: usize| self.implied[i] + self.rises[i];
        if greatest == f64::NEG_INFINITY { None } else { (0..self.implied.len()).rev().find(|&i| of(i) == greatest) }
    }

    /// The variable that may fall and gains most together with `up`, whose kernel row is given, and the least implied
    /// bias of any that may fall.
    pub(super) fn down(&mut self, up: usize, row: &[f32], least_curvature: f32) -> (Option<usize>, f64) {
        let at = self.implied[up];
        let Self { implied, falls, gains, .. } = self;
        let (best, least) = Arch::new().dispatch(Gains { at, implied, falls, row, results: gains, least_curvature });
        let found = if best > 0.0 { gains.iter().position(|gain| *gain == best) } else { None };
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
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        let mut greatest = [f64::NEG_INFINITY; 8];
        for (values, barriers) in self.values.chunks(8).zip(self.barriers.chunks(8)) {
            for ((greatest, value), barrier) in greatest.iter_mut().zip(values).zip(barriers) {
                let value = value + barrier;
                *greatest = if value > *greatest { value } else { *greatest };
            }
        }
        greatest.iter().copied().fold(f64::NEG_INFINITY, f64::max)
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

impl WithSimd for Gains<'_> {
    type Output = (f32, f64);

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> (f32, f64) {
        let (mut best, mut least) = ([0.0_f32; 8], [f64::INFINITY; 8]);
        let inputs = self.implied.chunks(8).zip(self.falls.chunks(8)).zip(self.row.chunks(8));
        for (((implied, falls), row), gains) in inputs.zip(self.results.chunks_mut(8)) {
            let inputs = implied.iter().zip(falls).zip(row).zip(gains);
            for ((best, least), (((implied, falls), kernel), to)) in best.iter_mut().zip(&mut least).zip(inputs) {
                let implied = implied + falls;
                *least = if implied < *least { implied } else { *least };
                let difference = (self.at - implied) as f32;
                let difference = if difference > 0.0 { difference } else { 0.0 };
                let curvature = 2.0 - 2.0 * *kernel;
                let curvature = if curvature > self.least_curvature { curvature } else { self.least_curvature };
                let gain = difference * difference / curvature;
                *to = gain;
                *best = if gain > *best { gain } else { *best };
            }
        }
        (best.iter().copied().fold(0.0, f32::max), least.iter().copied().fold(f64::INFINITY, f64::min))
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
fn exp(x: f64) -> f64 {
    /// Adding this to a number below 2⁵¹ rounds it to a whole number, which is then in the lowest bits.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// log 2 in two parts: the first times a whole number below 2¹¹ is exact.
    const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];
    const INVERSE_FACTORIALS: [f64; 12] = [
        1.0 / 6_227_020_800.0,
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
    ];
    let x = if x > -708.0 { x } else { -708.0 };
    let shifted = x * std::f64::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * LN_2[0]) - whole * LN_2[1];
    let mut series = 0.0;
    for factor in INVERSE_FACTORIALS {
        series = series * rest + factor;
    }
    let series = (series * rest + 1.0) * rest + 1.0;
    series * f64::from_bits((shifted.to_bits() << 52).wrapping_add(1023 << 52))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_the_standard_librarys() {
        for i in 0..=70_000 {
            let x = -f64::from(i) * 0.01;
            let expected = x.exp();
            assert!((exp(x) - expected).abs() <= 5e-16 * expected, "{x}: {} {expected}", exp(x));
        }
        assert_eq!((exp(0.0), exp(-1e9) < 1e-300), (1.0, true));
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
