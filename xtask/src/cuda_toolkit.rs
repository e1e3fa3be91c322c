//! The CUDA toolkit, from the Python Package Index, where NVIDIA publishes it in parts. A machine needs no GPU and no
//! driver to compile and to link with it.

use std::{
    collections::BTreeSet,
    env,
    ffi::OsString,
    fmt::Write as _,
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{process, venv::Venv};

/// Parts of the toolkit. The compiler, its headers and the runtime must have the same version.
const PARTS: &[&str] = &[
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-curand",
    "nvidia-cublas",
];

/// A toolkit in a folder of its own.
pub(crate) struct Toolkit {
    home: PathBuf,
    path: OsString,
}

impl Toolkit {
    /// Installs the toolkit below `folder`, unless it is there.
    pub(crate) fn install(folder: &Path) -> Result<Self> {
        let venv = Venv::with(folder.join("venv"), PARTS)?;
        let home = venv.site_packages()?.join("nvidia/cu13");
        link_lib64(&home)?;
        let path = first_on_path(&home.join("bin"))?;
        Ok(Self { home, path })
    }

    /// Makes a build use this toolkit, for GPUs of a compute capability, times ten.
    pub(crate) fn serve(&self, command: &mut Command, compute_cap: &str) {
        command
            .env("CUDA_HOME", &self.home)
            .env("CUDA_PATH", &self.home)
            .env("PATH", &self.path)
            .env("CUDA_COMPUTE_CAP", compute_cap);
    }

    /// Copies libraries to a folder. A name may lack the end of its version.
    pub(crate) fn copy_libraries(&self, names: &[&str], to: &Path) -> Result<()> {
        let lib = self.home.join("lib");
        let entries = fs::read_dir(&lib).with_context(|| format!("failed to list {}", lib.display()))?;
        let files =
            entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>>>()?;
        for name in names {
            let mut of_name = files.iter().filter(|file| file.starts_with(name)).peekable();
            anyhow::ensure!(of_name.peek().is_some(), "{} has no {name}", lib.display());
            for file in of_name {
                fs::copy(lib.join(file), to.join(file))
                    .with_context(|| format!("failed to copy {file} to {}", to.display()))?;
            }
        }
        Ok(())
    }

    /// Makes what a linker needs besides: each library under its name without a version, and a stub of the driver's
    /// library, which only machines with a GPU have.
    pub(crate) fn make_linkable(&self) -> Result<()> {
        let lib = self.home.join("lib");
        let entries = fs::read_dir(&lib).with_context(|| format!("failed to list {}", lib.display()))?;
        for entry in entries {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if let Some((bare, _)) = name.split_once(".so.") {
                link(&name, &lib.join(format!("{bare}.so")))?;
            }
        }
        let header = self.home.join("include/cuda.h");
        let header = fs::read_to_string(&header).with_context(|| format!("failed to read {}", header.display()))?;
        let stub = lib.join("libcuda.c");
        fs::write(&stub, driver_stub(&header)).with_context(|| format!("failed to write {}", stub.display()))?;
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wl,-soname,libcuda.so.1", "-o"]).arg(lib.join("libcuda.so")).arg(&stub);
        process::succeed(&mut cc)
    }
}

/// A C source that defines every function of the driver that its header names, under every version of its name.
fn driver_stub(header: &str) -> String {
    let words = header.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let is_function =
        |word: &&str| word.strip_prefix("cu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()));
    let names: BTreeSet<&str> = words.filter(is_function).collect();
    let mut source = String::new();
    for name in names {
        let _ = writeln!(source, "void {name}(void) {{}}");
    }
    source
}

/// Build scripts search for the toolkit's libraries in `lib64`, but the Python packages install them in `lib`.
fn link_lib64(cuda: &Path) -> Result<()> {
    let lib64 = cuda.join("lib64");
    link("lib", &lib64)?;
    let found = fs::metadata(&lib64).with_context(|| format!("{} leads nowhere", lib64.display()))?;
    anyhow::ensure!(found.is_dir(), "{} is not a folder; delete target/check-cuda and try again", lib64.display());
    Ok(())
}

/// A symbolic link, unless there is something of that name.
fn link(to: &str, link: &Path) -> Result<()> {
    match symlink(to, link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("failed to link {} to {to}", link.display()))
        }
        _ => Ok(()),
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

    #[test]
    fn the_stub_has_every_name_of_a_function_once() {
        let header = "#define cuMemAlloc cuMemAlloc_v2\nCUresult CUDAAPI cuMemAlloc(CUdeviceptr *dptr);\n\
                      CUresult CUDAAPI cuInit(unsigned int Flags); /* cuda, custom, CUcontext */";
        let expected = "void cuInit(void) {}\nvoid cuMemAlloc(void) {}\nvoid cuMemAlloc_v2(void) {}\n";
        assert_eq!(driver_stub(header), expected);
    }
}
