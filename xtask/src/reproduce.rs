//! `reproduce`: one command from a fresh checkout to a table of results.

use std::{
    env, fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, workspace};

/// Build in release, run a suite, and write its report.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A suite: the name of a file in `configs/suites/`.
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub(crate) suite: String,
    /// Run with seeds 1 to N instead of the suite's own.
    #[arg(long, value_name = "N")]
    pub(crate) seeds: Option<u32>,
    /// The report's folder [default: `target/reproduce/SUITE`].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The run store's folder [default: runs in the workspace].
    #[arg(long, value_name = "DIR")]
    pub(crate) runs: Option<PathBuf>,
    /// More arguments for `unlearn run`, for example `-- --set train.epochs=2`.
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) extra: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    match command(args)? {
        // `unlearn` replaces this process, so that it handles an interrupt itself and saves its state.
        ControlFlow::Continue(mut command) => process::take_over(&mut command),
        ControlFlow::Break(code) => Ok(code),
    }
}

/// The `unlearn` command that runs the suite, built and ready, or the exit code of a failed preparation.
pub(crate) fn command(args: &Args) -> Result<ControlFlow<u8, Command>> {
    let root = workspace::root()?;
    let suites = suites(&root)?;
    if !suites.contains(&args.suite) {
        note!("error: no suite `{}` in configs/suites; suites: {}", args.suite, suites.join(", "));
        return Ok(ControlFlow::Break(2));
    }
    let code = process::run(&mut process::cargo(&root, &["build", "--release", "--package", "unlearn-cli"]))?;
    if code != 0 {
        return Ok(ControlFlow::Break(code));
    }
    let target = workspace::target(&root)?;
    let here = env::current_dir().context("failed to find the current folder")?;
    let suite = root.join("configs/suites").join(&args.suite).with_extension("toml");
    let runs = args.runs.clone().unwrap_or_else(|| root.join("runs"));
    let out = args.out.clone().unwrap_or_else(|| target.join("reproduce").join(&args.suite));
    let [suite, runs, out] = [suite, runs, out].map(|path| seen_from(&here, path));

    let mut unlearn = Command::new(target.join("release/unlearn"));
    unlearn.arg("run").arg(suite).arg("--runs").arg(runs).arg("--out").arg(out);
    if let Some(seeds) = args.seeds {
        unlearn.args(["--seeds", &seeds.to_string()]);
    }
    unlearn.args(&args.extra);
    Ok(ControlFlow::Continue(unlearn))
}

/// The path relative to the current folder. `unlearn` stores its command beside the results, and a relative path
/// reads the same in every checkout.
fn seen_from(here: &Path, path: PathBuf) -> PathBuf {
    path.strip_prefix(here).map(Path::to_owned).unwrap_or(path)
}

/// The names of the suites in `configs/suites`, in ascending order.
fn suites(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("configs/suites");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_short_where_they_can_be() {
        let here = Path::new("/a/b");
        assert_eq!(seen_from(here, "/a/b/runs".into()), Path::new("runs"));
        assert_eq!(seen_from(here, "/a/runs".into()), Path::new("/a/runs"));
        assert_eq!(seen_from(here, "runs".into()), Path::new("runs"));
    }

    #[test]
    fn suites_are_the_toml_files() -> Result<()> {
        let root = tempfile::tempdir()?;
        let folder = root.path().join("configs/suites");
        fs::create_dir_all(&folder)?;
        for name in ["quick.toml", "notes.md", "cifar10.toml"] {
            fs::write(folder.join(name), "")?;
        }
        assert_eq!(suites(root.path())?, ["cifar10", "quick"]);
        Ok(())
    }
}
