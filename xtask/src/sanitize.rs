//! `sanitize`: runs the tests of the kernels, which hold the workspace's `unsafe` code, under the available memory
//! checkers.
//!
//! Miri interprets the scalar path and checks every rule, but needs a nightly toolchain. `AddressSanitizer` checks
//! the path of this machine's instruction set for accesses out of bounds and after a buffer is freed. Valgrind does
//! so if the toolchain lacks the sanitizer. A tool that is missing is reported and skipped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use crate::{process, workspace};

/// Run the kernels' tests under Miri, and under `AddressSanitizer` or else Valgrind.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only these [default: all].
    #[arg(value_name = "TOOL")]
    tools: Vec<Tool>,
}

#[derive(Debug, Clone, Copy, PartialEq, clap::ValueEnum)]
enum Tool {
    Miri,
    Address,
    Valgrind,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let folder = workspace::target(&root)?.join("sanitize");
    let host = Host::this()?;
    let mut tools = args.tools.clone();
    if tools.is_empty() {
        tools = vec![Tool::Miri, if host.has_address_sanitizer() { Tool::Address } else { Tool::Valgrind }];
    }
    let (mut worst, mut watched) = (0, false);
    for tool in tools {
        if let Some(missing) = tool.missing(&host) {
            note!("{tool:?} skipped: {missing}");
            continue;
        }
        watched = true;
        worst = worst.max(process::run(&mut tool.command(&root, &folder, &host))?);
    }
    ensure!(watched, "no memory checker is installed");
    Ok(worst)
}

impl Tool {
    /// What must be installed first.
    fn missing(self, host: &Host) -> Option<&'static str> {
        let answers = |program: &str, args: &[&str]| {
            let status = Command::new(program).args(args).stdout(Stdio::null()).stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        };
        match self {
            Self::Miri => (!answers("rustup", &["run", "nightly", "cargo", "miri", "--version"]))
                .then_some("`rustup toolchain install nightly --component miri,rust-src`"),
            Self::Address => {
                (!host.has_address_sanitizer()).then_some("the toolchain has no AddressSanitizer for this system")
            }
            Self::Valgrind => (!answers("valgrind", &["--version"])).then_some("install `valgrind`"),
        }
    }

    /// The tests under this tool, with a build folder of their own.
    fn command(self, root: &Path, folder: &Path, host: &Host) -> Command {
        let folder = folder.join(format!("{self:?}").to_lowercase());
        let tests = ["--package", "unlearn-kernels", "--target", &host.triple, "--target-dir"];
        match self {
            Self::Miri => {
                let mut command = Command::new("rustup");
                // Miri is about a thousand times slower, so it runs the tests of public functions only, with one or two
                // cases each.
                command.args(["run", "nightly", "cargo", "miri", "test", "--test", "finite_differences"]).args(tests);
                // The pool's threads outlive `main`, and proptest asks for its folder.
                let flags = "-Zmiri-disable-isolation -Zmiri-ignore-leaks -Zmiri-tree-borrows";
                command.env("MIRIFLAGS", flags).env("PROPTEST_CASES", "2").env("RAYON_NUM_THREADS", "2");
                // These variables belong to the toolchain that runs this program.
                for name in ["CARGO", "RUSTC", "RUSTDOC", "RUSTUP_TOOLCHAIN"] {
                    command.env_remove(name);
                }
                command.arg(folder).current_dir(root);
                command
            }
            Self::Address => {
                let mut command = process::cargo(root, &["test", "--lib", "--tests"]);
                command.args(tests).arg(folder);
                // The stable compiler has the sanitizer, but its option is unstable.
                command.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
                command
            }
            Self::Valgrind => {
                let mut command = process::cargo(root, &["test", "--lib", "--tests"]);
                command.args(tests).arg(folder).env("PROPTEST_CASES", "4");
                let runner = format!("CARGO_TARGET_{}_RUNNER", host.triple.to_uppercase().replace('-', "_"));
                command.env(runner, "valgrind --quiet --error-exitcode=1");
                command
            }
        }
    }
}

/// The compiler's target, and its components.
struct Host {
    triple: String,
    libraries: PathBuf,
}

impl Host {
    fn this() -> Result<Self> {
        let ask = |args: &[&str]| -> Result<String> {
            let output = Command::new("rustc").args(args).output().context("failed to start `rustc`")?;
            String::from_utf8(output.stdout).context("the output of `rustc` is not text")
        };
        let version = ask(&["--version", "--verbose"])?;
        let triple = version.lines().find_map(|line| line.strip_prefix("host: "));
        let triple = triple.with_context(|| format!("`rustc` names no host in `{version}`"))?.to_owned();
        let libraries = ask(&["--print", "target-libdir"])?.trim().into();
        Ok(Self { triple, libraries })
    }

    fn has_address_sanitizer(&self) -> bool {
        let names = fs::read_dir(&self.libraries).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.into_iter().any(|name| name.to_string_lossy().contains("_rt.asan"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_says_what_it_is_built_for() -> Result<()> {
        let host = Host::this()?;
        assert!(host.triple.matches('-').count() >= 2, "{}", host.triple);
        assert!(host.libraries.is_dir(), "{}", host.libraries.display());
        Ok(())
    }

    #[test]
    fn a_sanitizer_is_found_by_its_library() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let host = Host { triple: "x86_64-unknown-linux-gnu".to_owned(), libraries: folder.path().to_owned() };
        assert!(!host.has_address_sanitizer() && Tool::Address.missing(&host).is_some());
        fs::write(folder.path().join("librustc-stable_rt.asan.a"), "")?;
        assert!(host.has_address_sanitizer() && Tool::Address.missing(&host).is_none());
        Ok(())
    }

    #[test]
    fn every_tool_has_its_own_build_and_is_told_the_target() {
        let host = Host { triple: "x86_64-unknown-linux-gnu".to_owned(), libraries: PathBuf::new() };
        for (tool, folder, variable) in [
            (Tool::Miri, "/target/miri", "MIRIFLAGS"),
            (Tool::Address, "/target/address", "RUSTFLAGS"),
            (Tool::Valgrind, "/target/valgrind", "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER"),
        ] {
            let command = tool.command(Path::new("/"), Path::new("/target"), &host);
            let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
            assert!(
                words.ends_with(&["x86_64-unknown-linux-gnu".into(), "--target-dir".into(), folder.into()]),
                "{words:?}"
            );
            assert!(command.get_envs().any(|(name, value)| name == variable && value.is_some()), "{tool:?}");
        }
    }
}
