//! Tests of the Hub's protocol with a server on the loopback device: fetches, refusals and their messages, and
//! pushes.

mod fetching;
mod pushing;
mod refusals;

use std::{path::Path, time::Duration};

use tempfile::TempDir;
use unlearn_hub::{Hub, Kind, Options, Reference};
use unlearn_models::{InputSpec, ModelFile, Source, Target, checkpoint, find, initialize};
use unlearn_network::Widths;
use unlearn_tests::HubServer;

const ID: &str = "someone/resnet8s";
const MODEL: &str = "model.safetensors";

/// A server with one model, and an empty cache.
struct Place {
    server: HubServer,
    cache: TempDir,
    commit: String,
    model: Vec<u8>,
}

impl Place {
    fn new() -> Self {
        let server = HubServer::start();
        let model = model(1);
        let config = br#"{"architecture": "resnet8s"}"#;
        let commit = server.commit(ID, &[(MODEL, &model), ("config.json", config), ("data/a.txt", b"")]);
        Self { server, cache: tempfile::tempdir().unwrap(), commit, model }
    }

    fn options(&self) -> Options {
        let backoff = Duration::from_millis(1);
        Options { backoff, ..Options::new(self.server.endpoint(), self.cache.path()) }
    }

    fn hub(&self) -> Hub {
        Hub::new(self.options())
    }

    fn offline(&self) -> Hub {
        Hub::new(Options { offline: true, ..self.options() })
    }

    /// Sizes of the partial downloads in the cache.
    fn partials(&self) -> Vec<u64> {
        let blobs = std::fs::read_dir(self.cache.path().join("models--someone--resnet8s/blobs"));
        let entries = blobs.into_iter().flatten().flatten();
        let partial = entries.filter(|entry| entry.path().extension().is_some_and(|end| end == "incomplete"));
        partial.map(|entry| entry.metadata().unwrap().len()).collect()
    }

    fn refusal(&self, file: &str) -> String {
        refusal(&self.hub(), &format!("hub:{ID}"), file)
    }
}

fn reference(text: &str) -> Reference {
    text.parse().unwrap()
}

fn refusal(hub: &Hub, text: &str, file: &str) -> String {
    hub.fetch(&reference(text), Kind::Model, file).unwrap_err().to_string()
}

/// A fresh model as a PyTorch file: 311 kB.
fn model(seed: u64) -> Vec<u8> {
    let input = InputSpec { shape: [3, 32, 32], classes: 10, mean: vec![0.5; 3], std: vec![0.25; 3] };
    let graph = find("resnet8s").unwrap().graph(&input).unwrap();
    let info = checkpoint::CheckpointInfo {
        format: checkpoint::FORMAT,
        arch: graph.arch.clone(),
        classes: 10,
        input: input.shape,
        mean: input.mean,
        std: input.std,
        dataset: "cifar10".into(),
        config: String::new(),
        widths: Widths::new(),
        training: None,
    };
    let state = initialize(&graph, seed);
    ModelFile { source: Source::Dense, graph, state, mask: None, info }.to_bytes(Target::Torch).unwrap()
}

fn contents(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}
