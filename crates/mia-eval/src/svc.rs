//! A support-vector machine with the decisions of scikit-learn's `SVC(C=3, gamma="auto")`.
//!
//! There are two classes, the radial kernel exp(−γ‖x − x′‖²) with γ = 1/dimension, and a bias. Points are not
//! standardised. scikit-learn solves the dual by sequential minimal optimisation, whose time grows with the square of
//! the number of points. This module solves one-dimensional points in linear time: their kernel is, to rounding, a
//! scalar product of a few coordinates (`interpolation`), in which the dual is a small convex problem
//! (`interior_point`). For points of more dimensions, it also uses sequential minimal optimisation (`smo`). Of many points,
//! only those near their margin are solved for (`line`, `smo`); it is then shown that the others are at the right bound.
//!
//! Deviations from scikit-learn: both solvers continue until the optimum is far more accurate than scikit-learn's
//! `tol=1e-3`, and the bias is the exact minimiser of the hinge loss (the midpoint if a whole interval minimises it).

mod banded;
mod interior_point;
mod interpolation;
mod lanes;
mod line;
mod sketch;
mod smo;

use interpolation::Interpolation;
use lanes::Columns;
use sketch::{Sketch, Sum};

use crate::{Error, Result};

/// The cost of a margin violation: scikit-learn's `C`, as set in the paper.
pub const COST: f64 = 3.0;

/// Twice as many points or more are first solved on a sample of about this many.
const SAMPLE: usize = 2000;

/// The kernel of one-dimensional points with a larger distance is below 10⁻²⁷, and does not change a sum.
const FAR: f64 = 8.0;

/// A fitted machine, which decides whether a point looks like a member's.
#[derive(Debug, Clone)]
pub struct Svc {
    kernel: Kernel,
    bias: f64,
    points: Points,
    coefficients: Vec<f64>,
    /// The expansion in few coordinates.
    sketch: Option<(Sketch, Sum)>,
}

/// The support vectors, or the nodes of a grid that represent them.
#[derive(Debug, Clone)]
enum Points {
    /// Of one dimension, ascending.
    Line(Vec<f64>),
    /// Of several.
    Space(Columns),
}

/// The radial kernel on points of one dimension.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    dimension: usize,
}

impl Kernel {
    fn eval(self, a: &[f64], b: &[f64]) -> f64 {
        let distance: f64 = a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum();
        (-distance / self.dimension as f64).exp()
    }

    /// Σ coefficientⱼ · kernel(pointⱼ, at), for points of one dimension, ascending.
    fn expansion(self, points: &[f64], coefficients: &[f64], at: f64) -> f64 {
        let from = points.partition_point(|point| *point < at - FAR);
        let to = points.partition_point(|point| *point <= at + FAR);
        let near = points[from..to].iter().zip(&coefficients[from..to]);
        near.map(|(point, coefficient)| coefficient * self.eval(&[*point], &[at])).sum()
    }
}

/// The training problem: distinct labelled points, and the upper bounds of the dual variables.
#[derive(Debug)]
struct Problem {
    kernel: Kernel,
    /// `[signs.len(), dimension]`, row-major.
    points: Vec<f64>,
    /// +1 for members, −1 for non-members.
    signs: Vec<f64>,
    /// Number of samples that share point and class.
    counts: Vec<usize>,
}

impl Svc {
    /// Fits the machine to `points` (`[members.len(), dimension]`, row-major). `members` says which of them are
    /// members.
    ///
    /// # Errors
    /// If lengths do not match, coordinates are not finite, all points are of one class, or the solver did not reach
    /// the optimum.
    pub fn fit(points: &[f64], dimension: usize, members: &[bool]) -> Result<Self> {
        let problem = Problem::new(points, dimension, members)?;
        let grid = if dimension == 1 { Interpolation::new(&problem.points) } else { None };
        match grid {
            Some(grid) => problem.solve_on_grid(&grid),
            None => problem.solve_pairwise(),
        }
    }

    /// The decision function, in units of the margin. It is positive for members.
    ///
    /// # Errors
    /// If the point has another dimension than the training points, or is not finite.
    pub fn decision(&self, point: &[f64]) -> Result<f64> {
        check_points(point, self.kernel.dimension, 1)?;
        let expansion = match &self.points {
            Points::Line(points) => self.kernel.expansion(points, &self.coefficients, point[0]),
            Points::Space(columns) => columns.expansion(&self.coefficients, point),
        };
        Ok(expansion + self.bias)
    }

    /// Whether a point looks like a member's. A decision of exactly zero counts as a member, as in scikit-learn.
    ///
    /// # Errors
    /// As [`Svc::decision`].
    pub fn is_member(&self, point: &[f64]) -> Result<bool> {
        Ok(self.decision(point)? >= 0.0)
    }

    /// Whether each of `points` (`[rows, dimension]`, row-major) looks like a member's: [`Svc::is_member`] of each, in a
    /// fraction of the time.
    ///
    /// # Errors
    /// As [`Svc::decision`].
    pub fn members(&self, points: &[f64]) -> Result<Vec<bool>> {
        let dimension = self.kernel.dimension;
        check_points(points, dimension, points.len() / dimension)?;
        let row = |i: usize| &points[i * dimension..(i + 1) * dimension];
        let columns = match &self.points {
            Points::Line(_) => return points.iter().map(|point| self.is_member(&[*point])).collect(),
            Points::Space(columns) => columns,
        };
        let (mut members, mut unsure) = (vec![false; points.len() / dimension], vec![]);
        match &self.sketch {
            None => unsure = (0..members.len()).collect(),
            Some((sketch, sum)) => {
                for (i, about) in sketch.coordinates(points, dimension).values(sum).into_iter().enumerate() {
                    let decision = about.value + self.bias;
                    members[i] = decision > 0.0;
                    if decision.abs() <= about.within {
                        unsure.push(i);
                    }
                }
            }
        }
        let rows: Vec<f64> = unsure.iter().flat_map(|&i| row(i)).copied().collect();
        for (i, expansion) in unsure.into_iter().zip(columns.expansions(&self.coefficients, &rows)) {
            members[i] = expansion + self.bias >= 0.0;
        }
        Ok(members)
    }
}

impl Problem {
    /// Checks the points and merges samples that share point and class, because their dual variables only occur as a
    /// sum.
    fn new(points: &[f64], dimension: usize, members: &[bool]) -> Result<Self> {
        check_points(points, dimension, members.len())?;
        match members {
            [] => return Err(Error::Empty { set: "training", needed: 2 }),
            [first, rest @ ..] if rest.iter().all(|m| m == first) => {
                let class = if *first { "members" } else { "non-members" };
                return Err(Error::SingleClass { rows: members.len(), class });
            }
            _ => {}
        }
        let row = |i: usize| &points[i * dimension..(i + 1) * dimension];
        let by_value = |&a: &usize, &b: &usize| {
            let unequal = row(a).iter().zip(row(b)).map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne());
            unequal.unwrap_or_else(|| members[a].cmp(&members[b]))
        };
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(by_value);
        let mut problem = Self { kernel: Kernel { dimension }, points: vec![], signs: vec![], counts: vec![] };
        for same in order.chunk_by(|a, b| by_value(a, b).is_eq()) {
            problem.points.extend_from_slice(row(same[0]));
            problem.signs.push(if members[same[0]] { 1.0 } else { -1.0 });
            problem.counts.push(same.len());
        }
        Ok(problem)
    }

    fn len(&self) -> usize {
        self.signs.len()
    }

    fn point(&self, i: usize) -> &[f64] {
        &self.points[i * self.kernel.dimension..(i + 1) * self.kernel.dimension]
    }

    /// Every k-th member and every k-th non-member.
    fn sample(&self, every: usize) -> Vec<usize> {
        let mut met = [0; 2];
        let taken = |&i: &usize| {
            let met = &mut met[usize::from(self.signs[i] > 0.0)];
            *met += 1;
            (*met - 1) % every == 0
        };
        (0..self.len()).filter(taken).collect()
    }

    /// The problem of some points alone.
    fn part(&self, rows: &[usize]) -> Self {
        Self {
            kernel: self.kernel,
            points: rows.iter().flat_map(|&i| self.point(i)).copied().collect(),
            signs: rows.iter().map(|&i| self.signs[i]).collect(),
            counts: rows.iter().map(|&i| self.counts[i]).collect(),
        }
    }

    /// The upper bound of every dual variable.
    fn bounds(&self) -> Vec<f64> {
        self.counts.iter().map(|&count| COST * count as f64).collect()
    }

    fn solve_on_grid(self, grid: &Interpolation) -> Result<Svc> {
        let alphas = line::solve(&self, grid)?;
        let coefficients = self.coefficients_on(grid, &alphas);
        let bias = self.bias(&self.unbiased_on(grid, &alphas));
        Ok(Svc { kernel: self.kernel, bias, points: Points::Line(grid.nodes.clone()), coefficients, sketch: None })
    }

    /// The coefficients of the nodes. The kernel is interpolated in both arguments, so the nodes replace the support
    /// vectors.
    fn coefficients_on(&self, grid: &Interpolation, alphas: &[f64]) -> Vec<f64> {
        grid.spread(&self.signs.iter().zip(alphas).map(|(y, alpha)| y * alpha).collect::<Vec<_>>())
    }

    /// The decision at every point, without the bias.
    fn unbiased_on(&self, grid: &Interpolation, alphas: &[f64]) -> Vec<f64> {
        let coefficients = self.coefficients_on(grid, alphas);
        let on_node = |&node: &f64| self.kernel.expansion(&grid.nodes, &coefficients, node);
        grid.interpolate(&grid.nodes.iter().map(on_node).collect::<Vec<_>>())
    }

    fn solve_pairwise(self) -> Result<Svc> {
        let smo::Solution { alphas, bias, sketch } = smo::solve(&self)?;
        let support: Vec<usize> = (0..self.len()).filter(|&i| alphas[i] > 0.0).collect();
        let points: Vec<f64> = support.iter().flat_map(|&i| self.point(i)).copied().collect();
        let dimension = self.kernel.dimension;
        let points =
            if dimension == 1 { Points::Line(points) } else { Points::Space(Columns::new(&points, dimension)) };
        let coefficients = support.iter().map(|&i| alphas[i] * self.signs[i]).collect();
        Ok(Svc { kernel: self.kernel, bias, points, coefficients, sketch })
    }

    /// The bias that minimises the hinge loss Σ max(0, 1 − yᵢ(fᵢ + b)) for given fᵢ.
    ///
    /// The slope of the loss is −(number of members) far on the left and grows by one at every yᵢ − fᵢ. So the
    /// minimum lies between the two of these values where the slope crosses zero.
    fn bias(&self, unbiased: &[f64]) -> f64 {
        self.bias_between(unbiased).0
    }

    /// The bias, and the samples that it rests on: it is the value of one, or the midpoint of two.
    fn bias_between(&self, unbiased: &[f64]) -> (f64, Vec<usize>) {
        let samples = self.signs.iter().zip(unbiased).zip(&self.counts);
        let mut steps: Vec<(f64, usize, usize)> =
            samples.enumerate().map(|(i, ((y, f), &count))| (y - f, count, i)).collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let members: usize = self.signs.iter().zip(&self.counts).filter(|(y, _)| **y > 0.0).map(|(_, c)| c).sum();
        let mut passed = 0;
        for (at, &(step, count, i)) in steps.iter().enumerate() {
            passed += count;
            if passed > members {
                return (step, vec![i]);
            }
            if passed == members {
                let next = steps.get(at + 1);
                return next.map_or((step, vec![i]), |next| (f64::midpoint(step, next.0), vec![i, next.2]));
            }
        }
        (0.0, vec![])
    }
}

/// The scalar product, up to the end of the shorter one. Eight sums are kept in a fixed order.
#[inline(always)]
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let len = a.len().min(b.len());
    let ((eights, rest), (others, other_rest)) = (a[..len].as_chunks::<8>(), b[..len].as_chunks::<8>());
    let mut sums = [0.0; 8];
    for (a, b) in eights.iter().zip(others) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(rest).zip(other_rest) {
        *sum += a * b;
    }
    ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]))
}

fn check_points(points: &[f64], dimension: usize, rows: usize) -> Result<()> {
    if dimension == 0 || rows.checked_mul(dimension) != Some(points.len()) {
        return Err(Error::Points { values: points.len(), rows, dimension });
    }
    match points.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(Error::PointNotFinite { row: at / dimension, coordinate: at % dimension, value: points[at] }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_cannot_be_fitted() {
        let check = |points: &[f64], dimension, members: &[bool], says: &str| {
            let message = Svc::fit(points, dimension, members).unwrap_err().to_string();
            assert!(message.contains(says), "{message}");
        };
        check(&[], 1, &[], "the training set is empty");
        check(&[1.0, 2.0], 1, &[true, true], "all 2 training points are members");
        check(&[1.0, 2.0], 1, &[false, false], "all 2 training points are non-members");
        check(&[1.0, 2.0, 3.0], 2, &[true, false], "3 values do not make 2 points of dimension 2");
        check(&[1.0, 2.0], 0, &[true, false], "dimension 0");
        check(&[1.0, f64::INFINITY], 1, &[true, false], "coordinate 0 of point 1 is inf");
        let svc = Svc::fit(&[1.0, 2.0], 1, &[true, false]).unwrap();
        assert!(svc.decision(&[1.0, 2.0]).is_err() && svc.decision(&[f64::NAN]).is_err());
    }

    #[test]
    fn a_decision_of_zero_is_a_member() {
        let svc = Svc::fit(&[1.0; 4], 1, &[true, false, true, false]).unwrap();
        assert_eq!(svc.decision(&[1.0]), Ok(0.0));
        assert_eq!(svc.is_member(&[1.0]), Ok(true));
    }

    #[test]
    fn points_far_apart_are_solved_pairwise_and_alike() {
        // The clusters are 10⁴ apart, which is too wide for a grid.
        let points: Vec<f64> = (0..80).map(|i| f64::from(i) * 100.0).collect();
        let members: Vec<bool> = (0..80).map(|i| i < 40).collect();
        let svc = Svc::fit(&points, 1, &members).unwrap();
        for (point, member) in points.iter().zip(members) {
            assert!((svc.decision(&[*point]).unwrap() - if member { 1.0 } else { -1.0 }).abs() < 1e-4);
        }
    }

    #[test]
    fn points_beside_the_boundary_are_called_alike_together_and_alone() {
        // Two clouds in the plane that overlap.
        let noise = |i: usize, step: f64| (i as f64 * step).fract() - 0.5;
        let row = |i: usize| {
            let shift = if i.is_multiple_of(2) { 0.4 } else { 0.0 };
            [noise(i, 0.618_033_988_75) * 2.0 + shift, noise(i, 0.414_213_562_37) * 2.0]
        };
        let points: Vec<f64> = (0..2 * SAMPLE).flat_map(row).collect();
        let members: Vec<bool> = (0..2 * SAMPLE).map(|i| i.is_multiple_of(2)).collect();
        let svc = Svc::fit(&points, 2, &members).unwrap();
        let called = |at: f64, height: f64| svc.is_member(&[at, height]).unwrap();
        let mut beside = vec![];
        for height in (0..40).map(|i| f64::from(i) / 40.0 - 0.5) {
            let [mut low, mut high] = [-2.0, 2.0];
            let first = called(low, height);
            assert_ne!(first, called(high, height));
            for _ in 0..60 {
                let middle = f64::midpoint(low, high);
                if called(middle, height) == first { low = middle } else { high = middle }
            }
            beside.extend([low, height, high, height]);
        }
        let alone: Vec<bool> = beside.chunks_exact(2).map(|point| called(point[0], point[1])).collect();
        assert_eq!(svc.members(&beside).unwrap(), alone);
        assert_eq!(svc.members(&[]), Ok(vec![]));
        assert!(svc.members(&[1.0]).is_err() && svc.members(&[1.0, f64::NAN]).is_err());
    }

    proptest! {
        /// Both solvers minimise the same function, so they must reach the same decisions.
        #[test]
        fn the_two_solvers_agree(
            samples in prop::collection::vec((-3.0_f64..3.0, any::<bool>()), 8..60), shift in 0.0_f64..1.0,
        ) {
            let mut members: Vec<bool> = samples.iter().map(|s| s.1).collect();
            (members[0], members[1]) = (true, false);
            let points: Vec<f64> = samples.iter().zip(&members).map(|(s, m)| s.0 + if *m { shift } else { 0.0 }).collect();
            let problem = || Problem::new(&points, 1, &members).unwrap();
            let grid = Interpolation::new(&problem().points).unwrap();
            let (a, b) = (problem().solve_on_grid(&grid).unwrap(), problem().solve_pairwise().unwrap());
            for at in points.iter().chain(&[-9.0, 9.0]) {
                let (a, b) = (a.decision(&[*at]).unwrap(), b.decision(&[*at]).unwrap());
                prop_assert!((a - b).abs() < 1e-3, "at {}: {} and {}", at, a, b);
            }
        }
    }
}
