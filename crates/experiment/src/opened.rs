//! A model that a user names: a file, the folder of a finished stage, or the folder of a deletion.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use unlearn_certificates::Certificate;
use unlearn_masks::{MOST as MOST_MASK, Mask};
use unlearn_models::{ImportOptions, ModelFile, contents};
use unlearn_run_store::{Artifact, Stage};

use crate::{
    Error, Result, address,
    recognised::Folder,
    stages::{MASK, MODEL},
};

/// A model and where it was found.
#[derive(Debug)]
pub struct OpenedModel {
    /// The model, pruned by its mask if it has one.
    pub model: ModelFile,
    /// The place where it was found.
    pub origin: ModelOrigin,
    /// The file that holds its weights. For a sharded model, it is the index or the folder of the index.
    pub file: PathBuf,
    /// The contents of the files that were read, by role: `model`, perhaps `mask`. The shards of a sharded model are joined as one file.
    pub read: BTreeMap<String, Vec<u8>>,
}

/// The place where a model was found.
#[derive(Debug)]
pub enum ModelOrigin {
    /// A file by itself.
    File,
    /// The folder of a finished stage.
    Stage(Box<Stage>),
    /// The folder of a deletion.
    Deletion(Box<Certificate>),
}

impl OpenedModel {
    /// Opens the model at `path`, which may also be the [address](address::resolve) of a stage. If `mask` is given, it prunes the model
    /// further. `options` apply to files of other programs.
    ///
    /// # Errors
    /// An address of no stage or of several. A file or folder that cannot be read or holds no model. A file of a stage or a deletion
    /// whose content has changed. A mask of another model.
    pub fn open(path: &Path, mask: Option<&Path>, options: &ImportOptions) -> Result<Self> {
        let path = &address::resolve(path)?;
        let file = || Self::read(ModelOrigin::File, path.into(), given_contents(path)?, options);
        let mut opened = if path.is_dir() {
            match Folder::of(path) {
                Folder::Deletion => Self::of_deletion(path, options)?,
                Folder::Stage => Self::of_stage(Stage::open(path)?, options)?,
                Folder::Shards => file()?,
                other => {
                    let reason = format!(
                        "the folder is neither a finished stage's nor a deletion's, but {}; name one of these, or a model's file",
                        other.describe(path)
                    );
                    // Whoever names another folder names the wrong one; a damaged stage is the right one.
                    return Err(if other == Folder::DamagedStage {
                        Error::Content { path: path.into(), reason }
                    } else {
                        Error::deletion(path.display(), reason)
                    });
                }
            }
        } else {
            file()?
        };
        if let Some(path) = mask {
            let mut path = address::resolve(path)?;
            if Folder::of(&path) == Folder::Stage {
                path.push(MASK);
            }
            let path = &path;
            let bytes = unlearn_files::read(path, MOST_MASK);
            let bytes = bytes.map_err(|source| Error::Given { what: "the mask", path: path.into(), source })?;
            check_beside(path, &bytes)?;
            opened.prune(path, bytes)?;
        }
        Ok(opened)
    }

    /// The model that a finished stage made.
    ///
    /// # Errors
    /// As [`OpenedModel::open`].
    pub fn of_stage(stage: Stage, options: &ImportOptions) -> Result<Self> {
        let (file, bytes) = (stage.artifact(MODEL)?, stage.read(MODEL)?);
        let mask = if stage.manifest().artifacts.contains_key(MASK) {
            Some((stage.artifact(MASK)?, stage.read(MASK)?))
        } else {
            None
        };
        let mut opened = Self::read(ModelOrigin::Stage(Box::new(stage)), file, bytes, options)?;
        if let Some((file, bytes)) = mask {
            opened.prune(&file, bytes)?;
        }
        Ok(opened)
    }

    fn of_deletion(folder: &Path, options: &ImportOptions) -> Result<Self> {
        let certificate = Certificate::load(folder)?;
        let file = folder.join(MODEL);
        let bytes = contents(&file)?;
        if certificate.output.get(MODEL).is_some_and(|certified| *certified != Artifact::of_bytes(&bytes)) {
            return Err(Error::Content { path: file, reason: NOT_AS_CERTIFIED.into() });
        }
        Self::read(ModelOrigin::Deletion(Box::new(certificate)), file, bytes, options)
    }

    fn read(origin: ModelOrigin, file: PathBuf, bytes: Vec<u8>, options: &ImportOptions) -> Result<Self> {
        let model = ModelFile::read(&bytes, options, &file)?;
        Ok(Self { model, origin, file, read: BTreeMap::from([("model".to_owned(), bytes)]) })
    }

    fn prune(&mut self, file: &Path, bytes: Vec<u8>) -> Result<()> {
        let mask = Mask::from_bytes(&bytes);
        let mask = mask.map_err(|error| Error::Content { path: file.into(), reason: error.to_string() })?;
        self.model.apply(&mask)?;
        self.read.insert("mask".into(), bytes);
        Ok(())
    }

    /// Size and hash of each file that was read, by role.
    pub fn artifacts(&self) -> BTreeMap<String, Artifact> {
        self.read.iter().map(|(role, bytes)| (role.clone(), Artifact::of_bytes(bytes))).collect()
    }
}

/// The bytes of a model's file that the user named.
pub(crate) fn given_contents(path: &Path) -> Result<Vec<u8>> {
    let bytes = contents(path).map_err(|error| match error {
        unlearn_models::Error::Io { path, source, .. } => Error::Given { what: "the model", path, source },
        other => other.into(),
    })?;
    check_beside(path, &bytes)?;
    Ok(bytes)
}

/// Refuses a file of a stage or a deletion whose content is not what the manifest or the certificate beside it names.
///
/// # Errors
/// If it differs, or the manifest or certificate is damaged.
pub fn check_beside(path: &Path, bytes: &[u8]) -> Result<()> {
    unlearn_run_store::check_beside(path, bytes)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let file = folder.join(Certificate::FILE);
    let text = unlearn_files::read_text(&file, MOST_CERTIFICATE).ok();
    let value: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    if !value.is_some_and(|value| ["request", "method", "output"].iter().all(|key| value.get(key).is_some())) {
        return Ok(()); // None, or one of another program.
    }
    let certificate = Certificate::load(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
    if certificate.output.get(name).is_some_and(|certified| *certified != Artifact::of_bytes(bytes)) {
        return Err(Error::Content { path: path.into(), reason: NOT_AS_CERTIFIED.into() });
    }
    Ok(())
}

/// Most bytes of a certificate.
const MOST_CERTIFICATE: u64 = 1 << 30;
const NOT_AS_CERTIFIED: &str =
    "its content is not what the certificate beside it names; take the model from where it was copied";
