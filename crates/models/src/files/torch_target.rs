//! Writes a model as files for PyTorch's `load_state_dict`.

use std::collections::HashMap;
use std::path::Path;

use safetensors::{Dtype, tensor::TensorView};
use unlearn_tensor_files::le_bytes;
use unlearn_torch_files::Written;

use super::checkpoint::{CheckpointInfo, described};
use super::named_tensors::{MEAN, STD};
use crate::{Error, ModelFile, Result};

/// Tensors by name, with shape and values.
type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// The model's tensors under torchvision's names. If `masked`, tensors that the mask covers have the names of `torch.nn.utils.prune`.
fn tensors(model: &ModelFile, masked: bool) -> Result<Tensors> {
    if masked && model.mask.is_none() {
        return Err(Error::Description(
            "the model has no mask, and `torch-masked` writes one; give it with `--mask`, or write `torch`".into(),
        ));
    }
    let mut tensors = Vec::new();
    for (name, shape, values) in model.state.named(&model.graph) {
        match model.mask.as_ref().filter(|_| masked).and_then(|mask| mask.get(name)) {
            None => tensors.push((name.to_owned(), shape.to_vec(), values.to_vec())),
            Some(bits) => {
                tensors.push((format!("{name}_orig"), shape.to_vec(), values.to_vec()));
                tensors.push((format!("{name}_mask"), shape.to_vec(), bits.to_dense()));
            }
        }
    }
    Ok(tensors)
}

/// The normalisation inside the model.
fn normalisation(model: &ModelFile) -> Tensors {
    let channels = vec![model.info.mean.len()];
    vec![
        (MEAN.to_owned(), channels.clone(), model.info.mean.clone()),
        (STD.to_owned(), channels, model.info.std.clone()),
    ]
}

/// The form that `safetensors.torch.load_file` reads.
pub(super) fn safetensors(model: &ModelFile, masked: bool) -> Result<Vec<u8>> {
    let tensors = [tensors(model, masked)?, normalisation(model)].concat();
    let stored: Vec<_> = tensors.into_iter().map(|(name, shape, values)| (name, shape, le_bytes(&values))).collect();
    let fail = |error: safetensors::SafeTensorError| Error::Description(error.to_string());
    let views = stored
        .iter()
        .map(|(name, shape, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data)?)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(fail)?;
    // `safetensors.torch.save_file` writes this entry, and some readers require it.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(fail)
}

/// The name of the entry that describes the model in a `torch.save` file. `torch.load` does not read it.
const DESCRIPTION: &str = "unlearn.json";

/// The form that `torch.load` reads. It holds only the tensors of the module, so that a strict `load_state_dict` accepts them. The
/// model's description, which includes its normalisation, is a further entry of the archive.
pub(super) fn pickled(model: &ModelFile, masked: bool) -> Result<Vec<u8>> {
    let tensors = tensors(model, masked)?;
    let written: Vec<_> = tensors.iter().map(|(name, shape, values)| Written { name, shape, values }).collect();
    let description = serde_json::to_vec(&model.info).map_err(|error| Error::Description(error.to_string()))?;
    let records = [(DESCRIPTION, description.as_slice())];
    unlearn_torch_files::write(&written, &records).map_err(|error| Error::Description(error.to_string()))
}

/// The description that [`pickled`] wrote into a `torch.save` file; `None` for a file of another program.
///
/// # Errors
/// A damaged archive; a damaged description, or one of a newer format.
pub(super) fn description(bytes: &[u8], path: &Path) -> Result<Option<CheckpointInfo>> {
    let fail = |source| Error::TorchFile { path: path.into(), source };
    let Some(json) = unlearn_torch_files::record(bytes, DESCRIPTION).map_err(fail)? else { return Ok(None) };
    let json = str::from_utf8(json).map_err(|error| Error::Checkpoint {
        path: path.into(),
        reason: format!("its entry `{DESCRIPTION}` is damaged ({error})"),
    })?;
    described(json, path).map(Some)
}
