//! Says which files of a folder look like parts of a dataset and are not read.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// Most files that a message names.
const NAMED: usize = 5;

/// The names of the files in `folder` that are not among `read` but look like parts of the dataset, sorted.
pub(crate) fn parts(folder: &Path, read: &[&str], is_part: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let failed = |source| Error::Io { action: "list", path: folder.into(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !read.contains(&name.as_str()) && is_part(&name) && entry.path().is_file() {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name has one of these endings, in any letters.
pub(crate) fn ends_in(name: &str, endings: &[&str]) -> bool {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    endings.iter().any(|known| ending.eq_ignore_ascii_case(known))
}

/// Warns of such files.
///
/// # Errors
/// If the folder cannot be listed.
pub(crate) fn warn(folder: &Path, read: &[&str], is_part: impl Fn(&str) -> bool) -> Result<()> {
    let found = parts(folder, read, is_part)?;
    if found.is_empty() {
        return Ok(());
    }
    let names = found.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if found.len() > NAMED { format!(" and {} more", found.len() - NAMED) } else { String::new() };
    tracing::warn!(
        "{}: these files look like parts of the dataset, but their names are not those of its form, and they are not read: {names}{more}",
        folder.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_not_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data_batch_1.bin", "data_batch_6.bin", "readme.html"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = parts(folder.path(), &["data_batch_1.bin"], |name| name.starts_with("data_batch")).unwrap();
        assert_eq!(found, ["data_batch_6.bin"]);
    }
}
