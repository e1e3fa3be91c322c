//! Programs of other projects that tasks need: those on the `PATH`, or installed below `target/tools`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Result;

use crate::{process, workspace};

/// A program that `cargo install` gives.
pub(crate) struct Tool {
    /// The crate.
    pub(crate) package: &'static str,
    /// The program.
    pub(crate) binary: &'static str,
    /// The version to install.
    pub(crate) version: &'static str,
}

/// Builds the documentation's site.
pub(crate) const MDBOOK: Tool = Tool { package: "mdbook", binary: "mdbook", version: "0.5.4" };
/// Lists what a program is made of.
pub(crate) const CYCLONEDX: Tool = Tool { package: "cargo-cyclonedx", binary: "cargo-cyclonedx", version: "0.5.9" };
/// Finds changes of an interface that break its users.
pub(crate) const SEMVER_CHECKS: Tool =
    Tool { package: "cargo-semver-checks", binary: "cargo-semver-checks", version: "0.51.0" };

impl Tool {
    /// The program, installed if it is missing.
    pub(crate) fn command(&self) -> Result<Command> {
        let root = workspace::root()?;
        let folder = workspace::target(&root)?.join("tools");
        let own = folder.join("bin").join(self.binary);
        let found = [PathBuf::from(self.binary), own.clone()].into_iter().find(|program| runs(program));
        if let Some(program) = found {
            return Ok(Command::new(program));
        }
        let folder = folder.to_string_lossy();
        let install = ["install", self.package, "--version", self.version, "--locked", "--root", &folder];
        process::succeed(&mut process::cargo(&root, &install))?;
        Ok(Command::new(own))
    }
}

/// Whether the program can be started.
fn runs(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}
