//! `unlearn runs`: a look into the run store, and at certificates of deletions.

use anyhow::bail;
use unlearn_certificates::{Certificate, Finding, Outcome, PublicKey, check};
use unlearn_experiment::deletion::measure_again;
use unlearn_run_store::{StageState, Store};

use crate::{
    args::{RunsArguments, RunsCommand, VerifyArguments},
    exit::Usage,
    output,
};

pub(crate) fn runs(arguments: &RunsArguments) -> anyhow::Result<()> {
    let store = || Store::open_existing(&arguments.store.runs);
    match &arguments.command {
        RunsCommand::List => list(&store()?),
        RunsCommand::Show { key } => show(&store()?, key),
        RunsCommand::Verify(wanted) if wanted.folders.is_empty() => verify(&store()?),
        RunsCommand::Verify(wanted) => verify_certificates(wanted),
    }
}

fn list(store: &Store) -> anyhow::Result<()> {
    for stage in store.stages()? {
        say!("{:<9} {}  {:>9} KiB  {:?}", stage.kind, stage.key.short(), stage.bytes / 1024, stage.state);
    }
    Ok(())
}

fn show(store: &Store, key: &str) -> anyhow::Result<()> {
    let stages = store.stages()?;
    let found: Vec<_> = stages.iter().filter(|stage| stage.key.as_str().starts_with(key)).collect();
    match found.as_slice() {
        [stage] => {
            let stage = store.stage(&stage.kind, &stage.key)?;
            output::say_json(&serde_json::to_string_pretty(stage.manifest())?);
            Ok(())
        }
        [] => Err(Usage(format!("no stage's key begins with `{key}`; see `unlearn runs list`")).into()),
        several => Err(Usage(format!("{} stages' keys begin with `{key}`; give more of it", several.len())).into()),
    }
}

fn verify(store: &Store) -> anyhow::Result<()> {
    let (mut damaged, mut finished, mut unfinished) = (0, 0, 0);
    for summary in store.stages()? {
        let problem = match summary.state {
            StageState::Unfinished => {
                unfinished += 1;
                continue;
            }
            StageState::Damaged(problem) => Some(problem),
            StageState::Finished => {
                let checked = store.stage(&summary.kind, &summary.key).and_then(|stage| stage.verify());
                checked.err().map(|error| error.to_string())
            }
        };
        finished += 1;
        if let Some(problem) = problem {
            damaged += 1;
            fault!("{problem}");
        }
    }
    for suite in store.suites()? {
        let lost = store.suite(&suite).and_then(|index| {
            for row in &index.rows {
                store.stage("unlearn", &row.unlearn)?;
                store.stage("evaluate", &row.evaluate)?;
            }
            Ok(())
        });
        if let Err(problem) = lost {
            damaged += 1;
            fault!("suite {suite}: {problem}");
        }
    }
    if damaged > 0 {
        bail!("{damaged} of the store's stages and indices are damaged; {finished} stages were looked at");
    }
    let rest = if unfinished == 0 { String::new() } else { format!("; {unfinished} are unfinished") };
    say!("{finished} finished stages are as they were left{rest}");
    Ok(())
}

fn verify_certificates(wanted: &VerifyArguments) -> anyhow::Result<()> {
    let public_key = wanted.public_key.as_deref().map(PublicKey::load).transpose()?;
    let mut wrong = 0;
    for folder in &wanted.folders {
        let certificate = Certificate::load(folder)?;
        let environment = wanted.environment.environment();
        let mut findings = check(folder, &certificate, public_key.as_ref(), &environment.registry.figures());
        findings.extend(match &wanted.data {
            Some(data) => measure_again(folder, &certificate, data, &environment)?,
            None => vec![Finding::unchecked("metrics", "not measured again; `--data` names the dataset")],
        });
        say!("{}: certificate of {}", folder.display(), certificate.finished);
        for Finding { what, outcome } in &findings {
            let (word, how) = match outcome {
                Outcome::Holds(how) => ("holds", how),
                Outcome::Unchecked(how) => ("-", how),
                Outcome::Fails(how) => ("FAILS", how),
            };
            say!("    {word:<5}  {what}: {how}");
        }
        say!("{}", certificate.statement());
        wrong += usize::from(findings.iter().any(Finding::is_failure));
    }
    if wrong > 0 {
        bail!("{wrong} of {} certificates do not hold", wanted.folders.len());
    }
    say!("{} of {} certificates hold", wanted.folders.len(), wanted.folders.len());
    Ok(())
}
