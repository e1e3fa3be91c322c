//! A small copy of ImageNet's repository on the Hub, and the same pictures as a folder:
//! `tests/golden/datasets/pictures/imagenet` and `imagenet-folder`, written by the script beside them.

use std::fs;
use std::path::Path;

use rayon::prelude::*;
use unlearn_samples::{BatchOptions, BatchPlan, Dataset};

use crate::error::Result;
use crate::formats::packed::Packed;
use crate::formats::parquet;
use crate::formats::parquet::file::{self, Columns, Keep};
use crate::imagenet::{self, ENTRY};
use crate::registry::{self, Entry, OpenOptions};
use crate::tests::pictures::{copy_folder, root};
use crate::verify;

pub(crate) const FILES: [&str; 4] = [
    "train-00000-of-00002.parquet",
    "train-00001-of-00002.parquet",
    "validation-00000-of-00002.parquet",
    "validation-00001-of-00002.parquet",
];
const CLASSES: [&str; 2] = ["tench, Tinca tinca", "goldfish, Carassius auratus"];

/// The entry, reduced to the existing content.
fn entry() -> Entry {
    Entry { class_count: 2, train: 16, test: 6, shape: [3, 28, 28], ..ENTRY }
}

fn open_hub(folder: &Path) -> Result<Dataset> {
    parquet::open_folder(&entry(), &ENTRY.hub.unwrap(), folder)
}

/// The dataset in both forms.
fn both() -> [Dataset; 2] {
    let folder = imagenet::open_folder(&entry(), &root().join("imagenet-folder")).unwrap();
    [open_hub(&root().join("imagenet/data")).unwrap(), folder]
}

/// A copy of the repository's files.
fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&root().join("imagenet/data"), folder.path());
    folder
}

pub(crate) fn table(path: &Path, keep: Keep) -> Result<Vec<Packed>> {
    Ok(file::read(path, Columns { image: &["image"], label: &["label"] }, keep)?.pictures)
}

#[test]
fn the_hubs_pictures_are_those_of_the_folder_bit_for_bit() {
    let [hub, folder] = both();
    assert_eq!(
        (hub.classes.clone(), folder.classes),
        (CLASSES.map(String::from).to_vec(), vec!["n01440764".into(), "n01443537".into()])
    );
    for (hub, folder) in [(&hub.train, &folder.train), (&hub.test, &folder.test)] {
        assert!(hub.pixels().is_none());
        assert_eq!(hub.labels, folder.labels);
        // In any order, by several threads at once, and again.
        let check = |i: usize| {
            let i = i * 5 % hub.len();
            assert!(hub.picture(i).unwrap() == folder.picture(i).unwrap(), "picture {i}");
            assert!(hub.image(i).unwrap() == folder.image(i).unwrap(), "image {i}");
        };
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        pool.install(|| (0..3 * hub.len()).into_par_iter().with_max_len(1).for_each(check));
    }
}

#[test]
fn pictures_on_disk_are_those_in_memory() {
    for file in FILES {
        let path = root().join("imagenet/data").join(file);
        let [memory, disk] = [Keep::InMemory, Keep::OnDisk].map(|keep| table(&path, keep).unwrap());
        assert_eq!(memory.len(), disk.len(), "{file}");
        for (row, (memory, disk)) in memory.iter().zip(&disk).enumerate().rev() {
            let (Packed::Row { bytes, .. }, Packed::Stored { table, .. }) = (memory, disk) else {
                panic!("{file}: row {row} is kept elsewhere");
            };
            assert!(table.read(row).unwrap() == *bytes, "{file}: row {row}");
        }
    }
}

/// The files come from `parquet_codecs.py` beside the golden data.
#[test]
fn pages_are_unpacked_whatever_they_are_packed_by() {
    let folder = root().join("../parquet-codecs");
    let read = |path: &Path| {
        let table = file::read(path, Columns { image: &["image"], label: &["label"] }, Keep::InMemory).unwrap();
        let pictures = table.pictures.into_iter().map(|packed| match packed {
            Packed::Row { bytes, .. } => bytes,
            _ => panic!("not in memory"),
        });
        (pictures.collect::<Vec<_>>(), table.labels)
    };
    let expected = read(&folder.join("none.parquet"));
    assert_eq!((expected.0.len(), &expected.1[..4]), (12, &[3, 10, 17, 24][..]));
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 11);
    for path in files {
        assert!(read(&path) == expected, "{}", path.display());
    }
    let refused = table(&folder.join("zstd.parquet"), Keep::OnDisk).unwrap_err().to_string();
    assert!(refused.contains("zstd.parquet: its pictures are packed by Zstandard, from which none"), "{refused}");
}

#[test]
fn batches_are_those_of_the_folder() {
    let [hub, folder] = both();
    let batches = |dataset: &Dataset, options: BatchOptions| -> Vec<_> {
        let plan = BatchPlan::new(&dataset.train, (0..16).rev().collect::<Vec<_>>(), options).unwrap();
        (0..2).flat_map(|epoch| plan.epoch(epoch, 0).map(Result::unwrap).collect::<Vec<_>>()).collect()
    };
    for options in [BatchOptions::training(5, hub.augmentation, 3), BatchOptions::evaluation(5)] {
        assert!(batches(&hub, options) == batches(&folder, options));
    }
}

#[test]
fn the_folder_is_taken_before_the_hubs_files() {
    let place = tempfile::tempdir().unwrap();
    let options = OpenOptions { data_dir: Some(place.path().into()), ..OpenOptions::default() };
    let refusal = || registry::open("imagenet", &options).unwrap_err().to_string();
    assert!(refusal().starts_with("imagenet was not found; looked in "), "{}", refusal());
    copy_folder(&root().join("imagenet/data"), &place.path().join("imagenet/data"));
    assert!(
        refusal()
            .ends_with("its 2 classes (tench, Tinca tinca, goldfish, Carassius auratus, …) are not those of imagenet")
    );
    copy_folder(&root().join("imagenet-folder"), &place.path().join("imagenet"));
    assert!(refusal().contains("holds 2 classes, but 1000 are published for imagenet"), "{}", refusal());
}

#[test]
fn a_path_is_streamed_too_and_a_contests_test_set_passed_over() {
    let open = |folder: &Path, option: &str| {
        registry::open(&format!("parquet:{}{option}", folder.display()), &OpenOptions::default()).unwrap()
    };
    let place = copy();
    let [hub, _] = both();
    let named = open(&root().join("imagenet/data"), "?stream=28");
    assert_eq!((named.classes, named.train, named.test), (hub.classes, hub.train, hub.test));
    let dataset = open(place.path(), "?stream=28");
    assert_eq!(dataset.fingerprint, named.fingerprint);
    assert!(open(place.path(), "?size=28").train.pixels().is_some());

    // The fingerprint covers labels, and the names and lengths of the files, but not the pictures.
    let again = copy();
    assert_eq!(open(again.path(), "?stream=28").fingerprint, dataset.fingerprint);
    fs::rename(again.path().join(FILES[3]), again.path().join("validation-00001-of-00002-again.parquet")).unwrap();
    assert_ne!(open(again.path(), "?stream=28").fingerprint, dataset.fingerprint);
}

#[test]
fn files_that_change_or_vanish_end_with_their_names() {
    let place = copy();
    let dataset = open_hub(place.path()).unwrap();
    let refusal = |i| dataset.train.picture(i).unwrap_err().to_string();
    let path = place.path().join(FILES[0]);
    let sound = fs::read(&path).unwrap();
    dataset.train.picture(0).unwrap();

    fs::write(&path, &sound[..100]).unwrap();
    assert!(refusal(0).ends_with(&format!(
        "{}: it has 100 bytes, and had {} when it was opened",
        FILES[0],
        sound.len()
    )));
    // A picture that was found before, and a group of rows that was not.
    fs::write(&path, vec![0xFF; sound.len()]).unwrap();
    assert!(refusal(0).contains(&format!("{}: the image in row 0: ", FILES[0])), "{}", refusal(0));
    assert!(refusal(9).contains(&format!("{}: the image in row 5: ", FILES[0])), "{}", refusal(9));
    let problems = verify::problems(&entry(), &dataset);
    assert!(problems.iter().filter(|problem| problem.contains(FILES[0])).count() >= 10, "{problems:?}");
    fs::remove_file(&path).unwrap();
    assert!(refusal(3).starts_with(&format!("failed to open {}", path.display())), "{}", refusal(3));
}

#[test]
fn files_cut_anywhere_are_refused_by_their_names() {
    let place = copy();
    let path = place.path().join(FILES[0]);
    let sound = fs::read(&path).unwrap();
    for len in (0..64).chain((64..sound.len()).step_by(997)) {
        fs::write(&path, &sound[..len]).unwrap();
        let error = open_hub(place.path()).unwrap_err().to_string();
        assert!(error.contains(FILES[0]), "{error}");
    }
}
