//! Runs a suite's plan, and writes the index from which its report is made.

use unlearn_run_store::{Stage, Store, SuiteIndex, clock};

use crate::{Error, Plan, PlannedStage, Result, RunOptions, schedule};

/// The state of a stage in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In the store.
    Done,
    /// Not in the store.
    ToDo,
}

/// A suite that was run.
#[derive(Debug)]
pub struct Finished {
    /// The index for the report.
    pub index: SuiteIndex,
    /// Labels and reasons of failed stages, if the run goes on after failures. The index lacks the rows that depend
    /// on them.
    pub failures: Vec<(String, String)>,
    /// Number of stages that were not computed because they depend on failed ones.
    pub skipped: usize,
}

/// Which stages of a plan are in the store. Without a store, none are.
///
/// # Errors
/// If the store cannot be read.
pub fn status(plan: &Plan, store: Option<&Store>) -> Result<Vec<Status>> {
    let status = |stage: &PlannedStage| {
        let found = match store {
            Some(store) => store.find(&stage.spec.kind, &stage.key)?.is_some(),
            None => false,
        };
        Ok(if found { Status::Done } else { Status::ToDo })
    };
    plan.stages.iter().map(status).collect()
}

/// Computes every stage that is not done, and writes the suite's index into the store.
///
/// # Errors
/// Before anything is computed: if an index of another suite file under the same name would lose rows, unless it may
/// be replaced. Later: if a stage fails, unless the run goes on after failures and a row is left; or if the user
/// interrupts. Stages that were done before stay done.
pub fn run(plan: &Plan, store: &Store, options: &RunOptions<'_>) -> Result<Finished> {
    if !options.replace {
        store.check_replaces(&plan.index)?;
    }
    warn_of_dropped(&store.dropped(&plan.index), &plan.index.suite);
    let failures = schedule::compute(&plan.stages, store, &plan.materials, options)?;
    let mut index = plan.index.clone();
    index.command.clone_from(&options.command);
    index.commit.clone_from(&options.commit);
    index.created = clock::now();
    index.rows.retain(|row| !failures.contains_key(&row.evaluate));
    for row in &mut index.rows {
        row.audit.take_if(|audit| failures.contains_key(audit));
    }
    let told = plan.stages.iter().filter_map(|stage| Some((&stage.label, failures.get(&stage.key)?)));
    let (own, others): (Vec<_>, Vec<_>) = told.partition(|(_, failure)| failure.is_own);
    let skipped = others.len();
    let failures: Vec<(String, String)> =
        own.into_iter().map(|(label, failure)| (label.clone(), failure.reason.clone())).collect();
    if let (true, Some((stage, reason))) = (index.rows.is_empty(), failures.first()) {
        return Err(Error::Stage { stage: stage.clone(), reason: reason.clone() });
    }
    if !failures.is_empty() {
        index.notes.push(format!("{} stages failed, and the rows that build on them are missing", failures.len()));
    }
    store.write_suite(&index)?;
    Ok(Finished { index, failures, skipped })
}

/// The number of rows that the warning names.
const NAMED: usize = 4;

/// Warns that an earlier run of a suite had rows that this one lacks.
fn warn_of_dropped(rows: &[String], suite: &str) {
    if rows.is_empty() {
        return;
    }
    let named = rows.iter().take(NAMED).map(|row| format!("`{row}`")).collect::<Vec<_>>().join(", ");
    let more = if rows.len() > NAMED { format!(" and {} more", rows.len() - NAMED) } else { String::new() };
    tracing::warn!(
        "an earlier run of the suite `{suite}` had rows that this one lacks: {named}{more}; its report will lack them too, and `unlearn \
         runs gc` may remove their stages; to keep them, run with all their seeds and settings, or give this suite another name"
    );
}

/// Computes the unfinished stages of these kinds, and returns all stages of these kinds in the plan's order.
///
/// # Errors
/// As for [`run`]. A stage needs its inputs, so `kinds` must include the kinds of all inputs.
pub fn run_kinds(plan: &Plan, store: &Store, kinds: &[&str], options: &RunOptions<'_>) -> Result<Vec<Stage>> {
    let stages: Vec<PlannedStage> =
        plan.stages.iter().filter(|stage| kinds.contains(&stage.spec.kind.as_str())).cloned().collect();
    schedule::compute(&stages, store, &plan.materials, options)?;
    stages.iter().map(|stage| Ok(store.stage(&stage.spec.kind, &stage.key)?)).collect()
}
