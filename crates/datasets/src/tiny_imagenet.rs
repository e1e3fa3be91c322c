//! Tiny-ImageNet: 110,000 colour pictures of things and creatures, 64 × 64 pixels, 200 balanced classes.
//!
//! A part of ImageNet made for a course at Stanford. The official validation set, whose labels are published, is the
//! test set here, as in the literature. The unlabelled `test` folder is not used. Classes are numbered by their
//! identifiers (`n01443537`) in ascending order. The mean and the deviation are those in common use.

use std::path::Path;

use unlearn_samples::{Augmentation, Dataset};

use crate::entry::{Entry, HubRepository};
use crate::error::{Result, damaged};
use crate::formats::image_folder;
use crate::formats::packed::PackedSet;
use crate::options::OpenOptions;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "tiny-imagenet",
    summary: "110,000 colour pictures of things and creatures, 64×64, 200 classes",
    source: "http://cs231n.stanford.edu/tiny-imagenet-200.zip (Stanford CS231n; from Deng et al., 2009)",
    licence: "for non-commercial research and education only, as ImageNet's terms say",
    needs: "tiny-imagenet-200, unpacked, in --data-dir or $UNLEARN_DATA",
    classes: &[],
    subclasses: &[],
    files_of: None,
    class_count: 200,
    shape: [3, 64, 64],
    train: 100_000,
    test: 10_000,
    mean: &[0.4802, 0.4481, 0.3975],
    std: &[0.2770, 0.2691, 0.2821],
    augmentation: Augmentation { crop_padding: 8, flip: true, ..Augmentation::NONE },
    hub: Some(HubRepository {
        name: "zh-plus/tiny-imagenet",
        folder: "data",
        image: "image",
        label: "label",
        test: "valid",
        subclass: None,
    }),
    files: &[],
    open,
};

const FOLDER: &str = "tiny-imagenet-200";
const ANNOTATIONS: &str = "val_annotations.txt";

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    let folders = roots.iter().flat_map(|root| [root.join(FOLDER), root.clone()]);
    match entry.first_with(folders, |folder| folder.join("wnids.txt").is_file()) {
        Some(folder) => open_folder(entry, &folder),
        None => Err(entry.not_found(&roots)),
    }
}

/// Opens the dataset of `entry` from its unpacked folder.
pub(crate) fn open_folder(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let classes = image_folder::class_folders(&folder.join("train"))?;
    let train = image_folder::read(&folder.join("train"), &classes)?;
    let test = validation(&folder.join("val"), &classes)?;
    entry.check_counts(("folder", folder), [classes.len(), train.labels.len(), test.labels.len()])?;
    let names = image_folder::words(&folder.join("words.txt"), '\t', &classes)?;
    Ok(entry.dataset_of(names, entry.images(train)?, entry.images(test)?))
}

/// The validation set: as distributed, in one folder beside a list, or sorted into folders of classes.
fn validation(folder: &Path, classes: &[String]) -> Result<PackedSet> {
    let list = folder.join(ANNOTATIONS);
    if !list.is_file() || !folder.join("images").is_dir() {
        return image_folder::read(folder, classes);
    }
    let text = image_folder::read_text(&list)?;
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let mut fields = line.split('\t');
        match (fields.next(), fields.next()) {
            (Some(name), Some(class)) => names.push((name.to_owned(), class)),
            _ => return Err(damaged(&list, format!("line `{line}` has no tab between a file and a class"))),
        }
    }
    image_folder::annotated(&folder.join("images"), names.into_iter(), classes, &list)
}
