//! The weights that training begins with: fresh ones from a seed, or those of a pretrained model, from a file or the Hugging Face Hub.
//!
//! One function makes them, for `train` stages and for every method that trains from scratch. So Retrain begins with the same weights as
//! the model did.

use std::path::{Path, PathBuf};

use unlearn_hub::{Error as HubError, Fetched, Hub, Kind, Options, PREFIX, Reference};
use unlearn_models::{Anew, INDEX, Origin, Pretrained, ShardIndex};
use unlearn_network::{Graph, State};

use crate::{Error, Result, opened::given_contents};

/// Files of a repository that may hold the weights, in order of preference.
const FILES: [&str; 3] = ["model.safetensors", "pytorch_model.bin", "model.safetensors.index.json"];

/// The weights that training begins with.
#[derive(Debug, Default)]
pub(crate) struct Initial {
    pretrained: Option<(Pretrained, Origin)>,
}

impl Initial {
    /// Opens the weights that `[model] init` names, if any: a path, relative to `folder`, or `hub:owner/name@revision`. `key` chooses a
    /// dictionary of tensors in a PyTorch file.
    pub(crate) fn open(init: Option<&str>, key: Option<&str>, folder: &Path, offline: bool) -> Result<Self> {
        let Some(init) = init else { return Ok(Self::default()) };
        let fail = |reason: &dyn std::fmt::Display| Error::Initial { init: init.into(), reason: reason.to_string() };
        let misnamed = |reason: String| Error::InitialName { init: init.into(), reason };
        if init.is_empty() {
            return Err(misnamed("the name is empty; name a file, or `hub:OWNER/NAME`".into()));
        }
        let (path, source) = if init.starts_with(PREFIX) {
            let (Fetched { path, commit }, reference) = fetch(init, offline).map_err(|e| match e {
                e @ (HubError::Reference { .. } | HubError::FileName { .. }) => misnamed(e.to_string()),
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
        let bytes = given_contents(&path)?;
        let pretrained = Pretrained::read(&bytes, &path, key).map_err(|e| match e {
            e if e.is_usage() => Error::Model(e),
            e => fail(&e),
        })?;
        let blake3 = blake3::hash(&bytes).to_hex().to_string();
        let origin = Origin { source, blake3, key: key.map(str::to_owned) };
        Ok(Self { pretrained: Some((pretrained, origin)) })
    }

    /// Opens again the weights that a model's training began with.
    pub(crate) fn reopen(origin: &Origin, offline: bool) -> std::result::Result<Self, String> {
        let fail = |reason: String| {
            format!(
                "the model's training began with {}, BLAKE3 {}, which is needed again: {reason}",
                origin, origin.blake3
            )
        };
        let Origin { source, key, .. } = origin;
        let opened = Self::open(Some(source), key.as_deref(), Path::new(""), offline);
        let opened = opened.map_err(|e| fail(e.to_string()))?;
        match opened.origin() {
            Some(found) if found.blake3 != origin.blake3 => {
                Err(fail(format!("what is there now has BLAKE3 {}", found.blake3)))
            }
            _ => Ok(opened),
        }
    }

    /// The origin of pretrained weights; `None` for fresh weights.
    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.pretrained.as_ref().map(|(_, origin)| origin)
    }

    /// The tensors of a graph that are initialised anew although others are pretrained.
    pub(crate) fn anew(&self, graph: &Graph) -> Result<Vec<Anew>> {
        let Some((pretrained, origin)) = &self.pretrained else { return Ok(Vec::new()) };
        let fail = |e: unlearn_models::Error| Error::Initial { init: origin.source.clone(), reason: e.to_string() };
        pretrained.anew(graph).map_err(fail)
    }

    /// The values of a graph with which a training with this seed begins.
    pub(crate) fn state(&self, graph: &Graph, seed: u64) -> unlearn_models::Result<State> {
        match &self.pretrained {
            None => Ok(unlearn_models::initialize(graph, seed)),
            Some((pretrained, _)) => pretrained.initialize(graph, seed),
        }
    }
}

/// The file of a model in a repository of the Hub, `hub:OWNER/NAME@REVISION`.
pub(crate) fn fetched(model: &str, offline: bool) -> Result<PathBuf> {
    let found = fetch(model, offline).map_err(|error| Error::deletion(model, error))?;
    Ok(found.0.path)
}

/// Fetches the first of the files that a repository has. If it is an index, its shards are fetched too.
fn fetch(init: &str, offline: bool) -> unlearn_hub::Result<(Fetched, Reference)> {
    let reference: Reference = init.parse()?;
    let hub =
        if offline { Hub::new(Options { offline, ..Options::from_environment()? }) } else { Hub::from_environment()? };
    let fetch = |file| hub.fetch(&reference, Kind::Model, file);
    let missing = |error: &HubError| matches!(error, HubError::NoFile { .. } | HubError::Offline { .. });
    let mut first = None;
    for file in FILES {
        match fetch(file) {
            Ok(fetched) => {
                if file.ends_with(INDEX) {
                    fetch_shards(&hub, &reference, &fetched)?;
                }
                return Ok((fetched, reference));
            }
            Err(error) if missing(&error) => first = first.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    // At this point, the loop has run at least once and did not return.
    first.map_or_else(|| fetch(FILES[0]).map(|fetched| (fetched, reference.clone())), Err)
}

/// Fetches the files that an index names, from the same commit. An index that cannot be read is left to the reader, which refuses it.
fn fetch_shards(hub: &Hub, reference: &Reference, index: &Fetched) -> unlearn_hub::Result<()> {
    let reference = reference.at(&index.commit)?;
    let Ok(named) = ShardIndex::read(&index.path) else { return Ok(()) };
    for shard in named.shards() {
        hub.fetch(&reference, Kind::Model, shard)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, checkpoint, checkpoint::CheckpointInfo, find, initialize};

    use super::*;

    fn input() -> InputSpec {
        InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.286], std: vec![0.353] }
    }

    /// Writes a file with a model of these values.
    fn file(folder: &Path, graph: &Graph, state: &State) {
        let info = CheckpointInfo::new(&graph.arch, input(), "elsewhere");
        std::fs::write(folder.join("a.safetensors"), checkpoint::to_bytes(graph, state, &info).unwrap()).unwrap();
    }

    #[test]
    fn without_a_file_weights_are_fresh_and_follow_the_seed() {
        let graph = find("resnet8s").unwrap().graph(&input()).unwrap();
        let fresh = Initial::open(None, None, Path::new(""), true).unwrap();
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
        let initial = Initial::open(Some("a.safetensors"), None, folder.path(), true).unwrap();
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
        let initial = Initial::open(Some("a.safetensors"), None, folder.path(), true).unwrap();
        let anew: Vec<_> = initial.anew(&other).unwrap().into_iter().map(|tensor| tensor.name).collect();
        assert!(!anew.is_empty() && anew.iter().all(|name| name.contains("fc") || name.contains("linear")), "{anew:?}");
        let message = Initial::open(Some("b.safetensors"), None, folder.path(), true).unwrap_err().to_string();
        assert!(message.contains("b.safetensors"), "{message}");
    }
}
