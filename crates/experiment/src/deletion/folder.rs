//! The folder of a deletion. While it runs, `partial/` holds what it is, a lock, and the state to go on from; `certificate.json` is
//! written last.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use unlearn_certificates::Certificate;
use unlearn_run_store::{StageKey, clock, write_atomic};

use crate::{Error, Result, stages::LAST_FINITE};

const PARTIAL: &str = "partial";
const BEGUN: &str = "begun.json";
const LOCK: &str = "lock";

/// The sole right to work in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    out: PathBuf,
    /// When the deletion was begun, over all attempts.
    pub(super) started: String,
    /// Whether an earlier attempt left something to go on from.
    pub(super) resumed: bool,
    /// Held until dropped, or until the process ends.
    _lock: File,
}

/// What there is in a folder.
#[derive(Debug)]
pub(super) enum Found {
    /// The certificate of this deletion.
    Done(Box<Certificate>),
    /// Nothing, or the beginnings of this deletion.
    ToDo(Folder),
}

/// Which deletion was begun, and when.
#[derive(Serialize, Deserialize)]
struct Begun {
    key: StageKey,
    started: String,
}

impl Folder {
    /// Finds the deletion `key` done in `out`, or takes the right to do it there.
    ///
    /// # Errors
    /// A folder that holds anything else or cannot be written; another process at work in it.
    pub(super) fn open(out: &Path, key: &StageKey) -> Result<Found> {
        if let Some(certificate) = done(out, key)? {
            return Ok(Found::Done(Box::new(certificate)));
        }
        let partial = out.join(PARTIAL);
        if !partial.join(BEGUN).exists() {
            only_leftovers(out)?;
        }
        fs::create_dir_all(&partial).map_err(io("create the folder", &partial))?;
        let lock = File::create(partial.join(LOCK)).map_err(io("create", &partial.join(LOCK)))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::deletion(out.display(), "another process works in this folder; wait for it"));
            }
            Err(TryLockError::Error(source)) => return Err(io("lock", &partial)(source)),
        }
        let (started, resumed) = begin(out, key)?;
        let stale = out.join(LAST_FINITE);
        if stale.exists() {
            fs::remove_file(&stale).map_err(io("remove", &stale))?;
        }
        Ok(Found::ToDo(Self { out: out.into(), started, resumed, _lock: lock }))
    }

    /// Where the result `name` goes.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.out.join(name)
    }

    /// Where the state to go on from is kept.
    pub(super) fn partial(&self) -> PathBuf {
        self.out.join(PARTIAL)
    }

    /// Nothing is left to go on from.
    pub(super) fn close(self) -> Result<()> {
        let partial = self.partial();
        fs::remove_dir_all(&partial).map_err(io("remove", &partial))
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::Io { action, path, source }
}

/// When the deletion was begun, and whether that was by an earlier process.
fn begin(out: &Path, key: &StageKey) -> Result<(String, bool)> {
    let path = out.join(PARTIAL).join(BEGUN);
    if path.exists() {
        let bytes = fs::read(&path).map_err(io("read", &path))?;
        let begun: Option<Begun> = serde_json::from_slice(&bytes).ok();
        let begun = begun.filter(|begun| begun.key == *key).ok_or_else(|| {
            let partial = out.join(PARTIAL);
            let reason =
                "the folder holds another deletion that was begun and not finished; give another `--out`, or delete";
            Error::deletion(out.display(), format!("{reason} {}", partial.display()))
        })?;
        return Ok((begun.started, true));
    }
    let begun = Begun { key: key.clone(), started: clock::now() };
    let json = serde_json::to_vec(&begun).map_err(|e| io("write", &path)(e.into()))?;
    write_atomic(&path, &json)?;
    Ok((begun.started, false))
}

/// The certificate of this deletion, if it is done.
fn done(out: &Path, key: &StageKey) -> Result<Option<Certificate>> {
    if !out.join(Certificate::FILE).exists() {
        return Ok(None);
    }
    let certificate = Certificate::load(out)?;
    if certificate.key == *key {
        // Left where the process was killed between its last two acts.
        let _ = fs::remove_dir_all(out.join(PARTIAL));
        return Ok(Some(certificate));
    }
    Err(Error::deletion(out.display(), "the folder holds the certificate of another deletion; give another `--out`"))
}

/// Refuses a folder with files of others, which would be written over.
fn only_leftovers(out: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(out) else { return Ok(()) };
    let mut names = entries.flatten().map(|entry| entry.file_name());
    match names.find(|name| name != PARTIAL && name != LAST_FINITE) {
        None => Ok(()),
        Some(name) => {
            let reason = format!("the folder holds {} already; give a new or empty one", name.to_string_lossy());
            Err(Error::deletion(out.display(), reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(digit: &str) -> StageKey {
        digit.repeat(32).parse().unwrap()
    }

    #[test]
    fn a_folder_is_for_one_deletion_and_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let Found::ToDo(first) = Folder::open(&out, &key("0")).unwrap() else { panic!("nothing is there yet") };
        assert!(!first.resumed);
        let message = Folder::open(&out, &key("0")).unwrap_err().to_string();
        assert!(message.contains("another process"), "{message}");
        let started = first.started.clone();
        drop(first);
        let message = Folder::open(&out, &key("1")).unwrap_err().to_string();
        assert!(message.contains("begun and not finished") && message.contains("partial"), "{message}");
        let Found::ToDo(again) = Folder::open(&out, &key("0")).unwrap() else { panic!("it is not done") };
        assert!(again.resumed && again.started == started);
        fs::write(again.path(LAST_FINITE), "").unwrap();
        again.close().unwrap();
        let Found::ToDo(other) = Folder::open(&out, &key("1")).unwrap() else { panic!("it is not done") };
        assert!(!other.resumed && !out.join(LAST_FINITE).exists());
        other.close().unwrap();
        fs::write(out.join("model.safetensors"), "").unwrap();
        let message = Folder::open(&out, &key("0")).unwrap_err().to_string();
        assert!(message.contains("holds model.safetensors already"), "{message}");
    }
}
