//! Folders of parquet files, laid out as dataset repositories of the Hugging Face Hub are.
//!
//! A file's split is its name up to the first hyphen (`data/train-00000-of-00001.parquet`), or else its folder's name
//! (`plain_text/train/0000.parquet`). Files of a split are read in the order of their paths, and rows are decoded in parallel.
//! The order of rows is the Hub's, which need not be that of the dataset's other forms: positions and fingerprints then
//! differ, though images do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use unlearn_samples::Dataset;

use crate::entry::{Entry, HubRepository, check_labels};
use crate::error::{Error, Result, damaged};
use crate::formats::packed::PackedSet;
use crate::formats::parquet_file::{self, Columns, Keep, Table};
use crate::options::OpenOptions;
use crate::place::Place;

/// The split of training images.
pub(crate) const TRAIN: &str = "train";

/// Splits that may be a test set, the first that there is; `valid` and `val` are what some call `validation`.
pub(crate) const TESTS: [&str; 4] = ["test", "validation", "valid", "val"];

/// Opens the dataset of `entry` in its Hub form from the first folder that has any of its files.
pub(crate) fn open(entry: &Entry, hub: &HubRepository, options: &OpenOptions) -> Result<Dataset> {
    let roots = options.folders(entry.name, &[]);
    let folders = roots.iter().flat_map(|root| [root.join(hub.folder), root.join("data"), root.clone()]);
    for folder in folders.filter(|folder| folder.is_dir()) {
        let splits = splits(&folder, 1)?;
        if [TRAIN, hub.test].iter().any(|split| splits.contains_key(*split)) {
            return open_folder(entry, hub, &folder);
        }
    }
    Err(entry.not_found(&roots))
}

/// Opens the dataset of `entry` from the files in `folder`.
pub(crate) fn open_folder(entry: &Entry, hub: &HubRepository, folder: &Path) -> Result<Dataset> {
    let splits = splits(folder, 1)?;
    let columns = Columns { image: &[hub.image], label: &[hub.label] };
    let keep = if entry.streams() { Keep::OnDisk } else { Keep::InMemory };
    let read = |split: &str| -> Result<Split> {
        let files = splits.get(split).ok_or_else(|| {
            let file = format!("a parquet file of the split `{split}`");
            Error::MissingFile { folder: folder.into(), file }
        })?;
        let split = Split::read(files, columns, keep)?;
        match &split.classes {
            Some(classes) => check_classes(entry, &files[0], classes).map(|()| split),
            None => Ok(split),
        }
    };
    let (train, test) = (read(TRAIN)?, read(hub.test)?);
    let named = || train.classes.clone().unwrap_or_else(|| (0..entry.class_count).map(|i| i.to_string()).collect());
    let classes =
        if entry.classes.is_empty() { named() } else { entry.classes.iter().map(ToString::to_string).collect() };
    let (train, test) = (train.set(entry.class_count)?, test.set(entry.class_count)?);
    entry.check_counts(folder, classes.len(), train.labels.len(), test.labels.len())?;
    Ok(entry.dataset_of(classes, entry.images(train)?, entry.images(test)?))
}

/// That the names of a file's classes are those of `entry`, up to case and punctuation.
fn check_classes(entry: &Entry, path: &Path, classes: &[String]) -> Result<()> {
    let letters =
        |name: &str| -> String { name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect() };
    let as_many = entry.classes.is_empty() && classes.len() == entry.class_count;
    if as_many || classes.iter().map(|name| letters(name)).eq(entry.classes.iter().map(|name| letters(name))) {
        return Ok(());
    }
    let first = classes.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    Err(damaged(path, format!("its {} classes ({first}, …) are not those of {}", classes.len(), entry.name)))
}

/// Opens a folder that the registry does not know.
pub(crate) fn open_place(place: &Place) -> Result<Dataset> {
    let folder = &place.path;
    let splits = splits(folder, 2)?;
    let lacking = |wanted: &[&str]| {
        let found = splits.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        damaged(
            folder,
            format!("it has no parquet file of a labelled split `{}`; splits found: {found}", wanted.join("` or `")),
        )
    };
    let columns = Columns { image: &["image", "img"], label: &["label", "fine_label", "labels"] };
    let keep = if place.stream { Keep::OnDisk } else { Keep::InMemory };
    let train = Split::read(splits.get(TRAIN).ok_or_else(|| lacking(&[TRAIN]))?, columns, keep)?;
    // A test set for a contest has no labels.
    let mut tests = TESTS.iter().filter_map(|split| splits.get(*split)).map(|files| Split::read(files, columns, keep));
    let labelled = |test: &Result<Split>| !test.as_ref().is_ok_and(Split::is_unlabelled);
    let test = tests.find(labelled).ok_or_else(|| lacking(&TESTS))??;
    if train.classes.is_some() && test.classes.is_some() && train.classes != test.classes {
        return Err(damaged(folder, "its training and test files name different classes"));
    }
    let classes = match train.classes.as_ref().or(test.classes.as_ref()) {
        Some(classes) => classes.clone(),
        None => (0..train.count_classes()?).map(|class| class.to_string()).collect(),
    };
    let (train, test) = (train.set(classes.len())?, test.set(classes.len())?);
    place.dataset(classes, train, test)
}

/// The files of one split, read.
struct Split {
    tables: Vec<(PathBuf, Table)>,
    /// Names of the classes, if the files have any.
    classes: Option<Vec<String>>,
}

impl Split {
    fn read(files: &[PathBuf], columns: Columns, keep: Keep) -> Result<Self> {
        let table = |path: &PathBuf| Ok((path.clone(), parquet_file::read(path, columns, keep)?));
        let tables = files.iter().map(table).collect::<Result<Vec<_>>>()?;
        let classes = tables.first().and_then(|(_, table)| table.classes.clone());
        match tables.iter().find(|(_, table)| table.classes != classes) {
            Some((path, _)) => Err(damaged(path, format!("it names other classes than {}", files[0].display()))),
            None => Ok(Self { tables, classes }),
        }
    }

    /// Whether every label is −1.
    fn is_unlabelled(&self) -> bool {
        self.tables.iter().flat_map(|(_, table)| &table.labels).all(|&label| label == -1)
    }

    /// How many classes labels without names have: one more than the largest, each of which needs a picture.
    fn count_classes(&self) -> Result<usize> {
        let images: usize = self.tables.iter().map(|(_, table)| table.labels.len()).sum();
        for (path, table) in &self.tables {
            check_labels(path, &table.labels, images)?;
        }
        let labels = self.tables.iter().flat_map(|(_, table)| &table.labels);
        Ok(labels.max().map_or(0, |&label| label as usize + 1))
    }

    /// The pictures, whose labels must be below `classes`.
    fn set(self, classes: usize) -> Result<PackedSet> {
        let mut set = PackedSet::default();
        for (path, mut table) in self.tables {
            check_labels(&path, &table.labels, classes)?;
            set.labels.extend(table.labels.into_iter().map(|label| label as u32));
            set.pictures.append(&mut table.pictures);
        }
        Ok(set)
    }
}

/// The parquet files of each split, in `folder` and `depth` levels of folders below it.
fn splits(folder: &Path, depth: usize) -> Result<BTreeMap<String, Vec<PathBuf>>> {
    let mut splits = BTreeMap::<String, Vec<PathBuf>>::new();
    for path in parquet_files(folder, depth)? {
        if let Some(split) = split_of(&path) {
            splits.entry(split).or_default().push(path);
        }
    }
    for (split, files) in &splits {
        let folders: BTreeSet<_> = files.iter().filter_map(|file| file.parent()).collect();
        if folders.len() > 1 {
            let folders = folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(damaged(
                folder,
                format!("several folders hold a split `{split}`, name one of them: {folders}"),
            ));
        }
    }
    Ok(splits)
}

/// The split whose file this is, by its path; none if it is of none that is known.
pub(crate) fn split_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let by_name = stem.split('-').next().unwrap_or(stem);
    let folder = path.parent()?.file_name().and_then(|folder| folder.to_str());
    let known = |split: &&str| *split == TRAIN || TESTS.contains(split);
    [Some(by_name), folder].into_iter().flatten().find(known).map(str::to_owned)
}

/// Parquet files, ascending.
fn parquet_files(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::Io { action: "list", path: folder.into(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && depth > 0 {
            files.append(&mut parquet_files(&path, depth - 1)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_are_told_by_names_of_files_or_of_folders() {
        let split = |path| split_of(Path::new(path));
        assert_eq!(split("data/train-00000-of-00001-1359597a978bc4fa.parquet").as_deref(), Some("train"));
        assert_eq!(split("data/valid-00000-of-00001.parquet").as_deref(), Some("valid"));
        assert_eq!(split("plain_text/test/0000.parquet").as_deref(), Some("test"));
        assert_eq!(split("cropped_digits/extra-00000-of-00002.parquet"), None);
    }

    #[test]
    fn two_folders_of_one_split_are_not_mixed() {
        let root = tempfile::tempdir().unwrap();
        for folder in ["cropped_digits", "full_numbers"] {
            fs::create_dir(root.path().join(folder)).unwrap();
            fs::write(root.path().join(folder).join("train-00000-of-00001.parquet"), "").unwrap();
        }
        let error = splits(root.path(), 1).unwrap_err().to_string();
        assert!(error.contains("several folders hold a split `train`, name one of them: "), "{error}");
        assert_eq!(splits(&root.path().join("full_numbers"), 1).unwrap()["train"].len(), 1);
    }
}
