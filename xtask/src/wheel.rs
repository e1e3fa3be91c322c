//! `wheel`: a Python wheel with the program inside, built by maturin, and installed to try it out.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    licences, process,
    tools::{MATURIN, WHEEL},
    venv::Venv,
    workspace,
};

/// Build a Python wheel that holds the program, install it in an empty environment, and run it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder for the wheel [default: target/wheels].
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Cargo's profile. With `dev`, the wheel holds the program that `cargo build` made, and nothing is built again.
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub(crate) profile: String,
}

/// A suite of a second: one model that learns from 100 images, and forgets a class.
const SUITE: &str = r#"
[suite]
name = "tried"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 100

[model]
arch = "resnet8s"

[train]
epochs = 1

[[prune]]
method = "none"

[[forget]]
kind = "class"
class = 0

[[unlearn]]
method = "ft"
epochs = 1
"#;

/// The programs that make a wheel.
pub(crate) struct Tools {
    maturin: PathBuf,
    wheel: PathBuf,
}

impl Tools {
    pub(crate) fn find() -> Result<Self> {
        Ok(Self { maturin: MATURIN.command()?, wheel: WHEEL.command()? })
    }
}

/// A wheel that was made and tried.
pub(crate) struct Wheel {
    /// The file.
    pub(crate) path: PathBuf,
    /// What the program in it is made of, in the form of `CycloneDX`.
    pub(crate) components: String,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    make(args, &Tools::find()?)?;
    Ok(0)
}

/// As [`run`], for `ci`: builds nothing again. None if the tools are neither here nor to be had.
pub(crate) fn check() -> Result<Option<u8>> {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(error) => {
            note!("warning: {error:#}; the wheel is left out");
            return Ok(None);
        }
    };
    let out = workspace::target(&workspace::root()?)?.join("ci/wheels");
    make(&Args { out: Some(out), profile: "dev".to_owned() }, &tools)?;
    Ok(Some(0))
}

/// Makes the wheel and tries it.
pub(crate) fn make(args: &Args, tools: &Tools) -> Result<Wheel> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let out = args.out.clone().unwrap_or_else(|| target.join("wheels"));
    if out.exists() {
        // Wheels of earlier versions must not be installed in place of this one.
        fs::remove_dir_all(&out).with_context(|| format!("failed to clear {}", out.display()))?;
    }
    let place = tempfile::Builder::new().prefix("unlearn-wheel-").tempdir()?;
    let (built, unpacked) = (place.path().join("built"), place.path().join("unpacked"));
    let mut build = Command::new(&tools.maturin);
    build.args(["build", "--locked", "--profile", &args.profile, "--manifest-path"]);
    build.arg(root.join("crates/unlearn-cli/Cargo.toml")).arg("--out").arg(&built).current_dir(&root);
    if args.profile != "release" {
        // The program as Cargo linked it: stripping would link it once more. It is tried here and goes nowhere.
        build.args(["--strip", "false", "--compatibility", "linux", "--compression-method", "stored"]);
    }
    process::succeed(&mut build)?;
    process::succeed(Command::new(&tools.wheel).args(["unpack", "--dest"]).arg(&unpacked).arg(only(&built, "")?))?;
    let content = only(&unpacked, "")?;
    let info = only(&content, ".dist-info")?;
    let components = forget_place(&only(&info.join("sboms"), ".cyclonedx.json")?, &places(&root)?)?;
    check_info(&info, &root, &places(&root)?)?;
    fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    let mut pack = Command::new(&tools.wheel);
    pack.args(["pack", "--dest-dir"]).arg(&out).arg(&content);
    process::succeed(&mut pack)?;
    let path = only(&out, ".whl")?;
    let version = try_out(&path)?;
    let size = fs::metadata(&path)?.len() as f64 / f64::from(1 << 20);
    say!("{}: {size:.1} MiB, installed and run: {version}", path.display());
    Ok(Wheel { path, components })
}

/// The one entry of a folder whose name has this ending.
fn only(folder: &Path, ending: &str) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    let [entry] = &found[..] else {
        anyhow::bail!("{} should hold one `*{ending}`, and holds {found:?}", folder.display())
    };
    Ok(entry.clone())
}

/// How a file may name the folder of the workspace: as a path, and as in a URL, where some characters are encoded.
fn places(root: &Path) -> Result<[String; 2]> {
    let metadata = workspace::metadata(root)?;
    let mut ids = metadata.workspace_members.iter().map(|id| &id.repr);
    let url = ids.find_map(|id| id.strip_prefix("path+file://")?.split_once("/xtask#").map(|(url, _)| url.to_owned()));
    Ok([root.to_string_lossy().into_owned(), url.context("Cargo names no package `xtask` by its path")?])
}

/// Takes the place of the build out of a file, and returns what is left. maturin writes it into its list of components
/// and has no setting for that.
fn forget_place(file: &Path, places: &[String]) -> Result<String> {
    let mut text = fs::read_to_string(file).with_context(|| format!("failed to read {}", file.display()))?;
    for place in places {
        text = text.replace(&format!("file://{place}/"), "file:///");
    }
    fs::write(file, &text).with_context(|| format!("failed to write {}", file.display()))?;
    Ok(text)
}

/// Whether a text names a folder. `https://example.org/io` does not name `/io`, and neither does `/iota`.
fn names(text: &str, folder: &str) -> bool {
    text.match_indices(folder).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + folder.len()..]);
        !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric)
    })
}

/// Checks what a wheel says of itself, in `.dist-info`: it holds the licences, and names no place of the build.
fn check_info(info: &Path, root: &Path, places: &[String]) -> Result<()> {
    licences::check("the wheel", licences::PROGRAM, &root.join(licences::PROGRAM_FOLDER), &info.join("licenses"))?;
    for (within, path) in workspace::files(info)? {
        let text = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let text = String::from_utf8_lossy(&text);
        ensure!(
            !places.iter().any(|place| names(&text, place)),
            "the wheel's {} names {}, where it was built",
            within.display(),
            root.display()
        );
    }
    Ok(())
}

/// Installs a wheel in an environment that is outside of the project and holds nothing else, runs the program there as a
/// user would, and returns what `--version` prints.
fn try_out(wheel: &Path) -> Result<String> {
    let place = tempfile::Builder::new().prefix("unlearn-wheel-").tempdir()?;
    // Nothing is fetched: the wheel needs no other package.
    let venv = Venv::with(place.path().join("venv"), &[Path::new("--no-index"), wheel])?;
    let unlearn = |args: &[&str]| -> Result<String> {
        let mut command = venv.program("unlearn");
        command.args(args).current_dir(place.path());
        // The program must not depend on what the task runner's environment says.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("UNLEARN_")) {
            command.env_remove(name);
        }
        let output = command.output().context("the installed `unlearn` did not start")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the installed `unlearn {}` failed: {errors}", args.join(" "));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let printed = |args: &[&str], words: &str| -> Result<String> {
        let text = unlearn(args)?;
        ensure!(text.contains(words), "the installed `unlearn {}` does not print {words:?}: {text}", args.join(" "));
        Ok(text)
    };
    let version = printed(&["--version"], "unlearn ")?;
    printed(&["--help"], "Usage: unlearn")?;
    printed(&["methods"], "retrain")?;
    printed(&["datasets", "describe", "fashion-mnist-mini"], "fashion-mnist-mini")?;
    fs::write(place.path().join("tried.toml"), SUITE)?;
    unlearn(&["run", "tried.toml", "--out", "results", "--runs", "runs"])?;
    let table = place.path().join("results/table.md");
    let text = fs::read_to_string(&table).with_context(|| format!("the suite left no {}", table.display()))?;
    ensure!(text.contains("| ft "), "the suite's table has no row of `ft`:\n{text}");
    Ok(version.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_that_names_the_place_of_its_build_or_lacks_a_licence_is_refused() -> Result<()> {
        let root = workspace::root()?;
        let places = ["/home/a builder/unlearn".to_owned(), "/home/a%20builder/unlearn".to_owned()];
        let place = tempfile::tempdir()?;
        let (info, sboms) = (place.path(), place.path().join("sboms"));
        fs::create_dir(info.join("licenses"))?;
        fs::create_dir(&sboms)?;
        fs::write(info.join("METADATA"), "Name: unlearn-cli")?;
        let refusal = || check_info(info, &root, &places).map_err(|error| error.to_string());
        for name in licences::PROGRAM {
            assert!(refusal().is_err_and(|error| error.contains(&format!("no {name}"))), "{name}");
            fs::copy(root.join(licences::PROGRAM_FOLDER).join(name), info.join("licenses").join(name))?;
        }
        assert_eq!(refusal(), Ok(()));
        let list = sboms.join("unlearn-cli.cyclonedx.json");
        fs::write(&list, r#"{ "bom-ref": "path+file:///home/a%20builder/unlearn/crates/masks#0.1.0" }"#)?;
        let named =
            format!("the wheel's sboms/unlearn-cli.cyclonedx.json names {}, where it was built", root.display());
        assert_eq!(refusal(), Err(named));
        assert_eq!(forget_place(&list, &places)?, r#"{ "bom-ref": "path+file:///crates/masks#0.1.0" }"#);
        assert_eq!(refusal(), Ok(()));
        fs::write(info.join("METADATA"), "Source: /home/a builder/unlearn")?;
        assert!(refusal().is_err_and(|error| error.starts_with("the wheel's METADATA names")));
        Ok(())
    }

    #[test]
    fn a_short_folder_is_not_found_in_other_names() {
        for text in ["path+file:///io/crates", "\"/io\"", "/io"] {
            assert!(names(text, "/io"), "{text}");
        }
        for text in ["https://example.org/io/", "/iota", "io"] {
            assert!(!names(text, "/io"), "{text}");
        }
    }

    #[test]
    fn the_workspace_is_known_as_a_path_and_as_a_url() -> Result<()> {
        let place = tempfile::Builder::new().prefix("a b").tempdir()?;
        let root = place.path().canonicalize()?;
        let package = root.join("xtask");
        fs::create_dir_all(package.join("src"))?;
        fs::write(package.join("src/lib.rs"), "")?;
        fs::write(package.join("Cargo.toml"), "[package]\nname = \"xtask\"\n")?;
        fs::write(root.join("Cargo.toml"), "[workspace]\nmembers = [\"xtask\"]\n")?;
        let path = root.to_string_lossy().into_owned();
        assert_eq!(places(&root)?, [path.clone(), path.replace(' ', "%20")]);
        Ok(())
    }
}
