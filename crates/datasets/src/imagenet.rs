//! ImageNet (ILSVRC 2012): 1,331,167 colour pictures of things and creatures, of many sizes, 1000 classes.
//!
//! Russakovsky and others, "ImageNet Large Scale Visual Recognition Challenge", arXiv 1409.0575. The official
//! validation set is the test set here, as in the literature. Classes are numbered by their identifiers (`n01440764`)
//! in ascending order. Pictures stay on disk and are decoded on demand. Training sees random parts at 224 × 224
//! pixels. Evaluation sees the middle of pictures whose shorter side was resized to 256. The same holds for the Hub's
//! parquet (150 GB), which is opened if there is no folder of pictures. Its classes have the same numbers, but are
//! named by their words alone. Its split `test` is that of the challenge, has no labels and is not used.

use std::path::{Path, PathBuf};

use unlearn_samples::{Augmentation, Dataset};

use crate::entry::{Entry, HubRepository};
use crate::error::{Result, damaged};
use crate::formats::image_folder;
use crate::formats::packed::PackedSet;
use crate::options::OpenOptions;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "imagenet",
    summary: "1,331,167 colour pictures of things and creatures, seen at 224×224, 1000 classes",
    source: "https://image-net.org/challenges/LSVRC/2012 (Russakovsky et al., arXiv 1409.0575)",
    licence: "for non-commercial research and education only, its terms say",
    needs: "`train` with a folder a class, and `val` of the same, or flat with LOC_val_solution.csv beside it, in a folder \
            `imagenet` in --data-dir or $UNLEARN_DATA",
    classes: &[],
    subclasses: &[],
    files_of: None,
    class_count: 1000,
    shape: [3, 224, 224],
    train: 1_281_167,
    test: 50_000,
    mean: &[0.485, 0.456, 0.406],
    std: &[0.229, 0.224, 0.225],
    augmentation: Augmentation { crop_padding: 0, flip: true, resized_crop: true },
    hub: Some(HubRepository {
        name: "ILSVRC/imagenet-1k",
        folder: "data",
        image: "image",
        label: "label",
        test: "validation",
        subclass: None,
    }),
    files: &[],
    open,
};

/// Labels of a flat validation set, as Kaggle distributes them: `ILSVRC2012_val_00048981,n03995372 85 1 499 272`.
pub(crate) const LABELS: &str = "LOC_val_solution.csv";
const WORDS: &str = "LOC_synset_mapping.txt";

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    // A folder of classes named by identifiers distinguishes it from other folders of pictures.
    let is_in = |folder: &&PathBuf| folder.join("train/n01440764").is_dir() && folder.join("val").is_dir();
    match entry.first_with(&roots, is_in) {
        Some(folder) => open_folder(entry, folder),
        None => Err(entry.not_found(&roots)),
    }
}

/// Opens the dataset of `entry` from its folder.
pub(crate) fn open_folder(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let classes = image_folder::class_folders(&folder.join("train"))?;
    let train = image_folder::read(&folder.join("train"), &classes)?;
    let test = validation(folder, &classes)?;
    entry.check_counts(("folder", folder), [classes.len(), train.labels.len(), test.labels.len()])?;
    let names = image_folder::words(&folder.join(WORDS), ' ', &classes)?;
    Ok(entry.dataset_of(names, entry.images(train)?, entry.images(test)?))
}

fn validation(folder: &Path, classes: &[String]) -> Result<PackedSet> {
    let list = folder.join(LABELS);
    if !list.is_file() || !image_folder::class_folders(&folder.join("val"))?.is_empty() {
        return image_folder::read(&folder.join("val"), classes);
    }
    let text = image_folder::read_text(&list)?;
    let mut names = Vec::new();
    // The list is unordered. Sorting by file name gives the usual positions.
    let mut lines: Vec<_> = text.lines().skip(1).filter(|line| !line.is_empty()).collect();
    lines.sort_unstable();
    for line in lines {
        let fields = line.split_once(',').and_then(|(name, boxes)| Some((name, boxes.split(' ').next()?)));
        let (name, class) = fields.ok_or_else(|| damaged(&list, format!("line `{line}` has no comma after a name")))?;
        names.push((format!("{name}.JPEG"), class));
    }
    image_folder::annotated(&folder.join("val"), names.into_iter(), classes, &list)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use unlearn_samples::{BatchOptions, BatchPlan};
    use unlearn_samples::{Picture, Sides};

    use super::*;

    /// Two classes, and pictures of several sizes, one of which is grey.
    pub(crate) fn folder(validation: &[&str]) -> (tempfile::TempDir, Entry) {
        let root = tempfile::tempdir().unwrap();
        let train = ["train/n01440764/a.JPEG", "train/n01440764/b.JPEG", "train/n01443537/c.JPEG"];
        for (number, name) in train.iter().chain(validation).enumerate() {
            let sides = Sides { channels: if number == 1 { 1 } else { 3 }, height: 20 + number, width: 31 - number };
            let len = sides.channels * sides.height * sides.width;
            let pixels = (0..len).map(|i| (i * 7 * (number + 1) % 251) as u8).collect();
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, crate::formats::picture::encode(&Picture { sides, pixels }).unwrap()).unwrap();
        }
        let words = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n";
        fs::write(root.path().join(WORDS), words).unwrap();
        let test = validation.len();
        (root, Entry { class_count: 2, train: 3, test, shape: [3, 14, 14], ..ENTRY })
    }

    #[test]
    fn a_validation_set_is_read_flat_or_in_folders() {
        let (sorted, entry) = folder(&["val/n01440764/y.JPEG", "val/n01443537/x.JPEG"]);
        let sorted = open_folder(&entry, sorted.path()).unwrap();
        assert_eq!(sorted.classes, ["n01440764 tench", "n01443537 goldfish"]);
        assert_eq!((sorted.train.labels.to_vec(), sorted.test.labels.to_vec()), (vec![0, 0, 1], vec![0, 1]));

        let (flat, entry) = folder(&["val/x.JPEG", "val/y.JPEG"]);
        let list = "ImageId,PredictionString\ny,n01443537 1 2 3 4 \nx,n01440764 1 2 3 4\n";
        fs::write(flat.path().join(LABELS), list).unwrap();
        let read = open_folder(&entry, flat.path()).unwrap();
        assert_eq!(read.test.labels.to_vec(), [0, 1]);
        fs::write(flat.path().join(LABELS), "ImageId,PredictionString\n../../x,n01440764 1 2 3 4\ny,n01443537 1\n")
            .unwrap();
        let error = open_folder(&entry, flat.path()).unwrap_err().to_string();
        assert!(error.ends_with("`../../x.JPEG` is not the name of a file"), "{error}");
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_threads() {
        let (root, entry) = folder(&["val/n01440764/y.JPEG"]);
        let dataset = open_folder(&entry, root.path()).unwrap();
        assert!(dataset.train.pixels().is_none());
        let options = BatchOptions::training(2, dataset.augmentation, 5);
        let plan = BatchPlan::new(&dataset.train, (0..3).collect::<Vec<_>>(), options).unwrap();
        let epoch = |threads| -> Vec<_> {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| vec![plan.batch(7, &plan.order(7), 0).unwrap()])
        };
        assert_eq!(epoch(1), epoch(4));
        let batches: Vec<_> = plan.epoch(7, 0).map(std::result::Result::unwrap).collect();
        assert_eq!(batches[0], epoch(3)[0]);
        assert_ne!(batches, plan.epoch(8, 0).map(std::result::Result::unwrap).collect::<Vec<_>>());
    }

    #[test]
    fn evaluation_sees_the_middle_and_training_parts() {
        let (root, entry) = folder(&["val/n01440764/y.JPEG"]);
        let dataset = open_folder(&entry, root.path()).unwrap();
        let options = BatchOptions::evaluation(3);
        let plan = BatchPlan::new(&dataset.train, vec![2, 0, 1], options).unwrap();
        let batch = plan.epoch(0, 0).next().unwrap().unwrap();
        let plain = |i| dataset.train.image(i).unwrap().iter().map(|&byte| f32::from(byte) / 255.0).collect::<Vec<_>>();
        assert_eq!(batch.images, [plain(2), plain(0), plain(1)].concat());
        let training = BatchOptions { shuffle: false, ..BatchOptions::training(3, dataset.augmentation, 1) };
        let plan = BatchPlan::new(&dataset.train, vec![2, 0, 1], training).unwrap();
        assert_ne!(plan.epoch(0, 0).next().unwrap().unwrap().images, batch.images);
    }

    #[test]
    fn a_picture_that_is_damaged_ends_the_epoch_with_its_name() {
        let (root, entry) = folder(&["val/n01440764/y.JPEG"]);
        let dataset = open_folder(&entry, root.path()).unwrap();
        fs::write(root.path().join("train/n01440764/b.JPEG"), "damaged").unwrap();
        let plan = BatchPlan::new(&dataset.train, vec![0, 1, 2], BatchOptions::evaluation(1)).unwrap();
        let mut batches = plan.epoch(0, 0);
        assert!(batches.next().unwrap().is_ok());
        let error = batches.next().unwrap().unwrap_err().to_string();
        assert!(
            error.contains("b.JPEG: it is not a PNG, JPEG, WebP, BMP or TIFF picture: it is a text file"),
            "{error}"
        );
        assert!(batches.next().is_none());
        let problems = crate::verify::problems(&entry, &dataset);
        assert!(problems.iter().any(|problem| problem.contains("b.JPEG")), "{problems:?}");
    }
}
