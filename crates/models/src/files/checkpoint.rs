//! Checkpoints: safetensors files with the model's tensors under torchvision's names, and metadata that describes the model.
//!
//! Equal models give equal bytes. Format policy: a reader accepts its own and older versions and refuses newer ones. A new optional key
//! does not change the version.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn_network::{Graph, State, Widths};
use unlearn_tensor_files::TensorFile;

use crate::{Error, InputSpec, Origin, Result, files::contents::contents, find};

/// Version written by this crate.
pub const FORMAT: u32 = 1;

/// The description of a model in its checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointInfo {
    /// Format version.
    pub format: u32,
    /// Architecture name.
    pub arch: String,
    /// Number of classes.
    pub classes: usize,
    /// `[channels, height, width]` of one image.
    pub input: [usize; 3],
    /// Per-channel mean of the normalisation inside the model.
    pub mean: Vec<f32>,
    /// Per-channel standard deviation of the normalisation inside the model.
    pub std: Vec<f32>,
    /// Dataset it was trained on.
    pub dataset: String,
    /// Hash of the configuration that made it.
    pub config: String,
    /// Channels that a convolution writes, by the name of its weight, if they are fewer than the architecture's.
    #[serde(default, skip_serializing_if = "Widths::is_empty")]
    pub widths: Widths,
    /// What the model was trained on, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
}

/// What a model was trained on and how. It is needed to make the model forget a part of that data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Training {
    /// The suite's section `data`, from which the split follows; its seed is filled in.
    pub data: Value,
    /// Fingerprint of the dataset.
    pub fingerprint: String,
    /// The recipe.
    pub recipe: Value,
    /// The run's seed.
    pub seed: u64,
    /// The pretrained weights that training began with; none if the weights were fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Origin>,
    /// Positions in the official training set that the model was asked to forget after training; ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forgotten: Vec<u32>,
}

/// Limits on a file's description: the longest side of an image, most channels and most classes. A larger value means damage.
const MOST: usize = 1 << 20;

impl CheckpointInfo {
    /// Describes a model of the architecture's own width, for `input`, trained on `dataset`. Nothing else is known of it yet.
    pub fn new(arch: &str, input: InputSpec, dataset: &str) -> Self {
        let InputSpec { shape, classes, mean, std } = input;
        Self {
            format: FORMAT,
            arch: arch.into(),
            classes,
            input: shape,
            mean,
            std,
            dataset: dataset.into(),
            config: String::new(),
            widths: Widths::new(),
            training: None,
        }
    }

    /// The graph of the checkpoint's architecture.
    ///
    /// # Errors
    /// An unknown architecture. Images, classes, a normalisation or widths that the architecture cannot have.
    pub fn graph(&self) -> Result<Arc<Graph>> {
        let architecture = find(&self.arch)?;
        let channels = self.input[0];
        let numbers = || self.mean.iter().chain(&self.std);
        let sound = self.input.iter().chain([&self.classes]).all(|count| (1..=MOST).contains(count))
            && self.mean.len() == channels
            && self.std.len() == channels
            && numbers().all(|value| value.is_finite())
            && self.std.iter().all(|std| *std > 0.0);
        if !sound {
            let Self { classes, input, mean, std, .. } = self;
            let reason = format!(
                "{classes} classes, images {input:?}, mean {mean:?} and deviation {std:?} describe no model; one finite mean \
                 and one positive deviation per channel are needed"
            );
            return Err(Error::Description(reason));
        }
        let input =
            InputSpec { shape: self.input, classes: self.classes, mean: self.mean.clone(), std: self.std.clone() };
        let graph = architecture.graph(&input)?;
        if self.widths.is_empty() { Ok(graph) } else { Ok(Arc::new(graph.narrowed(&self.widths)?)) }
    }
}

/// The metadata that our files other than dense checkpoints have.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

/// Serialises a model. Equal models give equal bytes.
///
/// # Errors
/// None in practice; errors of safetensors are passed on.
pub fn to_bytes(graph: &Graph, state: &State, info: &CheckpointInfo) -> Result<Vec<u8>> {
    let fail = |reason: String| Error::Checkpoint { path: "(in memory)".into(), reason };
    let tensors: Vec<_> = state.named(graph).map(|(name, shape, values)| (name.to_string(), shape, values)).collect();
    let info = serde_json::to_string(info).map_err(|e| fail(e.to_string()))?;
    unlearn_tensor_files::encode(&tensors, info).map_err(|e| fail(e.to_string()))
}

/// Reads a checkpoint's metadata from its bytes; `path` is for messages.
///
/// # Errors
/// A file that is not safetensors, lacks our metadata, or has a newer format.
pub fn info(bytes: &[u8], path: &Path) -> Result<CheckpointInfo> {
    let fail = |reason: String| Error::Checkpoint { path: path.into(), reason };
    let file = TensorFile::open(bytes).map_err(|e| fail(format!("not a safetensors file ({e})")))?;
    let json = file
        .json()
        .ok_or_else(|| fail("it lacks the metadata of `unlearn`; a foreign file must be converted first".into()))?;
    if let Ok(Kind { kind: Some(kind) }) = serde_json::from_str(json) {
        return Err(fail(format!(
            "it holds a `{kind}`, not a dense checkpoint; `unlearn convert` makes one of a sparse one"
        )));
    }
    described(json, path)
}

/// Reads the description of a model from its JSON; `path` is for messages.
///
/// # Errors
/// JSON that is not such a description, or a newer format.
pub(super) fn described(json: &str, path: &Path) -> Result<CheckpointInfo> {
    let fail = |reason: String| Error::Checkpoint { path: path.into(), reason };
    let info: CheckpointInfo =
        serde_json::from_str(json).map_err(|e| fail(format!("its metadata is damaged ({e})")))?;
    if info.format > FORMAT {
        return Err(fail(format!("its format {} is newer than {FORMAT}, the newest known here", info.format)));
    }
    Ok(info)
}

/// Reads a checkpoint for a graph from bytes; `path` is for messages.
///
/// # Errors
/// As [`info`]. Another architecture. A tensor that is missing, of another shape or type, or not finite.
pub fn from_bytes(bytes: &[u8], graph: &Graph, path: &Path) -> Result<(State, CheckpointInfo)> {
    let fail = |reason: String| Error::Checkpoint { path: path.into(), reason };
    let info = info(bytes, path)?;
    if info.arch != graph.arch {
        return Err(fail(format!("it holds a {}, but a {} is wanted", info.arch, graph.arch)));
    }
    let file = TensorFile::open(bytes).map_err(|e| fail(e.to_string()))?;
    let state = State::from_named(graph, |name| file.tensor(name))?;
    if let Some(name) = state.first_non_finite(graph) {
        return Err(fail(format!(
            "tensor `{name}` holds a NaN or an infinity; take an earlier checkpoint, or make it again with weaker settings"
        )));
    }
    if let Some(name) = state.first_negative_variance(graph) {
        return Err(fail(format!("tensor `{name}` holds a negative number, and it is a variance")));
    }
    Ok((state, info))
}

/// Loads a checkpoint for a graph.
///
/// # Errors
/// As [`from_bytes`], or a file that cannot be read.
pub fn load(path: &Path, graph: &Graph) -> Result<(State, CheckpointInfo)> {
    from_bytes(&contents(path)?, graph, path)
}

/// Reads only the description in a checkpoint.
///
/// # Errors
/// As [`info`], or a file that cannot be read.
pub fn load_info(path: &Path) -> Result<CheckpointInfo> {
    info(&contents(path)?, path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{InputSpec, find, initialize};

    fn example(arch: &str) -> (Arc<Graph>, State, CheckpointInfo) {
        let input = InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.286], std: vec![0.353] };
        let graph = find(arch).unwrap().graph(&input).unwrap();
        let info = CheckpointInfo { config: "abc".into(), ..CheckpointInfo::new(arch, input, "fashion-mnist-mini") };
        let state = initialize(&graph, 1);
        (graph, state, info)
    }

    fn refusal(bytes: &[u8], graph: &Graph) -> String {
        from_bytes(bytes, graph, Path::new("m.safetensors")).unwrap_err().to_string()
    }

    #[test]
    fn a_round_trip_is_bit_exact_and_equal_content_gives_equal_bytes() {
        let (graph, state, info) = example("resnet8s");
        let bytes = to_bytes(&graph, &state, &info).unwrap();
        assert_eq!(bytes, to_bytes(&graph, &state.clone(), &info).unwrap());
        let (read, read_info) = from_bytes(&bytes, &graph, Path::new("m")).unwrap();
        assert_eq!((read.parameters(), read.buffers(), read_info), (state.parameters(), state.buffers(), info));
    }

    #[test]
    fn what_it_was_trained_on_comes_back_and_may_be_missing() {
        let (graph, state, info) = example("resnet8s");
        let json = serde_json::to_string(&info).unwrap();
        assert!(!json.contains("training"), "{json}");
        let training = Training {
            data: serde_json::json!({ "name": "fashion-mnist-mini", "validation": 0.1 }),
            fingerprint: "f".into(),
            recipe: serde_json::json!({ "lr": 0.1 }),
            seed: 1,
            init: None,
            forgotten: vec![3, 5],
        };
        let info = CheckpointInfo { training: Some(training), ..info };
        let bytes = to_bytes(&graph, &state, &info).unwrap();
        assert_eq!(from_bytes(&bytes, &graph, Path::new("m")).unwrap().1, info);
    }

    #[test]
    fn damaged_and_foreign_files_are_refused_by_name() {
        let (graph, mut state, info) = example("resnet8s");
        let bytes = to_bytes(&graph, &state, &info).unwrap();
        assert!(refusal(&bytes[..bytes.len() / 2], &graph).contains("not a safetensors file"));
        assert!(refusal(b"PK", &graph).contains("m.safetensors"));
        let (other, ..) = example("resnet20s");
        assert!(refusal(&bytes, &other).contains("holds a resnet8s, but a resnet20s is wanted"));
        let newer = to_bytes(&graph, &state, &CheckpointInfo { format: FORMAT + 1, ..info.clone() }).unwrap();
        assert!(refusal(&newer, &graph).contains("newer"));
        state.parameters_mut()[0][0] = f32::NAN;
        let nan = to_bytes(&graph, &state, &info).unwrap();
        assert!(refusal(&nan, &graph).contains("`conv1.weight` holds a NaN"));
    }
}
