//! Tiny datasets in the forms of the real ones, and their content as Python reads it:
//! `tests/golden/datasets/distributed/`, written by the script beside it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use serde::Deserialize;
use unlearn_samples::{Dataset, ImageSet};

use crate::checksum::{self, Published};
use crate::error::{Error, Result};
use crate::formats::cifar::{self, Form};
use crate::registry::{self, Entry, OpenOptions};
use crate::{
    cifar10, cifar20, cifar100,
    formats::{idx_folder, mat5},
    mnist, svhn,
};

/// The expected content of a dataset.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) train: Summary,
    pub(crate) test: Summary,
}

/// The expected content of an image set.
#[derive(Deserialize)]
pub(crate) struct Summary {
    shape: [usize; 4],
    labels: Vec<u32>,
    /// `[channel, column]`
    row_16_of_the_first: Vec<Vec<u8>>,
    crc32: u32,
}

impl Summary {
    /// Fails unless `set` matches this summary.
    pub(crate) fn check(&self, set: &ImageSet, what: &str) {
        assert_eq!([set.len(), set.channels, set.height, set.width], self.shape, "{what}");
        assert_eq!(*set.labels, *self.labels, "{what}");
        for (channel, row) in set.image(0).unwrap().chunks_exact(set.height * set.width).zip(&self.row_16_of_the_first)
        {
            assert_eq!(channel[16 * set.width..][..set.width], **row, "{what}");
        }
        let mut crc = Crc::new();
        crc.update(set.pixels().unwrap());
        assert_eq!(crc.sum(), self.crc32, "{what}");
    }
}

fn root() -> PathBuf {
    unlearn_tests::golden::path("datasets/distributed")
}

/// A dataset of few images in one of its forms.
pub(crate) struct Case {
    pub(crate) entry: Entry,
    folder: &'static str,
    /// One of its files, with everything that could confuse a reader.
    file: &'static str,
    open: fn(&Entry, &Path) -> Result<Dataset>,
}

fn open_form<const DATASET: usize, const FORM: usize>(entry: &Entry, folder: &Path) -> Result<Dataset> {
    let forms: [&[Form]; 2] = [&cifar10::FORMS, &cifar100::FORMS];
    cifar::open_folder(entry, &forms[DATASET][FORM], folder)
}

pub(crate) fn cases() -> Vec<Case> {
    let cifar10 = Entry { train: 10, test: 2, ..cifar10::ENTRY };
    let cifar100 = Entry { train: 4, test: 2, ..cifar100::ENTRY };
    let svhn = Entry { train: 12, test: 5, ..svhn::ENTRY };
    vec![
        Case { entry: cifar10, folder: "cifar-10-batches-bin", file: "data_batch_2.bin", open: open_form::<0, 0> },
        Case { entry: cifar10, folder: "cifar-10-batches-py", file: "data_batch_2", open: open_form::<0, 1> },
        Case { entry: cifar100, folder: "cifar-100-binary", file: "test.bin", open: open_form::<1, 0> },
        Case { entry: cifar100, folder: "cifar-100-python", file: "test", open: open_form::<1, 1> },
        Case { entry: svhn, folder: "svhn", file: "test_32x32.mat", open: svhn::open_folder },
    ]
}

/// A copy of a case's folder in which one file can be replaced.
pub(crate) struct Copy {
    case: Case,
    folder: tempfile::TempDir,
    pub(crate) sound: Vec<u8>,
}

impl Copy {
    pub(crate) fn new(case: Case) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for file in fs::read_dir(root().join(case.folder)).unwrap() {
            let path = file.unwrap().path();
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let sound = fs::read(folder.path().join(case.file)).unwrap();
        Self { case, folder, sound }
    }

    pub(crate) fn with(&self, bytes: &[u8]) -> Result<Dataset> {
        fs::write(self.folder.path().join(self.case.file), bytes).unwrap();
        (self.case.open)(&self.case.entry, self.folder.path())
    }

    /// Checks that the file with these bytes is refused by name, and returns the message.
    fn refusal(&self, bytes: &[u8]) -> String {
        let error = self.with(bytes).unwrap_err().to_string();
        assert!(error.contains(self.case.file), "{error}");
        error
    }
}

#[test]
fn every_form_holds_what_python_reads_in_it() {
    let expected: HashMap<String, Expected> =
        serde_json::from_slice(&fs::read(root().join("expected.json")).unwrap()).unwrap();
    let check = |entry: &Entry, folder: &str, open: fn(&Entry, &Path) -> Result<Dataset>| {
        let dataset = open(entry, &root().join(folder)).unwrap();
        let expected = &expected[entry.name];
        expected.train.check(&dataset.train, folder);
        expected.test.check(&dataset.test, folder);
        assert_eq!(dataset.classes, entry.classes);
    };
    for Case { entry, folder, open, .. } in cases() {
        check(&entry, folder, open);
    }
    let mnist = Entry { train: 5, test: 3, ..mnist::ENTRY };
    for folder in ["idx", "idx-gz"] {
        check(&mnist, folder, idx_folder::open);
    }
}

/// CIFAR-100's coarse labels, and its fine ones as subclasses, as the script beside the golden files wrote them.
#[test]
fn cifar20_has_the_coarse_labels_and_the_fine_ones_as_subclasses() {
    let entry = Entry { train: 4, test: 2, ..cifar20::ENTRY };
    let expected: HashMap<String, Expected> =
        serde_json::from_slice(&fs::read(root().join("expected.json")).unwrap()).unwrap();
    let expected = &expected["cifar100"];
    for (form, folder) in cifar20::FORMS.iter().zip(["cifar-100-binary", "cifar-100-python"]) {
        let dataset = cifar::open_folder(&entry, form, &root().join(folder)).unwrap();
        assert_eq!(
            (&dataset.train.labels[..], &dataset.test.labels[..]),
            (&[1, 6, 11, 16][..], &[1, 6][..]),
            "{folder}"
        );
        let subclasses = dataset.subclasses.unwrap();
        assert_eq!(subclasses.names[69], "rocket");
        assert_eq!((&subclasses.train, &subclasses.test), (&expected.train.labels, &expected.test.labels), "{folder}");
    }
    // By path, with any number of images and the numbers as names, if no file names the classes.
    for (folder, rocket, class) in [("cifar-100-binary", "99", 1), ("cifar-100-python", "", 1)] {
        let name = format!("cifar:{}?labels=coarse", root().join(folder).display());
        let dataset = registry::open(&name, &OpenOptions::default()).unwrap();
        assert_eq!((&dataset.train.labels[..], &dataset.name), (&[1, 6, 11, 16][..], &name));
        let subclasses = dataset.subclasses.as_ref().unwrap();
        assert_eq!(subclasses.train, expected.train.labels, "{folder}");
        assert_eq!(dataset.classes_of_subclasses()[99], Some(class));
        assert!(rocket.is_empty() || subclasses.names[99] == rocket, "{:?}", subclasses.names);
    }
    // A folder of CIFAR-100, by that name, is found.
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("cifar100/cifar-100-binary");
    fs::create_dir_all(&inside).unwrap();
    for file in ["train.bin", "test.bin"] {
        fs::copy(root().join("cifar-100-binary").join(file), inside.join(file)).unwrap();
    }
    let options = OpenOptions { data_dir: Some(place.path().into()), ..OpenOptions::default() };
    assert!(cifar::open(&entry, &cifar20::FORMS, &options).unwrap().subclasses.is_some());
    // A fine label that there is not, and a subclass in two classes.
    let sound = fs::read(inside.join("test.bin")).unwrap();
    for (fine, coarse, words) in [(100, 1, "label 100"), (84, 3, "")] {
        let mut bytes = sound.clone();
        (bytes[0], bytes[1]) = (coarse, fine);
        fs::write(inside.join("test.bin"), bytes).unwrap();
        let error = cifar::open(&entry, &cifar20::FORMS, &options).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(fine == 100 || error.contains("has images of several classes"), "{error}");
    }
}

/// By path, the same files are opened with any number of images. Classes are those of the labels, or of the file that
/// names them.
#[test]
fn every_form_is_opened_by_its_path_with_any_number_of_images() {
    let expected: HashMap<String, Expected> =
        serde_json::from_slice(&fs::read(root().join("expected.json")).unwrap()).unwrap();
    let options = OpenOptions { data_dir: Some(root()), ..OpenOptions::default() };
    for (name, dataset, classes) in [
        ("cifar:cifar-10-batches-bin", "cifar10", 10),
        ("cifar:cifar-10-batches-py", "cifar10", 10),
        ("cifar:cifar-100-binary", "cifar100", 100),
        ("cifar:../resaved/protocol-4", "cifar100", 100),
        ("mat:svhn", "svhn", 10),
    ] {
        let opened = registry::open(name, &options).unwrap();
        expected[dataset].train.check(&opened.train, name);
        expected[dataset].test.check(&opened.test, name);
        assert_eq!(opened.name, name);
        assert!(opened.classes.len() <= classes && opened.classes[0] == "0", "{name}: {:?}", opened.classes);
        let error = registry::open(&format!("{name}?size=8"), &options).unwrap_err().to_string();
        assert!(error.ends_with("leave out the `?` and the text after it"), "{error}");
    }
    // Their test set has a class that the training set lacks.
    for name in ["idx:idx", "idx:idx-gz"] {
        let error = registry::open(name, &options).unwrap_err().to_string();
        assert!(error.contains("gives image 0 the label 8, but there are 8 classes (0 to 7)"), "{error}");
    }
    let error = registry::open("cifar:svhn", &options).unwrap_err().to_string();
    assert!(error.contains("it holds no files of CIFAR: data_batch_1.bin"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    for name in ["cifar-10-batches-bin", "cifar-10-batches-py"] {
        crate::tests::pictures::copy_folder(&root().join(name), &folder.path().join(name));
    }
    let name = format!("cifar:{}", folder.path().display());
    let error = registry::open(&name, &options).unwrap_err().to_string();
    assert!(error.contains("it holds several forms of CIFAR; name the folder of one of them: "), "{error}");
    let binary = folder.path().join("cifar-10-batches-bin");
    let names = ["ant", "bee", "c", "d", "e", "f", "g", "h", "i", "j"];
    fs::write(binary.join("batches.meta.txt"), names.join("\r\n") + "\n\n").unwrap();
    assert_eq!(registry::open(&format!("cifar:{}", binary.display()), &options).unwrap().classes, names);
    let record = b"\x80\x02}U\x0blabel_names](U\x03antU\x03beees.";
    let pickled = folder.path().join("cifar-10-batches-py");
    fs::write(pickled.join("batches.meta"), record).unwrap();
    let error = registry::open(&format!("cifar:{}", pickled.display()), &options).unwrap_err().to_string();
    assert!(error.contains("but there are 2 classes (0 to 1)"), "{error}");
    for (entry, form) in [(&cifar10::ENTRY, "cifar-10-batches-bin"), (&cifar10::ENTRY, "cifar-10-batches-py")] {
        let folder = root().join(form);
        let options = OpenOptions { data_dir: Some(folder.clone()), ..OpenOptions::default() };
        let error = registry::open(entry.name, &options).unwrap_err().to_string();
        let by_path = format!("open any number of images by path: `cifar:{}`", folder.display());
        assert!(
            error.contains("data_batch_1")
                && error.contains("holds 2 training images, but 10000 are published for cifar10"),
            "{error}"
        );
        assert!(error.ends_with(&by_path), "{error}");
    }
}

#[test]
fn a_datasets_own_folder_comes_before_the_files_above_it() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { data_dir: Some(folder.path().into()), ..OpenOptions::default() };
    crate::tests::pictures::copy_folder(&root().join("idx"), folder.path());
    let refusal = || registry::open("kmnist", &options).unwrap_err().to_string();
    assert!(refusal().contains("holds 5 training images, but 60000 are published for kmnist"), "{}", refusal());
    let own = folder.path().join("kmnist");
    fs::create_dir(&own).unwrap();
    fs::write(own.join(idx_folder::TRAIN_IMAGES), "").unwrap();
    assert!(refusal().starts_with(&format!("{} lacks ", own.display())), "{}", refusal());
}

/// The files come from `resaved.py` beside the golden data.
#[test]
fn pickles_that_python_3_saved_again_hold_the_same() {
    let expected: HashMap<String, Expected> =
        serde_json::from_slice(&fs::read(root().join("expected.json")).unwrap()).unwrap();
    let entry = Entry { train: 4, test: 2, ..cifar100::ENTRY };
    let folders = fs::read_dir(root().join("../resaved")).unwrap().map(|folder| folder.unwrap().path());
    let folders: Vec<_> = folders.collect();
    assert_eq!(folders.len(), 5);
    for folder in folders {
        let what = folder.display().to_string();
        let dataset = cifar::open_folder(&entry, &cifar100::FORMS[1], &folder).unwrap();
        expected[entry.name].train.check(&dataset.train, &what);
        expected[entry.name].test.check(&dataset.test, &what);
    }
}

#[test]
fn files_of_another_size_are_refused() {
    for copy in cases().into_iter().map(Copy::new) {
        let sound = copy.sound.clone();
        for len in (0..64).chain((64..sound.len()).step_by(61)).chain(sound.len() - 64..sound.len()) {
            copy.refusal(&sound[..len]);
        }
        // Data after the arrays of a MAT-file, such as other variables, are not read.
        if copy.case.entry.name != svhn::ENTRY.name {
            copy.refusal(&[&sound[..], &sound[..]].concat());
        }
        copy.with(&sound).unwrap();
        let more = Entry { train: copy.case.entry.train * 2, ..copy.case.entry };
        assert!((copy.case.open)(&more, copy.folder.path()).is_err(), "half of {}", copy.case.folder);
    }
}

#[test]
fn labels_outside_the_classes_are_refused() {
    for copy in cases().into_iter().map(Copy::new) {
        let few = Entry { class_count: 2, ..copy.case.entry };
        let error = (copy.case.open)(&few, copy.folder.path()).unwrap_err();
        assert!(matches!(error, Error::LabelOutOfRange { classes: 2, .. }), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    for copy in cases().into_iter().map(Copy::new) {
        fs::remove_file(copy.folder.path().join(copy.case.file)).unwrap();
        let error = (copy.case.open)(&copy.case.entry, copy.folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("lacks {}, though", copy.case.file)), "{error}");
    }
}

/// The checksum of a packed array, Adler-32, covers all of it, but is weak. The flip at byte 5310 changes the pixels
/// 93, 92, 91, 92 to 92, 93, 92, 91, which have the same sum. Python's zlib accepts it too. Every other flip is
/// detected.
#[test]
fn a_flipped_bit_changes_a_packed_image_in_silence_only_where_its_checksum_is_blind() {
    let path = root().join("svhn").join(svhn::TEST);
    let whole = fs::read(&path).unwrap();
    let read = |bytes: &[u8]| mat5::decode(bytes, &path, ["X", "y"], |_, _| Ok(()));
    let sound = read(&whole).unwrap();
    let (mut refused, mut changed) = (0, vec![]);
    for at in 128..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        match read(&damaged) {
            Ok(arrays) if arrays == sound => {}
            Ok(_) => changed.push(at),
            Err(_) => refused += 1,
        }
    }
    assert_eq!(changed, [5310]);
    assert!(refused > whole.len() * 9 / 10, "{refused}");
}

#[test]
fn a_pickle_that_asks_for_more_is_refused_by_name() {
    let copy = Copy::new(cases().remove(1));
    let hostile = b"\x80\x02cposix\nsystem\nU\x02ls\x85R.";
    let error = copy.refusal(hostile);
    assert!(error.contains("asks for `posix.system`, which no array needs; nothing of it was run"), "{error}");
}

/// `cargo test --release -p unlearn-datasets full_size -- --ignored --nocapture`
#[test]
#[ignore = "writes 180 MB and measures time, which other work on the machine would spoil"]
fn a_full_size_cifar10_opens_within_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let form = &cifar10::FORMS[0];
    for file in form.train.iter().chain([&form.test]) {
        let bytes: Vec<u8> = (0..10_000 * 3073_u32).map(|at| (at % 3073 * 7 % 10) as u8).collect();
        fs::write(folder.path().join(file), bytes).unwrap();
    }
    let start = std::time::Instant::now();
    let dataset = cifar::open_folder(&cifar10::ENTRY, form, folder.path()).unwrap();
    let elapsed = start.elapsed();
    println!("{} images in {elapsed:?}", dataset.train.len() + dataset.test.len());
    assert!(elapsed.as_secs_f32() < 2.0, "{elapsed:?}");
}

/// A form in its archive: the golden folder packed, and the form with that archive's checksum.
pub(crate) fn packed(form: &Form, folder: &Path) -> (Form, PathBuf) {
    let path = folder.join(form.archive.file);
    let mut archive = tar::Builder::new(GzEncoder::new(fs::File::create(&path).unwrap(), Compression::fast()));
    archive.append_dir_all(form.folder, root().join(form.folder)).unwrap();
    archive.into_inner().unwrap().finish().unwrap();
    (with_checksum_of(form, &path), path)
}

fn with_checksum_of(form: &Form, path: &Path) -> Form {
    let md5 = checksum::md5(path).unwrap().leak();
    Form { archive: Published { md5, ..form.archive }, ..*form }
}

#[test]
fn an_archive_is_read_as_it_is_once_its_checksum_was_found_right() {
    let folder = tempfile::tempdir().unwrap();
    let options = OpenOptions { data_dir: Some(folder.path().into()), ..OpenOptions::default() };
    let entry = Entry { train: 10, test: 2, ..cifar10::ENTRY };
    for form in &cifar10::FORMS {
        let (sound, path) = packed(form, folder.path());
        let unpacked = cifar::open_folder(&entry, form, &root().join(form.folder)).unwrap();
        let dataset = cifar::open(&entry, &[sound], &options).unwrap();
        assert_eq!(dataset.fingerprint, unpacked.fingerprint);
        let error = cifar::open(&entry, &[*form], &options).unwrap_err().to_string();
        let published = form.archive.md5;
        assert!(error.contains(form.archive.file) && error.contains(published), "{error}");
        let lacking = Form { folder: "elsewhere", ..with_checksum_of(form, &path) };
        let error = cifar::open_archive(&entry, &lacking, &path).unwrap_err().to_string();
        assert!(error.contains("it lacks elsewhere/"), "{error}");
    }
}
