//! Runs other programs with their input and output attached.

use std::{
    env,
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::Path,
    process::{Command, ExitStatus},
};

use anyhow::{Context as _, Result};

/// A Cargo command in `root`, with the Cargo that runs this program.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root);
    command
}

/// Prints the command, runs it to its end, and returns its exit code.
pub(crate) fn run(command: &mut Command) -> Result<u8> {
    let line = line(command);
    note!("$ {line}");
    let status = command.status().with_context(|| format!("failed to start `{line}`"))?;
    Ok(code(status))
}

/// As [`run`], for a step whose failure ends the task.
pub(crate) fn succeed(command: &mut Command) -> Result<()> {
    match run(command)? {
        0 => Ok(()),
        code => anyhow::bail!("`{}` ended with exit code {code}", line(command)),
    }
}

/// Prints the command and replaces this process by it. Returns only if it could not start.
pub(crate) fn take_over(command: &mut Command) -> Result<u8> {
    let line = line(command);
    note!("$ {line}");
    Err(command.exec()).with_context(|| format!("failed to start `{line}`"))
}

/// The command as a user would type it. Arguments with spaces are quoted.
fn line(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args()).map(|word| {
        let word = word.to_string_lossy();
        if word.contains(' ') { format!("'{word}'") } else { word.into_owned() }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The exit code as in a shell: 128 + n for a program that was ended by signal n.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_pass_through() -> Result<()> {
        for (script, expected) in [("exit 0", 0), ("exit 2", 2), ("exit 130", 130), ("kill -9 $$", 137)] {
            assert_eq!(run(Command::new("sh").args(["-c", script]))?, expected, "{script}");
        }
        assert!(succeed(Command::new("sh").args(["-c", "exit 3"])).is_err());
        assert!(run(&mut Command::new("no-such-program-here")).is_err());
        Ok(())
    }
}
