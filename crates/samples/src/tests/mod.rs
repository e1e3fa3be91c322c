//! Comparisons with outside references that read files.

mod rand_augment;
