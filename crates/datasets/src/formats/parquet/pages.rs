//! Columns of parquet files, page by page, with the position of each page. Lengths are checked against the file
//! before memory is taken.
//!
//! The crate `parquet` trusts a file's lengths. It panics on a length outside of the file, and allocates 2 GiB if a
//! length says so. So this module takes the packed pages from it as if the file were plain, unpacks them here, and
//! returns them to it for decoding. The values that it decodes from a page of bytes are slices of the page, whose
//! positions in the file can be found ([`Pages::place`]). This allows reading a picture later without its page.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::{
    ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader, ParquetStatisticsPolicy,
};
use parquet::file::reader::{ChunkReader, Length, SerializedPageReader};

use super::codec::Codec;
use crate::error::{Error, Result};
use crate::formats::picture::Checked;

/// The result of `f`. If the crate `parquet` panics on a damaged file, the result is an error.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Checked<T>) -> Checked<T> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err("its pages do not hold what they announce; fetch it again".into()))
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    len: u64,
    /// Start of the last read.
    last: AtomicU64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Io { action: "open", path: path.into(), source };
        let file = unlearn_files::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok(Self { file, len, last: AtomicU64::new(0) })
    }

    /// The metadata in the footer, without statistics, which may hold pictures.
    pub(crate) fn metadata(&self) -> Checked<ParquetMetaData> {
        let mut options = ParquetMetaDataOptions::new();
        options.set_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
        options.set_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        ParquetMetaDataReader::new()
            .with_metadata_options(Some(options))
            .parse_and_finish(self)
            .map_err(|error| format!("its footer is damaged ({error}); fetch it again"))
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.len
    }
}

/// A reader of a part of the file, which fails at the end of the file. The crate skips unknown parts of a page's
/// header, as many as announced. Without this failure, it would go on at the end of a file two thousand million
/// times.
pub(crate) struct EndingReader(BufReader<File>);

impl Read for EndingReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            len => Ok(len),
        }
    }
}

impl ChunkReader for Source {
    type T = EndingReader;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.file.get_read(start).map(EndingReader)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!("{length} bytes from byte {start} on are not all there")));
        }
        self.last.store(start, Ordering::Relaxed);
        self.file.get_bytes(start, length)
    }
}

/// One page as stored in the file, and as decoded.
#[derive(Debug, Clone)]
pub(crate) struct StoredPage {
    decoded: Bytes,
    /// Position in the file of its first byte that may be packed.
    pub(crate) offset: u64,
    /// The bytes from that position on.
    pub(crate) stored: Bytes,
    /// Whether those bytes are packed.
    pub(crate) packed: bool,
    /// Number of bytes before those, in the file and in the decoded page.
    plain: usize,
}

impl StoredPage {
    /// Length of the stored bytes after unpacking.
    pub(crate) fn unpacked_len(&self) -> usize {
        self.decoded.len() - self.plain
    }

    /// Position of `value`, a part of the decoded page, in the stored bytes after unpacking.
    fn position(&self, value: &[u8]) -> Option<usize> {
        let (first, page) = (value.as_ptr().addr(), self.decoded.as_ptr().addr());
        let start = first.checked_sub(page)?;
        (start + value.len() <= self.decoded.len()).then(|| start.checked_sub(self.plain)).flatten()
    }
}

/// The pages whose values a reader may be returning: its dictionary, and its last page.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    held: Mutex<[Option<StoredPage>; 2]>,
}

impl Pages {
    /// The page of `value`, which the reader of these pages returned last, and its position in the page.
    pub(crate) fn place(&self, value: &[u8]) -> Option<(StoredPage, usize)> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.iter().flatten().find_map(|page| Some((page.clone(), page.position(value)?)))
    }
}

/// The pages of one column in one group of rows.
struct Column {
    /// Takes pages as if they were not packed.
    inner: SerializedPageReader<Source>,
    source: Arc<Source>,
    codec: Option<Codec>,
    /// Unpacked bytes of all pages together, as the footer announces.
    announced: usize,
    pages: Arc<Pages>,
}

impl Column {
    /// Unpacks a page for the decoder, and keeps it.
    fn unpacked(&self, mut page: Page) -> ParquetResult<Page> {
        let start = self.source.last.load(Ordering::Relaxed);
        let (plain, may_be_packed) = match &page {
            Page::DataPage { .. } | Page::DictionaryPage { .. } => (0, true),
            // Levels come first, and are never packed.
            Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, is_compressed, .. } => {
                (rep_levels_byte_len.saturating_add(*def_levels_byte_len) as usize, *is_compressed)
            }
        };
        let mut held = self.pages.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } | Page::DataPageV2 { buf, .. }) = &mut page;
        if plain > buf.len() {
            return Err(ParquetError::General(format!("a page of {} bytes begins with {plain} of levels", buf.len())));
        }
        let stored = buf.slice(plain..);
        let codec = self.codec.filter(|_| may_be_packed);
        if let Some(codec) = codec {
            let unpacked = codec.unpack(&stored, self.announced).map_err(ParquetError::General)?;
            *buf = if plain == 0 { unpacked.into() } else { [&buf[..plain], &unpacked].concat().into() };
        }
        let decoded = buf.clone();
        check(&page, held[0].is_some()).map_err(ParquetError::General)?;
        held[usize::from(page.is_data_page())] =
            Some(StoredPage { decoded, offset: start + plain as u64, stored, packed: codec.is_some(), plain });
        Ok(page)
    }
}

/// Checks that the crate would neither panic on the page nor take too much memory for it. `dictionary` says whether a
/// dictionary came before.
fn check(page: &Page, dictionary: bool) -> Checked<()> {
    match page {
        // Each byte string has a length of four bytes, and numbers have at least as many.
        Page::DictionaryPage { buf, num_values, .. } if *num_values as usize > buf.len() / 4 => {
            return Err(format!("{} bytes are no dictionary of {num_values} values", buf.len()));
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
    let refers = matches!(page.encoding(), Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
    if page.is_data_page() && refers && !dictionary {
        return Err("a page refers to a dictionary, but none comes before it".into());
    }
    Ok(())
}

impl PageReader for Column {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        self.inner.get_next_page()?.map(|page| self.unpacked(page)).transpose()
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        self.inner.peek_next_page()
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.inner.skip_next_page()
    }
}

impl Iterator for Column {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

/// The codec of a column in a file of `len` bytes. `None` if it is plain.
///
/// # Errors
/// If it is outside of the file, or has an unsupported codec.
pub(crate) fn codec(chunk: &ColumnChunkMetaData, len: u64) -> Checked<Option<Codec>> {
    let name = chunk.column_path().string();
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
    if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| end > len) {
        return Err(format!("column `{name}` lies outside of the file; fetch it again"));
    }
    Codec::of(chunk.compression()).map_err(|problem| format!("column `{name}` is {problem}"))
}

/// A reader of one column of `rows` rows, and its current pages.
///
/// # Errors
/// As [`codec`].
pub(crate) fn column(
    source: &Arc<Source>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Checked<(ColumnReader, Arc<Pages>)> {
    let codec = codec(chunk, source.len)?;
    let announced = usize::try_from(chunk.uncompressed_size()).unwrap_or(0);
    let unreadable = |error: ParquetError| error.to_string();
    let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build().map_err(unreadable)?;
    let inner = SerializedPageReader::new(source.clone(), &plain, rows, None).map_err(unreadable)?;
    let pages = Arc::<Pages>::default();
    let column = Column { inner, source: source.clone(), codec, announced, pages: pages.clone() };
    Ok((get_column_reader(chunk.column_descr_ptr(), Box::new(column)), pages))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dictionary_that_the_bytes_cannot_hold_gets_no_memory() {
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
        assert_eq!(dictionary(5).unwrap_err(), "16 bytes are no dictionary of 5 values");
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
        let folder = unlearn_tests::golden::path("datasets/pictures/unknown/default/train");
        let sound = Source::open(&folder.join("0000.parquet")).unwrap();
        let metadata = sound.metadata().unwrap();
        let short = tempfile::NamedTempFile::new().unwrap();
        short.as_file().set_len(100).unwrap();
        let short = Source::open(short.path()).unwrap();
        let packed = |source: &Source| codec(metadata.row_group(0).column(0), source.len);
        assert!(packed(&sound).is_ok());
        assert!(packed(&short).unwrap_err().ends_with("lies outside of the file; fetch it again"));
        let error = io::copy(&mut short.get_read(90).unwrap(), &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
