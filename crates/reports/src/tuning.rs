//! A search for the settings of unlearning methods, as text: the chosen settings, the search space, and every trial.

use std::fmt::Write;

use unlearn_run_store::{Trial, Tuning};

use crate::results::distinct;
use crate::summary::Variant;
use crate::table::Grid;

/// The chosen settings for a terminal, with the criterion and the budget.
pub fn terminal(tuning: &Tuning) -> String {
    format!("{}{}\n", chosen(tuning).terminal(), criterion(tuning))
}

/// The chosen settings as a part of `table.md`.
pub(crate) fn markdown(tuning: &Tuning) -> String {
    format!("## Settings that a search chose\n\n{}\n{}\n", chosen(tuning).markdown(), criterion(tuning))
}

/// The search in words.
pub(crate) fn criterion(tuning: &Tuning) -> String {
    let Tuning { objective, criterion, budget, seed, run_seed, .. } = tuning;
    let trials = if *budget == 1 { "trial" } else { "trials" };
    format!(
        "Settings by `{}`: {budget} {trials} of each method on each model and request, drawn with seed {seed}, on the run of seed {run_seed}. \
         Criterion `{objective}`, lower is better: {criterion}.",
        tuning.command
    )
}

/// One line per method, request and model: the criterion before and after, and the chosen settings.
pub(crate) fn chosen(tuning: &Tuning) -> Grid {
    let line = |best: &Trial| {
        let own = tuning.trials.iter().find(|trial| trial.number == 0 && is_beside(trial, best));
        vec![
            best.method.clone(),
            best.forget.clone(),
            model(best),
            settings(tuning, best),
            value(own.and_then(|own| own.value)),
            value(best.value),
        ]
    };
    let lines = tuning.trials.iter().filter(|trial| trial.chosen).map(line).collect();
    let head = ["Method", "To forget", "Model", "Settings", "Suite's own", "Chosen"].map(str::to_owned).to_vec();
    Grid { head, names: 4, lines }
}

/// One line per trial.
pub(crate) fn trials(tuning: &Tuning) -> Grid {
    let line = |trial: &Trial| {
        let figure = |of: fn(&unlearn_run_store::Validation) -> f64| {
            value(trial.validation.as_ref().map(of).filter(|value| !value.is_nan()))
        };
        let settings = match &trial.failure {
            Some(reason) => format!("{} – failed: {reason}", settings(tuning, trial)),
            None => settings(tuning, trial),
        };
        let names = [trial.method.clone(), trial.forget.clone(), model(trial), settings];
        let figures = [
            figure(|found| found.ua),
            figure(|found| found.mia_efficacy),
            figure(|found| found.ra),
            figure(|found| found.va),
            value(trial.value),
            if trial.chosen { "✓" } else { "" }.to_owned(),
        ];
        names.into_iter().chain(figures).collect()
    };
    let head = ["Method", "To forget", "Model", "Settings", "UA", "MIA-efficacy", "RA", "VA", "Criterion", ""];
    Grid { head: head.map(str::to_owned).to_vec(), names: 4, lines: tuning.trials.iter().map(line).collect() }
}

/// The search space, one line per method.
pub(crate) fn space(tuning: &Tuning) -> Vec<String> {
    let of = |method: &str| {
        let keys = tuning.space.iter().filter(|searched| searched.method == method);
        let keys = keys.map(|searched| format!("{} {}", searched.key, searched.search));
        format!("{method}: {}", keys.collect::<Vec<_>>().join(", "))
    };
    distinct(tuning.space.iter().map(|searched| searched.method.as_str())).into_iter().map(of).collect()
}

/// The values of the searched keys for the trial's method: `lr = 0.013, gamma = 0.0004`.
fn settings(tuning: &Tuning, trial: &Trial) -> String {
    let keys = tuning.space.iter().filter(|searched| searched.method == trial.method);
    let mut text = String::new();
    for searched in keys {
        let separator = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{separator}{} = {}", searched.key, trial.config[&searched.key]);
    }
    text
}

fn is_beside(one: &Trial, other: &Trial) -> bool {
    (&one.method, &one.forget, &one.pruning) == (&other.method, &other.forget, &other.pruning)
        && one.sparsity == other.sparsity
}

fn model(trial: &Trial) -> String {
    Variant { sparsity: trial.sparsity, pruning: trial.pruning.clone() }.label()
}

fn value(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_run_store::{Searched, StageKey, Validation};

    use super::*;

    fn trial(number: usize, lr: f64, value: Option<f64>) -> Trial {
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let figures =
            Validation { ua: 10.0, ra: 98.0, va: 90.0, mia_efficacy: 15.0, forget_auc: 0.5, rte_seconds: 1.0 };
        Trial {
            method: "ft".to_owned(),
            forget: "class 0".to_owned(),
            pruning: "omp".to_owned(),
            sparsity: 0.95,
            number,
            config: json!({ "lr": lr, "epochs": 2 }),
            validation: value.map(|_| figures),
            value,
            failure: value.is_none().then(|| "the model has diverged".to_owned()),
            unlearn: key,
            chosen: number == 1,
        }
    }

    fn tuning() -> Tuning {
        Tuning {
            format: Tuning::FORMAT,
            suite: "quick".to_owned(),
            command: "unlearn tune quick.toml".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
            commit: None,
            source: None,
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            objective: "gap".to_owned(),
            criterion: "distance to Retrain".to_owned(),
            budget: 3,
            seed: 7,
            run_seed: 1,
            space: vec![Searched {
                method: "ft".to_owned(),
                key: "lr".to_owned(),
                search: json!({ "log": [1e-3, 0.1] }),
            }],
            trials: vec![trial(0, 0.01, Some(4.0)), trial(1, 0.02, Some(1.5)), trial(2, 0.1, None)],
        }
    }

    #[test]
    fn the_winner_stands_beside_the_suites_own_settings() {
        let grid = chosen(&tuning());
        assert_eq!(grid.lines, [["ft", "class 0", "95 % omp", "lr = 0.02", "4.00", "1.50"]]);
        let text = markdown(&tuning());
        for part in ["3 trials of each method", "seed 7", "distance to Retrain", "`unlearn tune quick.toml`"] {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn every_trial_is_listed_with_its_failure() {
        let lines = trials(&tuning()).lines;
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[1][4..], ["10.00", "15.00", "98.00", "90.00", "1.50", "✓"]);
        assert_eq!(lines[2][3..], ["lr = 0.1 – failed: the model has diverged", "–", "–", "–", "–", "–", ""]);
        assert_eq!(space(&tuning()), [r#"ft: lr {"log":[0.001,0.1]}"#]);
    }
}
