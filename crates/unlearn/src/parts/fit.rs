//! Whether a model and data fit each other, and a model's network.

use std::sync::Arc;

use unlearn_models::{InputSpec, ModelFile, checkpoint::CheckpointInfo};
use unlearn_network::{DeviceChoice, Network};
use unlearn_samples::Dataset;
use unlearn_training::apply_mask;

use crate::{Error, Result};

/// The inputs and outputs of a model for a dataset.
pub fn input_spec(dataset: &Dataset) -> InputSpec {
    let images = &dataset.train;
    InputSpec {
        shape: [images.channels, images.height, images.width],
        classes: dataset.classes.len(),
        mean: dataset.normalization.mean.clone(),
        std: dataset.normalization.std.clone(),
    }
}

/// Checks that a model takes a dataset's images and has its classes.
///
/// # Errors
/// [`Error::Fit`] if not.
pub fn fits(info: &CheckpointInfo, dataset: &Dataset) -> Result<()> {
    let (InputSpec { shape, classes, .. }, CheckpointInfo { input, classes: outputs, .. }) =
        (input_spec(dataset), info);
    if (*input, *outputs) == (shape, classes) {
        return Ok(());
    }
    Err(Error::Fit(format!(
        "the model is for images {input:?} of {outputs} classes, but {} has images {shape:?} of {classes}",
        dataset.name
    )))
}

/// Checks that a dataset has the fingerprint `wanted`, which is that of a model's training.
///
/// # Errors
/// [`Error::Fit`] if not.
pub fn check_fingerprint(dataset: &Dataset, wanted: &str) -> Result<()> {
    if dataset.fingerprint == wanted {
        return Ok(());
    }
    Err(Error::Fit(format!(
        "it was trained on other images or labels than `{}` has here: their fingerprint is {wanted}, these have {}",
        dataset.name, dataset.fingerprint
    )))
}

/// The network of an opened model on a device, pruned by its mask if it has one.
///
/// # Errors
/// If the device does not open, or the mask is another model's.
pub fn network(model: &ModelFile, device: DeviceChoice) -> Result<Network> {
    let mut network = Network::new(Arc::clone(&model.graph), model.state.clone(), device)?;
    if let Some(mask) = &model.mask {
        apply_mask(&mut network, mask)?;
    }
    Ok(network)
}
