//! Programs of other projects that tasks need: those on the `PATH`, or installed below `target/tools`.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result};

use crate::{process, venv::Venv, workspace};

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
/// Finds changes of an interface that break its users.
pub(crate) const SEMVER_CHECKS: Tool =
    Tool { package: "cargo-semver-checks", binary: "cargo-semver-checks", version: "0.51.0" };

/// A program that `pip install` gives. `.ci/maturin.txt` names the same versions, with their hashes.
pub(crate) struct PythonTool {
    /// The package, which is named like its program.
    pub(crate) package: &'static str,
    /// The version to use.
    pub(crate) version: &'static str,
    /// The argument for which it prints its name and version.
    asked: &'static str,
}

/// Builds Python wheels.
pub(crate) const MATURIN: PythonTool = PythonTool { package: "maturin", version: "1.16.0", asked: "--version" };
/// Unpacks Python wheels and packs them again. Later versions need a later Python than the wheel itself.
pub(crate) const WHEEL: PythonTool = PythonTool { package: "wheel", version: "0.45.1", asked: "version" };

impl PythonTool {
    /// The path of the program: the one on the `PATH` if it has the right version, else one from PyPI in an environment of
    /// its own.
    pub(crate) fn command(&self) -> Result<PathBuf> {
        let Self { package, version, asked } = self;
        let asked = Command::new(package).arg(asked).stderr(Stdio::null()).output();
        if asked.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == format!("{package} {version}")) {
            return Ok(PathBuf::from(package));
        }
        let folder = workspace::target(&workspace::root()?)?.join(package);
        Venv::with(folder, &[format!("{package}=={version}")])
            .and_then(|venv| which(&venv.program(package)))
            .with_context(|| format!("no {package} {version} here, and it could not be had from PyPI"))
    }
}

/// The path of a command's program.
fn which(command: &Command) -> Result<PathBuf> {
    let path = PathBuf::from(command.get_program());
    anyhow::ensure!(path.is_file(), "there is no {}", path.display());
    Ok(path)
}

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn ci_installs_the_tools_of_python_that_are_used() -> Result<()> {
        let folder = workspace::root()?.join(".ci");
        let pinned = fs::read_to_string(folder.join("maturin.txt"))?;
        for PythonTool { package, version, .. } in [MATURIN, WHEEL] {
            assert!(pinned.contains(&format!("\n{package}=={version} ")), "{pinned}");
        }
        let script = fs::read_to_string(folder.join("run"))?;
        assert!(script.contains(&format!("\nmaturin_version={}\n", MATURIN.version)), "{script}");
        Ok(())
    }
}
