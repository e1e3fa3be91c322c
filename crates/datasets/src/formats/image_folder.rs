//! Folders of pictures, a folder a class: `train/CLASS/….png`, and `test/` or `val/` of the same.
//!
//! As torchvision's `ImageFolder` has it, classes are numbered by their folders' names in ascending order, a class has the
//! pictures at any depth below its folder, and pictures follow each other class by class, in the order of their paths.
//! Pictures are PNG and JPEG; other files are passed over, but not pictures of other kinds.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use unlearn_samples::Dataset;
use unlearn_samples::Picture;

use crate::error::{Error, Result, damaged};
use crate::formats::packed::{Packed, PackedSet};
use crate::formats::parquet_folder::{TESTS, TRAIN};
use crate::formats::picture;
use crate::place::Place;

/// Levels of folders below a class's.
const DEPTH: usize = 8;
/// Most bytes of a list: that of all of Tiny-ImageNet's words has 2.6 million.
const LIST_LIMIT: u64 = 1 << 28;
const READ: [&str; 3] = ["png", "jpg", "jpeg"];
const OTHER_PICTURES: [&str; 9] = ["bmp", "gif", "jp2", "pgm", "ppm", "tif", "tiff", "webp", "avif"];

/// Opens a folder that the registry does not know.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    let (classes, train, test) = open(&place.path)?;
    place.dataset(classes, train, test)
}

/// The classes of `folder`, its training set, and the first test set that has pictures of them.
pub(crate) fn open(folder: &Path) -> Result<(Vec<String>, PackedSet, PackedSet)> {
    let train = folder.join(TRAIN);
    if !train.is_dir() {
        return Err(damaged(folder, "it has no folder `train`"));
    }
    let classes = class_folders(&train)?;
    if classes.is_empty() {
        return Err(damaged(&train, "it has no folder of a class"));
    }
    // A test set for a contest has no labels, and so no folders of classes.
    let candidates = TESTS.iter().map(|split| folder.join(split)).filter(|path| path.is_dir());
    for path in candidates {
        let found = class_folders(&path)?;
        if let Some(unknown) = found.iter().find(|class| classes.binary_search(class).is_err())
            && found.iter().any(|class| classes.binary_search(class).is_ok())
        {
            return Err(damaged(&path, format!("its class `{unknown}` is none of {}", train.display())));
        }
        if found.iter().any(|class| classes.binary_search(class).is_ok()) {
            let (train, test) = (read(&train, &classes)?, read(&path, &classes)?);
            return Ok((classes, train, test));
        }
    }
    Err(damaged(folder, format!("it has no folder `{}` with folders of its classes", TESTS.join("` or `"))))
}

/// The names of the folders in `folder`, ascending.
pub(crate) fn class_folders(folder: &Path) -> Result<Vec<String>> {
    let mut classes = Vec::new();
    for path in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| damaged(&path, "its name is no text"))?;
        if !name.starts_with('.') {
            classes.push(name.to_owned());
        }
    }
    Ok(classes)
}

/// The pictures of `classes` in `folder`, labelled by the classes' positions. A class without a folder has none.
pub(crate) fn read(folder: &Path, classes: &[String]) -> Result<PackedSet> {
    let mut set = PackedSet::default();
    for (label, class) in (0..).zip(classes) {
        let path = folder.join(class);
        if path.is_dir() {
            add_pictures(&path, DEPTH, &mut set.pictures)?;
            set.labels.resize(set.pictures.len(), label);
        }
    }
    Ok(set)
}

/// The pictures `names` in `folder`, each with its class.
///
/// # Errors
/// When a name leads out of the folder, or a class is none of `classes`; `list` is the file that says so.
pub(crate) fn annotated<'a>(
    folder: &Path,
    names: impl Iterator<Item = (String, &'a str)>,
    classes: &[String],
    list: &Path,
) -> Result<PackedSet> {
    let mut set = PackedSet::default();
    for (name, class) in names {
        if Path::new(&name).components().count() != 1 || Path::new(&name).file_name().is_none() {
            return Err(damaged(list, format!("`{name}` is not the name of a file")));
        }
        let label = classes.binary_search_by(|known| known.as_str().cmp(class));
        let label =
            label.map_err(|_| damaged(list, format!("`{name}` is of class `{class}`, of which nothing is known")))?;
        set.pictures.push(Packed::File(folder.join(name)));
        set.labels.push(label as u32);
    }
    Ok(set)
}

/// What classes are called: the identifier and the first of its words in the file `path`, where a line is an identifier,
/// `separator`, and words separated by commas. Without the file, and where it says nothing, the identifier alone.
pub(crate) fn words(path: &Path, separator: char, classes: &[String]) -> Result<Vec<String>> {
    if !path.is_file() {
        return Ok(classes.into());
    }
    let text = read_text(path)?;
    let words: HashMap<_, _> = text.lines().filter_map(|line| line.split_once(separator)).collect();
    let name = |class: &String| match words.get(class.as_str()).and_then(|words| words.split(',').next()) {
        Some(word) => format!("{class} {}", word.trim()),
        None => class.clone(),
    };
    Ok(classes.iter().map(name).collect())
}

/// A list that is distributed with pictures.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let failed = |source| Error::Io { action: "read", path: path.into(), source };
    let found = path.metadata().map_err(failed)?.len();
    if found > LIST_LIMIT {
        return Err(Error::FileTooLarge { path: path.into(), found, limit: LIST_LIMIT });
    }
    fs::read_to_string(path).map_err(failed)
}

fn add_pictures(folder: &Path, depth: usize, pictures: &mut Vec<Packed>) -> Result<()> {
    // Files of a folder come before those of its folders, as in Python's `os.walk`.
    let (folders, files): (Vec<_>, Vec<_>) = list(folder)?.into_iter().partition(|path| path.is_dir());
    for path in files {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let extension = extension.to_ascii_lowercase();
        if READ.contains(&extension.as_str()) {
            pictures.push(Packed::File(path));
        } else if OTHER_PICTURES.contains(&extension.as_str()) {
            return Err(damaged(&path, "of pictures, only PNG and JPEG are read; convert it"));
        }
    }
    if depth > 0 {
        folders.iter().try_for_each(|folder| add_pictures(folder, depth - 1, pictures))?;
    }
    Ok(())
}

/// Writes a dataset as folders of PNG files: `train` and `test`, in each a folder a class, `07_horse`. The number keeps the
/// classes in their order, and a slash in a name becomes a hyphen. Files are numbered by positions in their set.
///
/// # Errors
/// When `folder` holds anything already, or a file cannot be written.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|source| Error::Io { action: "create", path: folder.into(), source })?;
    if !list(folder)?.is_empty() {
        return Err(damaged(folder, "it is not empty; name a folder that is"));
    }
    let digits = |count: usize| count.saturating_sub(1).to_string().len();
    let width = digits(dataset.classes.len());
    let class = |(number, name): (usize, &String)| format!("{number:0width$}_{}", name.replace(['/', '\\'], "-"));
    let classes: Vec<_> = dataset.classes.iter().enumerate().map(class).collect();
    for (split, set) in [(TRAIN, &dataset.train), (TESTS[0], &dataset.test)] {
        let width = digits(set.len());
        for class in &classes {
            let path = folder.join(split).join(class);
            fs::create_dir_all(&path).map_err(|source| Error::Io { action: "create", path, source })?;
        }
        (0..set.len()).into_par_iter().try_for_each(|i| {
            let path = folder.join(split).join(&classes[set.labels[i] as usize]).join(format!("{i:0width$}.png"));
            let image = set.image(i)?;
            let file = picture::encode(&Picture::from_planes([set.channels, set.height, set.width], &image));
            let written = file.and_then(|file| fs::write(&path, file));
            written.map_err(|source| Error::Io { action: "write", path, source })
        })?;
    }
    Ok(())
}

/// What is in a folder, ascending.
fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io { action: "list", path: folder.into(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths = entries.map(|entry| Ok(entry.map_err(failed)?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        root
    }

    fn refusal(files: &[&str]) -> String {
        open(folder(files).path()).unwrap_err().to_string()
    }

    #[test]
    fn a_contests_test_set_is_passed_over_for_the_validation_set() {
        let root = folder(&[
            "train/a/1.png",
            "train/b/x/2.JPG",
            "train/b/3.jpeg",
            "train/b/n.txt",
            "val/b/4.png",
            "test/5.png",
        ]);
        let (classes, train, test) = open(root.path()).unwrap();
        assert_eq!((classes, train.labels, test.labels), (vec!["a".into(), "b".into()], vec![0, 1, 1], vec![1]));
        let Packed::File(path) = &train.pictures[1] else { panic!("no file") };
        assert!(path.ends_with("train/b/3.jpeg"));
    }

    #[test]
    fn what_is_no_folder_of_classes_says_so() {
        assert!(refusal(&["val/a/1.png"]).ends_with("it has no folder `train`"));
        assert!(refusal(&["train/1.png", "val/a/1.png"]).ends_with("train: it has no folder of a class"));
        assert!(
            refusal(&["train/a/1.png"]).contains("no folder `test` or `validation` or `valid` or `val` with folders")
        );
        assert!(refusal(&["train/a/1.png", "val/a/1.png", "val/c/1.png"]).contains("its class `c` is none of"));
        assert!(refusal(&["train/a/1.webp", "val/a/1.png"]).ends_with("only PNG and JPEG are read; convert it"));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        let read = |name: &str, class| {
            let names = [(name.to_owned(), class)].into_iter();
            annotated(Path::new("val"), names, &["a".into(), "c".into()], Path::new("list.txt"))
        };
        assert_eq!(read("1.png", "c").unwrap().labels, [1]);
        for name in ["../1.png", "/etc/passwd", "x/1.png", "..", ""] {
            let error = read(name, "a").unwrap_err().to_string();
            assert_eq!(error, format!("failed to read list.txt: `{name}` is not the name of a file"));
        }
        assert!(
            read("1.png", "b").unwrap_err().to_string().ends_with("`1.png` is of class `b`, of which nothing is known")
        );
    }
}
