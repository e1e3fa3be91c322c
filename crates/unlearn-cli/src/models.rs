//! `unlearn train` and `unlearn prune`: only the first stages of a suite. A later `run` finds them finished.

use unlearn_experiment::{Plan, Suite, run_kinds};
use unlearn_run_store::{Stage, Store};

use crate::{
    args::ModelsArguments,
    run::{begin_with, launcher, reporter, run_options},
};

pub(crate) fn train(arguments: &ModelsArguments) -> anyhow::Result<()> {
    make(arguments, &["train"])
}

pub(crate) fn prune(arguments: &ModelsArguments) -> anyhow::Result<()> {
    make(arguments, &["train", "prune"])
}

fn make(arguments: &ModelsArguments, kinds: &[&str]) -> anyhow::Result<()> {
    let mut suite = Suite::load(&arguments.suite, &arguments.assignments)?;
    begin_with(&mut suite, &arguments.beginning)?;
    let plan = Plan::of_models(&suite, &arguments.compute.environment.environment()?)?;
    let store = Store::open(&arguments.store.runs)?;
    let launcher = launcher(&suite, &arguments.schedule, &arguments.compute, &arguments.store)?;
    let reporter = reporter(&launcher);
    let options = run_options(&reporter, &arguments.compute, launcher)?;
    for stage in run_kinds(&plan, &store, kinds, &options)? {
        say!("{}  seed {}{}", stage.path().display(), stage.manifest().seed, shares(&stage));
    }
    Ok(())
}

/// What pruning kept, in words.
fn shares(stage: &Stage) -> String {
    let share = |key: &str| stage.manifest().facts.get("sparsity")?.get("total")?.get(key)?.as_f64();
    match (share("parameter_density"), share("operation_density")) {
        (Some(parameters), Some(operations)) => format!(
            ": {:.2} % of the prunable weights are kept, and {:.2} % of their operations",
            100.0 * parameters,
            100.0 * operations
        ),
        _ => String::new(),
    }
}
