//! Packages for crates.io: what it asks for is there, and what a package holds names no file outside of its crate.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, Package};

use crate::licences;

/// Categories of crates.io that the project uses. Another one must be in <https://crates.io/category_slugs>.
const CATEGORIES: &[&str] = &["algorithms", "command-line-utilities", "development-tools::testing", "science"];

/// Checks every crate that may be published. `sources` are the files of the workspace, relative to `root`.
pub(super) fn check(root: &Path, metadata: &Metadata, sources: &[PathBuf]) -> Result<Vec<String>> {
    let mut violations = Vec::new();
    for package in metadata.workspace_packages() {
        if package.publish.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let manifest = package.manifest_path.as_std_path();
        let folder = manifest.parent().and_then(|folder| folder.strip_prefix(root).ok());
        let folder = folder.with_context(|| format!("{} is not below {}", package.name, root.display()))?;
        let about = About::of(package);
        violations.extend(about.missing().into_iter().map(|what| format!("{}/Cargo.toml: {what}", folder.display())));
        let text = fs::read_to_string(manifest).with_context(|| format!("failed to read {}", manifest.display()))?;
        let parts = Parts::of(&text).with_context(|| format!("failed to read {}", manifest.display()))?;
        for lack in licences_lacking(root, folder, &parts)? {
            violations.push(format!("{}: {lack}; link to the file of the root folder", folder.display()));
        }
        for source in sources.iter().filter(|source| source.extension().is_some_and(|extension| extension == "rs")) {
            let Ok(within) = source.strip_prefix(folder) else { continue };
            // A build script may look around: in a package it finds nothing, and must not fail.
            if within == Path::new("build.rs") || !parts.hold(within) {
                continue;
            }
            let text = fs::read_to_string(root.join(source))
                .with_context(|| format!("failed to read {}", root.join(source).display()))?;
            for (line, name) in outside(root, folder, source, &text) {
                violations.push(format!(
                    "{}:{line}: names `{name}`, which is outside of the crate and so not in its package; golden data come \
                     from `unlearn_tests::golden`, and a test of other files belongs in `tests`",
                    source.display()
                ));
            }
        }
    }
    Ok(violations)
}

/// What a manifest says of its crate.
struct About {
    description: Option<String>,
    license: Option<String>,
    readme: Option<String>,
    keywords: Vec<String>,
    categories: Vec<String>,
    /// Crates of the workspace without a version, on which the package would depend.
    without_version: Vec<String>,
}

impl About {
    fn of(package: &Package) -> Self {
        let local = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        // Cargo leaves dependencies of tests without a version out of a package. No test uses `unlearn-features`, and the
        // tests of `unlearn-tests` are not in its package.
        let needed = local.filter(|dependency| {
            dependency.kind != DependencyKind::Development
                || (package.name != "unlearn-tests" && dependency.name != "unlearn-features")
        });
        let without_version = needed.filter(|dependency| dependency.req.to_string() == "*");
        Self {
            description: package.description.clone(),
            license: package.license.clone(),
            readme: package.readme.as_ref().map(ToString::to_string),
            keywords: package.keywords.clone(),
            categories: package.categories.clone(),
            without_version: without_version.map(|dependency| dependency.name.clone()).collect(),
        }
    }

    /// What crates.io would refuse, or a reader of its page would miss. The project has no public address, so none is
    /// asked for.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (key, value) in [("description", &self.description), ("license", &self.license), ("readme", &self.readme)] {
            if value.as_ref().is_none_or(|value| value.trim().is_empty()) {
                missing.push(format!("no `{key}`"));
            }
        }
        if self.readme.as_ref().is_some_and(|readme| readme.contains('/')) {
            missing.push("`readme` is outside of the crate".to_owned());
        }
        if self.keywords.is_empty() || self.keywords.len() > 5 {
            missing.push(format!("{} keywords; crates.io takes 1 to 5", self.keywords.len()));
        }
        let letters = |word: &str| word.chars().all(|c| c.is_ascii_alphanumeric() || "-_+".contains(c));
        for word in self.keywords.iter().filter(|word| {
            word.len() > 20 || !word.starts_with(|first: char| first.is_ascii_alphanumeric()) || !letters(word)
        }) {
            missing.push(format!("keyword `{word}`: crates.io takes up to 20 letters, digits, `-`, `_` and `+`"));
        }
        if self.categories.is_empty() || self.categories.len() > 5 {
            missing.push(format!("{} categories; crates.io takes 1 to 5", self.categories.len()));
        }
        for category in self.categories.iter().filter(|category| !CATEGORIES.contains(&category.as_str())) {
            missing.push(format!("category `{category}` is not in the list of xtask/src/tidy/packages.rs"));
        }
        for name in &self.without_version {
            missing.push(format!("{name} has no version; a package cannot depend on it"));
        }
        missing
    }
}

/// Which files a package holds, as its manifest says.
struct Parts {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Parts {
    fn of(manifest: &str) -> Result<Self> {
        let manifest: toml::Table = toml::from_str(manifest)?;
        let list = |key: &str| -> Vec<String> {
            let values = manifest.get("package").and_then(|package| package.get(key)).and_then(toml::Value::as_array);
            values.into_iter().flatten().filter_map(|value| value.as_str().map(str::to_owned)).collect()
        };
        Ok(Self { include: list("include"), exclude: list("exclude") })
    }

    /// Whether a file, by its path within the crate, is part of the package.
    fn hold(&self, file: &Path) -> bool {
        let among = |patterns: &[String]| {
            let folders = patterns.iter().map(|pattern| pattern.trim_start_matches('/').trim_end_matches("/**"));
            folders.into_iter().any(|folder| file.starts_with(folder))
        };
        (self.include.is_empty() || among(&self.include)) && !among(&self.exclude)
    }
}

/// What the package of the crate in `folder`, which is relative to `root`, lacks of the licences' texts.
fn licences_lacking(root: &Path, folder: &Path, parts: &Parts) -> Result<Vec<String>> {
    let mut lacking = licences::lacking(licences::PROJECT, root, &root.join(folder))?;
    let left_out = licences::PROJECT.iter().filter(|name| !parts.hold(Path::new(name)));
    lacking.extend(left_out.map(|name| format!("Cargo.toml leaves {name} out of the package")));
    Ok(lacking)
}

/// The files and folders outside of the crate in `folder` that the text of `file` names, with their lines. All paths
/// are relative to `root`. Comments may name anything.
fn outside(root: &Path, folder: &Path, file: &Path, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut before = 0;
    for (number, line) in text.lines().enumerate() {
        let comment = line.trim_start().starts_with("//");
        for (at, literal) in literals(line).filter(|_| !comment) {
            let Some(start) = literal.find("../") else { continue };
            let name = literal[start..].split(['{', '*']).next().unwrap_or_default();
            // What the compiler includes is relative to the file; what a test opens, to the crate.
            let code = text[..before + at].trim_end();
            let included = ["include_str!(", "include_bytes!(", "include!(", "path ="].iter();
            let base = if included.into_iter().any(|call| code.ends_with(call)) { file.parent() } else { Some(folder) };
            let Some(target) = base.and_then(|base| resolved(&base.join(name))) else { continue };
            if !target.starts_with(folder) && root.join(&target).exists() {
                found.push((number + 1, name.to_owned()));
            }
        }
        before += line.len() + 1;
    }
    found
}

/// A path without `..`; none if it leads out of the repository.
fn resolved(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir if !clean.pop() => return None,
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    Some(clean)
}

/// The texts between quotation marks on a line, each with the place of its first mark.
fn literals(line: &str) -> impl Iterator<Item = (usize, &str)> {
    let marks: Vec<usize> = line.match_indices('"').map(|(at, _)| at).collect();
    let pairs: Vec<_> = marks.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
    pairs.into_iter().map(|(from, to)| (from, &line[from + 1..to]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_outside_of_a_crate_are_found() -> Result<()> {
        let root = tempfile::tempdir()?;
        for path in
            ["crates/a/src/deep/b.rs", "crates/a/README.md", "crates/b/data", "tests/golden/x.json", "README.md"]
        {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().context("has a parent")?)?;
            fs::write(path, "")?;
        }
        let names = |text: &str| {
            let found = outside(root.path(), Path::new("crates/a"), Path::new("crates/a/src/deep/b.rs"), text);
            found.into_iter().map(|(line, name)| format!("{line} {name}")).collect::<Vec<_>>()
        };
        let up = "../".repeat(4);
        let golden = format!("{up}tests/golden/x.json");
        assert_eq!(names(&format!("//!\nlet x = include_str!(\"{golden}\");\n")), [format!("2 {golden}")]);
        assert_eq!(names(&format!("include_bytes!(\n    \"{golden}\",\n)")), [format!("2 {golden}")]);
        assert_eq!(names("root.join(\"../../README.md\")"), ["1 ../../README.md"]);
        assert_eq!(names("concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/../b/data\")"), ["1 ../b/data"]);
        assert_eq!(names("format!(\"{}/../../tests/golden/{file}\", x)"), ["1 ../../tests/golden/"]);
        for fine in [
            "include_str!(\"../../README.md\")",
            "// ../../README.md, \"../../README.md\"",
            "refused(\"../../etc/passwd\")",
            "refused(\"../../../../../../README.md\")",
            "join(\"src/../README.md\")",
        ] {
            assert_eq!(names(fine), Vec::<String>::new(), "{fine}");
        }
        Ok(())
    }

    #[test]
    fn a_package_holds_what_its_manifest_says() -> Result<()> {
        let parts = Parts::of("[package]\nexclude = [\"/tests\"]\n")?;
        assert!(parts.hold(Path::new("src/lib.rs")) && !parts.hold(Path::new("tests/a.rs")));
        let parts = Parts::of("[package]\ninclude = [\"/lib.rs\", \"/golden/**\"]\n")?;
        assert!(parts.hold(Path::new("lib.rs")) && parts.hold(Path::new("golden/x/y.rs")));
        assert!(!parts.hold(Path::new("main.rs")));
        assert!(Parts::of("[package]\n")?.hold(Path::new("tests/a.rs")));
        Ok(())
    }

    #[test]
    fn a_package_without_the_texts_of_licences_is_found() -> Result<()> {
        let root = tempfile::tempdir()?;
        let folder = Path::new("crates/a");
        fs::create_dir_all(root.path().join(folder))?;
        for name in licences::PROJECT {
            fs::write(root.path().join(name), "text")?;
        }
        let all = Parts::of("[package]\n")?;
        let lacking = |parts: &Parts| licences_lacking(root.path(), folder, parts);
        assert_eq!(lacking(&all)?, ["no LICENSE-APACHE", "no LICENSE-MIT"]);
        for name in licences::PROJECT {
            fs::write(root.path().join(folder).join(name), "text")?;
        }
        assert_eq!(lacking(&all)?, Vec::<String>::new());
        let some = Parts::of("[package]\ninclude = [\"/LICENSE-MIT\", \"/lib.rs\"]\n")?;
        assert_eq!(lacking(&some)?, ["Cargo.toml leaves LICENSE-APACHE out of the package"]);
        Ok(())
    }

    #[test]
    fn what_crates_io_would_refuse_is_found() {
        let good = || About {
            description: Some("A crate".into()),
            license: Some("MIT".into()),
            readme: Some("README.md".into()),
            keywords: vec!["pruning".into()],
            categories: vec!["science".into()],
            without_version: Vec::new(),
        };
        assert_eq!(good().missing(), Vec::<String>::new());
        let one = |change: fn(&mut About)| {
            let mut about = good();
            change(&mut about);
            let [missing] = &about.missing()[..] else { panic!("{:?}", about.missing()) };
            missing.clone()
        };
        assert_eq!(one(|about| about.description = None), "no `description`");
        assert_eq!(one(|about| about.license = Some(" ".into())), "no `license`");
        assert_eq!(one(|about| about.readme = Some("../README.md".into())), "`readme` is outside of the crate");
        assert_eq!(one(|about| about.keywords = vec!["a".into(); 6]), "6 keywords; crates.io takes 1 to 5");
        assert!(
            one(|about| about.keywords = vec!["machine learning".into()]).starts_with("keyword `machine learning`")
        );
        assert!(one(|about| about.categories = vec!["ai".into()]).starts_with("category `ai`"));
        assert!(one(|about| about.without_version = vec!["unlearn-x".into()]).starts_with("unlearn-x has no version"));
    }
}
