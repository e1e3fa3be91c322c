//! Exit codes of errors.

use std::process::ExitCode;

use unlearn::files::NotAFile;
use unlearn_run_store::StoreError;

use crate::output;

/// Bad usage or config.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;
const INTERRUPTED: u8 = 130;

/// Prints the error, if any, and returns the exit code.
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    let written = output::finish();
    let code = match (result, written) {
        (Ok(()), Ok(())) => return ExitCode::SUCCESS,
        (Ok(()), Err(error)) => {
            output::error(&format!("failed to write to standard output: {error}"));
            FAILED
        }
        (Err(error), _) => {
            output::error(&story(&error));
            of(&error)
        }
    };
    ExitCode::from(code)
}

/// The exit code of an error.
fn of(error: &anyhow::Error) -> u8 {
    let is = |test: fn(&Cause) -> bool| error.chain().any(test);
    if is(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(unlearn_experiment::Error::Interrupted { .. } | unlearn_experiment::Error::Left { .. })
        )
    }) {
        INTERRUPTED
    } else if is(is_usage) {
        BAD_USAGE
    } else {
        FAILED
    }
}

type Cause = dyn std::error::Error + 'static;

/// Whether the user's input is to blame: an argument, a configuration, or an unknown name.
fn is_usage(cause: &Cause) -> bool {
    cause.is::<Usage>()
        || cause.downcast_ref().is_some_and(unlearn_experiment::Error::is_usage)
        || cause.downcast_ref().is_some_and(StoreError::is_usage)
        || cause
            .downcast_ref::<std::io::Error>()
            .and_then(|error| error.get_ref())
            .is_some_and(|it| it.downcast_ref::<NotAFile>().is_some())
        || match cause.downcast_ref() {
            Some(unlearn::datasets::Error::Unknown(_) | unlearn::datasets::Error::Output { .. }) => true,
            // A path without its form.
            Some(unlearn::datasets::Error::Location { name, .. }) => !name.contains(':'),
            _ => false,
        }
        || cause.downcast_ref().is_some_and(unlearn::models::Error::is_usage)
        || cause.downcast_ref().is_some_and(unlearn::score_files::Error::is_usage)
        || matches!(cause.downcast_ref(), Some(unlearn_reports::ReportError::Scores { .. }))
}

/// An error and its causes, without causes whose text an earlier one already contains.
pub(crate) fn story(error: &anyhow::Error) -> String {
    let mut told = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if told.is_empty() {
            told = cause;
        } else if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine passes errors of the store on.
    #[test]
    fn an_error_of_the_store_has_the_same_code_wherever_it_comes_from() {
        let errors = || {
            [
                StoreError::NoStore("runs".into()),
                StoreError::NotAStore("data".into()),
                StoreError::Unwritable { root: "runs".into(), source: std::io::ErrorKind::PermissionDenied.into() },
                StoreError::Unwritable { root: "runs".into(), source: std::io::ErrorKind::StorageFull.into() },
            ]
        };
        let bare = errors().map(|error| of(&error.into()));
        let passed_on = errors().map(|error| of(&unlearn_experiment::Error::from(error).into()));
        assert_eq!((bare, passed_on), ([BAD_USAGE, BAD_USAGE, BAD_USAGE, FAILED], bare));
    }

    #[test]
    fn a_cause_is_told_once() {
        let cause = anyhow::anyhow!("No such file or directory (os error 2)");
        let error = cause.context("failed to read a.bin: No such file or directory (os error 2)").context("the suite");
        assert_eq!(story(&error), "the suite: failed to read a.bin: No such file or directory (os error 2)");
    }
}
