//! Transforms of training images. Each is a function of seed, epoch and sample (or batch).

mod augment;
pub(crate) mod cutout;
pub(crate) mod mixup;
pub(crate) mod pillow_ops;
pub(crate) mod rand_augment;
pub(crate) mod resized_crop;

pub use augment::{Augmentation, Transform};
pub use mixup::Mixed;
pub use rand_augment::RandAugment;
