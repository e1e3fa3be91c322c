//! The names that a pickle may ask for. Whatever else it asks for is refused by its name.

use crate::tensor::Dtype;

/// What stands in for a Python function or class when a pickle applies it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// A dictionary, whatever it is applied to.
    Dictionary,
    /// A view of a storage.
    RebuildTensor,
    /// Its first argument, a tensor.
    RebuildParameter,
    /// A kind of storage.
    Storage(Dtype),
    /// Something that lies beside weights and of which no value is needed.
    Ignored,
}

/// All of them, with what they are for. Those that are ignored lie beside the weights in the checkpoints of a training run:
/// accuracies as NumPy scalars, and the milestones of a learning-rate schedule.
const ALLOWED: &[(&str, &str, Global)] = &[
    ("collections", "OrderedDict", Global::Dictionary),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Global::RebuildParameter),
    ("torch", "DoubleStorage", Global::Storage(Dtype::F64)),
    ("torch", "FloatStorage", Global::Storage(Dtype::F32)),
    ("torch", "HalfStorage", Global::Storage(Dtype::F16)),
    ("torch", "BFloat16Storage", Global::Storage(Dtype::Bf16)),
    ("torch", "LongStorage", Global::Storage(Dtype::I64)),
    ("torch", "IntStorage", Global::Storage(Dtype::I32)),
    ("torch", "ShortStorage", Global::Storage(Dtype::I16)),
    ("torch", "CharStorage", Global::Storage(Dtype::I8)),
    ("torch", "ByteStorage", Global::Storage(Dtype::U8)),
    ("torch", "BoolStorage", Global::Storage(Dtype::Bool)),
    ("torch", "Size", Global::Ignored),
    ("collections", "Counter", Global::Ignored),
    ("numpy.core.multiarray", "scalar", Global::Ignored),
    ("numpy._core.multiarray", "scalar", Global::Ignored),
    ("numpy", "dtype", Global::Ignored),
    ("_codecs", "encode", Global::Ignored),
];

/// Looks a name up.
pub(crate) fn find(module: &str, name: &str) -> Option<Global> {
    ALLOWED.iter().find(|(m, n, _)| (*m, *n) == (module, name)).map(|(_, _, global)| *global)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole_and_listed_once() {
        assert_eq!(find("collections", "OrderedDict"), Some(Global::Dictionary));
        for (module, name) in [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch", "Size.x"), ("", "")]
        {
            assert_eq!(find(module, name), None, "{module}.{name}");
        }
        let names: std::collections::BTreeSet<_> = ALLOWED.iter().map(|(module, name, _)| (module, name)).collect();
        assert_eq!(names.len(), ALLOWED.len());
    }
}
