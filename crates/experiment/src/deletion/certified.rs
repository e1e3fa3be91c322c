//! The model that a deletion left, read once for all checks of its certificate.

use std::path::Path;

use unlearn_certificates::Certificate;
use unlearn_models::{ImportOptions, ModelFile};

use crate::stages::MODEL;

/// A certificate and the model beside it.
#[derive(Debug)]
pub struct Certified<'a> {
    pub(super) certificate: &'a Certificate,
    /// The error is a reason for users.
    pub(super) model: Result<ModelFile, String>,
}

impl<'a> Certified<'a> {
    /// Reads the model in `folder`, up to the size that the certificate names. A model that cannot be read becomes a
    /// finding of the checks.
    pub fn read(folder: &Path, certificate: &'a Certificate) -> Self {
        Self { certificate, model: read(folder, certificate) }
    }
}

fn read(folder: &Path, certificate: &Certificate) -> Result<ModelFile, String> {
    let path = folder.join(MODEL);
    let artifact = certificate.output.get(MODEL).ok_or_else(|| format!("the certificate names no `{MODEL}`"))?;
    let bytes = unlearn_files::read(&path, artifact.bytes).map_err(|e| format!("{}: {e}", path.display()))?;
    ModelFile::read(&bytes, &ImportOptions::default(), &path).map_err(|e| e.to_string())
}
