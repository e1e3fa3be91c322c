//! Checks whether opened files are the dataset that they should be.
//!
//! Sizes and labels are checked whenever a dataset is opened, but the images are not: MNIST and similar datasets
//! share file names and sizes. Here the images' statistics are compared with the published ones. This distinguishes
//! these datasets, and finds a damaged copy only if the damage is large. If a dataset's maker publishes checksums,
//! and the distributed files are there, the checksums decide.

use std::path::PathBuf;

use rayon::prelude::*;
use unlearn_samples::{Dataset, Normalization};

use crate::entry::Entry;
use crate::error::Result;
use crate::options::OpenOptions;

/// Maximum difference between a mean or deviation of the training images and the published one, on the scale of 0..1.
/// The constants in use differ by at most a thousandth from the images' own, and those of two datasets by at least a
/// hundredth.
const TOLERANCE: f32 = 0.005;

/// Whether statistics are, in every channel, as close to the published ones as the dataset's own.
pub(crate) fn near(found: &[f32], published: &[f32]) -> bool {
    found.iter().zip(published).all(|(found, published)| (found - published).abs() <= TOLERANCE)
}

/// The evidence that `dataset` is not the one of `entry`. Empty if there is none.
pub fn problems(entry: &Entry, dataset: &Dataset) -> Vec<String> {
    let mut problems = Vec::new();
    for (what, set, expected) in [("training", &dataset.train, entry.train), ("test", &dataset.test, entry.test)] {
        if set.len() != expected {
            problems.push(format!("{} {what} images, where {expected} are expected", set.len()));
        }
        let counts = set.class_counts(dataset.classes.len());
        let absent = counts.iter().zip(&dataset.classes).filter(|(count, _)| **count == 0);
        problems.extend(absent.map(|(_, name)| format!("no {what} image of class {name}")));
    }
    for set in [&dataset.train, &dataset.test].into_iter().filter(|set| set.pixels().is_none()) {
        let damaged = |i| set.picture(i).err().map(|error| error.to_string());
        problems.par_extend((0..set.len()).into_par_iter().filter_map(damaged));
    }
    let found = match Normalization::of(&dataset.train) {
        Ok(found) => found,
        Err(error) => {
            problems.push(error.to_string());
            return problems;
        }
    };
    for (what, found, published) in [("mean", found.mean, entry.mean), ("deviation", found.std, entry.std)] {
        for (channel, (found, published)) in found.iter().zip(published).enumerate() {
            if !near(&[*found], &[*published]) {
                problems
                    .push(format!("channel {channel} has the {what} {found:.4}, where {published:.4} is published"));
            }
        }
    }
    problems
}

/// The distributed files of `entry` with a published checksum that exist in the folders of datasets, each with the
/// result of its check.
pub fn files(entry: &Entry, options: &OpenOptions) -> Vec<(PathBuf, Result<()>)> {
    let folders = entry.folders(options);
    let place = |file: &str| folders.iter().map(|folder| folder.join(file)).find(|path| path.is_file());
    let checked = entry.files.iter().filter_map(|published| {
        let path = place(published.file)?;
        let result = published.check(&path);
        Some((path, result))
    });
    checked.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fashion_mnist_mini, mnist, registry, svhn};

    #[test]
    fn files_that_are_not_the_published_ones_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let options = OpenOptions { data_dir: Some(folder.path().into()), ..OpenOptions::default() };
        assert!(files(&svhn::ENTRY, &options).is_empty());
        std::fs::write(folder.path().join(svhn::TRAIN), "other").unwrap();
        let found = files(&svhn::ENTRY, &options);
        assert_eq!(found.len(), 1);
        let error = found[0].1.as_ref().unwrap_err().to_string();
        assert!(error.contains("e26dedcc434d2e4c54c9b2d4a06d8373 is published"), "{error}");
    }

    #[test]
    fn what_is_there_is_what_it_should_be_and_nothing_else() {
        let mini = registry::open("fashion-mnist-mini", &OpenOptions::default()).unwrap();
        assert_eq!(problems(&fashion_mnist_mini::ENTRY, &mini), Vec::<String>::new());
        let found = problems(&mnist::ENTRY, &mini);
        assert_eq!(found[0], "8000 training images, where 60000 are expected");
        assert!(found.iter().any(|problem| problem.contains("where 0.1307 is published")), "{found:?}");
        let mut more = mini;
        more.classes.push("Hat".into());
        let hat = problems(&fashion_mnist_mini::ENTRY, &more);
        assert_eq!(hat, ["no training image of class Hat", "no test image of class Hat"]);
    }
}
