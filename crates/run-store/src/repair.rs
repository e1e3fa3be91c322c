//! Repairs a damaged store: removes what is damaged and what was computed from it, and keeps the descriptions of what
//! was removed, so that it can be computed again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;
use unlearn_files::json;

use crate::atomic::write_atomic;
use crate::check::{Check, Fault, Place};
use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec};
use crate::lineage::{Lineage, StageName};
use crate::manifest::{DOCUMENT, Manifest};
use crate::owned::{is_index, refuse_foreign};
use crate::store::Store;

/// The file with the descriptions of removed stages that are still to be computed, one per line. It is hidden, so it is no
/// stranger in the store.
const TO_COMPUTE: &str = ".repair.jsonl";

/// What [`Store::repair`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepairMode {
    /// It only says what it would remove.
    Dry,
    /// It removes.
    Remove,
    /// It removes, and keeps the descriptions of what it removed for [`Store::to_compute`].
    RemoveToCompute,
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
    /// The damaged and computed stages whose descriptions are lost, because their manifests are damaged. Only their suite
    /// can compute them.
    pub undescribed: Vec<StageName>,
}

/// The fields of a manifest that describe the stage. Its other fields need not be valid.
#[derive(Deserialize)]
struct Described {
    kind: String,
    config: Value,
    inputs: BTreeMap<String, StageKey>,
    data_fingerprint: String,
    seed: u64,
}

impl Store {
    /// Removes the damaged stages that a check found, every stage that was computed from them, and the damaged
    /// indices. Files of a newer program, and files that cannot be read for another reason, stay.
    ///
    /// # Errors
    /// [`StoreError::Io`] if something cannot be removed, or the descriptions cannot be written.
    pub fn repair(&self, check: &Check, mode: RepairMode) -> Result<Repair> {
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
        let mut descriptions = Vec::new();
        for stage in repair.damaged.iter().chain(&repair.computed) {
            match described(&self.place(&stage.kind, &stage.key, ""), &stage.key) {
                Some(description) => descriptions.push(description),
                None => repair.undescribed.push(stage.clone()),
            }
        }
        if mode == RepairMode::Dry {
            return Ok(repair);
        }
        if mode == RepairMode::RemoveToCompute {
            // They are written first. So a killed repair loses none.
            descriptions.extend(self.descriptions()?);
            self.keep_descriptions(&descriptions)?;
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

    /// The stages that repairs removed and that are not in the store again: those that can be computed from what the store
    /// holds, each after its inputs, and those of which an input is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the store cannot be read, [`StoreError::Description`] if the kept descriptions are damaged.
    pub fn to_compute(&self) -> Result<(Vec<StageSpec>, Vec<StageName>)> {
        let mut open = Vec::new();
        for description in self.descriptions()? {
            if self.find(&description.kind, &description.key())?.is_none() {
                open.push(description);
            }
        }
        let mut held: BTreeSet<StageKey> = self.finished_folders()?.into_iter().map(|(stage, _)| stage.key).collect();
        let mut ordered: Vec<StageSpec> = Vec::new();
        loop {
            let (ready, rest): (Vec<_>, Vec<_>) =
                open.into_iter().partition(|spec: &StageSpec| spec.inputs.values().all(|input| held.contains(input)));
            open = rest;
            if ready.is_empty() {
                break;
            }
            held.extend(ready.iter().map(StageSpec::key));
            ordered.extend(ready);
        }
        let lacking = open.into_iter().map(|spec| StageName { key: spec.key(), kind: spec.kind }).collect();
        Ok((ordered, lacking))
    }

    /// Keeps these descriptions for [`to_compute`](Self::to_compute), in place of those that were kept.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be written or removed.
    pub fn keep_descriptions(&self, descriptions: &[StageSpec]) -> Result<()> {
        let file = self.root().join(TO_COMPUTE);
        if descriptions.is_empty() {
            return match fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(StoreError::io("remove", &file)(error))
                }
                _ => Ok(()),
            };
        }
        let lines: BTreeSet<String> = descriptions.iter().map(|spec| format!("{}\n", spec.to_json())).collect();
        write_atomic(&file, lines.into_iter().collect::<String>().as_bytes())
    }

    fn descriptions(&self) -> Result<Vec<StageSpec>> {
        let file = self.root().join(TO_COMPUTE);
        let text = match unlearn_files::read(&file, DOCUMENT) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("read", &file)(error)),
        };
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| StageSpec::from_json(line, &file)).collect()
    }
}

/// The description in the manifest of a stage's folder. It is whole if it has the stage's key, which is a hash of it.
fn described(folder: &Path, key: &StageKey) -> Option<StageSpec> {
    let text = unlearn_files::read(&folder.join(Manifest::FILE), DOCUMENT).ok()?;
    let Described { kind, config, inputs, data_fingerprint, seed } =
        serde_json::from_value(json::value(&text).ok()?).ok()?;
    let spec = StageSpec { inputs, ..StageSpec::new(kind, config, data_fingerprint, seed) };
    (spec.key() == *key).then_some(spec)
}
