//! The binary as a user runs it: whole suites on a few hundred real images, kills, and every input that must be
//! refused.

mod browser;
mod chromium;
mod convert;
mod data;
mod dictionaries;
mod events;
mod export;
mod forget;
mod guards;
mod hub;
mod inspect;
mod judging;
mod keeping;
#[cfg(unix)]
mod machine;
mod manners;
mod outputs;
mod own_data;
mod pages;
mod refusals;
mod reports;
mod stores;
mod subclasses;
mod suites;
mod tuning;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

/// Two models, two requests, five methods, on 200 images.
const SUITE: &str = r#"
[suite]
name = "tiny"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 200

[model]
arch = "resnet8s"

[train]
epochs = 2
batch-size = 32
schedule = "cosine"

[[prune]]
method = "none"

[[prune]]
method = "omp"
sparsity = 0.9
rewind-epoch = 1

[[forget]]
kind = "class"
class = 0

[[forget]]
kind = "random"
fraction = 0.1

[[unlearn]]
method = "raw"

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "ft"
epochs = 1

[[unlearn]]
method = "ga"
epochs = 1

[[unlearn]]
method = "l1-sparse"
epochs = 1
"#;

/// A folder with a suite file, in which the binary runs.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(suite: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suite.toml"), suite).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_unlearn"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a line as a shell does, with `unlearn` on the path.
    fn shell(&self, line: &str) -> Output {
        let binaries = Path::new(env!("CARGO_BIN_EXE_unlearn")).parent().unwrap();
        let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
        Command::new("sh").args(["-c", line]).env("PATH", path).current_dir(self.folder.path()).output().unwrap()
    }

    /// Runs the binary, expects success, and returns standard output.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the binary, expects an exit code and a message without a panic, and returns standard error.
    fn refuse(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
        assert!(message.contains("error: ") && !message.contains("panicked"), "{message}");
        message
    }

    /// The rows of a report, without seconds, which differ between runs.
    fn rows(&self, report: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path(report).join("results.json")).unwrap();
        let results: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut rows = results["rows"].as_array().unwrap().clone();
        for row in &mut rows {
            row.as_object_mut().unwrap().remove("rte_seconds").expect("every row has its run time");
            let figures = row["figures"].as_object_mut().unwrap();
            figures.remove("rte_seconds").expect("every row has it among all figures too");
        }
        rows
    }
}

/// Every `model.safetensors` and `mask.safetensors` of a store, with path and bytes.
fn models(store: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![store.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.ends_with("model.safetensors") || path.ends_with("mask.safetensors") {
                found.push((path.strip_prefix(store).unwrap().to_path_buf(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
