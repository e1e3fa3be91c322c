//! `wheel`: a Python wheel with the program inside, built by maturin, and installed to try it out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{process, tools::MATURIN, venv::Venv, workspace};

/// Build a Python wheel that holds the program, install it in an empty environment, and run it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder for the wheel [default: target/wheels].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Cargo's profile. With `dev`, the wheel holds the program that `cargo build` made, and nothing is built again.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub(crate) profile: String,
}

/// A suite of a second: one model that learns from 100 images, and forgets a class.
const SUITE: &str = r#"
[suite]
name = "tried"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 100

[model]
arch = "resnet8s"

[train]
epochs = 1

[[prune]]
method = "none"

[[forget]]
kind = "class"
class = 0

[[unlearn]]
method = "ft"
epochs = 1
"#;

pub(crate) fn run(args: &Args) -> Result<u8> {
    make(args, &MATURIN.command()?)?;
    Ok(0)
}

/// As [`run`], for `ci`: builds nothing again. None if maturin is neither here nor to be had.
pub(crate) fn check() -> Result<Option<u8>> {
    let maturin = match MATURIN.command() {
        Ok(maturin) => maturin,
        Err(error) => {
            note!("warning: {error:#}; the wheel is left out");
            return Ok(None);
        }
    };
    let out = workspace::target(&workspace::root()?)?.join("ci/wheels");
    make(&Args { out: Some(out), profile: "dev".to_owned() }, &maturin)?;
    Ok(Some(0))
}

/// Makes the wheel, tries it, and returns its path.
pub(crate) fn make(args: &Args, maturin: &Path) -> Result<PathBuf> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let out = args.out.clone().unwrap_or_else(|| target.join("wheels"));
    if out.exists() {
        // Wheels of earlier versions must not be installed in place of this one.
        fs::remove_dir_all(&out).with_context(|| format!("failed to clear {}", out.display()))?;
    }
    let mut build = Command::new(maturin);
    build.args(["build", "--locked", "--profile", &args.profile, "--manifest-path"]);
    build.arg(root.join("crates/unlearn-cli/Cargo.toml")).arg("--out").arg(&out).current_dir(&root);
    if args.profile != "release" {
        // The program as Cargo linked it: stripping would link it once more. It is tried here and goes nowhere.
        build.args(["--strip", "false", "--compatibility", "linux", "--compression-method", "stored"]);
    }
    process::succeed(&mut build)?;
    let wheels: Vec<PathBuf> =
        fs::read_dir(&out)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    let [wheel] = &wheels[..] else { anyhow::bail!("{} should hold one wheel, and holds {wheels:?}", out.display()) };
    let version = try_out(wheel)?;
    let size = fs::metadata(wheel)?.len() as f64 / f64::from(1 << 20);
    say!("{}: {size:.1} MiB, installed and run: {version}", wheel.display());
    Ok(wheel.clone())
}

/// Installs a wheel in an environment that is outside of the project and holds nothing else, runs the program there as a
/// user would, and returns what `--version` prints.
fn try_out(wheel: &Path) -> Result<String> {
    let place = tempfile::Builder::new().prefix("unlearn-wheel-").tempdir()?;
    // Nothing is fetched: the wheel needs no other package.
    let venv = Venv::with(place.path().join("venv"), &[Path::new("--no-index"), wheel])?;
    let unlearn = |args: &[&str]| -> Result<String> {
        let mut command = venv.program("unlearn");
        command.args(args).current_dir(place.path());
        // The program must not depend on what the task runner's environment says.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UNLEARN_")) {
            command.env_remove(name);
        }
        let output = command.output().context("the installed `unlearn` did not start")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the installed `unlearn {}` failed: {errors}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let printed = |args: &[&str], words: &str| -> Result<String> {
        let text = unlearn(args)?;
        ensure!(text.contains(words), "the installed `unlearn {}` does not print {words:?}: {text}", args.join(" "));
        Ok(text)
    };
    let version = printed(&["--version"], "unlearn ")?;
    printed(&["--help"], "Usage: unlearn")?;
    printed(&["methods"], "retrain")?;
    printed(&["datasets", "describe", "fashion-mnist-mini"], "fashion-mnist-mini")?;
    fs::write(place.path().join("tried.toml"), SUITE)?;
    unlearn(&["run", "tried.toml", "--out", "results", "--runs", "runs"])?;
    let table = place.path().join("results/table.md");
    let text = fs::read_to_string(&table).with_context(|| format!("the suite left no {}", table.display()))?;
    ensure!(text.contains("| ft "), "the suite's table has no row of `ft`:\n{text}");
    Ok(version.lines().next().unwrap_or_default().to_owned())
}
