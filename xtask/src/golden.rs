//! `golden`: the outside references of tests, and the command that generates them again.
//!
//! Each folder of `tests/golden/` holds scripts (`*.py`), their requirements (`requirements.txt`, with exact
//! versions), and their output. Tests read only the output. This command is run by hand only.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{process, venv::Venv, workspace};

/// List the golden data, or generate it again with the scripts beside it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Sets to generate again: folders of `tests/golden/`. Without any, the sets are listed.
    #[arg(value_name = "SET")]
    sets: Vec<String>,
    /// Generate every set again.
    #[arg(long, conflicts_with = "sets")]
    all: bool,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let sets = sets(&root.join("tests/golden"))?;
    if let Some(unknown) = args.sets.iter().find(|name| !sets.iter().any(|set| set.name == **name)) {
        let names: Vec<_> = sets.iter().map(|set| set.name.as_str()).collect();
        note!("error: no set `{unknown}` in tests/golden; sets: {}", names.join(", "));
        return Ok(2);
    }
    if args.sets.is_empty() && !args.all {
        for set in &sets {
            for script in &set.scripts {
                say!("{:<16} {}", set.name, file_name(script));
            }
        }
        return Ok(0);
    }
    for set in sets.iter().filter(|set| args.all || args.sets.contains(&set.name)) {
        set.make(&workspace::target(&root)?.join("golden").join(&set.name))?;
    }
    note!("look at `git diff tests/golden` before committing: a golden number that moved needs a reason");
    Ok(0)
}

struct Set {
    name: String,
    folder: PathBuf,
    scripts: Vec<PathBuf>,
}

impl Set {
    fn make(&self, environment: &Path) -> Result<()> {
        let list = self.folder.join("requirements.txt");
        let requirements = match fs::read_to_string(&list) {
            Ok(text) => requirements(&text),
            Err(_) if !list.exists() => Vec::new(),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", list.display())),
        };
        let venv = Venv::with(environment.to_owned(), &requirements)?;
        for script in &self.scripts {
            process::succeed(venv.python().arg(script).current_dir(&self.folder))?;
        }
        Ok(())
    }
}

/// The folders with at least one script, by name in ascending order.
fn sets(golden: &Path) -> Result<Vec<Set>> {
    let mut sets = Vec::new();
    for folder in list(golden)?.into_iter().filter(|path| path.is_dir()) {
        let mut scripts = list(&folder)?;
        scripts.retain(|path| path.extension().is_some_and(|extension| extension == "py"));
        if !scripts.is_empty() {
            sets.push(Set { name: file_name(&folder), folder, scripts });
        }
    }
    Ok(sets)
}

fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The lines of a requirements file without comments.
fn requirements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_no_requirements() {
        assert_eq!(
            requirements("# for the reference\nnumpy==2.1.0  # exact\n\ntorch==2.5.1\n"),
            ["numpy==2.1.0", "torch==2.5.1"]
        );
    }

    #[test]
    fn a_set_is_a_folder_with_scripts() -> Result<()> {
        let golden = tempfile::tempdir()?;
        for path in ["svc/make.py", "svc/scores.json", "notes/README.md"] {
            let path = golden.path().join(path);
            fs::create_dir_all(path.parent().context("has a parent")?)?;
            fs::write(path, "")?;
        }
        let sets = sets(golden.path())?;
        assert_eq!(sets.len(), 1);
        assert_eq!((sets[0].name.as_str(), sets[0].scripts.len()), ("svc", 1));
        Ok(())
    }
}
