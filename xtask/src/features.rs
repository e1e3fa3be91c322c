//! `features`: whether tests of each crate compile third-party crates with the features that they have in the command
//! line, and a build of the whole workspace its own crates.
//!
//! If they do not, a build of the command line after a test or after that build compiles these crates, and all that
//! stand on them, once more.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};

use crate::{process, workspace};

/// Check that tests of every crate share compiled third-party crates with the command line, and the whole workspace its
/// own crates.
#[derive(clap::Args)]
pub(crate) struct Args {}

/// The manifest that asks for the features of the command line.
const MANIFEST: &str = "tests/features/Cargo.toml";

/// The crates whose features are compared.
#[derive(Clone, Copy, PartialEq)]
enum Crates {
    /// Those of the workspace.
    Own,
    ThirdParty,
}

/// The features with which each crate, `name version`, is compiled. There are several if procedural macros or
/// build scripts have their own.
type Features = BTreeMap<String, BTreeSet<BTreeSet<String>>>;

pub(crate) fn run(_: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let command_line = tree(&["--package", "unlearn-cli", "--edges", "normal"])?;
    let wanted = features(&command_line, Crates::ThirdParty);
    // A tree without crates would agree with everything.
    ensure!(wanted.len() > 100, "the command line stands on only {} third-party crates", wanted.len());
    let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut selections = 0;
    for package in workspace::metadata(&root)?.workspace_packages() {
        selections += 1;
        let found = features(&tree(&["--package", &package.name, "--edges", "normal,dev"])?, Crates::ThirdParty);
        for difference in differences(&wanted, &found) {
            differing.entry(difference).or_default().push(package.name.to_string());
        }
    }
    for (difference, packages) in &differing {
        say!("{difference}: tests of {}", packages.join(", "));
    }
    if differing.is_empty() {
        say!("tests of {selections} crates share {} third-party crates with the command line", wanted.len());
    } else {
        say!(
            "tests compile these crates again; write their features into {MANIFEST}, or, if a crate of the workspace asks \
             for what the command line does not, into the workspace's Cargo.toml"
        );
    }
    let own = features(&command_line, Crates::Own);
    let built = features(&tree(&["--workspace", "--edges", "normal,dev"])?, Crates::Own);
    let differing_own = differences(&own, &built);
    for difference in &differing_own {
        say!("{difference}: a build of the workspace");
    }
    if differing_own.is_empty() {
        say!("a build of the workspace shares {} crates of its own with the command line", own.len());
    } else {
        say!(
            "the command line, built alone, compiles these crates again; ask for their features in its `default` ones"
        );
    }
    Ok(u8::from(!differing.is_empty() || !differing_own.is_empty()))
}

/// What `cargo tree` prints for a selection of crates.
fn tree(selection: &[&str]) -> Result<String> {
    let root = workspace::root()?;
    let args = ["tree", "--locked", "--quiet", "--prefix", "none", "--format", "{p}|{f}"];
    let output = process::cargo(&root, &args).args(selection).output().context("failed to start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo tree {}` failed: {errors}", selection.join(" "));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Reads lines `name v1.2.3|feature,feature`. Crates of the workspace have a path.
fn features(tree: &str, crates: Crates) -> Features {
    let mut all = Features::new();
    for line in tree.lines() {
        let Some((package, features)) = line.split_once('|') else { continue };
        // A crate that was listed before ends in `(*)`.
        let features = features.trim_end_matches("(*)").trim();
        let package = package.trim_end_matches(" (proc-macro)");
        let (package, found) = match package.split_once(" (") {
            Some((package, _path)) => (package, Crates::Own),
            None => (package, Crates::ThirdParty),
        };
        if found == crates {
            let features = features.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            all.entry(package.replace(" v", " ")).or_default().insert(features);
        }
    }
    all
}

/// Crates of both that have other features in `found`.
fn differences(wanted: &Features, found: &Features) -> Vec<String> {
    let mut differences = Vec::new();
    for (package, variants) in found {
        let Some(known) = wanted.get(package) else { continue };
        let Some(most) = known.iter().max_by_key(|features| features.len()) else { continue };
        for features in variants.difference(known) {
            let list = |names: Vec<&String>| names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
            let lacking = list(most.difference(features).collect());
            let more = list(features.difference(most).collect());
            differences.push(match (lacking.as_str(), more.as_str()) {
                (lacking, "") => format!("{package} lacks {lacking}"),
                ("", more) => format!("{package} has {more} too"),
                (lacking, more) => format!("{package} lacks {lacking} and has {more} too"),
            });
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "unlearn-cli v0.1.0 (/x/crates/unlearn-cli)|default\nserde v1.0.1|alloc,derive,std\n\
                          serde_derive v1.0.1 (proc-macro)|default\nlibm v0.2.1|\nserde v1.0.1|alloc,derive,std (*)\n";

    #[test]
    fn equal_features_and_crates_of_one_side_pass() {
        let wanted = features(WANTED, Crates::ThirdParty);
        assert_eq!(wanted.len(), 3);
        let found = features(
            "serde v1.0.1|std,derive,alloc\nserde v0.9.0|\ntempfile v3.0.0|default\nlibm v0.2.1|\n",
            Crates::ThirdParty,
        );
        assert_eq!(differences(&wanted, &found), Vec::<String>::new());
    }

    #[test]
    fn missing_and_further_features_are_named() {
        let found = features(
            "serde v1.0.1|derive,rc\nserde_derive v1.0.1 (proc-macro)|\nlibm v0.2.1|arch (*)\n",
            Crates::ThirdParty,
        );
        assert_eq!(
            differences(&features(WANTED, Crates::ThirdParty), &found),
            [
                "libm 0.2.1 has arch too",
                "serde 1.0.1 lacks alloc, std and has rc too",
                "serde_derive 1.0.1 lacks default"
            ]
        );
    }

    #[test]
    fn crates_of_the_workspace_are_compared_by_themselves() {
        let own = |tree: &str| features(tree, Crates::Own);
        assert_eq!(own(WANTED).len(), 1);
        let found = own("unlearn-cli v0.1.0 (/x/crates/unlearn-cli)|candle,default (*)\nserde v1.0.1|rc\n");
        assert_eq!(differences(&own(WANTED), &found), ["unlearn-cli 0.1.0 has candle too"]);
    }
}
