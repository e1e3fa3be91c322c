//! A support-vector machine with the decisions of scikit-learn's `SVC(C=3, gamma="auto")`.
//!
//! Two classes, the radial kernel exp(−γ‖x − x′‖²) with γ = 1/dimension, and a bias. Points are not standardised.
//! scikit-learn solves the dual by sequential minimal optimisation, whose time grows with the square of the number of
//! points. Where the kernel is numerically of low rank, as it is for every one-dimensional feature, the same optimum is
//! reached in linear time: a pivoted Cholesky factor gives explicit coordinates (`low_rank`), in which the dual
//! is a small convex problem for an interior-point method (`interior_point`). Other kernels go to sequential minimal
//! optimisation here, too (`smo`).
//!
//! Deviations from scikit-learn: both solvers go on until the optimum is accurate far below scikit-learn's `tol=1e-3`, and the
//! bias is the exact minimiser of the hinge loss (the midpoint where a whole interval minimises it).

mod interior_point;
mod low_rank;
mod smo;

use low_rank::{Coordinates, LowRank};

use crate::{Error, Result};

/// The cost of a margin violation, scikit-learn's `C` as the paper sets it.
pub const COST: f64 = 3.0;

/// The greatest rank at which the interior-point method is used.
const MAX_RANK: usize = 256;

/// Decides whether a point looks like a member's.
#[derive(Debug, Clone)]
pub struct Svc {
    kernel: Kernel,
    bias: f64,
    decision: Decision,
}

/// How the part of the decision without the bias is computed.
#[derive(Debug, Clone)]
enum Decision {
    /// A linear function of low-rank coordinates.
    Linear { coordinates: Coordinates, weights: Vec<f64> },
    /// Support points, row-major, and the coefficient of each.
    Expansion { points: Vec<f64>, coefficients: Vec<f64> },
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
}

/// The training problem: distinct labelled points and how far each dual variable may go.
#[derive(Debug)]
struct Problem {
    kernel: Kernel,
    /// `[signs.len(), dimension]`, row-major.
    points: Vec<f64>,
    /// +1 for members, −1 for non-members.
    signs: Vec<f64>,
    /// How many samples share point and class.
    counts: Vec<usize>,
}

impl Svc {
    /// Fits `points` (`[members.len(), dimension]`, row-major); `members` says which of them are members.
    ///
    /// # Errors
    /// Lengths that do not fit together, coordinates that are not finite, points of one class only, and an optimum that
    /// was not reached.
    pub fn fit(points: &[f64], dimension: usize, members: &[bool]) -> Result<Self> {
        let problem = Problem::new(points, dimension, members)?;
        match low_rank::factorise(&problem, MAX_RANK) {
            Some(low_rank) => problem.solve_low_rank(low_rank),
            None => problem.solve_full(),
        }
    }

    /// The decision function: above zero for members, in units of the margin.
    ///
    /// # Errors
    /// A point of another dimension than those it was fitted on, or that is not finite.
    pub fn decision(&self, point: &[f64]) -> Result<f64> {
        check_points(point, self.kernel.dimension, 1)?;
        let unbiased = match &self.decision {
            Decision::Linear { coordinates, weights } => dot(&coordinates.of(self.kernel, point), weights),
            Decision::Expansion { points, coefficients } => {
                let support = points.chunks_exact(self.kernel.dimension);
                support.zip(coefficients).map(|(p, c)| c * self.kernel.eval(p, point)).sum()
            }
        };
        Ok(unbiased + self.bias)
    }

    /// Whether a point looks like a member's. A decision of exactly zero does, as in scikit-learn.
    ///
    /// # Errors
    /// As [`Svc::decision`].
    pub fn is_member(&self, point: &[f64]) -> Result<bool> {
        Ok(self.decision(point)? >= 0.0)
    }
}

impl Problem {
    /// Checks the points and merges samples that share point and class: their dual variables only ever occur as a sum.
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

    /// The upper bound of every dual variable.
    fn bounds(&self) -> Vec<f64> {
        self.counts.iter().map(|&count| COST * count as f64).collect()
    }

    fn solve_low_rank(self, low_rank: LowRank) -> Result<Svc> {
        let weights = interior_point::solve(&low_rank.rows, low_rank.rank, &self.signs, &self.bounds())?;
        let unbiased: Vec<f64> = low_rank.rows.chunks_exact(low_rank.rank).map(|row| dot(row, &weights)).collect();
        let bias = self.bias(&unbiased);
        let decision = Decision::Linear { coordinates: low_rank.coordinates, weights };
        Ok(Svc { kernel: self.kernel, bias, decision })
    }

    fn solve_full(self) -> Result<Svc> {
        let smo::Solution { alphas, unbiased } = smo::solve(&self)?;
        let bias = self.bias(&unbiased);
        let support: Vec<usize> = (0..self.len()).filter(|&i| alphas[i] > 0.0).collect();
        let points = support.iter().flat_map(|&i| self.point(i)).copied().collect();
        let coefficients = support.iter().map(|&i| alphas[i] * self.signs[i]).collect();
        Ok(Svc { kernel: self.kernel, bias, decision: Decision::Expansion { points, coefficients } })
    }

    /// The bias that minimises the hinge loss Σ max(0, 1 − yᵢ(fᵢ + b)) for given fᵢ.
    ///
    /// Its slope is −(number of members) far left and grows by one at every yᵢ − fᵢ, so the minimum lies between the
    /// two of these that stand where the slope crosses zero.
    fn bias(&self, unbiased: &[f64]) -> f64 {
        let samples = self.signs.iter().zip(unbiased).zip(&self.counts);
        let mut steps: Vec<(f64, usize)> = samples.map(|((y, f), &count)| (y - f, count)).collect();
        steps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let members: usize = self.signs.iter().zip(&self.counts).filter(|(y, _)| **y > 0.0).map(|(_, c)| c).sum();
        let mut passed = 0;
        for (i, &(step, count)) in steps.iter().enumerate() {
            passed += count;
            if passed > members {
                return step;
            }
            if passed == members {
                return steps.get(i + 1).map_or(step, |next| f64::midpoint(step, next.0));
            }
        }
        0.0
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
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
