//! `unlearn runs where`: the folder of a stage, the stages that made a file, and what depends on what.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use unlearn_experiment::{Labels, find_stage, resolve_address};
use unlearn_run_store::{Artifact, Lineage, Record, StageKey, StageName, Store};

use crate::{args::WhereArguments, exit::Usage, output};

/// A stage that was found, and the file in it that was asked for.
struct Found<'r> {
    record: &'r Record,
    file: Option<String>,
}

pub(super) fn find(store: &Store, arguments: &WhereArguments) -> anyhow::Result<()> {
    let records = store.records()?;
    let (labels, lineage) = (Labels::of_records(store, &records)?, Lineage::of_records(&records));
    let found = look(store, &records, &arguments.what)?;
    let mut told = Vec::new();
    for Found { record, file } in &found {
        let summary = &record.summary;
        let place = file.as_ref().map_or(summary.folder.clone(), |file| summary.folder.join(file));
        let only = BTreeSet::from([summary.key.clone()]);
        let inputs = arguments.inputs.then(|| folders(&records, &lineage.needed_by(&only)));
        let dependents = arguments.dependents.then(|| folders(&records, &lineage.computed_from(&only)));
        let suites: Vec<&str> = labels.suites(&summary.key).collect();
        if arguments.json {
            let shown =
                |folders: &[PathBuf]| -> Vec<String> { folders.iter().map(|it| it.display().to_string()).collect() };
            let mut stage = json!({
                "kind": summary.kind, "key": summary.key, "folder": summary.folder.display().to_string(),
                "label": labels.get(&summary.key), "suites": suites,
            });
            for (name, value) in [
                ("file", file.clone().map(Value::from)),
                ("inputs", inputs.as_deref().map(|folders| json!(shown(folders)))),
                ("dependents", dependents.as_deref().map(|folders| json!(shown(folders)))),
            ] {
                if let (Some(value), Some(stage)) = (value, stage.as_object_mut()) {
                    stage.insert(name.to_owned(), value);
                }
            }
            told.push(stage);
            continue;
        }
        say!("{}", place.display());
        for folder in inputs.iter().flatten() {
            say!("  computed from {}", folder.display());
        }
        if let Some(dependents) = &dependents {
            for folder in dependents {
                say!("  needed by {}", folder.display());
            }
            match &suites[..] {
                [] => say!("  needed by no suite"),
                suites => say!("  needed by the suites {}", suites.join(", ")),
            }
        }
    }
    if arguments.json {
        output::say_json(&serde_json::to_string_pretty(&json!({ "found": told }))?);
    }
    Ok(())
}

/// The stages that `what` names: one by its address, or all that left the file.
fn look<'r>(store: &Store, records: &'r [Record], what: &str) -> anyhow::Result<Vec<Found<'r>>> {
    let resolved = resolve_address(Path::new(what))?;
    if resolved.is_file() {
        return of_file(store, records, &resolved);
    }
    let of_key = |kind: &str, key: &StageKey| {
        records.iter().find(|record| record.summary.kind == kind && record.summary.key == *key)
    };
    let of_folder = records.iter().find(|record| resolved.is_dir() && same(&record.summary.folder, &resolved));
    let record = if of_folder.is_some() {
        of_folder
    } else {
        let stage = find_stage(store, what)?;
        of_key(&stage.kind, &stage.key)
    };
    Ok(record.map(|record| Found { record, file: None }).into_iter().collect())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// The finished stages that left a file with this content.
fn of_file<'r>(store: &Store, records: &'r [Record], path: &Path) -> anyhow::Result<Vec<Found<'r>>> {
    let wanted = Artifact::of(path)?;
    let left = |record: &'r Record| {
        let artifacts = &record.manifest.as_ref()?.artifacts;
        let (name, _) = artifacts.iter().find(|(_, artifact)| **artifact == wanted)?;
        Some(Found { record, file: Some(name.clone()) })
    };
    let found: Vec<Found<'r>> = records.iter().filter_map(left).collect();
    if found.is_empty() {
        let root = store.root().display();
        let reason = format!("{}: no finished stage of the store {root} left a file with this content", path.display());
        return Err(Usage(reason).into());
    }
    Ok(found)
}

/// The folders of these stages, in the order of the listing.
fn folders(records: &[Record], names: &[StageName]) -> Vec<PathBuf> {
    let wanted: BTreeSet<(&str, &StageKey)> = names.iter().map(|name| (name.kind.as_str(), &name.key)).collect();
    let of = records.iter().map(|record| &record.summary);
    of.filter(|stage| wanted.contains(&(stage.kind.as_str(), &stage.key))).map(|stage| stage.folder.clone()).collect()
}
