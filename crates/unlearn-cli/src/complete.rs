//! `unlearn completions` and `unlearn manual`: what a shell and `man` need to know the commands.

use std::fs;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::{
    args::{Arguments, CompletionsArguments, ManualArguments, ManualForm},
    reference,
};

const NAME: &str = "unlearn";

/// Prints the completions of a shell.
pub(crate) fn completions(arguments: &CompletionsArguments) {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), NAME, &mut script);
    say!("{}", String::from_utf8_lossy(&script).trim_end());
}

/// Writes a manual page for the program and one for each command, or the reference pages of the documentation.
pub(crate) fn manual(arguments: &ManualArguments) -> anyhow::Result<()> {
    let ManualArguments { out: folder, form } = arguments;
    fs::create_dir_all(folder).with_context(|| format!("failed to make the folder {}", folder.display()))?;
    match form {
        ManualForm::Man => {
            clap_mangen::generate_to(Arguments::command(), folder)
                .with_context(|| format!("failed to write manual pages to {}", folder.display()))?;
            say!("wrote the manual pages to {}; `man {0}/{NAME}.1` shows the first", folder.display());
        }
        ManualForm::Markdown => {
            reference::write(folder)?;
            say!("wrote the reference pages to {}", folder.display());
        }
        ManualForm::ShortHelp => {
            reference::write_short_help(folder)?;
            say!("wrote the short help of every command to {}", folder.display());
        }
    }
    Ok(())
}
