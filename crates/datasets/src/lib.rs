//! Image datasets, splits, forget sets, augmentation and batches.
