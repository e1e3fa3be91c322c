//! The support-vector machine as a convex quadratic program, solved by a primal-dual interior-point method.
//!
//! In coordinates zᵢ: minimise ½‖w‖² + Σ Cᵢ ξᵢ subject to yᵢ(w·zᵢ + b) ≥ 1 − ξᵢ, ξᵢ ≥ 0. The multipliers of the two
//! constraints are αᵢ and Cᵢ − αᵢ. Newton's step eliminates all variables except (w, b). It needs one Cholesky
//! factorisation of a matrix that is formed in one pass over the points (Ferris & Munson 2002). Steps follow
//! Mehrotra's predictor-corrector method.

use super::banded::Banded;
use super::dot;
use super::interpolation::Interpolation;
use crate::{Error, Result};

const MAX_ITERATIONS: usize = 200;

/// The solver stops when the duality gap relative to the objective and every violation are below this value.
const TOLERANCE: f64 = 1e-10;

/// Share of the distance to the nearest bound that a step may cover.
const STEP: f64 = 0.995;

/// The primal and dual variables of one point, or a change of them.
#[derive(Debug, Clone, Copy)]
struct Variables {
    /// Multiplier of the margin constraint.
    alpha: f64,
    /// Distance of α to its upper bound, which is the multiplier of ξ ≥ 0.
    room: f64,
    /// Slack of the margin constraint.
    slack: f64,
    /// Margin violation ξ.
    violation: f64,
}

/// Newton's step.
struct Step {
    weights: Vec<f64>,
    bias: f64,
    variables: Vec<Variables>,
}

/// What points with known multipliers contribute to a problem. All of them are 0 or at their upper bound.
pub(super) struct Fixed {
    /// Zᵀ(y α).
    weights: Vec<f64>,
    /// Σ yᵢαᵢ.
    pub(super) bias: f64,
    /// Σ αᵢ.
    cost: f64,
    /// Σ Cᵢ of all points, fixed or not.
    total: f64,
}

impl Fixed {
    /// No such points.
    pub(super) fn none(points: &Interpolation, total: f64) -> Self {
        Self { weights: vec![0.0; points.nodes.len()], bias: 0.0, cost: 0.0, total }
    }

    /// From yᵢαᵢ of all points, which is 0 for those that are not fixed.
    pub(super) fn new(points: &Interpolation, signed: &[f64], total: f64) -> Self {
        let cost = signed.iter().map(|v| v.abs()).sum();
        Self { weights: points.transposed_product(signed), bias: signed.iter().sum(), cost, total }
    }
}

/// Minimises, and returns the multipliers α of the margin constraints.
pub(super) fn solve(points: &Interpolation, signs: &[f64], bounds: &[f64], fixed: &Fixed) -> Result<Vec<f64>> {
    let n = signs.len();
    let start = |&c: &f64| Variables { alpha: c / 2.0, room: c / 2.0, slack: 1.0, violation: 1.0 };
    let mut variables: Vec<Variables> = bounds.iter().map(start).collect();
    let mut weights = vec![0.0; points.nodes.len()];
    let mut bias = 0.0;
    let mut reached = f64::INFINITY;
    for _ in 0..MAX_ITERATIONS {
        let decisions = points.product(&weights);
        let residuals = Residuals::new(points, signs, &variables, &weights, fixed, |i| decisions[i] + bias);
        let gap: f64 = variables.iter().map(Variables::gap).sum();
        // Fixed points are on the wrong side of their margin by 1 − yᵢ(w·zᵢ + b).
        let of_fixed = fixed.cost - dot(&weights, &fixed.weights) - bias * fixed.bias;
        let violations = bounds.iter().zip(&variables).map(|(c, v)| c * v.violation).sum::<f64>();
        let objective = 0.5 * dot(&weights, &weights) + violations + of_fixed;
        reached =
            (gap / (1.0 + objective.max(0.0))).max(residuals.primal()).max(residuals.dual() / (1.0 + fixed.total));
        if reached < TOLERANCE {
            return Ok(variables.iter().map(|v| v.alpha).collect());
        }
        let Some(normal) = NormalEquations::new(points, &variables) else { break };
        let newton = |targets: &[(f64, f64)]| normal.step(points, signs, &variables, &residuals, targets);
        let affine = newton(&vec![(0.0, 0.0); n]).variables;
        let length = step_length(&variables, &affine).min(1.0);
        let left: f64 = variables.iter().zip(&affine).map(|(v, d)| v.moved(d, length).gap()).sum();
        let centre = gap / (2 * n) as f64 * (left / gap).powi(3);
        let corrected = |d: &Variables| (centre - d.alpha * d.slack, centre - d.room * d.violation);
        let step = newton(&affine.iter().map(corrected).collect::<Vec<_>>());
        let length = (STEP * step_length(&variables, &step.variables)).min(1.0);
        weights.iter_mut().zip(&step.weights).for_each(|(w, d)| *w += length * d);
        bias += length * step.bias;
        variables.iter_mut().zip(&step.variables).for_each(|(v, d)| *v = v.moved(d, length));
    }
    let solver = "interior-point method";
    Err(Error::NotConverged { solver, iterations: MAX_ITERATIONS, violation: reached, tolerance: TOLERANCE })
}

/// Residuals of the linear optimality conditions.
struct Residuals {
    /// Zᵀ(y α) − w.
    weights: Vec<f64>,
    /// Σ yᵢαᵢ.
    bias: f64,
    /// yᵢfᵢ − 1 + ξᵢ − sᵢ.
    margins: Vec<f64>,
}

impl Residuals {
    fn new(
        points: &Interpolation,
        signs: &[f64],
        variables: &[Variables],
        weights: &[f64],
        fixed: &Fixed,
        decision: impl Fn(usize) -> f64,
    ) -> Self {
        let signed: Vec<f64> = signs.iter().zip(variables).map(|(y, v)| y * v.alpha).collect();
        let spread = points.transposed_product(&signed);
        let margin = |(i, v): (usize, &Variables)| signs[i] * decision(i) - 1.0 + v.violation - v.slack;
        Self {
            weights: spread.iter().zip(weights).zip(&fixed.weights).map(|((z, w), fixed)| z - w + fixed).collect(),
            bias: signed.iter().sum::<f64>() + fixed.bias,
            margins: variables.iter().enumerate().map(margin).collect(),
        }
    }

    fn primal(&self) -> f64 {
        self.margins.iter().fold(0.0, |a, v| v.abs().max(a))
    }

    fn dual(&self) -> f64 {
        self.weights.iter().fold(self.bias.abs(), |a, v| v.abs().max(a))
    }
}

/// The factorised matrix of Newton's step, (I + Zᵀ Θ Z, Zᵀ Θ 1; 1ᵀ Θ Z, 1ᵀ Θ 1). The last row and column belong to
/// the bias.
struct NormalEquations {
    /// The diagonal of Θ.
    scales: Vec<f64>,
    /// The factor of I + Zᵀ Θ Z.
    factor: Banded,
    /// The last row of the factor of the whole matrix, without its diagonal entry.
    border: Vec<f64>,
    /// The square of that entry.
    corner: f64,
}

impl NormalEquations {
    /// Returns `None` if the matrix is not positive definite to rounding.
    fn new(points: &Interpolation, variables: &[Variables]) -> Option<Self> {
        let scales: Vec<f64> = variables.iter().map(|v| 1.0 / (v.violation / v.room + v.slack / v.alpha)).collect();
        let mut gram = points.gram(&scales);
        (0..gram.len()).for_each(|i| gram.row_mut(i, i)[0] += 1.0);
        let factor = gram.cholesky()?;
        let mut border = points.transposed_product(&scales);
        factor.solve(&mut border);
        let corner = scales.iter().sum::<f64>() - dot(&border, &border);
        (corner > 0.0).then_some(Self { scales, factor, border, corner })
    }

    /// The step that, to first order, makes αᵢsᵢ and (Cᵢ − αᵢ)ξᵢ equal to the targets and the residuals zero.
    fn step(
        &self,
        points: &Interpolation,
        signs: &[f64],
        variables: &[Variables],
        residuals: &Residuals,
        targets: &[(f64, f64)],
    ) -> Step {
        let n = signs.len();
        let pull = |i: usize| {
            let (v, (margin, bound)) = (variables[i], targets[i]);
            (v.violation - bound / v.room) + (margin / v.alpha - v.slack) - residuals.margins[i]
        };
        let pulled: Vec<f64> = (0..n).map(|i| signs[i] * self.scales[i] * pull(i)).collect();
        let mut weights = points.transposed_product(&pulled);
        weights.iter_mut().zip(&residuals.weights).for_each(|(w, r)| *w += r);
        let bias = self.solve(&mut weights, pulled.iter().sum::<f64>() + residuals.bias);
        let decisions = points.product(&weights);
        let of_point = |i: usize| {
            let (v, (margin, bound)) = (variables[i], targets[i]);
            let alpha = signs[i] * (pulled[i] - self.scales[i] * (decisions[i] + bias));
            Variables {
                alpha,
                room: -alpha,
                slack: (margin - v.slack * alpha) / v.alpha - v.slack,
                violation: (bound + v.violation * alpha) / v.room - v.violation,
            }
        };
        Step { weights, bias, variables: (0..n).map(of_point).collect() }
    }

    /// Replaces a right-hand side by the solution, and returns the bias's part of the solution.
    fn solve(&self, side: &mut [f64], bias_side: f64) -> f64 {
        self.factor.solve(side);
        let bias = (bias_side - dot(&self.border, side)) / self.corner;
        side.iter_mut().zip(&self.border).for_each(|(s, b)| *s -= bias * b);
        self.factor.solve_transposed(side);
        bias
    }
}

impl Variables {
    fn moved(&self, d: &Self, length: f64) -> Self {
        Self {
            alpha: self.alpha + length * d.alpha,
            room: self.room + length * d.room,
            slack: self.slack + length * d.slack,
            violation: self.violation + length * d.violation,
        }
    }

    fn gap(&self) -> f64 {
        self.alpha * self.slack + self.room * self.violation
    }
}

/// The largest step for which no variable becomes negative. It is slightly above 1 if no variable limits the step.
fn step_length(variables: &[Variables], moves: &[Variables]) -> f64 {
    let limit = |value: f64, change: f64| if change < 0.0 { -value / change } else { f64::INFINITY };
    let of_one = |(v, d): (&Variables, &Variables)| {
        limit(v.alpha, d.alpha)
            .min(limit(v.room, d.room))
            .min(limit(v.slack, d.slack))
            .min(limit(v.violation, d.violation))
    };
    variables.iter().zip(moves).map(of_one).fold(1.0 / STEP, f64::min)
}
