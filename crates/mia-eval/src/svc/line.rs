//! One-dimensional points: the interior-point method on a grid, on as few points as decide.
//!
//! Most variables of many points end at a bound. A sample of the points is solved first. By its decisions, the variables of
//! all points are set to a bound, but for those of the points nearest to their margin, which are solved for. If the solution
//! shows that others are at the wrong bound, they are solved for, too. So the result is the optimum of all points.

use super::interior_point::{self, Fixed};
use super::interpolation::Interpolation;
use super::{Problem, SAMPLE};
use crate::Result;

/// Share of the points that are solved for at first, one in so many.
const ONE_IN: usize = 8;

/// With fewer points per node, factorisations take more time than the points do, and a sample says little where points are
/// few.
const PER_NODE: usize = 128;

/// A point whose variable is at a bound may be so far on the wrong side of its margin.
const TOLERANCE: f64 = 1e-9;

/// One dual variable per point.
pub(super) fn solve(problem: &Problem, grid: &Interpolation) -> Result<Vec<f64>> {
    if problem.len() >= (2 * SAMPLE).max(PER_NODE * grid.nodes.len())
        && let Some(alphas) = solve_nearest(problem, grid)
    {
        return Ok(alphas);
    }
    interior_point::solve(grid, &problem.signs, &problem.bounds(), &Fixed::none(grid, problem.bounds().iter().sum()))
}

/// As [`solve`], for many points. `None` if the variables at bounds leave no solution, or the method does not find it.
fn solve_nearest(problem: &Problem, grid: &Interpolation) -> Option<Vec<f64>> {
    let (n, signs, bounds) = (problem.len(), &problem.signs, problem.bounds());
    let total: f64 = bounds.iter().sum();
    let mut alphas = vec![0.0; n];
    let mut margins = {
        let every = n / SAMPLE;
        let rows = problem.sample(every);
        let mut part = problem.part(&rows);
        part.counts.iter_mut().for_each(|count| *count *= every);
        let (some, bounds) = (grid.of(&rows), part.bounds());
        let found =
            interior_point::solve(&some, &part.signs, &bounds, &Fixed::none(&some, bounds.iter().sum())).ok()?;
        rows.iter().zip(found).for_each(|(&i, alpha)| alphas[i] = alpha);
        let unbiased = problem.unbiased_on(grid, &alphas);
        let bias = part.bias(&rows.iter().map(|&i| unbiased[i]).collect::<Vec<_>>());
        margins(signs, &unbiased, bias)
    };
    let mut by_distance: Vec<usize> = (0..n).collect();
    by_distance.select_nth_unstable_by(n / ONE_IN, |&a, &b| {
        (margins[a] - 1.0).abs().total_cmp(&(margins[b] - 1.0).abs()).then(a.cmp(&b))
    });
    let mut active = vec![false; n];
    by_distance[..n / ONE_IN].iter().for_each(|&i| active[i] = true);
    let at_bound = |i: usize, margins: &[f64]| if margins[i] < 1.0 { bounds[i] } else { 0.0 };
    (0..n).for_each(|i| alphas[i] = if active[i] { 0.0 } else { at_bound(i, &margins) });
    loop {
        let rows: Vec<usize> = (0..n).filter(|&i| active[i]).collect();
        if rows.len() > n / 2 {
            return None;
        }
        let fixed: Vec<f64> = (0..n).map(|i| if active[i] { 0.0 } else { signs[i] * alphas[i] }).collect();
        let fixed = Fixed::new(grid, &fixed, total);
        let room = |sign: f64| rows.iter().filter(|&&i| signs[i] == sign).map(|&i| bounds[i]).sum::<f64>();
        if fixed.bias >= room(-1.0) || -fixed.bias >= room(1.0) {
            return None;
        }
        let part = problem.part(&rows);
        let found = interior_point::solve(&grid.of(&rows), &part.signs, &part.bounds(), &fixed).ok()?;
        rows.iter().zip(found).for_each(|(&i, alpha)| alphas[i] = alpha);
        let unbiased = problem.unbiased_on(grid, &alphas);
        margins = self::margins(signs, &unbiased, problem.bias(&unbiased));
        let wrong =
            |i: usize| if alphas[i] > 0.0 { margins[i] > 1.0 + TOLERANCE } else { margins[i] < 1.0 - TOLERANCE };
        let wrong: Vec<usize> = (0..n).filter(|&i| !active[i] && wrong(i)).collect();
        if wrong.is_empty() {
            return Some(alphas);
        }
        for i in wrong {
            active[i] = true;
        }
    }
}

/// How far every decision is on the side of the point's class.
fn margins(signs: &[f64], unbiased: &[f64], bias: f64) -> Vec<f64> {
    signs.iter().zip(unbiased).map(|(y, f)| y * (f + bias)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_near_their_margin_give_the_optimum_of_all() {
        // Members are more often at the upper end, and the density of both has several bumps.
        let n = 3 * SAMPLE;
        let noise = |i: usize, step: f64| (i as f64 * step).fract();
        let point = |i: usize| {
            let base = noise(i, 0.618_033_988_75);
            if i.is_multiple_of(2) { base.sqrt() } else { base + 0.1 * (base * 20.0).sin() }
        };
        let points: Vec<f64> = (0..n).map(point).collect();
        let members: Vec<bool> = (0..n).map(|i| i.is_multiple_of(2)).collect();
        let problem = Problem::new(&points, 1, &members).unwrap();
        let grid = Interpolation::new(&problem.points).unwrap();
        let few = solve_nearest(&problem, &grid).expect("a solution");
        let bounds = problem.bounds();
        let fixed = Fixed::none(&grid, bounds.iter().sum());
        let all = interior_point::solve(&grid, &problem.signs, &bounds, &fixed).unwrap();
        let [few, all] = [few, all].map(|alphas| {
            let unbiased = problem.unbiased_on(&grid, &alphas);
            margins(&problem.signs, &unbiased, problem.bias(&unbiased))
        });
        let furthest = few.iter().zip(&all).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(furthest < 1e-5, "{furthest}");
        assert!(few.iter().any(|margin| *margin < 0.9) && few.iter().any(|margin| *margin > 1.01));
    }
}
