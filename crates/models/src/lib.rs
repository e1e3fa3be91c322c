//! Architectures and their checkpoints.
