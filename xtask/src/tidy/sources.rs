//! Rules for single files: headers, sizes, names of tests, and where `unsafe` may be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// Longer files usually contain two concepts.
const MAX_LINES: usize = 700;

/// The lint that forbids `unsafe` in the whole workspace. The compiler enforces it. This check ensures that no file
/// outside `kernels` switches it off. (The name is split in two parts, or this line would be a hit.)
const LINT: &str = concat!("unsafe", "_code");

/// Every Rust file and manifest below `crates/`, `xtask/` and `tests/`, and the workspace's manifest, relative to `root`.
pub(super) fn list(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = vec![PathBuf::from("Cargo.toml")];
    let mut waiting = ["crates", "xtask", "tests"].map(PathBuf::from).to_vec();
    while let Some(folder) = waiting.pop() {
        let whole = root.join(&folder);
        for entry in fs::read_dir(&whole).with_context(|| format!("failed to list {}", whole.display()))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                if entry.file_name() != "target" {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") || path.ends_with("Cargo.toml") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Checks one file, named relative to the root, against the rules.
pub(super) fn check(path: &str, text: &str) -> Vec<String> {
    let mut violations = Vec::new();
    let mut complain = |what: String| violations.push(format!("{path}: {what}"));
    match path {
        "Cargo.toml" => {
            if !text.lines().any(|line| line.trim() == format!("{LINT} = \"deny\"")) {
                complain(format!("the workspace's lints no longer say `{LINT} = \"deny\"`"));
            }
        }
        _ if path.ends_with("Cargo.toml") => {
            if !text.contains("[lints]\nworkspace = true\n") {
                complain("does not inherit the workspace's lints; add `[lints]` with `workspace = true`".to_owned());
            }
        }
        _ => {
            if !text.starts_with("//!") {
                complain("does not open with `//!` and the file's purpose".to_owned());
            }
            let lines = text.lines().count();
            if lines > MAX_LINES {
                complain(format!("{lines} lines, more than {MAX_LINES}; the file probably contains two concepts"));
            }
            for module in modules_of_tests(text).filter(|module| !module.starts_with("test")) {
                complain(format!(
                    "only tests compile its module `{module}`, whose file does not say so; move it into `tests`"
                ));
            }
            if text.contains(LINT) && !path.starts_with("crates/kernels/") {
                complain(format!("names the lint `{LINT}`; only crates/kernels may hold `unsafe`"));
            }
        }
    }
    violations
}

/// The modules with their own files that only tests compile.
fn modules_of_tests(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().zip(text.lines().skip(1));
    let declared = lines.filter(|(attribute, _)| attribute.trim() == concat!("#[cfg", "(test)]"));
    declared
        .filter_map(|(_, line)| line.trim().trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tidy_file_passes() {
        assert_eq!(check("crates/masks/src/lib.rs", "//! Masks.\n"), Vec::<String>::new());
        assert_eq!(check("crates/a/src/lib.rs", "//! A.\n\n#[cfg(test)]\nmod tests;\n"), Vec::<String>::new());
        assert_eq!(check("crates/masks/Cargo.toml", "[lints]\nworkspace = true\n"), Vec::<String>::new());
        assert_eq!(check("Cargo.toml", &format!("{LINT} = \"deny\"\n")), Vec::<String>::new());
        assert_eq!(check("crates/kernels/src/avx.rs", &format!("//! A.\n#![expect({LINT})]\n")), Vec::<String>::new());
    }

    #[test]
    fn each_rule_goes_red() {
        let long = format!("//! Long.\n{}", "\n".repeat(MAX_LINES));
        let unsafe_ = format!("//! A.\n#![expect({LINT})]\n");
        for (path, text, expected) in [
            ("crates/masks/src/a.rs", "// no header\n", "does not open with `//!`"),
            ("tests/a.rs", "", "does not open with `//!`"),
            ("crates/a/src/lib.rs", "//! A.\n\n#[cfg(test)]\nmod fuzz;\n", "only tests compile its module `fuzz`"),
            ("xtask/src/a.rs", long.as_str(), "701 lines, more than 700"),
            ("crates/masks/src/a.rs", unsafe_.as_str(), "only crates/kernels may hold `unsafe`"),
            ("xtask/Cargo.toml", "[package]\n", "does not inherit the workspace's lints"),
            ("Cargo.toml", "[workspace.lints.rust]\n", "the workspace's lints no longer say"),
        ] {
            let found = check(path, text);
            assert!(found.len() == 1 && found[0].starts_with(path) && found[0].contains(expected), "{path}: {found:?}");
        }
    }

    #[test]
    fn files_are_found_in_all_three_folders() -> Result<()> {
        let root = tempfile::tempdir()?;
        for path in
            ["crates/a/src/deep/b.rs", "xtask/Cargo.toml", "tests/main.rs", "crates/a/target/x.rs", "tests/a.py"]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().context("has a parent")?)?;
            fs::write(path, "")?;
        }
        let expected = ["Cargo.toml", "crates/a/src/deep/b.rs", "tests/main.rs", "xtask/Cargo.toml"];
        assert_eq!(list(root.path())?, expected.map(PathBuf::from));
        Ok(())
    }
}
