//! Every shell command of every page is run by a test, or the page says why not.
//!
//! The language of a block says which: the lines of `sh` are run, each page by the test that names it, but for those of `cargo`, whose tasks
//! and examples must exist. The lines of `console` are not run, and the paragraph before it says why.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{blocks, commands, page};

/// What the paragraph before a block of `console` says.
const REASON: &str = "No test runs ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The files below a folder whose names end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The pages that people read, by their paths from the root. Those of `docs/reference` are made, and have no commands to run.
fn pages() -> Vec<String> {
    let root = root();
    let mut pages = files(&root.join("docs"), ".md");
    for folder in fs::read_dir(root.join("crates")).unwrap() {
        pages.push(folder.unwrap().path().join("README.md"));
    }
    pages.extend(["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"].map(|name| root.join(name)));
    let named = pages.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
    named.filter(|name| !name.starts_with("docs/reference/")).collect()
}

/// The lines of tests that are no comments.
fn tests() -> String {
    let root = root();
    let sources =
        files(&root.join("crates/unlearn-cli/tests"), ".rs").into_iter().chain(files(&root.join("tests"), ".rs"));
    let text: Vec<String> = sources.map(|path| fs::read_to_string(path).unwrap()).collect();
    text.concat().lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_of_every_page_is_run_by_a_test() {
    let tests = tests();
    let mut forgotten = Vec::new();
    for name in pages() {
        let text = page(&name);
        // A shell's lines have one of these two languages.
        for language in ["bash", "shell", "shell-session", "zsh"] {
            assert!(blocks(&text, language).is_empty(), "{name}: write `sh` or `console` for `{language}`");
        }
        let named = format!("{name}\"");
        if !commands(&text).is_empty() && !tests.contains(&named) {
            forgotten.push(name);
        }
    }
    assert_eq!(forgotten, [""; 0], "no test in crates/unlearn-cli/tests or tests runs the `sh` blocks of these pages");
}

#[test]
fn a_command_that_is_not_run_has_a_reason() {
    let mut found = 0;
    for name in pages() {
        let text = page(&name);
        let parts: Vec<&str> = text.split("```console\n").collect();
        for before in &parts[..parts.len() - 1] {
            let paragraph = before.trim_end().rsplit("\n\n").next().unwrap();
            assert!(
                paragraph.contains(REASON),
                "{name}: say before the block why: \"{REASON}…\"; there is: {paragraph}"
            );
            found += 1;
        }
    }
    assert!(found > 1, "some commands need a network or hours");
}

#[test]
fn the_tasks_and_examples_of_the_pages_exist() {
    let root = root();
    let tasks: BTreeSet<String> = files(&root.join("xtask/src"), ".rs")
        .iter()
        .map(|file| file.file_stem().unwrap().to_str().unwrap().replace('_', "-"))
        .chain(["bench".to_owned()])
        .collect();
    let mut seen = 0;
    for name in pages() {
        let text = page(&name);
        for line in blocks(&text, "sh").into_iter().flat_map(str::lines).filter(|line| line.starts_with("cargo ")) {
            let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "#").collect();
            let after = |option: &str| words.iter().position(|word| *word == option).map(|at| words[at + 1]);
            if words[1] == "xtask" {
                assert!(tasks.contains(words[2]), "{name}: there is no task: {line}");
            }
            if let Some(package) = after("-p") {
                let short = package.strip_prefix("unlearn-").unwrap();
                let places = [format!("crates/{package}"), format!("crates/{short}"), short.to_owned()];
                let folder =
                    places.iter().map(|place| root.join(place)).find(|place| place.join("Cargo.toml").exists());
                let folder = folder.unwrap_or_else(|| panic!("{name}: there is no crate: {line}"));
                if let Some(example) = after("--example") {
                    let file = format!("{example}.rs");
                    let is_there = folder.join("examples").join(&file).exists() || folder.join(&file).exists();
                    assert!(is_there, "{name}: there is no example: {line}");
                }
            }
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
}
