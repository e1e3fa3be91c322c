//! Checks whether everything in a store is undamaged.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::lineage::{Lineage, StageName};
use crate::owned::unlisted;
use crate::stage::Stage;
use crate::store::{StageState, Store};
use crate::suite_index::SUITES;
use crate::tuning::TUNINGS;

/// The result of [`Store::check`].
#[derive(Debug, Default)]
pub struct Check {
    /// Number of undamaged finished stages.
    pub sound: usize,
    /// Number of stages that are being computed, or were interrupted.
    pub unfinished: usize,
    /// Everything that is damaged or cannot be read.
    pub faults: Vec<Fault>,
    /// Stages with an input that is no longer in the store. They are undamaged, but cannot be computed again without
    /// it.
    pub without_input: Vec<StageName>,
    /// Undamaged finished stages that no index of a suite or tuning needs. Empty if an index, or a folder of stages,
    /// cannot be read.
    pub unnamed: Vec<StageName>,
    /// Files and folders in the store that are no part of it, and files in stages that their manifests do not list.
    pub strangers: Vec<PathBuf>,
}

/// A damaged part of a store.
#[derive(Debug)]
pub struct Fault {
    /// The stage or index at fault.
    pub place: Place,
    /// What is wrong, and what to do.
    pub error: StoreError,
}

/// A part of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A stage.
    Stage(StageName),
    /// The index of a suite or of a tuning.
    Index(PathBuf),
    /// A folder of stages or indices that cannot be listed.
    Folder(PathBuf),
}

impl Check {
    /// The entries of a folder. A folder that cannot be listed is a fault, and has none.
    fn listed<T>(&mut self, entries: Result<Vec<T>>, folder: impl Fn() -> PathBuf) -> Vec<T> {
        entries.unwrap_or_else(|error| {
            self.faults.push(Fault { place: Place::Folder(folder()), error });
            Vec::new()
        })
    }
}

impl Store {
    /// Reads everything in the store again: every file of every finished stage, and every index. The rows of an index
    /// must name stages of their own. What cannot be read is a fault, and does not keep the rest from being read.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store's own folder cannot be listed.
    pub fn check(&self) -> Result<Check> {
        let (records, faults) = self.listing()?;
        let mut check = Check { faults, ..Check::default() };
        let mut sound = Vec::new();
        for summary in records.into_iter().map(|record| record.summary) {
            if summary.state == StageState::Unfinished {
                check.unfinished += 1;
                continue;
            }
            let name = StageName { kind: summary.kind, key: summary.key };
            match self.stage(&name.kind, &name.key).and_then(|stage| stage.verify().map(|()| unlisted(&stage))) {
                Ok(unlisted) => {
                    check.strangers.extend(unlisted);
                    sound.push(name);
                }
                Err(error) => check.faults.push(Fault { place: Place::Stage(name), error }),
            }
        }
        check.sound = sound.len();
        let (strangers, misnamed) = self.strangers()?;
        check.strangers.extend(strangers);
        check.faults.extend(misnamed);
        // A folder that cannot be listed is a fault already. Without it, nothing can be said of what depends on what.
        if let Ok(lineage) = Lineage::of(self) {
            check.without_input = lineage.without_input();
            if let Ok(needed) = self.needed(&lineage) {
                sound.retain(|stage| !needed.contains(&stage.key));
                check.unnamed = sound;
            }
        }
        // A row whose stage is at fault is no further fault.
        let damaged: BTreeSet<PathBuf> =
            check.faults.iter().filter_map(|fault| fault.error.damaged_folder().cloned()).collect();
        let unreadable: Vec<PathBuf> = check.faults.iter().filter_map(|fault| self.unreadable(fault)).collect();
        let is_known = |error: &StoreError| match error {
            StoreError::Io { path, .. } => unreadable.iter().any(|folder| path.starts_with(folder)),
            error => error.damaged_folder().is_some_and(|folder| damaged.contains(folder)),
        };
        for suite in check.listed(self.suites(), || self.root().join(SUITES)) {
            let file = self.suite_file(&suite);
            let looked = self.suite(&suite).and_then(|index| {
                if index.suite != suite {
                    let problem = format!("it is the index of `{}`, under the name of another suite", index.suite);
                    return Err(StoreError::DamagedIndex { file: file.clone(), problem });
                }
                index.rows.iter().try_for_each(|row| self.row(row).map(|_| ()))
            });
            if let Err(error) = looked
                && !is_known(&error)
            {
                check.faults.push(Fault { place: Place::Index(file), error });
            }
        }
        for file in check.listed(self.tuning_files(), || self.root().join(TUNINGS)) {
            if let Err(error) = crate::Tuning::read_stored(&file) {
                check.faults.push(Fault { place: Place::Index(file), error });
            }
        }
        Ok(check)
    }

    /// The folder of a stage, or of stages, that cannot be read.
    fn unreadable(&self, fault: &Fault) -> Option<PathBuf> {
        match (&fault.error, &fault.place) {
            (StoreError::Io { .. }, Place::Stage(StageName { kind, key })) => Some(self.place(kind, key, "")),
            (StoreError::Io { .. }, Place::Folder(folder)) => Some(folder.clone()),
            _ => None,
        }
    }
}

impl StoreError {
    /// The folder of the damaged stage, if this is such an error.
    pub(crate) fn damaged_folder(&self) -> Option<&PathBuf> {
        match self {
            Self::Damaged { folder, .. } => Some(folder),
            _ => None,
        }
    }

    /// The same error, with the stages that were computed from the damaged one.
    pub(crate) fn with_computed(self, store: &Store, key: &StageKey) -> Self {
        match self {
            Self::Damaged { file, folder, problem, .. } => {
                let computed = store.computed_from(&BTreeSet::from([key.clone()])).unwrap_or_default();
                Self::Damaged { file, folder, problem, computed }
            }
            error => error,
        }
    }
}

impl Stage {
    /// The store of the stage.
    pub(crate) fn store(&self) -> Option<Store> {
        Store::open_existing(self.path().parent()?.parent()?).ok()
    }
}
