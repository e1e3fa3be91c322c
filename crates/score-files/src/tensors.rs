//! Arrays in safetensors.

use safetensors::{Dtype, SafeTensors};

use crate::arrays::{Array, Arrays, SCORES};
use crate::error::Checked;
use crate::values::Type;

/// Whether the bytes are safetensors with an array of scores, and no tensors of a model: each name ends in what an array of
/// scores may be called.
pub(crate) fn has_scores(bytes: &[u8]) -> bool {
    let Ok(file) = SafeTensors::deserialize(bytes) else { return false };
    let names = file.names();
    let last = |name: &str| name.rsplit(['_', '.']).next().unwrap_or_default().to_owned();
    let known = |name: &&str| {
        let last = last(name);
        SCORES.contains(&last.as_str()) || ["labels", "ids", "positions", "seen"].contains(&last.as_str())
    };
    names.iter().any(|name| SCORES.contains(&last(name).as_str())) && names.iter().all(known)
}

/// Reads all arrays.
pub(crate) fn read(bytes: &[u8]) -> Checked<Arrays> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut arrays = Arrays::default();
    for (name, view) in file.tensors() {
        let kind = match view.dtype() {
            Dtype::F16 => Type::F16,
            Dtype::BF16 => Type::Bf16,
            Dtype::F32 => Type::F32,
            Dtype::F64 => Type::F64,
            Dtype::BOOL => Type::Bool,
            Dtype::I8 => Type::Signed(1),
            Dtype::I16 => Type::Signed(2),
            Dtype::I32 => Type::Signed(4),
            Dtype::I64 => Type::Signed(8),
            Dtype::U8 => Type::Unsigned(1),
            Dtype::U16 => Type::Unsigned(2),
            Dtype::U32 => Type::Unsigned(4),
            Dtype::U64 => Type::Unsigned(8),
            other => {
                arrays.unread.insert(name, format!("its elements are {other:?}, which are not read; save `float32`"));
                continue;
            }
        };
        match kind.elements(view.data()) {
            Ok(elements) => drop(arrays.named.insert(name, Array { shape: view.shape().to_vec(), elements })),
            Err(reason) => drop(arrays.unread.insert(name, reason)),
        }
    }
    Ok(arrays)
}
