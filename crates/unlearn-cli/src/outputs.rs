//! Refuses a file that would be written over one that is read, or twice, before any work is done.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::exit::Usage;

/// The files that a command reads and writes.
#[derive(Debug, Default)]
pub(crate) struct Outputs {
    /// What is read: what it is, and where.
    read: Vec<(String, PathBuf)>,
    /// Folders whose files are read.
    folders: Vec<(String, PathBuf)>,
    /// What is written: the option, and where.
    written: Vec<(String, PathBuf)>,
}

impl Outputs {
    /// Adds a file that is read. `what` is the option or the word for it: `the model`.
    pub(crate) fn reads(mut self, what: &str, path: Option<&Path>) -> Self {
        let Some(path) = path.filter(|path| path.exists()) else { return self };
        let place = unlearn::files::place(path);
        // A list of shards, or the folder of a model, is read with the files beside it.
        if place.is_dir() {
            self.folders.push((what.to_owned(), place));
        } else {
            let is_list = place.to_string_lossy().ends_with(".index.json");
            if let Some(folder) = place.parent().filter(|_| is_list) {
                self.folders.push((what.to_owned(), folder.to_owned()));
            }
            self.read.push((what.to_owned(), place));
        }
        self
    }

    /// Adds the file or folder of a dataset that is named by form and path.
    pub(crate) fn reads_dataset(self, name: Option<&str>) -> Self {
        let path = name.and_then(|name| name.split_once(':')).map(|(_, path)| path);
        let path = path.map(|path| match path.rsplit_once('?') {
            Some((before, _)) if !Path::new(path).exists() => before,
            _ => path,
        });
        self.reads("the dataset", path.map(Path::new))
    }

    /// Adds a file that is written.
    pub(crate) fn writes(mut self, option: &str, path: Option<&Path>) -> Self {
        self.written.extend(path.map(|path| (option.to_owned(), unlearn::files::place(path))));
        self
    }

    /// Refuses an output that is read, or that is named twice.
    pub(crate) fn check(&self) -> Result<(), Usage> {
        for (at, (option, path)) in self.written.iter().enumerate() {
            let shown = path.display();
            if let Some((other, _)) = self.written[..at].iter().find(|(_, other)| other == path) {
                return Err(Usage(format!("{other} and {option} name the same file, {shown}; give each its own")));
            }
            let read = self.read.iter().find(|(_, read)| read == path);
            let inside = || self.folders.iter().find(|(_, folder)| is_read_with(folder, path));
            if let Some((what, _)) = read.or_else(inside) {
                return Err(Usage(format!("{option} names {shown}, which is read as {what}; name another file")));
            }
        }
        Ok(())
    }
}

/// Whether an existing file in or below a folder belongs to the model or the dataset there.
fn is_read_with(folder: &Path, path: &Path) -> bool {
    const READ: [&str; 12] =
        ["safetensors", "json", "png", "jpg", "jpeg", "parquet", "mat", "gz", "bin", "npz", "tar", "zip"];
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default().to_lowercase();
    path.starts_with(folder) && path.exists() && (extension.is_empty() || READ.contains(&extension.as_str()))
}
