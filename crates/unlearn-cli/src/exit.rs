//! Errors to exit codes.

use std::process::ExitCode;

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

/// Prints the error, if any, and gives the code.
pub(crate) fn code(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    eprintln!("error: {}", story(&error));
    let code = match error.downcast_ref::<unlearn_experiment::Error>() {
        Some(unlearn_experiment::Error::Interrupted { .. }) => INTERRUPTED,
        Some(error) if error.is_usage() => BAD_USAGE,
        None if error.is::<Usage>() => BAD_USAGE,
        _ => FAILED,
    };
    ExitCode::from(code)
}

/// An error and its causes, but those that the errors before them have told already.
fn story(error: &anyhow::Error) -> String {
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

    #[test]
    fn a_cause_is_told_once() {
        let cause = anyhow::anyhow!("No such file or directory (os error 2)");
        let error = cause.context("failed to read a.bin: No such file or directory (os error 2)").context("the suite");
        assert_eq!(story(&error), "the suite: failed to read a.bin: No such file or directory (os error 2)");
    }
}
