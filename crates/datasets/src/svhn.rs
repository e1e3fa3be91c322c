//! SVHN, cropped digits: 99,289 colour pictures of house numbers, 32 × 32 pixels, 10 unbalanced classes.
//!
//! Netzer, Wang, Coates, Bissacco, Wu and Ng, "Reading Digits in Natural Images with Unsupervised Feature Learning", 2011.
//! Each file holds `X`, `[row, column, channel, image]`, and `y`, `[image, 1]`, in which the digit 0 is 10. The 531,131
//! further images of `extra_32x32.mat` are left alone, as published results on unlearning leave them.

use std::path::Path;

use unlearn_samples::{Augmentation, Dataset, ImageSet};

use crate::checksum::Published;
use crate::entry::{Entry, HubRepository};
use crate::error::{Error, Result};
use crate::formats::mat5;
use crate::options::OpenOptions;

/// The registry's line.
pub const ENTRY: Entry = Entry {
    name: "svhn",
    summary: "99,289 colour pictures of house numbers, 32×32, 10 classes",
    source: "http://ufldl.stanford.edu/housenumbers (Netzer et al., 2011)",
    licence: "for non-commercial use only, its authors say",
    needs: "train_32x32.mat and test_32x32.mat in --data-dir or $UNLEARN_DATA",
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    class_count: 10,
    shape: [3, 32, 32],
    train: 73_257,
    test: 26_032,
    mean: &[0.4377, 0.4438, 0.4728],
    std: &[0.1980, 0.2010, 0.1970],
    augmentation: Augmentation::NONE,
    hub: Some(HubRepository {
        name: "ufldl-stanford/svhn",
        folder: "cropped_digits",
        image: "image",
        label: "label",
        test: "test",
    }),
    files: &[
        Published { file: TRAIN, md5: "e26dedcc434d2e4c54c9b2d4a06d8373" },
        Published { file: TEST, md5: "eb5a983be6a315427106f1b164d9cef3" },
    ],
    open,
};

/// The training set's file.
pub const TRAIN: &str = "train_32x32.mat";
/// The test set's.
pub const TEST: &str = "test_32x32.mat";

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let folders = options.folders(entry.name, &[]);
    match folders.iter().find(|folder| [TRAIN, TEST].iter().any(|file| folder.join(file).is_file())) {
        Some(folder) => open_folder(entry, folder),
        None => Err(entry.not_found(&folders)),
    }
}

/// Opens the dataset of `entry` from its two files in `folder`.
pub(crate) fn open_folder(entry: &Entry, folder: &Path) -> Result<Dataset> {
    if let Some(file) = [TRAIN, TEST].into_iter().find(|file| !folder.join(file).is_file()) {
        return Err(Error::MissingFile { folder: folder.into(), file: file.into() });
    }
    let train = read(entry, &folder.join(TRAIN), entry.train)?;
    Ok(entry.dataset(train, read(entry, &folder.join(TEST), entry.test)?))
}

fn read(entry: &Entry, path: &Path, count: usize) -> Result<ImageSet> {
    let [channels, height, width] = entry.shape;
    let [values, labels] = mat5::read(path, ["X", "y"], |name, shape| match name {
        "X" => entry.check_shape(path, name, &[height, width, channels, count], shape),
        _ => entry.check_shape(path, name, &[count, 1], shape),
    })?;
    let labels: Vec<i64> = labels.into_iter().map(|label| if label == 10 { 0 } else { label.into() }).collect();
    entry.check_labels(path, &labels)?;
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    // In column-major order an image's channels are contiguous, each column after column.
    let mut pixels = vec![0; values.len()];
    for (from, to) in values.chunks_exact(height * width).zip(pixels.chunks_exact_mut(height * width)) {
        for (column, values) in from.chunks_exact(height).enumerate() {
            for (row, &value) in values.iter().enumerate() {
                to[row * width + column] = value;
            }
        }
    }
    Ok(ImageSet::new(entry.shape, pixels, labels)?)
}
