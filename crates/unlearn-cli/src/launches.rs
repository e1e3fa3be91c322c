//! `unlearn launches`: lists the submissions of a run store, and cancels them.

use std::path::Path;

use unlearn_experiment::{LaunchState, cancel_launch};
use unlearn_run_store::Store;

use crate::{
    args::{LaunchesArguments, LaunchesCommand},
    output::counted,
};

pub(crate) fn launches(arguments: &LaunchesArguments) -> anyhow::Result<()> {
    match &arguments.command {
        None => list(&arguments.runs),
        Some(LaunchesCommand::Cancel { name }) => cancel(&arguments.runs, name),
    }
}

fn list(runs: &Path) -> anyhow::Result<()> {
    let launches = unlearn_experiment::launches(&Store::open_existing(runs)?)?;
    if launches.is_empty() {
        say!("no suite of the store {} was submitted to Slurm", runs.display());
    }
    for launch in launches {
        let LaunchState { name, created, folder, jobs, open, over, watched_by } = launch;
        let jobs = jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let state = match (over, watched_by) {
            (Some(over), _) => over,
            (None, Some(holder)) => format!("{} open, watched by {holder}", counted(open, "task", "tasks")),
            (None, None) => format!("{} open, not watched", counted(open, "task", "tasks")),
        };
        say!("{name}  {created}  {state}  jobs {jobs}  {}", folder.display());
    }
    Ok(())
}

fn cancel(runs: &Path, name: &str) -> anyhow::Result<()> {
    let cancelled = cancel_launch(&Store::open(runs)?, name)?;
    if cancelled.is_empty() {
        say!("nothing to cancel: every submission of `{name}` is over");
    }
    for (name, tasks) in cancelled {
        say!("{name}: {} cancelled", counted(tasks, "task", "tasks"));
    }
    Ok(())
}
