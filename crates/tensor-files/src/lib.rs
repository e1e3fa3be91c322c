//! Named f32 tensors and one piece of JSON as safetensors bytes: the container of checkpoints, training states and scores.
//!
//! The metadata of safetensors is an unordered map. With a single entry, equal content gives equal bytes.
#![doc = ""]
#![doc = include_str!("../README.md")]

use std::collections::HashMap;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

const METADATA_KEY: &str = "unlearn";

/// A tensor to be written: name, shape, row-major values.
pub type NamedTensor<'a> = (String, &'a [usize], &'a [f32]);

/// Serialises tensors and a JSON document.
///
/// # Errors
/// If a tensor's values do not fill its shape, or a name occurs twice.
pub fn encode(tensors: &[NamedTensor<'_>], json: String) -> Result<Vec<u8>, SafeTensorError> {
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(_, _, values)| le_bytes(values)).collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), data)| Ok((name, TensorView::new(Dtype::F32, shape.to_vec(), data)?)))
        .collect::<Result<Vec<_>, SafeTensorError>>()?;
    encode_views(views, json)
}

/// Serialises tensors of any type and a JSON document.
///
/// # Errors
/// If the header is larger than the format allows.
pub fn encode_views<S: AsRef<str> + Ord + std::fmt::Display>(
    views: Vec<(S, TensorView<'_>)>,
    json: String,
) -> Result<Vec<u8>, SafeTensorError> {
    safetensors::serialize(views, Some(HashMap::from([(METADATA_KEY.to_string(), json)])))
}

/// Values in a file's byte order (little-endian).
pub fn le_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// Bytes written by [`encode`], opened for reading.
#[derive(Debug)]
pub struct TensorFile<'a> {
    tensors: SafeTensors<'a>,
    json: Option<String>,
}

impl<'a> TensorFile<'a> {
    /// Opens safetensors bytes; the values are read on demand.
    ///
    /// # Errors
    /// If the bytes are not safetensors.
    pub fn open(bytes: &'a [u8]) -> Result<Self, SafeTensorError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let json = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY)).cloned();
        Ok(Self { tensors: SafeTensors::deserialize(bytes)?, json })
    }

    /// The JSON document, if this crate wrote the file.
    pub fn json(&self) -> Option<&str> {
        self.json.as_deref()
    }

    /// Names of all tensors.
    pub fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    /// A tensor of any type as stored in the file. `None` if it is missing.
    pub fn view(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(name).ok()
    }

    /// Shape and values of an f32 tensor. `None` if it is missing or of another type.
    pub fn tensor(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let view = self.view(name).filter(|view| view.dtype() == Dtype::F32)?;
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Some((view.shape().to_vec(), values))
    }
}
