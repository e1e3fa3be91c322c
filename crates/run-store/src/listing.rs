//! Lists the stages of a store. Each manifest is read once, several at a time. No other file of a finished stage is
//! opened, and none is hashed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;

use crate::check::{Fault, Place};
use crate::error::Result;
use crate::key::StageKey;
use crate::manifest::Manifest;
use crate::owned::is_stage;
use crate::stage::Stage;
use crate::store::{StageState, StageSummary, Store, WORKING, check_name, entries, folders, no_folder, size};
use crate::writer::files;

/// A stage in a listing, with what its manifest says of it.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its name, state, size and folder.
    pub summary: StageSummary,
    /// Its manifest. `None` for a stage that is not finished, and for a damaged one.
    pub manifest: Option<Manifest>,
    /// When the stage was finished or imported. For an unfinished one, when it last saved something. `None` if the
    /// system does not say.
    pub modified: Option<SystemTime>,
}

impl Record {
    /// The time since the stage was finished, imported or last saved. Zero if that time is in the future.
    pub fn age(&self) -> Option<Duration> {
        Some(self.modified?.elapsed().unwrap_or(Duration::ZERO))
    }
}

/// A folder that may be a stage.
struct Candidate {
    kind: String,
    name: String,
    folder: PathBuf,
}

impl Store {
    /// Every stage of the store, including unfinished and damaged ones, sorted by kind and key.
    ///
    /// # Errors
    /// [`StoreError::Io`](crate::StoreError::Io) if a folder cannot be listed.
    pub fn stages(&self) -> Result<Vec<StageSummary>> {
        Ok(self.records()?.into_iter().map(|record| record.summary).collect())
    }

    /// The same, with the manifests of the finished ones.
    ///
    /// # Errors
    /// As for [`Store::stages`].
    pub fn records(&self) -> Result<Vec<Record>> {
        let (records, unlisted) = self.listing()?;
        unlisted.into_iter().next().map_or(Ok(records), |fault| Err(fault.error))
    }

    /// The same, without the stages in folders that cannot be listed. Each such folder is a fault.
    ///
    /// # Errors
    /// [`StoreError::Io`](crate::StoreError::Io) if the store's own folder cannot be listed.
    pub(crate) fn listing(&self) -> Result<(Vec<Record>, Vec<Fault>)> {
        let (mut candidates, mut unlisted) = (Vec::new(), Vec::new());
        for (kind, folder) in folders(self.root())? {
            if check_name("stage kind", &kind).is_err() {
                continue;
            }
            match entries(&folder) {
                Ok(entries) => candidates.extend(entries.into_iter().map(|(name, folder)| Candidate {
                    kind: kind.clone(),
                    name,
                    folder,
                })),
                Err(error) => unlisted.push(Fault { place: Place::Folder(folder), error }),
            }
        }
        let mut records: Vec<Record> = candidates.into_par_iter().filter_map(look).collect();
        records.sort_by(|one, other| {
            let (one, other) = (&one.summary, &other.summary);
            (&one.kind, &one.key).cmp(&(&other.kind, &other.key))
        });
        Ok((records, unlisted))
    }
}

/// The stage in a folder, if it is one.
fn look(Candidate { kind, name, folder }: Candidate) -> Option<Record> {
    let (digits, finished) = name.strip_suffix(WORKING).map_or((name.as_str(), true), |digits| (digits, false));
    let key: StageKey = digits.parse().ok()?;
    if !is_stage(&kind, &name, &folder) {
        return None;
    }
    let damaged = |error: &dyn std::fmt::Display| StageState::Damaged(error.to_string());
    let (mut manifest, mut modified) = (None, None);
    let (state, bytes) = match fs::metadata(&folder) {
        // A broken link.
        Err(_) if fs::symlink_metadata(&folder).is_ok() => (damaged(&no_folder(&folder)), 0),
        // It has vanished meanwhile.
        Err(_) => return None,
        Ok(found) if !found.is_dir() => (damaged(&no_folder(&folder)), found.len()),
        // What cannot be read has no size here; whoever reads it reports the error.
        Ok(found) if !finished => {
            modified = last_change(&folder).or(found.modified().ok());
            (StageState::Unfinished, size(&folder).unwrap_or(0))
        }
        Ok(found) => {
            let written = fs::metadata(folder.join(Manifest::FILE)).ok();
            modified = written.as_ref().and_then(|file| file.modified().ok()).or(found.modified().ok());
            match Stage::open_as(&folder, &kind, digits) {
                Ok(stage) => {
                    let held = stage.into_manifest();
                    let bytes: u64 = held.artifacts.values().map(|artifact| artifact.bytes).sum();
                    manifest = Some(held);
                    (StageState::Finished, bytes + written.map_or(0, |file| file.len()))
                }
                Err(error) => (damaged(&error), size(&folder).unwrap_or(0)),
            }
        }
    };
    Some(Record { summary: StageSummary { kind, key, state, bytes, folder }, manifest, modified })
}

/// The time of the last change of a file below `folder`.
fn last_change(folder: &Path) -> Option<SystemTime> {
    let files = files(folder).ok()?;
    files.iter().filter_map(|(_, path)| fs::metadata(path).ok()?.modified().ok()).max()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::store::Begin;
    use crate::suite_index::{SuiteIndex, SuiteRow};

    /// Writes a store of `chains` × 4 finished stages, as suites leave them, and the index of a suite that names half.
    fn generate(root: &Path, chains: u64) -> Store {
        let store = Store::open(root).unwrap();
        let finish = |kind: &str, config: serde_json::Value, input: Option<&StageKey>, seed: u64| {
            let spec = StageSpec::new(kind, config, "data", seed);
            let spec = input.map_or(spec.clone(), |input| spec.with_input("model", input.clone()));
            let place = store.place(kind, &spec.key(), "");
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("metrics.jsonl"), "{}\n").unwrap();
            let artifacts = ["metrics.jsonl", "log.jsonl", "model.safetensors"]
                .map(|name| (name.to_owned(), crate::manifest::Artifact::of_bytes(name.as_bytes())));
            let facts = [("setting".to_owned(), json!({ "classes": 10, "labels": ["a", "b", "c"], "side": 28 }))];
            let usage = crate::machine::Usage::none("2026-01-01T00:00:00Z".to_owned());
            let manifest = Manifest::new(&spec, usage, facts.into(), artifacts.into());
            fs::write(place.join(Manifest::FILE), manifest.to_bytes().unwrap()).unwrap();
            spec.key()
        };
        let recipe = json!({ "epochs": 200, "lr": 0.1, "momentum": 0.9, "weight-decay": 0.0005, "schedule": "cosine" });
        let mut index = SuiteIndex::new("large", "a test");
        for seed in 0..chains {
            let train = finish("train", json!({ "arch": "resnet8s", "recipe": recipe }), None, seed);
            let prune = finish("prune", json!({ "method": "omp", "config": recipe }), Some(&train), seed);
            let unlearn = finish("unlearn", json!({ "method": "ft", "config": recipe }), Some(&prune), seed);
            let evaluate = finish("evaluate", json!({ "attacks": ["mia-efficacy"] }), Some(&unlearn), seed);
            if seed % 2 == 0 {
                index.rows.push(SuiteRow { seed, ..SuiteRow::example(unlearn, evaluate) });
            }
        }
        store.write_suite(&index).unwrap();
        store
    }

    /// The bound is generous, for machines that do much else: docs/stages.md has what was measured.
    #[test]
    fn a_store_of_ten_thousand_stages_is_listed_in_about_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let store = generate(&folder.path().join("runs"), 2500);
        let started = Instant::now();
        let records = store.records().unwrap();
        let took = started.elapsed();
        assert_eq!(records.len(), 10_000);
        assert!(records.iter().all(|record| record.summary.state == StageState::Finished));
        assert!(took < Duration::from_secs(10), "{took:?}");
        let started = Instant::now();
        let garbage = store.garbage().unwrap();
        eprintln!("10,000 stages: listed in {took:?}, searched for garbage in {:?}", started.elapsed());
        assert_eq!(garbage.stages.len(), 5_000);
        // Of 1,000 stages of a plan it is known whether they are done, without a listing.
        let started = Instant::now();
        let done = records.iter().take(1000).filter(|record| {
            let StageSummary { kind, key, .. } = &record.summary;
            store.find(kind, key).unwrap().is_some()
        });
        assert_eq!(done.count(), 1000);
        let took = started.elapsed();
        eprintln!("1,000 stages are known to be done after {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
    }

    /// Nothing but the manifest of a finished stage is needed: the other files may even be absent.
    #[test]
    fn a_listing_opens_manifests_only_and_has_sizes_and_ages() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let Begin::Run(mut writer) = store.begin(&StageSpec::new("train", json!({}), "data", 1)).unwrap() else {
            panic!("it is done already")
        };
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        let stage = writer.finish().unwrap();
        let of = |name: &str| fs::metadata(stage.path().join(name)).unwrap().len();
        let bytes = of("manifest.json") + of("metrics.jsonl");
        fs::remove_file(stage.path().join("metrics.jsonl")).unwrap();
        let hour_ago = SystemTime::now() - Duration::from_hours(1);
        fs::File::options()
            .write(true)
            .open(stage.path().join(Manifest::FILE))
            .unwrap()
            .set_modified(hour_ago)
            .unwrap();
        let [record] = &store.records().unwrap()[..] else { panic!("one stage") };
        assert_eq!((record.summary.bytes, &record.summary.state), (bytes, &StageState::Finished));
        assert_eq!(record.manifest.as_ref(), Some(stage.manifest()));
        let age = record.age().unwrap();
        assert!((3_600..3_700).contains(&age.as_secs()), "{age:?}");
    }
}
