//! Folders of submissions: what a launcher on a cluster keeps beside the stages. Only the launcher knows their content.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic::random_name;
use crate::error::{Result, StoreError};
use crate::lock::Lock;
use crate::store::{Store, check_name, folders};

/// Folder of the submissions inside the store.
pub(crate) const LAUNCHES: &str = "launches";

/// The lock of whoever watches a submission.
const WATCH: &str = "watch.lock";
/// Digits of a submission's id.
const DIGITS: usize = 8;

/// The folder of one submission: `launches/<suite>-<id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    folder: PathBuf,
    name: String,
}

impl Launch {
    /// `<suite>-<id>`. No two submissions have the same name, whatever the store.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of the suite.
    pub fn suite(&self) -> &str {
        self.name.rsplit_once('-').map_or("", |(suite, _)| suite)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that watches it, if one does.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn watcher(&self) -> Result<Option<String>> {
        Lock::holder(&self.folder.join(WATCH))
    }

    /// Takes the right to submit and watch, or returns the process that has it.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::LocksDoNotHold`].
    pub fn watch(&self) -> Result<Result<Lock, String>> {
        Lock::try_acquire(&self.folder.join(WATCH))
    }
}

impl Store {
    /// The submissions, by name.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the folder cannot be listed.
    pub fn launches(&self) -> Result<Vec<Launch>> {
        let folder = self.root().join(LAUNCHES);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let is_id = |id: &str| id.len() == DIGITS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let named = |name: &str| name.rsplit_once('-').is_some_and(|(_, id)| is_id(id));
        let mut found: Vec<Launch> = folders(&folder)?
            .into_iter()
            .filter(|(name, _)| named(name))
            .map(|(name, folder)| Launch { folder, name })
            .collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Makes the folder of a new submission.
    ///
    /// # Errors
    /// [`StoreError::BadName`], [`StoreError::Io`].
    pub fn new_launch(&self, suite: &str) -> Result<Launch> {
        check_name("suite", suite)?;
        let name = format!("{suite}-{}", &random_name()[..DIGITS]);
        let folder = self.root().join(LAUNCHES).join(&name);
        fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
        Ok(Launch { folder, name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_submission_is_found_again_and_watched_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.launches().unwrap(), []);
        let launch = store.new_launch("a-b").unwrap();
        assert_eq!(launch.suite(), "a-b");
        fs::create_dir(folder.path().join(LAUNCHES).join("notes")).unwrap();
        assert_eq!(store.launches().unwrap(), std::slice::from_ref(&launch));
        let lock = launch.watch().unwrap().unwrap();
        assert!(launch.watch().unwrap().unwrap_err().contains(&std::process::id().to_string()));
        assert!(launch.watcher().unwrap().is_some());
        drop(lock);
        assert!(launch.watch().unwrap().is_ok());
        assert!(store.new_launch("../a").is_err());
        // The folder is part of a store, and no stage.
        assert_eq!(Store::open_recognised(folder.path()).unwrap().stages().unwrap(), []);
        assert!(store.check().unwrap().strangers.is_empty());
    }
}
