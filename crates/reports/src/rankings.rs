//! The influence of a model's classes on a target task, as the suite's `rank` stages measured it, and how far two ways of measuring
//! agree.
//!
//! A `rank` stage records its result in its manifest, as the fact `ranking`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use unlearn_metrics::{Estimate, rank_correlation};
use unlearn_run_store::{Store, SuiteIndex};

use crate::error::{ReportError, Result};
use crate::results::distinct;
use crate::table::{self, Grid};

/// Name of the fact in the manifest of a `rank` stage.
const FACT: &str = "ranking";
const KIND: &str = "rank";

/// The influence of classes on a target, for one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranking {
    /// The seed.
    pub seed: u64,
    /// How influence was measured: `removal` (points of accuracy) or `gradient` (a cosine).
    pub by: String,
    /// Name of the target.
    pub target: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The influence of each class. The target would lose most by the removal of the class of greatest influence.
    pub influence: Vec<f64>,
}

#[derive(Deserialize)]
struct Fact {
    by: String,
    target: String,
    classes: Vec<String>,
    influence: Vec<f64>,
}

/// Reads the rankings that the suite's requests rest on, in the order of the suite.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::Ranking`] if its fact is.
pub fn gather(store: &Store, index: &SuiteIndex) -> Result<Vec<Ranking>> {
    let mut rankings = Vec::new();
    let mut seen = BTreeSet::new();
    for row in &index.rows {
        let Some(unlearn) = store.find("unlearn", &row.unlearn)? else { continue };
        for key in unlearn.manifest().inputs.values() {
            if !seen.insert(key.clone()) {
                continue;
            }
            let Some(stage) = store.find(KIND, key)? else { continue };
            let fact = stage.manifest().facts.get(FACT).cloned().unwrap_or_default();
            let problem = |problem: String| ReportError::Ranking { folder: stage.path().to_path_buf(), problem };
            let Fact { by, target, classes, influence } =
                Fact::deserialize(fact).map_err(|error| problem(error.to_string()))?;
            if classes.len() != influence.len() || influence.iter().any(|value| !value.is_finite()) {
                return Err(problem("it has not one finite number for each class".to_owned()));
            }
            rankings.push(Ranking { seed: stage.manifest().seed, by, target, classes, influence });
        }
    }
    Ok(rankings)
}

/// One line per class with its mean influence over the seeds, and 95 % intervals. `None` without rankings.
pub(crate) fn grid(rankings: &[Ranking]) -> Option<Grid> {
    let first = rankings.first()?;
    let ways = distinct(rankings.iter().map(|ranking| ranking.by.clone()));
    let head = std::iter::once("Class".to_owned()).chain(ways.iter().map(|by| heading(by))).collect();
    let line = |(class, name): (usize, &String)| {
        let cell = |by: &String| {
            let of_way = rankings.iter().filter(|ranking| ranking.by == *by);
            let values: Vec<f64> = of_way.filter_map(|ranking| ranking.influence.get(class).copied()).collect();
            Estimate::over_seeds(&values).map_or_else(|_| "–".to_owned(), |estimate| shown(by, &estimate))
        };
        std::iter::once(name.clone()).chain(ways.iter().map(cell)).collect()
    };
    let lines = first.classes.iter().enumerate().map(line).collect();
    Some(Grid { head, names: 1, lines })
}

fn heading(by: &str) -> String {
    match by {
        "removal" => "by removal, points".to_owned(),
        other => format!("by {other}"),
    }
}

fn shown(by: &str, estimate: &Estimate) -> String {
    if by == "removal" {
        return table::figure(estimate);
    }
    match estimate.half_width {
        Some(half_width) => format!("{:.4} ± {half_width:.4}", estimate.mean),
        None => format!("{:.4}", estimate.mean),
    }
}

/// The agreement of two ways of ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The two ways.
    pub ways: [String; 2],
    /// Spearman's ρ, by seed. Seeds whose ranking has no order are left out.
    pub by_seed: BTreeMap<u64, f64>,
    /// Spearman's ρ of the mean influences over the seeds that have both. `None` if there is no order.
    pub of_means: Option<f64>,
    /// Of each way, the mean of Spearman's ρ over all pairs of seeds. A way that does not agree with itself over seeds measures mostly
    /// noise, and no other way can agree with it. `None` with fewer than two seeds.
    pub with_itself: [Option<f64>; 2],
}

/// Mean of Spearman's ρ over all pairs of lists.
fn over_pairs(lists: &[&Vec<f64>]) -> Option<f64> {
    let pairs = lists.iter().enumerate().flat_map(|(at, one)| lists[at + 1..].iter().map(move |other| (one, other)));
    let found: Vec<f64> = pairs.filter_map(|(one, other)| rank_correlation(one, other).ok()).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

/// The agreement of the first two ways of ranking. `None` if there is only one.
pub fn agreement(rankings: &[Ranking]) -> Option<Agreement> {
    let ways = distinct(rankings.iter().map(|ranking| ranking.by.clone()));
    let [one, other] = [ways.first()?.clone(), ways.get(1)?.clone()];
    let of = |by: &str| -> BTreeMap<u64, &Vec<f64>> {
        let of_way = rankings.iter().filter(|ranking| ranking.by == by);
        of_way.map(|ranking| (ranking.seed, &ranking.influence)).collect()
    };
    let others = of(&other);
    let pairs: Vec<(u64, &Vec<f64>, &Vec<f64>)> =
        of(&one).into_iter().filter_map(|(seed, list)| Some((seed, list, *others.get(&seed)?))).collect();
    let by_seed = pairs.iter().filter_map(|(seed, a, b)| Some((*seed, rank_correlation(a, b).ok()?))).collect();
    let mean = |lists: Vec<&Vec<f64>>| -> Vec<f64> {
        let classes = lists.first().map_or(0, |list| list.len());
        (0..classes)
            .map(|class| lists.iter().filter_map(|list| list.get(class)).sum::<f64>() / lists.len() as f64)
            .collect()
    };
    let means = [mean(pairs.iter().map(|(_, a, _)| *a).collect()), mean(pairs.iter().map(|(_, _, b)| *b).collect())];
    let of_means = rank_correlation(&means[0], &means[1]).ok();
    let with_itself = [&one, &other].map(|by| over_pairs(&of(by).into_values().collect::<Vec<_>>()));
    Some(Agreement { ways: [one, other], by_seed, of_means, with_itself })
}

/// What the table means, and how far the rankings agree.
pub(crate) fn note(rankings: &[Ranking]) -> String {
    let target = rankings.first().map_or("", |ranking| &ranking.target);
    let meaning = format!(
        "Influence on {target}, mean ± 95 % confidence interval over seeds. By removal: validation accuracy of a linear probe on the model, \
         less that on a model trained without the class. By gradient: cosine of the class's and the target's loss gradients."
    );
    let Some(Agreement { ways: [one, other], by_seed, of_means, with_itself }) = agreement(rankings) else {
        return meaning;
    };
    let each =
        by_seed.iter().map(|(seed, rho)| format!("{} (seed {seed})", signed(*rho))).collect::<Vec<_>>().join(", ");
    let values: Vec<f64> = by_seed.values().copied().collect();
    let mean = Estimate::over_seeds(&values).map_or_else(
        |_| "no seed has an order to compare".to_owned(),
        |estimate| match estimate.half_width {
            Some(half_width) => {
                format!("{} ± {half_width:.2} over {} seeds: {each}", signed(estimate.mean), values.len())
            }
            None => each.clone(),
        },
    );
    let of_means =
        of_means.map_or_else(String::new, |rho| format!(" Of the mean influences over the seeds: {}.", signed(rho)));
    let itself = match with_itself {
        [Some(first), Some(second)] => format!(
            " Each way with itself, mean over pairs of seeds: {one} {}, {other} {}; where this is low, the seeds differ more than the classes.",
            signed(first),
            signed(second)
        ),
        _ => String::new(),
    };
    format!("{meaning} Spearman's ρ of the rankings by {one} and by {other}: {mean}.{of_means}{itself}")
}

fn signed(rho: f64) -> String {
    format!("{rho:+.2}").replace('-', "−")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(seed: u64, by: &str, influence: &[f64]) -> Ranking {
        let classes = (0..influence.len()).map(|class| format!("class {class}")).collect();
        Ranking { seed, by: by.to_owned(), target: "digits".to_owned(), classes, influence: influence.to_vec() }
    }

    #[test]
    fn two_ways_are_compared_by_seed_and_on_average() {
        let rankings = [
            ranking(1, "gradient", &[0.1, 0.2, 0.3]),
            ranking(1, "removal", &[1.0, 2.0, 3.0]),
            ranking(2, "gradient", &[0.1, 0.2, 0.3]),
            ranking(2, "removal", &[2.0, 1.0, 0.0]),
            ranking(3, "gradient", &[0.3, 0.2, 0.1]),
        ];
        let found = agreement(&rankings).unwrap();
        assert_eq!(found.ways, ["gradient", "removal"]);
        assert_eq!(found.by_seed, BTreeMap::from([(1, 1.0), (2, -1.0)]));
        assert_eq!(found.of_means, None, "removal's means are 1.5, 1.5, 1.5");
        assert_eq!(found.with_itself, [Some(-1.0 / 3.0), Some(-1.0)]);
        let text = note(&rankings);
        assert!(text.contains("+1.00 (seed 1), −1.00 (seed 2)") && text.contains("Influence on digits"), "{text}");
        let grid = grid(&rankings).unwrap();
        assert_eq!(grid.head, ["Class", "by gradient", "by removal, points"]);
        assert_eq!(grid.lines.len(), 3);
        assert!(grid.lines[0][2].starts_with("1.50 ±"), "{:?}", grid.lines);
        assert_eq!(agreement(&rankings[..1]), None);
        assert!(!note(&rankings[..1]).contains("Spearman"));
    }
}
