//! `release`: what a release consists of. Nothing is published: that is left to a person.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{licences, process, wheel, workspace, workspace::files};

/// Make a release for this machine's platform: an archive with the program, completions and manual pages, a wheel, the
/// packages of all crates, a list of what the program is made of (SBOM), and checksums. Then unpack the archive
/// elsewhere and try it.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Make everything and publish nothing. It is required, because publishing is not automated.
    #[arg(long, required = true)]
    dry_run: bool,
    /// The folder to make [default: target/release-files].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out the packages for crates.io, whose check builds every crate again.
    #[arg(long)]
    without_packages: bool,
    /// Cargo's profile. With `dev`, the recipe is tried on the program that `cargo build` made.
    #[arg(long, value_name = "NAME", default_value = "release")]
    profile: String,
}

const SHELLS: [(&str, &str); 5] = [
    ("bash", "unlearn.bash"),
    ("zsh", "_unlearn"),
    ("fish", "unlearn.fish"),
    ("powershell", "unlearn.ps1"),
    ("elvish", "unlearn.elv"),
];

/// Commands that read completions without running them, where they are installed.
const READ_BY: [(&str, &str); 3] =
    [("bash", "completions/unlearn.bash"), ("zsh", "completions/_unlearn"), ("fish", "completions/unlearn.fish")];

/// The checksums of all files, in the form of `sha256sum`.
const SUMS: &str = "SHA256SUMS";

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let out = args.out.clone().unwrap_or_else(|| target.join("release-files"));
    let name = archive(&root, &args.profile, &out)?;
    let wheels = wheel::Args { out: Some(target.join("wheels")), profile: args.profile.clone() };
    let wheel = wheel::make(&wheels, &wheel::Tools::find()?)?;
    let copy = out.join(wheel.path.file_name().context("a wheel has a name")?);
    fs::copy(&wheel.path, &copy).with_context(|| format!("failed to copy {}", wheel.path.display()))?;
    check_components(&serde_json::from_str(&wheel.components).context("the list in the wheel is no JSON")?)?;
    let list = out.join(format!("{name}.cdx.json"));
    fs::write(&list, wheel.components).with_context(|| format!("failed to write {}", list.display()))?;
    if !args.without_packages {
        packages(&root, &out)?;
    }
    sums(&out)?;
    try_out(&out, &name)?;
    say!("{}: made and tried; nothing was published", out.display());
    Ok(0)
}

/// For `ci`: makes and tries the archive of the program that was built before.
pub(crate) fn check() -> Result<u8> {
    let root = workspace::root()?;
    let out = workspace::target(&root)?.join("ci/release");
    let name = archive(&root, "dev", &out)?;
    sums(&out)?;
    try_out(&out, &name)?;
    Ok(0)
}

/// Builds the program and makes the archive in an empty folder. Returns the archive's name without `.tar.gz`.
fn archive(root: &Path, profile: &str, out: &Path) -> Result<String> {
    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("failed to clear {}", out.display()))?;
    }
    fs::create_dir_all(out).with_context(|| format!("failed to make {}", out.display()))?;
    let build = ["build", "--profile", profile, "--locked", "--package", "unlearn-cli"];
    process::succeed(&mut process::cargo(root, &build))?;
    // The profile `dev` has another folder.
    let built = workspace::target(root)?.join(if profile == "dev" { "debug" } else { profile }).join("unlearn");
    let name = format!("unlearn-{}-{}", version(root)?, host(root)?);
    let folder = out.join(&name);
    fill(root, &built, &folder)?;
    // What is only tried here need not be small.
    let level = if profile == "release" { Compression::best() } else { Compression::fast() };
    pack(&folder, &out.join(format!("{name}.tar.gz")), level)?;
    fs::remove_dir_all(&folder)?;
    Ok(name)
}

/// Fills the folder of the archive.
fn fill(root: &Path, program: &Path, folder: &Path) -> Result<()> {
    let (completions, man) = (folder.join("completions"), folder.join("man"));
    fs::create_dir_all(&completions).with_context(|| format!("failed to make {}", completions.display()))?;
    fs::copy(program, folder.join("unlearn")).with_context(|| format!("failed to copy {}", program.display()))?;
    let texts = licences::PROGRAM.iter().map(|name| Path::new(licences::PROGRAM_FOLDER).join(name));
    for file in ["README.md", "configs/defaults.toml"].into_iter().map(PathBuf::from).chain(texts) {
        let path = root.join(&file);
        let name = path.file_name().context("a file has a name")?;
        fs::copy(&path, folder.join(name)).with_context(|| format!("failed to copy {}", path.display()))?;
    }
    for (shell, file) in SHELLS {
        let output = Command::new(program).args(["completions", shell]).output()?;
        ensure!(output.status.success() && !output.stdout.is_empty(), "no completions for {shell}");
        fs::write(completions.join(file), output.stdout)?;
    }
    process::succeed(Command::new(program).arg("manual").arg("--out").arg(&man))
}

/// Packs a folder. Equal content gives equal bytes.
fn pack(folder: &Path, archive: &Path, level: Compression) -> Result<()> {
    let file = File::create(archive).with_context(|| format!("failed to make {}", archive.display()))?;
    let mut tar = tar::Builder::new(GzEncoder::new(file, level));
    tar.mode(tar::HeaderMode::Deterministic);
    let top = Path::new(folder.file_name().context("a folder has a name")?);
    for (within, path) in files(folder)? {
        tar.append_path_with_name(path, top.join(within))?;
    }
    tar.into_inner()?.finish()?;
    Ok(())
}

/// Makes the packages of all crates, with the check that each can be built from its package, and copies them.
fn packages(root: &Path, out: &Path) -> Result<()> {
    let target = workspace::target(root)?;
    let made = target.join("package");
    if made.exists() {
        fs::remove_dir_all(&made).with_context(|| format!("failed to clear {}", made.display()))?;
    }
    process::succeed(&mut process::cargo(
        root,
        &[
            "package",
            "--workspace",
            "--exclude",
            "xtask",
            "--exclude",
            "unlearn-features",
            "--exclude",
            "unlearn-readme",
            "--locked",
        ],
    ))?;
    let folder = out.join("crates");
    fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
    for entry in fs::read_dir(&made).with_context(|| format!("failed to list {}", made.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "crate") {
            let copy = folder.join(path.file_name().context("a package has a name")?);
            fs::copy(&path, &copy)?;
            check_package(root, &copy)?;
        }
    }
    Ok(())
}

/// A package must hold what whoever passes it on must pass on.
fn check_package(root: &Path, package: &Path) -> Result<()> {
    let place = tempfile::tempdir()?;
    unpack(package, place.path())?;
    // A package's files are in a folder of its name.
    let folder = place.path().join(package.file_stem().context("a package has a name")?);
    licences::check(&package.display().to_string(), licences::PROJECT, root, &folder)
}

/// Unpacks a `.tar.gz`, or a package, which is one.
fn unpack(archive: &Path, to: &Path) -> Result<()> {
    let file = File::open(archive).with_context(|| format!("failed to open {}", archive.display()))?;
    let unpacked = tar::Archive::new(GzDecoder::new(file)).unpack(to);
    unpacked.with_context(|| format!("failed to unpack {}", archive.display()))
}

/// A list of components is of use only if it is in the known form, and names versions and licences.
fn check_components(bom: &Value) -> Result<()> {
    ensure!(bom["bomFormat"] == "CycloneDX", "the list is not in the form of CycloneDX");
    let components = bom["components"].as_array().context("the list has no components")?;
    ensure!(components.len() > 50, "the list has only {} components", components.len());
    for component in components {
        let name = component["name"].as_str().context("a component has no name")?;
        ensure!(component["version"].is_string(), "the component {name} has no version");
        ensure!(component["licenses"].is_array(), "the component {name} has no licence");
    }
    Ok(())
}

/// Writes the checksum of every file, in the form that `sha256sum --check` reads.
fn sums(folder: &Path) -> Result<()> {
    let mut lines = String::new();
    for (within, path) in files(folder)? {
        let bytes = fs::read(&path).with_context(|| format!("failed to read {}", path.display()))?;
        for byte in Sha256::digest(bytes) {
            write!(lines, "{byte:02x}")?;
        }
        writeln!(lines, "  {}", within.display())?;
    }
    fs::write(folder.join(SUMS), lines)?;
    Ok(())
}

/// Does what a user does: checks the sums, unpacks the archive outside of the project, lets the shells and the readers of
/// manual pages that are installed read theirs, and runs the program.
fn try_out(out: &Path, name: &str) -> Result<()> {
    process::succeed(Command::new("sha256sum").args(["--check", "--quiet", SUMS]).current_dir(out))?;
    let place = tempfile::Builder::new().prefix("unlearn-release-").tempdir()?;
    let archive = out.join(format!("{name}.tar.gz"));
    unpack(&archive, place.path())?;
    let folder = place.path().join(name);
    let texts = workspace::root()?.join(licences::PROGRAM_FOLDER);
    licences::check(&archive.display().to_string(), licences::PROGRAM, &texts, &folder)?;
    for (shell, file) in READ_BY {
        where_installed(shell, Command::new(shell).arg("-n").arg(folder.join(file)))?;
    }
    let pages = files(&folder.join("man"))?;
    ensure!(pages.iter().any(|(page, _)| page == Path::new("unlearn.1")), "the manual has no page unlearn.1");
    for (page, path) in &pages {
        let mut man = Command::new("man");
        // Warnings go to standard error; the page itself is not wanted.
        man.args(["--warnings", "--local-file"]).arg(path).env("MANROFFOPT", "-ww").env("MANPAGER", "cat");
        where_installed("man", &mut man).with_context(|| format!("the page {}", page.display()))?;
    }
    let version = Command::new(folder.join("unlearn")).arg("--version").current_dir(&folder).output()?;
    ensure!(version.status.success(), "the program in the archive did not start");
    say!("{}: unpacked and run: {}", archive.display(), String::from_utf8_lossy(&version.stdout).trim());
    Ok(())
}

/// Runs a command whose program may be missing here. It must print nothing to standard error.
fn where_installed(program: &str, command: &mut Command) -> Result<()> {
    // A locale that is not installed is no fault of what is read.
    let output = match command.env("LC_ALL", "C.UTF-8").stdin(Stdio::null()).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            note!("no {program} here; what it would read is not checked");
            return Ok(());
        }
        Err(error) => return Err(error).with_context(|| format!("failed to start {program}")),
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && errors.is_empty(), "{program} complains: {errors}");
    Ok(())
}

/// The version of the program.
fn version(root: &Path) -> Result<String> {
    let metadata = workspace::metadata(root)?;
    let package = metadata.workspace_packages().into_iter().find(|package| package.name == "unlearn-cli");
    Ok(package.context("no package unlearn-cli")?.version.to_string())
}

/// The platform that the compiler builds for.
fn host(root: &Path) -> Result<String> {
    let output = Command::new("rustc").arg("-vV").current_dir(root).output().context("failed to start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_components_without_versions_or_licences_is_refused() {
        let list = |component: Value| {
            let components = vec![component; 60];
            check_components(&serde_json::json!({ "bomFormat": "CycloneDX", "components": components }))
        };
        let licences = serde_json::json!([{ "expression": "MIT" }]);
        assert!(list(serde_json::json!({ "name": "a", "version": "1", "licenses": licences })).is_ok());
        let refusal = |component: Value| list(component).unwrap_err().to_string();
        assert_eq!(refusal(serde_json::json!({ "name": "a", "licenses": licences })), "the component a has no version");
        assert_eq!(refusal(serde_json::json!({ "name": "a", "version": "1" })), "the component a has no licence");
        assert!(check_components(&serde_json::json!({ "bomFormat": "CycloneDX", "components": [] })).is_err());
        assert!(check_components(&serde_json::json!({ "spdxVersion": "SPDX-2.3" })).is_err());
    }

    #[test]
    fn a_package_without_its_licences_is_refused() -> Result<()> {
        let root = workspace::root()?;
        let place = tempfile::tempdir()?;
        let folder = place.path().join("unlearn-x-0.1.0");
        fs::create_dir(&folder)?;
        fs::copy(root.join("LICENSE-MIT"), folder.join("LICENSE-MIT"))?;
        let package = place.path().join("unlearn-x-0.1.0.crate");
        pack(&folder, &package, Compression::fast())?;
        let refusal = check_package(&root, &package).unwrap_err().to_string();
        assert_eq!(refusal, format!("{} lacks licences: no LICENSE-APACHE", package.display()));
        fs::copy(root.join("LICENSE-APACHE"), folder.join("LICENSE-APACHE"))?;
        pack(&folder, &package, Compression::fast())?;
        check_package(&root, &package)
    }

    #[test]
    fn what_a_reader_complains_of_is_an_error_and_a_missing_reader_is_not() {
        let run = |script: &str| where_installed("sh", Command::new("sh").args(["-c", script]));
        assert!(run("echo fine").is_ok());
        assert_eq!(run("echo bad >&2").unwrap_err().to_string(), "sh complains: bad\n");
        assert!(run("exit 1").is_err());
        assert!(where_installed("none", &mut Command::new("no-such-program-here")).is_ok());
    }

    #[test]
    fn an_archive_is_the_same_each_time_and_its_sums_check() -> Result<()> {
        let place = tempfile::tempdir()?;
        let folder = place.path().join("unlearn-1");
        fs::create_dir_all(folder.join("man"))?;
        fs::write(folder.join("unlearn"), "program")?;
        fs::write(folder.join("man/unlearn.1"), "page")?;
        let out = place.path().join("out");
        fs::create_dir(&out)?;
        pack(&folder, &out.join("a.tar.gz"), Compression::best())?;
        pack(&folder, &out.join("b.tar.gz"), Compression::best())?;
        assert_eq!(fs::read(out.join("a.tar.gz"))?, fs::read(out.join("b.tar.gz"))?);
        sums(&out)?;
        let text = fs::read_to_string(out.join(SUMS))?;
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.split("  ").next().is_some_and(|sum| sum.len() == 64)), "{text}");
        let status = Command::new("sha256sum").args(["--check", "--quiet", SUMS]).current_dir(&out).status()?;
        assert!(status.success());
        fs::write(out.join("a.tar.gz"), "damaged")?;
        let status = Command::new("sha256sum").args(["--check", "--status", SUMS]).current_dir(&out).status()?;
        assert!(!status.success());
        Ok(())
    }
}
