//! Paths of the workspace and of its builds.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The workspace's root folder.
pub(crate) fn root() -> Result<PathBuf> {
    // At run time, Cargo gives the path of the current checkout. The path compiled in may be that of another one.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = manifest.parent().context("xtask's manifest has no folder above it; run it as `cargo xtask`")?;
    Ok(root.to_owned())
}

/// Cargo's metadata of the workspace in `root`.
pub(crate) fn metadata(root: &Path) -> Result<Metadata> {
    MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .exec()
        .with_context(|| format!("failed to read the workspace in {}", root.display()))
}

/// Cargo's target folder, which may be outside the workspace.
pub(crate) fn target(root: &Path) -> Result<PathBuf> {
    Ok(metadata(root)?.target_directory.into_std_path_buf())
}

/// The files below a folder, by their paths within it, in ascending order.
pub(crate) fn files(folder: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut found = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).with_context(|| format!("failed to list {}", next.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                found.push((path.strip_prefix(folder)?.to_owned(), path));
            }
        }
    }
    found.sort();
    Ok(found)
}
