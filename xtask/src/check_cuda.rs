//! `check-cuda`: type-checks the CUDA build, with and without cuDNN, on a machine without a GPU or a CUDA toolkit.
//!
//! Candle's kernels are compiled by `nvcc` in a build script, so the check needs a toolkit. NVIDIA publishes the
//! toolkit in parts on the Python Package Index. This command installs them in a virtual environment. The check shows
//! that the code compiles with the feature on. A test of the results needs a GPU.

use std::{
    env,
    ffi::OsString,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{process, venv::Venv, workspace};

/// Type-check the workspace with the features `cuda` and `cudnn`, with a CUDA toolkit from the Python Package Index.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The GPUs' compute capability, times ten.
    #[arg(long, default_value = "80", value_name = "CC")]
    compute_cap: String,
}

/// Parts of the toolkit. The compiler, its headers and the runtime must have the same version. The libraries are only
/// linked.
const TOOLKIT: &[&str] = &[
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-curand",
    "nvidia-cublas",
];

pub(crate) fn run(args: &Args) -> Result<u8> {
    let root = workspace::root()?;
    let folder = workspace::target(&root)?.join("check-cuda");
    let venv = Venv::with(folder.join("venv"), TOOLKIT)?;
    let cuda = venv.site_packages()?.join("nvidia/cu13");
    link_lib64(&cuda)?;

    let path = first_on_path(&cuda.join("bin"))?;
    let mut worst = 0;
    for feature in ["cuda", "cudnn"] {
        let features = format!("unlearn-cli/{feature},unlearn-network/{feature}");
        let mut command = process::cargo(&root, &["check", "--workspace", "--features", &features, "--target-dir"]);
        command
            .arg(&folder)
            .env("CUDA_HOME", &cuda)
            .env("CUDA_PATH", &cuda)
            .env("PATH", &path)
            .env("CUDA_COMPUTE_CAP", &args.compute_cap);
        worst = worst.max(process::run(&mut command)?);
    }
    Ok(worst)
}

/// Build scripts search for the toolkit's libraries in `lib64`, but the Python packages install them in `lib`.
fn link_lib64(cuda: &Path) -> Result<()> {
    let link = cuda.join("lib64");
    match symlink("lib", &link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("failed to link {} to lib", link.display()))
        }
        _ => {
            let found = fs::metadata(&link).with_context(|| format!("{} leads nowhere", link.display()))?;
            anyhow::ensure!(
                found.is_dir(),
                "{} is not a folder; delete target/check-cuda and try again",
                link.display()
            );
            Ok(())
        }
    }
}

fn first_on_path(folder: &Path) -> Result<OsString> {
    let rest = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(PathBuf::from(folder)).chain(env::split_paths(&rest));
    env::join_paths(folders).context("failed to put the CUDA compiler on PATH")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_is_made_once_and_must_lead_somewhere() -> Result<()> {
        let cuda = tempfile::tempdir()?;
        assert!(link_lib64(cuda.path()).is_err());
        fs::create_dir(cuda.path().join("lib"))?;
        link_lib64(cuda.path())?;
        link_lib64(cuda.path())?;
        assert!(cuda.path().join("lib64").is_dir());
        Ok(())
    }
}
