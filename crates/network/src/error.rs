//! Errors of graphs and executors.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two shapes must agree but differ.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The tensor or argument.
        what: String,
        /// The shape that the graph requires.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// An input contains a NaN or an infinity. Only debug builds check this.
    #[error("{what}: {value} at {position:?}; values passed to a network must be finite")]
    NonFinite {
        /// The tensor or argument.
        what: String,
        /// Position of the first such value.
        position: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// The given values lack a tensor that the graph names.
    #[error("tensor `{0}` is missing; the graph of this architecture needs it")]
    Missing(String),
    /// Values were given for tensors that the graph does not have.
    #[error("the graph of this architecture has no tensor `{0}`; remove what is not the model's")]
    Extra(String),
    /// A tensor holds another type of numbers.
    #[error("tensor {tensor} holds {found} values; convert it to f32 first")]
    NotFloat {
        /// The tensor.
        tensor: String,
        /// The type that was found.
        found: String,
    },
    /// The executor keeps no training on a device.
    #[error("the {executor} executor keeps no training on a device; train by passes")]
    NotResident {
        /// The executor.
        executor: &'static str,
    },
    /// A penalty that only the host has was given to a device.
    #[error("the penalty is a function of the host; train by passes, or describe it as data")]
    OwnPenalty,
    /// `backward` was called without a matching `forward`.
    #[error("backward needs a forward pass in mode train or frozen just before it")]
    NoForward,
    /// Per-sample gradients were asked for after a forward pass with batch statistics.
    #[error(
        "per-sample gradients need a forward pass in mode frozen; in mode train, statistics are those of the batch, \
         so a sample's loss depends on every other sample"
    )]
    NotFrozen,
    /// The graph holds a layer that this executor lacks.
    #[error("the {executor} executor cannot run layer `{layer}`; the candle executor can (feature `candle`)")]
    Unsupported {
        /// The executor.
        executor: &'static str,
        /// The layer's name.
        layer: String,
    },
    /// The graph holds a layer that has no kernel for bf16.
    #[error(
        "layer `{layer}` has no kernel for bf16, which is for convolutional networks; leave `--precision bf16` out"
    )]
    NoBf16 {
        /// The layer's name.
        layer: String,
    },
    /// A layer cannot be given so few channels.
    #[error("`{layer}` {reason}")]
    Narrow {
        /// The layer or tensor.
        layer: String,
        /// What is wrong.
        reason: String,
    },
    /// The value of `--device` is unknown.
    #[error(
        "unknown device `{0}`; valid names: auto, cpu, cpu-bf16, cpu-direct, cpu-native, \
             cpu-native-bf16, candle-cpu, cuda, cuda:N, metal"
    )]
    UnknownDevice(String),
    /// This build does not support the device.
    #[error("device `{device}` is not in this build; build again with `--features {feature}`")]
    NotBuilt {
        /// The device asked for.
        device: String,
        /// The Cargo feature that adds it.
        feature: &'static str,
    },
    /// The environment names an instruction set that the CPU kernels cannot use.
    #[error(transparent)]
    InstructionSet(#[from] unlearn_kernels::InstructionSetError),
    /// An error from Candle.
    #[cfg(feature = "candle")]
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
