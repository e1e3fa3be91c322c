//! Memory use of large files. They are read in a process of 320 MiB by the harness of [`unlearn_tests::fuzz`]. One
//! copy fits, and two do not.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use unlearn_samples::npy::Header;
use unlearn_tests::fuzz;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::formats::{idx, idx_folder};
use crate::registry::{self, OpenOptions};

/// Bytes of pixels. One copy fits beside the program, and two do not.
const LARGE: usize = 180 << 20;

fn open(name: &str) -> crate::Result<unlearn_samples::Dataset> {
    registry::open(name, &OpenOptions::default())
}

/// Four IDX files. `images` is the number of training images.
fn idx_files(folder: &Path, images: u32) {
    for (file, shape) in [
        (idx_folder::TRAIN_LABELS, &[images][..]),
        (idx_folder::TEST_IMAGES, &[1, 1024, 1024]),
        (idx_folder::TEST_LABELS, &[1]),
    ] {
        let mut bytes = Vec::new();
        idx::encode(shape, &vec![0; shape.iter().product::<u32>() as usize], &mut bytes).unwrap();
        fs::write(folder.join(file), bytes).unwrap();
    }
}

fn idx_header(images: u32) -> Vec<u8> {
    let sides = [images, 1024, 1024].map(u32::to_be_bytes).concat();
    [&[0, 0, 8, 3][..], &sides].concat()
}

/// A file of many zeros takes only its own length.
#[test]
fn large_idx() {
    let folder = tempfile::tempdir().unwrap();
    let images = (LARGE >> 20) as u32;
    idx_files(folder.path(), images);
    let path = folder.path().join(idx_folder::TRAIN_IMAGES);
    // Sparse zeros that use no disk space.
    let mut file = File::create(&path).unwrap();
    file.write_all(&idx_header(images)).unwrap();
    file.set_len(16 + LARGE as u64).unwrap();
    let name = format!("idx:{}", folder.path().display());
    fuzz("tests::memory::large_idx", &[vec![0; 8]], |_| {
        assert_eq!(open(&name).unwrap().train.len(), images as usize);
    });
}

/// A file that announces gigabytes, and would unpack to them, is refused before.
#[test]
fn announcements() {
    let folder = tempfile::tempdir().unwrap();
    idx_files(folder.path(), 2000);
    let mut packed =
        GzEncoder::new(File::create(folder.path().join(idx_folder::TRAIN_IMAGES)).unwrap(), Compression::fast());
    packed.write_all(&idx_header(2000)).unwrap();
    packed.finish().unwrap();
    let idx = format!("idx:{}", folder.path().display());

    let archive = folder.path().join("large.npz");
    let mut writer = ZipWriter::new(File::create(&archive).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for name in ["x_train", "y_train", "x_test", "y_test"] {
        let header = Header { descr: "|u1".into(), column_major: false, shape: vec![10_000, 1000, 1000] };
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(&header.encode()).unwrap();
    }
    writer.finish().unwrap();
    let npz = format!("npz:{}", archive.display());
    fuzz("tests::memory::announcements", &[vec![0; 8]], |_| {
        let error = open(&idx).unwrap_err().to_string();
        assert!(error.contains("it announces 2097152000 bytes, more than 128 times the"), "{error}");
        let error = open(&npz).unwrap_err().to_string();
        assert!(error.contains("array `x_train`: it announces 10000000000 bytes, more than 128 times the"), "{error}");
    });
}

/// Arrays with channels last are reordered in place.
#[test]
fn large_npz() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("large.npz");
    let mut writer = ZipWriter::new(File::create(&archive).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let count = LARGE / 30_000;
    for (name, shape) in [
        ("x_train", vec![count, 100, 100, 3]),
        ("y_train", vec![count]),
        ("x_test", vec![1, 100, 100, 3]),
        ("y_test", vec![1]),
    ] {
        let header = Header { descr: "|u1".into(), column_major: false, shape };
        writer.start_file(format!("{name}.npy"), options).unwrap();
        writer.write_all(&header.encode()).unwrap();
        let zeros = vec![0; 1 << 16];
        let mut left = header.data_len().unwrap();
        while left > 0 {
            let part = left.min(zeros.len());
            writer.write_all(&zeros[..part]).unwrap();
            left -= part;
        }
    }
    writer.finish().unwrap();
    let npz = format!("npz:{}", archive.display());
    fuzz("tests::memory::large_npz", &[vec![0; 8]], |_| {
        assert_eq!(open(&npz).unwrap().train.len(), count);
    });
}
