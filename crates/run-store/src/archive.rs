//! Exports and imports stages as one file: a tar archive with the layout of a store.
//!
//! `<kind>/<key>/…` holds a finished stage, and `suites/<suite>.json` holds the index of a suite. Nothing else may be
//! in an archive. An import unpacks everything beside the store's stages, checks it against its hashes, and only then
//! moves it into place.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use tar::{Builder, EntryType, Header};
use unlearn_files::Form;

use crate::atomic::write_atomic_with;
use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::lineage::{Lineage, StageName};
use crate::lock::Lock;
use crate::stage::Stage;
use crate::store::{LOCK, Store, check_name};
use crate::suite_index::{SUITES, SuiteRow};
use crate::writer::files;

/// Prefix of the folders in which archives are unpacked.
pub(crate) const IMPORT: &str = ".import";

/// The result of [`Store::import`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Stages that were imported.
    pub added: Vec<StageName>,
    /// Stages that the store already had. They were left unchanged.
    pub kept: Vec<StageName>,
    /// Suites whose index was imported, or already existed with the same content.
    pub suites: Vec<String>,
}

impl Store {
    /// The lock file of imports. One process at a time imports.
    pub(crate) fn import_lock(&self) -> PathBuf {
        self.root().join(format!("{IMPORT}{LOCK}"))
    }

    /// Writes stages, their inputs (direct and indirect), and the indices of suites with their stages into the
    /// archive `file`. Returns the written stages.
    ///
    /// # Errors
    /// If `file` exists or cannot be written, or a stage is damaged; [`StoreError::NoStage`],
    /// [`StoreError::NoSuite`].
    pub fn export(&self, keys: &BTreeSet<StageKey>, suites: &[String], file: &Path) -> Result<Vec<StageName>> {
        if fs::symlink_metadata(file).is_ok() {
            let problem = "it already exists; name a new file, or remove this one first".to_owned();
            return Err(StoreError::Transfer { file: file.to_path_buf(), problem });
        }
        let mut wanted = keys.clone();
        for suite in suites {
            wanted.extend(self.suite(suite)?.rows.iter().flat_map(SuiteRow::stages).cloned());
        }
        let mut stages = Vec::new();
        for key in Lineage::of(self)?.with_what_they_need(&wanted) {
            let Some(stage) = self.locate(&key)? else {
                let problem =
                    format!("the stage {key}, which it should hold, is not in the store; run the suite to compute it");
                return Err(StoreError::Transfer { file: file.to_path_buf(), problem });
            };
            stage.verify()?;
            stages.push(stage);
        }
        stages.sort_by_key(|stage| name(stage).to_string());
        write_atomic_with(file, |out| {
            let mut archive = Builder::new(io::BufWriter::new(out));
            for stage in &stages {
                let folder = format!("{}/{}", stage.manifest().kind, stage.key());
                for (name, path) in files(stage.path()).map_err(io::Error::other)? {
                    add(&mut archive, &format!("{folder}/{name}"), &path)?;
                }
            }
            for suite in suites {
                add(&mut archive, &format!("{SUITES}/{suite}.json"), &self.suite_file(suite))?;
            }
            archive.into_inner()?.into_inner().map_err(io::IntoInnerError::into_error).map(|_| ())
        })?;
        Ok(stages.iter().map(name).collect())
    }

    /// Imports the stages and indices of an archive that [`Store::export`] wrote. Stages that the store already has
    /// are left unchanged.
    ///
    /// # Errors
    /// [`StoreError::Archive`] if the file is not such an archive, or holds a damaged stage; [`StoreError::Transfer`]
    /// if the store has another index of the same suite name. In either case nothing is imported.
    pub fn import(&self, file: &Path) -> Result<Imported> {
        let lock = Lock::acquire(&self.import_lock())?;
        let place = self.root().join(format!("{IMPORT}-{}", crate::atomic::random_name()));
        fs::create_dir(&place).map_err(StoreError::io("create the folder", &place))?;
        let imported = self.import_through(file, &place);
        let _ = fs::remove_dir_all(&place); // A later sweep removes any rest.
        lock.retire();
        imported
    }

    fn import_through(&self, file: &Path, place: &Path) -> Result<Imported> {
        let refuse = |problem: String| StoreError::Archive { file: file.to_path_buf(), problem };
        unpack(file, place)?;
        let unpacked = Store::open_existing(place)?;
        let mut imported = Imported { suites: unpacked.suites()?, ..Imported::default() };
        let mut stages = Vec::new();
        for (stage, folder) in unpacked.finished_folders()? {
            let looked = Stage::open_as(&folder, &stage.kind, stage.key.as_str());
            looked.and_then(|stage| stage.verify()).map_err(|error| refuse(damage(&error)))?;
            if self.find(&stage.kind, &stage.key)?.is_some() {
                imported.kept.push(stage);
            } else {
                stages.push((stage, folder));
            }
        }
        for suite in &imported.suites {
            let index = unpacked.suite(suite).map_err(|error| refuse(damage(&error)))?;
            for key in index.rows.iter().flat_map(SuiteRow::stages) {
                if unpacked.locate(key)?.is_none() && self.locate(key)?.is_none() {
                    return Err(refuse(format!(
                        "it holds the index of the suite `{suite}`, but not the stage {} that a row of it names",
                        key.short()
                    )));
                }
            }
            if self.suites()?.contains(suite) && self.suite(suite)? != index {
                let problem = format!(
                    "it holds the suite `{suite}`, and the store {} has another one of this name; import it into another store",
                    self.root().display()
                );
                return Err(StoreError::Transfer { file: file.to_path_buf(), problem });
            }
        }
        if stages.is_empty() && imported.kept.is_empty() {
            let held = if imported.suites.is_empty() { "it is empty" } else { "it holds an index, but no stage" };
            return Err(refuse(held.to_owned()));
        }
        for (stage, folder) in stages {
            let to = self.place(&stage.kind, &stage.key, "");
            let parent = self.root().join(&stage.kind);
            fs::create_dir_all(&parent).map_err(StoreError::io("create the folder", &parent))?;
            let lock = Lock::try_acquire(&self.place(&stage.kind, &stage.key, LOCK))?;
            let Ok(lock) = lock else {
                // Another process computes it, and its result has the same content.
                imported.kept.push(stage);
                continue;
            };
            if to.exists() {
                imported.kept.push(stage);
            } else {
                fs::rename(&folder, &to).map_err(StoreError::io("move into place", &to))?;
                crate::atomic::sync_folder(&parent)?;
                imported.added.push(stage);
            }
            lock.retire();
        }
        for suite in &imported.suites {
            self.write_suite(&unpacked.suite(suite)?)?;
        }
        Ok(imported)
    }
}

fn name(stage: &Stage) -> StageName {
    StageName { kind: stage.manifest().kind.clone(), key: stage.key().clone() }
}

/// The fault of an entry in an archive, without the advice for a store.
fn damage(error: &StoreError) -> String {
    let inside = |file: &Path| {
        let parts: Vec<_> = file.components().rev().take(3).map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.into_iter().rev().collect::<Vec<_>>().join("/")
    };
    match error {
        StoreError::Damaged { file, problem, .. } | StoreError::DamagedIndex { file, problem } => {
            format!("{} is damaged: {problem}", inside(file))
        }
        other => other.to_string(),
    }
}

/// Adds a file without metadata that differs between machines.
fn add(archive: &mut Builder<impl io::Write>, name: &str, path: &Path) -> io::Result<()> {
    let file = unlearn_files::open(path)?;
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(file.metadata()?.len());
    header.set_mode(0o644);
    header.set_mtime(0);
    archive.append_data(&mut header, name, file)
}

/// Unpacks an archive into an empty folder.
fn unpack(file: &Path, place: &Path) -> Result<()> {
    let refuse = |problem: String| StoreError::Archive { file: file.to_path_buf(), problem };
    let opened = unlearn_files::open(file).map_err(StoreError::io("read", file))?;
    let form = Form::of(&unlearn_files::head(file).map_err(StoreError::io("read", file))?);
    let mut archive = tar::Archive::new(io::BufReader::new(opened));
    // The reader of archives quotes the bytes that it found.
    let read = |error: io::Error| match form {
        Form::Tar => refuse(format!("it is cut short or damaged ({})", plain(&error))),
        form => refuse(format!("it is {form}{}", form.advice().map(|it| format!("; {it}")).unwrap_or_default())),
    };
    for entry in archive.entries().map_err(read)? {
        let mut entry = entry.map_err(read)?;
        let name = entry.path().map_err(read)?.into_owned();
        match entry.header().entry_type() {
            EntryType::Directory => continue,
            EntryType::Regular => {}
            other => {
                return Err(refuse(format!("it holds {}, which is not a regular file ({other:?})", name.display())));
            }
        }
        if !is_part_of_a_store(&name) {
            return Err(refuse(format!("it holds {}, which is not part of a run store", name.display())));
        }
        let to = place.join(&name);
        let folder = to.parent().unwrap_or(place);
        fs::create_dir_all(folder).map_err(StoreError::io("create the folder", folder))?;
        let mut out = File::create_new(&to).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => refuse(format!("it holds {} twice", name.display())),
            _ => StoreError::io("write", &to)(error),
        })?;
        io::copy(&mut entry, &mut out).map_err(StoreError::io("unpack", &to))?;
        out.sync_all().map_err(StoreError::io("flush", &to))?;
    }
    Ok(())
}

/// The reason of an error, without bytes of the file.
fn plain(error: &io::Error) -> String {
    error.to_string().chars().take_while(|c| !c.is_control() && *c != '\u{fffd}').take(120).collect()
}

/// Whether a path is `suites/<suite>.json` or `<kind>/<key>/…`, without a step out of it.
fn is_part_of_a_store(path: &Path) -> bool {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => name.to_str().map(str::to_owned),
        _ => None,
    };
    let Some(parts) = path.components().map(part).collect::<Option<Vec<String>>>() else { return false };
    match parts.as_slice() {
        [suites, file] if suites == SUITES => {
            file.strip_suffix(".json").is_some_and(|suite| check_name("suite", suite).is_ok())
        }
        [kind, key, _, ..] => check_name("stage kind", kind).is_ok() && key.parse::<StageKey>().is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::store::Begin;
    use crate::suite_index::{SuiteIndex, SuiteRow};

    fn finish(store: &Store, kind: &str, input: Option<&StageKey>) -> StageKey {
        let spec = StageSpec::new(kind, json!({}), "data", 1);
        let spec = input.map_or(spec.clone(), |input| spec.with_input("model", input.clone()));
        let Begin::Run(mut writer) = store.begin(&spec).unwrap() else { panic!("it is done already") };
        writer.append_metrics(&json!({ "epoch": 0 })).unwrap();
        writer.finish().unwrap().key().clone()
    }

    /// A store with one suite of one row, and a stage that belongs to no suite.
    fn store(folder: &Path) -> (Store, StageKey) {
        let store = Store::open(folder.join("runs")).unwrap();
        let train = finish(&store, "train", None);
        let unlearn = finish(&store, "unlearn", Some(&train));
        let evaluate = finish(&store, "evaluate", Some(&unlearn));
        let prune = finish(&store, "prune", Some(&train));
        let mut index = SuiteIndex::new("quick", "a test");
        index.rows.push(SuiteRow::example(unlearn, evaluate));
        store.write_suite(&index).unwrap();
        (store, prune)
    }

    fn rest(store: &Store) -> usize {
        fs::read_dir(store.root())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(IMPORT))
            .count()
    }

    #[test]
    fn what_goes_out_comes_in_once() {
        let folder = tempfile::tempdir().unwrap();
        let (store, prune) = store(folder.path());
        let file = folder.path().join("quick.tar");
        let sent = store.export(&BTreeSet::new(), &["quick".to_owned()], &file).unwrap();
        assert_eq!(sent.len(), 3, "the suite's stages and what they were computed from: {sent:?}");
        let message = store.export(&BTreeSet::new(), &["quick".to_owned()], &file).unwrap_err().to_string();
        assert!(message.contains("already exists"), "{message}");

        let other = Store::open(folder.path().join("other")).unwrap();
        let imported = other.import(&file).unwrap();
        assert_eq!((imported.added.len(), imported.kept.len()), (3, 0));
        assert_eq!(imported.suites, ["quick"]);
        assert_eq!(other.suite("quick").unwrap(), store.suite("quick").unwrap());
        let check = other.check().unwrap();
        assert!(check.faults.is_empty() && check.sound == 3, "{check:?}");
        let again = other.import(&file).unwrap();
        assert_eq!((again.added.len(), again.kept.len(), rest(&other)), (0, 3, 0));

        let one = folder.path().join("prune.tar");
        assert_eq!(store.export(&BTreeSet::from([prune.clone()]), &[], &one).unwrap().len(), 2);
        assert_eq!(other.import(&one).unwrap().added, [StageName { kind: "prune".to_owned(), key: prune }]);
    }

    #[test]
    fn another_suite_of_the_same_name_keeps_everything_out() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = store(folder.path());
        let file = folder.path().join("quick.tar");
        store.export(&BTreeSet::new(), &["quick".to_owned()], &file).unwrap();
        let other = Store::open(folder.path().join("other")).unwrap();
        other.write_suite(&SuiteIndex::new("quick", "another")).unwrap();
        let message = other.import(&file).unwrap_err().to_string();
        assert!(message.contains("another one of this name"), "{message}");
        assert_eq!((other.stages().unwrap(), rest(&other)), (vec![], 0));
    }

    /// An archive with one file.
    fn archive(file: &Path, name: &str, kind: EntryType, content: &[u8]) {
        let mut builder = Builder::new(File::create(file).unwrap());
        let mut header = Header::new_gnu();
        // Written directly, because `set_path` refuses the names in hostile archives.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
        builder.finish().unwrap();
    }

    #[test]
    fn what_is_no_part_of_a_store_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let key = "0123456789abcdef0123456789abcdef";
        let file = folder.path().join("a.tar");
        let regular = EntryType::Regular;
        for (name, kind, words) in [
            ("../escaped", regular, "not part of a run store"),
            ("/etc/passwd", regular, "not part of a run store"),
            (&format!("train/{key}/../../../escaped"), regular, "not part of a run store"),
            (&format!("train/{key}"), regular, "not part of a run store"),
            ("suites/../x.json", regular, "not part of a run store"),
            ("notes.txt", regular, "not part of a run store"),
            (&format!("train/{key}/link"), EntryType::Symlink, "not a regular file"),
            (&format!("train/{key}/device"), EntryType::Char, "not a regular file"),
            (&format!("train/{key}/model"), regular, "manifest.json is damaged: the file is missing"),
            ("suites/quick.json", regular, "suites/quick.json is damaged"),
        ] {
            archive(&file, name, kind, b"x");
            let message = store.import(&file).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("a.tar"), "{name}: {message}");
            assert_eq!((store.stages().unwrap(), store.suites().unwrap(), rest(&store)), (vec![], vec![], 0));
        }
        for content in [&b""[..], b"not an archive", &[7; 2000]] {
            fs::write(&file, content).unwrap();
            assert!(matches!(store.import(&file), Err(StoreError::Archive { .. })));
        }
        fs::write(&file, [b"\x1f\x8b\x08\0".as_slice(), &[0x1b; 600]].concat()).unwrap();
        let message = store.import(&file).unwrap_err().to_string();
        assert!(message.contains("gunzip") && !message.contains('\u{1b}'), "{message}");
        assert!(!folder.path().join("escaped").exists());
    }

    #[test]
    fn an_index_without_its_stages_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = store(folder.path());
        let file = folder.path().join("a.tar");
        archive(&file, "suites/quick.json", EntryType::Regular, &fs::read(store.suite_file("quick")).unwrap());
        let other = Store::open(folder.path().join("other")).unwrap();
        let message = other.import(&file).unwrap_err().to_string();
        assert!(message.contains("the suite `quick`, but not the stage"), "{message}");
        assert!(other.suites().unwrap().is_empty());
        let message = store.import(&file).unwrap_err().to_string();
        assert!(message.contains("an index, but no stage"), "{message}");
    }

    #[test]
    fn a_flipped_archive_brings_nothing_in() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = store(folder.path());
        let file = folder.path().join("quick.tar");
        store.export(&BTreeSet::new(), &["quick".to_owned()], &file).unwrap();
        let whole = fs::read(&file).unwrap();
        let other = Store::open(folder.path().join("other")).unwrap();
        let place = whole.windows(7).position(|part| part == b"\"epoch\"").unwrap();
        let mut changed = whole.clone();
        changed[place + 1] = b'E';
        for content in [&changed[..], &whole[..place]] {
            fs::write(&file, content).unwrap();
            assert!(other.import(&file).is_err());
            assert_eq!((other.stages().unwrap(), other.suites().unwrap(), rest(&other)), (vec![], vec![], 0));
        }
    }
}
