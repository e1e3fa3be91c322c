//! `tidy`: the project's rules that neither compiler nor linter checks.

mod edges;
mod packages;
mod site;
mod sources;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};
use cargo_metadata::Metadata;

use crate::workspace;

/// Check the project's rules: dependencies between crates, what their packages hold, file headers and sizes, names,
/// links, and where `unsafe` may be.
#[derive(clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args) -> Result<u8> {
    let violations = violations(&workspace::root()?)?;
    for violation in &violations {
        say!("{violation}");
    }
    say!("{} violations of the project's rules", violations.len());
    Ok(u8::from(!violations.is_empty()))
}

fn violations(root: &Path) -> Result<Vec<String>> {
    let metadata = workspace::metadata(root)?;
    let crates = crates(root, &metadata);
    let mut violations = edges::check(&edges::packages(&metadata)?);
    violations.extend(check_names(&crates));
    match read(&root.join("ARCHITECTURE.md")) {
        Ok(text) => violations.extend(check_architecture(&text, &crates)),
        Err(error) => violations.push(format!("{error:#}")),
    }
    violations.extend(site::check(root)?);
    let files = sources::list(root)?;
    violations.extend(packages::check(root, &metadata, &files)?);
    for file in files {
        violations.extend(sources::check(&file.to_string_lossy(), &read(&root.join(&file))?));
    }
    Ok(violations)
}

/// A crate of the workspace: its folder below `crates/`, and its package's name.
struct Crate {
    folder: String,
    package: String,
}

fn crates(root: &Path, metadata: &Metadata) -> Vec<Crate> {
    let mut crates = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().and_then(|folder| folder.strip_prefix(root.join("crates")).ok());
        if let Some(folder) = folder {
            crates.push(Crate { folder: folder.to_string(), package: package.name.to_string() });
        }
    }
    crates
}

/// Folders have the short name; packages have the same with the prefix `unlearn-`.
fn check_names(crates: &[Crate]) -> Vec<String> {
    let wrong = crates.iter().filter_map(|Crate { folder, package }| {
        let short = folder.strip_prefix("unlearn-").unwrap_or(folder);
        // The crate that stands for all of them has the project's name.
        let expected = if short == "unlearn" { short.to_owned() } else { format!("unlearn-{short}") };
        (*package != expected).then(|| format!("crates/{folder}: the package is named `{package}`, not `{expected}`"))
    });
    wrong.collect()
}

/// `ARCHITECTURE.md` must have one heading ``### `crates/<name>` `` for each existing crate, and no other.
fn check_architecture(text: &str, crates: &[Crate]) -> Vec<String> {
    let headings: Vec<_> =
        text.lines().filter_map(|line| line.strip_prefix("### `crates/")?.trim_end().strip_suffix('`')).collect();
    let named: BTreeSet<_> = headings.iter().copied().collect();
    let existing: BTreeSet<_> = crates.iter().map(|c| c.folder.as_str()).collect();
    let mut violations = Vec::new();
    for missing in existing.difference(&named) {
        violations.push(format!("ARCHITECTURE.md: no heading ### `crates/{missing}`"));
    }
    for gone in named.difference(&existing) {
        violations.push(format!("ARCHITECTURE.md: heading ### `crates/{gone}`, but there is no such crate"));
    }
    if headings.len() > named.len() {
        violations.push("ARCHITECTURE.md: a crate has two headings".to_owned());
    }
    violations
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() -> Result<()> {
        let violations = violations(&workspace::root()?)?;
        assert!(violations.is_empty(), "\n{}", violations.join("\n"));
        Ok(())
    }

    fn crate_(folder: &str, package: &str) -> Crate {
        Crate { folder: folder.to_owned(), package: package.to_owned() }
    }

    #[test]
    fn packages_are_named_after_their_folders() {
        let good = [crate_("masks", "unlearn-masks"), crate_("unlearn-cli", "unlearn-cli")];
        assert_eq!(check_names(&good), Vec::<String>::new());
        assert_eq!(
            check_names(&[crate_("masks", "masks")]),
            ["crates/masks: the package is named `masks`, not `unlearn-masks`"]
        );
    }

    #[test]
    fn architecture_names_exactly_the_crates_that_exist() {
        let crates = [crate_("masks", "unlearn-masks"), crate_("models", "unlearn-models")];
        assert_eq!(check_architecture("### `crates/models`\n\n### `crates/masks` \n", &crates), Vec::<String>::new());
        assert_eq!(
            check_architecture("### `crates/models`\n### `crates/models`\n### `crates/utils`\n", &crates),
            [
                "ARCHITECTURE.md: no heading ### `crates/masks`",
                "ARCHITECTURE.md: heading ### `crates/utils`, but there is no such crate",
                "ARCHITECTURE.md: a crate has two headings",
            ]
        );
    }
}
