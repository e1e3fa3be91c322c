//! Fashion-MNIST: 70,000 grey pictures of clothes, 28 × 28 pixels, 10 balanced classes.
//!
//! Xiao, Rasul and Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms",
//! arXiv 1708.07747. MNIST uses the same file names, so keep each dataset in a folder with its own name.

use unlearn_samples::{Augmentation, Dataset};

use crate::entry::{Entry, HubRepository};
use crate::error::Result;
use crate::formats::idx_folder;
use crate::options::OpenOptions;

/// The folder of Debian's package `dataset-fashion-mnist`.
pub const DEBIAN_FOLDER: &str = "/usr/share/datasets/fashion-mnist";

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "fashion-mnist",
    summary: "70,000 grey pictures of clothes, 28×28, 10 classes",
    source: "https://github.com/zalandoresearch/fashion-mnist (arXiv 1708.07747)",
    licence: "MIT",
    needs: "apt-get install dataset-fashion-mnist, or the four IDX files in --data-dir or $UNLEARN_DATA",
    classes: &[
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ],
    subclasses: &[],
    files_of: None,
    class_count: 10,
    shape: [1, 28, 28],
    train: 60_000,
    test: 10_000,
    mean: &[0.2860],
    std: &[0.3530],
    augmentation: Augmentation { crop_padding: 2, flip: true, ..Augmentation::NONE },
    hub: Some(HubRepository {
        name: "zalando-datasets/fashion_mnist",
        folder: "fashion_mnist",
        image: "image",
        label: "label",
        test: "test",
        subclass: None,
    }),
    files: &[],
    open,
};

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    idx_folder::open_first(entry, &options.folders(entry.name, &[DEBIAN_FOLDER]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_some_of_the_files_is_not_passed_over_for_another_copy() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(ENTRY.name);
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join(idx_folder::TRAIN_IMAGES), b"damaged").unwrap();
        let options = OpenOptions { data_dir: Some(root.path().into()), ..OpenOptions::default() };
        let error = open(&ENTRY, &options).unwrap_err().to_string();
        assert!(error.contains("fashion-mnist lacks train-labels-idx1-ubyte"), "{error}");
    }
}
