//! Columns of parquet files, page by page, held against the file before memory is taken for them, and where each page lies.
//!
//! The crate `parquet` trusts a file's lengths: one that lies outside of the file is a panic there, one that announces
//! 2 GiB is given them. So the pages are taken from it packed, as if the file were plain, and given back to it for what is in
//! them once they were unpacked here. What it hands out of a page of bytes are parts of the page, which are found again in the
//! file ([`Pages::place`]): that is how a picture can be read later without the page.

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
use snap::raw::{Decoder, decompress_len};

use crate::error::{Error, Result};
use crate::formats::picture::Checked;

/// Most bytes that one byte packed by Snappy unpacks to: a copy of 64 bytes takes three.
pub(crate) const SNAPPY: usize = 22;

/// What `f` gives. Should the crate `parquet` panic on a damaged file, that is a problem as others are.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Checked<T>) -> Checked<T> {
    catch_unwind(AssertUnwindSafe(f))
        .unwrap_or_else(|_| Err("its pages do not hold what they announce; fetch it again".into()))
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    len: u64,
    /// Where what was read of it last begins.
    last: AtomicU64,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Io { action: "open", path: path.into(), source };
        let file = unlearn_files::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok(Self { file, len, last: AtomicU64::new(0) })
    }

    /// What is in the file, by its footer, less statistics, which may hold pictures.
    pub(crate) fn metadata(&self) -> Checked<ParquetMetaData> {
        let mut options = ParquetMetaDataOptions::new();
        options.set_column_stats_policy(ParquetStatisticsPolicy::SkipAll);
        options.set_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        ParquetMetaDataReader::new()
            .with_metadata_options(Some(options))
            .parse_and_finish(self)
            .map_err(|error| error.to_string())
    }
}

impl Length for Source {
    fn len(&self) -> u64 {
        self.len
    }
}

/// Readers of a part fail where the file ends. The crate passes over parts of a page's header that it does not know, as many as
/// are announced, and at the end of a file it would go on doing so, two thousand million times.
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

/// One page as it lies in the file, and as it was decoded.
#[derive(Debug, Clone)]
pub(crate) struct StoredPage {
    decoded: Bytes,
    /// Its first byte in the file that may be packed.
    pub(crate) offset: u64,
    /// The bytes from there on.
    pub(crate) stored: Bytes,
    /// Whether these are packed.
    pub(crate) packed: bool,
    /// Bytes before these, in the file as decoded.
    plain: usize,
}

impl StoredPage {
    /// Bytes of what is stored, or of what that unpacks to.
    pub(crate) fn unpacked_len(&self) -> usize {
        self.decoded.len() - self.plain
    }

    /// Where the bytes of `value`, a part of the decoded page, begin in what is stored, or in what that unpacks to.
    fn position(&self, value: &[u8]) -> Option<usize> {
        let (first, page) = (value.as_ptr().addr(), self.decoded.as_ptr().addr());
        let start = first.checked_sub(page)?;
        (start + value.len() <= self.decoded.len()).then(|| start.checked_sub(self.plain)).flatten()
    }
}

/// The pages whose values a reader may be handing out: its dictionary, and its last page.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    held: Mutex<[Option<StoredPage>; 2]>,
}

impl Pages {
    /// The page that `value`, which the reader of these pages handed out last, is in, and its position in there.
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
    packed: bool,
    pages: Arc<Pages>,
}

impl Column {
    /// The page as the decoder is to have it, held on to.
    fn unpacked(&self, mut page: Page) -> ParquetResult<Page> {
        let start = self.source.last.load(Ordering::Relaxed);
        let (plain, packed) = match &page {
            Page::DataPage { .. } | Page::DictionaryPage { .. } => (0, self.packed),
            // Levels come first, and are never packed.
            Page::DataPageV2 { rep_levels_byte_len, def_levels_byte_len, is_compressed, .. } => {
                (rep_levels_byte_len.saturating_add(*def_levels_byte_len) as usize, self.packed && *is_compressed)
            }
        };
        let mut held = self.pages.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } | Page::DataPageV2 { buf, .. }) = &mut page;
        if plain > buf.len() {
            return Err(ParquetError::General(format!("a page of {} bytes begins with {plain} of levels", buf.len())));
        }
        let stored = buf.slice(plain..);
        if packed {
            *buf = unpack(buf, plain)?.into();
        }
        let decoded = buf.clone();
        check(&page, held[0].is_some()).map_err(ParquetError::General)?;
        held[usize::from(page.is_data_page())] =
            Some(StoredPage { decoded, offset: start + plain as u64, stored, packed, plain });
        Ok(page)
    }
}

/// That there is nothing that the crate would panic on, or take memory for; `dictionary` says whether there was one yet.
fn check(page: &Page, dictionary: bool) -> Checked<()> {
    match page {
        // A run of bytes has its length in four bytes, and numbers have as many or more.
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

/// What a page holds behind the first `plain` bytes, unpacked, and these.
fn unpack(page: &[u8], plain: usize) -> ParquetResult<Vec<u8>> {
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

/// Whether a column in a file of `len` bytes is packed.
///
/// # Errors
/// When it lies outside of the file, or is packed by something else than Snappy.
pub(crate) fn is_packed(chunk: &ColumnChunkMetaData, len: u64) -> Checked<bool> {
    let name = chunk.column_path().string();
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
    if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| end > len) {
        return Err(format!("column `{name}` lies outside of the file; fetch it again"));
    }
    match chunk.compression() {
        Compression::UNCOMPRESSED => Ok(false),
        Compression::SNAPPY => Ok(true),
        other => Err(format!("column `{name}` is packed by {other}; write it plain or packed by Snappy")),
    }
}

/// A reader of one column of `rows` rows, and the pages that it is reading.
///
/// # Errors
/// As [`is_packed`].
pub(crate) fn column(
    source: &Arc<Source>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Checked<(ColumnReader, Arc<Pages>)> {
    let packed = is_packed(chunk, source.len)?;
    let unreadable = |error: ParquetError| error.to_string();
    let plain = chunk.clone().into_builder().set_compression(Compression::UNCOMPRESSED).build().map_err(unreadable)?;
    let inner = SerializedPageReader::new(source.clone(), &plain, rows, None).map_err(unreadable)?;
    let pages = Arc::<Pages>::default();
    let column = Column { inner, source: source.clone(), packed, pages: pages.clone() };
    Ok((get_column_reader(chunk.column_descr_ptr(), Box::new(column)), pages))
}

#[cfg(test)]
mod tests {
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
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/datasets/pictures/unknown/default/train");
        let sound = Source::open(&Path::new(folder).join("0000.parquet")).unwrap();
        let metadata = sound.metadata().unwrap();
        let short = tempfile::NamedTempFile::new().unwrap();
        short.as_file().set_len(100).unwrap();
        let short = Source::open(short.path()).unwrap();
        let packed = |source: &Source| is_packed(metadata.row_group(0).column(0), source.len);
        assert!(packed(&sound).is_ok());
        assert!(packed(&short).unwrap_err().ends_with("lies outside of the file; fetch it again"));
        let error = io::copy(&mut short.get_read(90).unwrap(), &mut io::sink()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
