//! Finds and removes files that nothing in a store needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::atomic::is_temporary;
use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::lineage::{Lineage, StageName};
use crate::listing::Record;
use crate::lock::Lock;
use crate::owned::{KINDS, foreign, is_stage};
use crate::store::{LOCK, REMOVED, StageState, StageSummary, Store, entries, folders, size};
use crate::suite_index::{SUITES, SuiteRow};
use crate::tuning::{TUNINGS, Tuning};
use crate::unfinished;

/// Minimum age of a temporary file that counts as a leftover. A writer needs its file for milliseconds only; the clock of a
/// file server may differ from this machine's.
const STALE: Duration = Duration::from_mins(15);

/// Files that nothing in a store needs.
#[derive(Debug, Default)]
pub struct Garbage {
    /// Stages that no index of a suite or tuning names and that are no input of a named stage, including unfinished
    /// ones.
    pub stages: Vec<StageSummary>,
    /// Files of processes that were killed while they wrote, removed or imported, with their size in bytes.
    pub leftovers: Vec<(PathBuf, u64)>,
}

/// The result of [`Store::removal`].
#[derive(Debug)]
pub struct Removal {
    /// The named stages.
    pub named: Vec<StageSummary>,
    /// Stages that were computed from the named ones.
    pub computed: Vec<StageSummary>,
}

impl Garbage {
    /// Total bytes that the removal frees.
    pub fn bytes(&self) -> u64 {
        self.stages.iter().map(|stage| stage.bytes).chain(self.leftovers.iter().map(|(_, bytes)| *bytes)).sum()
    }
}

impl Store {
    /// Everything that nothing in the store needs. Nothing is removed yet; [`Store::sweep`] does that.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while a process computes a stage or imports, because no index names its inputs yet. Also
    /// if an index, or the manifest of a stage that an index needs, cannot be read, because the stages that it names are
    /// unknown.
    pub fn garbage(&self) -> Result<Garbage> {
        self.garbage_except(&BTreeSet::new(), Duration::ZERO)
    }

    /// The same, without the stages `kept`, without stages that were left less than `least` ago, finished or not, and
    /// without everything that either were computed from. The age of a stage is that of
    /// [`Record::modified`](crate::Record::modified).
    ///
    /// # Errors
    /// As for [`Store::garbage`]. [`StoreError::UnknownInputs`] if a young unfinished stage does not say what it needs.
    pub fn garbage_except(&self, kept: &BTreeSet<StageKey>, least: Duration) -> Result<Garbage> {
        self.refuse_if_busy()?;
        let lineage = Lineage::of(self)?;
        let records = self.records()?;
        // The age of what cannot be looked at is not known, so it counts as young.
        let is_young = |record: &Record| least > Duration::ZERO && record.age().is_none_or(|age| age < least);
        let young: BTreeSet<StageKey> =
            records.iter().filter(|record| is_young(record)).map(|record| record.summary.key.clone()).collect();
        let mut roots: BTreeSet<StageKey> = kept.union(&young).cloned().collect();
        for Record { summary: stage, .. } in records.iter().filter(|record| is_young(record)) {
            if stage.state == StageState::Unfinished {
                let unknown = || StoreError::UnknownInputs { stage: stage.name(), folder: stage.folder.clone() };
                roots.extend(unfinished::inputs(&stage.folder).ok_or_else(unknown)?);
            }
        }
        let mut needed = self.needed(&lineage)?;
        needed.extend(lineage.with_what_they_need(&roots));
        let mut stages: Vec<StageSummary> = records.into_iter().map(|record| record.summary).collect();
        for stage in stages.iter().filter(|stage| needed.contains(&stage.key)) {
            // It is not known what a stage needs whose manifest cannot be read. A damaged one is for `repair`.
            if let (StageState::Damaged(_), Err(error @ StoreError::Io { .. })) =
                (&stage.state, self.stage(&stage.kind, &stage.key))
            {
                return Err(error);
            }
        }
        stages.retain(|stage| match stage.state {
            StageState::Unfinished => !roots.contains(&stage.key),
            _ => !needed.contains(&stage.key),
        });
        stages.retain(|stage| !stage.folder.is_dir() || foreign(&stage.folder).is_none());
        Ok(Garbage { stages, leftovers: self.leftovers()? })
    }

    /// The stages that an index of a suite or tuning names, and everything that they were computed from.
    ///
    /// # Errors
    /// If an index cannot be read.
    pub(crate) fn needed(&self, lineage: &Lineage) -> Result<BTreeSet<StageKey>> {
        let mut named = BTreeSet::new();
        for suite in self.suites()? {
            named.extend(self.suite(&suite)?.rows.iter().flat_map(SuiteRow::stages).cloned());
        }
        let mut tried = BTreeSet::new();
        for file in self.tuning_files()? {
            tried.extend(Tuning::read_stored(&file)?.trials.into_iter().map(|trial| trial.unlearn));
        }
        // A tuning names the models that it tried, but not the stages that judged them.
        named.extend(lineage.computed_from(&tried).into_iter().map(|stage| stage.key));
        named.extend(tried);
        Ok(lineage.with_what_they_need(&named))
    }

    /// Removes what [`Store::garbage`] found. A stage that a process has begun since then stays.
    ///
    /// # Errors
    /// [`StoreError::Io`] if something cannot be removed.
    pub fn sweep(&self, garbage: &Garbage) -> Result<()> {
        for stage in &garbage.stages {
            self.remove(&stage.kind, &stage.key)?;
        }
        for (path, _) in &garbage.leftovers {
            let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What a removal of these stages would remove: the stages, and those that were computed from them.
    ///
    /// # Errors
    /// [`StoreError::Io`] if a folder cannot be listed.
    pub fn removal(&self, keys: &BTreeSet<StageKey>) -> Result<Removal> {
        let computed: BTreeSet<StageKey> = self.computed_from(keys)?.into_iter().map(|stage| stage.key).collect();
        let stages = self.stages()?;
        let of = |keys: &BTreeSet<StageKey>| stages.iter().filter(|stage| keys.contains(&stage.key)).cloned().collect();
        Ok(Removal { named: of(keys), computed: of(&computed) })
    }

    /// Refuses a store in which a process works.
    fn refuse_if_busy(&self) -> Result<()> {
        let locks = self.locks()?.into_iter().chain([self.import_lock()].into_iter().filter(|lock| lock.exists()));
        for path in locks {
            if let Err(holder) = Lock::try_acquire(&path)? {
                return Err(StoreError::Busy { root: self.root().to_path_buf(), path, holder });
            }
        }
        Ok(())
    }

    /// The folders that hold stages or indices of the program. Users may have others beside them.
    fn own_folders(&self) -> Result<Vec<PathBuf>> {
        let holds_stages = |kind: &str, folder: &std::path::Path| {
            entries(folder).is_ok_and(|held| held.iter().any(|(name, path)| is_stage(kind, name, path)))
        };
        let is_own = |(kind, folder): (String, PathBuf)| {
            let known = KINDS.contains(&kind.as_str()) || [SUITES, TUNINGS].contains(&kind.as_str());
            (known || holds_stages(&kind, &folder)).then_some(folder)
        };
        Ok(folders(self.root())?.into_iter().filter_map(is_own).collect())
    }

    /// Lock files of stages, held or not.
    fn locks(&self) -> Result<Vec<PathBuf>> {
        let mut locks = Vec::new();
        for folder in self.own_folders()? {
            let is_lock = |(name, path): (String, PathBuf)| {
                let key = name.strip_suffix(LOCK)?;
                key.parse::<StageKey>().ok().map(|_| path)
            };
            locks.extend(entries(&folder)?.into_iter().filter_map(is_lock));
        }
        Ok(locks)
    }

    /// Files of killed processes outside the working folders of stages.
    fn leftovers(&self) -> Result<Vec<(PathBuf, u64)>> {
        let mut found: Vec<(PathBuf, u64)> = self.locks()?.into_iter().map(|path| (path, 0)).collect();
        let mut all = entries(self.root())?;
        for folder in self.own_folders()? {
            all.extend(entries(&folder)?);
        }
        for (name, path) in all {
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            let aged = metadata.modified().is_ok_and(|time| time.elapsed().is_ok_and(|age| age > STALE));
            if metadata.is_dir() {
                if name.strip_suffix(REMOVED).is_some_and(|key| key.parse::<StageKey>().is_ok())
                    && foreign(&path).is_none()
                    || name.starts_with(crate::archive::IMPORT)
                {
                    found.push((path.clone(), size(&path)?));
                }
            } else if aged && (is_temporary(&path) || is_older_probe(&name)) {
                found.push((path, metadata.len()));
            }
        }
        Ok(found)
    }
}

/// A file by which an older version of the program tested whether the store is writable.
fn is_older_probe(name: &str) -> bool {
    name.strip_prefix("write-probe-").is_some_and(|id| id.bytes().all(|byte| byte.is_ascii_digit()))
}

impl StageSummary {
    /// Kind and key.
    pub fn name(&self) -> StageName {
        StageName { kind: self.kind.clone(), key: self.key.clone() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::repair::RepairMode;
    use crate::store::Begin;
    use crate::suite_index::{SuiteIndex, SuiteRow};

    fn spec(kind: &str, seed: u64, input: Option<&StageKey>) -> StageSpec {
        let spec = StageSpec::new(kind, json!({}), "data", seed);
        input.map_or(spec.clone(), |input| spec.with_input("model", input.clone()))
    }

    fn finish(store: &Store, spec: &StageSpec) -> StageKey {
        let Begin::Run(mut writer) = store.begin(spec).unwrap() else { panic!("it is done already") };
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        writer.finish().unwrap().key().clone()
    }

    /// Changes a file's content.
    fn flip(file: &std::path::Path) {
        fs::write(file, "{\"epoch\": 7}\n").unwrap();
    }

    /// A store with one row of a suite, and a chain of stages beside it. Returns the keys of both.
    fn store() -> (tempfile::TempDir, Store, [Vec<StageKey>; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let chain = |seed| {
            let train = finish(&store, &spec("train", seed, None));
            let unlearn = finish(&store, &spec("unlearn", seed, Some(&train)));
            let evaluate = finish(&store, &spec("evaluate", seed, Some(&unlearn)));
            vec![train, unlearn, evaluate]
        };
        let chains = [chain(1), chain(2)];
        let mut index = SuiteIndex::new("quick", "a test");
        index.rows.push(SuiteRow::example(chains[0][1].clone(), chains[0][2].clone()));
        store.write_suite(&index).unwrap();
        (folder, store, chains)
    }

    fn held(store: &Store) -> BTreeSet<StageKey> {
        store.stages().unwrap().into_iter().map(|stage| stage.key).collect()
    }

    /// A manifest of which no more than the inputs can be read is damaged, and its stage was computed from them all the same.
    #[test]
    fn what_depends_on_what_is_known_from_a_listing_too() {
        let (_folder, store, [chain, other]) = store();
        let manifest = store.stage("unlearn", &chain[1]).unwrap().path().join(crate::Manifest::FILE);
        let inputs: serde_json::Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
        fs::write(&manifest, json!({ "inputs": inputs["inputs"] }).to_string()).unwrap();
        let records = store.records().unwrap();
        assert!(records.iter().any(|record| record.manifest.is_none()));
        let listed = Lineage::of_records(&records);
        for keys in [[&chain[0]], [&chain[1]], [&chain[2]], [&other[1]]] {
            let keys: BTreeSet<StageKey> = keys.into_iter().cloned().collect();
            assert_eq!(listed.computed_from(&keys), store.computed_from(&keys).unwrap());
            assert_eq!(listed.needed_by(&keys), store.needed_by(&keys).unwrap());
        }
        let first = BTreeSet::from([chain[0].clone()]);
        let computed: BTreeSet<StageKey> = listed.computed_from(&first).into_iter().map(|name| name.key).collect();
        assert_eq!(computed, BTreeSet::from([chain[1].clone(), chain[2].clone()]));
    }

    #[test]
    fn what_no_index_names_goes_and_what_those_named_need_stays() {
        let (_folder, store, [named, others]) = store();
        let Begin::Run(writer) = store.begin(&spec("prune", 3, None)).unwrap() else { panic!() };
        crate::saved::save(&writer.checkpoint_dir().unwrap().join("state"), b"weights").unwrap();
        let message = store.garbage().unwrap_err().to_string();
        assert!(message.contains("wait") && message.contains(&std::process::id().to_string()), "{message}");
        drop(writer);
        fs::create_dir(store.root().join("train").join(format!("{}{REMOVED}", others[0]))).unwrap();
        let temporary = store.root().join("suites/.quick.json.0123.tmp");
        fs::write(&temporary, "torn").unwrap();
        assert!(store.garbage().unwrap().leftovers.iter().all(|(path, _)| *path != temporary), "it may be in use");
        let probe = store.root().join("write-probe-17");
        fs::write(&probe, "").unwrap();
        let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        for old in [&temporary, &probe] {
            fs::File::options().write(true).open(old).unwrap().set_modified(hour_ago).unwrap();
        }

        let garbage = store.garbage().unwrap();
        let kinds: Vec<&str> = garbage.stages.iter().map(|stage| stage.kind.as_str()).collect();
        assert_eq!(kinds, ["evaluate", "prune", "train", "unlearn"]);
        assert!(garbage.bytes() > 1000, "{}", garbage.bytes());
        assert_eq!(garbage.leftovers.len(), 4, "{:?}", garbage.leftovers);
        store.sweep(&garbage).unwrap();
        assert_eq!(held(&store), named.into_iter().collect());
        assert!(!temporary.exists() && !probe.exists());
        let rest = store.garbage().unwrap();
        assert!(rest.stages.is_empty() && rest.leftovers.is_empty(), "{rest:?}");
    }

    /// Makes a stage look as if it had been left an hour ago.
    fn age(folder: &std::path::Path) {
        let hour_ago = std::time::SystemTime::now() - Duration::from_hours(1);
        for (_, file) in crate::writer::files(folder).unwrap() {
            fs::File::options().write(true).open(file).unwrap().set_modified(hour_ago).unwrap();
        }
    }

    #[test]
    fn what_a_young_stage_was_computed_from_stays_even_if_the_stage_is_not_finished() {
        let (_folder, store, [named, others]) = store();
        let stage = spec("unlearn", 9, Some(&others[0]));
        let Begin::Run(writer) = store.begin(&stage).unwrap() else { panic!() };
        drop(writer);
        for record in store.records().unwrap() {
            if record.summary.state == StageState::Finished {
                age(&record.summary.folder);
            }
        }
        let minute = Duration::from_mins(1);
        let garbage = |least| store.garbage_except(&BTreeSet::new(), least);
        let keys = |least| garbage(least).unwrap().stages.into_iter().map(|stage| stage.key).collect::<BTreeSet<_>>();
        assert_eq!(keys(minute), others[1..].iter().cloned().collect());
        // Without an age, what is not finished goes, and with it what only it needs.
        assert_eq!(keys(Duration::ZERO), others.iter().cloned().chain([stage.key()]).collect());
        // An older version of the program did not write what a stage needs.
        let working = store.root().join("unlearn").join(format!("{}.partial", stage.key()));
        let file = working.join("usage.json");
        let mut usage: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert!(usage.as_object_mut().unwrap().remove("inputs").is_some());
        fs::write(&file, usage.to_string()).unwrap();
        let message = garbage(minute).unwrap_err().to_string();
        assert!(message.contains(&working.display().to_string()) && message.contains("--older-than"), "{message}");
        age(&working);
        assert_eq!(keys(minute).len(), 4, "nothing is young");
        store.sweep(&garbage(minute).unwrap()).unwrap();
        assert_eq!(held(&store), named.into_iter().collect());
    }

    #[test]
    fn an_index_that_cannot_be_read_keeps_everything() {
        let (_folder, store, _) = store();
        fs::write(store.root().join("suites/quick.json"), "{").unwrap();
        assert!(matches!(store.garbage(), Err(StoreError::DamagedIndex { .. })));
    }

    #[test]
    fn a_stage_that_cannot_be_read_keeps_what_it_may_need_and_does_not_hide_the_rest() {
        let (_folder, store, [first, second]) = store();
        let manifest = store.stage("unlearn", &first[1]).unwrap().path().join("manifest.json");
        let text = fs::read(&manifest).unwrap();
        fs::remove_file(&manifest).unwrap();
        fs::create_dir(&manifest).unwrap();
        assert!(matches!(store.garbage(), Err(StoreError::Io { .. })));
        flip(&store.stage("train", &second[0]).unwrap().artifact("metrics.jsonl").unwrap());
        let check = store.check().unwrap();
        assert_eq!((check.faults.len(), check.sound), (2, 4), "{:?}", check.faults);
        let repair = store.repair(&check, RepairMode::Dry).unwrap();
        assert_eq!((repair.damaged.len(), repair.left.len()), (1, 1), "{repair:?}");
        fs::remove_dir(&manifest).unwrap();
        fs::write(&manifest, text).unwrap();
        assert_eq!(store.garbage().unwrap().stages.len(), 3);
    }

    #[test]
    fn stages_that_no_index_needs_are_told_if_every_index_can_be_read() {
        let (_folder, store, [first, second]) = store();
        let unnamed = |store: &Store| -> BTreeSet<StageKey> {
            store.check().unwrap().unnamed.into_iter().map(|stage| stage.key).collect()
        };
        assert_eq!(unnamed(&store), second.iter().cloned().collect());
        let index = store.root().join("suites/quick.json");
        fs::write(&index, "{").unwrap();
        assert!(unnamed(&store).is_empty());
        fs::remove_file(&index).unwrap();
        assert_eq!(unnamed(&store), first.into_iter().chain(second).collect());
    }

    #[test]
    fn a_repair_takes_what_was_computed_from_the_damaged_stage_and_no_more() {
        let (_folder, store, [first, second]) = store();
        assert!(store.check().unwrap().faults.is_empty());
        flip(&store.stage("train", &second[0]).unwrap().artifact("metrics.jsonl").unwrap());
        let check = store.check().unwrap();
        let [fault] = check.faults.as_slice() else { panic!("{:?}", check.faults) };
        let message = fault.error.to_string();
        let names = [format!("unlearn/{}", second[1].short()), format!("evaluate/{}", second[2].short())];
        assert!(names.iter().all(|name| message.contains(name)), "{message}");
        assert_eq!(check.sound, 5);
        let planned = store.repair(&check, RepairMode::Dry).unwrap();
        assert_eq!((planned.damaged.len(), planned.computed.len()), (1, 2));
        assert_eq!(held(&store).len(), 6, "a dry repair removes nothing");
        store.repair(&check, RepairMode::Remove).unwrap();
        assert_eq!(held(&store), first.into_iter().collect());
        assert!(store.check().unwrap().faults.is_empty());
    }

    #[test]
    fn a_repair_keeps_what_is_to_be_computed_until_it_is() {
        let (_folder, store, [first, second]) = store();
        let keys = |specs: Vec<StageSpec>| specs.iter().map(StageSpec::key).collect::<Vec<_>>();
        let repair = |mode| {
            let check = store.check().unwrap();
            store.repair(&check, mode).unwrap()
        };
        let damage = |kind, key| flip(&store.stage(kind, key).unwrap().artifact("metrics.jsonl").unwrap());
        damage("train", &second[0]);
        repair(RepairMode::RemoveToCompute);
        // It was killed before it computed. More damage does not forget the first.
        damage("unlearn", &first[1]);
        repair(RepairMode::RemoveToCompute);
        let (stages, lacking) = store.to_compute().unwrap();
        let found = keys(stages);
        assert_eq!(found.iter().collect::<BTreeSet<_>>(), first[1..].iter().chain(&second).collect());
        let at = |key: &StageKey| found.iter().position(|found| found == key).unwrap();
        assert!([&first[1..], &second].iter().all(|chain| chain.is_sorted_by_key(at)), "inputs come first");
        assert!(lacking.is_empty() && store.check().unwrap().strangers.is_empty());
        // What is there again is not computed, and what has no input cannot be.
        assert_eq!(finish(&store, &spec("train", 2, None)), second[0]);
        store.remove("train", &first[0]).unwrap();
        let (stages, lacking) = store.to_compute().unwrap();
        assert_eq!(keys(stages), second[1..]);
        assert_eq!(lacking.iter().map(|stage| &stage.key).collect::<BTreeSet<_>>(), first[1..].iter().collect());
        store.keep_descriptions(&[]).unwrap();
        assert_eq!(store.to_compute().unwrap(), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_description_that_does_not_fit_its_key_is_lost() {
        let (_folder, store, [_, second]) = store();
        let manifest = store.stage("train", &second[0]).unwrap().path().join("manifest.json");
        let text = fs::read_to_string(&manifest).unwrap();
        assert!(text.contains("\"seed\": 2"), "{text}");
        fs::write(&manifest, text.replace("\"seed\": 2", "\"seed\": 3")).unwrap();
        let check = store.check().unwrap();
        let repair = store.repair(&check, RepairMode::RemoveToCompute).unwrap();
        assert_eq!(repair.undescribed.iter().map(|stage| &stage.key).collect::<Vec<_>>(), [&second[0]]);
        assert_eq!(store.to_compute().unwrap().1.len(), 2);
        // A changed number elsewhere breaks the seal, and the description stays.
        let (_folder, store, [_, second]) = self::store();
        let manifest = store.stage("train", &second[0]).unwrap().path().join("manifest.json");
        let text = fs::read_to_string(&manifest).unwrap();
        fs::write(&manifest, text.replace("\"wall_seconds\": ", "\"wall_seconds\": 9")).unwrap();
        let check = store.check().unwrap();
        assert!(store.repair(&check, RepairMode::RemoveToCompute).unwrap().undescribed.is_empty());
        assert_eq!(store.to_compute().unwrap().0.len(), 3);
    }

    #[test]
    fn a_repair_leaves_what_a_newer_program_wrote() {
        let (_folder, store, [first, second]) = store();
        let newer = store.stage("train", &second[0]).unwrap().path().join("manifest.json");
        fs::write(&newer, fs::read_to_string(&newer).unwrap().replace("\"format\": 2", "\"format\": 9")).unwrap();
        fs::write(store.root().join("suites/quick.json"), "{").unwrap();
        let Ok(file) = store.stage("unlearn", &first[1]).unwrap().artifact("metrics.jsonl") else { panic!() };
        fs::remove_file(file).unwrap();
        let check = store.check().unwrap();
        assert_eq!(check.faults.len(), 3, "{:?}", check.faults);
        let repair = store.repair(&check, RepairMode::Remove).unwrap();
        assert_eq!((repair.damaged.len(), repair.computed.len(), repair.indices.len()), (1, 1, 1));
        assert!(repair.left[0].contains("format version 9"), "{:?}", repair.left);
        assert_eq!(held(&store).len(), 4);
        assert_eq!(store.check().unwrap().faults.len(), 1);
    }

    #[test]
    fn rows_must_name_stages_of_their_own() {
        let (_folder, store, [first, second]) = store();
        let mut index = store.suite("quick").unwrap();
        for (unlearn, evaluate, seed, words) in [
            (&first[1], &second[2], 1, "did not judge the model"),
            (&second[1], &second[2], 1, "has the seed 2"),
            (&first[0], &first[2], 1, "no finished stage unlearn/"),
        ] {
            let row = &mut index.rows[0];
            (row.unlearn, row.evaluate, row.seed) = (unlearn.clone(), evaluate.clone(), seed);
            let message = store.row(row).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
            store.write_suite(&index).unwrap();
            assert_eq!(store.check().unwrap().faults.len(), 1);
        }
    }
}
