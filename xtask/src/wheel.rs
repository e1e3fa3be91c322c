//! `wheel`: a Python wheel with the program inside, built by maturin, and installed to try it out.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{process, venv::Venv, workspace};

/// Build a Python wheel that holds the program, install it in an empty environment, and run it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder for the wheel [default: target/wheels].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

const MATURIN: &str = "maturin==1.16.0";

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let out = args.out.clone().unwrap_or_else(|| target.join("wheels"));
    if out.exists() {
        // Wheels of earlier versions must not be installed in place of this one.
        fs::remove_dir_all(&out).with_context(|| format!("failed to clear {}", out.display()))?;
    }
    let maturin = Venv::with(target.join("maturin"), &[MATURIN])?;
    let mut build = maturin.python();
    build.args(["-m", "maturin", "build", "--release", "--locked", "--manifest-path"]);
    build.arg(root.join("crates/unlearn-cli/Cargo.toml")).arg("--out").arg(&out);
    process::succeed(&mut build)?;

    let wheels: Vec<PathBuf> =
        fs::read_dir(&out)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    let [wheel] = &wheels[..] else { anyhow::bail!("{} should hold one wheel, and holds {wheels:?}", out.display()) };
    // An environment that is made for this wheel's bytes, not for its name.
    let folder = target.join("wheel-tried");
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("failed to clear {}", folder.display()))?;
    }
    let tried = Venv::with(folder, &[wheel])?;
    let printed =
        tried.program("unlearn").arg("--version").output().context("the installed `unlearn` did not start")?;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    ensure!(printed.starts_with("unlearn "), "the installed `unlearn --version` printed {printed:?}");
    process::succeed(tried.program("unlearn").args(["datasets", "describe", "fashion-mnist-mini"]))?;
    let size = fs::metadata(wheel)?.len() as f64 / f64::from(1 << 20);
    say!("{}: {size:.1} MiB, installed and run: {}", wheel.display(), printed.trim());
    Ok(0)
}
