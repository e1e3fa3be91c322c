//! Recognises folders and JSON files of this program, and names the command that reads them. It serves `inspect`, and messages about a
//! path that is not what was expected.

use std::{ffi::OsStr, fs, path::Path};

use serde_json::Value;
use unlearn_certificates::Certificate;
use unlearn_models::is_sharded;
use unlearn_run_store::{Manifest, StageKey, StageState, Store};

use crate::stages::KINDS;

/// The kind of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// A finished stage.
    Stage,
    /// A stage that is being computed, or was interrupted.
    UnfinishedStage,
    /// The folder of a stage whose manifest is missing.
    DamagedStage,
    /// A deletion with its certificate.
    Deletion,
    /// A deletion that is not finished.
    UnfinishedDeletion,
    /// A run store.
    Store,
    /// The stages of one kind in a run store.
    Kind,
    /// Indices of suites, or of tunings, in a run store.
    Indices,
    /// A report.
    Report,
    /// A sharded model.
    Shards,
    /// Anything else.
    Other,
}

impl Folder {
    /// The kind of the folder at `path`, from its content.
    pub fn of(path: &Path) -> Self {
        let has = |name: &str| path.join(name).is_file();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if has(Certificate::FILE) {
            Self::Deletion
        } else if has(Manifest::FILE) {
            Self::Stage
        } else if name.strip_suffix(".partial").is_some_and(is_key) {
            Self::UnfinishedStage
        } else if is_key(&name) && path.parent().and_then(Path::file_name).is_some_and(is_kind) {
            Self::DamagedStage
        } else if is_store(&path.join("partial")) {
            Self::UnfinishedDeletion
        } else if is_store(path) {
            Self::Store
        } else if is_kind(name.as_ref()) && stage_folders(path) > 0 {
            Self::Kind
        } else if ["suites", "tunings"].contains(&name.as_str()) && path.parent().is_some_and(is_store) {
            Self::Indices
        } else if has("results.json") {
            Self::Report
        } else if is_sharded(path) {
            Self::Shards
        } else {
            Self::Other
        }
    }

    /// Describes the folder at `path`, and names the command that reads it.
    pub fn describe(self, path: &Path) -> String {
        let place = path.display();
        match self {
            Self::Stage => "a finished stage".to_owned(),
            Self::UnfinishedStage => {
                "the working folder of a stage that is not finished; the command that began it goes on from there"
                    .to_owned()
            }
            Self::DamagedStage => {
                let store =
                    path.ancestors().nth(2).filter(|store| !store.as_os_str().is_empty()).unwrap_or(Path::new("."));
                format!(
                    "the folder of a stage without its {}; `unlearn runs verify --runs {}` says what is damaged, and what to do",
                    Manifest::FILE,
                    store.display()
                )
            }
            Self::Deletion => format!("the folder of a deletion; `unlearn runs verify {place}` checks its certificate"),
            Self::UnfinishedDeletion => {
                "the folder of a deletion that is not finished; the same `unlearn forget` goes on from there".to_owned()
            }
            Self::Store => describe_store(path),
            Self::Kind => {
                let store = path.parent().filter(|store| !store.as_os_str().is_empty()).unwrap_or(Path::new("."));
                let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
                format!(
                    "the `{name}` stages of the run store {0}; `unlearn runs list --runs {0}` lists them, and a stage is named as \
                     `{0}/{name}/KEY`, where the key's first digits will do",
                    store.display()
                )
            }
            Self::Indices => {
                let store = path.parent().unwrap_or(Path::new("."));
                format!(
                    "indices of the run store {0}; `unlearn report SUITE --runs {0} --out DIR` writes a suite's report",
                    store.display()
                )
            }
            Self::Report => {
                "a report; `report.html` is for people, `results.json` for programs, and no command reads it".to_owned()
            }
            Self::Shards => "a model in shards of safetensors beside their index".to_owned(),
            Self::Other => describe_other(path),
        }
    }
}

/// Whether a folder has subfolders of stage kinds that contain folders of stages.
fn is_store(path: &Path) -> bool {
    KINDS.iter().any(|kind| stage_folders(&path.join(kind.name)) > 0)
        || path.join("suites").is_dir() && has_indices(path)
}

fn has_indices(store: &Path) -> bool {
    Store::open_existing(store).and_then(|store| store.suites()).is_ok_and(|suites| !suites.is_empty())
}

/// The number of subfolders that have the name of a stage.
fn stage_folders(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_key(name.strip_suffix(".partial").unwrap_or(name))).count()
}

fn is_kind(name: &OsStr) -> bool {
    KINDS.iter().any(|kind| *name == *kind.name)
}

fn is_key(text: &str) -> bool {
    text.parse::<StageKey>().is_ok()
}

fn describe_store(path: &Path) -> String {
    let place = path.display();
    let store = Store::open_existing(path);
    let stages = store.as_ref().ok().and_then(|store| store.stages().ok()).unwrap_or_default();
    let finished =
        |kind: &str| stages.iter().filter(|stage| stage.kind == kind && stage.state == StageState::Finished).count();
    let counts: Vec<_> =
        KINDS.iter().map(|kind| (kind.name, finished(kind.name))).filter(|(_, count)| *count > 0).collect();
    let counts: Vec<_> = counts.iter().map(|(kind, count)| format!("{count} `{kind}`")).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
    let suites = store.and_then(|store| store.suites()).unwrap_or_default();
    let suites = if suites.is_empty() { "none".to_owned() } else { suites.join(", ") };
    format!(
        "a run store; finished stages: {counts}; suites: {suites}; `unlearn runs list --runs {place}` lists the stages, `unlearn runs \
         verify --runs {place}` checks them, and `unlearn report SUITE --runs {place} --out DIR` writes a suite's report"
    )
}

/// The endings of model files, and the number of files that a message names.
const NAMED: usize = 4;

fn describe_other(path: &Path) -> String {
    let Ok(entries) = fs::read_dir(path) else { return "a folder that cannot be listed".to_owned() };
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    if names.is_empty() {
        return "an empty folder".to_owned();
    }
    let endings = [".safetensors", ".pth", ".pt", ".pth.tar", ".bin", ".ckpt"];
    let models: Vec<_> = names.iter().filter(|name| endings.iter().any(|ending| name.ends_with(ending))).collect();
    if models.is_empty() {
        return "none of this program's folders: neither a run store, a stage, a deletion nor a report; for a folder of data see \
                `unlearn datasets describe`"
            .to_owned();
    }
    let named: Vec<_> = models.iter().take(NAMED).map(|name| format!("`{}`", name.escape_debug())).collect();
    format!("a folder with files of models; name one: {}", named.join(", "))
}

/// Describes a JSON document of this program, and names the command that reads it; `None` for other documents.
pub fn document(value: &Value, path: &Path) -> Option<String> {
    let has = |keys: &[&str]| keys.iter().all(|key| value.get(key).is_some());
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("?").escape_debug().to_string();
    let count = |key: &str| value.get(key).and_then(Value::as_array).map_or(0, Vec::len);
    let folder = |levels: usize| match path.ancestors().nth(levels) {
        Some(folder) if !folder.as_os_str().is_empty() => folder.display().to_string(),
        _ => ".".to_owned(),
    };
    if has(&["request", "method", "measured", "output"]) {
        return Some(format!("the certificate of a deletion; `unlearn runs verify {}` checks it", folder(1)));
    }
    if has(&["kind", "key", "artifacts"]) {
        return Some(format!(
            "the manifest of a `{}` stage; `unlearn inspect {}` shows the stage",
            text("kind"),
            folder(1)
        ));
    }
    if has(&["provenance", "rows", "suite"]) {
        return Some(format!(
            "results of the suite `{}`, {} rows, for programs; `unlearn report {}` writes them anew from the run store",
            text("suite"),
            count("rows"),
            text("suite")
        ));
    }
    if has(&["suite", "trials", "objective"]) {
        return Some(format!(
            "a tuning of the suite `{}`, {} trials; `[suite] tuned = \"FILE\"` in a suite file uses its choices",
            text("suite"),
            count("trials")
        ));
    }
    if has(&["suite", "rows", "command"]) {
        return Some(format!(
            "the index of the suite `{0}`, {1} rows; `unlearn report {0} --runs {2} --out DIR` writes its report, and `unlearn \
             evaluate {0} --runs {2} --out DIR` computes its figures again",
            text("suite"),
            count("rows"),
            folder(2)
        ));
    }
    if has(&["kind", "config", "seed"]) {
        return Some(format!(
            "the description of a `{}` stage; `unlearn stage {}` computes it",
            text("kind"),
            path.display()
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_run_store::{Begin, StageSpec, SuiteIndex, write_atomic};

    use super::*;

    #[test]
    fn folders_are_known_by_what_lies_in_them() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("runs");
        let store = Store::open(&root).unwrap();
        let Begin::Run(writer) = store.begin(&StageSpec::new("train", json!({}), "d", 1)).unwrap() else { panic!() };
        let partial = writer.path("").canonicalize().unwrap();
        assert_eq!((Folder::of(&root), Folder::of(&partial)), (Folder::Store, Folder::UnfinishedStage));
        let stage = writer.finish().unwrap();
        store.write_suite(&SuiteIndex::new("tiny", "")).unwrap();
        for (path, folder, words) in [
            (root.clone(), Folder::Store, "finished stages: 1 `train`; suites: tiny"),
            (root.join("train"), Folder::Kind, "the `train` stages of the run store"),
            (root.join("suites"), Folder::Indices, "unlearn report SUITE"),
            (stage.path().to_owned(), Folder::Stage, "a finished stage"),
        ] {
            assert_eq!(Folder::of(&path), folder);
            let said = folder.describe(&path);
            assert!(said.contains(words) && !said.contains("delete"), "{said}");
        }
        fs::remove_file(stage.path().join(Manifest::FILE)).unwrap();
        assert_eq!(Folder::of(stage.path()), Folder::DamagedStage);
        let said = Folder::DamagedStage.describe(stage.path());
        assert!(said.contains("unlearn runs verify --runs") && !said.contains("delete"), "{said}");
        for (name, file, folder, words) in [
            ("deletion", "certificate.json", Folder::Deletion, "unlearn runs verify"),
            ("report", "results.json", Folder::Report, "a report"),
            ("shards", "model.safetensors.index.json", Folder::Shards, "in shards"),
            ("models", "model.pth", Folder::Other, "name one: `model.pth`"),
            ("data", "train.csv", Folder::Other, "unlearn datasets describe"),
        ] {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            assert_eq!(Folder::of(&path).describe(&path), "an empty folder");
            write_atomic(&path.join(file), b"{}").unwrap();
            assert_eq!(Folder::of(&path), folder, "{name}");
            assert!(folder.describe(&path).contains(words), "{}", folder.describe(&path));
        }
    }

    #[test]
    fn documents_are_known_by_their_keys() {
        let said = |value: Value| document(&value, Path::new("runs/suites/a.json"));
        let index = said(serde_json::to_value(SuiteIndex::new("tiny", "")).unwrap()).unwrap();
        assert!(index.contains("unlearn report tiny --runs runs --out DIR"), "{index}");
        let spec = StageSpec::new("train", json!({}), "d", 1).to_json();
        assert!(said(spec).unwrap().contains("description of a `train` stage"));
        assert_eq!(said(json!({ "a": 1 })), None);
    }
}
