//! Sequential minimal optimisation: solves the dual two variables at a time.
//!
//! The pair is chosen by second-order information (Fan, Chen & Lin 2005, working-set selection 2), as in LIBSVM.
//! There is no shrinking. Kernel rows are cached in `f32` up to a memory limit and recomputed beyond it.

use super::Problem;
use crate::{Error, Result};

/// The solver stops when no pair of variables violates optimality by more than this value. LIBSVM's default is 1e-3.
const TOLERANCE: f64 = 1e-5;

/// Largest number of steps per point.
const MAX_STEPS_PER_POINT: usize = 2_000;

/// Size of the cache of kernel rows, in bytes.
const CACHE_BYTES: usize = 512 << 20;

/// Least curvature of a pair, for points that are indistinguishable.
const LEAST_CURVATURE: f64 = 1e-12;

/// The optimum.
pub(super) struct Solution {
    /// One dual variable per point.
    pub(super) alphas: Vec<f64>,
    /// The decision at every point, without the bias.
    pub(super) unbiased: Vec<f64>,
}

/// Minimises ½ αᵀQα − Σα over 0 ≤ αᵢ ≤ Cᵢ, Σ yᵢαᵢ = 0, where Qᵢⱼ = yᵢyⱼK(xᵢ, xⱼ).
pub(super) fn solve(problem: &Problem) -> Result<Solution> {
    let n = problem.len();
    let y = &problem.signs;
    let bounds = problem.bounds();
    let mut rows = Rows::new(problem);
    let mut alphas = vec![0.0; n];
    // −yᵢ times the gradient of the objective is yᵢ − Σⱼ yⱼαⱼKᵢⱼ. This would be the bias if point i were on the
    // margin.
    let mut implied = y.clone();
    let limit = n.saturating_mul(MAX_STEPS_PER_POINT).max(100_000);
    let mut violation = f64::INFINITY;
    for _ in 0..limit {
        let rises = |i: usize, alpha: f64| if y[i] > 0.0 { alpha < bounds[i] } else { alpha > 0.0 };
        let falls = |i: usize, alpha: f64| if y[i] > 0.0 { alpha > 0.0 } else { alpha < bounds[i] };
        let up = (0..n).filter(|&i| rises(i, alphas[i])).max_by(|&a, &b| implied[a].total_cmp(&implied[b]));
        let Some(up) = up else { break };
        let row_up = rows.fetch(up);
        let mut least = f64::INFINITY;
        let mut best = (0.0, None);
        for j in (0..n).filter(|&j| falls(j, alphas[j])) {
            least = least.min(implied[j]);
            let difference = implied[up] - implied[j];
            if difference > 0.0 {
                let curvature = (2.0 - 2.0 * f64::from(rows.kept(row_up)[j])).max(LEAST_CURVATURE);
                let gain = difference * difference / curvature;
                if gain > best.0 {
                    best = (gain, Some(j));
                }
            }
        }
        violation = implied[up] - least;
        let (true, Some(down)) = (violation > TOLERANCE, best.1) else { break };
        let row_down = rows.fetch_beside(down, row_up);
        let curvature = (2.0 - 2.0 * f64::from(rows.kept(row_up)[down])).max(LEAST_CURVATURE);
        // yᵤαᵤ grows and y_d α_d shrinks by the same amount, up to the optimum or a bound.
        let room_up = if y[up] > 0.0 { bounds[up] - alphas[up] } else { alphas[up] };
        let room_down = if y[down] > 0.0 { alphas[down] } else { bounds[down] - alphas[down] };
        let step = ((implied[up] - implied[down]) / curvature).min(room_up).min(room_down);
        alphas[up] = if step == room_up { bound(y[up] > 0.0, bounds[up]) } else { alphas[up] + y[up] * step };
        alphas[down] =
            if step == room_down { bound(y[down] < 0.0, bounds[down]) } else { alphas[down] - y[down] * step };
        let pair = rows.kept(row_up).iter().zip(rows.kept(row_down));
        for (value, (a, b)) in implied.iter_mut().zip(pair) {
            *value -= step * (f64::from(*a) - f64::from(*b));
        }
    }
    if violation > TOLERANCE {
        let solver = "sequential minimal optimisation";
        return Err(Error::NotConverged { solver, iterations: limit, violation, tolerance: TOLERANCE });
    }
    let unbiased = y.iter().zip(&implied).map(|(y, b)| y - b).collect();
    Ok(Solution { alphas, unbiased })
}

/// The bound that a variable has reached.
fn bound(upper: bool, value: f64) -> f64 {
    if upper { value } else { 0.0 }
}

/// The most recently used rows of the kernel matrix.
struct Rows<'a> {
    problem: &'a Problem,
    /// The slot of each point's row, if it is cached.
    slot_of: Vec<Option<usize>>,
    slots: Vec<Slot>,
    capacity: usize,
    clock: u64,
}

struct Slot {
    point: usize,
    used: u64,
    row: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(problem: &'a Problem) -> Self {
        let n = problem.len();
        let capacity = (CACHE_BYTES / (n * size_of::<f32>())).max(2);
        Self { problem, slot_of: vec![None; n], slots: vec![], capacity, clock: 0 }
    }

    /// The slot of a point's row. The row is computed if it is not cached.
    fn fetch(&mut self, point: usize) -> usize {
        self.fetch_beside(point, usize::MAX)
    }

    /// As [`Rows::fetch`], but never evicts the row in slot `pinned`.
    fn fetch_beside(&mut self, point: usize, pinned: usize) -> usize {
        self.clock += 1;
        let slot = self.slot_of[point].unwrap_or_else(|| self.compute(point, pinned));
        self.slots[slot].used = self.clock;
        slot
    }

    fn kept(&self, slot: usize) -> &[f32] {
        &self.slots[slot].row
    }

    fn compute(&mut self, point: usize, pinned: usize) -> usize {
        let oldest = || {
            let free = self.slots.iter().enumerate().filter(|(slot, _)| *slot != pinned);
            free.min_by_key(|(_, slot)| slot.used).map(|(slot, _)| slot)
        };
        let reused = if self.slots.len() < self.capacity { None } else { oldest() };
        let slot = reused.unwrap_or_else(|| {
            self.slots.push(Slot { point, used: 0, row: vec![] });
            self.slots.len() - 1
        });
        let Slot { point: previous, row, .. } = &mut self.slots[slot];
        self.slot_of[*previous] = None;
        *previous = point;
        self.slot_of[point] = Some(slot);
        let (kernel, at) = (self.problem.kernel, self.problem.point(point));
        row.clear();
        row.extend(self.problem.points.chunks_exact(kernel.dimension).map(|other| kernel.eval(other, at) as f32));
        slot
    }
}
