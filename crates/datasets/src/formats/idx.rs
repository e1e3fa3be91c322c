//! IDX files, the format of MNIST and similar datasets, plain or gzipped.
//!
//! Layout: two zero bytes, a type code (0x08: unsigned byte), the number of dimensions, each dimension as a
//! big-endian `u32`, then the elements in row-major order (<http://yann.lecun.com/exdb/mnist/>). A gzipped file is
//! recognised by its first bytes, never by its name. No memory is allocated on the header's word alone. A plain file
//! must be as long as its header announces. For a gzipped one, memory grows with the bytes that arrive, in proportion
//! to the file.

use std::io::{self, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Error, Result, damaged};
use crate::formats::proportion;

/// Maximum bytes of elements in one file: 2 GiB.
const LIMIT: u64 = 1 << 31;
const UNSIGNED_BYTE: u8 = 0x08;
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// The images of an idx3 file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxImages {
    /// Number of images.
    pub count: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
    /// `[count, height, width]`, 0 to 255.
    pub pixels: Vec<u8>,
}

/// Reads an idx3 file of unsigned bytes.
///
/// # Errors
/// If the file cannot be read, is not IDX with three dimensions, is truncated, has trailing bytes, or is larger than
/// 2 GiB.
pub fn read_images(path: &Path) -> Result<IdxImages> {
    Ok(images(decode(open(path)?, path, "images")?))
}

/// Reads an idx1 file of unsigned bytes.
///
/// # Errors
/// As [`read_images`], for one dimension.
pub fn read_labels(path: &Path) -> Result<Vec<u8>> {
    decode::<1>(open(path)?, path, "labels").map(|(_, labels)| labels)
}

/// As [`read_images`], from memory. `path` is only for errors.
///
/// # Errors
/// As [`read_images`].
pub fn decode_images(bytes: &[u8], path: &Path) -> Result<IdxImages> {
    Ok(images(decode((bytes, bytes.len() as u64), path, "images")?))
}

/// As [`read_labels`], from memory. `path` is only for errors.
///
/// # Errors
/// As [`read_labels`].
pub fn decode_labels(bytes: &[u8], path: &Path) -> Result<Vec<u8>> {
    decode::<1>((bytes, bytes.len() as u64), path, "labels").map(|(_, labels)| labels)
}

fn images((shape, pixels): ([u32; 3], Vec<u8>)) -> IdxImages {
    let [count, height, width] = shape.map(|side| side as usize);
    IdxImages { count, height, width, pixels }
}

/// Writes unsigned bytes of the given shape as IDX, uncompressed.
///
/// # Errors
/// If `shape` has more than 255 dimensions or does not multiply to `elements.len()`, or if the writer fails.
pub fn encode(shape: &[u32], elements: &[u8], writer: &mut impl Write) -> io::Result<()> {
    let rank = u8::try_from(shape.len()).map_err(io::Error::other)?;
    if shape.iter().map(|&side| side as usize).product::<usize>() != elements.len() {
        return Err(io::Error::other(format!("{} elements do not fill the shape {shape:?}", elements.len())));
    }
    writer.write_all(&[0, 0, UNSIGNED_BYTE, rank])?;
    for side in shape {
        writer.write_all(&side.to_be_bytes())?;
    }
    writer.write_all(elements)
}

/// A file, and its bytes.
fn open(path: &Path) -> Result<(io::BufReader<std::fs::File>, u64)> {
    let failed = |source| Error::Io { action: "open", path: path.into(), source };
    let file = unlearn_files::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    Ok((io::BufReader::new(file), len))
}

fn decode<const RANK: usize>(
    (mut reader, len): (impl Read, u64),
    path: &Path,
    what: &'static str,
) -> Result<([u32; RANK], Vec<u8>)> {
    let start = read_up_to(&mut reader, 2, path)?;
    let gzipped = start == GZIP_MAGIC;
    let whole = io::Cursor::new(start).chain(reader);
    let decoder = |announced| {
        proportion::check(announced, len, "unpack it with `gunzip`").map_err(|problem| damaged(path, problem))
    };
    if gzipped {
        decode_plain(MultiGzDecoder::new(whole), path, what, |announced| decoder(announced).map(|()| 0))
    } else {
        // No memory is taken for announced bytes that do not exist.
        decode_plain(whole, path, what, |announced| Ok(announced.min(len)))
    }
}

/// `reserve` gives the memory to take at once for a number of bytes.
fn decode_plain<const RANK: usize>(
    mut reader: impl Read,
    path: &Path,
    what: &'static str,
    reserve: impl Fn(u64) -> Result<u64>,
) -> Result<([u32; RANK], Vec<u8>)> {
    let magic = read_exactly(&mut reader, 4, path, "header")?;
    let (code, rank) = (magic[2], magic[3]);
    if magic[..2] != [0, 0] {
        let found = magic.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ");
        return Err(Error::NotIdx { path: path.into(), found });
    }
    if code != UNSIGNED_BYTE {
        return Err(Error::IdxElementType { path: path.into(), code });
    }
    if usize::from(rank) != RANK {
        return Err(Error::IdxDimensions { path: path.into(), what, expected: RANK as u8, found: rank });
    }

    let header = read_exactly(&mut reader, 4 * RANK as u64, path, "header")?;
    let mut shape = [0; RANK];
    for (side, bytes) in shape.iter_mut().zip(header.chunks_exact(4)) {
        *side = bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte));
    }
    let expected = shape
        .iter()
        .try_fold(1_u64, |product, &side| product.checked_mul(side.into()))
        .filter(|bytes| (1..=LIMIT).contains(bytes))
        .ok_or_else(|| Error::IdxShape { path: path.into(), shape: shape.to_vec(), limit: LIMIT })?;

    let mut elements = Vec::with_capacity(reserve(expected)? as usize);
    read_into(&mut elements, &mut reader, expected, path)?;
    let elements = exactly(elements, expected, path, "elements")?;
    // This last read also verifies the checksum of a gzipped file, and that the file is not cut within it.
    let mut rest = Vec::new();
    match reader.take(1).read_to_end(&mut rest) {
        Ok(0) => Ok((shape, elements)),
        Ok(_) => Err(Error::IdxTrailing { path: path.into(), expected }),
        Err(source) => Err(Error::Io { action: "read", path: path.into(), source }),
    }
}

fn read_exactly(reader: &mut impl Read, expected: u64, path: &Path, part: &'static str) -> Result<Vec<u8>> {
    exactly(read_up_to(reader, expected, path)?, expected, path, part)
}

fn exactly(bytes: Vec<u8>, expected: u64, path: &Path, part: &'static str) -> Result<Vec<u8>> {
    let found = bytes.len() as u64;
    if found < expected {
        return Err(Error::IdxTruncated { path: path.into(), part, expected, found });
    }
    Ok(bytes)
}

/// Reads until `limit` bytes or the end. A gzip stream that breaks off counts as an end.
fn read_up_to(reader: &mut impl Read, limit: u64, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read_into(&mut bytes, reader, limit, path).map(|()| bytes)
}

fn read_into(bytes: &mut Vec<u8>, reader: &mut impl Read, limit: u64, path: &Path) -> Result<()> {
    match reader.take(limit).read_to_end(bytes) {
        Err(source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            Err(Error::Io { action: "read", path: path.into(), source })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn idx(shape: &[u32], elements: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(shape, elements, &mut bytes).unwrap();
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn images(bytes: &[u8]) -> Result<IdxImages> {
        decode_images(bytes, Path::new("images"))
    }

    fn labels(bytes: &[u8]) -> Result<Vec<u8>> {
        decode_labels(bytes, Path::new("labels"))
    }

    /// Both the plain and the gzipped form must fail with `message`.
    fn refuses(bytes: &[u8], message: &str) {
        for bytes in [bytes.to_vec(), gzip(bytes)] {
            let error = images(&bytes).unwrap_err().to_string();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        }
    }

    #[test]
    fn header_is_laid_out_as_published() {
        assert_eq!(idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6])[..17], [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1]);
    }

    #[test]
    fn plain_and_gzipped_files_read_alike() {
        let bytes = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        let expected = IdxImages { count: 2, height: 1, width: 3, pixels: vec![1, 2, 3, 4, 5, 6] };
        assert_eq!(images(&bytes).unwrap(), expected);
        assert_eq!(images(&gzip(&bytes)).unwrap(), expected);
        assert_eq!(labels(&gzip(&idx(&[3], &[7, 8, 9]))).unwrap(), [7, 8, 9]);
    }

    #[test]
    fn broken_files_say_what_is_wrong() {
        let bytes = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        refuses(&bytes[..20], "6 bytes of elements expected, 4 found");
        refuses(&bytes[..10], "12 bytes of header expected, 6 found");
        refuses(&bytes[..3], "4 bytes of header expected, 3 found");
        refuses(&[], "4 bytes of header expected, 0 found");
        refuses(b"GIF89a", "begins with 47 49 46 38");
        refuses(&[&bytes[..], &[0]].concat(), "trailing bytes after the 6 bytes");
        refuses(&[0, 0, 0x0D, 3, 0, 0, 0, 1], "type 0x0d");
        refuses(&idx(&[3], &[7, 8, 9]), "1 dimension(s), but images have 3");
        refuses(&[&[0, 0, 8, 3][..], &[0xFF; 12]].concat(), "at most 2147483648 bytes");
        refuses(&idx(&[0, 28, 28], &[]), "no empty side");
        assert!(labels(&bytes).unwrap_err().to_string().contains("3 dimension(s), but labels have 1"));
    }

    #[test]
    fn a_header_is_not_trusted_with_an_allocation() {
        // The header announces 2 GiB, and none exist. A reservation of that size would be noticed here.
        let bytes = [&[0, 0, 8, 1][..], &(1_u32 << 31).to_be_bytes()].concat();
        assert!(matches!(labels(&bytes), Err(Error::IdxTruncated { expected: 2_147_483_648, found: 0, .. })));
    }

    #[test]
    fn a_gzip_stream_cut_short_is_truncated_and_a_damaged_one_is_an_error() {
        let noise: Vec<u8> = (0..1000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let whole = gzip(&idx(&[10, 10, 10], &noise));
        assert!(matches!(images(&whole[..500]), Err(Error::IdxTruncated { part: "elements", .. })));
        for kept in whole.len() - 8..whole.len() {
            assert!(matches!(images(&whole[..kept]), Err(Error::Io { action: "read", .. })), "checksum cut at {kept}");
        }
        let mut damaged = whole.clone();
        let checksum = whole.len() - 8;
        damaged[checksum] ^= 1;
        assert!(matches!(images(&damaged), Err(Error::Io { action: "read", .. })));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_labels(Path::new("no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("failed to open no/such/file: "), "{error}");
    }
}
