//! Reads the bytes of a model's file, before they are decoded.

use std::path::{Path, PathBuf};

use unlearn_files::Form;

use super::shards;
use crate::{Error, Result};

/// Most bytes of a model's file, or of all its shards together. The largest known architecture takes less than half a GiB.
pub const MOST: u64 = 8 << 30;

/// Reads the file of a model. For a sharded model, `path` may be its index or the folder of the index. Then the bytes are those of one
/// file with all tensors.
///
/// # Errors
/// A file that cannot be read, is not a regular file, or has more than [`MOST`] bytes. A file whose first bytes are not those of a model.
/// An index whose shards are missing or do not fit it.
pub fn contents(path: &Path) -> Result<Vec<u8>> {
    let io = |source| Error::Io { action: "read", path: path.into(), source };
    if path.is_dir() {
        return shards::gather(&index_of(path)?, MOST);
    }
    let head = unlearn_files::head(path).map_err(io)?;
    match Form::of(&head) {
        Form::ShardIndex => shards::gather(path, MOST),
        Form::Zip | Form::Pickle | Form::Safetensors => unlearn_files::read(path, MOST).map_err(io),
        other => {
            let source = unlearn_torch_files::Error::Form(other);
            Err(Error::TorchFile { path: path.into(), source })
        }
    }
}

fn index_of(folder: &Path) -> Result<PathBuf> {
    let found = shards::index_in(folder).map_err(|source| Error::Io { action: "list", path: folder.into(), source })?;
    match &found[..] {
        [index] => {
            refuse_other_model(index)?;
            Ok(index.clone())
        }
        [] => {
            let reason = format!("the folder holds no index of shards, `*{}`; name a model's file", shards::INDEX);
            Err(Error::Checkpoint { path: folder.into(), reason })
        }
        several => {
            let names: Vec<_> = several.iter().map(|path| format!("`{}`", path.display())).collect();
            let reason = format!("the folder holds several indices of shards; name one: {}", names.join(", "));
            Err(Error::Checkpoint { path: folder.into(), reason })
        }
    }
}

/// Endings of files that may be a model of their own.
const MODELS: [&str; 5] = ["safetensors", "bin", "pt", "pth", "ckpt"];

/// Refuses a folder with another model beside the shards of an index: it is not known which of the two is meant.
fn refuse_other_model(index: &Path) -> Result<()> {
    let folder = index.parent().unwrap_or(Path::new(""));
    let io = |source| Error::Io { action: "list", path: folder.into(), source };
    let named = shards::ShardIndex::read(index)?;
    let shards = named.shards();
    let mut others = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        let is_model =
            path.extension().and_then(|ending| ending.to_str()).is_some_and(|ending| MODELS.contains(&ending));
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if is_model && !name.starts_with('.') && !shards.contains(&name.as_str()) {
            others.push(name);
        }
    }
    others.sort();
    let Some(other) = others.first() else { return Ok(()) };
    let reason = format!(
        "the folder holds two models, the one in the shards of `{}` and `{}`, which is not one of them; name the file that is meant",
        index.file_name().unwrap_or_default().to_string_lossy(),
        other.escape_debug()
    );
    Err(Error::Contradiction { path: folder.into(), reason })
}

/// Whether a folder holds the index of a sharded model.
pub fn is_sharded(folder: &Path) -> bool {
    shards::index_in(folder).is_ok_and(|found| !found.is_empty())
}
