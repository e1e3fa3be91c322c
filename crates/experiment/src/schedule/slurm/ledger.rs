//! The ledger of a submission: which task computes which stages, and what became of the tasks. It is written in one step
//! before and after each `sbatch`, so that a watcher that is started again submits nothing twice.
//!
//! # Format policy
//! The file carries [`FORMAT`]. A reader refuses every other version and unknown keys: the jobs of another version of
//! the program may mean something else.

use std::path::Path;

use serde::{Deserialize, Serialize};
use unlearn_run_store::{StageKey, clock, write_atomic};

use super::sbatch::{JobId, TaskId};
use crate::{Error, Result};

/// Version of the file's format.
const FORMAT: u32 = 1;
/// Maximum bytes of a ledger.
const MOST: u64 = 1 << 28;

/// The ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ledger {
    format: u32,
    /// `<suite>-<id>`.
    pub(super) launch: String,
    /// The beginning of the submission, RFC 3339 in UTC.
    pub(super) created: String,
    /// Why the submission is over, if it is. Then none of its tasks is left in the queue.
    #[serde(default)]
    pub(super) over: Option<String>,
    pub(super) arrays: Vec<Array>,
}

/// A job array.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Array {
    /// The name of the job, by which it is found in the queue.
    pub(super) name: String,
    /// The job. `None` until `sbatch` has answered.
    pub(super) job: Option<JobId>,
    /// The argument of `--dependency`.
    pub(super) dependency: String,
    pub(super) tasks: Vec<Task>,
}

/// A task of an array.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    /// Its stages, in turn.
    pub(super) stages: Vec<StageKey>,
    /// Why nothing more is expected of it.
    #[serde(default)]
    pub(super) closed: Option<String>,
    /// The stages that it began in vain. They count against the limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) in_vain: Vec<StageKey>,
}

impl Ledger {
    pub(super) fn new(launch: &str) -> Self {
        Self { format: FORMAT, launch: launch.to_owned(), created: clock::now(), over: None, arrays: Vec::new() }
    }

    /// Reads a ledger. Without a file, there is none.
    pub(super) fn read(file: &Path) -> Result<Option<Self>> {
        if !file.exists() {
            return Ok(None);
        }
        let refuse = |reason: String| Error::Content {
            path: file.to_path_buf(),
            reason: format!(
                "{reason}; it is the ledger of a submission to Slurm: watch with the version of the program that wrote it, or cancel its \
                 jobs (`scancel`) and remove its folder"
            ),
        };
        let bytes = unlearn_files::read(file, MOST).map_err(|source| Error::Io {
            action: "read",
            path: file.to_path_buf(),
            source,
        })?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(|error| refuse(error.to_string()))?;
        if value["format"] != FORMAT {
            return Err(refuse(format!("its format is {}, and this program reads {FORMAT}", value["format"])));
        }
        serde_json::from_value(value).map(Some).map_err(|error| refuse(error.to_string()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::Content { path: file.to_path_buf(), reason: error.to_string() })?;
        Ok(write_atomic(file, &text)?)
    }

    /// The tasks of which something is expected, with the number of their array and their index.
    pub(super) fn open_tasks(&self) -> impl Iterator<Item = (usize, usize, &Task)> {
        self.arrays.iter().enumerate().flat_map(|(array, it)| {
            it.tasks
                .iter()
                .enumerate()
                .filter(|(_, task)| task.closed.is_none())
                .map(move |(at, task)| (array, at, task))
        })
    }

    /// Slurm's name for a task, if it is submitted.
    pub(super) fn id(&self, array: usize, task: usize) -> Option<TaskId> {
        Some((self.arrays[array].job?, task))
    }

    /// How often a stage was begun in vain.
    pub(super) fn in_vain(&self, stage: &StageKey) -> usize {
        self.arrays.iter().flat_map(|array| &array.tasks).filter(|task| task.in_vain.contains(stage)).count()
    }

    pub(super) fn close(&mut self, array: usize, task: usize, reason: impl Into<String>) {
        self.arrays[array].tasks[task].closed = Some(reason.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_comes_back_and_another_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ledger.json");
        assert!(Ledger::read(&file).unwrap().is_none());
        let key: StageKey = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let task = Task { stages: vec![key.clone()], closed: None, in_vain: Vec::new() };
        let mut ledger = Ledger::new("a-01234567");
        let (dependency, tasks) = (String::new(), vec![task.clone(), task]);
        ledger.arrays.push(Array { name: "unlearn-a-01234567-0".into(), job: Some(7), dependency, tasks });
        ledger.close(0, 0, "TIMEOUT");
        ledger.arrays[0].tasks[0].in_vain.push(key.clone());
        ledger.write(&file).unwrap();
        let back = Ledger::read(&file).unwrap().unwrap();
        assert_eq!(back.open_tasks().map(|(array, task, _)| (array, task)).collect::<Vec<_>>(), [(0, 1)]);
        assert_eq!((back.id(0, 1), back.in_vain(&key)), (Some((7, 1)), 1));
        let text = std::fs::read_to_string(&file).unwrap();
        for (from, to, words) in [("\"format\":1", "\"format\":2", "its format is 2"), ("\"over\"", "\"ovr\"", "ovr")] {
            std::fs::write(&file, text.replace(from, to)).unwrap();
            let message = Ledger::read(&file).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("ledger.json"), "{message}");
        }
    }
}
