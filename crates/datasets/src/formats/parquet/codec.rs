//! Unpacks compressed pages of parquet files, with a bound on their size.
//!
//! A page announces its length in a header that the crate `parquet` does not expose. Two other numbers are known: the
//! unpacked size of all pages of a column, which the footer announces, and the page's packed bytes. Both bound a
//! page: never more than the footer announces, and at most [`RATIO`] times its bytes plus [`ALWAYS`]. Snappy and LZ4
//! have their own largest ratios.

use std::fmt;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use snap::raw::{Decoder, decompress_len};

use crate::formats::picture::Checked;

/// Maximum unpacked bytes per byte packed by Snappy: a copy of 64 bytes takes three.
pub(crate) const SNAPPY: usize = 22;

/// The same for LZ4: one byte of a length adds 255.
const LZ4: usize = 255;

/// Maximum unpacked bytes per byte of a page, beyond the fixed allowance.
const RATIO: usize = 128;

/// Bytes that every page may unpack to. A page of labels has 1 MiB, and all its labels may be equal.
const ALWAYS: usize = 16 << 20;

/// The compression of a column's pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Snappy,
    Gzip,
    Zstandard,
    Lz4,
    Brotli,
}

impl Codec {
    /// The codec of a column. `None` if it is not compressed.
    ///
    /// # Errors
    /// If the codec is not supported.
    pub(crate) fn of(compression: Compression) -> Checked<Option<Self>> {
        Ok(Some(match compression {
            Compression::UNCOMPRESSED => return Ok(None),
            Compression::SNAPPY => Self::Snappy,
            Compression::GZIP(_) => Self::Gzip,
            Compression::ZSTD(_) => Self::Zstandard,
            Compression::LZ4_RAW => Self::Lz4,
            Compression::BROTLI(_) => Self::Brotli,
            other => {
                return Err(format!(
                    "packed by {other}; write it plain, or packed by Snappy, Zstandard, Gzip, LZ4_RAW or Brotli"
                ));
            }
        }))
    }

    /// Unpacks `packed`. All pages of the column together unpack to `announced` bytes.
    ///
    /// # Errors
    /// If it is damaged, or unpacks to more than announced or to an excessive size.
    pub(crate) fn unpack(self, packed: &[u8], announced: usize) -> Checked<Vec<u8>> {
        // A page without values may have nothing after its levels.
        if packed.is_empty() {
            return Ok(Vec::new());
        }
        let damaged = |error: &dyn fmt::Display| format!("a page packed by {self} is damaged: {error}");
        let most = announced.min(packed.len().saturating_mul(RATIO).saturating_add(ALWAYS));
        let read = |reader: &mut dyn Read| {
            let mut unpacked = Vec::new();
            reader.take(most as u64 + 1).read_to_end(&mut unpacked).map_err(|error| damaged(&error))?;
            if unpacked.len() > most {
                return Err(beyond(packed.len(), most));
            }
            Ok(unpacked)
        };
        match self {
            Self::Snappy => {
                let len = decompress_len(packed).map_err(|error| damaged(&error))?;
                if len > packed.len().saturating_mul(SNAPPY) {
                    return Err(format!("a page of {} bytes announces that it unpacks to {len}", packed.len()));
                }
                let mut unpacked = vec![0; len];
                Decoder::new().decompress(packed, &mut unpacked).map_err(|error| damaged(&error))?;
                Ok(unpacked)
            }
            Self::Lz4 => {
                let mut unpacked = vec![0; announced.min(packed.len().saturating_mul(LZ4))];
                let len = lz4_flex::block::decompress_into(packed, &mut unpacked).map_err(|error| damaged(&error))?;
                unpacked.truncate(len);
                unpacked.shrink_to_fit();
                Ok(unpacked)
            }
            Self::Gzip => read(&mut MultiGzDecoder::new(packed)),
            Self::Brotli => read(&mut brotli_decompressor::Decompressor::new(packed, 4096)),
            Self::Zstandard => {
                let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(|error| damaged(&error))?;
                read(&mut decoder)
            }
        }
    }
}

fn beyond(packed: usize, most: usize) -> String {
    format!(
        "a page of {packed} bytes unpacks to more than {most}, which is more than its column announces, or out of proportion"
    )
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snappy => "Snappy",
            Self::Gzip => "Gzip",
            Self::Zstandard => "Zstandard",
            Self::Lz4 => "LZ4",
            Self::Brotli => "Brotli",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression as Level, write::GzEncoder};
    use snap::raw::Encoder;

    use super::*;

    #[test]
    fn pages_unpack_within_their_bounds() {
        let values = vec![7; 100_000];
        let snappy = Encoder::new().compress_vec(&values).unwrap();
        assert_eq!(Codec::Snappy.unpack(&snappy, 0).unwrap(), values);
        assert!(Codec::Snappy.unpack(&snappy[..snappy.len() - 1], values.len()).is_err());
        let error = Codec::Snappy.unpack(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0], usize::MAX).unwrap_err();
        assert_eq!(error, "a page of 6 bytes announces that it unpacks to 4294967295");

        let gzip = |len: usize| {
            let mut encoder = GzEncoder::new(Vec::new(), Level::fast());
            encoder.write_all(&vec![7; len]).unwrap();
            encoder.finish().unwrap()
        };
        let packed = gzip(values.len());
        assert_eq!(Codec::Gzip.unpack(&packed, values.len()).unwrap(), values);
        let error = Codec::Gzip.unpack(&packed, values.len() - 1).unwrap_err();
        assert!(
            error
                .ends_with("unpacks to more than 99999, which is more than its column announces, or out of proportion"),
            "{error}"
        );
        let error = Codec::Gzip.unpack(&gzip(100 << 20), usize::MAX).unwrap_err();
        assert!(error.ends_with("or out of proportion"), "{error}");
        assert!(Codec::Gzip.unpack(&packed[..packed.len() - 9], values.len()).is_err());

        // The literal 7, 99,999 copies of the previous byte, and the five literals that end a block.
        let lz4 = [&[0x1F, 7, 1, 0][..], &vec![255; 392], &[16, 0x50], &[7; 5]].concat();
        let unpacked = Codec::Lz4.unpack(&lz4, 2 * values.len()).unwrap();
        assert!(unpacked.iter().all(|byte| *byte == 7) && unpacked.len() > 99_000, "{}", unpacked.len());
        assert!(Codec::Lz4.unpack(&lz4, unpacked.len() - 1).is_err());
        for codec in [Codec::Snappy, Codec::Gzip, Codec::Zstandard, Codec::Lz4, Codec::Brotli] {
            assert!(codec.unpack(&[], 10).unwrap().is_empty());
            assert!(codec.unpack(b"\xFFdamaged", 100).is_err(), "{codec}");
        }
        let error = Codec::of(Compression::LZO).unwrap_err();
        assert_eq!(error, "packed by LZO; write it plain, or packed by Snappy, Zstandard, Gzip, LZ4_RAW or Brotli");
    }
}
