//! `release`: what a release consists of. Nothing is published: that is left to a person.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use crate::{process, tools::CYCLONEDX, wheel, workspace};

/// Make a release for this machine's platform: an archive with the program, completions and manual pages, a wheel, the
/// packages of all crates, a list of what the program is made of (SBOM), and checksums.
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
}

const SHELLS: [(&str, &str); 5] = [
    ("bash", "unlearn.bash"),
    ("zsh", "_unlearn"),
    ("fish", "unlearn.fish"),
    ("powershell", "unlearn.ps1"),
    ("elvish", "unlearn.elv"),
];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let out = args.out.clone().unwrap_or_else(|| target.join("release-files"));
    if out.exists() {
        fs::remove_dir_all(&out).with_context(|| format!("failed to clear {}", out.display()))?;
    }
    fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    process::succeed(&mut process::cargo(&root, &["build", "--release", "--locked", "--package", "unlearn-cli"]))?;
    let program = target.join("release/unlearn");
    let name = format!("unlearn-{}-{}", version(&root)?, host(&root)?);
    let folder = out.join(&name);
    fill(&root, &program, &folder)?;
    pack(&folder, &out.join(format!("{name}.tar.gz")))?;
    fs::remove_dir_all(&folder)?;
    sbom(&root, &out.join(format!("{name}.cdx.json")))?;
    ensure!(wheel::run(&wheel::Args { out: Some(target.join("wheels")) })? == 0, "the wheel failed");
    for entry in fs::read_dir(target.join("wheels"))? {
        let path = entry?.path();
        fs::copy(&path, out.join(path.file_name().context("a wheel has a name")?))?;
    }
    if !args.without_packages {
        process::succeed(&mut process::cargo(&root, &["package", "--workspace", "--locked"]))?;
    }
    sums(&out)?;
    say!("{}: made; nothing was published", out.display());
    Ok(0)
}

/// Fills the folder of the archive.
fn fill(root: &Path, program: &Path, folder: &Path) -> Result<()> {
    let (completions, man) = (folder.join("completions"), folder.join("man"));
    fs::create_dir_all(&completions).with_context(|| format!("failed to make {}", completions.display()))?;
    fs::copy(program, folder.join("unlearn")).with_context(|| format!("failed to copy {}", program.display()))?;
    for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "configs/defaults.toml"] {
        let path = root.join(file);
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
fn pack(folder: &Path, archive: &Path) -> Result<()> {
    let file = File::create(archive).with_context(|| format!("failed to make {}", archive.display()))?;
    let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::best()));
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_dir_all(folder.file_name().context("a folder has a name")?, folder)?;
    tar.into_inner()?.finish()?;
    Ok(())
}

/// Writes what the program is made of, in the form of `CycloneDX`.
fn sbom(root: &Path, out: &Path) -> Result<()> {
    let manifest = root.join("crates/unlearn-cli/Cargo.toml");
    let mut tool = CYCLONEDX.command()?;
    tool.args(["cyclonedx", "--format", "json", "--override-filename", "sbom", "--manifest-path"]).arg(&manifest);
    process::succeed(&mut tool)?;
    for package in workspace::metadata(root)?.workspace_packages() {
        let made = package.manifest_path.with_file_name("sbom.json");
        if package.name == "unlearn-cli" {
            fs::copy(&made, out).with_context(|| format!("failed to copy {made}"))?;
        }
        // The tool writes one for each crate of the workspace, beside its manifest.
        let _ = fs::remove_file(&made);
    }
    Ok(())
}

/// Writes the checksum of every file, in the form that `sha256sum --check` reads.
fn sums(folder: &Path) -> Result<()> {
    let mut names: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    names.sort();
    let mut lines = String::new();
    for path in names {
        let name = path.file_name().context("a file has a name")?.to_string_lossy();
        for byte in Sha256::digest(fs::read(&path)?) {
            write!(lines, "{byte:02x}")?;
        }
        writeln!(lines, "  {name}")?;
    }
    fs::write(folder.join("SHA256SUMS"), lines)?;
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
    fn an_archive_is_the_same_each_time_and_its_sums_check() -> Result<()> {
        let place = tempfile::tempdir()?;
        let folder = place.path().join("unlearn-1");
        fs::create_dir_all(folder.join("man"))?;
        fs::write(folder.join("unlearn"), "program")?;
        fs::write(folder.join("man/unlearn.1"), "page")?;
        let out = place.path().join("out");
        fs::create_dir(&out)?;
        pack(&folder, &out.join("a.tar.gz"))?;
        pack(&folder, &out.join("b.tar.gz"))?;
        assert_eq!(fs::read(out.join("a.tar.gz"))?, fs::read(out.join("b.tar.gz"))?);
        sums(&out)?;
        let text = fs::read_to_string(out.join("SHA256SUMS"))?;
        assert_eq!(text.lines().count(), 2);
        assert!(text.lines().all(|line| line.split("  ").next().is_some_and(|sum| sum.len() == 64)), "{text}");
        let status = Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&out).status()?;
        assert!(status.success());
        fs::write(out.join("a.tar.gz"), "damaged")?;
        let status =
            Command::new("sha256sum").args(["--check", "--status", "SHA256SUMS"]).current_dir(&out).status()?;
        assert!(!status.success());
        Ok(())
    }
}
