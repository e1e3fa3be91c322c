//! The folder of a deletion. `partial/` is a run store for the deletion's own stages while it runs.
//! `certificate.json` is written last.

use std::{
    fs,
    path::{Path, PathBuf},
};

use unlearn_certificates::{Certificate, Finding, Outcome, check};
use unlearn_metrics::Figures;
use unlearn_run_store::{Attempt, StageKey, StageSpec, StageWriter, Store};

use crate::{Error, Result, stages::LAST_FINITE};

const PARTIAL: &str = "partial";

/// The exclusive right to work in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    out: PathBuf,
    store: Store,
    /// Held until the deletion is done, or until the process ends.
    right: StageWriter,
}

/// The content found in a folder.
#[derive(Debug)]
pub(super) enum Found {
    /// The certificate of this deletion.
    Done(Box<Certificate>),
    /// Nothing, or an unfinished run of this deletion.
    ToDo(Box<Folder>),
}

impl Folder {
    /// Finds a finished deletion in `out`, or takes the right to run it there.
    ///
    /// # Errors
    /// If the folder holds anything else or cannot be written, or another process works in it.
    pub(super) fn open(out: &Path, deletion: &StageSpec, figures: &Figures) -> Result<Found> {
        let key = deletion.key();
        if let Some(certificate) = done(out, &key, figures)? {
            return Ok(Found::Done(Box::new(certificate)));
        }
        only_leftovers(out)?;
        let store = Store::open(out.join(PARTIAL))?;
        if store.stages()?.iter().any(|stage| stage.kind == deletion.kind && stage.key != key) {
            let reason =
                "the folder holds another deletion that was begun and not finished; give another `--out`, or delete";
            return Err(Error::deletion(out.display(), format!("{reason} {}", store.root().display())));
        }
        let right = match store.try_begin(deletion)? {
            Attempt::Run(writer) => writer,
            Attempt::Held(holder) => {
                let reason = format!("another process works in this folder ({holder}); wait for it");
                return Err(Error::deletion(out.display(), reason));
            }
            Attempt::Done(_) => {
                let reason = "the files of its unfinished run are damaged; give another `--out`, or delete";
                return Err(Error::deletion(out.display(), format!("{reason} {}", store.root().display())));
            }
        };
        let stale = out.join(LAST_FINITE);
        if stale.exists() {
            fs::remove_file(&stale).map_err(io("remove", &stale))?;
        }
        Ok(Found::ToDo(Box::new(Self { out: out.into(), store, right })))
    }

    /// The folder itself.
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// The path of the result `name`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// The store of the deletion's stages.
    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    /// Time of the first attempt's start, RFC 3339 in UTC.
    pub(super) fn started(&self) -> String {
        self.right.started()
    }

    /// Removes the stages, so that nothing is left to resume.
    pub(super) fn close(self) -> Result<()> {
        let partial = self.out.join(PARTIAL);
        drop(self.right);
        fs::remove_dir_all(&partial).map_err(io("remove", &partial))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { action, path, source }
}

/// The certificate of this deletion, if it is done and no file was changed.
fn done(out: &Path, key: &StageKey, figures: &Figures) -> Result<Option<Certificate>> {
    if !out.join(Certificate::FILE).exists() {
        return Ok(None);
    }
    let certificate = Certificate::load(out)?;
    if certificate.key == *key {
        let findings = check(out, &certificate, None, figures);
        if let Some(Finding { what, outcome: Outcome::Fails(how) }) = findings.into_iter().find(Finding::is_failure) {
            let reason =
                format!("this deletion was done here, and its {what} was changed since: {how}; give another `--out`");
            return Err(Error::Content { path: out.into(), reason });
        }
        // This folder remains if the process was killed between its last two steps.
        let _ = fs::remove_dir_all(out.join(PARTIAL));
        return Ok(Some(certificate));
    }
    Err(Error::deletion(out.display(), "the folder holds the certificate of another deletion; give another `--out`"))
}

/// Refuses a folder with other files, which would be overwritten. A model beside stages is a leftover of this
/// deletion: the process was killed before it wrote the certificate.
fn only_leftovers(out: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(()) };
    if out.join(PARTIAL).is_dir() {
        return Ok(());
    }
    let mut names = entries.flatten().map(|entry| entry.file_name());
    match names.find(|name| name != LAST_FINITE) {
        None => Ok(()),
        Some(name) => {
            let reason = format!("the folder already holds {}; give a new or empty one", name.to_string_lossy());
            Err(Error::deletion(out.display(), reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deletion(seed: u64) -> StageSpec {
        StageSpec::new("forget", serde_json::json!({}), "data", seed)
    }

    fn open(out: &Path, seed: u64) -> Result<Found> {
        Folder::open(out, &deletion(seed), &Figures::standard())
    }

    #[test]
    fn a_folder_is_for_one_deletion_and_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let Found::ToDo(first) = open(&out, 0).unwrap() else { panic!("nothing is there yet") };
        let message = open(&out, 0).unwrap_err().to_string();
        assert!(message.contains("another process") && message.contains(&std::process::id().to_string()), "{message}");
        let started = first.started();
        drop(first);
        let message = open(&out, 1).unwrap_err().to_string();
        assert!(message.contains("begun and not finished") && message.contains("partial"), "{message}");
        let Found::ToDo(again) = open(&out, 0).unwrap() else { panic!("it is not done") };
        assert_eq!(again.started(), started);
        fs::write(again.path(LAST_FINITE), "").unwrap();
        again.close().unwrap();
        let Found::ToDo(other) = open(&out, 1).unwrap() else { panic!("it is not done") };
        assert!(!out.join(LAST_FINITE).exists());
        other.close().unwrap();
        fs::write(out.join("model.safetensors"), "").unwrap();
        let message = open(&out, 0).unwrap_err().to_string();
        assert!(message.contains("already holds model.safetensors"), "{message}");
    }
}
