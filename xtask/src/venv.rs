//! A Python virtual environment below `target/`, for tasks that need Python packages.

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::process;

/// A virtual environment with exactly the requested packages.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Makes the environment in `folder` and installs `requirements` (arguments of `pip install`). An environment
    /// that was made for the same requirements is reused.
    pub(crate) fn with(folder: PathBuf, requirements: &[impl AsRef<OsStr>]) -> Result<Self> {
        let wanted: Vec<_> = requirements.iter().map(|r| r.as_ref().to_string_lossy()).collect();
        let wanted = wanted.join("\n");
        let stamp = folder.join("requirements-installed.txt");
        let venv = Self { folder };
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(venv);
        }
        process::succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv.folder))?;
        if !requirements.is_empty() {
            let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
            process::succeed(venv.python().args(pip).args(requirements))?;
        }
        // The stamp is written last, so that an environment whose installation was interrupted is made again.
        fs::write(&stamp, wanted).with_context(|| format!("failed to write {}", stamp.display()))?;
        Ok(venv)
    }

    /// Installs packages on top, which are built with the environment's own packages.
    pub(crate) fn add(&self, packages: &[&str]) -> Result<()> {
        // A package's build may call `python3` and `pip` by name.
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([self.folder.join("bin")].into_iter().chain(env::split_paths(&path)))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-build-isolation"];
        process::succeed(self.python().args(pip).args(packages).env("PATH", path))
    }

    /// The environment's Python.
    pub(crate) fn python(&self) -> Command {
        Command::new(self.folder.join("bin/python"))
    }

    /// A program that one of the packages brings.
    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join("bin").join(name))
    }

    /// The folder of installed packages, `lib/python3.x/site-packages`.
    pub(crate) fn site_packages(&self) -> Result<PathBuf> {
        site_packages(&self.folder.join("lib"))
    }
}

fn site_packages(lib: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(lib).with_context(|| format!("failed to list {}", lib.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages")))
        .find(|path| path.is_dir())
        .with_context(|| format!("no python3.x/site-packages in {}", lib.display()))
}
