//! SVHN, cropped digits: 99,289 colour pictures of house numbers, 32 × 32 pixels, 10 unbalanced classes.
//!
//! Netzer, Wang, Coates, Bissacco, Wu and Ng, "Reading Digits in Natural Images with Unsupervised Feature Learning",
//! 2011. Each file holds `X`, `[row, column, channel, image]`, and `y`, `[image, 1]`, in which 10 means the digit 0.
//! The 531,131 further images of `extra_32x32.mat` are not used, as in published results on unlearning. By path,
//! files with the same names and arrays are opened with any number of images. There, too, 10 means 0.

use std::cell::Cell;
use std::path::Path;

use unlearn_samples::{Augmentation, Dataset, ImageSet};

use crate::checksum::Published;
use crate::entry::{Entry, HubRepository, check_labels};
use crate::error::{Error, Result, damaged};
use crate::formats::{mat5, unread};
use crate::options::OpenOptions;
use crate::place::Place;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "svhn",
    summary: "99,289 colour pictures of house numbers, 32×32, 10 classes",
    source: "http://ufldl.stanford.edu/housenumbers (Netzer et al., 2011)",
    licence: "for non-commercial use only, its authors say",
    needs: "train_32x32.mat and test_32x32.mat in --data-dir or $UNLEARN_DATA",
    classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    subclasses: &[],
    files_of: None,
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
        subclass: None,
    }),
    files: &[
        Published { file: TRAIN, md5: "e26dedcc434d2e4c54c9b2d4a06d8373" },
        Published { file: TEST, md5: "eb5a983be6a315427106f1b164d9cef3" },
    ],
    open,
};

/// The training set's file.
pub const TRAIN: &str = "train_32x32.mat";
/// The test set's file.
pub const TEST: &str = "test_32x32.mat";

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let folders = options.folders(entry.name, &[]);
    match entry.first_with(&folders, |folder| [TRAIN, TEST].iter().any(|file| folder.join(file).is_file())) {
        Some(folder) => open_folder(entry, folder),
        None => Err(entry.not_found(&folders)),
    }
}

/// Opens the dataset of `entry` from its two files in `folder`.
pub(crate) fn open_folder(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let set = |file: &str, what, count| -> Result<ImageSet> {
        let path = folder.join(file);
        let (shape, pixels, labels) = read(&path, |shape| {
            let [channels, height, width] = entry.shape;
            match shape {
                [h, w, c, found] if [*h, *w, *c] == [height, width, channels] => {
                    entry.check_count((&path, what), *found, count, ("mat", folder))
                }
                _ => Err(of_shape(&path, format!("[{height}, {width}, {channels}, {count}]"), shape)),
            }
        })?;
        entry.check_labels(&path, &labels)?;
        images(shape, pixels, labels)
    };
    check_files(folder)?;
    let train = set(TRAIN, "training images", entry.train)?;
    Ok(entry.dataset(train, set(TEST, "test images", entry.test)?))
}

/// Opens a folder that the registry does not know, with any number of images of any size.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    place.refuse_size()?;
    let folder = &place.path;
    check_files(folder)?;
    unread::warn(folder, &[TRAIN, TEST], |name| unread::ends_in(name, &["mat"]))?;
    let open = |file: &str| -> Result<_> {
        let path = folder.join(file);
        let found = read(&path, |shape| match shape {
            [height, width, 1 | 3, _] if !shape.contains(&0) && height.checked_mul(*width).is_some() => Ok(()),
            _ => Err(of_shape(&path, "[height, width, 1 or 3 channels, images]".into(), shape)),
        })?;
        Ok((path, found))
    };
    let ((_, train), (path, test)) = (open(TRAIN)?, open(TEST)?);
    if train.0 != test.0 {
        let problem =
            format!("its images are {:?}, but those of {TRAIN} {:?} (channels, height, width)", test.0, train.0);
        return Err(damaged(&path, problem));
    }
    let classes = train.2.iter().max().map_or(0, |&label| label as usize + 1);
    check_labels(&path, &test.2, classes)?;
    let (train, test) = (images(train.0, train.1, train.2)?, images(test.0, test.1, test.2)?);
    place.dataset_of_images((0..classes).map(|class| class.to_string()).collect(), train, test)
}

fn check_files(folder: &Path) -> Result<()> {
    match [TRAIN, TEST].into_iter().find(|file| !folder.join(file).is_file()) {
        Some(file) => Err(Error::MissingFile { folder: folder.into(), file: file.into() }),
        None => Ok(()),
    }
}

fn of_shape(path: &Path, expected: String, found: &[usize]) -> Error {
    Error::ArrayShape { path: path.into(), array: "X", expected, found: found.into() }
}

/// `[channels, height, width]`, pixels in that order, and labels.
type Arrays = ([usize; 3], Vec<u8>, Vec<i64>);

/// Reads a file. `check` gets the shape of its images.
fn read(path: &Path, check: impl Fn(&[usize]) -> Result<()>) -> Result<Arrays> {
    let sides = Cell::new([0; 4]);
    let [mut values, labels] = mat5::read(path, ["X", "y"], |name, shape| {
        if name == "y" {
            return match shape {
                [_, 1] | [1, _] => Ok(()),
                _ => {
                    let expected = "[images, 1]".into();
                    Err(Error::ArrayShape { path: path.into(), array: "y", expected, found: shape.into() })
                }
            };
        }
        check(shape)?;
        sides.set(shape.try_into().unwrap_or_default());
        Ok(())
    })?;
    let [height, width, channels, count] = sides.get();
    if labels.len() != count {
        let (images_path, labels_path) = (path.into(), path.into());
        return Err(Error::CountMismatch { images_path, images: count, labels_path, labels: labels.len() });
    }
    let labels = digits(path, &labels)?;
    // In column-major order, an image's channels are contiguous, column by column.
    for plane in values.chunks_exact_mut((height * width).max(1)) {
        let columns = plane.to_vec();
        for (column, values) in columns.chunks_exact(height).enumerate() {
            for (row, &value) in values.iter().enumerate() {
                plane[row * width + column] = value;
            }
        }
    }
    Ok(([channels, height, width], values, labels))
}

/// The labels as digits. SVHN calls the digit 0 the class 10. A file with both numbers has another numbering.
fn digits(path: &Path, labels: &[u8]) -> Result<Vec<i64>> {
    if labels.contains(&0) && labels.contains(&10) {
        let problem = "its labels hold both 0 and 10, and in this form 10 is another name of class 0; number the classes from 0 to 9, or \
                       store the images in another form (`npz:PATH`)";
        return Err(damaged(path, problem));
    }
    Ok(labels.iter().map(|&label| if label == 10 { 0 } else { label.into() }).collect())
}

/// The set of these images. Every label was checked.
fn images(shape: [usize; 3], pixels: Vec<u8>, labels: Vec<i64>) -> Result<ImageSet> {
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    Ok(ImageSet::new(shape, pixels, labels)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_is_the_digit_zero_unless_there_is_a_zero() {
        let path = Path::new("train_32x32.mat");
        assert_eq!(digits(path, &[10, 1, 9]).unwrap(), [0, 1, 9]);
        assert_eq!(digits(path, &[0, 1, 9]).unwrap(), [0, 1, 9]);
        let error = digits(path, &[10, 1, 0]).unwrap_err().to_string();
        assert!(error.contains("train_32x32.mat") && error.contains("both 0 and 10"), "{error}");
    }
}
