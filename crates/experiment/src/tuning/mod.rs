//! Searches settings of unlearning methods, with equal numbers of trials per method and without a test set.
//!
//! Trial 0 of a method uses the suite's settings. The other trials draw every key that the method declares
//! searchable, from the same seeded stream for every model and request. The suite's epochs hold in every trial, so
//! that budgets stay equal. A trial is an `unlearn` and a `validate` stage of the run store. So it can be resumed, is
//! never computed twice, and is reused when the suite itself runs.

mod objective;
mod space;

use std::collections::HashMap;

use serde_json::json;
use unlearn_run_store::{Searched, Store, SuiteRow, Trial, Tuning, Validation, clock};

pub use objective::Objective;

use crate::{
    Environment, Error, Plan, Result, RunOptions, Suite,
    plan::Judging,
    schedule::{self, Failures, OnFailure},
    stages::{Kind, RAW, RETRAIN, Unlearn, Validate},
    suite::{ForgetSection, MethodSection},
};
use objective::Reference;

/// What to search, and by which criterion.
#[derive(Debug, Clone)]
pub struct TuneOptions {
    /// Number of trials of each method on each model and request, including the suite's own settings.
    pub trials: usize,
    /// The quantity to minimise.
    pub objective: Objective,
    /// Names of methods of the suite. If empty, all methods with searchable settings.
    pub methods: Vec<String>,
    /// Seed of the draws.
    pub seed: u64,
}

/// Searches settings for a suite's methods on its first seed, writes the tuning into the store and returns it.
///
/// A failed trial (for example a diverged model) is recorded with its reason and never chosen.
///
/// # Errors
/// If the suite cannot be tuned, the original model or a Retrain fails, or the user interrupts. Every finished trial
/// is kept.
pub fn tune(
    suite: &Suite,
    environment: &Environment,
    store: &Store,
    tuning: &TuneOptions,
    run: &RunOptions<'_>,
) -> Result<Tuning> {
    let refuse = |reason: String| Error::Suite { path: suite.path.clone(), reason };
    if let Some(section) = suite.forget.iter().find(|section| section.sequence) {
        let ForgetSection { name, .. } = section;
        let name = name.as_deref().unwrap_or("sequence");
        return Err(refuse(format!(
            "[[forget]] `{name}` is a sequence, whose later requests depend on what the earlier ones chose; give its requests tables of \
             their own to tune them"
        )));
    }
    suite.check_complete()?;
    let searched = space::of(suite, &environment.methods, tuning).map_err(refuse)?;
    let plan = Plan::resolve_for(&searched.suite, environment, Judging::Validation)?;
    if !plan.resolved.has_validation() {
        return Err(refuse(
            "a search judges on validation images, and `data.validation` leaves none; set it above 0".into(),
        ));
    }
    let source = suite.place();
    if !run.replace {
        store.check_replaces_tuning(&suite.suite.name, source.as_deref())?;
    }
    let failures = run_all(&plan, store, run)?;
    let judged = Judged { plan: &plan, store, failures: &failures };
    let mut trials = Vec::new();
    for row in &plan.index.rows {
        let Some((method, number)) = searched.trials.get(&row.method) else { continue };
        let reference = judged.reference(row, tuning.objective)?;
        trials.push(judged.trial(row, method, *number, &reference)?);
    }
    choose(&mut trials);
    let index = Tuning {
        format: Tuning::FORMAT,
        suite: suite.suite.name.clone(),
        command: run.command.clone(),
        created: clock::now(),
        commit: run.commit.clone(),
        source,
        dataset: plan.resolved.data_title.clone(),
        arch: plan.resolved.graph.arch.clone(),
        objective: tuning.objective.name().into(),
        criterion: tuning.objective.criterion().into(),
        budget: tuning.trials,
        seed: tuning.seed,
        run_seed: searched.suite.suite.seeds[0],
        space: searched.space,
        trials,
    };
    store.write_tuning(&index)?;
    Ok(index)
}

/// Computes every stage. Stages of failed trials, and stages that depend on them, are skipped and returned with their
/// reasons.
fn run_all(plan: &Plan, store: &Store, run: &RunOptions<'_>) -> Result<Failures> {
    let options = RunOptions { on_failure: OnFailure::GoOn, ..run.clone() };
    let failures = schedule::compute(&plan.stages, store, &plan.materials, &options)?;
    let is_trial = |kind: &str| kind == Unlearn::NAME || kind == Validate::NAME;
    let model = plan.stages.iter().find(|stage| failures.contains_key(&stage.key) && !is_trial(&stage.spec.kind));
    match model {
        None => Ok(failures),
        Some(stage) => Err(Error::Stage { stage: stage.label.clone(), reason: failures[&stage.key].reason.clone() }),
    }
}

/// Marks the best trial of every method, model and request. Of equal trials, the earliest wins.
fn choose(trials: &mut [Trial]) {
    let group =
        |trial: &Trial| (trial.method.clone(), trial.forget.clone(), trial.pruning.clone(), trial.sparsity.to_bits());
    let mut best = HashMap::new();
    for (position, trial) in trials.iter().enumerate() {
        let Some(value) = trial.value else { continue };
        let held = best.entry(group(trial)).or_insert((position, value));
        if value < held.1 {
            *held = (position, value);
        }
    }
    for (position, _) in best.into_values() {
        trials[position].chosen = true;
    }
}

/// The finished stages of a search.
struct Judged<'a> {
    plan: &'a Plan,
    store: &'a Store,
    failures: &'a Failures,
}

impl Judged<'_> {
    fn validation(&self, row: &SuiteRow) -> Result<Validation> {
        let stage = self.store.stage("validate", &row.evaluate)?;
        stage.metrics()?.pop().ok_or_else(|| Error::Stage {
            stage: format!("validate {}", row.evaluate),
            reason: "it left no figures; remove it with `unlearn runs rm` and run again".into(),
        })
    }

    /// The figures relative to which a row's objective is measured.
    fn reference(&self, row: &SuiteRow, objective: Objective) -> Result<Reference> {
        let is_beside = |other: &&SuiteRow| {
            other.forget == row.forget && other.pruning == row.pruning && other.sparsity == row.sparsity
        };
        let beside = |method: &str| self.plan.index.rows.iter().filter(is_beside).find(|other| other.method == method);
        let name = match objective {
            Objective::Gap => RETRAIN,
            Objective::OracleFree => RAW,
        };
        let found = beside(name).ok_or_else(|| Error::Stage {
            stage: row.forget.clone(),
            reason: format!("there is no `{name}` to compare it with"),
        })?;
        if let Some(failure) = self.failures.get(&found.evaluate) {
            return Err(Error::Stage { stage: format!("{name} · {}", row.forget), reason: failure.reason.clone() });
        }
        let resolved = &self.plan.resolved;
        let request = resolved.seeds[0].forgets.iter().find(|request| request.label == row.forget);
        let whole = request.map_or(0.0, |request| {
            let label = |position: &u32| resolved.seeds[0].labels[*position as usize];
            let whole = request.forgotten.iter().filter(|at| request.whole_classes.contains(&label(at))).count();
            whole as f64 / request.forgotten.len() as f64
        });
        Ok(Reference { objective, figures: self.validation(found)?, whole })
    }

    fn trial(&self, row: &SuiteRow, method: &str, number: usize, reference: &Reference) -> Result<Trial> {
        let failure = self.failures.get(&row.evaluate).map(|failure| failure.reason.clone());
        let validation = if failure.is_some() { None } else { Some(self.validation(row)?) };
        let unlearning = self.plan.resolved.methods.iter().find(|tried| tried.name == row.method);
        Ok(Trial {
            method: method.to_owned(),
            forget: row.forget.clone(),
            pruning: row.pruning.clone(),
            sparsity: row.sparsity,
            number,
            config: unlearning.map_or(json!({}), |tried| tried.config.clone()),
            value: validation.map(|validation| reference.value(&validation)),
            validation,
            failure,
            unlearn: row.unlearn.clone(),
            chosen: false,
        })
    }
}

/// A suite whose methods are the trials of another suite.
struct SearchedSuite {
    suite: Suite,
    space: Vec<Searched>,
    /// Method of the original suite and number of the trial, by the method's name in this suite.
    trials: HashMap<String, (String, usize)>,
}

/// A table without keys.
fn plain(method: &str) -> MethodSection {
    MethodSection { method: method.into(), name: None, config: json!({}) }
}
