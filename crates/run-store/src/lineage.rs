//! Which stages were computed from which.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::key::StageKey;
use crate::listing::Record;
use crate::manifest::{DOCUMENT, Manifest};
use crate::store::{StageState, Store};

/// A stage by its kind and key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StageName {
    /// Kind of stage.
    pub kind: String,
    /// The stage's key.
    pub key: StageKey,
}

/// `unlearn/0123abcd`: the kind and the first digits of the key.
impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.key.short())
    }
}

/// The inputs in a manifest. Its other fields need not be valid.
#[derive(Deserialize)]
struct Inputs {
    inputs: BTreeMap<String, StageKey>,
}

/// The inputs of every finished stage whose manifest can be read this far.
#[derive(Debug)]
pub struct Lineage {
    inputs: Vec<(StageName, BTreeSet<StageKey>)>,
}

impl Lineage {
    pub(crate) fn of(store: &Store) -> Result<Self> {
        let read = |(name, folder): (StageName, PathBuf)| (name, inputs(&folder));
        let mut inputs: Vec<_> = store.finished_folders()?.into_par_iter().map(read).collect();
        inputs.sort();
        Ok(Self { inputs })
    }

    /// The same for stages of a store that were listed already ([`Store::records`]). Only manifests that are damaged are read again.
    pub fn of_records(records: &[Record]) -> Self {
        let finished = records.iter().filter(|record| record.summary.state != StageState::Unfinished);
        let read = |Record { summary, manifest, .. }: &Record| {
            let inputs = match manifest {
                Some(manifest) => manifest.inputs.values().cloned().collect(),
                None => inputs(&summary.folder),
            };
            (summary.name(), inputs)
        };
        let mut inputs: Vec<_> = finished.map(read).collect();
        inputs.sort();
        Self { inputs }
    }

    /// The stages that were computed from `roots`, directly or not, without `roots`.
    pub fn computed_from(&self, roots: &BTreeSet<StageKey>) -> Vec<StageName> {
        let mut reached = roots.clone();
        loop {
            let before = reached.len();
            for (name, inputs) in &self.inputs {
                if !inputs.is_disjoint(&reached) {
                    reached.insert(name.key.clone());
                }
            }
            if reached.len() == before {
                break;
            }
        }
        let is_computed = |name: &&StageName| reached.contains(&name.key) && !roots.contains(&name.key);
        self.inputs.iter().map(|(name, _)| name).filter(is_computed).cloned().collect()
    }

    /// The stages from which `keys` were computed, directly or not, without `keys`.
    pub fn needed_by(&self, keys: &BTreeSet<StageKey>) -> Vec<StageName> {
        let needed = self.with_what_they_need(keys);
        let is_input = |name: &&StageName| needed.contains(&name.key) && !keys.contains(&name.key);
        self.inputs.iter().map(|(name, _)| name).filter(is_input).cloned().collect()
    }

    /// These stages and all their inputs, direct and indirect.
    pub(crate) fn with_what_they_need(&self, roots: &BTreeSet<StageKey>) -> BTreeSet<StageKey> {
        let by_key: BTreeMap<&StageKey, &BTreeSet<StageKey>> =
            self.inputs.iter().map(|(name, inputs)| (&name.key, inputs)).collect();
        let mut open: Vec<StageKey> = roots.iter().cloned().collect();
        let mut reached = BTreeSet::new();
        while let Some(key) = open.pop() {
            if reached.insert(key.clone()) {
                open.extend(by_key.get(&key).into_iter().copied().flatten().cloned());
            }
        }
        reached
    }

    /// The stages with an input that is not in the store.
    pub(crate) fn without_input(&self) -> Vec<StageName> {
        let held: BTreeSet<&StageKey> = self.inputs.iter().map(|(name, _)| &name.key).collect();
        let lacks = |inputs: &BTreeSet<StageKey>| inputs.iter().any(|input| !held.contains(input));
        self.inputs.iter().filter(|(_, inputs)| lacks(inputs)).map(|(name, _)| name.clone()).collect()
    }
}

/// The inputs that the manifest in a stage's folder names, if it can be read this far.
fn inputs(folder: &Path) -> BTreeSet<StageKey> {
    let read = unlearn_files::read(&folder.join(Manifest::FILE), DOCUMENT).ok();
    let said = read.and_then(|text| serde_json::from_slice::<Inputs>(&text).ok());
    said.map(|said| said.inputs.into_values().collect()).unwrap_or_default()
}

impl Store {
    /// The finished stages that were computed from `keys`, directly or not, without `keys`.
    ///
    /// # Errors
    /// [`StoreError::Io`](crate::StoreError::Io) if a folder cannot be listed.
    pub fn computed_from(&self, keys: &BTreeSet<StageKey>) -> Result<Vec<StageName>> {
        Ok(Lineage::of(self)?.computed_from(keys))
    }

    /// The finished stages from which `keys` were computed, directly or not, without `keys`.
    ///
    /// # Errors
    /// [`StoreError::Io`](crate::StoreError::Io) if a folder cannot be listed.
    pub fn needed_by(&self, keys: &BTreeSet<StageKey>) -> Result<Vec<StageName>> {
        Ok(Lineage::of(self)?.needed_by(keys))
    }
}
