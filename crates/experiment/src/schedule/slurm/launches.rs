//! The submissions of a store: lists them, and cancels what is left of one in the queue.

use std::{fs, path::PathBuf};

use unlearn_run_store::{Launch, Store};

use super::{
    command::Refusal,
    ledger::Ledger,
    sbatch::{self, TaskId},
    script::Places,
    squeue,
};
use crate::{Error, Result};

/// The file that tells a watcher that somebody else has cancelled its submission.
const CANCELLED: &str = "cancelled";

/// A submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchState {
    /// `<suite>-<id>`.
    pub name: String,
    /// When it began, RFC 3339 in UTC. Empty if nothing was submitted.
    pub created: String,
    /// Its folder.
    pub folder: PathBuf,
    /// The numbers of its jobs.
    pub jobs: Vec<u64>,
    /// Number of tasks that are not over as far as its watcher knew.
    pub open: usize,
    /// Why it is over, if it is.
    pub over: Option<String>,
    /// The process that watches it, if one does.
    pub watched_by: Option<String>,
}

pub(super) fn is_cancelled(launch: &Launch) -> bool {
    launch.folder().join(CANCELLED).exists()
}

/// The submissions of a store, by name.
///
/// # Errors
/// If the store or a ledger cannot be read.
pub fn launches(store: &Store) -> Result<Vec<LaunchState>> {
    let state = |launch: Launch| {
        let ledger = Ledger::read(&Places::of(&launch).ledger())?;
        let watched_by = match &ledger {
            Some(Ledger { over: None, .. }) => launch.watcher()?,
            _ => None,
        };
        Ok(LaunchState {
            name: launch.name().to_owned(),
            created: ledger.as_ref().map(|ledger| ledger.created.clone()).unwrap_or_default(),
            folder: launch.folder().to_path_buf(),
            jobs: ledger.iter().flat_map(|ledger| &ledger.arrays).filter_map(|array| array.job).collect(),
            open: ledger.as_ref().map_or(0, |ledger| ledger.open_tasks().count()),
            over: ledger.and_then(|ledger| ledger.over),
            watched_by,
        })
    };
    store.launches()?.into_iter().map(state).collect()
}

/// Cancels the tasks of a submission that are not over, and nothing else. `name` is the submission's name, or its suite's.
/// A process that watches it stops. Returns the names of the cancelled submissions and the number of their tasks.
///
/// # Errors
/// If no submission has the name, or Slurm does not answer.
pub fn cancel_launch(store: &Store, name: &str) -> Result<Vec<(String, usize)>> {
    let all = store.launches()?;
    let wanted: Vec<&Launch> = all.iter().filter(|launch| launch.name() == name || launch.suite() == name).collect();
    if wanted.is_empty() {
        let names: Vec<&str> = all.iter().map(Launch::name).collect();
        let reason = unlearn_names::Unknown::new("submission", name, names).to_string();
        return Err(Error::Launcher { reason, is_usage: true });
    }
    let mut cancelled = Vec::new();
    for launch in wanted {
        let file = Places::of(launch).ledger();
        let Some(ledger) = Ledger::read(&file)?.filter(|ledger| ledger.over.is_none()) else { continue };
        // First, so that a watcher submits nothing more.
        let mark = launch.folder().join(CANCELLED);
        fs::write(&mark, "").map_err(|source| Error::Io { action: "write", path: mark, source })?;
        let refuse = |refusal: Refusal| Error::Launcher {
            reason: format!("the tasks of {} are not cancelled: {}", launch.name(), refusal.reason()),
            is_usage: false,
        };
        let states = squeue::Queue::ask().map_err(refuse)?;
        let open: Vec<TaskId> = ledger
            .open_tasks()
            .filter_map(|(array, task, _)| {
                // An array whose `sbatch` was not seen to its end is found by its name.
                let job = ledger.arrays[array].job.or_else(|| states.job(&ledger.arrays[array].name))?;
                Some((job, task))
            })
            .filter(|id| !matches!(states.state(*id), None | Some(squeue::State::Ended(_))))
            .collect();
        sbatch::cancel(&open).map_err(refuse)?;
        // A watcher closes its ledger itself.
        if let Ok(_lock) = launch.watch()?
            && let Some(mut ledger) = Ledger::read(&file)?
        {
            ledger.over = Some("cancelled".to_owned());
            ledger.write(&file)?;
        }
        cancelled.push((launch.name().to_owned(), open.len()));
    }
    Ok(cancelled)
}
