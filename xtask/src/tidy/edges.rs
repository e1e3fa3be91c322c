//! Dependencies between crates.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, NodeDep, Package as CargoPackage, PackageId};

/// For each crate, the crates of the workspace that it may depend on in any way, tests included. The diagram in
/// `ARCHITECTURE.md` shows this table.
const ALLOWED: &[(&str, &[&str])] = &[
    ("backdoor", &["names", "random", "samples"]),
    ("datasets", &["files", "hub", "names", "random", "samples", "torch-files"]),
    ("files", &["names"]),
    ("hub", &["names"]),
    ("kernels", &[]),
    ("masks", &["files"]),
    ("metrics", &[]),
    ("mia-eval", &["metrics", "names"]),
    ("names", &[]),
    ("random", &[]),
    ("run-store", &["files", "metrics", "names"]),
    ("samples", &["files", "random"]),
    ("score-files", &["files", "metrics", "samples"]),
    ("tensor-files", &[]),
    ("torch-files", &["files"]),
    ("certificates", &["files", "metrics", "run-store"]),
    ("network", &["kernels", "random"]),
    ("models", &["files", "masks", "names", "network", "tensor-files", "torch-files"]),
    ("training", &["datasets", "masks", "metrics", "models", "network", "samples", "tensor-files"]),
    // Neither sibling may depend on the other: "prune first, then unlearn" is a list of stages in `experiment`.
    ("pruning", &["masks", "models", "names", "network", "random", "samples", "training"]),
    ("unlearning", &["datasets", "masks", "models", "names", "network", "random", "samples", "training"]),
    (
        "experiment",
        &[
            "backdoor",
            "certificates",
            "datasets",
            "files",
            "hub",
            "masks",
            "metrics",
            "mia-eval",
            "models",
            "names",
            "network",
            "pruning",
            "random",
            // For the example of a method from outside, and its test.
            "reports",
            "run-store",
            "samples",
            "tensor-files",
            "training",
            "unlearn",
            "unlearning",
        ],
    ),
    (
        "unlearn",
        &[
            "backdoor",
            "datasets",
            "files",
            "hub",
            "masks",
            "metrics",
            "mia-eval",
            "models",
            "names",
            "network",
            "pruning",
            "random",
            "samples",
            "score-files",
            "torch-files",
            "training",
            "unlearning",
        ],
    ),
    ("reports", &["files", "masks", "metrics", "mia-eval", "run-store", "score-files"]),
    // What lies below the facade comes through it.
    ("cli", &["certificates", "experiment", "reports", "run-store", "unlearn"]),
];

/// Crates that work on plain slices and files. They must not depend on a tensor library, even indirectly.
const WITHOUT_TENSOR_LIBRARY: &[&str] = &[
    "backdoor",
    "certificates",
    "datasets",
    "hub",
    "kernels",
    "masks",
    "metrics",
    "mia-eval",
    "names",
    "random",
    "run-store",
    "torch-files",
];

const TENSOR_LIBRARIES: &[&str] = &["burn", "candle", "ndarray", "tch", "torch-sys"];

/// Crates that work on samples in memory or behind a trait. They must not depend on a file reader or on the network,
/// even indirectly.
const WITHOUT_FORMATS: &[&str] = &["backdoor", "mia-eval", "pruning", "samples", "training", "unlearning"];

/// Readers of packed files and tables, decoders of pictures, network clients, and the crates of this workspace that
/// contain them. A zip reader that candle-core brings is not counted, because it cannot be left out.
const FORMATS: &[&str] = &[
    "brotli-decompressor",
    "flate2",
    "image",
    "lz4_flex",
    "parquet",
    "png",
    "rustls",
    "ruzstd",
    "snap",
    "tar",
    "unlearn-datasets",
    "unlearn-hub",
    "unlearn-torch-files",
    "ureq",
    "zip",
    "zune-jpeg",
];

/// A crate of the workspace for the checks in this file. Names are short: without `unlearn-`.
pub(super) struct Package {
    name: String,
    /// The crates of the workspace in its manifest.
    direct: BTreeSet<String>,
    /// All packages that it is built with.
    tree: BTreeSet<String>,
    /// All packages that the crate without its tests is built with, except those that a tensor library brings.
    product: BTreeSet<String>,
}

/// The crates of the workspace except the task runner and those in `tests`, which may depend on every crate.
pub(super) fn packages(metadata: &Metadata) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for package in metadata.workspace_packages() {
        let name = short(&package.name);
        if ["xtask", "tests", "features", "readme"].contains(&name.as_str()) {
            continue;
        }
        // What a crate's tests use of the folder `tests` does not count.
        let lent =
            |name: &str, kind| kind == DependencyKind::Development && ["tests", "features"].contains(&&*short(name));
        let local = package.dependencies.iter().filter(|dependency| dependency.path.is_some());
        let local = local.filter(|dependency| !lent(&dependency.name, dependency.kind));
        let direct = local.map(|dependency| short(&dependency.name)).collect();
        packages.push(Package {
            name,
            direct,
            tree: tree(metadata, package, |_, _| true)?,
            product: tree(metadata, package, |from, dependency| {
                !is_tensor_library(from) && dependency.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            })?,
        });
    }
    Ok(packages)
}

fn short(package: &str) -> String {
    package.strip_prefix("unlearn-").unwrap_or(package).to_owned()
}

/// The names of all packages below `package` along edges that `counts` admits. Development dependencies count only
/// for the package itself.
fn tree(
    metadata: &Metadata,
    package: &CargoPackage,
    counts: impl Fn(&str, &NodeDep) -> bool,
) -> Result<BTreeSet<String>> {
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved no dependencies")?;
    let nodes: BTreeMap<&PackageId, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut waiting = vec![&package.id];
    while let Some(id) = waiting.pop() {
        let node = nodes.get(id).with_context(|| format!("cargo metadata has no node for {id}"))?;
        for dependency in &node.deps {
            let built = dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development);
            if (built || *id == package.id) && counts(&metadata[id].name, dependency) && seen.insert(&dependency.pkg) {
                waiting.push(&dependency.pkg);
            }
        }
    }
    Ok(seen.into_iter().map(|id| metadata[id].name.to_string()).collect())
}

/// Checks packages against the tables of this file.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ALLOWED.iter().copied().collect();
    let mut violations = Vec::new();
    for Package { name, direct, tree, product } in packages {
        match allowed.get(name.as_str()) {
            None => violations.push(format!("{name}: no line in the table of allowed edges, xtask/src/tidy/edges.rs")),
            Some(allowed) => {
                for other in direct.iter().filter(|other| !allowed.contains(&other.as_str())) {
                    let may = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                    violations.push(format!("{name}: must not depend on {other}; the crates it may depend on: {may}"));
                }
            }
        }
        if WITHOUT_TENSOR_LIBRARY.contains(&name.as_str()) {
            for library in tree.iter().filter(|package| is_tensor_library(package)) {
                violations.push(format!("{name}: must not depend on a tensor library, but is built with {library}"));
            }
        }
        if WITHOUT_FORMATS.contains(&name.as_str()) {
            for format in product.iter().filter(|package| FORMATS.contains(&package.as_str())) {
                violations.push(format!(
                    "{name}: must not depend on file formats or the network, but is built with {format}"
                ));
            }
        }
    }
    violations
}

fn is_tensor_library(package: &str) -> bool {
    TENSOR_LIBRARIES
        .iter()
        .any(|library| package.strip_prefix(library).is_some_and(|rest| rest.is_empty() || rest.starts_with('-')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, direct: &[&str], tree: &[&str]) -> Package {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Package { name: name.to_owned(), direct: owned(direct), tree: owned(tree), product: owned(tree) }
    }

    #[test]
    fn edges_of_the_table_pass() {
        let packages = [package("training", &["masks", "models"], &["candle-core"]), package("masks", &[], &["serde"])];
        assert_eq!(check(&packages), Vec::<String>::new());
    }

    #[test]
    fn siblings_never_import_each_other() {
        let packages = [package("pruning", &["unlearning"], &[]), package("unlearning", &["pruning"], &[])];
        let may = "masks, models, names, network, random, samples, training";
        assert_eq!(
            check(&packages),
            [
                format!("pruning: must not depend on unlearning; the crates it may depend on: {may}"),
                format!("unlearning: must not depend on pruning; the crates it may depend on: datasets, {may}"),
            ]
        );
    }

    #[test]
    fn reports_read_the_store_alone() {
        assert_eq!(
            check(&[package("reports", &["run-store", "experiment"], &[])]),
            [
                "reports: must not depend on experiment; the crates it may depend on: files, masks, metrics, mia-eval, run-store, \
                 score-files"
            ]
        );
    }

    #[test]
    fn a_new_crate_needs_a_line() {
        assert_eq!(
            check(&[package("helpers", &[], &[])]),
            ["helpers: no line in the table of allowed edges, xtask/src/tidy/edges.rs"]
        );
    }

    #[test]
    fn a_tensor_library_is_found_behind_other_crates() {
        for &name in WITHOUT_TENSOR_LIBRARY {
            let found = check(&[package(name, &[], &["rand", "candle-core", "candlelight"])]);
            assert_eq!(found, [format!("{name}: must not depend on a tensor library, but is built with candle-core")]);
        }
    }

    #[test]
    fn a_format_is_found_behind_other_crates() {
        for &name in WITHOUT_FORMATS {
            let found = check(&[package(name, &[], &["rand", "parquet", "zip-but-not-quite"])]);
            assert_eq!(
                found,
                [format!("{name}: must not depend on file formats or the network, but is built with parquet")]
            );
        }
    }

    #[test]
    fn the_table_names_only_crates_it_has_lines_for() {
        let lines: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
        assert_eq!(lines.len(), ALLOWED.len(), "a crate has two lines");
        let unknown: Vec<_> = ALLOWED.iter().flat_map(|(_, to)| *to).filter(|to| !lines.contains(*to)).collect();
        assert!(unknown.is_empty(), "{unknown:?}");
    }

    /// Cargo resolves real trees. The check proves something only if `network` is seen to depend on Candle.
    #[test]
    fn the_tree_reaches_candle_from_network() -> Result<()> {
        let packages = packages(&crate::workspace::metadata(&crate::workspace::root()?)?)?;
        let network = packages.iter().find(|package| package.name == "network").context("no network crate")?;
        assert!(network.tree.iter().any(|name| is_tensor_library(name)));
        assert!(network.direct.contains("kernels"));
        Ok(())
    }

    /// Likewise, `datasets` must be seen to depend on its formats, and `training` not to depend on what its tests and
    /// candle-core bring.
    #[test]
    fn the_product_reaches_formats_from_datasets_and_not_what_tests_and_candle_bring() -> Result<()> {
        let packages = packages(&crate::workspace::metadata(&crate::workspace::root()?)?)?;
        let of = |name: &str| packages.iter().find(|package| package.name == name).context("no such crate");
        let datasets = of("datasets")?;
        for format in FORMATS.iter().filter(|format| **format != "unlearn-datasets") {
            assert!(datasets.product.contains(*format), "{format}");
        }
        let training = of("training")?;
        assert!(training.tree.contains("zip") && training.product.contains("candle-core"));
        Ok(())
    }
}
