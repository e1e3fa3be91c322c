//! Checks a file by the manifest that lies beside it, when a user names the file and not its stage.

use std::path::Path;

use crate::error::{Result, StoreError};
use crate::key::StageKey;
use crate::manifest::{Artifact, DOCUMENT, Manifest};
use crate::owned::KINDS;
use crate::stage::Stage;

/// Compares the bytes of a file with the stage's manifest in the same folder. A folder without a manifest, and a file that
/// the manifest does not name, are not checked.
///
/// # Errors
/// [`StoreError::Damaged`] if the manifest is damaged, or the file is not what the stage left; [`StoreError::Changed`] for
/// a copy of a stage outside of a store.
pub fn check_beside(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let Ok(text) = unlearn_files::read(&folder.join(Manifest::FILE), DOCUMENT) else { return Ok(()) };
    let is_place = is_place_of_a_stage(folder);
    let value = serde_json::from_slice::<serde_json::Value>(&text).unwrap_or_default();
    let is_manifest = ["kind", "key", "artifacts"].iter().all(|key| value.get(key).is_some());
    if !is_place && !is_manifest {
        return Ok(()); // A manifest of another program.
    }
    let manifest = if is_place { Stage::open(folder)?.manifest().clone() } else { Manifest::read(folder)? };
    match manifest.artifacts.get(name) {
        Some(expected) if *expected != Artifact::of_bytes(bytes) => {
            if !is_place {
                return Err(StoreError::Changed { file: file.to_path_buf() });
            }
            let error = StoreError::damaged(file, folder, "its content is not what the stage left (BLAKE3 differs)");
            Err(match folder.parent().and_then(Path::parent).map(crate::Store::open_existing) {
                Some(Ok(store)) => error.with_computed(&store, &manifest.key),
                _ => error,
            })
        }
        _ => Ok(()),
    }
}

/// Whether a folder is `<kind>/<key>`.
fn is_place_of_a_stage(folder: &Path) -> bool {
    let name = |path: Option<&Path>| path.and_then(Path::file_name).and_then(|name| name.to_str()).map(str::to_owned);
    name(Some(folder)).is_some_and(|key| key.parse::<StageKey>().is_ok())
        && name(folder.parent()).is_some_and(|kind| KINDS.contains(&kind.as_str()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::{Begin, StageSpec, Store, write_atomic};

    #[test]
    fn a_file_of_a_stage_is_what_its_manifest_says_wherever_it_lies() {
        let place = tempfile::tempdir().unwrap();
        let store = Store::open(place.path().join("runs")).unwrap();
        let Begin::Run(writer) = store.begin(&StageSpec::new("train", json!({}), "d", 1)).unwrap() else { panic!() };
        write_atomic(&writer.path("model.safetensors"), b"weights").unwrap();
        let stage = writer.finish().unwrap();
        let copy = place.path().join("copy");
        fs::create_dir(&copy).unwrap();
        for name in ["model.safetensors", Manifest::FILE] {
            fs::copy(stage.path().join(name), copy.join(name)).unwrap();
        }
        for folder in [stage.path(), &copy] {
            let file = folder.join("model.safetensors");
            check_beside(&file, b"weights").unwrap();
            let message = check_beside(&file, b"Weights").unwrap_err().to_string();
            assert!(message.contains("BLAKE3 differs") && message.contains("model.safetensors"), "{message}");
            check_beside(&folder.join("other.safetensors"), b"").unwrap();
        }
        fs::write(copy.join(Manifest::FILE), "{\"name\": \"a web app\"}").unwrap();
        check_beside(&copy.join("model.safetensors"), b"Weights").unwrap();
        fs::write(stage.path().join(Manifest::FILE), "{").unwrap();
        assert!(check_beside(&stage.path().join("model.safetensors"), b"weights").is_err());
    }
}
