//! MNIST: 70,000 grey pictures of handwritten digits, 28 × 28 pixels, 10 classes.
//!
//! "Gradient-Based Learning Applied to Document Recognition", Proceedings of the IEEE, 1998. Its four files have the
//! same names as those of Fashion-MNIST and Kuzushiji-MNIST, so keep each dataset in a folder with its own name.

use unlearn_samples::Augmentation;

use crate::entry::{Entry, HubRepository};
use crate::formats::idx_folder;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "mnist",
    summary: "70,000 grey pictures of handwritten digits, 28×28, 10 classes",
    source: "http://yann.lecun.com/exdb/mnist (LeCun et al., 1998)",
    licence: "CC BY-SA 3.0",
    needs: "its four IDX files, plain or .gz, in a folder `mnist` in --data-dir or $UNLEARN_DATA",
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    subclasses: &[],
    files_of: None,
    class_count: 10,
    shape: [1, 28, 28],
    train: 60_000,
    test: 10_000,
    mean: &[0.1307],
    std: &[0.3081],
    augmentation: Augmentation { crop_padding: 2, flip: false, ..Augmentation::NONE },
    hub: Some(HubRepository {
        name: "ylecun/mnist",
        folder: "mnist",
        image: "image",
        label: "label",
        test: "test",
        subclass: None,
    }),
    files: &[],
    open: |entry, options| idx_folder::open_first(entry, &options.folders(entry.name, &[])),
};
