//! Runs a program for its output.

use std::{
    io::{self, Read as _},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, anyhow};

use crate::process;

/// Runs `command` to its end and returns its output. A failure is an error. The program's error output goes to the
/// terminal.
pub(super) fn output(mut command: Command) -> Result<String> {
    let (mut from, to) = io::pipe().context("failed to make a pipe")?;
    command.stdout(to);
    // The output is read while the program runs, because a full pipe would stop it.
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map(|_| String::from_utf8_lossy(&bytes).into_owned())
    });
    let result = process::succeed(&mut command);
    // The reader waits until all writing ends of the pipe are closed, and the command holds one of them.
    drop(command);
    let text = reader.join().map_err(|_| anyhow!("the thread that reads a program's output panicked"))?;
    result?;
    text.context("failed to read a program's output")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<String> {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        output(command)
    }

    #[test]
    fn output_longer_than_a_pipe_comes_back_whole() -> Result<()> {
        assert_eq!(shell("head -c 300000 /dev/zero | tr '\\0' x")?.len(), 300_000);
        Ok(())
    }

    #[test]
    fn failures_name_the_command() {
        let message = shell("echo said; exit 3").unwrap_err().to_string();
        assert!(message.contains("echo said") && message.contains("exit code 3"), "{message}");
        let message = output(Command::new("no-such-program-here")).unwrap_err().to_string();
        assert!(message.contains("no-such-program-here"), "{message}");
    }
}
