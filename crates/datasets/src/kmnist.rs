//! Kuzushiji-MNIST: 70,000 grey pictures of cursive Japanese characters, 28 × 28 pixels, 10 balanced classes.
//!
//! Clanuwat, Bober-Irizar, Kitamoto, Lamb, Yamamoto and Ha, "Deep Learning for Classical Japanese Literature", arXiv
//! 1812.01718. Its four files have MNIST's names. The mean and the deviation are those in common use. No publication
//! of the dataset states them, and they were not computed again for this program.

use crate::entry::Entry;
use crate::mnist;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "kmnist",
    summary: "70,000 grey pictures of cursive Japanese characters, 28×28, 10 classes",
    source: "https://github.com/rois-codh/kmnist (arXiv 1812.01718)",
    licence: "CC BY-SA 4.0",
    needs: "its four IDX files, plain or .gz, in a folder `kmnist` in --data-dir or $UNLEARN_DATA",
    classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
    mean: &[0.1918],
    std: &[0.3483],
    hub: None,
    ..mnist::ENTRY
};
