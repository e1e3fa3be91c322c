//! Records the commit that the program is built from, for reports and certificates. It is recorded at build time,
//! because a program may run in the checkout of another commit.
//!
//! If there is no repository, `UNLEARN_COMMIT` in the environment names the commit. Without either, the program names
//! none.

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-env-changed=UNLEARN_COMMIT");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // The sources of the program. If one of them was changed, the commit alone does not say what was built.
    for part in ["crates", "Cargo.toml", "Cargo.lock"] {
        println!("cargo:rerun-if-changed={}", root.join(part).display());
    }
    let commit = std::env::var("UNLEARN_COMMIT").ok().filter(|commit| !commit.trim().is_empty());
    if let Some(commit) = commit.or_else(|| checked_out(&root)) {
        println!("cargo:rustc-env=UNLEARN_COMMIT={}", commit.trim());
    }
}

/// The commit that is checked out in the repository of the sources.
fn checked_out(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        // No program that the repository's configuration names is run.
        let quiet = ["--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
        let output = Command::new("git").arg("-C").arg(root).args(quiet).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    // Sources that were unpacked inside another repository do not belong to its commit.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    let mut watched = vec!["HEAD".to_owned(), "packed-refs".to_owned()];
    watched.extend(git(&["symbolic-ref", "--quiet", "HEAD"]));
    for name in watched {
        let file = root.join(git(&["rev-parse", "--git-path", &name])?);
        // Watching a missing file would run this script at every build.
        if file.is_file() {
            println!("cargo:rerun-if-changed={}", file.display());
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { format!("{commit}, with changes") })
}
