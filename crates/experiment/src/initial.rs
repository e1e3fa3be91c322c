//! What training begins with: fresh weights from a seed, or a pretrained model's, from a file or the Hugging Face Hub.
//!
//! One function makes them, for `train` stages and for every method that trains from scratch: Retrain begins where the model did.

use std::path::Path;

use unlearn_hub::{Error as HubError, Fetched, Hub, Kind, Options, PREFIX, Reference};
use unlearn_models::{Anew, Origin, Pretrained};
use unlearn_network::{Graph, State};

use crate::{Error, Result};

/// Files of a repository that weights are looked for in, in this order.
const FILES: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// What training begins with.
#[derive(Debug, Default)]
pub(crate) struct Initial {
    pretrained: Option<(Pretrained, Origin)>,
}

impl Initial {
    /// Opens what `[model] init` says, if anything: a path, relative to `folder`, or `hub:owner/name@revision`.
    pub(crate) fn open(init: Option<&str>, folder: &Path, offline: bool) -> Result<Self> {
        let Some(init) = init else { return Ok(Self::default()) };
        let fail = |reason: &dyn std::fmt::Display| Error::Initial { init: init.into(), reason: reason.to_string() };
        let (path, source) = if init.starts_with(PREFIX) {
            let (Fetched { path, commit }, reference) = fetch(init, offline).map_err(|e| fail(&e))?;
            (path, reference.at(&commit).map_err(|e| fail(&e))?.to_string())
        } else {
            let path = folder.join(init);
            let source = path.to_string_lossy().into_owned();
            (path, source)
        };
        let bytes = std::fs::read(&path).map_err(|source| Error::Io { action: "read", path: path.clone(), source })?;
        let pretrained = Pretrained::read(&bytes, &path).map_err(|e| fail(&e))?;
        let origin = Origin { source, blake3: blake3::hash(&bytes).to_hex().to_string() };
        Ok(Self { pretrained: Some((pretrained, origin)) })
    }

    /// Opens once more what a model's training began with.
    pub(crate) fn reopen(origin: &Origin, offline: bool) -> std::result::Result<Self, String> {
        let fail = |reason: String| {
            format!(
                "the model's training began with {}, BLAKE3 {}, which is needed again: {reason}",
                origin.source, origin.blake3
            )
        };
        let opened = Self::open(Some(&origin.source), Path::new(""), offline).map_err(|e| fail(e.to_string()))?;
        match opened.origin() {
            Some(found) if found.blake3 != origin.blake3 => {
                Err(fail(format!("what is there now has BLAKE3 {}", found.blake3)))
            }
            _ => Ok(opened),
        }
    }

    /// Where pretrained weights came from; `None` if they are fresh.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.pretrained.as_ref().map(|(_, origin)| origin)
    }

    /// Which tensors of a graph begin anew though others are pretrained.
    pub(crate) fn anew(&self, graph: &Graph) -> Result<Vec<Anew>> {
        let Some((pretrained, origin)) = &self.pretrained else { return Ok(Vec::new()) };
        let fail = |e: unlearn_models::Error| Error::Initial { init: origin.source.clone(), reason: e.to_string() };
        pretrained.anew(graph).map_err(fail)
    }

    /// The values of a graph that training with a seed begins with.
    pub(crate) fn state(&self, graph: &Graph, seed: u64) -> unlearn_models::Result<State> {
        match &self.pretrained {
            None => Ok(unlearn_models::initialize(graph, seed)),
            Some((pretrained, _)) => pretrained.initialize(graph, seed),
        }
    }
}

/// The first of the files that a repository has.
fn fetch(init: &str, offline: bool) -> unlearn_hub::Result<(Fetched, Reference)> {
    let reference: Reference = init.parse()?;
    let hub =
        if offline { Hub::new(Options { offline, ..Options::from_environment()? }) } else { Hub::from_environment()? };
    let fetch = |file| hub.fetch(&reference, Kind::Model, file);
    let missing = |error: &HubError| matches!(error, HubError::NoFile { .. } | HubError::Offline { .. });
    let fetched = match fetch(FILES[0]) {
        Err(first) if missing(&first) => fetch(FILES[1]).map_err(|other| if missing(&other) { first } else { other }),
        done => done,
    };
    Ok((fetched?, reference))
}
