//! A tenth of Fashion-MNIST that is embedded in this crate, so that everything runs without a download.
//!
//! It holds the first 800 training and 200 test images of each class, in file order.
//! `data/fashion-mnist-mini/README.md` names their origin, and `examples/cut_fashion_mnist_mini.rs` cuts them again.

use unlearn_samples::{Dataset, ImageSet};

use crate::entry::Entry;
use crate::error::Result;
use crate::options::OpenOptions;
use crate::{fashion_mnist, formats::idx_folder};

/// Training images of each class.
pub const TRAIN_PER_CLASS: usize = 800;
/// Test images of each class.
pub const TEST_PER_CLASS: usize = 200;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "fashion-mnist-mini",
    summary: "the first 800 training and 200 test images of each class of Fashion-MNIST",
    needs: "nothing: it ships with the program",
    train: 10 * TRAIN_PER_CLASS,
    test: 10 * TEST_PER_CLASS,
    hub: None,
    files: &[],
    open,
    ..fashion_mnist::ENTRY
};

static FILES: [&[u8]; 4] = [
    include_bytes!("../data/fashion-mnist-mini/train-images-idx3-ubyte.gz"),
    include_bytes!("../data/fashion-mnist-mini/train-labels-idx1-ubyte.gz"),
    include_bytes!("../data/fashion-mnist-mini/t10k-images-idx3-ubyte.gz"),
    include_bytes!("../data/fashion-mnist-mini/t10k-labels-idx1-ubyte.gz"),
];

fn open(entry: &Entry, _: &OpenOptions) -> Result<Dataset> {
    idx_folder::decode(entry, FILES)
}

/// Cuts the mini set out of the full one: the first `per_class` images of each class.
///
/// # Errors
/// If the images cannot be copied into a set, which does not happen for a valid `full`.
pub fn cut(full: &ImageSet, per_class: usize) -> Result<ImageSet> {
    let positions = full.first_of_each_class(ENTRY.classes.len(), per_class);
    let mut pixels = Vec::with_capacity(positions.len() * full.image_len());
    for &position in &positions {
        pixels.extend_from_slice(&full.image(position as usize)?);
    }
    let labels: Vec<u32> = positions.iter().map(|&i| full.labels[i as usize]).collect();
    Ok(ImageSet::new([full.channels, full.height, full.width], pixels, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn mini() -> Dataset {
        registry::open(ENTRY.name, &OpenOptions::default()).unwrap()
    }

    #[test]
    fn classes_are_balanced() {
        let mini = mini();
        for (set, per_class) in [(&mini.train, TRAIN_PER_CLASS), (&mini.test, TEST_PER_CLASS)] {
            assert_eq!(set.len(), 10 * per_class);
            for class in 0..10 {
                assert_eq!(set.labels.iter().filter(|&&label| label == class).count(), per_class);
            }
        }
    }

    #[test]
    fn the_fingerprint_is_the_published_one() {
        let readme = include_str!("../data/fashion-mnist-mini/README.md");
        assert!(readme.contains(&mini().fingerprint), "the README does not name {}", mini().fingerprint);
    }

    #[test]
    fn the_embedded_files_are_what_the_cutter_makes() {
        // Only if the whole dataset is installed.
        let Some(full) = crate::tests::open_if_here(fashion_mnist::ENTRY.name) else { return };
        let mini = mini();
        assert!(cut(&full.train, TRAIN_PER_CLASS).unwrap() == mini.train);
        assert!(cut(&full.test, TEST_PER_CLASS).unwrap() == mini.test);
    }
}
