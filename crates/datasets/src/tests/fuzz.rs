//! Reads damaged files. [`unlearn_tests::fuzz`] states the requirements. A file that opens nevertheless must have the
//! announced number of images.
//!
//! A checksum hides the code after it. If a format has one, files are read as damaged, and again with corrected
//! checksums. If it packs, the unpacked content is damaged too.

use std::fs;
use std::io::{Cursor, Read as _, Write as _};
use std::path::Path;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use flate2::{Compression, Crc};
use unlearn_samples::Dataset;
use unlearn_samples::{npy, positions};
use unlearn_tests::fuzz;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::error::Result;
use crate::formats::parquet::file::Keep;
use crate::registry::{self, Entry, OpenOptions};
use crate::tests::distributed::{self, Case, Copy};
use crate::tests::pictures::{copy_folder, open_npz, root, tiny_imagenet};
use crate::{
    cifar100, fashion_mnist,
    formats::{cifar, idx, idx_folder, picture},
    imagenet, svhn, tiny_imagenet,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn check(opened: Result<Dataset>, [train, test]: [usize; 2]) {
    if let Ok(dataset) = opened {
        assert_eq!((dataset.train.len(), dataset.test.len()), (train, test));
    }
}

#[test]
fn idx() {
    let encoded = |shape: &[u32], elements: &[u8]| {
        let mut bytes = Vec::new();
        idx::encode(shape, elements, &mut bytes).unwrap();
        bytes
    };
    let images = encoded(&[3, 28, 28], &(0..3 * 784_u32).map(|i| ((i * i) >> 5) as u8).collect::<Vec<_>>());
    let labels = encoded(&[3], &[4, 0, 9]);
    let files = [gzip(&images), gzip(&labels), images.clone(), labels.clone()];
    let entry = Entry { train: 3, test: 3, ..fashion_mnist::ENTRY };
    fuzz("tests::fuzz::idx", &files, |bytes| {
        for bytes in [bytes, &gzip(bytes)] {
            check(idx_folder::decode(&entry, [bytes, &labels, &images, &labels]), [3, 3]);
            check(idx_folder::decode(&entry, [&images, &labels, &images, bytes]), [3, 3]);
        }
    });
}

/// Copies of the cases of SVHN, or of all others.
fn copies(of_svhn: bool) -> Vec<(Entry, Copy)> {
    let cases = distributed::cases().into_iter().filter(|case| (case.entry.name == svhn::ENTRY.name) == of_svhn);
    cases.map(|case: Case| (case.entry, Copy::new(case))).collect()
}

#[test]
fn cifar() {
    let copies = copies(false);
    let mut files: Vec<_> = copies.iter().map(|(_, copy)| copy.sound.clone()).collect();
    for resaved in ["protocol-2", "protocol-2-text", "protocol-3", "protocol-4", "protocol-5"] {
        files.push(fs::read(root().join("../resaved").join(resaved).join("test")).unwrap());
    }
    fuzz("tests::fuzz::cifar", &files, |bytes| {
        for (entry, copy) in &copies {
            check(copy.with(bytes), [entry.train, entry.test]);
        }
    });
}

/// The archive with corrected checksums of its members.
fn tar_resealed(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.as_chunks_mut::<512>().0 {
        if block[257..262] == *b"ustar" {
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(block);
            header.set_cksum();
            block.copy_from_slice(header.as_bytes());
        }
    }
    bytes
}

#[test]
fn archives() {
    let folder = tempfile::tempdir().unwrap();
    let form = &cifar100::FORMS[1];
    let (_, path) = distributed::packed(form, folder.path());
    let packed = fs::read(&path).unwrap();
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
    let entry = Entry { train: 4, test: 2, ..cifar100::ENTRY };
    fuzz("tests::fuzz::archives", &[packed, unpacked], |bytes| {
        for bytes in [bytes, &gzip(bytes), &gzip(&tar_resealed(bytes))] {
            fs::write(&path, bytes).unwrap();
            // A checksum rejects damaged archives, but their reader must not rely on it.
            check(cifar::read_archive(&entry, form, &path), [4, 2]);
        }
    });
}

const MAT_HEADER: usize = 128;

/// The file with its elements unpacked.
fn mat_unpacked(file: &[u8]) -> Vec<u8> {
    let mut unpacked = file[..MAT_HEADER].to_vec();
    let mut rest = &file[MAT_HEADER..];
    while let Some((tag, data)) = rest.split_at_checked(8) {
        let len = u32::from_le_bytes(tag[4..].try_into().unwrap()) as usize;
        ZlibDecoder::new(&data[..len]).read_to_end(&mut unpacked).unwrap();
        rest = &data[len..];
    }
    unpacked
}

/// The file with its elements packed, as far as their lengths are valid.
fn mat_packed(file: &[u8]) -> Vec<u8> {
    let (header, mut rest) = file.split_at(file.len().min(MAT_HEADER));
    let mut packed = header.to_vec();
    while rest.len() >= 8 {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap());
        let element = rest.len().min(len as usize + 8);
        let data = zlib(&rest[..element]);
        packed.extend([15_u32.to_le_bytes(), (data.len() as u32).to_le_bytes()].concat());
        packed.extend(data);
        rest = &rest[element..];
    }
    packed
}

#[test]
fn mat() {
    let copies = copies(true);
    let (entry, copy) = &copies[0];
    let unpacked = mat_unpacked(&copy.sound);
    copy.with(&unpacked).unwrap();
    copy.with(&mat_packed(&unpacked)).unwrap();
    fuzz("tests::fuzz::mat", &[copy.sound.clone(), unpacked], |bytes| {
        check(copy.with(bytes), [entry.train, entry.test]);
        check(copy.with(&mat_packed(bytes)), [entry.train, entry.test]);
    });
}

#[test]
fn parquet() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("parquet:{}", folder.path().display());
    let write = |split: &str, bytes: &[u8]| fs::write(folder.path().join(format!("{split}.parquet")), bytes).unwrap();
    let files = [
        "cifar10/plain_text/test-00000-of-00001.parquet",
        "cifar100/cifar100/test-00000-of-00001.parquet",
        "fashion-mnist/fashion_mnist/test-00000-of-00001.parquet",
        "unknown/default/validation/0000.parquet",
    ]
    .map(|file| fs::read(root().join(file)).unwrap());
    write("train", &files[3]);
    let packed = ["zstd", "gzip", "lz4", "brotli", "zstd-2", "gzip-2", "lz4-2", "brotli-2"];
    let packed = packed.map(|codec| fs::read(root().join(format!("../parquet-codecs/{codec}.parquet"))).unwrap());
    let files = [&files[..], &packed].concat();
    fuzz("tests::fuzz::parquet", &files, |bytes| {
        write("test", bytes);
        // Only the file says how many rows there are.
        if let Ok(dataset) = registry::open(&name, &OpenOptions::default()) {
            assert_eq!(dataset.train.len(), 3);
        }
    });
}

/// Pictures that stay in their file.
#[test]
fn streamed_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.parquet");
    let files = crate::tests::imagenet::FILES.map(|file| fs::read(root().join("imagenet/data").join(file)).unwrap());
    fuzz("tests::fuzz::streamed_parquet", &files, |bytes| {
        fs::write(&path, bytes).unwrap();
        for packed in crate::tests::imagenet::table(&path, Keep::OnDisk).unwrap_or_default() {
            if let Err(error) = packed.decode() {
                assert!(error.to_string().contains("damaged.parquet"), "{error}");
            }
        }
    });
}

#[test]
fn arrays() {
    let folder = tempfile::tempdir().unwrap();
    let [archive, list] = ["damaged.npz", "damaged.npy"].map(|name| folder.path().join(name));
    let archives = ["channels_last", "channels_second", "grey"]
        .map(|name| fs::read(root().join(format!("npz/{name}.npz"))).unwrap());
    let mut sound = zip::ZipArchive::new(Cursor::new(&archives[0])).unwrap();
    let names = ["x_train", "y_train", "x_test", "y_test", "classes"];
    let arrays = names.map(|name| {
        let mut bytes = Vec::new();
        sound.by_name(&format!("{name}.npy")).unwrap().read_to_end(&mut bytes).unwrap();
        assert!(bytes.starts_with(npy::MAGIC));
        bytes
    });
    let files = [&archives[..], &arrays].concat();
    fuzz("tests::fuzz::arrays", &files, |bytes| {
        fs::write(&archive, bytes).unwrap();
        check(open_npz(&archive), [5, 2]);
        fs::write(&list, bytes).unwrap();
        let _ = positions::read(&list);
        for damaged in names {
            let mut writer = ZipWriter::new(fs::File::create(&archive).unwrap());
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            for (name, array) in names.into_iter().zip(&arrays) {
                writer.start_file(format!("{name}.npy"), options).unwrap();
                writer.write_all(if name == damaged { bytes } else { array }).unwrap();
            }
            writer.finish().unwrap();
            check(open_npz(&archive), [5, 2]);
        }
    });
}

/// The PNG file with corrected checksums, as far as its lengths are valid.
fn png_resealed(file: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    let mut at = 8;
    while let Some(len) = file.get(at..at + 4) {
        let len = len.iter().fold(0, |len, &byte| len << 8 | usize::from(byte));
        let Some(chunk) = file.get(at + 4..at + 8 + len) else { break };
        let sum = crc(chunk);
        at += 8 + len;
        let end = file.len().min(at + 4);
        file[at..end].iter_mut().zip(sum).for_each(|(byte, new)| *byte = new);
        at += 4;
    }
    file
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

/// A PNG file of 13 × 9 pixels with these unpacked rows.
fn png_of(depth: u8, colours: u8, interlaced: bool, rows: &[u8]) -> Vec<u8> {
    let header = [&[0, 0, 0, 13, 0, 0, 0, 9, depth, colours, 0, 0][..], &[interlaced.into()]].concat();
    let palette: Vec<u8> = (0..48).map(|i| i * 5).collect();
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [(b"IHDR", &header), (b"PLTE", &palette), (b"IDAT", &zlib(rows)), (b"IEND", &vec![])] {
        let chunk = [&name[..], data].concat();
        file.extend([&(data.len() as u32).to_be_bytes()[..], &chunk, &crc(&chunk)].concat());
    }
    file
}

#[test]
fn pictures() {
    let names = [
        "baseline_420.jpg",
        "baseline_422.jpg",
        "baseline_444.jpg",
        "progressive_420.jpg",
        "grey.jpg",
        "grey.png",
        "baseline_422.png",
    ];
    let mut files: Vec<_> = names.iter().map(|name| fs::read(root().join("jpeg").join(name)).unwrap()).collect();
    for other in [
        "lossy.webp",
        "lossless-alpha.webp",
        "lossy-alpha.webp",
        "rgb.bmp",
        "palette.bmp",
        "rle8.bmp",
        "bits.bmp",
        "rgb-tiff_lzw.tif",
        "grey-packbits.tiff",
        "rgb-raw.tif",
        "grey-tiff_adobe_deflate.tiff",
    ] {
        files.push(fs::read(root().join("../other-pictures").join(other)).unwrap());
    }
    let rows: Vec<u8> =
        (0..9 * 105_u32).map(|i| if i % 40 == 0 { (i / 40 % 5) as u8 } else { ((i * i) >> 4) as u8 }).collect();
    let kinds = [(1, 0), (16, 0), (8, 2), (4, 3), (8, 4), (16, 4), (16, 6)];
    let kinds: Vec<_> = [false, true]
        .into_iter()
        .flat_map(|interlaced| kinds.map(|(depth, colours)| (depth, colours, interlaced)))
        .collect();
    files.extend(kinds.iter().map(|&(depth, colours, interlaced)| png_of(depth, colours, interlaced, &rows)));
    files.push(rows);
    let read = |bytes: &[u8]| {
        if let Ok(picture) = picture::decode(bytes) {
            assert_eq!(picture::sides(bytes).unwrap(), picture.sides);
        }
    };
    fuzz("tests::fuzz::pictures", &files, |bytes| {
        read(bytes);
        read(&png_resealed(bytes));
        for &(depth, colours, interlaced) in &kinds {
            read(&png_of(depth, colours, interlaced, bytes));
        }
    });
}

#[test]
fn lists() {
    let tiny = tempfile::tempdir().unwrap();
    copy_folder(&root().join("tiny-imagenet-200"), tiny.path());
    let (large, entry) = imagenet::tests::folder(&["val/x.JPEG", "val/y.JPEG"]);
    let labels = b"ImageId,PredictionString\ny,n01443537 1 2 3 4 \nx,n01440764 1 2 3 4\n";
    let [tiny_words, tiny_labels] = ["words.txt", "val/val_annotations.txt"].map(|list| tiny.path().join(list));
    let files = [fs::read(&tiny_words).unwrap(), fs::read(&tiny_labels).unwrap(), labels.to_vec()];
    let read = |list: &Path, bytes: &[u8]| {
        let sound = fs::read(list).unwrap();
        fs::write(list, bytes).unwrap();
        check(tiny_imagenet::open_folder(&tiny_imagenet(), tiny.path()), [6, 3]);
        fs::write(list, sound).unwrap();
    };
    fuzz("tests::fuzz::lists", &files, |bytes| {
        read(&tiny_words, bytes);
        read(&tiny_labels, bytes);
        fs::write(large.path().join(imagenet::LABELS), bytes).unwrap();
        check(imagenet::open_folder(&entry, large.path()), [3, 2]);
    });
}
