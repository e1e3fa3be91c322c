//! Pictures that stay in their parquet file until they are requested.
//!
//! A page of ImageNet's files has 11 MB: the library `datasets` makes groups of 100 rows, and pyarrow one page of
//! each. Unpacking a page for every picture would cost more than decoding the picture. So the first request for a
//! picture of a group walks through the group's pages, one at a time, and stores the position of each picture: 12
//! bytes per picture, and 8 for every 16 KB or more of the file. After that, a picture needs only its own bytes, and
//! in packed pages also those around it ([`snappy`]).

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parquet::column::reader::ColumnReader;
use parquet::data_type::ByteArray;
use parquet::file::metadata::ColumnChunkMetaData;

use super::codec::Codec;
use super::pages::{self, Source, StoredPage, guarded};
use super::snappy::{self, Checkpoint};
use crate::error::{Error, Result, damaged};
use crate::formats::packed::FILE_LIMIT;
use crate::formats::picture::Checked;

/// A file with a column of pictures. The pictures are not in memory.
#[derive(Debug)]
pub(crate) struct StoredTable {
    path: PathBuf,
    /// Bytes of the file.
    pub(crate) len: u64,
    groups: Vec<Group>,
}

/// Two tables are equal if they have the same file.
impl PartialEq for StoredTable {
    fn eq(&self, other: &Self) -> bool {
        (&self.path, self.len) == (&other.path, other.len)
    }
}

impl Eq for StoredTable {}

/// A group of rows.
#[derive(Debug)]
struct Group {
    /// Its first row.
    first: usize,
    rows: usize,
    /// The position of its pictures' pages.
    column: ColumnChunkMetaData,
    /// The positions of its pictures, after the first request.
    places: OnceLock<Checked<Places>>,
}

/// The positions of a group's pictures.
#[derive(Debug)]
struct Places {
    pages: Vec<PagePlace>,
    pictures: Vec<Place>,
}

/// A page of pictures in the file.
#[derive(Debug)]
struct PagePlace {
    /// Its first byte.
    offset: u64,
    /// Positions from which it can be unpacked. Empty if it is not packed.
    checkpoints: Vec<Checkpoint>,
}

/// A picture in a page.
#[derive(Debug, Clone, Copy)]
struct Place {
    page: u32,
    /// Its first byte in the unpacked page.
    start: u32,
    /// Its bytes.
    len: u32,
}

impl StoredTable {
    /// The pictures of a file of `len` bytes, from the column and the number of rows of each group.
    pub(crate) fn new(path: &Path, len: u64, columns: Vec<(ColumnChunkMetaData, usize)>) -> Checked<Self> {
        let (mut groups, mut first) = (Vec::new(), 0);
        for (column, rows) in columns {
            if usize::try_from(column.num_values()) != Ok(rows) {
                let (group, pictures) = (groups.len(), column.num_values());
                return Err(format!("its group {group} of rows has {pictures} pictures, but {rows} labels"));
            }
            if let Some(codec) = pages::codec(&column, len)?.filter(|codec| *codec != Codec::Snappy) {
                return Err(format!(
                    "its pictures are packed by {codec}, from which none can be read without those before it; open it by \
                     `?size=N` in place of `?stream=N`, or write it again, plain or packed by Snappy"
                ));
            }
            groups.push(Group { first, rows, column, places: OnceLock::new() });
            first += rows;
        }
        Ok(Self { path: path.into(), len, groups })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the picture in row `row`.
    ///
    /// # Errors
    /// If the file is missing or was changed, or the row is damaged.
    pub(crate) fn read(&self, row: usize) -> Result<Vec<u8>> {
        let failed = |action| move |source| Error::Io { action, path: self.path.clone(), source };
        let mut file = unlearn_files::open(&self.path).map_err(failed("open"))?;
        let found = file.metadata().map_err(failed("open"))?.len();
        if found != self.len {
            return Err(damaged(&self.path, format!("it has {found} bytes, and had {} when it was opened", self.len)));
        }
        let refuse = |problem| damaged(&self.path, format!("the image in row {row}: {problem}"));
        let group = &self.groups[self.groups.partition_point(|group| group.first <= row) - 1];
        let places = group.places.get_or_init(|| guarded(|| group.find_pictures(&self.path)));
        let places = places.as_ref().map_err(|problem| damaged(&self.path, problem))?;
        let Place { page, start, len } = places.pictures[row - group.first];
        let (page, start, len) = (&places.pages[page as usize], start as usize, len as usize);
        let mut read = |offset: usize, len: usize| {
            let mut bytes = vec![0; len];
            file.seek(SeekFrom::Start(page.offset + offset as u64)).and_then(|_| file.read_exact(&mut bytes))?;
            Ok(bytes)
        };
        if page.checkpoints.is_empty() {
            return read(start, len).map_err(failed("read"));
        }
        let before = page.checkpoints.partition_point(|checkpoint| checkpoint.output as usize <= start) - 1;
        let after = page.checkpoints.partition_point(|checkpoint| (checkpoint.output as usize) < start + len);
        let (before, after) = (page.checkpoints[before], page.checkpoints[after]);
        let packed = read(before.input as usize, (after.input - before.input) as usize).map_err(failed("read"))?;
        let mut bytes = snappy::unpack(&packed, start + len - before.output as usize).map_err(refuse)?;
        Ok(bytes.split_off(start - before.output as usize))
    }
}

impl Group {
    /// Walks through the group's pages in the file `path`.
    fn find_pictures(&self, path: &Path) -> Checked<Places> {
        let source = Arc::new(Source::open(path).map_err(|error| error.to_string())?);
        let (reader, pages) = pages::column(&source, &self.column, self.rows)?;
        let ColumnReader::ByteArrayColumnReader(mut reader) = reader else {
            return Err("the column of pictures does not hold bytes".into());
        };
        let mut found = Places { pages: Vec::new(), pictures: Vec::with_capacity(self.rows) };
        let (mut levels, mut value) = (Vec::new(), Vec::<ByteArray>::new());
        for row in self.first..self.first + self.rows {
            let refuse = |problem: &str| format!("the image in row {row}: {problem}");
            levels.clear();
            value.clear();
            let read = reader.read_records(1, Some(&mut levels), None, &mut value);
            let (rows, _, _) = read.map_err(|error| refuse(&error.to_string()))?;
            if rows == 0 {
                return Err(refuse("it is missing, though there is a label"));
            }
            let bytes = value.first().map(ByteArray::data).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or_else(|| refuse("it is empty"))?;
            if bytes.len() as u64 > FILE_LIMIT {
                return Err(refuse(&format!("it has {} bytes; at most {FILE_LIMIT} are read", bytes.len())));
            }
            let placed = pages.place(bytes);
            let (page, start) =
                placed.ok_or_else(|| refuse("it is encoded by differences, and cannot be read by itself"))?;
            let page = found.page(&page).map_err(|problem| refuse(&problem))?;
            let [start, len] = [start, bytes.len()].map(u32::try_from);
            let large = |_| refuse("its page exceeds 4 GB");
            found.pictures.push(Place { page, start: start.map_err(large)?, len: len.map_err(large)? });
        }
        Ok(found)
    }
}

impl Places {
    /// The position of `page` in the list, to which it is added if new.
    fn page(&mut self, page: &StoredPage) -> Checked<u32> {
        let known = self.pages.iter().rposition(|known| known.offset == page.offset);
        let position = if let Some(position) = known {
            position
        } else {
            let checkpoints = if page.packed { snappy::checkpoints(&page.stored)? } else { Vec::new() };
            if checkpoints.last().is_some_and(|end| end.output as usize != page.unpacked_len()) {
                return Err("its page unpacks to another length than it announces".into());
            }
            self.pages.push(PagePlace { offset: page.offset, checkpoints });
            self.pages.len() - 1
        };
        u32::try_from(position).map_err(|_| "a group of rows has too many pages".into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use parquet::basic::{Compression, Encoding, ZstdLevel};
    use parquet::data_type::{ByteArrayType, Int64Type};
    use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder, WriterVersion};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
    use parquet::schema::types::ColumnPath;

    use super::super::file::{self, Columns, Keep};
    use super::*;
    use crate::formats::packed::Packed;

    const SCHEMA: &str = "message schema {
        optional group image { optional binary bytes; optional binary path (UTF8); }
        optional int64 label;
    }";

    /// Writes groups of rows, each with the label 1, and returns the file's bytes.
    fn write(path: &Path, groups: &[&[Option<Vec<u8>>]], properties: WriterPropertiesBuilder) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build())).unwrap();
        for rows in groups {
            let mut group = writer.next_row_group().unwrap();
            let values: Vec<_> = rows.iter().flatten().map(|bytes| ByteArray::from(bytes.clone())).collect();
            let levels: Vec<_> = rows.iter().map(|row| if row.is_some() { 2 } else { 1 }).collect();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&[], Some(&vec![1; rows.len()]), None).unwrap();
            column.close().unwrap();
            let mut column = group.next_column().unwrap().unwrap();
            let ones = (vec![1; rows.len()], vec![1; rows.len()]);
            column.typed::<Int64Type>().write_batch(&ones.0, Some(&ones.1), None).unwrap();
            column.close().unwrap();
            group.close().unwrap();
        }
        writer.close().unwrap();
        fs::read(path).unwrap()
    }

    fn bytes_column() -> ColumnPath {
        ColumnPath::from("image.bytes".split('.').map(String::from).collect::<Vec<_>>())
    }

    /// The table, and the number of its rows.
    fn open(path: &Path) -> Result<(Arc<StoredTable>, usize)> {
        let pictures = file::read(path, Columns { image: &["image"], label: &["label"] }, Keep::OnDisk)?.pictures;
        let Some(Packed::Stored { table, .. }) = pictures.first() else { panic!("no row") };
        Ok((table.clone(), pictures.len()))
    }

    /// Noise with repetitions, near and far, which Snappy can pack.
    #[expect(clippy::unnecessary_wraps, reason = "a row that has a picture")]
    fn bytes(seed: u64, len: usize) -> Option<Vec<u8>> {
        use rand::Rng;
        let mut rng = unlearn_random::stream("bytes", &[seed]);
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            match rng.next_u64() % 8 {
                0 if bytes.len() > 40_000 => bytes.extend_from_within(bytes.len() - 40_000..bytes.len() - 39_000),
                1 => bytes.extend([seed as u8; 100]),
                _ => bytes.extend((0..200).flat_map(|_| rng.next_u64().to_le_bytes())),
            }
        }
        bytes.truncate(len);
        Some(bytes)
    }

    #[test]
    fn pictures_lie_where_they_are_found_whatever_the_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let first: Vec<_> =
            [70_000, 1, 131_072, 4, 90_000, 20_000].into_iter().zip(0..).map(|(len, seed)| bytes(seed, len)).collect();
        let second = [first[2].clone(), bytes(7, 300_000), first[2].clone()];
        let builder = || WriterProperties::builder().set_write_batch_size(2);
        let large = builder().set_dictionary_enabled(false);
        let kinds = [
            ("dictionary", builder().set_compression(Compression::SNAPPY)),
            (
                "dictionary and more",
                builder().set_compression(Compression::SNAPPY).set_dictionary_page_size_limit(80_000),
            ),
            ("large pages", large.clone().set_compression(Compression::SNAPPY)),
            ("small pages", large.clone().set_compression(Compression::SNAPPY).set_data_page_size_limit(1)),
            ("not packed", large.clone()),
            (
                "version 2",
                large
                    .clone()
                    .set_compression(Compression::SNAPPY)
                    .set_writer_version(WriterVersion::PARQUET_2_0)
                    .set_column_encoding(bytes_column(), Encoding::PLAIN),
            ),
            (
                "lengths first",
                large
                    .clone()
                    .set_compression(Compression::SNAPPY)
                    .set_column_encoding(bytes_column(), Encoding::DELTA_LENGTH_BYTE_ARRAY),
            ),
        ];
        for (what, properties) in kinds {
            write(&path, &[&first, &second], properties);
            let (table, rows) = open(&path).unwrap();
            assert_eq!(rows, 9, "{what}");
            for row in [8, 3, 0, 1, 2, 3, 4, 5, 6, 7, 8] {
                let expected = first.iter().chain(&second).nth(row).unwrap();
                assert!(table.read(row).unwrap() == *expected.as_ref().unwrap(), "{what}: row {row}");
            }
        }
        write(&path, &[&first], large.set_column_encoding(bytes_column(), Encoding::DELTA_BYTE_ARRAY));
        let error = open(&path).unwrap().0.read(4).unwrap_err().to_string();
        assert!(
            error.ends_with("the image in row 0: it is encoded by differences, and cannot be read by itself"),
            "{error}"
        );
    }

    #[test]
    fn rows_without_a_picture_are_errors_with_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let sound = [bytes(0, 30), bytes(1, 30)];
        for empty in [None, Some(Vec::new())] {
            write(&path, &[&sound, &[bytes(2, 30), empty]], WriterProperties::builder());
            let (table, _) = open(&path).unwrap();
            assert_eq!(table.read(1).unwrap(), *sound[1].as_ref().unwrap());
            let error = table.read(3).unwrap_err().to_string();
            assert_eq!(error, format!("failed to read {}: the image in row 3: it is empty", path.display()));
        }
    }

    #[test]
    fn groups_that_do_not_fit_are_refused_when_the_file_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        write(&path, &[&[bytes(0, 30), bytes(1, 50)]], WriterProperties::builder());
        let (table, _) = open(&path).unwrap();
        let column = table.groups[0].column.clone();
        let refusal = |len, column, rows| StoredTable::new(&path, len, vec![(column, rows)]).unwrap_err();
        assert_eq!(refusal(table.len, column.clone(), 3), "its group 0 of rows has 2 pictures, but 3 labels");
        assert_eq!(refusal(20, column.clone(), 2), "column `image.bytes` lies outside of the file; fetch it again");
        let other = column.clone().into_builder().set_compression(Compression::LZ4).build().unwrap();
        assert_eq!(
            refusal(table.len, other, 2),
            "column `image.bytes` is packed by LZ4; write it plain, or packed by Snappy, Zstandard, Gzip, LZ4_RAW or Brotli"
        );
        let zstandard = column.into_builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build().unwrap();
        assert!(
            refusal(table.len, zstandard, 2)
                .starts_with("its pictures are packed by Zstandard, from which none can be read")
        );
    }

    #[test]
    fn a_group_is_walked_through_once_and_then_only_its_pictures_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let rows: Vec<_> = (0..40).map(|seed| bytes(seed, 20_000)).collect();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).set_dictionary_enabled(false);
        let mut file = write(&path, &[&rows], properties);
        let (table, _) = open(&path).unwrap();
        table.read(0).unwrap();
        let held = table.groups[0].places.get().unwrap().as_ref().unwrap();
        assert_eq!((held.pictures.len(), held.pages.len()), (40, 1));
        let checkpoints = held.pages[0].checkpoints.len();
        assert!((10..=60).contains(&checkpoints), "{checkpoints} checkpoints of 800,000 bytes");
        // Bytes far from a picture are not read again.
        file[8..400_000].fill(0xFF);
        fs::write(&path, &file).unwrap();
        assert_eq!(table.read(39).unwrap(), *rows[39].as_ref().unwrap());
        assert!(table.read(1).is_err() || table.read(1).unwrap() != *rows[1].as_ref().unwrap());
    }

    #[test]
    fn a_dictionary_that_announces_more_values_than_it_has_bytes_for_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.parquet");
        let rows: Vec<_> = (0..5000_u16).map(|row| Some(row.to_le_bytes().to_vec())).collect();
        let mut file = write(&path, &[&rows], WriterProperties::builder());
        // The header's number of values, 5000 as a varint of Thrift's compact protocol, becomes 8191.
        let number = file.windows(4).position(|bytes| bytes == [0x4C, 0x15, 0x90, 0x4E]).unwrap() + 2;
        file[number..number + 2].copy_from_slice(&[0xFE, 0x7F]);
        fs::write(&path, file).unwrap();
        let error = open(&path).unwrap().0.read(0).unwrap_err().to_string();
        assert!(error.ends_with("30000 bytes are no dictionary of 8191 values"), "{error}");
    }
}
