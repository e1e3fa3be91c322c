//! Machine-unlearning methods, one file each.
