//! The support-vector machine as a convex quadratic program, solved by a primal-dual interior-point method.
//!
//! In coordinates zᵢ of rank r: minimise ½‖w‖² + Σ Cᵢ ξᵢ subject to yᵢ(w·zᵢ + b) ≥ 1 − ξᵢ, ξᵢ ≥ 0. With multipliers αᵢ
//! and Cᵢ − αᵢ of the two, Newton's step eliminates all but (w, b): one Cholesky factorisation of size r + 1 a step, of
//! a matrix that takes O(n r²) to form (Ferris & Munson 2002). Steps follow Mehrotra's predictor and corrector.

use super::dot;
use crate::{Error, Result};

const MAX_ITERATIONS: usize = 200;

/// Stops where the duality gap, as a share of the objective, and every violation are below this.
const TOLERANCE: f64 = 1e-10;

/// The share of the way to the nearest bound that a step may go.
const STEP: f64 = 0.995;

/// The primal and dual variables of one point.
#[derive(Debug, Clone, Copy)]
struct Variables {
    /// Multiplier of the margin constraint.
    alpha: f64,
    /// Its distance to the upper bound: the multiplier of ξ ≥ 0.
    room: f64,
    /// Slack of the margin constraint.
    slack: f64,
    /// Margin violation ξ.
    violation: f64,
}

/// Minimises over rows (`[signs.len(), rank]`, row-major) and gives the weights w.
pub(super) fn solve(rows: &[f64], rank: usize, signs: &[f64], bounds: &[f64]) -> Result<Vec<f64>> {
    let n = signs.len();
    let total: f64 = bounds.iter().sum();
    // The bias is a coordinate that is always 1 and costs nothing.
    let width = rank + 1;
    let extended: Vec<f64> = rows.chunks_exact(rank).flat_map(|row| row.iter().copied().chain([1.0])).collect();
    let mut weights = vec![0.0; width];
    let start = |&c: &f64| Variables { alpha: c / 2.0, room: c / 2.0, slack: 1.0, violation: 1.0 };
    let mut variables: Vec<Variables> = bounds.iter().map(start).collect();
    let mut margins = vec![0.0; n];
    let mut violation = f64::INFINITY;
    for _ in 0..MAX_ITERATIONS {
        let mut residual = transposed_product(&extended, width, |i| signs[i] * variables[i].alpha);
        residual.iter_mut().zip(&weights).take(rank).for_each(|(r, w)| *r -= w);
        let infeasible = |i: usize| signs[i] * margins[i] - 1.0 + variables[i].violation - variables[i].slack;
        let gap: f64 = variables.iter().map(|v| v.alpha * v.slack + v.room * v.violation).sum();
        let objective = 0.5 * dot(&weights[..rank], &weights[..rank])
            + bounds.iter().zip(&variables).map(|(c, v)| c * v.violation).sum::<f64>();
        let dual = residual.iter().fold(0.0_f64, |a, r| a.max(r.abs())) / (1.0 + total);
        let primal = (0..n).fold(0.0_f64, |a, i| a.max(infeasible(i).abs()));
        violation = (gap / (1.0 + objective)).max(primal).max(dual);
        if violation < TOLERANCE {
            weights.truncate(rank);
            return Ok(weights);
        }

        let scales: Vec<f64> = variables.iter().map(|v| 1.0 / (v.violation / v.room + v.slack / v.alpha)).collect();
        let Some(factor) = Factor::new(&extended, width, &scales) else { break };
        // Solves for the step that makes αᵢsᵢ = first(i) and (Cᵢ − αᵢ)ξᵢ = second(i) to first order.
        let newton = |targets: &dyn Fn(usize) -> (f64, f64)| {
            let pull: Vec<f64> = (0..n)
                .map(|i| {
                    let v = variables[i];
                    let (first, second) = targets(i);
                    let (first, second) = (first - v.alpha * v.slack, second - v.room * v.violation);
                    -infeasible(i) - second / v.room + first / v.alpha
                })
                .collect();
            let mut step = transposed_product(&extended, width, |i| signs[i] * scales[i] * pull[i]);
            step.iter_mut().zip(&residual).for_each(|(s, r)| *s += r);
            factor.solve(&mut step);
            let moves: Vec<Variables> = (0..n)
                .map(|i| {
                    let v = variables[i];
                    let (first, second) = targets(i);
                    let row = &extended[i * width..(i + 1) * width];
                    let alpha = scales[i] * (pull[i] - signs[i] * dot(row, &step));
                    Variables {
                        alpha,
                        room: -alpha,
                        slack: (first - v.slack * alpha) / v.alpha - v.slack,
                        violation: (second + v.violation * alpha) / v.room - v.violation,
                    }
                })
                .collect();
            (step, moves)
        };
        let (_, affine) = newton(&|_| (0.0, 0.0));
        let length = step_length(&variables, &affine);
        let mean = gap / (2 * n) as f64;
        let reached: f64 = variables.iter().zip(&affine).map(|(v, d)| v.moved(d, length).gap()).sum();
        let centre = mean * (reached / gap).powi(3);
        let (step, moves) = newton(&|i| {
            let d = affine[i];
            (centre - d.alpha * d.slack, centre - d.room * d.violation)
        });
        let length = (STEP * step_length(&variables, &moves)).min(1.0);
        weights.iter_mut().zip(&step).for_each(|(w, s)| *w += length * s);
        variables.iter_mut().zip(&moves).for_each(|(v, d)| *v = v.moved(d, length));
        margins.iter_mut().zip(extended.chunks_exact(width)).for_each(|(m, row)| *m = dot(row, &weights));
    }
    Err(Error::NotConverged {
        solver: "interior-point method",
        iterations: MAX_ITERATIONS,
        violation,
        tolerance: TOLERANCE,
    })
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

/// How far all variables can move before one of them is zero; at least a little above 1 where nothing is in the way.
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

/// Σᵢ scale(i) · rowᵢ.
fn transposed_product(rows: &[f64], width: usize, scale: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sum = vec![0.0; width];
    for (i, row) in rows.chunks_exact(width).enumerate() {
        let factor = scale(i);
        sum.iter_mut().zip(row).for_each(|(s, v)| *s += factor * v);
    }
    sum
}

/// The Cholesky factor of E + Σ scaleᵢ rowᵢ rowᵢᵀ, where E is the identity without its last entry, the bias's.
struct Factor {
    /// Lower triangle, `[width, width]`, row-major.
    lower: Vec<f64>,
    width: usize,
}

impl Factor {
    fn new(rows: &[f64], width: usize, scales: &[f64]) -> Option<Self> {
        let mut lower = vec![0.0; width * width];
        (0..width - 1).for_each(|i| lower[i * width + i] = 1.0);
        for (row, scale) in rows.chunks_exact(width).zip(scales) {
            for (i, &value) in row.iter().enumerate() {
                let factor = scale * value;
                lower[i * width..=i * width + i].iter_mut().zip(row).for_each(|(l, v)| *l += factor * v);
            }
        }
        for i in 0..width {
            let (above, from_i) = lower.split_at_mut(i * width);
            let row = &mut from_i[..=i];
            for j in 0..i {
                let other = &above[j * width..=j * width + j];
                row[j] = (row[j] - dot(&row[..j], &other[..j])) / other[j];
            }
            let square = row[i] - dot(&row[..i], &row[..i]);
            if square.is_nan() || square <= 0.0 {
                return None;
            }
            row[i] = square.sqrt();
        }
        Some(Self { lower, width })
    }

    /// Replaces a right-hand side by the solution.
    fn solve(&self, side: &mut [f64]) {
        for i in 0..self.width {
            let row = &self.lower[i * self.width..=i * self.width + i];
            side[i] = (side[i] - dot(&row[..i], &side[..i])) / row[i];
        }
        for i in (0..self.width).rev() {
            let row = &self.lower[i * self.width..=i * self.width + i];
            side[i] /= row[i];
            let value = side[i];
            side[..i].iter_mut().zip(row).for_each(|(s, l)| *s -= value * l);
        }
    }
}
