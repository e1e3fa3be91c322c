//! `unlearn runs repair`: removes what is damaged, and computes it again.

use anyhow::bail;
use unlearn_experiment::{Launcher, Materials, OnFailure, RunOptions, compute_again};
use unlearn_run_store::{Repair, RepairMode, Store};

use crate::{args::RepairArguments, output::counted, progress::ConsoleReporter, run::run_options};

pub(crate) fn repair(store: &Store, arguments: &RepairArguments) -> anyhow::Result<()> {
    let mode = match (arguments.dry_run, arguments.remove_only) {
        (true, _) => RepairMode::Dry,
        (false, true) => RepairMode::Remove,
        (false, false) => RepairMode::RemoveToCompute,
    };
    let check = store.check()?;
    let repair = store.repair(&check, mode)?;
    say_removed(&repair, mode);
    let is_nothing_damaged = repair.damaged.is_empty() && repair.indices.is_empty();
    let computed = match mode {
        RepairMode::RemoveToCompute => compute(store, arguments)?,
        RepairMode::Dry | RepairMode::Remove => Computed::default(),
    };
    if !repair.left.is_empty() {
        bail!("{} left", counted(repair.left.len(), "fault is", "faults are"));
    }
    if computed.failed > 0 {
        bail!(
            "{} could not be computed again; mend the cause and call `unlearn runs repair` again, or run the suite",
            counted(computed.failed, "stage", "stages")
        );
    }
    if is_nothing_damaged && computed == Computed::default() {
        say!("nothing is damaged: {} sound", counted(check.sound, "finished stage is", "finished stages are"));
        return Ok(());
    }
    let removed = repair.damaged.len() + repair.computed.len();
    let verb = if mode == RepairMode::Dry { "would remove" } else { "removed" };
    let (stages, indices) =
        (counted(removed, "stage", "stages"), counted(repair.indices.len(), "damaged index", "damaged indices"));
    let again = match mode {
        RepairMode::RemoveToCompute => format!("; computed {} again", counted(computed.done, "stage", "stages")),
        RepairMode::Dry | RepairMode::Remove => String::new(),
    };
    say!("{verb} {stages} and {indices}{again}");
    let to_run = !repair.indices.is_empty() || computed.lacking > 0 || mode == RepairMode::Remove;
    if to_run || !repair.missing.is_empty() {
        say!("run the suite again to make what is missing");
    }
    Ok(())
}

fn say_removed(repair: &Repair, mode: RepairMode) {
    let word = if mode == RepairMode::Dry { "would remove" } else { "removed" };
    for stage in &repair.damaged {
        say!("{word} {stage}: damaged");
    }
    for stage in &repair.computed {
        say!("{word} {stage}: computed from a damaged stage");
    }
    for file in &repair.indices {
        say!("{word} {}: damaged", file.display());
    }
    for missing in &repair.missing {
        say!("missing: {missing}");
    }
    for stage in &repair.undescribed {
        note!("note: the description of {stage} is damaged too, so only its suite can compute it");
    }
    for reason in &repair.left {
        fault!("left: {reason}");
    }
}

/// Numbers of stages that repairs removed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Computed {
    done: usize,
    failed: usize,
    /// Those without an input.
    lacking: usize,
}

/// Computes what this repair removed, and what an interrupted one left.
fn compute(store: &Store, arguments: &RepairArguments) -> anyhow::Result<Computed> {
    let (stages, lacking) = store.to_compute()?;
    for stage in &lacking {
        note!("note: {stage} needs a stage that is not in the store, so only its suite can compute it");
    }
    let mut failed = Vec::new();
    let all = stages.len();
    if all > 0 {
        let materials = Materials::new(arguments.compute.environment.environment()?);
        let reporter = ConsoleReporter::new(false);
        let options = run_options(&reporter, &arguments.compute, Launcher::Here)?;
        let options = RunOptions { on_failure: OnFailure::GoOn, ..options };
        for (spec, reason) in compute_again(stages, store, &materials, &options)? {
            fault!("{} {}: {reason}", spec.kind, spec.key().short());
            failed.push(spec);
        }
    }
    store.keep_descriptions(&failed)?;
    Ok(Computed { done: all - failed.len(), failed: failed.len(), lacking: lacking.len() })
}
