//! Folders of pictures, with one folder per class: `train/CLASS/….png`, and `test/` or `val/` with the same layout.
//!
//! The order is that of torchvision's `ImageFolder`. Classes are numbered by their folders' names in ascending order.
//! A class has the pictures at any depth below its folder, and links to folders are followed. Pictures follow class
//! by class: folders in the order of their whole paths as text, then the files of each. So a position means the same
//! in both. Two things differ, and are reported when a folder is opened: hidden files and folders (a dot before the
//! name) are skipped at every depth, and the accepted endings differ slightly.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use unlearn_samples::Dataset;
use unlearn_samples::Picture;

use crate::error::{Error, Result, damaged};
use crate::formats::packed::{Packed, PackedSet};
use crate::formats::picture;
use crate::formats::split_names::{TESTS, TRAIN};
use crate::place::Place;

/// Maximum depth of folders below a class's. Links may form a circle.
const DEPTH: usize = 40;
/// Maximum bytes of a list. Tiny-ImageNet's list of words has 2.6 million.
const LIST_LIMIT: u64 = 1 << 28;
/// Endings of pictures that are read. `jfif` and `jpe` are JPEG, but torchvision's `ImageFolder` skips them.
const READ: [&str; 9] = ["png", "jpg", "jpeg", "jfif", "jpe", "webp", "bmp", "tif", "tiff"];
/// Endings of pictures that are not read.
const OTHER_PICTURES: [&str; 20] = [
    "apng", "avif", "dib", "dng", "gif", "heic", "heif", "j2k", "jp2", "jpx", "jxl", "pbm", "pcx", "pgm", "pnm", "ppm",
    "psd", "svg", "tga", "xpm",
];

/// What a folder of pictures must look like.
const LAYOUT: &str = "a dataset of pictures is `train/CLASS/….png`, and `test/` or `val/` of the same";

/// Opens a folder that the registry does not know.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    let (classes, train, test) = open(&place.path)?;
    place.dataset(classes, train, test)
}

/// The classes of `folder`, its training set, and the first test set with pictures of them. Content that is not read
/// is reported.
pub(crate) fn open(folder: &Path) -> Result<(Vec<String>, PackedSet, PackedSet)> {
    let train = folder.join(TRAIN);
    if !train.is_dir() {
        return Err(damaged(
            folder,
            format!("there is no folder `train` in it{}; {LAYOUT}", renamed(folder, &[TRAIN])?),
        ));
    }
    let classes = class_folders(&train)?;
    if classes.is_empty() {
        return Err(damaged(&train, format!("there is no folder of a class in it; {LAYOUT}")));
    }
    // The test set of a contest has no labels, and so no folders of classes.
    let candidates = TESTS.iter().map(|split| folder.join(split)).filter(|path| path.is_dir());
    for path in candidates {
        let found = class_folders(&path)?;
        if let Some(unknown) = found.iter().find(|class| classes.binary_search(class).is_err())
            && found.iter().any(|class| classes.binary_search(class).is_ok())
        {
            return Err(damaged(&path, format!("its class `{unknown}` is none of {}", train.display())));
        }
        if found.iter().any(|class| classes.binary_search(class).is_ok()) {
            let mut passed = Passed::default();
            for split in [&train, &path] {
                passed.beside_classes(split)?;
            }
            passed.beside_splits(folder, [&train, &path])?;
            let sets = (read_noting(&train, &classes, &mut passed)?, read_noting(&path, &classes, &mut passed)?);
            passed.say(folder);
            return Ok((classes, sets.0, sets.1));
        }
    }
    let hint = renamed(folder, &TESTS)?;
    Err(damaged(
        folder,
        format!("there is no folder `{}` with folders of the classes in it{hint}; {LAYOUT}", TESTS.join("` or `")),
    ))
}

/// A hint for a folder whose name is one of `names` in other letters, or nothing.
fn renamed(folder: &Path, names: &[&str]) -> Result<String> {
    for path in list(folder)?.into_iter().filter(|path| path.is_dir()) {
        let found = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some(name) = names.iter().find(|name| found.eq_ignore_ascii_case(name) && found != **name) {
            return Ok(format!("; it has `{found}`, rename it to `{name}`"));
        }
    }
    Ok(String::new())
}

/// The names of the folders in `folder`, ascending, without hidden ones.
pub(crate) fn class_folders(folder: &Path) -> Result<Vec<String>> {
    let mut classes = Vec::new();
    for path in list(folder)?.into_iter().filter(|path| !is_hidden(path) && path.is_dir()) {
        let name = path.file_name().and_then(|name| name.to_str());
        classes.push(
            name.ok_or_else(|| {
                damaged(&path, "its name is not UTF-8, and the name of a class is text; rename the folder")
            })?
            .to_owned(),
        );
    }
    Ok(classes)
}

/// The pictures of `classes` in `folder`. Labels are positions in `classes`. A class without a folder has no
/// pictures.
pub(crate) fn read(folder: &Path, classes: &[String]) -> Result<PackedSet> {
    read_noting(folder, classes, &mut Passed::default())
}

fn read_noting(folder: &Path, classes: &[String], passed: &mut Passed) -> Result<PackedSet> {
    let mut set = PackedSet::default();
    for (label, class) in (0..).zip(classes) {
        let path = folder.join(class);
        if path.is_dir() {
            add_pictures(path, &mut set.pictures, passed)?;
            set.labels.resize(set.pictures.len(), label);
        }
    }
    Ok(set)
}

/// Content of a folder that is not read.
#[derive(Debug, Default, PartialEq, Eq)]
struct Passed {
    hidden: Several,
    no_pictures: Several,
    /// Pictures outside of the folders of classes.
    classless: Several,
    /// Folders and pictures beside the splits.
    beside: Vec<String>,
}

/// Several paths, the first of which is named.
#[derive(Debug, Default, PartialEq, Eq)]
struct Several {
    count: usize,
    first: PathBuf,
}

impl Several {
    fn add(&mut self, path: &Path) {
        if self.count == 0 {
            self.first = path.into();
        }
        self.count += 1;
    }
}

impl Passed {
    fn beside_classes(&mut self, split: &Path) -> Result<()> {
        for path in list(split)?.iter().filter(|path| is_hidden(path) || !path.is_dir()) {
            match kind(path) {
                _ if is_hidden(path) => self.hidden.add(path),
                Kind::Picture | Kind::OtherPicture => self.classless.add(path),
                Kind::NoPicture => self.no_pictures.add(path),
            }
        }
        Ok(())
    }

    fn beside_splits(&mut self, folder: &Path, read: [&PathBuf; 2]) -> Result<()> {
        for path in list(folder)?.iter().filter(|path| !read.contains(path) && !is_hidden(path)) {
            if path.is_dir() || kind(path) != Kind::NoPicture {
                self.beside.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
            }
        }
        Ok(())
    }

    fn say(&self, folder: &Path) {
        for line in self.lines() {
            tracing::warn!("{}: {line}", folder.display());
        }
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let groups = [
            (&self.classless, "pictures in no folder of a class"),
            (&self.hidden, "hidden files or folders"),
            (&self.no_pictures, "files that are no pictures by their endings"),
        ];
        for (Several { count, first }, what) in groups {
            if *count > 0 {
                lines.push(format!("not read: {what}, {count} of them, the first {}", first.display()));
            }
        }
        if !self.beside.is_empty() {
            lines.push(format!("not read: beside the training and the test set, {}", self.beside.join(", ")));
        }
        lines
    }
}

/// Whether a path's name begins with a dot. Systems and programs use such names for their own files.
fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Kind of a file, by its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Picture,
    OtherPicture,
    NoPicture,
}

fn kind(path: &Path) -> Kind {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    if READ.contains(&ending.as_str()) {
        Kind::Picture
    } else if OTHER_PICTURES.contains(&ending.as_str()) {
        Kind::OtherPicture
    } else {
        Kind::NoPicture
    }
}

/// The pictures `names` in `folder`, each with its class.
///
/// # Errors
/// If a name leads out of the folder, or a class is not in `classes`. `list` is the file with the names.
pub(crate) fn annotated<'a>(
    folder: &Path,
    names: impl Iterator<Item = (String, &'a str)>,
    classes: &[String],
    list: &Path,
) -> Result<PackedSet> {
    let mut set = PackedSet::default();
    for (name, class) in names {
        if !is_file_name(&name) {
            return Err(damaged(list, format!("`{name}` is not the name of a file")));
        }
        let label = classes.binary_search_by(|known| known.as_str().cmp(class));
        let label = label.map_err(|_| damaged(list, format!("`{name}` has the unknown class `{class}`")))?;
        set.pictures.push(Packed::File(folder.join(name)));
        set.labels.push(label as u32);
    }
    Ok(set)
}

/// Whether `name` is the name of a file, and leads nowhere else.
pub(crate) fn is_file_name(name: &str) -> bool {
    Path::new(name).components().count() == 1 && Path::new(name).file_name().is_some()
}

/// Names of classes: the identifier and the first of its words in the file `path`. A line of that file is an
/// identifier, `separator`, and words separated by commas. Without the file, or without words, the name is the
/// identifier alone.
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

/// Reads a list that is distributed with pictures.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    unlearn_files::read_text(path, LIST_LIMIT).map_err(|source| Error::Io { action: "read", path: path.into(), source })
}

/// Adds the pictures of a class's folder in torchvision's order: `sorted(os.walk(folder, followlinks=True))`, and
/// each folder's files sorted. Paths are compared as text, so `a-b` comes before `a/b`.
fn add_pictures(folder: PathBuf, pictures: &mut Vec<Packed>, passed: &mut Passed) -> Result<()> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder, 0)];
    while let Some((folder, depth)) = waiting.pop() {
        if depth > DEPTH {
            return Err(damaged(&folder, format!("it is {depth} folders below its class; do links form a circle?")));
        }
        let mut files = Vec::new();
        for path in list(&folder)? {
            if is_hidden(&path) {
                passed.hidden.add(&path);
                continue;
            }
            let metadata =
                fs::metadata(&path).map_err(|source| Error::Io { action: "find", path: path.clone(), source })?;
            match kind(&path) {
                _ if metadata.is_dir() => waiting.push((path, depth + 1)),
                Kind::OtherPicture => return Err(damaged(&path, OTHER)),
                Kind::NoPicture => passed.no_pictures.add(&path),
                Kind::Picture if metadata.is_file() => files.push(Packed::File(path)),
                Kind::Picture => return Err(damaged(&path, "it is not a regular file; only these are read")),
            }
        }
        found.push((folder, files));
    }
    found.sort_by(|(a, _), (b, _)| a.as_os_str().as_encoded_bytes().cmp(b.as_os_str().as_encoded_bytes()));
    pictures.extend(found.into_iter().flat_map(|(_, files)| files));
    Ok(())
}

/// The reason why pictures are not read.
const OTHER: &str = "pictures of this kind are not read; convert it to PNG";

/// Writes a dataset as folders of PNG files: `train` and `test`, each with one folder per class, such as `07_horse`.
/// The number keeps the order of classes, and a slash in a name becomes a hyphen. Files are numbered by positions in
/// their set.
///
/// The files are written into a working folder inside `folder` and moved up when all are complete. What an interrupted
/// call left there is removed by the next one.
///
/// # Errors
/// As [`check_output`]. Also if a file cannot be written; then nothing is left.
pub fn write(dataset: &Dataset, folder: &Path) -> Result<()> {
    check_output(folder)?;
    let failed = |action, path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { action, path, source }
    };
    let working = folder.join(WORKING);
    if fs::symlink_metadata(&working).is_ok() {
        fs::remove_dir_all(&working).map_err(failed("remove", &working))?;
    }
    // A signal that ends the program removes it too.
    let _unfinished = unlearn_files::Unfinished::folder(&working);
    fs::create_dir_all(&working).map_err(failed("create", &working))?;
    let written = fill(dataset, &working).and_then(|()| {
        // The training set comes last: without it, no reader takes the folder for a dataset.
        for split in [TESTS[0], TRAIN] {
            let to = folder.join(split);
            fs::rename(working.join(split), &to).map_err(failed("write", &to))?;
        }
        Ok(())
    });
    let removed = fs::remove_dir_all(&working).map_err(failed("remove", &working));
    written.and(removed)
}

/// Refuses a folder that a dataset cannot be written to.
///
/// # Errors
/// [`Error::Output`] if it is no folder or is not empty, [`Error::Io`] if it cannot be listed.
pub fn check_output(folder: &Path) -> Result<()> {
    let refuse = |problem: String| Err(Error::Output { path: folder.into(), problem });
    match fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { action: "look at", path: folder.into(), source }),
        Ok(found) if !found.is_dir() => {
            return refuse("it is not a folder; name a folder, or a file that ends in .npz".into());
        }
        Ok(_) => {}
    }
    let held = list(folder)?.into_iter().find(|path| !path.ends_with(WORKING));
    let Some(held) = held else { return Ok(()) };
    let name = held.file_name().unwrap_or_default().to_string_lossy().into_owned();
    refuse(format!(
        "the folder is not empty, it holds `{}`; name a folder that is empty, or a new one",
        name.escape_debug()
    ))
}

/// Folder inside the one of an export, for files while not all are written.
const WORKING: &str = ".unlearn-export";

/// Writes all files of a dataset below an empty folder.
fn fill(dataset: &Dataset, folder: &Path) -> Result<()> {
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

/// The entries of a folder, ascending.
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
        assert!(train.pictures[1].file().unwrap().ends_with("train/b/3.jpeg"));
    }

    #[test]
    fn what_is_no_folder_of_classes_says_so() {
        assert!(
            refusal(&["val/a/1.png"]).contains("there is no folder `train` in it; a dataset of pictures is `train")
        );
        assert!(refusal(&["Train/a/1.png"]).contains("it has `Train`, rename it to `train`"));
        assert!(refusal(&["train/a/1.png", "TEST/a/1.png"]).contains("it has `TEST`, rename it to `test`"));
        assert!(refusal(&["train/1.png", "val/a/1.png"]).contains("train: there is no folder of a class in it; "));
        assert!(
            refusal(&["train/a/1.png"]).contains("no folder `test` or `validation` or `valid` or `val` with folders")
        );
        assert!(refusal(&["train/a/1.png", "val/a/1.png", "val/c/1.png"]).contains("its class `c` is none of"));
        for ending in ["heic", "AVIF", "ppm"] {
            let said = refusal(&[&format!("train/a/1.{ending}"), "val/a/1.png"]);
            assert!(
                said.ends_with(&format!("1.{ending}: pictures of this kind are not read; convert it to PNG")),
                "{said}"
            );
        }
    }

    fn paths(set: &PackedSet, root: &Path) -> Vec<String> {
        let path =
            |packed: &Packed| packed.file().unwrap().strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        set.pictures.iter().map(path).collect()
    }

    /// The expected order comes from torchvision, through `image_folder_order.py` in `tests/golden/torchvision`.
    #[test]
    fn pictures_are_in_the_order_of_torchvisions_image_folder() {
        let golden = unlearn_tests::golden::text("torchvision/image_folder_order.txt");
        let expected: Vec<_> = golden.lines().collect();
        let root = folder(&expected);
        let classes = class_folders(root.path()).unwrap();
        assert_eq!(paths(&read(root.path(), &classes).unwrap(), root.path()), expected);
    }

    #[test]
    fn what_is_not_read_is_said() {
        let root = folder(&[
            "train/a/1.png",
            "train/a/.ipynb_checkpoints/1.png",
            "train/a/b/._2.jpe",
            "train/a/b/2.jpe",
            "train/a/b/notes.txt",
            "train/.trash/1.png",
            "train/loose.png",
            "val/a/1.jfif",
            "val/list.csv",
            "test/x.png",
            "extra/a/1.png",
            "README.md",
        ]);
        let (_, train, test) = open(root.path()).unwrap();
        assert_eq!(paths(&train, root.path()), ["train/a/1.png", "train/a/b/2.jpe"]);
        assert_eq!(paths(&test, root.path()), ["val/a/1.jfif"]);
        let (mut passed, train) = (Passed::default(), root.path().join("train"));
        passed.beside_classes(&train).unwrap();
        passed.beside_splits(root.path(), [&train, &root.path().join("val")]).unwrap();
        read_noting(&train, &["a".into()], &mut passed).unwrap();
        let path = |path: &str| root.path().join(path).display().to_string();
        assert_eq!(
            passed.lines(),
            [
                format!("not read: pictures in no folder of a class, 1 of them, the first {}", path("train/loose.png")),
                format!("not read: hidden files or folders, 3 of them, the first {}", path("train/.trash")),
                format!(
                    "not read: files that are no pictures by their endings, 1 of them, the first {}",
                    path("train/a/b/notes.txt")
                ),
                "not read: beside the training and the test set, extra, test".into(),
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn folders_are_read_at_any_depth_and_circles_and_pipes_end() {
        let deep = format!("train/a/{}1.png", "x/".repeat(20));
        let root = folder(&[&deep, "val/a/1.png"]);
        assert_eq!(paths(&open(root.path()).unwrap().1, root.path()), [deep]);
        std::os::unix::fs::symlink(root.path().join("train/a"), root.path().join("train/a/x/again")).unwrap();
        let error = open(root.path()).unwrap_err().to_string();
        assert!(error.ends_with("do links form a circle?"), "{error}");
        fs::remove_file(root.path().join("train/a/x/again")).unwrap();
        let pipe = root.path().join("train/a/pipe.png");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = open(root.path()).unwrap_err().to_string();
        assert!(error.ends_with("pipe.png: it is not a regular file; only these are read"), "{error}");
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
        assert!(read("1.png", "b").unwrap_err().to_string().ends_with("`1.png` has the unknown class `b`"));
    }
}
