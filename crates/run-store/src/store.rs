//! The store: a folder of stages, and the right to compute them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic::{check_writable, random_name};
use crate::error::{Result, StoreError};
use crate::key::{StageKey, StageSpec};
use crate::lineage::StageName;
use crate::lock::Lock;
use crate::owned::{is_stage, refuse_foreign, refuse_inside_stage};
use crate::stage::Stage;
use crate::suite_index::SUITES;
use crate::writer::{StageWriter, files, is_sealed, settle};

/// Ending of a stage's working folder.
pub(crate) const WORKING: &str = ".partial";
/// Ending of a stage's lock file.
pub(crate) const LOCK: &str = ".lock";
/// Ending of a folder that is being removed.
pub(crate) const REMOVED: &str = ".removed";

/// A folder of stages.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
}

/// The result of [`Store::begin`].
#[derive(Debug)]
pub enum Begin {
    /// The stage is finished.
    Done(Stage),
    /// The stage is not finished, and the caller now has the exclusive right to compute it.
    Run(StageWriter),
}

/// The result of [`Store::try_begin`].
#[derive(Debug)]
pub enum Attempt {
    /// The stage is finished.
    Done(Stage),
    /// The stage is not finished, and the caller now has the exclusive right to compute it.
    Run(StageWriter),
    /// Another process computes it. The text describes the process, for users.
    Held(String),
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageSummary {
    /// Kind of stage.
    pub kind: String,
    /// The stage's key.
    pub key: StageKey,
    /// Its state.
    pub state: StageState,
    /// Size of its files in bytes.
    pub bytes: u64,
    /// Its folder.
    pub folder: PathBuf,
}

/// The state of a stage in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StageState {
    /// Finished and readable.
    Finished,
    /// Being computed, or interrupted.
    Unfinished,
    /// Its manifest cannot be read. The error gives the reason and the fix.
    Damaged(String),
}

impl Store {
    /// Opens the store in `root` for reading and writing, and creates the folder if needed.
    ///
    /// # Errors
    /// [`StoreError::Unwritable`] if the folder cannot be created or a file in it cannot be written;
    /// [`StoreError::InsideStage`] if it lies in the folder of a stage.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref().to_path_buf();
        refuse_inside_stage(&root)?;
        if fs::metadata(&root).is_ok_and(|found| !found.is_dir()) {
            let source = std::io::Error::new(std::io::ErrorKind::NotADirectory, "it is a file; name a folder");
            return Err(StoreError::Unwritable { root, source });
        }
        fs::create_dir_all(&root).map_err(|source| StoreError::Unwritable { root: root.clone(), source })?;
        check_writable(&root).map_err(|source| StoreError::Unwritable { root: root.clone(), source })?;
        Ok(Self { root })
    }

    /// Opens an existing store for reading only. The folder need not be writable.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] if the folder does not exist.
    pub fn open_existing(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref().to_path_buf();
        match fs::read_dir(&root) {
            Ok(_) => Ok(Self { root }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(StoreError::NoStore(root)),
            Err(error) => Err(StoreError::io("list", &root)(error)),
        }
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finds the stage finished, or takes the right to compute it.
    ///
    /// If another process computes it, this call waits until that process ends, and looks again. The wait is
    /// announced once as a [`tracing`] event. So a stage is computed once, however many processes begin it at the
    /// same time.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the stage exists but cannot be read, [`StoreError::BadName`], [`StoreError::Io`].
    pub fn begin(&self, spec: &StageSpec) -> Result<Begin> {
        let key = spec.key();
        if let Some(stage) = self.find(&spec.kind, &key)? {
            return Ok(Begin::Done(stage));
        }
        let folder = self.root.join(&spec.kind);
        fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
        let lock = Lock::acquire(&self.place(&spec.kind, &key, LOCK))?;
        self.begin_locked(spec, &key, lock)
    }

    /// As [`begin`](Self::begin), but returns at once if another process computes the stage.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn try_begin(&self, spec: &StageSpec) -> Result<Attempt> {
        let key = spec.key();
        if let Some(stage) = self.find(&spec.kind, &key)? {
            return Ok(Attempt::Done(stage));
        }
        let folder = self.root.join(&spec.kind);
        fs::create_dir_all(&folder).map_err(StoreError::io("create the folder", &folder))?;
        match Lock::try_acquire(&self.place(&spec.kind, &key, LOCK))? {
            Err(holder) => Ok(Attempt::Held(holder)),
            Ok(lock) => Ok(match self.begin_locked(spec, &key, lock)? {
                Begin::Done(stage) => Attempt::Done(stage),
                Begin::Run(writer) => Attempt::Run(writer),
            }),
        }
    }

    /// Whether the stage is finished, or no process computes it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub fn is_free(&self, spec: &StageSpec) -> Result<bool> {
        let key = spec.key();
        Ok(self.find(&spec.kind, &key)?.is_some() || Lock::holder(&self.place(&spec.kind, &key, LOCK))?.is_none())
    }

    /// Makes this machine see what other machines have written into a folder. An NFS client believes for up to a minute that a
    /// file is absent, unless it changes the folder itself. A failure is ignored, because the minute passes.
    pub fn look_anew(folder: &Path) {
        let probe = folder.join(format!(".look.{}.tmp", random_name()));
        if fs::File::options().write(true).create_new(true).open(&probe).is_ok() {
            let _ = fs::remove_file(&probe); // What remains is a leftover for `gc`.
        }
    }

    /// [`look_anew`](Self::look_anew) at the folder of a kind of stage.
    pub fn look_anew_for(&self, kind: &str) {
        if check_name("stage kind", kind).is_ok() {
            Self::look_anew(&self.root.join(kind));
        }
    }

    /// Looks again with the lock held, because another process may have finished the stage meanwhile.
    fn begin_locked(&self, spec: &StageSpec, key: &StageKey, lock: Lock) -> Result<Begin> {
        if let Some(stage) = self.find(&spec.kind, key)? {
            lock.retire();
            return Ok(Begin::Done(stage));
        }
        let (working, place) = (self.place(&spec.kind, key, WORKING), self.place(&spec.kind, key, ""));
        if is_sealed(&working) {
            let stage = settle(&working, &place, &spec.kind, key)?;
            lock.retire();
            return Ok(Begin::Done(stage));
        }
        StageWriter::open(spec, working, place, lock).map(Begin::Run)
    }

    /// The finished stage with this key, of any kind.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it exists but cannot be read, [`StoreError::Io`] if the store cannot be listed.
    pub fn locate(&self, key: &StageKey) -> Result<Option<Stage>> {
        for (kind, folder) in folders(&self.root)? {
            if check_name("stage kind", &kind).is_ok() && folder.join(key.as_str()).is_dir() {
                return self.find(&kind, key);
            }
        }
        Ok(None)
    }

    /// The finished stage of this kind and key, if there is one.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it exists but cannot be read, [`StoreError::BadName`].
    pub fn find(&self, kind: &str, key: &StageKey) -> Result<Option<Stage>> {
        check_name("stage kind", kind)?;
        let folder = self.place(kind, key, "");
        match fs::metadata(&folder) {
            Ok(found) if found.is_dir() => {
                Stage::open_as(&folder, kind, key.as_str()).map(Some).map_err(|error| error.with_computed(self, key))
            }
            Ok(_) => Err(no_folder(&folder).with_computed(self, key)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => match fs::symlink_metadata(&folder) {
                Ok(_) => Err(no_folder(&folder).with_computed(self, key)),
                Err(_) => Ok(None),
            },
            Err(error) => Err(StoreError::io("look at", &folder)(error)),
        }
    }

    /// The finished stage of this kind and key.
    ///
    /// # Errors
    /// As [`find`](Self::find), and [`StoreError::NoStage`].
    pub fn stage(&self, kind: &str, key: &StageKey) -> Result<Stage> {
        self.find(kind, key)?.ok_or_else(|| StoreError::NoStage {
            root: self.root.clone(),
            kind: kind.to_owned(),
            key: key.to_string(),
        })
    }

    /// The folders of finished stages, including damaged ones.
    pub(crate) fn finished_folders(&self) -> Result<Vec<(StageName, PathBuf)>> {
        let mut found = Vec::new();
        for (kind, folder) in folders(&self.root)? {
            if check_name("stage kind", &kind).is_ok() {
                let stage = |(name, folder): (String, PathBuf)| {
                    let key = name.parse().ok()?;
                    is_stage(&kind, &name, &folder).then(|| (StageName { kind: kind.clone(), key }, folder))
                };
                found.extend(folders(&folder)?.into_iter().filter_map(stage));
            }
        }
        Ok(found)
    }

    /// Removes a stage, finished or not. If a process is computing it, nothing is removed and the result is false.
    ///
    /// # Errors
    /// [`StoreError::BadName`], [`StoreError::Io`]; [`StoreError::Foreign`] if it holds a file that the program did not
    /// write. Then nothing is removed.
    pub fn remove(&self, kind: &str, key: &StageKey) -> Result<bool> {
        check_name("stage kind", kind)?;
        if !self.root.join(kind).is_dir() {
            return Ok(true);
        }
        for ending in [REMOVED, "", WORKING] {
            refuse_foreign(&self.place(kind, key, ending))?;
        }
        let Ok(lock) = Lock::try_acquire(&self.place(kind, key, LOCK))? else { return Ok(false) };
        let outgoing = self.place(kind, key, REMOVED);
        for ending in [REMOVED, "", WORKING] {
            let folder = self.place(kind, key, ending);
            let Ok(found) = fs::symlink_metadata(&folder) else { continue };
            if !found.is_dir() {
                fs::remove_file(&folder).map_err(StoreError::io("remove", &folder))?;
                continue;
            }
            if ending != REMOVED {
                // The folder is renamed first, so that no reader sees a stage without some of its files.
                fs::rename(&folder, &outgoing).map_err(StoreError::io("move aside", &folder))?;
            }
            fs::remove_dir_all(&outgoing).map_err(StoreError::io("remove the folder", &outgoing))?;
        }
        lock.retire();
        Ok(true)
    }

    pub(crate) fn place(&self, kind: &str, key: &StageKey, ending: &str) -> PathBuf {
        self.root.join(kind).join(format!("{key}{ending}"))
    }
}

/// Refuses names that could leave their folder or could not be typed.
pub(crate) fn check_name(what: &'static str, name: &str) -> Result<()> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let good = name.bytes().all(plain)
        && name.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
        && name.len() <= 64
        && !(what == "stage kind" && name == SUITES);
    if good { Ok(()) } else { Err(StoreError::BadName { what, name: name.to_owned() }) }
}

/// The error of a stage that is not a folder.
pub(crate) fn no_folder(place: &Path) -> StoreError {
    StoreError::damaged(place, place, "a stage is a folder, and this is a file, or a link that leads nowhere")
}

/// The folders inside `folder`, by name.
pub(crate) fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = entries(folder)?;
    found.retain(|(_, path)| path.is_dir());
    Ok(found)
}

/// All entries of `folder` whose name is valid text.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(StoreError::io("list", folder))? {
        let entry = entry.map_err(StoreError::io("list", folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// Bytes of the files below `folder`. Files that vanish meanwhile, because a stage is finishing, do not count.
pub(crate) fn size(folder: &Path) -> Result<u64> {
    match files(folder) {
        Ok(files) => {
            Ok(files.iter().filter_map(|(_, path)| fs::metadata(path).ok()).map(|metadata| metadata.len()).sum())
        }
        Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::{Value, json};

    use super::*;
    use crate::atomic::write_atomic;
    use crate::manifest::Manifest;
    use crate::saved;

    fn spec() -> StageSpec {
        StageSpec::new("train", json!({ "lr": 0.1, "epochs": 2 }), "data-v1", 1)
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("deep/runs")).unwrap();
        (folder, store)
    }

    fn run(store: &Store) -> StageWriter {
        match store.begin(&spec()).unwrap() {
            Begin::Run(writer) => writer,
            Begin::Done(stage) => panic!("{} is done already", stage.key()),
        }
    }

    fn finished(store: &Store) -> Stage {
        let mut writer = run(store);
        writer.append_metrics(&json!({ "epoch": 0, "loss": 0.1 })).unwrap();
        write_atomic(&writer.path("model.safetensors"), b"weights").unwrap();
        writer.finish().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_finished_stage_is_whole_and_is_not_run_again() {
        let (_folder, store) = store();
        let mut writer = run(&store);
        let key = writer.key().clone();
        saved::save(&writer.checkpoint_dir().unwrap().join("weights"), b"half-way").unwrap();
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        writer.append_log(&json!({ "message": "hello" })).unwrap();
        write_atomic(&writer.path("model.safetensors"), b"weights").unwrap();
        writer.note("size", &json!({ "layers": 3 })).unwrap();
        assert!(store.find("train", &key).unwrap().is_none(), "a stage shows only once it is finished");
        let stage = writer.finish().unwrap();

        assert_eq!(names(&store.root().join("train")), [key.as_str()]);
        assert_eq!(names(stage.path()), ["log.jsonl", "manifest.json", "metrics.jsonl", "model.safetensors"]);
        let Begin::Done(again) = store.begin(&spec()).unwrap() else { panic!("it was run again") };
        let manifest = again.manifest();
        assert_eq!((manifest.format, &manifest.key, manifest.seed), (2, &key, 1));
        assert_eq!(manifest.spec(), spec());
        assert_eq!(manifest.facts["size"]["layers"], 3);
        assert_eq!(manifest.artifacts.keys().collect::<Vec<_>>(), ["log.jsonl", "metrics.jsonl", "model.safetensors"]);
        assert_eq!(manifest.artifacts["model.safetensors"].bytes, 7);
        assert_eq!(again.metrics::<Value>().unwrap(), [json!({ "epoch": 0 })]);
        assert_eq!(fs::read(again.artifact("model.safetensors").unwrap()).unwrap(), b"weights");
        let missing = again.artifact("mask.safetensors").unwrap_err().to_string();
        assert!(missing.contains("`mask.safetensors`") && missing.contains("model.safetensors"), "{missing}");
        again.verify().unwrap();
    }

    #[test]
    fn an_interrupted_stage_keeps_its_checkpoint_and_counts_its_time() {
        let (_folder, store) = store();
        let mut writer = run(&store);
        assert!(!writer.resumed());
        saved::save(&writer.checkpoint_dir().unwrap().join("weights"), b"after 2").unwrap();
        for epoch in 0..3 {
            writer.append_metrics(&json!({ "epoch": epoch })).unwrap();
        }
        fs::write(writer.path(".model.safetensors.1-0.tmp"), b"torn").unwrap();
        let metrics = writer.path("metrics.jsonl");
        std::thread::sleep(std::time::Duration::from_millis(120));
        drop(writer);
        let torn = [fs::read(&metrics).unwrap(), b"{\"epoch\": 3, \"lo".to_vec()].concat();
        fs::write(&metrics, torn).unwrap();

        let mut writer = run(&store);
        assert!(writer.resumed());
        assert_eq!(fs::read_to_string(&metrics).unwrap().lines().count(), 3, "the torn row is gone");
        let more = writer.truncate_metrics(4).unwrap_err().to_string();
        assert!(more.contains("holds 3 rows") && more.contains("after 4"), "{more}");
        writer.truncate_metrics(2).unwrap();
        writer.append_metrics(&json!({ "epoch": 2, "again": true })).unwrap();
        let stage = writer.finish().unwrap();
        assert_eq!(stage.metrics::<Value>().unwrap()[2], json!({ "epoch": 2, "again": true }));
        assert_eq!(names(stage.path()), ["manifest.json", "metrics.jsonl"]);
        assert!(stage.manifest().wall_seconds >= 0.12, "{}", stage.manifest().wall_seconds);
    }

    #[test]
    fn a_damaged_saved_state_is_not_gone_on_from() {
        let (_folder, store) = store();
        let writer = run(&store);
        let state = writer.checkpoint_dir().unwrap().join("deep/state");
        fs::create_dir(state.parent().unwrap()).unwrap();
        saved::save(&state, b"weights").unwrap();
        saved::save(&writer.checkpoint_dir().unwrap().join("other"), b"weights").unwrap();
        fs::write(writer.path("left"), b"").unwrap();
        let mut bytes = fs::read(&state).unwrap();
        drop(writer);
        assert!(run(&store).resumed());
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&state, bytes).unwrap();
        let writer = run(&store);
        assert!(!writer.resumed() && !writer.path("left").exists() && !state.exists());
    }

    #[test]
    fn without_a_checkpoint_an_interrupted_stage_starts_from_nothing() {
        let (_folder, store) = store();
        let mut writer = run(&store);
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        drop(writer);
        let writer = run(&store);
        assert!(!writer.resumed() && !writer.path("metrics.jsonl").exists());
    }

    #[test]
    fn a_stage_killed_between_manifest_and_rename_is_only_moved() {
        let (_folder, store) = store();
        let place = finished(&store).path().to_path_buf();
        let working = place.with_extension("partial");
        fs::rename(&place, &working).unwrap();
        fs::create_dir(working.join("checkpoint")).unwrap();
        let Begin::Done(stage) = store.begin(&spec()).unwrap() else { panic!("it was run again") };
        assert_eq!(names(stage.path()), ["manifest.json", "metrics.jsonl", "model.safetensors"]);
    }

    #[test]
    fn threads_that_begin_at_once_compute_once() {
        let (_folder, store) = store();
        let (computed, start) = (AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    start.wait();
                    if let Begin::Run(writer) = store.begin(&spec()).unwrap() {
                        computed.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(std::time::Duration::from_millis(50));
                        writer.finish().unwrap();
                    }
                });
            }
        });
        assert_eq!(computed.into_inner(), 1);
        assert_eq!(names(&store.root().join("train")).len(), 1, "no lock file is left");
    }

    #[test]
    fn a_damaged_stage_is_named_with_the_fix() {
        let (_folder, store) = store();
        let stage = finished(&store);
        let file = stage.path().join(Manifest::FILE);
        let good = fs::read_to_string(&file).unwrap();
        let check = |text: Option<&str>, expected: &str| {
            match text {
                Some(text) => fs::write(&file, text).unwrap(),
                None => fs::remove_file(&file).unwrap(),
            }
            let message = store.begin(&spec()).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains("manifest.json"), "{message}");
            let StageState::Damaged(listed) = &store.stages().unwrap()[0].state else { panic!("listed as whole") };
            assert_eq!(listed, &message, "nothing was computed from it");
        };
        check(Some(&good[..40]), "unlearn runs repair");
        check(Some("[]"), "unlearn runs repair");
        check(None, "the file is missing");
        check(Some(&good.replace("\"format\": 2", "\"format\": 9")), "format version 9, this program reads up to 2");
        check(Some(&good.replace("\"train\"", "\"prune\"")), "the seal differs");
        check(Some(&good.replace("\"seal\"", "\"seel\"")), "the seal differs");
        check(Some(&unsealed(&good).replace("\"train\"", "\"prune\"")), "not train/");
    }

    #[test]
    fn verify_finds_every_kind_of_damage() {
        let (_folder, store) = store();
        let stage = finished(&store);
        let model = stage.artifact("model.safetensors").unwrap();
        let check = |expected: &str| {
            let message = store.stage("train", stage.key()).unwrap().verify().unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        };
        fs::write(&model, b"weightS").unwrap();
        check("BLAKE3 differs");
        fs::write(&model, b"weight").unwrap();
        check("6 bytes and should have 7");
        fs::remove_file(&model).unwrap();
        check("the file is missing");
        fs::write(&model, b"weights").unwrap();
        stage.verify().unwrap();
        let file = stage.path().join(Manifest::FILE);
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, unsealed(&text)).unwrap();
        store.stage("train", stage.key()).unwrap().verify().unwrap();
        fs::write(&file, unsealed(&text).replace("0.1", "0.2")).unwrap();
        check("does not give its key");
    }

    /// A manifest in version 1 of the format.
    fn unsealed(manifest: &str) -> String {
        let mut value: Value = serde_json::from_str(manifest).unwrap();
        value["format"] = json!(1);
        value.as_object_mut().unwrap().remove("seal").expect("version 2 is sealed");
        value.to_string()
    }

    #[test]
    fn what_is_read_is_what_the_stage_left() {
        let (_folder, store) = store();
        let stage = finished(&store);
        assert_eq!(stage.read("model.safetensors").unwrap(), b"weights");
        for (name, other) in
            [("model.safetensors", &b"weightS"[..]), ("metrics.jsonl", b"{\"epoch\":0,\"loss\":0.2}\n")]
        {
            fs::write(stage.path().join(name), other).unwrap();
        }
        for message in [
            stage.read("model.safetensors").unwrap_err().to_string(),
            stage.metrics::<Value>().unwrap_err().to_string(),
        ] {
            assert!(message.contains("BLAKE3 differs") && message.contains("unlearn runs repair"), "{message}");
        }
    }

    /// As it happens if a machine did not see that another one had finished the stage.
    #[test]
    fn a_stage_that_was_finished_meanwhile_stays() {
        let (_folder, store) = store();
        let stage = finished(&store);
        let hidden = store.root().join("hidden");
        fs::rename(stage.path(), &hidden).unwrap();
        let mut writer = run(&store);
        writer.append_metrics(&json!({ "epoch": 0, "loss": 0.1 })).unwrap();
        write_atomic(&writer.path("model.safetensors"), b"weights").unwrap();
        fs::rename(&hidden, stage.path()).unwrap();
        assert_eq!(writer.finish().unwrap().manifest(), stage.manifest());
        assert_eq!(names(&store.root().join("train")), [stage.key().as_str()]);
        // What is there and is no stage is not overwritten.
        fs::rename(stage.path(), &hidden).unwrap();
        let writer = run(&store);
        fs::create_dir(stage.path()).unwrap();
        fs::write(stage.path().join("notes.txt"), "mine").unwrap();
        assert!(matches!(writer.finish(), Err(StoreError::Io { action: "move into place", .. })));
        assert_eq!(names(stage.path()), ["notes.txt"]);
    }

    #[test]
    fn a_look_leaves_nothing() {
        let (_folder, store) = store();
        finished(&store);
        store.look_anew_for("train");
        store.look_anew_for("absent");
        store.look_anew_for("..");
        assert_eq!(names(&store.root().join("train")).len(), 1);
        assert_eq!(names(store.root()), ["train"]);
    }

    #[test]
    fn lists_and_removes() {
        let (_folder, store) = store();
        let stage = finished(&store);
        let other = StageSpec::new("prune", json!({}), "data-v1", 1).with_input("model", stage.key().clone());
        let Begin::Run(writer) = store.begin(&other).unwrap() else { panic!() };
        let listed: Vec<_> = store.stages().unwrap().into_iter().map(|stage| (stage.kind, stage.state)).collect();
        assert_eq!(listed, [("prune".to_owned(), StageState::Unfinished), ("train".to_owned(), StageState::Finished)]);
        assert!(!store.remove("prune", &other.key()).unwrap(), "it is being computed");
        drop(writer);
        assert!(store.remove("prune", &other.key()).unwrap());
        assert!(store.remove("train", stage.key()).unwrap());
        assert_eq!(store.stages().unwrap(), []);
        assert!(names(&store.root().join("train")).is_empty());
        let gone = store.stage("train", stage.key()).unwrap_err().to_string();
        assert!(gone.contains("no finished stage train/"), "{gone}");
    }

    #[test]
    fn a_root_that_cannot_be_written_is_named_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a-file");
        fs::write(&file, b"").unwrap();
        let mut roots = vec![file.join("runs")];
        if cfg!(target_os = "linux") {
            roots.push("/proc/self/runs".into()); // Even root cannot write here.
        }
        for root in roots {
            let message = Store::open(&root).unwrap_err().to_string();
            assert!(
                message.contains(&root.display().to_string()) && message.contains("name another folder"),
                "{message}"
            );
        }
        assert!(matches!(Store::open_existing(folder.path().join("absent")), Err(StoreError::NoStore(_))));
    }

    #[test]
    fn kinds_stay_inside_the_store() {
        let (_folder, store) = store();
        for kind in ["", "..", "a/b", ".hidden", "suites", "käse", &"x".repeat(65)] {
            let mut spec = spec();
            spec.kind = kind.to_owned();
            assert!(matches!(store.begin(&spec), Err(StoreError::BadName { .. })), "{kind}");
        }
    }
}
