//! Sparsity masks: named bit tensors that can be applied, counted, saved and loaded.
