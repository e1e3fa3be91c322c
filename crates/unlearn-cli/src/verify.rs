//! `unlearn runs verify`: checks the run store against its hashes, and certificates of deletions against their files.

use std::path::Path;

use anyhow::bail;
use unlearn_certificates::{Certificate, Finding, Outcome, PublicKey, check};
use unlearn_experiment::deletion::{Certified, check_identity, measure_again};
use unlearn_run_store::{Fault, Place, Store, StoreError};

use crate::args::VerifyArguments;

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
    let unread = |fault: &&Fault| matches!(fault.error, StoreError::Io { .. } | StoreError::NewerFormat { .. });
    let unread = check.faults.iter().filter(unread).count();
    let damaged = check.faults.len() - unread;
    let sound = check.sound;
    if damaged > 0 {
        let rest = if unread > 0 { format!("; {unread} more cannot be read") } else { String::new() };
        bail!(
            "{damaged} stages and indices of the store are damaged, {sound} finished stages are sound; `unlearn runs repair` \
             removes what is damaged and what was computed from it{rest}"
        );
    }
    if unread > 0 {
        bail!("{unread} stages, folders and indices of the store cannot be read, {sound} finished stages are sound");
    }
    if !check.unnamed.is_empty() {
        note!(
            "note: no suite and no search of the store needs {} of these stages; commands that make single stages leave such stages, \
             and so do a suite that did not finish and an index that was removed; `unlearn runs gc --dry-run` lists them",
            check.unnamed.len()
        );
    }
    let rest = if check.unfinished == 0 { String::new() } else { format!("; {} are unfinished", check.unfinished) };
    say!("{sound} finished stages are sound{rest}");
    Ok(())
}

/// Checks the certificate of each folder against the files in it.
pub(crate) fn verify_certificates(wanted: &VerifyArguments) -> anyhow::Result<()> {
    let public_key = wanted.public_key.as_deref().map(PublicKey::load).transpose()?;
    let mut wrong = 0;
    for folder in &wanted.folders {
        // A folder that cannot be read must not prevent the check of the others.
        match verify_certificate(folder, wanted, public_key.as_ref()) {
            Ok(true) => {}
            Ok(false) => wrong += 1,
            Err(error) => {
                wrong += 1;
                fault!("{}: {error:#}", folder.display());
            }
        }
    }
    let all = wanted.folders.len();
    if wrong > 0 {
        bail!("{wrong} of {all} certificates do not hold");
    }
    say!("{all} of {all} certificates hold");
    Ok(())
}

/// Prints the findings, and returns whether the certificate holds.
fn verify_certificate(folder: &Path, wanted: &VerifyArguments, public_key: Option<&PublicKey>) -> anyhow::Result<bool> {
    let certificate = Certificate::load(folder)?;
    let environment = wanted.environment.environment();
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
