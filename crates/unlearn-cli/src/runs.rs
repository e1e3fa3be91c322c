//! `unlearn runs`: a look into the run store.

use anyhow::bail;
use unlearn_run_store::{StageState, Store};

use crate::{
    args::{RunsArguments, RunsCommand},
    exit::Usage,
};

pub(crate) fn runs(arguments: &RunsArguments) -> anyhow::Result<()> {
    let store = Store::open_existing(&arguments.store.runs)?;
    match &arguments.command {
        RunsCommand::List => list(&store),
        RunsCommand::Show { key } => show(&store, key),
        RunsCommand::Verify => verify(&store),
    }
}

fn list(store: &Store) -> anyhow::Result<()> {
    for stage in store.stages()? {
        println!("{:<9} {}  {:>9} KiB  {:?}", stage.kind, stage.key.short(), stage.bytes / 1024, stage.state);
    }
    Ok(())
}

fn show(store: &Store, key: &str) -> anyhow::Result<()> {
    let stages = store.stages()?;
    let found: Vec<_> = stages.iter().filter(|stage| stage.key.as_str().starts_with(key)).collect();
    match found.as_slice() {
        [stage] => {
            let stage = store.stage(&stage.kind, &stage.key)?;
            println!("{}", serde_json::to_string_pretty(stage.manifest())?);
            Ok(())
        }
        [] => Err(Usage(format!("no stage's key begins with `{key}`; see `unlearn runs list`")).into()),
        several => Err(Usage(format!("{} stages' keys begin with `{key}`; give more of it", several.len())).into()),
    }
}

fn verify(store: &Store) -> anyhow::Result<()> {
    let mut damaged = 0;
    let mut checked = 0;
    for summary in store.stages()?.into_iter().filter(|stage| stage.state == StageState::Finished) {
        checked += 1;
        if let Err(error) = store.stage(&summary.kind, &summary.key).and_then(|stage| stage.verify()) {
            damaged += 1;
            eprintln!("{error}");
        }
    }
    if damaged > 0 {
        bail!("{damaged} of {checked} finished stages are damaged");
    }
    println!("{checked} finished stages are as they were left");
    Ok(())
}
