//! Columns of parquet files, page by page, and where in the file each page lies.
//!
//! The crate `parquet` decodes pages. What it hands out of a page of bytes are parts of the page, which are found again in
//! the file ([`Pages::place`]): that is how a picture can be read later without the page.

use std::fs::File;
use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
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

use crate::error::{Error, Result};
use crate::picture::Checked;

/// Fewest bytes of a value in a dictionary: four, of a whole number or a length.
const LEAST_VALUE: usize = 4;

/// What `f` gives. The crate `parquet` panics on some damaged files (indices without a dictionary, a negative offset); that is
/// a problem as others are.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Checked<T>) -> Checked<T> {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err("its pages are damaged; fetch the file again".into()))
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Source {
    file: File,
    len: u64,
    /// What was read of it last, and from where.
    last: Mutex<(u64, Bytes)>,
}

impl Source {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |source| Error::Io { action: "open", path: path.into(), source };
        let file = File::open(path).map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        Ok(Self { file, len, last: Mutex::new((0, Bytes::new())) })
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

impl ChunkReader for Source {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> ParquetResult<Self::T> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> ParquetResult<Bytes> {
        if start.checked_add(length as u64).is_none_or(|end| end > self.len) {
            return Err(ParquetError::EOF(format!("{length} bytes from byte {start} on are not all there")));
        }
        let bytes = self.file.get_bytes(start, length)?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = (start, bytes.clone());
        Ok(bytes)
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
    inner: SerializedPageReader<Source>,
    source: Arc<Source>,
    compression: Compression,
    pages: Arc<Pages>,
}

impl Column {
    /// Holds on to a page that was read, and refuses one that the decoder would trip over.
    fn hold(&self, page: &Page) -> ParquetResult<()> {
        let mut held = self.pages.held.lock().unwrap_or_else(PoisonError::into_inner);
        let decoded = page.buffer().clone();
        let (start, stored) = self.source.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (which, plain, packed) = match page {
            Page::DictionaryPage { num_values, .. } => {
                // Room is made for the announced number before the values are counted.
                if *num_values as usize > decoded.len() / LEAST_VALUE {
                    let problem = format!("{} bytes are no dictionary of {num_values} values", decoded.len());
                    return Err(ParquetError::General(problem));
                }
                (0, 0, true)
            }
            Page::DataPage { .. } => (1, 0, true),
            Page::DataPageV2 { def_levels_byte_len, rep_levels_byte_len, is_compressed, .. } => {
                (1, *def_levels_byte_len as usize + *rep_levels_byte_len as usize, *is_compressed)
            }
        };
        if plain > stored.len() || plain > decoded.len() {
            return Err(ParquetError::General(format!(
                "a page of {} bytes begins with {plain} of levels",
                decoded.len()
            )));
        }
        let refers = matches!(page.encoding(), Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY);
        if page.is_data_page() && refers && held[0].is_none() {
            return Err(ParquetError::General("a page refers to a dictionary, and there is none".into()));
        }
        let packed = packed && self.compression != Compression::UNCOMPRESSED;
        let page = StoredPage { decoded, offset: start + plain as u64, stored: stored.slice(plain..), packed, plain };
        held[which] = Some(page);
        Ok(())
    }
}

impl PageReader for Column {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        let page = self.inner.get_next_page()?;
        page.iter().try_for_each(|page| self.hold(page))?;
        Ok(page)
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

/// That a column's bytes are in a file of `len`.
pub(crate) fn check_extent(chunk: &ColumnChunkMetaData, len: u64) -> Checked<()> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let end = start.checked_add(chunk.compressed_size()).and_then(|end| u64::try_from(end).ok());
    if start < 0 || chunk.compressed_size() < 0 || end.is_none_or(|end| end > len) {
        return Err(format!("it ends before column `{}` does; fetch the file again", chunk.column_path().string()));
    }
    Ok(())
}

/// A reader of one column of `rows` rows, and the pages that it is reading.
pub(crate) fn column(
    source: &Arc<Source>,
    chunk: &ColumnChunkMetaData,
    rows: usize,
) -> Checked<(ColumnReader, Arc<Pages>)> {
    check_extent(chunk, source.len)?;
    let inner = SerializedPageReader::new(source.clone(), chunk, rows, None).map_err(|error| error.to_string())?;
    let pages = Arc::<Pages>::default();
    let column = Column { inner, source: source.clone(), compression: chunk.compression(), pages: pages.clone() };
    Ok((get_column_reader(chunk.column_descr_ptr(), Box::new(column)), pages))
}
