//! The ways to name a stage: by its folder, by the beginning of its key, or by its label.
//!
//! - `runs/prune/3f2a`: a store, a kind, and enough of the key to tell it from other stages. A file of the stage may follow.
//! - `prune:3f2a`: the same in the store `runs`; `DIR/prune:3f2a` for another store.
//! - `unlearn:ft · class 0`, `prune:omp 95 %`: parts of the label that [`Labels`] gives, divided by `·` or commas. The first words of a
//!   part suffice.
//! - `unlearn ft · class 0 · omp 95 % · seed 1`: a whole label, in the store `runs`.
//!
//! Where the store is given ([`stage`]), the kind may be left out before a key, and stages that are not finished are found too.

use std::path::{Component, Path, PathBuf};

use unlearn_run_store::{StageKey, StageState, StageSummary, Store};

use crate::{Error, Labels, Result, stages::KINDS};

/// The store of an address that names none. It is the default of `--runs` too.
const STORE: &str = "runs";
/// Number of digits of a key.
const DIGITS: usize = 32;
/// The greatest number of stages that one message names.
const NAMED: usize = 8;

/// The path of the stage that an address names. A path that exists, or is not an address, is returned unchanged.
///
/// # Errors
/// An address that fits no finished stage, or several; the error names them.
pub fn resolve(address: &Path) -> Result<PathBuf> {
    if address.symlink_metadata().is_ok() {
        return Ok(address.to_owned());
    }
    let Some(text) = address.to_str() else { return Ok(address.to_owned()) };
    let (store, last) = text.rsplit_once('/').map_or((STORE, text), |(store, last)| (store, last));
    if let Some((kind, wanted)) = last.split_once(':').filter(|(kind, _)| is_kind(kind)) {
        return find(text, Path::new(store), kind, wanted);
    }
    if let Some((kind, _)) = text.split_once(' ').filter(|(kind, _)| is_kind(kind) && text.contains('·')) {
        return find(text, Path::new(STORE), kind, text);
    }
    // STORE/KIND/PREFIX, perhaps followed by a file.
    for (stage, file) in [(address, None), (address.parent().unwrap_or(Path::new("")), address.file_name())] {
        let Some((folder, kind, prefix)) = parts(stage) else { continue };
        if is_kind(kind) && is_prefix(prefix) && folder.join(kind).is_dir() {
            let found = find(text, folder, kind, prefix)?;
            return Ok(file.map_or(found.clone(), |file| found.join(file)));
        }
    }
    // A slip in the kind. A path may hold a colon too.
    let kinds = || KINDS.iter().map(|kind| kind.name);
    if let Some((kind, _)) = last.split_once(':')
        && unlearn_names::nearest(kind, kinds()).is_some()
    {
        let reason = unlearn_names::Unknown::new("kind of stage", kind, kinds()).to_string();
        return Err(Error::Address { address: text.to_owned(), reason });
    }
    Ok(address.to_owned())
}

/// The stage of a store that `KIND/KEY`, `KIND:KEY`, the beginning of a key, or a label names. It need not be finished.
///
/// # Errors
/// If no stage fits, or several do; the error names them.
pub fn stage(store: &Store, wanted: &str) -> Result<StageSummary> {
    let records = store.records()?;
    let labels = Labels::of_records(store, &records)?;
    let stages: Vec<StageSummary> = records.into_iter().map(|record| record.summary).collect();
    let is_held = |kind: &str| is_kind(kind) || stages.iter().any(|stage| stage.kind == kind);
    let divided = wanted.split_once(['/', ':']).filter(|(kind, _)| is_held(kind));
    let (kind, words) = match (divided, wanted.split_once(' ')) {
        (Some((kind, words)), _) => (Some(kind), words),
        (None, Some((kind, _))) if is_held(kind) => (Some(kind), wanted),
        _ => (None, wanted),
    };
    let of_kind: Vec<_> = stages.iter().filter(|stage| kind.is_none_or(|kind| stage.kind == kind)).collect();
    among(wanted, (store, &labels), &of_kind, words, &kind.map_or("stage".to_owned(), |kind| format!("stage `{kind}`")))
        .cloned()
}

/// The store, the kind and the beginning of the key, from a path with at least three components.
fn parts(path: &Path) -> Option<(&Path, &str, &str)> {
    let mut components = path.components();
    let Some(Component::Normal(prefix)) = components.next_back() else { return None };
    let Some(Component::Normal(kind)) = components.next_back() else { return None };
    Some((components.as_path(), kind.to_str()?, prefix.to_str()?))
}

fn is_kind(name: &str) -> bool {
    KINDS.iter().any(|kind| kind.name == name)
}

fn is_prefix(text: &str) -> bool {
    (1..=DIGITS).contains(&text.len()) && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// The finished stage of a kind whose key begins with `wanted`, or whose label has the wanted parts.
fn find(address: &str, root: &Path, kind: &str, wanted: &str) -> Result<PathBuf> {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let refuse = |reason: String| Error::Address { address: address.to_owned(), reason };
    let store = Store::open_existing(root).map_err(|error| refuse(error.to_string()))?;
    let records = store.records()?;
    let labels = Labels::of_records(&store, &records)?;
    let stages: Vec<StageSummary> = records.into_iter().map(|record| record.summary).collect();
    let finished = stages.iter().filter(|stage| stage.kind == kind && stage.state == StageState::Finished);
    let finished: Vec<&StageSummary> = finished.collect();
    let found = among(address, (&store, &labels), &finished, wanted, &format!("finished stage `{kind}`"))?;
    Ok(found.folder.clone())
}

/// The one of `stages` whose key begins with `wanted`, or whose label has the wanted parts. `what` says what they are.
fn among<'s>(
    address: &str,
    (store, labels): (&Store, &Labels),
    stages: &[&'s StageSummary],
    wanted: &str,
    what: &str,
) -> Result<&'s StageSummary> {
    let refuse = |reason: String| Error::Address { address: address.to_owned(), reason };
    let by_key = |key: &StageKey| is_prefix(wanted) && key.as_str().starts_with(wanted);
    let mut found: Vec<_> = stages.iter().filter(|stage| by_key(&stage.key)).copied().collect();
    if found.is_empty() {
        let fits = |stage: &StageSummary| {
            let suites: Vec<&str> = labels.suites(&stage.key).collect();
            labels.get(&stage.key).is_some_and(|label| has_parts(label, &suites, &stage.kind, wanted))
        };
        found = stages.iter().filter(|stage| fits(stage)).copied().collect();
    }
    // A finished stage comes before what an interrupted attempt left of it.
    if let Some(finished) = found.iter().find(|stage| stage.state == StageState::Finished)
        && found.iter().all(|stage| (&stage.kind, &stage.key) == (&finished.kind, &finished.key))
    {
        found = vec![finished];
    }
    let listed = |stages: &[&StageSummary]| {
        let name = |stage: &StageSummary| {
            let label = labels.get(&stage.key).unwrap_or_default();
            let suites: Vec<&str> = labels.suites(&stage.key).collect();
            let suites = if suites.is_empty() { String::new() } else { format!("  ({})", suites.join(", ")) };
            format!("\n  {}:{}  {label}{suites}", stage.kind, stage.key.short()).trim_end().to_owned()
        };
        let mut named: Vec<_> = stages.iter().take(NAMED).map(|stage| name(stage)).collect();
        if stages.len() > NAMED {
            named.push(format!("\n  and {} more, which `unlearn runs list` names", stages.len() - NAMED));
        }
        named.concat()
    };
    let root = store.root();
    match &found[..] {
        [stage] => Ok(stage),
        [] if stages.is_empty() => Err(refuse(format!("the store {} has no {what}", root.display()))),
        [] => Err(refuse(format!(
            "no {what} of the store {} has this key or label; these are there:{}",
            root.display(),
            listed(stages)
        ))),
        several => Err(refuse(format!(
            "{} stages fit; give more of the key, another part of the label, or the name of a suite, as shown in brackets:{}",
            several.len(),
            listed(several)
        ))),
    }
}

/// Whether each part of `wanted` equals a part of the label, or its first words. The kind may precede the first part.
fn has_parts(label: &str, suites: &[&str], kind: &str, wanted: &str) -> bool {
    fn parts<'t>(text: &'t str, kind: &str, divided: &[char]) -> Vec<&'t str> {
        let text = text.strip_prefix(kind).filter(|rest| rest.starts_with([' ', '·'])).unwrap_or(text);
        text.split(divided).map(str::trim).filter(|part| !part.is_empty()).collect()
    }
    // A label may contain commas. It is divided only by dots if `wanted` contains dots.
    let divided: &[char] = if wanted.contains('·') { &['·'] } else { &['·', ','] };
    let (label, wanted) = (parts(label, kind, divided), parts(wanted, kind, divided));
    let begins =
        |part: &str, wish: &str| part.strip_prefix(wish).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
    let fits = |wish: &&str| label.iter().any(|part| begins(part, wish)) || suites.contains(wish);
    // The name of a suite alone tells none of its stages.
    !wanted.is_empty() && wanted.iter().all(fits) && !wanted.iter().all(|wish| suites.contains(wish))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use unlearn_run_store::{Begin, StageSpec, SuiteIndex, SuiteRow, write_atomic};

    use super::*;

    fn stage(store: &Store, spec: &StageSpec) -> StageKey {
        let Begin::Run(writer) = store.begin(spec).unwrap() else { panic!("there already") };
        write_atomic(&writer.path("mask.safetensors"), b"a mask").unwrap();
        writer.finish().unwrap().key().clone()
    }

    /// A store with two stages of each kind, and their labels.
    fn store() -> (tempfile::TempDir, Store, [StageKey; 4]) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("runs")).unwrap();
        let train =
            |seed| StageSpec::new("train", json!({ "arch": "resnet8s", "data": { "name": "mnist" } }), "d", seed);
        let [first, _second] = [1, 2].map(|seed| stage(&store, &train(seed)));
        let prune = |sparsity: f64| {
            let config = json!({ "method": "omp", "config": { "sparsity": sparsity }, "arithmetic": "cpu" });
            StageSpec::new("prune", config, "d", 1).with_input("model", first.clone())
        };
        let [half, most] = [0.5, 0.955].map(|sparsity| stage(&store, &prune(sparsity)));
        let unlearn = |method: &str, class: u32| {
            let forget = json!({ "kind": "class", "class": class });
            let config = json!({ "method": method, "config": {}, "forget": forget, "arithmetic": "cpu" });
            StageSpec::new("unlearn", config, "d", 1).with_input("model", half.clone())
        };
        let tuned = stage(&store, &unlearn("ft", 0));
        let other = stage(&store, &unlearn("ga", 0));
        let mut index = SuiteIndex::new("tiny", "");
        let row = SuiteRow::example(tuned.clone(), tuned.clone());
        index.rows.push(SuiteRow { sparsity: 0.5, pruning: "half".into(), method: "finely".into(), ..row });
        store.write_suite(&index).unwrap();
        (folder, store, [half, most, tuned, other])
    }

    #[test]
    fn stages_are_called_as_their_suite_calls_them_or_by_what_they_are() {
        let (_folder, store, [half, most, tuned, other]) = store();
        let labels = Labels::of(&store).unwrap();
        for (key, label) in [
            (half, "prune half 50 % · seed 1"),
            (most, "prune omp 95.5000 % · seed 1"),
            (tuned, "unlearn finely · class 0 · half 50 % · seed 1"),
            (other, "unlearn ga · class 0 · half 50 % · seed 1"),
        ] {
            assert_eq!(labels.get(&key), Some(label));
        }
        let trains: Vec<_> = labels.iter().filter(|(_, label)| label.starts_with("train")).map(|(_, l)| l).collect();
        assert_eq!(trains.len(), 2);
        assert!(trains.contains(&"train resnet8s · mnist · seed 2"), "{trains:?}");
    }

    #[test]
    fn an_address_is_a_key_s_beginning_or_parts_of_a_label() {
        let (_folder, store, [half, most, tuned, other]) = store();
        let root = store.root().to_str().unwrap();
        let folder = |kind: &str, key: &StageKey| store.root().join(kind).join(key.as_str());
        let found = |address: &str| resolve(Path::new(address)).unwrap();
        // The shortest beginning of the key that tells the stages apart.
        let common = half.as_str().bytes().zip(most.as_str().bytes()).take_while(|(one, other)| one == other).count();
        let prefix = &most.as_str()[..=common];
        let place = folder("prune", &most);
        assert_eq!(found(&format!("{root}/prune/{prefix}")), place);
        assert_eq!(found(&format!("{root}/prune:{prefix}")), place);
        assert_eq!(found(&format!("{root}/prune:omp 95.5000 %")), place);
        assert_eq!(found(&format!("{root}/prune/{prefix}/mask.safetensors")), place.join("mask.safetensors"));
        assert_eq!(found(&format!("{root}/unlearn:finely")), folder("unlearn", &tuned));
        assert_eq!(found(&format!("{root}/unlearn:half, finely")), folder("unlearn", &tuned));
        assert_eq!(found(&format!("{root}/prune:half 50")), folder("prune", &half));
        assert_eq!(found(&format!("{root}/unlearn:ga")), folder("unlearn", &other));
        assert_eq!(found(&format!("{root}/unlearn:class 0, finely, half 50 %")), folder("unlearn", &tuned));
        assert_eq!(
            found(&format!("{root}/unlearn:unlearn finely · class 0 · half 50 % · seed 1")),
            folder("unlearn", &tuned)
        );
        // An existing path, or a path that is not an address, stays unchanged.
        for path in [root.to_owned(), format!("{root}/prune"), "absent.pth".into(), format!("{root}/prune/absent.pth")]
        {
            assert_eq!(found(&path), Path::new(&path));
        }
    }

    #[test]
    fn an_address_of_no_stage_or_several_names_those_that_there_are() {
        let (_folder, store, [half, most, ..]) = store();
        let root = store.root().to_str().unwrap();
        let refusal = |address: &str| {
            let error = resolve(Path::new(address)).unwrap_err();
            assert!(error.is_usage());
            error.to_string()
        };
        let both = refusal(&format!("{root}/prune:seed 1"));
        for words in ["2 stages fit", half.short(), most.short(), "prune half 50 % · seed 1"] {
            assert!(both.contains(words), "`{words}` in: {both}");
        }
        assert!(refusal(&format!("{root}/prune:seed 9")).contains("these are there:"));
        assert!(refusal(&format!("{root}/prune/{}", "0123".repeat(8))).contains("no finished stage `prune`"));
        assert!(refusal(&format!("{root}/import:12")).contains("has no finished stage `import`"));
        assert!(refusal(&format!("{root}/absent/prune:12")).contains("no run store"));
        fs::remove_file(store.root().join("suites/tiny.json")).unwrap();
        assert!(refusal(&format!("{root}/unlearn:finely")).contains("unlearn ft · class 0 · omp 50 % · seed 1"));
    }
}
