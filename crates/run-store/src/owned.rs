//! Tells what the program wrote from what a user put beside it. Only the program's own folders are stages, and only
//! they are ever removed.

use std::fs;
use std::path::{Path, PathBuf};

use crate::atomic::is_temporary;
use crate::check::{Fault, Place};
use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::launches::LAUNCHES;
use crate::manifest::{DOCUMENT, Manifest};
use crate::stage::Stage;
use crate::store::{LOCK, REMOVED, Store, WORKING, entries, folders};
use crate::suite_index::SUITES;
use crate::tuning::TUNINGS;
use crate::writer::{USAGE, files};

/// The kinds of stages that this program computes, and `forget`, the kind of a whole deletion. `experiment` defines them,
/// and a test there compares the two lists.
pub const KINDS: [&str; 14] = [
    "poison",
    "train",
    "import",
    "prune",
    "detect",
    "rank",
    "rank-samples",
    "unlearn",
    "transfer",
    "evaluate",
    "curvature",
    "audit",
    "validate",
    "forget",
];

/// The folder of reports inside a store.
const REPORTS: &str = "reports";

/// Endings of the files that stages leave.
const ENDINGS: [&str; 3] = ["safetensors", "json", "jsonl"];
/// A file that stages leave and whose ending users' files have too.
const SAMPLES: &str = "samples.png";

/// Whether a folder with a key's name is a stage, finished or not. The folder of a known kind holds nothing else. In
/// another folder, a stage's manifest says so: a newer program may have other kinds.
pub(crate) fn is_stage(kind: &str, name: &str, folder: &Path) -> bool {
    let digits = name.strip_suffix(WORKING).unwrap_or(name);
    digits.parse::<StageKey>().is_ok() && (KINDS.contains(&kind) || is_described(folder, kind, digits))
}

/// Whether the manifest in a folder names this kind and key. Its other fields need not be valid.
fn is_described(folder: &Path, kind: &str, key: &str) -> bool {
    let read = unlearn_files::read(&folder.join(Manifest::FILE), DOCUMENT).ok();
    let value = read.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    value.is_some_and(|value| value["kind"] == kind && value["key"] == key)
}

/// The first file in a stage's folder that the program did not write. A folder with a manifest, or with the resources
/// that an unfinished stage has used, is the program's as a whole.
pub(crate) fn foreign(folder: &Path) -> Option<PathBuf> {
    if [Manifest::FILE, USAGE].iter().any(|name| fs::symlink_metadata(folder.join(name)).is_ok()) {
        return None;
    }
    let is_ours = |path: &Path| {
        let ending = path.extension().and_then(|ending| ending.to_str());
        is_temporary(path)
            || ending.is_some_and(|ending| ENDINGS.contains(&ending))
            || path.file_name().is_some_and(|name| name == SAMPLES)
    };
    match files(folder) {
        Ok(files) => files.into_iter().map(|(_, path)| path).find(|path| !is_ours(path)),
        // What cannot be listed may hold anything.
        Err(_) => Some(folder.to_path_buf()),
    }
}

/// Refuses a place for new files that is a stage's folder or lies in one. A file there would be lost with the stage.
///
/// # Errors
/// [`StoreError::InsideStage`].
pub fn refuse_inside_stage(place: &Path) -> Result<()> {
    let place = std::path::absolute(place).unwrap_or_else(|_| place.to_path_buf());
    let name = |path: &Path| Some(path.file_name()?.to_str()?.to_owned());
    let is_inside = |folder: &&Path| {
        let kind = folder.parent().and_then(name);
        kind.zip(name(folder)).is_some_and(|(kind, name)| folder.is_dir() && is_stage(&kind, &name, folder))
    };
    match place.ancestors().find(is_inside) {
        Some(stage) => Err(StoreError::InsideStage { stage: stage.to_path_buf(), place }),
        None => Ok(()),
    }
}

/// The kind and key in the manifest of a folder, if it has one.
fn described(folder: &Path) -> Option<(String, String)> {
    let text = unlearn_files::read(&folder.join(Manifest::FILE), DOCUMENT).ok()?;
    let value = serde_json::from_slice::<serde_json::Value>(&text).ok()?;
    let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
    Some((text("kind")?, text("key")?))
}

impl Store {
    /// What in the store is no part of it: files and folders that the program does not know, and faults for stages under a name that is not
    /// theirs. Hidden files, temporary ones and locks do not count.
    pub(crate) fn strangers(&self) -> Result<(Vec<PathBuf>, Vec<Fault>)> {
        let (mut strangers, mut faults) = (Vec::new(), Vec::new());
        let is_hidden = |name: &str| name.starts_with('.');
        for (kind, folder) in entries(self.root())? {
            if is_hidden(&kind)
                || kind == SUITES
                || kind == TUNINGS
                || ([REPORTS, LAUNCHES].contains(&kind.as_str()) && folder.is_dir())
            {
                continue;
            }
            // A folder that cannot be listed is a fault already.
            let inner = if folder.is_dir() { entries(&folder).unwrap_or_default() } else { Vec::new() };
            let known = KINDS.contains(&kind.as_str()) && folder.is_dir();
            let mut stages = 0;
            let mut here = Vec::new();
            for (name, path) in inner {
                let is_of_a_stage = [LOCK, REMOVED]
                    .iter()
                    .any(|ending| name.strip_suffix(ending).is_some_and(|digits| digits.parse::<StageKey>().is_ok()));
                if is_stage(&kind, &name, &path) {
                    stages += 1;
                } else if let Some((kind, key)) = described(&path) {
                    let error = StoreError::Misnamed { folder: path, stage: format!("{kind}/{key}") };
                    faults.push(Fault { place: Place::Folder(folder.clone()), error });
                } else if !is_of_a_stage && !is_hidden(&name) {
                    here.push(path);
                }
            }
            // A folder of another kind is named as a whole, unless a newer program has stages in it.
            if known || stages > 0 {
                strangers.extend(here);
            } else {
                strangers.push(folder);
            }
        }
        strangers.sort();
        Ok((strangers, faults))
    }
}

/// The files in the folder of a finished stage that its manifest does not list.
pub(crate) fn unlisted(stage: &Stage) -> Vec<PathBuf> {
    let listed = &stage.manifest().artifacts;
    let is_ours = |name: &str, path: &Path| listed.contains_key(name) || name == Manifest::FILE || is_temporary(path);
    let files = files(stage.path()).unwrap_or_default();
    files.into_iter().filter(|(name, path)| !is_ours(name, path)).map(|(_, path)| path).collect()
}

/// Refuses to remove a folder that holds a file of the user.
pub(crate) fn refuse_foreign(folder: &Path) -> Result<()> {
    let is_folder = fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
    match is_folder.then(|| foreign(folder)).flatten() {
        Some(file) => Err(StoreError::Foreign { folder: folder.to_path_buf(), file }),
        None => Ok(()),
    }
}

/// Whether a document has the form of an index, damaged or not. JSON of another form is a user's file.
pub(crate) fn is_index(file: &Path) -> bool {
    let Ok(text) = unlearn_files::read(file, DOCUMENT) else { return false };
    match serde_json::from_slice::<serde_json::Value>(&text) {
        Ok(value) => ["format", "suite", "seal"].iter().any(|key| value.get(key).is_some()),
        // The rest of a file that was cut or overwritten.
        Err(_) => true,
    }
}

impl Store {
    /// Opens an existing folder that is a run store: it holds a stage that the program wrote, or the index of a suite
    /// or tuning.
    ///
    /// # Errors
    /// [`StoreError::NoStore`] if the folder does not exist or is empty, [`StoreError::NotAStore`] if it holds
    /// something else.
    pub fn open_recognised(root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        if root.metadata().is_ok_and(|found| !found.is_dir()) {
            return Err(StoreError::NotAStore(root.to_path_buf()));
        }
        let store = Self::open_existing(root)?;
        let all = entries(root)?;
        if all.is_empty() {
            return Err(StoreError::NoStore(root.to_path_buf()));
        }
        if store.holds_a_stage()? || store.holds_an_index() || has_only_own_folders(&all) {
            return Ok(store);
        }
        Err(StoreError::NotAStore(root.to_path_buf()))
    }

    fn holds_a_stage(&self) -> Result<bool> {
        for (kind, folder) in folders(self.root())? {
            // A folder that cannot be listed is for `check` to report, if it is one of a store.
            let Ok(entries) = entries(&folder) else {
                if KINDS.contains(&kind.as_str()) {
                    return Ok(true);
                }
                continue;
            };
            let is_own = |name: &str, folder: &Path| is_stage(&kind, name, folder) && foreign(folder).is_none();
            if entries.iter().any(|(name, folder)| is_own(name, folder)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn holds_an_index(&self) -> bool {
        [SUITES, TUNINGS]
            .iter()
            .filter_map(|name| entries(&self.root().join(name)).ok())
            .flatten()
            .any(|(_, path)| path.extension().is_some_and(|ending| ending == "json") && is_index(&path))
    }
}

/// Whether every entry is a folder or a file that a store without stages may have: all were removed, or none was
/// finished.
fn has_only_own_folders(all: &[(String, PathBuf)]) -> bool {
    let own = |name: &str| KINDS.contains(&name) || [SUITES, TUNINGS, REPORTS, LAUNCHES].contains(&name);
    all.iter().all(|(name, path)| {
        let is_empty = || {
            entries(path)
                .is_ok_and(|entries| entries.iter().all(|(name, _)| name.ends_with(LOCK) || name.ends_with(REMOVED)))
        };
        own(name) && ([REPORTS, LAUNCHES].contains(&name.as_str()) || is_empty())
            || name.starts_with(crate::archive::IMPORT)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::repair::RepairMode;
    use crate::store::Begin;

    const MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

    fn finish(store: &Store, kind: &str) -> StageKey {
        let Begin::Run(writer) = store.begin(&StageSpec::new(kind, json!({}), "data", 1)).unwrap() else { panic!() };
        writer.finish().unwrap().key().clone()
    }

    /// A file of the user, in a folder that is named like a stage.
    fn picture(root: &Path, folder: &str) -> PathBuf {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("cat.jpg"), "a picture").unwrap();
        folder.join("cat.jpg")
    }

    #[test]
    fn what_the_user_put_beside_stages_stays() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let store = Store::open(root).unwrap();
        finish(&store, "train");
        let pictures: Vec<PathBuf> = [
            format!("photos/{MD5}"),
            format!("photos/{MD5}.partial"),
            format!("photos/{MD5}.removed"),
            format!("reports/{MD5}"),
            format!("train/{MD5}"),
            format!("train/{MD5}.partial"),
            format!("train/{MD5}.removed"),
        ]
        .iter()
        .map(|folder| picture(root, folder))
        .collect();
        fs::write(root.join("photos").join(format!("{MD5}.lock")), "").unwrap();
        fs::write(root.join("photos/.notes.tmp"), "").unwrap();
        fs::create_dir_all(root.join("suites")).unwrap();
        fs::write(root.join("suites/holiday.json"), "{\"days\": 3}").unwrap();
        let check = store.check().unwrap();
        let repair = store.repair(&check, RepairMode::Remove).unwrap();
        assert!(repair.damaged.is_empty() && repair.indices.is_empty(), "{repair:?}");
        assert!(repair.left.iter().any(|reason| reason.contains("cat.jpg")), "{repair:?}");
        fs::remove_file(root.join("suites/holiday.json")).unwrap();
        let garbage = store.garbage().unwrap();
        assert_eq!(garbage.stages.len(), 1, "{garbage:?}");
        store.sweep(&garbage).unwrap();
        let key: StageKey = MD5.parse().unwrap();
        assert!(matches!(store.remove("train", &key), Err(StoreError::Foreign { .. })));
        assert!(pictures.iter().all(|picture| picture.is_file()), "{pictures:?}");
        assert!(root.join("photos").join(format!("{MD5}.lock")).exists() && root.join("photos/.notes.tmp").exists());
    }

    #[test]
    fn a_folder_that_is_no_run_store_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = |name: &str| place.path().join(name);
        assert!(matches!(Store::open_recognised(folder("absent")), Err(StoreError::NoStore(_))));
        Store::open(folder("empty")).unwrap();
        assert!(matches!(Store::open_recognised(folder("empty")), Err(StoreError::NoStore(_))));
        picture(&folder("photos"), &format!("photos/{MD5}"));
        picture(&folder("data"), &format!("train/{MD5}"));
        fs::write(folder("file"), "").unwrap();
        for name in ["photos", "data", "file"] {
            assert!(matches!(Store::open_recognised(folder(name)), Err(StoreError::NotAStore(_))), "{name}");
        }
        let store = Store::open(folder("runs")).unwrap();
        let key = finish(&store, "train");
        picture(&folder("runs"), "photos");
        Store::open_recognised(folder("runs")).unwrap();
        fs::remove_file(folder("runs").join("train").join(key.as_str()).join(Manifest::FILE)).unwrap();
        Store::open_recognised(folder("runs")).unwrap();
        fs::remove_dir_all(folder("runs/photos")).unwrap();
        store.remove("train", &key).unwrap();
        Store::open_recognised(folder("runs")).unwrap();
        finish(&Store::open(folder("newer")).unwrap(), "distil");
        Store::open_recognised(folder("newer")).unwrap();
    }

    #[test]
    fn what_is_no_part_of_the_store_is_named_and_a_misnamed_stage_is_a_fault() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path();
        let store = Store::open(root).unwrap();
        let key = finish(&store, "train");
        assert!(store.check().unwrap().strangers.is_empty());
        for folder in ["train/abc", &format!("train/{}z", &MD5[..31]), "foo"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        for file in ["train/x.txt", &format!("train/{key}/notes.txt"), "read-me.md"] {
            fs::write(root.join(file), "a note").unwrap();
        }
        let check = store.check().unwrap();
        let named: Vec<String> =
            check.strangers.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect();
        let expected = [
            format!("train/{key}/notes.txt"),
            "foo".into(),
            "read-me.md".into(),
            "train/abc".into(),
            format!("train/{}z", &MD5[..31]),
            "train/x.txt".into(),
        ];
        let (mut named, mut expected) = (named, expected.to_vec());
        named.sort();
        expected.sort();
        assert_eq!(named, expected);
        assert_eq!((check.sound, check.faults.len()), (1, 0));
        let other = root.join("train/copy-of-mine");
        fs::rename(root.join("train").join(key.as_str()), &other).unwrap();
        let check = store.check().unwrap();
        let [fault] = &check.faults[..] else { panic!("{:?}", check.faults) };
        assert!(
            fault.error.to_string().contains(&format!("holds the manifest of the stage train/{key}")),
            "{}",
            fault.error
        );
        store.repair(&check, RepairMode::Remove).unwrap();
        assert!(other.is_dir());
    }

    #[test]
    fn a_place_inside_a_stage_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("runs")).unwrap();
        let key = finish(&store, "train");
        let stage = store.root().join("train").join(key.as_str());
        for inside in [stage.clone(), stage.join("runs"), stage.join("a/b.json")] {
            assert!(matches!(Store::open(&inside), Err(StoreError::InsideStage { .. })), "{}", inside.display());
            refuse_inside_stage(&inside).unwrap_err();
        }
        assert_eq!(fs::read_dir(&stage).unwrap().count(), 1);
        for outside in [store.root().to_path_buf(), store.root().join("train"), place.path().join("out")] {
            refuse_inside_stage(&outside).unwrap();
        }
        fs::write(place.path().join("file"), "").unwrap();
        let error = Store::open(place.path().join("file")).unwrap_err().to_string();
        assert!(error.contains("it is a file; name a folder"), "{error}");
    }
}
