//! What became of the stages of a task on a cluster: one line of JSON for each event, which the task writes and the
//! watcher reads.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use unlearn_run_store::{StageKey, StageSpec, Store};

use super::{PATIENCE, Report, RunOptions, attempt};
use crate::{Error, Result, materials::Materials, stages::KINDS};

/// Maximum bytes that a watcher reads of a task's events.
const MOST: u64 = 1 << 26;
/// How long a node may take to see what another one has written. NFS keeps what it knows of a folder for a minute.
pub(super) const LATENCY: Duration = Duration::from_millis(if cfg!(test) { 300 } else { 90_000 });

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Event {
    /// The task computes the stage now.
    Begun,
    /// The task did not see all inputs of the stage in the store, and computed nothing.
    Early,
    /// The stage is over in this task.
    Over(Report),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) stage: StageKey,
    pub(super) event: Event,
}

/// The events in a file, in their order. A file that is not there has none, and a line that was cut is none.
pub(super) fn read(file: &Path) -> Vec<Line> {
    let text = unlearn_files::read_text(file, MOST).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds an event, and flushes it to the disk.
fn tell(file: &Path, stage: &StageKey, event: Event) -> Result<()> {
    let add = || {
        let mut line = serde_json::to_string(&Line { stage: stage.clone(), event })?;
        line.push('\n');
        let mut file = File::options().append(true).create(true).open(file)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
    };
    add().map_err(|source| Error::Io { action: "write", path: PathBuf::from(file), source })
}

/// Computes stages one after the other, as a task of a cluster does, and writes what becomes of each into a file. A stage
/// that fails does not keep the others from being computed. A stage that another process computes comes last.
///
/// Returns the report of each stage. If the user interrupts, the stages after that one have none.
///
/// # Errors
/// If an event cannot be written.
pub fn attempt_each(
    specs: &[StageSpec],
    store: &Store,
    materials: &Materials,
    options: &RunOptions<'_>,
    outcomes: &Path,
) -> Result<Vec<Option<Report>>> {
    let mut reports = vec![None; specs.len()];
    let interrupted = || options.interrupt.load(Ordering::Relaxed);
    let mut left: Vec<usize> = (0..specs.len()).collect();
    while !left.is_empty() {
        let mut held = Vec::new();
        for at in std::mem::take(&mut left) {
            let (spec, key) = (&specs[at], specs[at].key());
            if interrupted() {
                return Ok(reports);
            }
            let are_there = await_inputs(spec, store, options);
            if are_there {
                tell(outcomes, &key, Event::Begun)?;
            }
            let report = attempt(spec.clone(), store, materials, options);
            let is_early = !are_there && matches!(report, Report::Failed { .. });
            tell(outcomes, &key, if is_early { Event::Early } else { Event::Over(report.clone()) })?;
            match report {
                Report::Held { .. } => held.push(at),
                report => reports[at] = Some(report),
            }
        }
        left = wait_for_one(&held, specs, store, options)?;
    }
    Ok(reports)
}

/// Waits until one of the stages that other processes compute may be free.
fn wait_for_one(held: &[usize], specs: &[StageSpec], store: &Store, options: &RunOptions<'_>) -> Result<Vec<usize>> {
    let mut told = false;
    while !held.is_empty() && !options.interrupt.load(Ordering::Relaxed) {
        for at in held {
            if store.is_free(&specs[*at])? {
                return Ok(held.to_vec());
            }
        }
        if !told {
            tracing::info!(target: "unlearn", "other processes compute {} stages; waiting for them", held.len());
            told = true;
        }
        thread::sleep(PATIENCE);
    }
    Ok(held.to_vec())
}

/// Waits until this node sees the inputs of a stage, which another node may have written a moment ago. Returns whether it
/// sees them.
fn await_inputs(spec: &StageSpec, store: &Store, options: &RunOptions<'_>) -> bool {
    let since = Instant::now();
    let seen = || spec.inputs.values().all(|key| !matches!(store.locate(key), Ok(None)));
    if !seen() {
        for kind in KINDS {
            store.look_anew_for(kind.name);
        }
    }
    while !seen() && since.elapsed() < LATENCY && !options.interrupt.load(Ordering::Relaxed) {
        thread::sleep(PATIENCE);
    }
    seen()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Environment;

    #[test]
    fn a_stage_whose_inputs_are_not_there_is_early_and_has_not_failed() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let absent: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let spec = StageSpec::new("evaluate", json!({}), "d", 1).with_input("model", absent);
        let (materials, file) = (Materials::new(Environment::default()), folder.path().join("outcomes.jsonl"));
        let options = RunOptions::unattended("a test");
        let reports = attempt_each(std::slice::from_ref(&spec), &store, &materials, &options, &file).unwrap();
        assert!(matches!(&reports[..], [Some(Report::Failed { .. })]), "{reports:?}");
        let events: Vec<Event> = read(&file).into_iter().map(|line| line.event).collect();
        assert_eq!(events, [Event::Early]);
    }
}
