//! `unlearn evaluate`: judges models, files of scores and stored runs; with `--out`, the report of finished suites, with every figure
//! computed again from stored scores.

use std::path::Path;

use unlearn::mia_eval::Registry;
use unlearn_run_store::Store;

use crate::{
    args::EvaluateArguments,
    exit::Usage,
    judge,
    report::{place, prepare, print},
};

pub(crate) fn evaluate(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    match &arguments.out {
        Some(out) => suites(arguments, out),
        None => judge::judge(arguments),
    }
}

fn suites(arguments: &EvaluateArguments, out: &Path) -> anyhow::Result<()> {
    let EvaluateArguments { what, figures, replace, store, .. } = arguments;
    refuse_other_options(arguments)?;
    what.iter().try_for_each(|what| judge::refuse_suite_file(what))?;
    let suites: Vec<String> = what.iter().map(|name| suite(name)).collect::<Result<_, _>>()?;
    let registry = Registry::standard();
    for name in figures {
        registry.figures().find(name).map_err(|error| Usage(format!("--figure: {error}")))?;
    }
    let store = Store::open_existing(&store.runs)?;
    let indices = suites.iter().map(|name| store.suite(name)).collect::<Result<Vec<_>, _>>()?;
    for name in &suites {
        prepare(&place(out, &suites, name), name, *replace)?;
    }
    for (name, index) in suites.iter().zip(&indices) {
        print(&unlearn_reports::evaluate(&store, index, &place(out, &suites, name), &registry, figures)?);
    }
    Ok(())
}

/// The name of a suite. A file is not one, although a suite may be named like it.
fn suite(name: &Path) -> Result<String, Usage> {
    let refuse = |reason: &str| Err(Usage(format!("{}: {reason}", name.display())));
    match name.to_str() {
        Some(text) if name.is_file() && text.contains(['.', '/']) => refuse(
            "with `--out`, names of suites are expected, and this is a file; for scores and models leave `--out` out, and give `--html FILE`",
        ),
        Some(text) => Ok(text.to_owned()),
        None => refuse("the name of a suite must be UTF-8"),
    }
}

/// Refuses options that do not apply to suites, so that none is ignored in silence.
fn refuse_other_options(arguments: &EvaluateArguments) -> Result<(), Usage> {
    let foreign = &arguments.foreign;
    let given = [
        ("--forget", arguments.forget_scores.is_some()),
        ("--retrain", arguments.retrain.is_some()),
        ("--request", arguments.request.is_some()),
        ("--class", arguments.class.is_some()),
        ("--subclass", !arguments.subclasses.subclass.is_empty()),
        ("--mask", arguments.mask.is_some()),
        ("--json", arguments.json.is_some()),
        ("--html", arguments.html.is_some()),
        ("--csv", arguments.csv.is_some()),
        ("--attacks", !arguments.attacks.is_empty()),
        ("--mia", !arguments.mia.is_empty()),
        ("--draws", arguments.draws.is_some()),
        ("--members", arguments.members.is_some()),
        ("--attack-seed", arguments.attack_seed.is_some()),
        ("--dataset", foreign.dataset.is_some()),
        ("--arch", foreign.arch.is_some()),
        ("--side", foreign.side.is_some()),
        ("--mean", foreign.mean.is_some()),
        ("--key", foreign.key.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((option, _)) => Err(Usage(format!(
            "`{option}` does not apply to suites, which `--out` is for; leave one of them out (a suite's `[evaluate]` says how it is judged)"
        ))),
    }
}
