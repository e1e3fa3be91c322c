//! Sequential minimal optimisation: solves the dual two variables at a time.
//!
//! The pair is chosen by second-order information (Fan, Chen & Lin 2005, working-set selection 2), as in LIBSVM.
//! There is no shrinking. Kernel rows are cached in `f32` up to a memory limit and recomputed beyond it.
//!
//! Of many points, most variables end at a bound, and it would take a step or two to bring each of them there. So a sample
//! of the points is solved first, and its decisions say at which bound the variables of all points start. Only those near
//! their margin are then solved for. The others need not be known exactly: bounds (`sketch`) show that they are where they
//! belong, and whoever is not is solved for, too.

use super::lanes::{Columns, Pairs};
use super::sketch::{Coordinates, Sketch, Sum};
use super::{Problem, SAMPLE};
use crate::{Error, Result};

/// The solver stops when no pair of variables violates optimality by more than this value. LIBSVM's default is 1e-3.
const TOLERANCE: f64 = 1e-5;

/// Largest number of steps per point.
const MAX_STEPS_PER_POINT: usize = 2_000;

/// Size of the cache of kernel rows, in bytes.
const CACHE_BYTES: usize = 512 << 20;

/// Least curvature of a pair, for points that are indistinguishable.
const LEAST_CURVATURE: f32 = 1e-12;

/// Share of the points that are solved for at first, one in so many: those nearest to their margin.
const ONE_IN: usize = 6;

/// The optimum.
pub(super) struct Solution {
    /// One dual variable per point.
    pub(super) alphas: Vec<f64>,
    /// The bias of the decision.
    pub(super) bias: f64,
    /// The sum of the decision in few coordinates, if there are many points.
    pub(super) sketch: Option<(Sketch, Sum)>,
}

/// The solution of a part of the variables.
struct Part {
    alphas: Vec<f64>,
    /// The decision at every point of the part, without the bias.
    unbiased: Vec<f64>,
}

/// Minimises ½ αᵀQα − Σα over 0 ≤ αᵢ ≤ Cᵢ, Σ yᵢαᵢ = 0, where Qᵢⱼ = yᵢyⱼK(xᵢ, xⱼ).
pub(super) fn solve(problem: &Problem) -> Result<Solution> {
    let n = problem.len();
    if n < 2 * SAMPLE {
        let Part { alphas, unbiased } = solve_from(problem, vec![0.0; n], problem.signs.clone())?;
        return Ok(Solution { alphas, bias: problem.bias(&unbiased), sketch: None });
    }
    let every = n / SAMPLE;
    let sample = problem.sample(every);
    let sketch = Sketch::new(&problem.part(&sample).points, problem.kernel.dimension);
    let coordinates = sketch.coordinates(&problem.points, problem.kernel.dimension);
    let Start { alphas, margins } = start(problem, &sample, every, &coordinates)?;
    let bounds = problem.bounds();
    let mut active: Vec<bool> =
        alphas.iter().zip(&bounds).map(|(alpha, bound)| *alpha > 0.0 && alpha < bound).collect();
    let mut by_distance: Vec<usize> = (0..n).collect();
    by_distance.sort_by(|&a, &b| (margins[a] - 1.0).abs().total_cmp(&(margins[b] - 1.0).abs()));
    by_distance.into_iter().take(n / ONE_IN).for_each(|i| active[i] = true);
    let mut many = Many { problem, coordinates, alphas, active, known: vec![None; n] };
    loop {
        many.solve_active()?;
        if let Some(bias) = many.settle() {
            let sum = many.coordinates.sum(&many.coefficients());
            return Ok(Solution { alphas: many.alphas, bias, sketch: Some((sketch, sum)) });
        }
    }
}

/// Many variables, of which the active ones are being solved for.
struct Many<'a> {
    problem: &'a Problem,
    coordinates: Coordinates,
    alphas: Vec<f64>,
    active: Vec<bool>,
    /// The decisions that are known in full, without the bias.
    known: Vec<Option<f64>>,
}

impl Many<'_> {
    fn coefficients(&self) -> Vec<f64> {
        self.alphas.iter().zip(&self.problem.signs).map(|(alpha, y)| alpha * y).collect()
    }

    /// Σ coefficientⱼ · kernel(pointⱼ, ·) at some points. Coefficients are given for all points.
    fn sums(&self, coefficients: &[f64], rows: &[usize]) -> Vec<f64> {
        let points = |rows: &[usize]| rows.iter().flat_map(|&i| self.problem.point(i)).copied().collect::<Vec<_>>();
        let nonzero: Vec<usize> = (0..coefficients.len()).filter(|&i| coefficients[i] != 0.0).collect();
        if rows.is_empty() || nonzero.is_empty() {
            return vec![0.0; rows.len()];
        }
        let columns = Columns::new(&points(&nonzero), self.problem.kernel.dimension);
        columns.expansions(&nonzero.iter().map(|&i| coefficients[i]).collect::<Vec<_>>(), &points(rows))
    }

    /// Computes the decisions at these points in full, where they are not known.
    fn know(&mut self, rows: impl Iterator<Item = usize>) {
        let unknown: Vec<usize> = rows.filter(|&i| self.known[i].is_none()).collect();
        for (&i, sum) in unknown.iter().zip(self.sums(&self.coefficients(), &unknown)) {
            self.known[i] = Some(sum);
        }
    }

    /// Solves for the active variables.
    fn solve_active(&mut self) -> Result<()> {
        let Problem { signs, .. } = self.problem;
        let rows: Vec<usize> = (0..signs.len()).filter(|&i| self.active[i]).collect();
        self.know(rows.iter().copied());
        let part = self.problem.part(&rows);
        let implied = rows.iter().map(|&i| signs[i] - self.known[i].unwrap_or_default()).collect();
        let Part { alphas, unbiased } = solve_from(&part, rows.iter().map(|&i| self.alphas[i]).collect(), implied)?;
        let mut changes = vec![0.0; signs.len()];
        for ((&i, alpha), value) in rows.iter().zip(alphas).zip(unbiased) {
            changes[i] = signs[i] * (alpha - self.alphas[i]);
            (self.alphas[i], self.known[i]) = (alpha, Some(value));
        }
        let others: Vec<usize> = (0..signs.len()).filter(|&i| !self.active[i] && self.known[i].is_some()).collect();
        for (&i, change) in others.iter().zip(self.sums(&changes, &others)) {
            self.known[i] = self.known[i].map(|value| value + change);
        }
        Ok(())
    }

    /// The bias, if every other variable is at the right bound. Otherwise, those that are not become active.
    fn settle(&mut self) -> Option<f64> {
        let Problem { signs, .. } = self.problem;
        let about = self.coordinates.values(&self.coordinates.sum(&self.coefficients()));
        loop {
            let known = self.known.iter().zip(&about);
            let (unbiased, within): (Vec<f64>, Vec<f64>) =
                known.map(|(known, about)| known.map_or((about.value, about.within), |value| (value, 0.0))).unzip();
            let (bias, between) = self.problem.bias_between(&unbiased);
            // How far the point is on the side of its margin where its variable belongs, at least.
            let right = |i: usize| {
                let over = signs[i] * (unbiased[i] + bias) - 1.0;
                (if self.alphas[i] > 0.0 { -over } else { over }) - within[i]
            };
            let unsure = |&i: &usize| self.known[i].is_none() && (between.contains(&i) || right(i) < TOLERANCE);
            let unsure: Vec<usize> = (0..signs.len()).filter(unsure).collect();
            if unsure.is_empty() {
                let wrong: Vec<usize> =
                    (0..signs.len()).filter(|&i| !self.active[i] && right(i) < -TOLERANCE).collect();
                for &i in &wrong {
                    self.active[i] = true;
                }
                return wrong.is_empty().then_some(bias);
            }
            self.know(unsure.into_iter());
        }
    }
}

/// Where the variables of many points start, and the margins of the points, roughly, by the solution on a sample.
struct Start {
    alphas: Vec<f64>,
    margins: Vec<f64>,
}

/// Variables that sum to zero with their signs: those of points that the solution on a sample has on the wrong side of
/// their margin are at their upper bound. Each point of the sample stands for `every` points.
fn start(problem: &Problem, sample: &[usize], every: usize, coordinates: &Coordinates) -> Result<Start> {
    let (n, bounds) = (problem.len(), problem.bounds());
    let mut part = problem.part(sample);
    part.counts.iter_mut().for_each(|count| *count *= every);
    let Part { alphas, unbiased } = solve_from(&part, vec![0.0; part.len()], part.signs.clone())?;
    let bias = part.bias(&unbiased);
    let mut coefficients = vec![0.0; n];
    sample.iter().zip(alphas.iter().zip(&part.signs)).for_each(|(&i, (alpha, y))| coefficients[i] = alpha * y);
    let unbiased = coordinates.values(&coordinates.sum(&coefficients));
    let margins: Vec<f64> = problem.signs.iter().zip(unbiased).map(|(y, f)| y * (f.value + bias)).collect();
    let mut alphas: Vec<f64> = (0..n).map(|i| if margins[i] < 1.0 { bounds[i] } else { 0.0 }).collect();
    // Of the side with the greater sum, the points nearest to their margin give up what is too much.
    let mut excess: f64 = alphas.iter().zip(&problem.signs).map(|(alpha, y)| alpha * y).sum();
    let side = excess.signum();
    let mut nearest: Vec<usize> = (0..n).filter(|&i| alphas[i] > 0.0 && problem.signs[i] == side).collect();
    nearest.sort_by(|&a, &b| margins[b].total_cmp(&margins[a]));
    for i in nearest {
        let given = alphas[i].min(excess.abs());
        alphas[i] -= given;
        excess -= side * given;
        if excess == 0.0 {
            break;
        }
    }
    Ok(Start { alphas, margins })
}

/// Solves from variables that sum to zero with their signs. `implied` is −yᵢ times the gradient of the objective there,
/// yᵢ − Σⱼ yⱼαⱼKᵢⱼ.
fn solve_from(problem: &Problem, mut alphas: Vec<f64>, implied: Vec<f64>) -> Result<Part> {
    let n = problem.len();
    let y = &problem.signs;
    let bounds = problem.bounds();
    let mut rows = Rows::new(problem);
    let mut pairs = Pairs::new(implied);
    let rises = |i: usize, alpha: f64| if y[i] > 0.0 { alpha < bounds[i] } else { alpha > 0.0 };
    let falls = |i: usize, alpha: f64| if y[i] > 0.0 { alpha > 0.0 } else { alpha < bounds[i] };
    let refresh = |pairs: &mut Pairs, i: usize, alpha: f64| {
        pairs.rises[i] = if rises(i, alpha) { 0.0 } else { f64::NEG_INFINITY };
        pairs.falls[i] = if falls(i, alpha) { 0.0 } else { f64::INFINITY };
    };
    for (i, alpha) in alphas.iter().enumerate() {
        refresh(&mut pairs, i, *alpha);
    }
    let limit = n.saturating_mul(MAX_STEPS_PER_POINT).max(100_000);
    let mut violation = f64::INFINITY;
    for _ in 0..limit {
        let Some(up) = pairs.up() else { break };
        let row_up = rows.fetch(up);
        let (best, least) = pairs.down(up, rows.kept(row_up), LEAST_CURVATURE);
        violation = pairs.implied[up] - least;
        let (true, Some(down)) = (violation > TOLERANCE, best) else { break };
        let row_down = rows.fetch_beside(down, row_up);
        let curvature = f64::from((2.0 - 2.0 * rows.kept(row_up)[down]).max(LEAST_CURVATURE));
        // yᵤαᵤ grows and y_d α_d shrinks by the same amount, up to the optimum or a bound.
        let room_up = if y[up] > 0.0 { bounds[up] - alphas[up] } else { alphas[up] };
        let room_down = if y[down] > 0.0 { alphas[down] } else { bounds[down] - alphas[down] };
        let step = ((pairs.implied[up] - pairs.implied[down]) / curvature).min(room_up).min(room_down);
        alphas[up] = if step == room_up { bound(y[up] > 0.0, bounds[up]) } else { alphas[up] + y[up] * step };
        alphas[down] =
            if step == room_down { bound(y[down] < 0.0, bounds[down]) } else { alphas[down] - y[down] * step };
        for i in [up, down] {
            refresh(&mut pairs, i, alphas[i]);
        }
        pairs.step(step, rows.kept(row_up), rows.kept(row_down));
    }
    if violation > TOLERANCE {
        let solver = "sequential minimal optimisation";
        return Err(Error::NotConverged { solver, iterations: limit, violation, tolerance: TOLERANCE });
    }
    let unbiased = y.iter().zip(&pairs.implied).map(|(y, b)| y - b).collect();
    Ok(Part { alphas, unbiased })
}

/// The bound that a variable has reached.
fn bound(upper: bool, value: f64) -> f64 {
    if upper { value } else { 0.0 }
}

/// The most recently used rows of the kernel matrix.
struct Rows<'a> {
    problem: &'a Problem,
    columns: Columns,
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
        let columns = Columns::new(&problem.points, problem.kernel.dimension);
        Self { problem, columns, slot_of: vec![None; n], slots: vec![], capacity, clock: 0 }
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
        self.columns.row(self.problem.point(point), row);
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::svc::Kernel;

    #[test]
    fn many_points_have_the_solution_that_they_have_from_zero() {
        // Two clouds in the plane that overlap, the second with its members twice as often.
        let n = 2 * SAMPLE + 500;
        let noise = |i: usize, step: f64| (i as f64 * step).fract() - 0.5;
        let points = (0..n).flat_map(|i| {
            let shift = if i % 3 == 0 { 0.5 } else { 0.0 };
            [noise(i, 0.618_033_988_75) * 2.0 + shift, noise(i, 0.414_213_562_37) * 2.0]
        });
        let problem = Problem {
            kernel: Kernel { dimension: 2 },
            points: points.collect(),
            signs: (0..n).map(|i| if i % 3 == 0 { 1.0 } else { -1.0 }).collect(),
            counts: (0..n).map(|i| if i % 3 == 0 { 2 } else { 1 }).collect(),
        };
        let every = n / SAMPLE;
        let sample = problem.sample(every);
        let sketch = Sketch::new(&problem.part(&sample).points, 2);
        let coordinates = sketch.coordinates(&problem.points, 2);
        let started = start(&problem, &sample, every, &coordinates).unwrap().alphas;
        let sum: f64 = started.iter().zip(&problem.signs).map(|(alpha, y)| alpha * y).sum();
        assert!(sum.abs() < 1e-9, "{sum}");
        let bounds = problem.bounds();
        assert!(started.iter().zip(&bounds).all(|(alpha, bound)| (0.0..=*bound).contains(alpha)));
        let (warm, cold) =
            (solve(&problem).unwrap(), solve_from(&problem, vec![0.0; n], problem.signs.clone()).unwrap());
        let coefficients: Vec<f64> = warm.alphas.iter().zip(&problem.signs).map(|(alpha, y)| alpha * y).collect();
        let unbiased = Columns::new(&problem.points, 2).expansions(&coefficients, &problem.points);
        assert!((problem.bias(&unbiased) - warm.bias).abs() < 1e-4);
        let [one, other] = [warm.bias, problem.bias(&cold.unbiased)];
        for (a, b) in unbiased.iter().zip(&cold.unbiased) {
            assert!((a + one - b - other).abs() < 1e-3, "{} {}", a + one, b + other);
        }
    }
}
