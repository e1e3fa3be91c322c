//! The names that a pickle may ask for. Any other name is refused, and the error shows it.

use crate::{Error, Result, tensor::Dtype};

/// What a pickle is read for. This decides the names that it may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Tensors, as PyTorch saves them.
    Weights,
    /// Arrays, as NumPy pickles them.
    Arrays,
}

/// The meaning of a Python function or class when a pickle calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// A dictionary; the arguments are ignored.
    Dictionary,
    /// A view of a storage.
    RebuildTensor,
    /// The first argument, a tensor.
    RebuildParameter,
    /// A kind of storage.
    Storage(Dtype),
    /// A NumPy array that is filled later.
    Array,
    /// The type of a NumPy array's elements.
    ElementType,
    /// A NumPy array over separate bytes, as in protocol 5.
    ArrayOfBuffer,
    /// One NumPy number.
    Scalar,
    /// Bytes written as text, one code point per byte, as Python 3 does in protocol 2.
    Encoded,
    /// A value beside the weights that nobody needs.
    Ignored,
}

/// The names for weights, and their meaning. Ignored names are common beside the weights in the checkpoints of a training: accuracies as
/// NumPy scalars and arrays, the milestones of a learning-rate schedule, and the options of the command.
const WEIGHTS: &[(&str, &str, Global)] = &[
    ("collections", "OrderedDict", Global::Dictionary),
    ("collections", "defaultdict", Global::Dictionary),
    ("torch._utils", "_rebuild_tensor_v2", Global::RebuildTensor),
    ("torch._utils", "_rebuild_parameter", Global::RebuildParameter),
    ("torch._utils", "_rebuild_parameter_with_state", Global::RebuildParameter),
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
    ("numpy", "ndarray", Global::Ignored),
    ("numpy.core.multiarray", "_reconstruct", Global::Ignored),
    ("numpy._core.multiarray", "_reconstruct", Global::Ignored),
    ("argparse", "Namespace", Global::Ignored),
    ("pathlib", "PosixPath", Global::Ignored),
    ("torch", "device", Global::Ignored),
    ("torch", "float32", Global::Ignored),
    ("torch", "float16", Global::Ignored),
    ("torch", "bfloat16", Global::Ignored),
    // Used by `defaultdict(list)` and similar; protocol 2 uses the module's old name.
    ("__builtin__", "list", Global::Ignored),
    ("__builtin__", "dict", Global::Ignored),
    ("__builtin__", "set", Global::Ignored),
    ("__builtin__", "int", Global::Ignored),
    ("__builtin__", "float", Global::Ignored),
    ("builtins", "list", Global::Ignored),
    ("builtins", "dict", Global::Ignored),
    ("builtins", "set", Global::Ignored),
    ("builtins", "int", Global::Ignored),
    ("builtins", "float", Global::Ignored),
];

/// The names for arrays. NumPy 2 renamed its inner modules.
const ARRAYS: &[(&str, &str, Global)] = &[
    ("numpy.core.multiarray", "_reconstruct", Global::Array),
    ("numpy._core.multiarray", "_reconstruct", Global::Array),
    ("numpy.core.numeric", "_frombuffer", Global::ArrayOfBuffer),
    ("numpy._core.numeric", "_frombuffer", Global::ArrayOfBuffer),
    ("numpy.core.multiarray", "scalar", Global::Scalar),
    ("numpy._core.multiarray", "scalar", Global::Scalar),
    ("numpy", "ndarray", Global::Ignored),
    ("numpy", "dtype", Global::ElementType),
    ("_codecs", "encode", Global::Encoded),
    // Empty bytes, in protocol 2.
    ("__builtin__", "bytes", Global::Encoded),
    ("collections", "OrderedDict", Global::Dictionary),
];

impl Vocabulary {
    fn names(self) -> &'static [(&'static str, &'static str, Global)] {
        match self {
            Self::Weights => WEIGHTS,
            Self::Arrays => ARRAYS,
        }
    }

    /// Looks a name up.
    pub(crate) fn find(self, module: &str, name: &str) -> Result<Global> {
        const SHOWN: usize = 120;
        let found = self.names().iter().find(|(m, n, _)| (*m, *n) == (module, name));
        found.map(|(_, _, global)| *global).ok_or_else(|| {
            // Text from the file may reach a terminal, so it is shortened and its control characters are escaped.
            let name = format!("{module}.{name}").escape_debug().take(SHOWN).collect();
            match self {
                Self::Weights => Error::Global { name },
                Self::Arrays => Error::ArrayGlobal { name },
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_matched_whole_and_listed_once() {
        assert_eq!(Vocabulary::Weights.find("collections", "OrderedDict").unwrap(), Global::Dictionary);
        for vocabulary in [Vocabulary::Weights, Vocabulary::Arrays] {
            for (module, name) in
                [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch", "Size.x"), ("", "")]
            {
                assert!(vocabulary.find(module, name).is_err(), "{module}.{name}");
            }
            let names: std::collections::BTreeSet<_> =
                vocabulary.names().iter().map(|(module, name, _)| (module, name)).collect();
            assert_eq!(names.len(), vocabulary.names().len());
        }
    }
}
