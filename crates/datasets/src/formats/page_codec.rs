//! What pages of parquet files are packed by, unpacked within a bound.
//!
//! A page announces its length in a header that the crate `parquet` keeps to itself. What is known here is what all pages of a column
//! unpack to, as the footer announces it, and the page's packed bytes. Both bound what a page gets: never more than the footer announces,
//! and no more than [`RATIO`] times its bytes and [`ALWAYS`] beyond. Snappy and LZ4 have a largest ratio of their own.

use std::fmt;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use parquet::basic::Compression;
use snap::raw::{Decoder, decompress_len};

use crate::formats::picture::Checked;

/// Most bytes that one byte packed by Snappy unpacks to: a copy of 64 bytes takes three.
pub(crate) const SNAPPY: usize = 22;

/// The same of LZ4: a byte of a length adds 255.
const LZ4: usize = 255;

/// Most bytes that a byte of a page unpacks to, beyond what every page may.
const RATIO: usize = 128;

/// Bytes that every page may unpack to: pages of labels have 1 MiB, and may be all alike.
const ALWAYS: usize = 16 << 20;

/// What a column's pages are packed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Snappy,
    Gzip,
    Zstandard,
    Lz4,
    Brotli,
}

impl Codec {
    /// The codec of a column; none if it is not packed.
    ///
    /// # Errors
    /// When it is none of those that are read.
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

    /// What `packed` unpacks to, where the pages of the column unpack to `announced` bytes together.
    ///
    /// # Errors
    /// When it is damaged, or unpacks to more than that, or to what is out of proportion.
    pub(crate) fn unpack(self, packed: &[u8], announced: usize) -> Checked<Vec<u8>> {
        // A page without values may have nothing behind its levels.
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

        // Seven once, 99,999 copies of the byte before, and five literals, with which a block ends.
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
