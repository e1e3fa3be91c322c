//! End-to-end tests and comparisons with outside references.

mod golden_training;
