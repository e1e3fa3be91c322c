//! Folders of parquet files, in the layout of dataset repositories of the Hugging Face Hub.
//!
//! The split of a file is its name up to the first hyphen, underscore or dot (`data/train-00000-of-00001.parquet`),
//! or else its folder's name (`plain_text/train/0000.parquet`). Files of a split are read in the order of their
//! paths, and rows are decoded in parallel. If names count the files of a split, all must be there. A file of no
//! known split is named in a warning and not read. The order of rows is the Hub's, which may differ from that of the
//! dataset's other forms. Then positions and fingerprints differ, although images do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use unlearn_samples::Dataset;

use super::file::{self, Columns, Keep, Table};
use crate::entry::{Entry, HubRepository, check_labels, check_numbering};
use crate::error::{Error, Result, damaged};
use crate::formats::packed::PackedSet;
use crate::formats::split_names::{TESTS, TRAIN};
use crate::options::OpenOptions;
use crate::place::Place;

/// Opens the dataset of `entry` in its Hub form from the first folder that has any of its files.
pub(crate) fn open(entry: &Entry, hub: &HubRepository, options: &OpenOptions) -> Result<Dataset> {
    let roots = entry.folders(options);
    let folders = roots.iter().flat_map(|root| [root.join(hub.folder), root.join("data"), root.clone()]);
    for folder in folders.filter(|folder| folder.is_dir()) {
        let splits = Splits::find(&folder, 1)?;
        if [TRAIN, hub.test].iter().any(|split| splits.files.contains_key(*split)) {
            return open_folder(entry, hub, &folder);
        }
    }
    Err(entry.not_found(&roots))
}

/// Opens the dataset of `entry` from the files in `folder`.
pub(crate) fn open_folder(entry: &Entry, hub: &HubRepository, folder: &Path) -> Result<Dataset> {
    let splits = Splits::find(folder, 1)?;
    let columns = Columns { image: &[hub.image], label: &[hub.label] };
    let keep = if entry.streams() { Keep::OnDisk } else { Keep::InMemory };
    let read = |split: &str| -> Result<Split> {
        let files = splits.complete(split)?.ok_or_else(|| {
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
    let numbers = hub.subclass.map(|column| -> Result<[Vec<u32>; 2]> {
        Ok([train.subclasses(entry, column)?, test.subclasses(entry, column)?])
    });
    let (train, test) = (train.set(entry.class_count)?, test.set(entry.class_count)?);
    entry.check_counts(("parquet", folder), [classes.len(), train.labels.len(), test.labels.len()])?;
    let dataset = entry.dataset_of(classes, entry.images(train)?, entry.images(test)?);
    entry.with_subclasses(dataset, numbers.transpose()?)
}

/// Checks that the names of a file's classes are those of `entry`, up to case and punctuation.
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
    let splits = Splits::find(folder, DEPTH)?;
    let lacking = |wanted: &[&str]| {
        let wanted = wanted.join("` or `");
        damaged(folder, format!("it has no parquet file of a labelled split `{wanted}`; {}", splits.describe()))
    };
    let columns = Columns { image: &["image", "img"], label: &["label", "fine_label", "labels"] };
    let keep = if place.stream { Keep::OnDisk } else { Keep::InMemory };
    let empty = |files: &[PathBuf], split: &str| {
        let problem = format!("it has no rows; write the pictures of the split `{split}` into it");
        damaged(files.first().unwrap_or(folder), problem)
    };
    let files = splits.complete(TRAIN)?.ok_or_else(|| lacking(&[TRAIN]))?;
    let train = Split::read(files, columns, keep)?;
    if train.is_empty() {
        return Err(empty(files, TRAIN));
    }
    let (mut test, mut without_rows) = (None, None);
    for split in TESTS {
        let Some(files) = splits.complete(split)? else { continue };
        let found = Split::read(files, columns, keep)?;
        if found.is_empty() {
            without_rows.get_or_insert_with(|| empty(files, split));
        }
        // The test set of a contest has no labels.
        if !found.is_unlabelled() {
            test = Some((split, found));
            break;
        }
    }
    let (split, test) = test.ok_or_else(|| without_rows.unwrap_or_else(|| lacking(&TESTS)))?;
    splits.say_what_is_not_read(folder, &[TRAIN, split]);
    if let Some((_, table)) = train.tables.first().filter(|(_, table)| !table.unread.is_empty()) {
        tracing::warn!("{}: of the columns, these are not read: {}", folder.display(), table.unread.join(", "));
    }
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

/// The content of one split's files.
struct Split {
    tables: Vec<(PathBuf, Table)>,
    /// Names of the classes, if the files have any.
    classes: Option<Vec<String>>,
}

impl Split {
    fn read(files: &[PathBuf], columns: Columns, keep: Keep) -> Result<Self> {
        let table = |path: &PathBuf| Ok((path.clone(), file::read(path, columns, keep)?));
        let tables = files.iter().map(table).collect::<Result<Vec<_>>>()?;
        let classes = tables.first().and_then(|(_, table)| table.classes.clone());
        match tables.iter().find(|(_, table)| table.classes != classes) {
            Some((path, _)) => Err(damaged(path, format!("it names other classes than {}", files[0].display()))),
            None => Ok(Self { tables, classes }),
        }
    }

    fn is_empty(&self) -> bool {
        self.tables.iter().all(|(_, table)| table.labels.is_empty())
    }

    /// Whether every label is −1.
    fn is_unlabelled(&self) -> bool {
        self.tables.iter().flat_map(|(_, table)| &table.labels).all(|&label| label == -1)
    }

    /// Number of classes for labels without names: the largest label plus one. Each class needs a picture.
    fn count_classes(&self) -> Result<usize> {
        let images: usize = self.tables.iter().map(|(_, table)| table.labels.len()).sum();
        for (path, table) in &self.tables {
            check_numbering(path, &table.labels, images)?;
        }
        let labels = self.tables.iter().flat_map(|(_, table)| &table.labels);
        Ok(labels.max().map_or(0, |&label| label as usize + 1))
    }

    /// The numbers of the subclasses in a column.
    fn subclasses(&self, entry: &Entry, column: &str) -> Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for (path, _) in &self.tables {
            let found = file::whole_numbers(path, column)?;
            check_labels(path, &found, entry.subclasses.len())?;
            numbers.extend(found.into_iter().map(|number| number as u32));
        }
        Ok(numbers)
    }

    /// The pictures. Their labels must be below `classes`.
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

/// Maximum depth of folders that are searched below a path.
const DEPTH: usize = 16;

/// Maximum number of files in a message.
const NAMED: usize = 5;

/// The parquet files of a folder.
#[derive(Debug)]
struct Splits {
    /// The files of each known split, in the order of their paths.
    files: BTreeMap<String, Vec<PathBuf>>,
    /// Files of no known split.
    others: Vec<PathBuf>,
}

impl Splits {
    /// Searches `folder` and `depth` levels of folders below it.
    fn find(folder: &Path, depth: usize) -> Result<Self> {
        let (mut splits, mut others) = (BTreeMap::<String, Vec<PathBuf>>::new(), Vec::new());
        for path in parquet_files(folder, depth)? {
            match split_of(&path) {
                Some(split) => splits.entry(split).or_default().push(path),
                None => others.push(path),
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
        Ok(Self { files: splits, others })
    }

    /// The files of a split, if there are any. All of them must be there.
    fn complete(&self, split: &str) -> Result<Option<&Vec<PathBuf>>> {
        let Some(files) = self.files.get(split) else { return Ok(None) };
        check_complete(files)?;
        Ok(Some(files))
    }

    fn describe(&self) -> String {
        let names = |files: &[PathBuf]| named(files.iter());
        let splits = self.files.iter().map(|(split, files)| format!("of `{split}` {}", names(files)));
        let others = (!self.others.is_empty()).then(|| format!("of no known split {}", names(&self.others)));
        let found: Vec<_> = splits.chain(others).collect();
        if found.is_empty() {
            return "it holds no parquet file at all".into();
        }
        let known = [&[TRAIN], &TESTS[..]].concat().join("`, `");
        format!("it holds: {}; a file's name, or its folder's, begins with its split: `{known}`", found.join("; "))
    }

    fn say_what_is_not_read(&self, folder: &Path, read: &[&str]) {
        let splits =
            self.files.iter().filter(|(split, _)| !read.contains(&split.as_str())).flat_map(|(_, files)| files);
        let unread: Vec<_> = splits.chain(&self.others).collect();
        if !unread.is_empty() {
            let names = named(unread.iter().copied());
            tracing::warn!("{}: of its parquet files, these are not read: {names}", folder.display());
        }
    }
}

/// The names of the first files.
fn named<'a>(files: impl ExactSizeIterator<Item = &'a PathBuf>) -> String {
    let count = files.len();
    let mut names: Vec<_> =
        files.take(NAMED).map(|file| file.file_name().unwrap_or_default().to_string_lossy().into_owned()).collect();
    if count > NAMED {
        names.push(format!("… ({count} files)"));
    }
    names.join(", ")
}

/// Checks that all files of one split are there, as far as their names tell: `-00001-of-00003`, or `0001` alone.
fn check_complete(files: &[PathBuf]) -> Result<()> {
    let parts: Vec<_> = files.iter().map(|file| part_of(file)).collect();
    let first = files.first().map_or(Path::new(""), PathBuf::as_path);
    let folder = first.parent().unwrap_or(first);
    let counted = parts.iter().flatten().find_map(|(_, of)| *of);
    let Some(count) = counted else {
        // Numbers with leading zeros, such as `0003`, begin at 0 or 1 and have no gap. Others may be years.
        let padded = |file: &&PathBuf| file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"0"));
        let numbers: BTreeSet<_> = parts.iter().flatten().map(|(number, _)| *number).collect();
        if numbers.len() == files.len()
            && files.iter().any(|file| padded(&file))
            && let (Some(least), Some(most)) = (numbers.first(), numbers.last())
            && let Some(missing) = (*least.min(&1)..=*most).find(|number| !numbers.contains(number))
        {
            let names = named(files.iter());
            return Err(damaged(
                folder,
                format!("its files {names} are numbered, and number {missing} is missing; fetch it"),
            ));
        }
        return Ok(());
    };
    if let Some(at) = parts.iter().position(|part| !matches!(part, Some((_, Some(of))) if *of == count)) {
        let problem = format!(
            "it is not one of {count} files of its split, as the others beside it are; remove the files that do not belong there"
        );
        return Err(damaged(&files[at], problem));
    }
    let numbers: Vec<_> = parts.iter().flatten().map(|(number, _)| *number).collect();
    if let Some(at) = (1..numbers.len()).find(|at| numbers[..*at].contains(&numbers[*at])) {
        return Err(damaged(&files[at], format!("another file of its split has the number {} too", numbers[at])));
    }
    let missing: Vec<_> = (0..count).filter(|number| !numbers.contains(number)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names =
        missing.iter().take(NAMED).map(|number| format!("-{number:05}-of-{count:05}")).collect::<Vec<_>>().join(", ");
    let (found, more) = (files.len(), if missing.len() > NAMED { ", …" } else { "" });
    let problem = format!(
        "it holds {found} of the {count} files that {} belongs to; missing: {names}{more}; fetch them",
        named(files[..1].iter())
    );
    Err(damaged(folder, problem))
}

/// The number in a file's name, and the total: `train-00001-of-00003-1359597a978bc4fa`, or `0001`.
fn part_of(path: &Path) -> Option<(u64, Option<u64>)> {
    let stem = path.file_stem()?.to_str()?;
    if let Ok(number) = stem.parse() {
        return Some((number, None));
    }
    let parts: Vec<_> = stem.split(['-', '_', '.']).collect();
    parts.windows(3).find_map(|window| match window {
        [number, "of", count] => Some((number.parse().ok()?, Some(count.parse().ok()?))),
        _ => None,
    })
}

/// The split of a file, by its path. `None` if it is not a known one.
pub(crate) fn split_of(path: &Path) -> Option<String> {
    let stem = path.file_stem()?.to_str()?;
    let by_name = stem.split(['-', '_', '.']).next().unwrap_or(stem);
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
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            // Systems and programs use such names for their own files.
        } else if path.is_dir() && depth > 0 {
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
        let error = Splits::find(root.path(), 1).unwrap_err().to_string();
        assert!(error.contains("several folders hold a split `train`, name one of them: "), "{error}");
        assert_eq!(Splits::find(&root.path().join("full_numbers"), 1).unwrap().files["train"].len(), 1);
    }

    #[test]
    fn names_that_count_must_be_complete() {
        let check = |names: &[&str]| {
            let files: Vec<_> = names.iter().map(|name| PathBuf::from(format!("data/{name}.parquet"))).collect();
            check_complete(&files).map_err(|error| error.to_string())
        };
        let refuses = |names: &[&str], said: &str| {
            let error = check(names).unwrap_err();
            assert!(error.contains(said), "{error}");
        };
        for complete in [
            &["train-00000-of-00002", "train-00001-of-00002"][..],
            &["train-00000-of-00001-1359597a978bc4fa"],
            &["train-0-of-2", "train-1-of-2"],
            &["0000", "0001", "0002"],
            &["1", "2"],
            &["2019", "2021"],
            &["00001", "00002"],
            &["train"],
            &["train", "train-more"],
        ] {
            assert_eq!(check(complete), Ok(()), "{complete:?}");
        }
        refuses(
            &["train-00000-of-00003", "train-00002-of-00003"],
            "data: it holds 2 of the 3 files that train-00000-of-00003.parquet belongs to; missing: -00001-of-00003; fetch them",
        );
        refuses(&["train-00001-of-00002"], "missing: -00000-of-00002");
        refuses(
            &["train-00000-of-00002", "train-00001-of-00002", "train-00001-of-00003"],
            "it is not one of 2 files of its split",
        );
        refuses(&["train-00000-of-00001", "train-extra"], "train-extra.parquet: it is not one of 1 files of its split");
        refuses(
            &["train-00000-of-00001-a", "train-00000-of-00001-b"],
            "another file of its split has the number 0 too",
        );
        refuses(&["0000", "0002"], "number 1 is missing");
        refuses(&["0002", "0003"], "number 1 is missing");
    }

    #[test]
    fn files_are_named_where_no_split_is_found_or_one_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let describe = || Splits::find(root.path(), DEPTH).unwrap().describe();
        assert_eq!(describe(), "it holds no parquet file at all");
        fs::create_dir_all(root.path().join("a/b/c/d")).unwrap();
        for name in ["part-0.parquet", "a/b/c/d/train-0.parquet", "a/.hidden.parquet"] {
            fs::write(root.path().join(name), "").unwrap();
        }
        assert_eq!(
            describe(),
            "it holds: of `train` train-0.parquet; of no known split part-0.parquet; a file's name, or its folder's, begins with its \
             split: `train`, `test`, `validation`, `valid`, `val`"
        );
        let files: Vec<_> = (0..7).map(|number| PathBuf::from(format!("{number}.parquet"))).collect();
        assert_eq!(named(files.iter()), "0.parquet, 1.parquet, 2.parquet, 3.parquet, 4.parquet, … (7 files)");
    }

    #[test]
    fn a_file_without_rows_is_named() {
        use parquet::file::{properties::WriterProperties, writer::SerializedFileWriter};
        let root = tempfile::tempdir().unwrap();
        let schema = "message schema { required binary image; required int64 label; }";
        let schema = std::sync::Arc::new(parquet::schema::parser::parse_message_type(schema).unwrap());
        for name in ["train.parquet", "test.parquet"] {
            let file = fs::File::create(root.path().join(name)).unwrap();
            let properties = std::sync::Arc::new(WriterProperties::builder().build());
            SerializedFileWriter::new(file, schema.clone(), properties).unwrap().close().unwrap();
        }
        let name = format!("parquet:{}", root.path().display());
        let error = crate::registry::open(&name, &OpenOptions::default()).unwrap_err().to_string();
        assert!(error.contains("train.parquet: it has no rows; write the pictures of the split `train`"), "{error}");
    }
}
