//! Names of the parts of a stored dataset.

/// The split of training images.
pub(crate) const TRAIN: &str = "train";

/// Splits that may be a test set. The first existing one is used. `valid` and `val` are other names of `validation`.
pub(crate) const TESTS: [&str; 4] = ["test", "validation", "valid", "val"];
