//! Tiny datasets of PNG and JPEG pictures, and their content as Pillow, pyarrow and NumPy read it:
//! `tests/golden/datasets/pictures/`, written by the script beside it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use unlearn_samples::Dataset;
use unlearn_samples::{Picture, resize};

use crate::entry::HubRepository;
use crate::error::Result;
use crate::formats::parquet;
use crate::formats::picture;
use crate::registry::{self, Entry, OpenOptions};
use crate::tests::distributed::Expected;
use crate::{
    cifar10, cifar20, cifar100, fashion_mnist,
    formats::{image_folder, npz},
    tiny_imagenet,
};

pub(crate) fn root() -> PathBuf {
    unlearn_tests::golden::path("datasets/pictures")
}

fn expected() -> HashMap<String, Expected> {
    serde_json::from_slice(&fs::read(root().join("expected.json")).unwrap()).unwrap()
}

fn decode(path: &Path) -> Picture {
    picture::decode(&fs::read(path).unwrap()).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()))
}

/// The entries with a repository, reduced to its content.
fn repositories() -> [Entry; 3] {
    [cifar10::ENTRY, cifar100::ENTRY, fashion_mnist::ENTRY].map(|entry| Entry { train: 6, test: 3, ..entry })
}

fn hub(entry: &Entry) -> HubRepository {
    entry.hub.unwrap()
}

fn open_repository(entry: &Entry, root: &Path) -> Result<Dataset> {
    parquet::open_folder(entry, &hub(entry), &root.join(hub(entry).folder))
}

#[test]
fn repositories_of_the_hub_hold_what_pyarrow_and_pillow_read_in_them() {
    let expected = expected();
    for entry in repositories() {
        let folder = root().join(entry.name);
        let options = OpenOptions { data_dir: Some(root()), ..OpenOptions::default() };
        let dataset = parquet::open(&entry, &hub(&entry), &options).unwrap();
        expected[entry.name].train.check(&dataset.train, entry.name);
        expected[entry.name].test.check(&dataset.test, entry.name);
        assert_eq!(dataset.classes, entry.classes);
        assert_eq!(dataset.fingerprint, open_repository(&entry, &folder).unwrap().fingerprint);
    }
}

#[test]
fn cifar20_reads_both_columns_of_labels_of_the_hubs_cifar100() {
    let entry = Entry { train: 6, test: 3, ..cifar20::ENTRY };
    let options = OpenOptions { data_dir: Some(root()), ..OpenOptions::default() };
    let dataset = parquet::open(&entry, &hub(&entry), &options).unwrap();
    assert!(dataset.train.labels.iter().chain(dataset.test.labels.iter()).all(|coarse| *coarse == 0));
    let fine = open_repository(&Entry { train: 6, test: 3, ..cifar100::ENTRY }, &root().join("cifar100")).unwrap();
    let subclasses = dataset.subclasses.unwrap();
    assert_eq!((&subclasses.train[..], &subclasses.test[..]), (&fine.train.labels[..], &fine.test.labels[..]));
    assert_eq!(dataset.train.pixels(), fine.train.pixels());
}

/// If the files of another form are missing, the registry looks for the Hub's. Those of this test are too few.
#[test]
fn the_registry_finds_repositories_of_the_hub() {
    let options = OpenOptions { data_dir: Some(root()), ..OpenOptions::default() };
    let error = registry::open("cifar10", &options).unwrap_err().to_string();
    assert!(error.contains("holds 6 training images, but 50000 are published for cifar10; "), "{error}");
    assert!(error.contains("by path: `parquet:"), "{error}");
}

#[test]
fn parquet_that_the_registry_does_not_know_is_opened_by_its_path() {
    let open = |name: &str| {
        registry::open(&format!("parquet:{name}"), &OpenOptions { data_dir: Some(root()), ..OpenOptions::default() })
            .unwrap()
    };
    let unknown = open("unknown");
    expected()["unknown"].train.check(&unknown.train, "unknown");
    expected()["unknown"].test.check(&unknown.test, "unknown");
    assert_eq!((unknown.name.as_str(), unknown.classes), ("parquet:unknown", vec!["0".into(), "1".into(), "2".into()]));
    assert_eq!((unknown.augmentation.crop_padding, unknown.augmentation.flip), (4, true));

    let known = open("cifar10");
    expected()["cifar10"].train.check(&known.train, "cifar10 by its path");
    assert_eq!(known.classes, cifar10::ENTRY.classes);
    let small = open("cifar10?size=8");
    assert_eq!((small.train.height, small.train.len(), small.test.width), (8, 6, 8));
}

#[test]
fn folders_of_pictures_are_read_in_the_order_of_image_folder() {
    let options = OpenOptions { data_dir: Some(root()), ..OpenOptions::default() };
    let dataset = registry::open("folder:folder", &options).unwrap();
    expected()["folder"].train.check(&dataset.train, "folder");
    expected()["folder"].test.check(&dataset.test, "folder");
    assert_eq!(dataset.classes, ["ant", "bee"]);
    let error = registry::open("folder:tiny-imagenet-200", &options).unwrap_err().to_string();
    assert!(error.contains("its class `images` is none of") || error.contains("there is no folder `test`"), "{error}");
}

/// The entry, reduced to the existing content.
pub(crate) fn tiny_imagenet() -> Entry {
    Entry { class_count: 3, train: 6, test: 3, ..tiny_imagenet::ENTRY }
}

#[test]
fn tiny_imagenet_is_read_as_distributed() {
    let folder = root().join("tiny-imagenet-200");
    let dataset = tiny_imagenet::open_folder(&tiny_imagenet(), &folder).unwrap();
    expected()["tiny-imagenet"].train.check(&dataset.train, "tiny-imagenet");
    expected()["tiny-imagenet"].test.check(&dataset.test, "tiny-imagenet");
    assert_eq!(dataset.classes, ["n01443537 goldfish", "n02124075 Egyptian cat", "n04067472"]);
    let error = registry::open("tiny-imagenet", &OpenOptions { data_dir: Some(root()), ..OpenOptions::default() })
        .unwrap_err()
        .to_string();
    assert!(error.contains("holds 3 classes, but 200 are published for tiny-imagenet"), "{error}");
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

pub(crate) fn open_npz(path: &Path) -> Result<Dataset> {
    registry::open(&format!("npz:{}", path.display()), &OpenOptions::default())
}

#[test]
fn arrays_of_numpy_are_read_in_every_layout() {
    for (name, expectation) in [("channels_last", "npz"), ("channels_second", "npz"), ("grey", "npz-grey")] {
        let dataset = open_npz(&root().join(format!("npz/{name}.npz"))).unwrap();
        expected()[expectation].train.check(&dataset.train, name);
        expected()[expectation].test.check(&dataset.test, name);
        let named = name == "channels_last";
        assert_eq!(dataset.classes, if named { ["ant", "bee", "Käfer"] } else { ["0", "1", "2"] });
    }
}

#[test]
fn what_is_written_as_npz_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("copy.npz");
    for name in ["channels_last", "grey"] {
        let dataset = open_npz(&root().join(format!("npz/{name}.npz"))).unwrap();
        npz::write(&dataset, &path).unwrap();
        let copy = open_npz(&path).unwrap();
        assert_eq!((copy.classes, copy.fingerprint), (dataset.classes, dataset.fingerprint));
    }
}

#[test]
fn what_is_written_as_pictures_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut dataset = open_npz(&root().join("npz/channels_last.npz")).unwrap();
    dataset.classes[0] = "T-shirt/top".into();
    // An export that was interrupted left this.
    let left = folder.path().join(".unlearn-export/train/0_a");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("0.png"), "").unwrap();
    image_folder::write(&dataset, folder.path()).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "only `train` and `test`");
    let name = format!("folder:{}", folder.path().display());
    let copy = registry::open(&name, &OpenOptions::default()).unwrap();
    assert_eq!(copy.classes, ["0_T-shirt-top", "1_bee", "2_Käfer"]);
    // Class by class, in the previous order within a class.
    let order = [0, 3, 1, 4, 2];
    assert_eq!(copy.train.labels.to_vec(), order.map(|i| dataset.train.labels[i]));
    for (position, i) in order.into_iter().enumerate() {
        assert_eq!(copy.train.image(position).unwrap(), dataset.train.image(i).unwrap());
    }
    let error = image_folder::write(&dataset, folder.path()).unwrap_err().to_string();
    assert!(error.contains("the folder is not empty, it holds `test`") && !error.contains("read"), "{error}");
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(image_folder::write(&dataset, &file).unwrap_err().to_string().contains("not a folder"));
}

#[test]
fn another_dataset_of_the_same_layout_is_refused() {
    let digits = Entry { classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"], ..repositories()[2] };
    let error = open_repository(&digits, &root().join("fashion-mnist")).unwrap_err().to_string();
    assert!(error.contains("its 10 classes (T - shirt / top, Trouser, Pullover, …) are not those of"), "{error}");
    let [cifar10, ..] = repositories();
    let wrong = HubRepository { label: "fine_label", ..hub(&cifar10) };
    let error = parquet::open_folder(&cifar10, &wrong, &root().join("cifar10/plain_text")).unwrap_err();
    let error = error.to_string();
    assert!(error.ends_with("it has no column `fine_label`; its columns: img.bytes, img.path, label"), "{error}");
}

#[test]
fn resized_pictures_are_pillows_pixel_for_pixel() {
    let folder = root().join("resized");
    for name in ["colour", "grey"] {
        let source = decode(&folder.join(format!("{name}.png")));
        for (height, width) in [(16, 16), (74, 60), (37, 20), (5, 90), (35, 52), (34, 52), (10, 40)] {
            let expected = decode(&folder.join(format!("{name}_{height}x{width}.png")));
            assert!(resize::resize(source.clone(), height, width) == expected, "{name} {height}×{width}");
        }
        let expected = decode(&folder.join(format!("{name}_middle_24.png")));
        assert!(resize::middle(source, 24, 24) == expected, "{name}");
    }
}

#[test]
fn jpegs_are_pillows_but_for_rounding() {
    for name in ["baseline_420", "baseline_422", "baseline_444", "progressive_420", "grey"] {
        let folder = root().join("jpeg");
        let [found, expected] = ["jpg", "png"].map(|ending| decode(&folder.join(format!("{name}.{ending}"))));
        assert_eq!(found.sides, expected.sides, "{name}");
        let differences = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b));
        let (sum, most) = differences.fold((0, 0), |(sum, most), d| (sum + u64::from(d), d.max(most)));
        let mean = sum as f64 / found.pixels.len() as f64;
        println!("{name}: {mean:.3} on average, {most} at most");
        assert!(mean < 0.5 && most <= 4, "{name}: {mean} on average, {most} at most");
    }
}

#[test]
fn jpegs_that_are_cut_are_refused() {
    for name in ["baseline_420", "progressive_420", "grey"] {
        let file = fs::read(root().join(format!("jpeg/{name}.jpg"))).unwrap();
        for len in (0..file.len() - 1).step_by(7) {
            assert!(picture::decode(&file[..len]).is_err(), "{name} cut to {len} bytes");
        }
        picture::decode(&[&file[..], b"trailing"].concat()).unwrap();
    }
}

/// The end marker of a thumbnail does not end the picture, and data after the picture's end marker do not belong to
/// it.
#[test]
fn a_jpeg_ends_behind_its_own_data() {
    let jpegs = ["baseline_420", "progressive_420", "grey"]
        .map(|name| fs::read(root().join(format!("jpeg/{name}.jpg"))).unwrap());
    for (file, thumbnail) in jpegs.iter().zip([&jpegs[2], &jpegs[2], &jpegs[0]]) {
        let expected = picture::decode(file).unwrap();
        let exif = [b"Exif\0\0", &thumbnail[..]].concat();
        let segment = [&[0xFF, 0xE1][..], &(exif.len() as u16 + 2).to_be_bytes(), &exif].concat();
        let whole = [&file[..2], &segment, &file[2..]].concat();
        assert!(picture::decode(&whole).unwrap() == expected);
        for len in (2 + segment.len()..whole.len()).step_by(11).chain([whole.len() - 1]) {
            let error = picture::decode(&whole[..len]).unwrap_err();
            assert!(error.ends_with("it ends before its end marker; fetch the file again"), "{len}: {error}");
            // A download whose file got its full length before the transfer was cut.
            let filled = [&whole[..len], &vec![0; whole.len() - len]].concat();
            assert!(picture::decode(&filled).is_err(), "{len}");
        }
        for tail in [vec![0; 100_000], thumbnail.clone(), [&[b'v'; 9000][..], b"\xFF\xD9ideo"].concat()] {
            assert!(picture::decode(&[&whole[..], &tail].concat()).unwrap() == expected);
        }
    }
}

/// The files come from `png_kinds.py` beside the golden data.
#[test]
fn pngs_of_every_kind_are_pillows_but_for_grey_of_16_bits() {
    let folder = root().join("../png");
    let mut kinds = 0;
    for file in fs::read_dir(&folder).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(kind) = name.strip_suffix(".png").filter(|kind| !kind.contains(".rgb")) else { continue };
        kinds += 1;
        let bytes = fs::read(&path).unwrap();
        if kind.starts_with("grey16") {
            for error in [picture::decode(&bytes).unwrap_err(), picture::sides(&bytes).unwrap_err()] {
                assert!(
                    error.contains("grey of 16 bits a pixel, and pictures here have 8; convert it to 8 bits"),
                    "{error}"
                );
            }
        } else {
            let found = picture::decode(&bytes).unwrap();
            assert_eq!(picture::sides(&bytes).unwrap(), found.sides, "{kind}");
            assert!(found.with_channels(3) == decode(&folder.join(format!("{kind}.rgb.png"))), "{kind}");
        }
    }
    assert_eq!(kinds, 17);
}

/// The files come from `other_pictures.py` beside the golden data.
#[test]
fn webp_bmp_and_tiff_are_pillows_or_refused() {
    let folder = root().join("../other-pictures");
    let (mut read, mut refused, mut wrong) = (0, 0, Vec::new());
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(&path).unwrap();
        if name.starts_with("refused") {
            refused += 1;
            for error in [picture::decode(&bytes).unwrap_err(), picture::sides(&bytes).unwrap_err()] {
                assert!(error.contains("PNG"), "{name}: {error}");
            }
        } else if !name.contains(".rgb.") {
            read += 1;
            let found = match picture::decode(&bytes) {
                Ok(found) => found,
                Err(error) => {
                    wrong.push(format!("{name}: {error}"));
                    continue;
                }
            };
            assert_eq!(picture::sides(&bytes).unwrap(), found.sides, "{name}");
            let found = found.with_channels(3);
            let expected = decode(&folder.join(format!("{name}.rgb.png")));
            let most = found.pixels.iter().zip(&expected.pixels).map(|(a, b)| a.abs_diff(*b)).max();
            if (found.sides, most) != (expected.sides, Some(0)) {
                wrong.push(format!("{name}: {most:?} in 255"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!((read, refused), (20, 11));
}

/// A file, and the way to open it with other bytes.
struct Subject {
    folder: tempfile::TempDir,
    path: PathBuf,
    sound: Vec<u8>,
    entry: Entry,
}

impl Subject {
    /// A copy of the test file of a repository.
    fn repository(entry: &Entry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let within = Path::new(hub(entry).folder);
        copy_folder(&root().join(entry.name), folder.path());
        let path = folder.path().join(within).join("test-00000-of-00001.parquet");
        let sound = fs::read(&path).unwrap();
        Self { folder, path, sound, entry: *entry }
    }

    fn with(&self, bytes: &[u8]) -> Result<Dataset> {
        fs::write(&self.path, bytes).unwrap();
        open_repository(&self.entry, self.folder.path())
    }
}

#[test]
fn parquet_files_cut_anywhere_are_refused_by_their_names() {
    let subject = Subject::repository(&repositories()[2]);
    for len in (0..64).chain((64..subject.sound.len()).step_by(97)) {
        let error = subject.with(&subject.sound[..len]).unwrap_err().to_string();
        assert!(error.contains("test-00000-of-00001.parquet"), "{error}");
    }
    subject.with(&subject.sound).unwrap();
}

/// The header of the dictionary of pictures announces four instead of three. The crate `parquet` panics on it.
#[test]
fn what_the_crate_parquet_panics_on_is_an_error() {
    let subject = Subject::repository(&repositories()[0]);
    let mut damaged = subject.sound.clone();
    assert_eq!(damaged[14], 2 * 3);
    damaged[14] = 2 * 4;
    let error = subject.with(&damaged).unwrap_err().to_string();
    assert!(error.ends_with("its pages do not hold what they announce; fetch it again"), "{error}");
}
