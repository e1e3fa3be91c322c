//! `build-cuda`: a folder with the program for machines with an NVIDIA GPU, built on a machine without one.
//!
//! The folder holds `unlearn`, `smoke` (the example of `unlearn-training`), `smoke.sh` and the script of the PyTorch peer. CUDA's
//! libraries are linked at run time. They are several hundred MiB, so the folder leaves them out unless asked for, and
//! `smoke.sh` finds those of a PyTorch or of a toolkit on the machine, or says how to fetch them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{cuda_toolkit::Toolkit, process, workspace};

/// Build a folder with the program and a smoke test for machines with an NVIDIA GPU.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to make [default: target/cuda].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The GPUs' compute capability, times ten. Newer GPUs run the same program.
    #[arg(long, default_value = "80", value_name = "CC")]
    compute_cap: String,
    /// Cargo profile.
    #[arg(long, default_value = "release", value_name = "NAME")]
    profile: String,
    /// Put CUDA's libraries into the folder too, for machines with nothing but a driver and no network.
    #[arg(long)]
    with_libraries: bool,
}

/// The libraries that the program is linked with, besides the driver's, and one that another of them opens.
const LIBRARIES: [&str; 5] =
    ["libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libnvrtc.so.13", "libnvrtc-builtins.so.13"];

/// Most MiB of a folder without libraries.
const MOST: f64 = 60.0;

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let target = workspace::target(&root)?;
    let folder = target.join("check-cuda");
    let toolkit = Toolkit::install(&folder)?;
    toolkit.make_linkable()?;
    let selections: [&[&str]; 2] = [
        &["--package", "unlearn-cli", "--bin", "unlearn", "--features", "unlearn-cli/cuda"],
        &["--package", "unlearn-training", "--example", "smoke", "--features", "unlearn-network/cuda"],
    ];
    for selection in selections {
        let mut command = process::cargo(&root, &["build", "--profile", &args.profile]);
        command.args(selection).arg("--target-dir").arg(&folder);
        // Debug information would be most of the folder.
        command.args(["--config", &format!("profile.{}.strip=true", args.profile)]);
        toolkit.serve(&mut command, &args.compute_cap);
        let code = process::run(&mut command)?;
        if code != 0 {
            return Ok(code);
        }
    }
    let out = args.out.clone().unwrap_or_else(|| target.join("cuda"));
    fs::create_dir_all(&out).with_context(|| format!("failed to make {}", out.display()))?;
    let built = folder.join(if args.profile == "dev" { "debug" } else { &args.profile });
    copy(&built.join("unlearn"), &out.join("unlearn"))?;
    copy(&built.join("examples/smoke"), &out.join("smoke"))?;
    for peer in ["torch_step.py", "torch_epoch.py"] {
        copy(&root.join("xtask/peer").join(peer), &out.join(peer))?;
    }
    let script = out.join("smoke.sh");
    fs::write(&script, SCRIPT).with_context(|| format!("failed to write {}", script.display()))?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("failed to make {} executable", script.display()))?;
    let size = size(&out)?;
    say!("{}: {size:.1} MiB without CUDA's libraries", out.display());
    if args.with_libraries {
        let lib = out.join("lib");
        fs::create_dir_all(&lib).with_context(|| format!("failed to make {}", lib.display()))?;
        toolkit.copy_libraries(&LIBRARIES, &lib)?;
    }
    anyhow::ensure!(size <= MOST, "the folder has {size:.1} MiB without libraries, more than {MOST}");
    Ok(0)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("failed to copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// MiB of the files in a folder, those of its own level.
fn size(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?.metadata()?;
        bytes += if entry.is_file() { entry.len() } else { 0 };
    }
    Ok(bytes as f64 / f64::from(1 << 20))
}

const SCRIPT: &str = include_str!("smoke.sh");

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Runs the script in a folder with programs of our own.
    fn smoke(programs: &[(&str, &str)], libraries: &[&str]) -> Result<(bool, String)> {
        let folder = tempfile::tempdir()?;
        for (name, text) in [("smoke.sh", SCRIPT)].iter().chain(programs) {
            let path = folder.path().join(name);
            fs::write(&path, text)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        fs::create_dir(folder.path().join("lib"))?;
        for library in libraries {
            fs::write(folder.path().join("lib").join(library), "")?;
        }
        // Programs of the folder come before those of the machine.
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let output = Command::new(folder.path().join("smoke.sh")).env_clear().env("PATH", path).output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&text).into_owned()))
    }

    const NO_TORCH: (&str, &str) = ("python3", "#!/bin/sh\nexit 1\n");
    const DRIVER: (&str, &str) = ("nvidia-smi", "#!/bin/sh\necho 'A GPU, 580.1'\n");

    #[test]
    fn the_script_compares_times_and_says_what_it_lacks() -> Result<()> {
        let said = ("smoke", "#!/bin/sh\necho \"smoke $* with $LD_LIBRARY_PATH\"\n");
        let (passed, text) = smoke(&[NO_TORCH, DRIVER, said], &LIBRARIES)?;
        assert!(passed && text.contains("smoke --device cuda:0") && text.contains("/lib"), "{text}");
        assert!(text.contains("no PyTorch with CUDA"), "{text}");
        let (passed, text) = smoke(&[NO_TORCH, DRIVER, said], &LIBRARIES[1..])?;
        assert!(!passed && text.contains("libcublas.so.13") && text.contains("pip install"), "{text}");
        let (passed, text) = smoke(&[NO_TORCH, said], &LIBRARIES)?;
        assert!(!passed && text.contains("no NVIDIA driver"), "{text}");
        let (passed, _) = smoke(&[NO_TORCH, DRIVER, ("smoke", "#!/bin/sh\nexit 3\n")], &LIBRARIES)?;
        assert!(!passed);
        Ok(())
    }
}
