//! `unlearn runs`: shows and maintains the run store, and verifies certificates of deletions.

mod diff;
mod list;
mod repair;
mod whereabouts;

use std::{collections::BTreeSet, path::Path};

use anyhow::{Context as _, bail};
use unlearn_experiment::{Folder, Labels, certified, find_stage};
use unlearn_run_store::{Garbage, Record, StageKey, StageState, StageSummary, Store, StoreError};

use crate::{
    args::{GcArguments, RunsArguments, RunsCommand},
    exit::Usage,
    output::{self, counted},
    verify::{verify_certificates, verify_store},
};

pub(crate) fn runs(arguments: &RunsArguments) -> anyhow::Result<()> {
    let store = || recognised(&arguments.runs);
    match &arguments.command {
        RunsCommand::List(arguments) => list::list(&store()?, arguments),
        RunsCommand::Show { stage } => show(&store()?, stage),
        RunsCommand::Diff(arguments) => diff::diff(&store()?, arguments),
        RunsCommand::Where(arguments) => whereabouts::find(&store()?, arguments),
        RunsCommand::Verify(wanted) if wanted.folders.is_empty() => verify_store(&store()?),
        RunsCommand::Verify(wanted) => verify_certificates(wanted),
        RunsCommand::Repair(arguments) => repair::repair(&store()?, arguments),
        RunsCommand::Rm { stages, dependents, dry_run } => remove(&store()?, stages, *dependents, *dry_run),
        RunsCommand::Gc(arguments) => collect(&store()?, arguments),
        RunsCommand::Export { what, file } => {
            let store = store()?;
            let (keys, suites) = suites_and_stages(&store, what)?;
            let sent = store.export(&keys, &suites, file)?;
            let bytes = std::fs::metadata(file).map_or(0, |file| file.len());
            let (stages, suites) = (counted(sent.len(), "stage", "stages"), counted(suites.len(), "suite", "suites"));
            say!("{}: {stages}, {suites}, {}", file.display(), size(bytes));
            Ok(())
        }
        RunsCommand::Import { file } => {
            // A missing file must not create an empty store.
            if !file.exists() {
                return Err(Usage(format!("{}: no such file", file.display())).into());
            }
            let imported = Store::open(&arguments.runs)?.import(file)?;
            let (added, kept) = (imported.added.len(), imported.kept.len());
            say!("{} imported, {kept} existed already", counted(added, "stage was", "stages were"));
            if !imported.suites.is_empty() {
                say!("suites: {}", imported.suites.join(", "));
            }
            Ok(())
        }
    }
}

/// The run store in a folder. The error says what the folder is instead.
fn recognised(root: &Path) -> anyhow::Result<Store> {
    match Store::open_recognised(root) {
        Err(StoreError::NotAStore(root)) if root.is_dir() => match Folder::of(&root) {
            Folder::Other | Folder::Store => Err(StoreError::NotAStore(root).into()),
            folder => {
                Err(Usage(format!("{} is not a run store: it is {}", root.display(), folder.describe(&root))).into())
            }
        },
        opened => Ok(opened?),
    }
}

/// The labels of listed stages. They are missing, with a warning, if the suites of the store cannot be listed.
fn labels(store: &Store, records: &[Record]) -> Option<Labels> {
    let labels = Labels::of_records(store, records);
    labels.inspect_err(|error| note!("the labels of stages are not known: {error}")).ok()
}

/// The label of a stage, with the suites that need it in brackets.
fn called(labels: Option<&Labels>, key: &StageKey) -> String {
    let Some((labels, label)) = labels.and_then(|labels| Some((labels, labels.get(key)?))) else {
        return String::new();
    };
    let suites: Vec<&str> = labels.suites(key).collect();
    if suites.is_empty() { label.to_owned() } else { format!("{label} ({})", suites.join(", ")) }
}

fn show(store: &Store, wanted: &str) -> anyhow::Result<()> {
    let stage = find_stage(store, wanted)?;
    if stage.state == StageState::Unfinished {
        bail!(
            "{}/{} is not finished, so it has no manifest yet; its working folder is {}",
            stage.kind,
            stage.key,
            stage.folder.display()
        );
    }
    let stage = store.stage(&stage.kind, &stage.key)?;
    output::say_json(&serde_json::to_string_pretty(stage.manifest())?);
    Ok(())
}

/// The named suites and stages. A suite comes before a stage of the same name.
fn suites_and_stages(store: &Store, what: &[String]) -> anyhow::Result<(BTreeSet<StageKey>, Vec<String>)> {
    let held = store.suites()?;
    let (mut keys, mut suites) = (BTreeSet::new(), Vec::new());
    for wanted in what {
        if held.contains(wanted) {
            suites.push(wanted.clone());
        } else {
            keys.insert(find_stage(store, wanted)?.key);
        }
    }
    suites.sort();
    suites.dedup();
    Ok((keys, suites))
}

fn remove(store: &Store, wanted: &[String], dependents: bool, dry: bool) -> anyhow::Result<()> {
    let keys =
        wanted.iter().map(|wanted| Ok(find_stage(store, wanted)?.key)).collect::<anyhow::Result<BTreeSet<_>>>()?;
    let removal = store.removal(&keys)?;
    if let (false, [first, ..]) = (dependents, removal.computed.as_slice()) {
        let others = removal.computed.len() - 1;
        let (more, verb, them) = match others {
            0 => (String::new(), "was", "it"),
            _ => (format!(" and {}", counted(others, "other stage", "other stages")), "were", "them"),
        };
        return Err(Usage(format!(
            "{}{more} {verb} computed from a stage that is to be removed; give `--dependents` to remove {them} too",
            first.name()
        ))
        .into());
    }
    let labels = labels(store, &store.records()?);
    let (mut bytes, mut held) = (0, Vec::new());
    // A stage is removed before the stages that it was computed from.
    let stages: Vec<&StageSummary> = removal.computed.iter().chain(&removal.named).collect();
    for stage in &stages {
        say!("{}", line(stage, labels.as_ref()));
        if dry || store.remove(&stage.kind, &stage.key)? {
            bytes += stage.bytes;
        } else {
            held.push(stage.name().to_string());
        }
    }
    if !held.is_empty() {
        bail!("{} stays: a process is computing it; wait until it ends, or stop it", held.join(", "));
    }
    let word = if dry { "would remove" } else { "removed" };
    say!("{word} {}, {}", counted(stages.len(), "stage", "stages"), size(bytes));
    Ok(())
}

fn collect(store: &Store, arguments: &GcArguments) -> anyhow::Result<()> {
    let dry = arguments.dry_run;
    let submitted =
        unlearn_experiment::launches(store)?.into_iter().find(|launch| launch.over.is_none() && launch.open > 0);
    if let (Some(launch), false) = (submitted, dry) {
        let reason =
            "its tasks need stages that no suite names yet; wait for it, or cancel it with `unlearn launches cancel`";
        return Err(Usage(format!("the submission {} to Slurm is not over: {reason}", launch.name)).into());
    }
    if let Some(folder) = arguments.certificates.iter().find(|folder| !folder.is_dir()) {
        return Err(Usage(format!("--certificates {}: no such folder", folder.display())).into());
    }
    let records = store.records()?;
    let certified = certified(store, &records, &arguments.certificates)
        .context("nothing was removed, because it is not known which stages this certificate names")?;
    let kept: BTreeSet<StageKey> = certified.keys().map(|stage| stage.key.clone()).collect();
    let garbage: Garbage = store.garbage_except(&kept, arguments.older_than.unwrap_or_default())?;
    let labels = labels(store, &records);
    for (stage, certificate) in &certified {
        if labels.as_ref().is_none_or(|labels| labels.suites(&stage.key).next().is_none()) {
            note!("kept: {stage}, which the certificate {} names", certificate.display());
        }
    }
    for stage in &garbage.stages {
        let reason = match stage.state {
            StageState::Unfinished => "not finished: the command that began it would go on from there",
            _ => "no suite, search or certificate names it, or anything that was computed from it",
        };
        say!("{}; {reason}", line(stage, labels.as_ref()));
    }
    for (path, bytes) in &garbage.leftovers {
        say!("{:>10}  {}  left by a process that was stopped", size(*bytes), path.display());
    }
    if !dry {
        store.sweep(&garbage)?;
    }
    say!(
        "{} {} that no suite, search or certificate names or that {} not finished, and {}: {}",
        if dry { "would remove" } else { "removed" },
        counted(garbage.stages.len(), "stage", "stages"),
        if garbage.stages.len() == 1 { "is" } else { "are" },
        counted(garbage.leftovers.len(), "leftover", "leftovers"),
        size(garbage.bytes())
    );
    Ok(())
}

/// A stage with its size, for the list of removals.
fn line(stage: &StageSummary, labels: Option<&Labels>) -> String {
    let state = match stage.state {
        StageState::Finished => "",
        StageState::Unfinished => "unfinished",
        StageState::Damaged(_) => "damaged",
    };
    let line =
        format!("{:>10}  {:<18}  {state}  {}", size(stage.bytes), stage.name().to_string(), called(labels, &stage.key));
    line.trim_end().to_owned()
}

/// A number of bytes in readable units: `12.3 MiB`.
fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if number < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{number:.1} {unit}") };
        }
        number /= 1024.0;
    }
    format!("{number:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        assert_eq!(
            [0, 1023, 1536, 5 << 20, 3 << 30, 2 << 40].map(size),
            ["0 bytes", "1023 bytes", "1.5 KiB", "5.0 MiB", "3.0 GiB", "2.0 TiB"]
        );
    }
}
