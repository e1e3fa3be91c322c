//! What can go wrong between a graph and the executor that runs it.

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Two shapes that must agree do not.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The tensor or argument concerned.
        what: String,
        /// The shape the graph asks for.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// A NaN or an infinity goes in, which debug builds look for.
    #[error("{what}: {value} at {position:?}; what goes into a network must be finite")]
    NonFinite {
        /// The tensor or argument concerned.
        what: String,
        /// Place of the first such value.
        position: Vec<usize>,
        /// The value.
        value: f32,
    },
    /// A tensor the graph names is missing from the values given.
    #[error("tensor `{0}` is missing; the graph of this architecture needs it")]
    Missing(String),
    /// `backward` without a matching `forward`.
    #[error("backward needs a forward pass in mode train or frozen just before it")]
    NoForward,
    /// Gradients of single samples where statistics were the batch's.
    #[error(
        "gradients of single samples need a forward pass in mode frozen; in mode train, where statistics are the batch's, \
         a sample's loss depends on every other sample"
    )]
    NotFrozen,
    /// The graph holds a layer that this executor cannot run.
    #[error(
        "the {executor} executor cannot run layer `{layer}`; use --device cpu with the candle executor or another device"
    )]
    Unsupported {
        /// The executor that refused.
        executor: &'static str,
        /// The layer's name.
        layer: String,
    },
    /// Fewer channels than a layer can do with.
    #[error("`{layer}` {reason}")]
    Narrow {
        /// The layer or tensor.
        layer: String,
        /// What is wrong.
        reason: String,
    },
    /// A `--device` value that means nothing.
    #[error("unknown device `{0}`; valid names: auto, cpu, cpu-direct, candle-cpu, cuda, cuda:N, metal")]
    UnknownDevice(String),
    /// The device exists in name only in this build.
    #[error("device `{device}` is not in this build; build again with `--features {feature}`")]
    NotBuilt {
        /// The device asked for.
        device: String,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// The environment asks the CPU kernels for instructions that they cannot use.
    #[error(transparent)]
    InstructionSet(#[from] unlearn_kernels::InstructionSetError),
    /// Anything Candle reports.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;
