//! The documentation's site: every page is in its summary, and every link to a file leads somewhere.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result};

const SUMMARY: &str = "SUMMARY.md";

/// Pages that other commands make and that the site leaves out.
const LEFT_OUT: &str = "benchmarks";

/// Checks the folder `docs`.
pub(super) fn check(root: &Path) -> Result<Vec<String>> {
    let docs = root.join("docs");
    let mut pages = BTreeSet::new();
    collect(&docs, Path::new(""), &mut pages)?;
    let summary = read(&docs.join(SUMMARY))?;
    let listed: BTreeSet<PathBuf> = links(&summary).map(PathBuf::from).collect();
    let mut violations = Vec::new();
    for page in pages.difference(&listed).filter(|page| page.as_path() != Path::new(SUMMARY)) {
        violations.push(format!("docs/{SUMMARY}: no line for {}", page.display()));
    }
    for page in pages.iter().filter(|page| page.as_path() != Path::new(SUMMARY)) {
        violations.extend(broken(root, &Path::new("docs").join(page))?);
    }
    for page in listed.difference(&pages) {
        violations.push(format!("docs/{SUMMARY}: there is no page {}", page.display()));
    }
    violations.extend(broken(root, Path::new("README.md"))?);
    Ok(violations)
}

/// Links of a page to files that do not exist.
fn broken(root: &Path, page: &Path) -> Result<Vec<String>> {
    let text = read(&root.join(page))?;
    let folder = page.parent().unwrap_or(Path::new(""));
    let gone = links(&text).filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    let gone = gone.filter(|link| !root.join(folder).join(link).exists());
    Ok(gone.map(|link| format!("{}: the link to {link} leads nowhere", page.display())).collect())
}

/// The targets of a page's links outside of blocks of code, without anchors within a page.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("```").step_by(2);
    let targets = prose.flat_map(|part| part.split("](").skip(1)).filter_map(|rest| rest.split(')').next());
    targets.map(|target| target.split('#').next().unwrap_or(target)).filter(|target| !target.is_empty())
}

fn collect(docs: &Path, within: &Path, pages: &mut BTreeSet<PathBuf>) -> Result<()> {
    let folder = docs.join(within);
    for entry in fs::read_dir(&folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?;
        let path = within.join(entry.file_name());
        let first = path.components().next();
        if first == Some(Component::Normal(LEFT_OUT.as_ref())) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(docs, &path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            pages.insert(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_a_line_and_links_to_nowhere_are_found() -> Result<()> {
        let root = tempfile::tempdir()?;
        let docs = root.path().join("docs");
        fs::create_dir_all(docs.join("more"))?;
        fs::write(root.path().join("README.md"), "[docs](docs/a.md) [out](https://example.org) ```[x](no.md)```")?;
        fs::write(docs.join(SUMMARY), "- [A](a.md)\n- [Gone](gone.md)\n")?;
        fs::write(docs.join("a.md"), "[b](more/b.md#part) [there](#here)")?;
        fs::write(docs.join("more/b.md"), "[a](../a.md) [c](c.md)")?;
        assert_eq!(
            check(root.path())?,
            [
                "docs/SUMMARY.md: no line for more/b.md",
                "docs/more/b.md: the link to c.md leads nowhere",
                "docs/SUMMARY.md: there is no page gone.md",
            ]
        );
        Ok(())
    }
}
