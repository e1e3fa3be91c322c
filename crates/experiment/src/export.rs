//! Writes a trained model for deployment: dense, sparse, or narrowed to the channels that matter.
//!
//! The bytes are first read back and compared with the original on noise. So no file is written whose outputs differ.

use std::{path::Path, time::Instant};

use unlearn_models::{ImportOptions, ModelFile, Target};
use unlearn_network::{DeviceChoice, Graph, Mode, Network};

use crate::{Error, Result};

/// Number of images on which outputs are compared.
const COMPARED: usize = 16;
/// Largest difference of a logit, as a share of the largest logit.
const TOLERANCE: f32 = 1e-4;
/// Number of images in a timed pass.
pub const TIMED_IMAGES: usize = 64;
/// Number of timed passes; their median is reported.
pub const TIMED_ROUNDS: usize = 7;

/// The form for deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Every weight; any reader of safetensors can read it.
    Dense,
    /// The kept weights and the mask; the model must have one.
    Sparse,
    /// A smaller dense network with the same outputs: channels that the outputs do not depend on are removed.
    Structured,
}

/// A model in its form for deployment.
#[derive(Debug)]
pub struct Exported {
    /// The file's content.
    pub bytes: Vec<u8>,
    /// The model, read back from these bytes.
    pub model: ModelFile,
    /// Largest difference of a logit from the original's, as a share of the largest logit.
    pub difference: f32,
    /// Number of images on which outputs were compared.
    pub compared: usize,
}

/// Makes the bytes of a model's file and writes nothing. `path` is for messages.
///
/// # Errors
/// A sparse form without a mask. Outputs that would differ from the original's.
pub fn export(original: &ModelFile, form: Form, path: &Path) -> Result<Exported> {
    let bytes = match form {
        Form::Dense => original.to_bytes(Target::Dense)?,
        Form::Sparse => original.to_bytes(Target::Sparse)?,
        Form::Structured => original.structured()?.to_bytes(Target::Dense)?,
    };
    let model = ModelFile::read(&bytes, &ImportOptions::default(), path)?;
    let refuse = |reason: String| Error::Content { path: path.into(), reason };
    let difference = difference(&mut network(original)?, &mut network(&model)?).map_err(|e| refuse(e.to_string()))?;
    if difference > TOLERANCE {
        return Err(refuse(format!(
            "not written, because its logits would differ from the original's by {difference:.1e} of the largest"
        )));
    }
    Ok(Exported { bytes, model, difference, compared: COMPARED })
}

/// The speed of two models in images per second, timed alternately on this machine's CPU.
///
/// # Errors
/// A model that cannot be run.
pub fn rates(before: &ModelFile, after: &ModelFile) -> Result<[f64; 2]> {
    let (mut before, mut after) = (network(before)?, network(after)?);
    let images = noise(before.graph(), TIMED_IMAGES);
    let mut logits = Vec::new();
    let mut seconds = [Vec::new(), Vec::new()];
    for round in 0..=TIMED_ROUNDS {
        for (network, seconds) in [&mut before, &mut after].into_iter().zip(&mut seconds) {
            let start = Instant::now();
            network.forward(&images, Mode::Evaluate, &mut logits).map_err(|error| failure(&error))?;
            if round > 0 {
                seconds.push(start.elapsed().as_secs_f64()); // The first pass plans, folds and fills buffers.
            }
        }
    }
    Ok(seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        TIMED_IMAGES as f64 / seconds[TIMED_ROUNDS / 2]
    }))
}

fn failure(reason: &dyn std::fmt::Display) -> Error {
    Error::Stage { stage: "export".into(), reason: reason.to_string() }
}

fn network(model: &ModelFile) -> Result<Network> {
    unlearn::parts::network(model, DeviceChoice::Cpu).map_err(|reason| failure(&reason))
}

/// Values in 0..1 that have no visible pattern, the same on every call.
fn noise(graph: &Graph, count: usize) -> Vec<f32> {
    let values = count * graph.input_shape().iter().product::<usize>();
    // They are the fractional parts of multiples of the golden ratio.
    (0..values).map(|i| ((i as f64 * 0.618_033_988_749_894_9).fract()) as f32).collect()
}

/// The largest difference between the logits of two networks, as a share of the largest logit.
fn difference(before: &mut Network, after: &mut Network) -> unlearn_network::Result<f32> {
    let images = noise(before.graph(), COMPARED);
    let (mut one, mut other) = (Vec::new(), Vec::new());
    before.forward(&images, Mode::Evaluate, &mut one)?;
    after.forward(&images, Mode::Evaluate, &mut other)?;
    let largest = one.iter().fold(f32::MIN_POSITIVE, |largest, logit| largest.max(logit.abs()));
    Ok(one.iter().zip(&other).fold(0.0f32, |worst, (one, other)| worst.max((one - other).abs())) / largest)
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, Source, checkpoint::CheckpointInfo, find, initialize};

    use super::*;

    fn model(seed: u64) -> ModelFile {
        let input = InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.286], std: vec![0.353] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let state = initialize(&graph, seed);
        let info = CheckpointInfo::new("resnet8s", input, "nothing");
        ModelFile { source: Source::Dense, graph, state, mask: None, info }
    }

    #[test]
    fn a_dense_model_comes_back_and_a_sparse_form_needs_a_mask() {
        let exported = export(&model(1), Form::Dense, Path::new("a.safetensors")).unwrap();
        assert_eq!((exported.difference, exported.model.state.parameters()), (0.0, model(1).state.parameters()));
        assert!(export(&model(1), Form::Structured, Path::new("a.safetensors")).unwrap().difference <= TOLERANCE);
        let message = export(&model(1), Form::Sparse, Path::new("a.safetensors")).unwrap_err().to_string();
        assert!(message.contains("no mask"), "{message}");
    }

    #[test]
    fn other_weights_give_other_outputs() {
        let (mut one, mut other) = (network(&model(1)).unwrap(), network(&model(2)).unwrap());
        assert!(difference(&mut one, &mut other).unwrap() > TOLERANCE);
    }
}
