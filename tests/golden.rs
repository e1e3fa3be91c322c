//! Golden data: files that outside references wrote, in `golden/` beside the scripts that made them.
//!
//! Tests of every crate read them through these functions. So a test needs no file outside of its own crate, and its
//! package can be compiled and tested wherever it is unpacked.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The path of a file or folder of the golden data, for example `torch-files/zip.pth`.
///
/// # Panics
/// If there is none.
pub fn path(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
    assert!(path.exists(), "{}: no such golden data", path.display());
    path
}

/// The content of a file of the golden data.
///
/// # Panics
/// If it cannot be read.
pub fn bytes(name: &str) -> Vec<u8> {
    let path = path(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The content of a file of the golden data, as text.
///
/// # Panics
/// If it cannot be read or is not UTF-8.
pub fn text(name: &str) -> String {
    String::from_utf8(bytes(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
