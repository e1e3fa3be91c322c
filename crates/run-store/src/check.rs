//! Checks whether everything in a store is undamaged, and repairs a store that is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::lineage::{Lineage, StageName};
use crate::owned::{is_index, refuse_foreign, unlisted};
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

/// What [`Store::repair`] did, or would do.
#[derive(Debug, Default)]
pub struct Repair {
    /// Damaged stages, which are removed.
    pub damaged: Vec<StageName>,
    /// Stages that were computed from damaged ones. They are removed too.
    pub computed: Vec<StageName>,
    /// Damaged indices, which are removed.
    pub indices: Vec<PathBuf>,
    /// Rows of indices whose stages are missing, as messages. A new run of the suite computes them.
    pub missing: Vec<String>,
    /// Faults that stay, because a removal would not mend them: their reasons.
    pub left: Vec<String>,
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

    /// Removes the damaged stages that a check found, every stage that was computed from them, and the damaged
    /// indices. Then the suite computes them again. With `dry`, it only says what it would remove. Files of a newer
    /// program, and files that cannot be read for another reason, stay.
    ///
    /// # Errors
    /// [`StoreError::Io`] if something cannot be removed.
    pub fn repair(&self, check: &Check, dry: bool) -> Result<Repair> {
        let mut repair = Repair::default();
        for Fault { place, error } in &check.faults {
            match (place, error) {
                (Place::Stage(stage), StoreError::Damaged { folder, .. }) => match refuse_foreign(folder) {
                    Ok(()) => repair.damaged.push(stage.clone()),
                    Err(foreign) => repair.left.push(foreign.to_string()),
                },
                (Place::Index(file), StoreError::DamagedIndex { .. }) => {
                    if is_index(file) {
                        repair.indices.push(file.clone());
                    } else {
                        repair.left.push(format!("{} is not an index; move it elsewhere", file.display()));
                    }
                }
                (_, StoreError::NoStage { .. }) => repair.missing.push(error.to_string()),
                _ => repair.left.push(error.to_string()),
            }
        }
        let roots: BTreeSet<StageKey> = repair.damaged.iter().map(|stage| stage.key.clone()).collect();
        repair.computed = Lineage::of(self)?.computed_from(&roots);
        if dry {
            return Ok(repair);
        }
        // Stages that were computed from another are removed first. So an interrupted repair leaves nothing that
        // seems sound.
        for StageName { kind, key } in repair.computed.iter().rev().chain(&repair.damaged) {
            if !self.remove(kind, key)? {
                repair.left.push(format!("{kind}/{key} is being computed; repair again when that is done"));
            }
        }
        for file in &repair.indices {
            fs::remove_file(file).map_err(StoreError::io("remove", file))?;
        }
        Ok(repair)
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
