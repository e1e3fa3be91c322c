//! `unlearn runs verify`: checks the run store against its hashes, and certificates of deletions against their files.

use std::path::Path;

use anyhow::bail;
use unlearn_certificates::{Certificate, Finding, Outcome, PublicKey, check};
use unlearn_experiment::deletion::{Certified, check_identity, measure_again};
use unlearn_run_store::{Place, Store, StoreError};

use crate::{
    args::VerifyArguments,
    exit::{Usage, story},
    output::counted,
};

/// Checks everything in a store against its hashes.
pub(crate) fn verify_store(store: &Store) -> anyhow::Result<()> {
    let check = store.check()?;
    for fault in &check.faults {
        match &fault.place {
            // These errors do not name the index.
            Place::Index(file) if matches!(fault.error, StoreError::Row { .. } | StoreError::NoStage { .. }) => {
                fault!("{}: {}", file.display(), fault.error);
            }
            _ => fault!("{}", fault.error),
        }
    }
    for stage in &check.without_input {
        note!("note: {stage} is whole, but a stage that it was computed from is not in the store");
    }
    for stranger in &check.strangers {
        note!("note: {} is no part of the store; move it elsewhere, or delete it", stranger.display());
    }
    let of = |wanted: &dyn Fn(&StoreError) -> bool| check.faults.iter().filter(|fault| wanted(&fault.error)).count();
    let unread = of(&|error| matches!(error, StoreError::Io { .. } | StoreError::NewerFormat { .. }));
    // An index is whole, but a stage of a row was removed.
    let incomplete = of(&|error| matches!(error, StoreError::NoStage { .. }));
    let damaged = check.faults.len() - unread - incomplete;
    let sound = counted(check.sound, "finished stage is", "finished stages are");
    let mut found = Vec::new();
    if damaged > 0 {
        found.push(format!(
            "{} damaged, and `unlearn runs repair{}` computes again what is damaged and what was computed from it",
            counted(damaged, "stage or index of the store is", "stages and indices of the store are"),
            store_option(store)
        ));
    }
    if incomplete > 0 {
        found.push(format!(
            "{} incomplete, because stages of its rows are not in the store: run the suite again, or import them",
            counted(incomplete, "index is", "indices are")
        ));
    }
    if unread > 0 {
        found.push(format!(
            "{} of the store cannot be read",
            counted(unread, "stage, folder or index", "stages, folders and indices")
        ));
    }
    if !found.is_empty() {
        bail!("{}; {sound} sound", found.join("; "));
    }
    if !check.unnamed.is_empty() {
        note!(
            "note: no suite and no search of the store needs {} of these stages; commands that make single stages leave such stages, \
             and so do a suite that did not finish and an index that was removed; `unlearn runs gc --dry-run{}` lists them",
            check.unnamed.len(),
            store_option(store)
        );
    }
    let rest = match check.unfinished {
        0 => String::new(),
        count => format!("; {} not finished", counted(count, "stage is", "stages are")),
    };
    say!("{sound} sound{rest}");
    Ok(())
}

/// The option that names a store, unless it is the default one.
fn store_option(store: &Store) -> String {
    let root = store.root();
    if root == Path::new("runs") { String::new() } else { format!(" --runs {}", root.display()) }
}

/// Checks the certificate of each folder against the files in it.
pub(crate) fn verify_certificates(wanted: &VerifyArguments) -> anyhow::Result<()> {
    let public_key = wanted.public_key.as_deref().map(PublicKey::load).transpose();
    let public_key = public_key.map_err(|error| Usage(format!("--public-key: {error}")))?;
    let mut wrong = 0;
    for folder in &wanted.folders {
        // A folder that cannot be read must not prevent the check of the others.
        match verify_certificate(folder, wanted, public_key.as_ref()) {
            Ok(true) => {}
            Ok(false) => wrong += 1,
            Err(error) => {
                wrong += 1;
                fault!("{}: {}", folder.display(), story(&error));
            }
        }
    }
    let all = wanted.folders.len();
    if wrong > 0 {
        bail!("{wrong} of {}", counted(all, "certificate does not hold", "certificates do not hold"));
    }
    say!("{all} of {}", counted(all, "certificate holds", "certificates hold"));
    Ok(())
}

/// Prints the findings, and returns whether the certificate holds.
fn verify_certificate(folder: &Path, wanted: &VerifyArguments, public_key: Option<&PublicKey>) -> anyhow::Result<bool> {
    if folder.is_dir() && !folder.join(Certificate::FILE).exists() {
        bail!("there is no {} in it; name the folder that `unlearn forget --out` wrote", Certificate::FILE);
    }
    let certificate = Certificate::load(folder)?;
    let environment = wanted.environment.environment()?;
    let mut findings = check(folder, &certificate, public_key, &environment.registry.figures());
    let certified = Certified::read(folder, &certificate);
    findings.extend(check_identity(&certified, &environment));
    findings.extend(match &wanted.data {
        Some(data) => measure_again(&certified, data, &environment)?,
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
    Ok(!findings.iter().any(Finding::is_failure))
}
