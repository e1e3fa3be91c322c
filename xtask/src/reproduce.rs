//! `reproduce`: one command from a fresh checkout to a result table.

use std::{
    env, fs,
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
    /// The report's folder [default: target/reproduce/<suite>].
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
    let root = workspace::root()?;
    let suites = suites(&root)?;
    if !suites.contains(&args.suite) {
        eprintln!("error: no suite `{}` in configs/suites; suites: {}", args.suite, suites.join(", "));
        return Ok(2);
    }
    let code = process::run(&mut process::cargo(&root, &["build", "--release", "--package", "unlearn-cli"]))?;
    if code != 0 {
        return Ok(code);
    }
    let target = workspace::target(&root)?;
    let here = env::current_dir().context("failed to find the current folder")?;
    let out = args.out.as_ref().map_or_else(|| target.join("reproduce").join(&args.suite), |out| here.join(out));
    let runs = args.runs.as_ref().map_or_else(|| root.join("runs"), |runs| here.join(runs));

    let mut unlearn = Command::new(target.join("release/unlearn"));
    process::run(unlearn.args(unlearn_run(args, &runs, &out)).current_dir(&root))
}

/// The arguments of `unlearn` that run the suite and write its report. Paths are whole, but for the suite's own: `unlearn`
/// runs in the workspace's root, so that what it prints about the suite reads the same on every machine.
fn unlearn_run(args: &Args, runs: &Path, out: &Path) -> Vec<String> {
    let mut line = vec!["run".to_owned(), format!("configs/suites/{}.toml", args.suite)];
    for (flag, value) in [("--runs", runs), ("--out", out)] {
        line.extend([flag.to_owned(), value.to_string_lossy().into_owned()]);
    }
    if let Some(seeds) = args.seeds {
        line.extend(["--seeds".to_owned(), seeds.to_string()]);
    }
    line.extend(args.extra.iter().cloned());
    line
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
    fn arguments_reach_unlearn() {
        let extra = vec!["--set".to_owned(), "train.epochs=2".to_owned()];
        let args = Args { suite: "quick".to_owned(), seeds: Some(3), out: None, runs: None, extra };
        assert_eq!(
            unlearn_run(&args, Path::new("/r"), Path::new("/o")).join(" "),
            "run configs/suites/quick.toml --runs /r --out /o --seeds 3 --set train.epochs=2"
        );
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
