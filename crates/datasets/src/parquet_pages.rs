//! The pages of a column of a parquet file, unpacked, and held against the file before memory is taken for them.
//!
//! The crate `parquet` trusts a file's lengths: one that lies outside of the file is a panic there, one that announces
//! 2 GiB is given them. So the pages are taken from it packed, as if the file were plain, and given back to it for what is in
//! them once they were unpacked here.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use snap::raw::{Decoder, decompress_len};

use crate::picture::Checked;

/// Most bytes that one byte packed by Snappy unpacks to: a copy of 64 bytes takes three.
pub(crate) const SNAPPY: usize = 22;

/// A file whose readers fail where it ends. The crate passes over parts of a page's header that it does not know, as many as are
/// announced, and at the end of a file it would go on doing so, two thousand million times.
pub(crate) struct Ending(pub(crate) File);

/// A reader that fails where it ends.
pub(crate) struct EndingReader(BufReader<File>);

impl Length for Ending {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl ChunkReader for Ending {
    type T = EndingReader;

    fn get_read(&self, start: u64) -> Result<EndingReader> {
        self.0.get_read(start).map(EndingReader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.0.get_bytes(start, length)
    }
}

impl Read for EndingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            len => Ok(len),
        }
    }
}

/// A reader of the column `leaf` of a group of rows.
///
/// # Errors
/// When the column lies outside of the file, or is packed by something else than Snappy.
pub(crate) fn column(file: &Arc<Ending>, group: &RowGroupMetaData, leaf: usize) -> Checked<ColumnReader> {
    let chunk = group.column(leaf);
    let (name, len) = (chunk.column_path().string(), file.len());
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let ends = [Some(start), start.checked_add(chunk.compressed_size())];
    if chunk.compressed_size() < 0 || !ends.iter().all(|end| end.is_some_and(|end| (0..=len as i64).contains(&end))) {
        return Err(format!("column `{name}` lies outside of the file; fetch it again"));
    }
    let packed = match chunk.compression() {
        Compression::UNCOMPRESSED => false,
        Compression::SNAPPY => true,
        other => return Err(format!("column `{name}` is packed by {other}; write it plain or packed by Snappy")),
    };
    let unreadable = |error: ParquetError| error.to_string();
    let builder = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED);
    let plain = builder.build().map_err(unreadable)?;
    let rows = usize::try_from(group.num_rows()).map_err(|_| "it announces fewer than no rows")?;
    let reader = SerializedPageReader::new(file.clone(), &plain, rows, None).map_err(unreadable)?;
    Ok(get_column_reader(chunk.column_descr_ptr(), Box::new(Pages { reader, packed, dictionary: false })))
}

struct Pages {
    reader: SerializedPageReader<Ending>,
    packed: bool,
    /// Whether a dictionary was among the pages yet.
    dictionary: bool,
}

impl Pages {
    fn unpacked(&mut self, mut page: Page) -> Result<Page> {
        if self.packed {
            match &mut page {
                Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => *buf = unpack(buf, 0)?.into(),
                Page::DataPageV2 { buf, rep_levels_byte_len, def_levels_byte_len, is_compressed: true, .. } => {
                    // Levels come first, and are never packed.
                    let levels = rep_levels_byte_len.saturating_add(*def_levels_byte_len) as usize;
                    *buf = unpack(buf, levels)?.into();
                }
                Page::DataPageV2 { .. } => {}
            }
        }
        check(&page, self.dictionary).map_err(ParquetError::General)?;
        self.dictionary |= matches!(page, Page::DictionaryPage { .. });
        Ok(page)
    }
}

/// That there is nothing that the crate would panic on, or take memory for; `dictionary` says whether there was one yet.
fn check(page: &Page, dictionary: bool) -> Checked<()> {
    match page {
        // A run of bytes has its length in four bytes, and numbers have as many or more.
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() / 4 => {
            return Err(format!("a dictionary of {} bytes announces {num_values} values", buf.len()));
        }
        Page::DataPage { def_level_encoding, rep_level_encoding, .. } => {
            #[expect(deprecated, reason = "some files name it where there are no levels")]
            let known = |levels: &Encoding| matches!(levels, Encoding::RLE | Encoding::BIT_PACKED);
            if ![def_level_encoding, rep_level_encoding].into_iter().all(known) {
                return Err(format!("levels are coded by {def_level_encoding} and {rep_level_encoding}"));
            }
        }
        _ => {}
    }
    let data = !matches!(page, Page::DictionaryPage { .. });
    if data && !dictionary && matches!(page.encoding(), Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY) {
        return Err("a page refers to a dictionary, but none comes before it".into());
    }
    Ok(())
}

/// What a page holds behind the first `plain` bytes, unpacked, and these.
fn unpack(page: &[u8], plain: usize) -> Result<Vec<u8>> {
    let cut = || ParquetError::General("a page is shorter than it announces".into());
    let damaged = |error: snap::Error| ParquetError::External(Box::new(error));
    let (plain, packed) = page.split_at_checked(plain).ok_or_else(cut)?;
    // A page without values may have nothing behind its levels.
    let announced = if packed.is_empty() { 0 } else { decompress_len(packed).map_err(damaged)? };
    if announced > packed.len().saturating_mul(SNAPPY) {
        let problem = format!("a page of {} bytes announces that it unpacks to {announced}", packed.len());
        return Err(ParquetError::General(problem));
    }
    let mut unpacked = plain.to_vec();
    unpacked.resize(plain.len() + announced, 0);
    if announced > 0 {
        Decoder::new().decompress(packed, &mut unpacked[plain.len()..]).map_err(damaged)?;
    }
    Ok(unpacked)
}

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.reader.get_next_page()?.map(|page| self.unpacked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.reader.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.reader.skip_next_page()
    }
}

#[cfg(test)]
mod tests {
    use parquet::file::metadata::ParquetMetaDataReader;
    use snap::raw::Encoder;

    use super::*;

    #[test]
    fn pages_are_unpacked_but_for_their_levels() {
        let values = vec![7; 100_000];
        let packed = Encoder::new().compress_vec(&values).unwrap();
        assert_eq!(unpack(&packed, 0).unwrap(), values);
        assert_eq!(unpack(&[&[1, 2][..], &packed].concat(), 2).unwrap(), [&[1, 2][..], &values].concat());
        assert_eq!(unpack(&[1, 2], 2).unwrap(), [1, 2]);
        assert!(unpack(&[1, 2], 3).unwrap_err().to_string().contains("shorter than it announces"));
        assert!(unpack(&packed[..packed.len() - 1], 0).is_err());
    }

    #[test]
    fn an_announcement_that_the_bytes_cannot_hold_gets_no_memory() {
        let error = unpack(&[0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0], 0).unwrap_err().to_string();
        assert!(error.ends_with("a page of 6 bytes announces that it unpacks to 4294967295"), "{error}");
        let dictionary = |num_values| {
            let page = Page::DictionaryPage {
                buf: vec![0; 16].into(),
                num_values,
                encoding: Encoding::PLAIN,
                is_sorted: false,
            };
            check(&page, false)
        };
        assert_eq!(dictionary(4), Ok(()));
        assert_eq!(dictionary(5).unwrap_err(), "a dictionary of 16 bytes announces 5 values");
    }

    #[test]
    fn pages_that_the_crate_would_panic_on_are_refused() {
        let page = |encoding, levels| Page::DataPage {
            buf: vec![].into(),
            num_values: 1,
            encoding,
            def_level_encoding: levels,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let refers = page(Encoding::RLE_DICTIONARY, Encoding::RLE);
        assert_eq!(check(&refers, true), Ok(()));
        assert!(check(&refers, false).unwrap_err().contains("none comes before it"));
        assert_eq!(check(&page(Encoding::PLAIN, Encoding::RLE), false), Ok(()));
        assert!(check(&page(Encoding::PLAIN, Encoding::PLAIN), false).unwrap_err().contains("coded by PLAIN and RLE"));
    }

    #[test]
    fn columns_outside_of_the_file_are_refused_and_readers_fail_at_its_end() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/datasets/pictures/unknown/default/train");
        let sound = File::open(std::path::Path::new(folder).join("0000.parquet")).unwrap();
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&sound).unwrap();
        let short = tempfile::tempfile().unwrap();
        short.set_len(100).unwrap();
        let read = |file| column(&Arc::new(Ending(file)), metadata.row_group(0), 0).map(|_| ());
        assert_eq!(read(sound), Ok(()));
        assert!(read(short.try_clone().unwrap()).unwrap_err().ends_with("lies outside of the file; fetch it again"));
        let mut reader = Ending(short).get_read(90).unwrap();
        let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
