//! SUN397: 108,754 colour pictures of scenes, of many sizes, 397 classes.
//!
//! Xiao, Hays, Ehinger, Oliva and Torralba, "SUN Database: Large-scale Scene Recognition from Abbey to Zoo", CVPR 2010. The database
//! has ten published partitions and no single official split. If `split_zhou_SUN397.json` of `CoOp` (Zhou et al., arXiv 2109.01134) lies
//! in or beside the folder, it is read: its training and validation lists together are the training set (15,880 + 3,970), and its test
//! list is the test set (19,850). Otherwise 50 training and 50 test images of each class are drawn, as many as in a partition, with a
//! fixed seed: PCG64 streams of the purpose `sun397` and the class's number. Classes are those of `ClassName.txt`, in its order.
//! Pictures stay on disk and are decoded on demand, as ImageNet's are.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use unlearn_random::{choice, stream};
use unlearn_samples::Dataset;

use crate::entry::Entry;
use crate::error::{Error, Result, damaged};
use crate::formats::image_folder;
use crate::formats::packed::{Packed, PackedSet};
use crate::options::OpenOptions;

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "sun397",
    summary: "108,754 colour pictures of scenes, seen at 224×224, 397 classes; 19,850 for training and as many for testing",
    source: "https://vision.princeton.edu/projects/2010/SUN (Xiao et al., CVPR 2010)",
    licence: "for research only; the pictures belong to their authors",
    needs: "`SUN397`, unpacked, in --data-dir or $UNLEARN_DATA, perhaps with split_zhou_SUN397.json in or beside it",
    classes: &[],
    subclasses: &[],
    files_of: None,
    class_count: 397,
    shape: [3, 224, 224],
    train: 19_850,
    test: 19_850,
    mean: crate::imagenet::ENTRY.mean,
    std: crate::imagenet::ENTRY.std,
    augmentation: crate::imagenet::ENTRY.augmentation,
    hub: None,
    files: &[],
    open,
};

const FOLDER: &str = "SUN397";
const CLASSES: &str = "ClassName.txt";
pub(crate) const SPLIT: &str = "split_zhou_SUN397.json";
/// Maximum bytes of the split's file.
const MOST: u64 = 1 << 28;
/// Images of each class that are drawn for each set.
const PER_CLASS: usize = 50;

/// A picture's path, its class and the class's name.
type Listed = (String, usize, String);

/// `CoOp`'s file.
#[derive(Deserialize)]
struct Split {
    train: Vec<Listed>,
    #[serde(default)]
    val: Vec<Listed>,
    test: Vec<Listed>,
}

fn open(entry: &Entry, options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    let folders = roots.iter().flat_map(|root| [root.join(FOLDER), root.clone()]);
    match entry.first_with(folders, |folder| folder.join(CLASSES).is_file()) {
        Some(folder) => open_folder(entry, &folder, PER_CLASS),
        None => Err(entry.not_found(&roots)),
    }
}

/// Opens the dataset of `entry` from its unpacked folder. Without a split, `per_class` images of each class are drawn for each set.
pub(crate) fn open_folder(entry: &Entry, folder: &Path, per_class: usize) -> Result<Dataset> {
    let list = folder.join(CLASSES);
    let text = image_folder::read_text(&list)?;
    let classes: Vec<String> = text
        .lines()
        .map(|line| line.trim().trim_start_matches('/').to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    if let Some(class) = classes.iter().find(|class| !is_below(class)) {
        return Err(damaged(&list, format!("`{class}` is not the name of a folder in {}", folder.display())));
    }
    let splits = [Some(folder.join(SPLIT)), folder.parent().map(|parent| parent.join(SPLIT))];
    let [train, test] = match splits.into_iter().flatten().find(|path| path.is_file()) {
        Some(path) => listed(&path, folder, &classes)?,
        None => drawn(folder, &classes, per_class)?,
    };
    let counts =
        [(classes.len(), entry.class_count), (train.labels.len(), entry.train), (test.labels.len(), entry.test)];
    for ((found, expected), what) in counts.into_iter().zip(["classes", "training images", "test images"]) {
        entry.check_count((folder, what), found, expected, ("folder", folder))?;
    }
    // `a/abbey` is the abbey; the letter is only a folder.
    let name = |class: &String| class.split_once('/').map_or(class.as_str(), |(_, name)| name).to_owned();
    Ok(entry.dataset_of(classes.iter().map(name).collect(), entry.images(train)?, entry.images(test)?))
}

/// Whether a relative path stays below its folder.
fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// The training and the test set of `CoOp`'s file.
fn listed(path: &Path, folder: &Path, classes: &[String]) -> Result<[PackedSet; 2]> {
    let text =
        unlearn_files::read(path, MOST).map_err(|source| Error::Io { action: "read", path: path.into(), source })?;
    let split: Split = unlearn_files::json::read(&text).map_err(|error| damaged(path, error.to_string()))?;
    let set = |lists: [Vec<Listed>; 2]| {
        let mut set = PackedSet::default();
        for (picture, label, name) in lists.into_iter().flatten() {
            // The file's own numbers follow another order of classes, so the folder decides.
            let class = classes.iter().position(|class| Path::new(&picture).parent() == Some(Path::new(class)));
            let Some(class) = class.filter(|_| is_below(&picture)) else {
                let problem = format!("`{picture}` (class {label}, {name}) lies in no folder of {CLASSES}");
                return Err(damaged(path, problem));
            };
            set.pictures.push(Packed::File(folder.join(&picture)));
            set.labels.push(class as u32);
        }
        Ok(set)
    };
    Ok([set([split.train, split.val])?, set([split.test, Vec::new()])?])
}

/// `per_class` training and as many test images of each class, in the order of their names.
fn drawn(folder: &Path, classes: &[String], per_class: usize) -> Result<[PackedSet; 2]> {
    let mut sets = [PackedSet::default(), PackedSet::default()];
    for (label, class) in (0..).zip(classes) {
        let path = folder.join(class);
        let pictures = image_folder::read(folder, std::slice::from_ref(class))?.pictures;
        // A class may have folders of other classes below it: `a/apse` and `a/apse/indoor`.
        let own: Vec<&Packed> =
            pictures.iter().filter(|packed| packed_in(packed).is_some_and(|at| at == path)).collect();
        if own.len() < 2 * per_class {
            let problem = format!("it has {} pictures, and {} are drawn of each class", own.len(), 2 * per_class);
            return Err(damaged(&path, problem));
        }
        let all: Vec<u32> = (0..own.len() as u32).collect();
        let mut chosen = choice(&mut stream("sun397", &[u64::from(label)]), &all, 2 * per_class);
        for (set, part) in sets.iter_mut().zip(chosen.chunks_mut(per_class)) {
            part.sort_unstable();
            set.pictures.extend(part.iter().map(|position| own[*position as usize].clone()));
            set.labels.resize(set.pictures.len(), label);
        }
    }
    Ok(sets)
}

/// The folder of a picture in a file of its own.
fn packed_in(packed: &Packed) -> Option<PathBuf> {
    packed.file()?.parent().map(Path::to_path_buf)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use unlearn_samples::{Picture, Sides};

    use super::*;

    /// Three classes of six pictures, one of them below another.
    fn folder() -> (tempfile::TempDir, PathBuf, Entry) {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        for (class, name) in ["a/abbey", "a/apse", "a/apse/indoor"].iter().enumerate() {
            fs::create_dir_all(folder.join(name)).unwrap();
            for number in 0..6 {
                let sides = Sides { channels: 3, height: 20, width: 30 };
                let pixels = vec![(class * 60 + number * 10) as u8; 1800];
                let file = crate::formats::picture::encode(&Picture { sides, pixels }).unwrap();
                fs::write(folder.join(name).join(format!("sun_{number}.jpg")), file).unwrap();
            }
        }
        fs::write(folder.join(CLASSES), "/a/abbey\n/a/apse\n/a/apse/indoor\n").unwrap();
        let entry = Entry { class_count: 3, train: 6, test: 6, shape: [3, 14, 14], ..ENTRY };
        (root, folder, entry)
    }

    /// The grey value of each image, from which its class and number follow.
    fn greys(set: &unlearn_samples::ImageSet) -> Vec<u8> {
        (0..set.len()).map(|i| set.image(i).unwrap()[0]).collect()
    }

    #[test]
    fn without_a_list_as_many_of_each_class_are_drawn_and_always_the_same() {
        let (_root, folder, entry) = folder();
        let dataset = open_folder(&entry, &folder, 2).unwrap();
        assert_eq!(dataset.classes, ["abbey", "apse", "apse/indoor"]);
        let (train, test) = (greys(&dataset.train), greys(&dataset.test));
        assert_eq!(dataset.train.labels.to_vec(), [0, 0, 1, 1, 2, 2]);
        assert!(train.iter().zip(dataset.train.labels.iter()).all(|(grey, label)| u32::from(grey / 60) == *label));
        assert!(train.iter().all(|grey| !test.contains(grey)), "{train:?} {test:?}");
        let again = open_folder(&entry, &folder, 2).unwrap();
        assert_eq!((greys(&again.train), again.fingerprint), (train, dataset.fingerprint));
        let error = open_folder(&entry, &folder, 4).unwrap_err().to_string();
        assert!(error.contains("it has 6 pictures, and 8 are drawn"), "{error}");
    }

    #[test]
    fn coops_list_is_read_from_the_folder_or_beside_it() {
        let (root, folder, entry) = folder();
        let entry = Entry { train: 3, test: 1, ..entry };
        let list = r#"{"train": [["a/apse/sun_1.jpg", 7, "apse"], ["a/abbey/sun_0.jpg", 0, "abbey"]],
            "val": [["a/apse/indoor/sun_2.jpg", 9, "indoor apse"]], "test": [["a/abbey/sun_5.jpg", 0, "abbey"]]}"#;
        for place in [folder.join(SPLIT), root.path().join(SPLIT)] {
            fs::write(&place, list).unwrap();
            let dataset = open_folder(&entry, &folder, 2).unwrap();
            assert_eq!((dataset.train.labels.to_vec(), greys(&dataset.train)), (vec![1, 0, 2], vec![70, 0, 140]));
            assert_eq!((dataset.test.labels.to_vec(), greys(&dataset.test)), (vec![0], vec![50]));
            fs::remove_file(place).unwrap();
        }
        for (wrong, words) in [
            (list.replace("a/abbey/sun_0", "../abbey/sun_0"), "lies in no folder"),
            (list.replace("a/abbey/sun_0", "b/abbey/sun_0"), "`b/abbey/sun_0.jpg` (class 0, abbey) lies in no folder"),
            (list.replace("\"test\"", "\"tests\""), "missing field `test`"),
            (list.replace("\"val\"", "\"train\""), "train"),
            (list.replace("abbey/sun_5", "abbey/sun_9"), "sun_9.jpg"),
        ] {
            fs::write(folder.join(SPLIT), wrong).unwrap();
            let error = open_folder(&entry, &folder, 2).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_list_of_classes_cannot_lead_out_of_the_folder() {
        let (_root, folder, entry) = folder();
        fs::write(folder.join(CLASSES), "/a/abbey\n/../x\n").unwrap();
        let error = open_folder(&entry, &folder, 2).unwrap_err().to_string();
        assert!(error.contains("`../x` is not the name of a folder"), "{error}");
    }
}
