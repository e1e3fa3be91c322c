//! CIFAR-10: 60,000 colour pictures of animals and vehicles, 32 × 32 pixels, 10 balanced classes.
//!
//! Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.

use unlearn_samples::Augmentation;

use crate::checksum::Published;
use crate::entry::{Entry, HubRepository};
use crate::formats::cifar::{self, Coding, Form};

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "cifar10",
    summary: "60,000 colour pictures of animals and vehicles, 32×32, 10 classes",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html (Krizhevsky, 2009)",
    licence: "none stated; free to download, its author asks to be cited",
    needs: "cifar-10-batches-bin or cifar-10-batches-py, unpacked or as its .tar.gz, in --data-dir or $UNLEARN_DATA",
    classes: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    subclasses: &[],
    files_of: None,
    class_count: 10,
    shape: [3, 32, 32],
    train: 50_000,
    test: 10_000,
    mean: &[0.4914, 0.4822, 0.4465],
    std: &[0.2470, 0.2435, 0.2616],
    augmentation: Augmentation { crop_padding: 4, flip: true, ..Augmentation::NONE },
    hub: Some(HubRepository {
        name: "uoft-cs/cifar10",
        folder: "plain_text",
        image: "img",
        label: "label",
        test: "test",
        subclass: None,
    }),
    files: &[FORMS[0].archive, FORMS[1].archive],
    open: |entry, options| cifar::open(entry, &FORMS, options),
};

/// Binary and pickled.
pub(crate) const FORMS: [Form; 2] = [
    Form {
        folder: "cifar-10-batches-bin",
        archive: Published { file: "cifar-10-binary.tar.gz", md5: "c32a1d4ab5d03f1284b67883e8d87530" },
        train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
        test: "test_batch.bin",
        coding: Coding::Records { label_bytes: 1, label: 0, subclass: None },
        names: "batches.meta.txt",
    },
    Form {
        folder: "cifar-10-batches-py",
        archive: Published { file: "cifar-10-python.tar.gz", md5: "c58f30108f718f92721af3b95e74349a" },
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: "test_batch",
        coding: Coding::Pickle { labels: "labels", subclasses: None, names: "label_names" },
        names: "batches.meta",
    },
];
