//! `unlearn evaluate`: the report of finished suites, with every figure computed again from stored scores.

use unlearn_mia_eval::Registry;
use unlearn_run_store::Store;

use crate::{
    args::EvaluateArguments,
    exit::Usage,
    report::{place, prepare, print},
};

pub(crate) fn evaluate(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    let EvaluateArguments { suites, figures, out, replace, store } = arguments;
    let registry = Registry::standard();
    for name in figures {
        registry.figures().find(name).map_err(|error| Usage(format!("--figure: {error}")))?;
    }
    let store = Store::open_existing(&store.runs)?;
    let indices = suites.iter().map(|name| store.suite(name)).collect::<Result<Vec<_>, _>>()?;
    for name in suites {
        prepare(&place(out, suites, name), name, *replace)?;
    }
    for (name, index) in suites.iter().zip(&indices) {
        print(&unlearn_reports::evaluate(&store, index, &place(out, suites, name), &registry, figures)?);
    }
    Ok(())
}
