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
            let (Fetched { path, commit }, reference) = fetch(init, offline).map_err(|e| match e {
                HubError::Offline { .. } if offline => fail(&"it is not in the cache, and a dry run fetches nothing"),
                e => fail(&e),
            })?;
            (path, reference.at(&commit).map_err(|e| fail(&e))?.to_string())
        } else {
            let path = folder.join(init);
            let source = path.to_str().ok_or_else(|| fail(&"its path must be UTF-8; rename the file or its folder"))?;
            let source = source.to_owned();
            (path, source)
        };
        let unreadable = |source| Error::Given { what: "the weights", path: path.clone(), source };
        let bytes = unlearn_files::read(&path, u64::MAX).map_err(unreadable)?;
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

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, checkpoint, checkpoint::CheckpointInfo, find, initialize};

    use super::*;

    fn input() -> InputSpec {
        InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.286], std: vec![0.353] }
    }

    /// A file with a model of these values.
    fn file(folder: &Path, graph: &Graph, state: &State) {
        let info = CheckpointInfo::new(&graph.arch, input(), "elsewhere");
        std::fs::write(folder.join("a.safetensors"), checkpoint::to_bytes(graph, state, &info).unwrap()).unwrap();
    }

    #[test]
    fn without_a_file_weights_are_fresh_and_follow_the_seed() {
        let graph = find("resnet8s").unwrap().graph(&input()).unwrap();
        let fresh = Initial::open(None, Path::new(""), true).unwrap();
        assert!(fresh.origin().is_none() && fresh.anew(&graph).unwrap().is_empty());
        let values = |seed| fresh.state(&graph, seed).unwrap().parameters().to_vec();
        assert_eq!(values(1), initialize(&graph, 1).parameters());
        assert_ne!(values(1), values(2));
    }

    #[test]
    fn a_file_gives_its_weights_whatever_the_seed_and_is_held_against_its_hash_when_it_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let graph = find("resnet8s").unwrap().graph(&input()).unwrap();
        let state = initialize(&graph, 7);
        file(folder.path(), &graph, &state);
        let initial = Initial::open(Some("a.safetensors"), folder.path(), true).unwrap();
        for seed in [1, 2] {
            assert_eq!(initial.state(&graph, seed).unwrap().parameters(), state.parameters());
        }
        let origin = initial.origin().unwrap().clone();
        assert_eq!(origin.source, folder.path().join("a.safetensors").to_string_lossy());
        Initial::reopen(&origin, true).unwrap();
        file(folder.path(), &graph, &initialize(&graph, 8));
        let message = Initial::reopen(&origin, true).unwrap_err();
        assert!(message.contains("what is there now has BLAKE3") && message.contains(&origin.blake3), "{message}");
        std::fs::remove_file(folder.path().join("a.safetensors")).unwrap();
        assert!(Initial::reopen(&origin, true).unwrap_err().contains("is needed again"));
    }

    #[test]
    fn another_head_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let graph = find("resnet8s").unwrap().graph(&input()).unwrap();
        file(folder.path(), &graph, &initialize(&graph, 7));
        let other = find("resnet8s").unwrap().graph(&InputSpec { classes: 4, ..input() }).unwrap();
        let initial = Initial::open(Some("a.safetensors"), folder.path(), true).unwrap();
        let anew: Vec<_> = initial.anew(&other).unwrap().into_iter().map(|tensor| tensor.name).collect();
        assert!(!anew.is_empty() && anew.iter().all(|name| name.contains("fc") || name.contains("linear")), "{anew:?}");
        let message = Initial::open(Some("b.safetensors"), folder.path(), true).unwrap_err().to_string();
        assert!(message.contains("b.safetensors"), "{message}");
    }
}
