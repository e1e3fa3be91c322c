//! `.npz` archives: zip files of `.npy` arrays, stored or deflated.

use std::io::{Cursor, Read};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use crate::arrays::Arrays;
use crate::error::Checked;
use crate::npy;

/// A packed array may be this many times as long as the archive, and always [`ALWAYS`] bytes.
const MOST_TIMES: u64 = 200;
const ALWAYS: u64 = 1 << 26;

/// Whether the archive at `path` holds arrays of NumPy.
pub(crate) fn is_npz(path: &Path) -> bool {
    let Ok(file) = unlearn_files::open(path) else { return false };
    let Ok(archive) = ZipArchive::new(std::io::BufReader::new(file)) else { return false };
    let mut names = archive.file_names().filter_map(Result::ok).peekable();
    names.peek().is_some() && names.all(|name| name.ends_with(".npy"))
}

/// Reads all arrays.
pub(crate) fn read(bytes: &[u8]) -> Checked<Arrays> {
    let most = ALWAYS.max(MOST_TIMES.saturating_mul(bytes.len() as u64));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let mut arrays = Arrays::default();
    for index in 0..archive.len() {
        let mut entry = archive.by_index_raw(index).map_err(|error| error.to_string())?;
        let name = entry.name().map_err(|error| error.to_string())?.trim_end_matches(".npy").to_owned();
        let (crc, compression) = (entry.crc32(), entry.compression());
        let array = if compression == CompressionMethod::Stored {
            summed(&mut entry, crc, most)
        } else if compression == CompressionMethod::DEFLATE {
            summed(&mut DeflateDecoder::new(&mut entry), crc, most)
        } else {
            Err(format!("it is packed by {compression:?}; use `numpy.savez`"))
        };
        match array {
            Ok(array) => {
                if arrays.named.insert(name.clone(), array).is_some() {
                    return Err(format!("array `{name}` stands twice; write the archive again with `numpy.savez`"));
                }
            }
            Err(reason) => {
                arrays.unread.insert(name, reason);
            }
        }
    }
    Ok(arrays)
}

fn summed(reader: &mut impl Read, crc: u32, most: u64) -> Checked<crate::Array> {
    let mut summing = Summing { reader, crc: Crc::new() };
    let array = npy::read(&mut summing, most)?;
    if summing.crc.sum() == crc { Ok(array) } else { Err("its checksum is wrong; write the archive again".into()) }
}

/// A reader that computes a checksum of the bytes that pass.
struct Summing<'a, R> {
    reader: &'a mut R,
    crc: Crc,
}

impl<R: Read> Read for Summing<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = self.reader.read(buffer)?;
        self.crc.update(&buffer[..len]);
        Ok(len)
    }
}
