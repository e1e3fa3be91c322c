//! `check-cuda`: type-checks the CUDA build, with and without cuDNN, on a machine without a GPU or a CUDA toolkit.
//!
//! Candle's kernels are compiled by `nvcc` in a build script, so the check needs a toolkit ([`crate::cuda_toolkit`]).
//! It shows that the code compiles with the feature on. A test of the results needs a GPU.
//!
//! The check takes minutes, so it leaves a record of the sources that passed it: `xtask/cuda-checked.txt`, which is
//! committed. `cargo xtask ci` checks again if the sources are others.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{cuda_toolkit::Toolkit, process, workspace};

/// Type-check the workspace with the features `cuda` and `cudnn`, with a CUDA toolkit from the Python Package Index.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The GPUs' compute capability, times ten.
    #[arg(long, default_value = "80", value_name = "CC")]
    compute_cap: String,
    /// Do nothing if the sources are those that passed last time.
    #[arg(long)]
    if_changed: bool,
}

impl Args {
    /// As `cargo xtask ci` runs it.
    pub(crate) fn if_changed() -> Self {
        Self { compute_cap: "80".into(), if_changed: true }
    }
}

/// What only a CUDA build compiles, and what it compiles against. Whole folders, with all below.
const SOURCES: [&str; 4] = [
    "crates/network/src/candle",
    "crates/network/Cargo.toml",
    "crates/kernels/src/cudnn.rs",
    "crates/kernels/Cargo.toml",
];
/// Packages whose versions matter as well.
const PACKAGES: [&str; 5] = ["candle-core", "candle-nn", "candle-kernels", "cudarc", "cudaforge"];
const RECORD: &str = "xtask/cuda-checked.txt";

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let (record, now) = (root.join(RECORD), sources(&root)?);
    let recorded = fs::read_to_string(&record).unwrap_or_default();
    if args.if_changed && recorded.lines().nth(1) == Some(now.as_str()) {
        say!("the sources of the CUDA build are those that passed: {}", recorded.lines().next().unwrap_or_default());
        return Ok(0);
    }
    let folder = workspace::target(&root)?.join("check-cuda");
    let toolkit = Toolkit::install(&folder)?;
    let mut worst = 0;
    for feature in ["cuda", "cudnn"] {
        let features = format!("unlearn-cli/{feature},unlearn-network/{feature}");
        let mut command = process::cargo(&root, &["check", "--workspace", "--features", &features, "--target-dir"]);
        command.arg(&folder);
        toolkit.serve(&mut command, &args.compute_cap);
        worst = worst.max(process::run(&mut command)?);
    }
    if worst == 0 {
        let date = Command::new("date").args(["-u", "+%Y-%m-%d"]).output().context("failed to ask for the date")?;
        let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
        let text = format!("compiled on {date}, with cuda and with cudnn; not run on a GPU by this check\n{now}\n");
        fs::write(&record, text).with_context(|| format!("failed to write {}", record.display()))?;
    }
    Ok(worst)
}

/// A hash of the sources and versions, as Git counts it.
fn sources(root: &Path) -> Result<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        collect(&root.join(source), &mut files)?;
    }
    files.sort();
    let mut text = String::new();
    for file in &files {
        let _ = writeln!(text, "{}", file.strip_prefix(root).unwrap_or(file).display());
        text += &fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    }
    let lock = root.join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("failed to read {}", lock.display()))?;
    text += &versions(&lock);
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(path).with_context(|| format!("failed to list {}", path.display()))? {
        collect(&entry?.path(), files)?;
    }
    Ok(())
}

/// Name and version of the packages that matter, one a line.
fn versions(lock: &str) -> String {
    let mut lines = lock.lines();
    let mut found = String::new();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'))
            && PACKAGES.contains(&name)
        {
            let _ = writeln!(found, "{name} {}", lines.next().unwrap_or_default());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_packages_that_matter() {
        let lock =
            "[[package]]\nname = \"cudarc\"\nversion = \"0.19.10\"\n\n[[package]]\nname = \"serde\"\nversion = \"1\"\n";
        assert_eq!(versions(lock), "cudarc version = \"0.19.10\"\n");
    }

    #[test]
    fn the_hash_follows_every_source() -> Result<()> {
        let root = tempfile::tempdir()?;
        for source in SOURCES {
            let path = root.path().join(source);
            let path = if path.extension().is_some() { path } else { path.join("deep/file.rs") };
            fs::create_dir_all(path.parent().expect("a file in a folder"))?;
            fs::write(path, source)?;
        }
        fs::write(root.path().join("Cargo.lock"), "")?;
        let mut seen = vec![sources(root.path())?];
        for change in ["crates/network/src/candle/deep/file.rs", "crates/kernels/src/cudnn.rs", "Cargo.lock"] {
            fs::write(root.path().join(change), "name = \"candle-core\"\nversion = \"2\"")?;
            seen.push(sources(root.path())?);
        }
        let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
        assert_eq!(distinct.len(), 4);
        fs::remove_file(root.path().join("crates/kernels/Cargo.toml"))?;
        assert!(sources(root.path()).is_err());
        Ok(())
    }
}
