//! Parquet files with a column of pictures and one of labels, as written by Hugging Face's library `datasets`.
//!
//! A picture is a struct of `bytes`, a PNG or JPEG file, and `path`, which is not read, or a plain column of such bytes. A label is a
//! whole number.
//! The names of the classes are in the file's metadata, under `huggingface`, as JSON. Pages may be plain, or packed
//! by Snappy, Zstandard, Gzip, LZ4 (raw) or Brotli.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length;
use parquet::schema::types::ColumnDescriptor;
use serde_json::Value;

use super::codec::SNAPPY;
use super::pages::{self, Source, guarded};
use super::table::StoredTable;
use crate::error::{Result, damaged};
use crate::formats::packed::Packed;
use crate::formats::picture::Checked;

/// Rows read at a time.
const ROWS: usize = 1024;

/// The columns to read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// Possible names of the column of pictures. The first existing one is used.
    pub(crate) image: &'a [&'a str],
    /// The same for labels.
    pub(crate) label: &'a [&'a str],
}

/// The content of a file.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) pictures: Vec<Packed>,
    /// One per picture, unchecked.
    pub(crate) labels: Vec<i64>,
    /// Names of the classes, if the file has them.
    pub(crate) classes: Option<Vec<String>>,
    /// Names of the columns that were not read.
    pub(crate) unread: Vec<String>,
}

/// Where pictures are kept until they are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Packed, in memory.
    InMemory,
    /// In their file.
    OnDisk,
}

/// Reads the file `path`. Pictures are read only if they are to be kept in memory.
///
/// # Errors
/// If it cannot be read, is not a parquet file, lacks a column, or has a row without picture or label.
pub(crate) fn read(path: &Path, columns: Columns, keep: Keep) -> Result<Table> {
    let source = Arc::new(Source::open(path)?);
    guarded(|| decode(&source, path, columns, keep)).map_err(|problem| damaged(path, problem))
}

fn decode(source: &Arc<Source>, path: &Path, columns: Columns, keep: Keep) -> Checked<Table> {
    let metadata = source.metadata()?;
    let (label_name, label) = locate(&metadata, columns.label, &[""])?;
    let (image_name, image) = locate(&metadata, columns.image, &[".bytes", ""])?;
    let schema = metadata.file_metadata().schema_descr();
    let [labels_hold, pictures_hold] = [label, image].map(|leaf| content(&schema.column(leaf)));
    if !matches!(schema.column(label).physical_type(), Type::INT32 | Type::INT64) {
        return Err(format!(
            "column `{label_name}` holds {labels_hold}; a label is a whole number from 0 (`class_encode_column(\"{label_name}\")` of the library `datasets` numbers classes)"
        ));
    }
    if pictures_hold == NULLS {
        return Err(format!(
            "column `{image_name}` holds no picture: its bytes are all missing, so at most the pictures' paths were saved; write the file \
             again with the bytes of the pictures in it"
        ));
    }
    if pictures_hold != BYTES {
        return Err(format!(
            "column `{image_name}` holds {pictures_hold}; a picture is the bytes of a PNG or JPEG file (`cast_column(\"{image_name}\", Image())` of the library `datasets` stores files so)"
        ));
    }
    let classes = classes(&metadata, label_name);
    let unread = others(&metadata, [label_name, image_name]);
    let table: Arc<Path> = path.into();
    // A few bytes can announce any number of equal rows, but each picture needs some bytes.
    let mut rows_left = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let mut bytes_left = rows_left.saturating_mul(SNAPPY);
    let (mut pictures, mut labels, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
        let column = |leaf| pages::column(source, group.column(leaf), rows).map(|(reader, _)| reader);
        let before = labels.len();
        rows_left = rows_left.checked_sub(rows).ok_or("it announces more rows than it has bytes")?;
        labels.extend(whole(column(label)?, (label_name, &schema.column(label)), (before, rows))?);
        if keep == Keep::OnDisk {
            stored.push((group.column(image).clone(), rows));
            continue;
        }
        if let ColumnReader::ByteArrayColumnReader(reader) = column(image)? {
            for file in values(reader, (image_name, &schema.column(image)), (before, rows))? {
                let (table, row, bytes) = (table.clone(), pictures.len(), file.data());
                bytes_left = bytes_left.checked_sub(bytes.len()).ok_or("it repeats its pictures beyond measure")?;
                pictures.push(Packed::Row { table, row, bytes: bytes.to_vec() });
            }
        }
    }
    if keep == Keep::OnDisk {
        let table = Arc::new(StoredTable::new(path, source.len(), stored)?);
        pictures = (0..labels.len()).map(|row| Packed::Stored { table: table.clone(), row }).collect();
    }
    Ok(Table { pictures, labels, classes, unread })
}

/// The names of the columns without those that are read, each once.
fn others(metadata: &ParquetMetaData, read: [&str; 2]) -> Vec<String> {
    let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
    let names = fields.iter().map(|field| field.name());
    names.filter(|name| !read.contains(name)).map(str::to_owned).collect()
}

/// Content of a column of files.
const BYTES: &str = "bytes";
/// Content of a column without any value.
const NULLS: &str = "no values";

/// What a column holds, for a message.
fn content(column: &ColumnDescriptor) -> &'static str {
    let text = matches!(column.logical_type_ref(), Some(LogicalType::String))
        || column.converted_type() == ConvertedType::UTF8;
    match column.physical_type() {
        _ if matches!(column.logical_type_ref(), Some(LogicalType::Unknown)) => NULLS,
        Type::BYTE_ARRAY if text => "text",
        Type::BYTE_ARRAY => BYTES,
        Type::BOOLEAN => "true and false",
        Type::FLOAT | Type::DOUBLE => "numbers with a fraction",
        Type::INT32 | Type::INT64 => "whole numbers",
        Type::INT96 => "times",
        Type::FIXED_LEN_BYTE_ARRAY => "values of a fixed length",
    }
}

/// The whole numbers in a column of the file `path`, unchecked.
///
/// # Errors
/// If the file cannot be read, is not a parquet file, lacks the column, or has a row without a number.
pub(crate) fn whole_numbers(path: &Path, column: &str) -> Result<Vec<i64>> {
    let source = Arc::new(Source::open(path)?);
    let decode = || {
        let metadata = source.metadata()?;
        let (name, leaf) = locate(&metadata, &[column], &[""])?;
        let described = metadata.file_metadata().schema_descr().column(leaf);
        let mut rows_left = usize::try_from(source.len()).unwrap_or(usize::MAX);
        let mut numbers = Vec::new();
        for group in metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
            rows_left = rows_left.checked_sub(rows).ok_or("it announces more rows than it has bytes")?;
            let (reader, _) = pages::column(&source, group.column(leaf), rows)?;
            let before = numbers.len();
            numbers.extend(whole(reader, (name, &described), (before, rows))?);
        }
        Ok(numbers)
    };
    guarded(decode).map_err(|problem| damaged(path, problem))
}

/// The values of a column of whole numbers in a group of `rows` rows after `before` others.
fn whole(
    reader: ColumnReader,
    (name, described): (&str, &ColumnDescriptor),
    (before, rows): (usize, usize),
) -> Checked<Vec<i64>> {
    let unsigned = matches!(described.logical_type_ref(), Some(LogicalType::Integer(number)) if !number.is_signed)
        || matches!(described.converted_type(), ConvertedType::UINT_32 | ConvertedType::UINT_64);
    match reader {
        ColumnReader::Int64ColumnReader(reader) => {
            let found = values(reader, (name, described), (before, rows))?;
            match found.iter().position(|value| unsigned && *value < 0) {
                None => Ok(found),
                Some(at) => Err(format!(
                    "row {} (from 0) of column `{name}` is {}, which is no number of a class",
                    before + at,
                    found[at] as u64
                )),
            }
        }
        ColumnReader::Int32ColumnReader(reader) => {
            let whole = |value: i32| if unsigned { i64::from(value as u32) } else { i64::from(value) };
            Ok(values(reader, (name, described), (before, rows))?.into_iter().map(whole).collect())
        }
        _ => Err(format!("column `{name}` holds {}, not whole numbers", content(described))),
    }
}

/// The first existing column of `names`, with the first possible one of `suffixes`: its name, and its position among the leaves.
fn locate<'a>(metadata: &ParquetMetaData, names: &[&'a str], suffixes: &[&str]) -> Checked<(&'a str, usize)> {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let paths: Vec<_> = leaves.iter().map(|leaf| leaf.path().string()).collect();
    let found = names.iter().find_map(|name| {
        let mut leaves = suffixes.iter().filter_map(|suffix| {
            paths.iter().position(|path| path.strip_prefix(name).is_some_and(|rest| rest == *suffix))
        });
        Some((*name, leaves.next()?))
    });
    if let Some((name, _)) = found {
        let fields = metadata.file_metadata().schema_descr().root_schema().get_fields();
        if fields.iter().filter(|field| field.name() == name).count() > 1 {
            return Err(format!("it has several columns `{name}`; keep one, or rename the others"));
        }
    }
    let (name, leaf) = found.ok_or_else(|| {
        let wanted: Vec<_> = names.iter().map(|name| format!("{name}{}", suffixes[0])).collect();
        format!("it has no column `{}`; its columns: {}", wanted.join("` or `"), paths.join(", "))
    })?;
    if leaves[leaf].max_rep_level() > 0 {
        return Err(format!("column `{name}` holds lists; one value a row is needed"));
    }
    Ok((name, leaf))
}

/// The values of a column in a group of `rows` rows after `before` others. Each row must have one.
fn values<T: DataType>(
    mut reader: ColumnReaderImpl<T>,
    (column, described): (&str, &ColumnDescriptor),
    (before, rows): (usize, usize),
) -> Checked<Vec<T::T>> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        levels.clear();
        let found = reader.read_records(ROWS.min(rows - read), Some(&mut levels), None, &mut values);
        let (records, _, _) = found.map_err(|error| format!("column `{column}`: {error}; fetch it again"))?;
        if records == 0 {
            return Err(format!("column `{column}` has {read} rows, where {rows} are announced; fetch it again"));
        }
        if let Some(empty) = levels.iter().position(|level| *level < described.max_def_level()) {
            let row = before + read + empty;
            return Err(format!("row {row} (from 0) of column `{column}` is empty; remove the row or fill it"));
        }
        read += records;
    }
    Ok(values)
}

/// The names of the classes of column `label`: `{"info": {"features": {label: {"names": […]}}}}`.
fn classes(metadata: &ParquetMetaData, label: &str) -> Option<Vec<String>> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_ref()?;
    let value: Value = serde_json::from_str(text).ok()?;
    let names = value.get("info")?.get("features")?.get(label)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Two rows: pictures in a column of the type `image`, and labels written by `labels` in one of the type `label`.
    fn file(
        path: &Path,
        [image, label]: [&str; 2],
        labels: impl FnOnce(&mut parquet::file::writer::SerializedColumnWriter<'_>),
    ) {
        let (kind, annotation) = label.split_once(' ').unwrap_or((label, ""));
        let schema = format!("message schema {{ required binary image{image}; optional {kind} label {annotation}; }}");
        let schema = Arc::new(parse_message_type(&schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(File::create(path).unwrap(), schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let pictures = [ByteArray::from("one"), ByteArray::from("two")];
        column.typed::<ByteArrayType>().write_batch(&pictures, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        labels(&mut column);
        column.close().unwrap();
        while let Some(mut column) = group.next_column().unwrap() {
            column.typed::<Int64Type>().write_batch(&[], Some(&[0, 0]), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
    }

    fn open(path: &Path) -> std::result::Result<Table, String> {
        let columns = Columns { image: &["image"], label: &["label"] };
        read(path, columns, Keep::InMemory).map_err(|error| error.to_string())
    }

    #[test]
    fn plain_bytes_are_pictures_and_other_content_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let whole = |column: &mut parquet::file::writer::SerializedColumnWriter<'_>| {
            column.typed::<Int64Type>().write_batch(&[4, 5], Some(&[1, 1]), None).unwrap();
        };
        file(&path, ["", "int64"], whole);
        let table = open(&path).unwrap();
        assert_eq!(table.labels, [4, 5]);
        let bytes: Vec<&[u8]> = table
            .pictures
            .iter()
            .map(|picture| match picture {
                Packed::Row { bytes, .. } => &bytes[..],
                _ => panic!("kept in memory"),
            })
            .collect();
        assert_eq!(bytes, [b"one", b"two"]);
        assert_eq!(table.unread, [""; 0]);

        let refused = |what: &[&str]| {
            let error = open(&path).unwrap_err();
            assert!(what.iter().all(|what| error.contains(what)), "{error}");
        };
        file(&path, [" (UTF8)", "int64"], whole);
        refused(&["column `image` holds text", "cast_column(\"image\", Image())"]);
        file(&path, ["", "double"], |column| {
            column.typed::<DoubleType>().write_batch(&[4.0, 5.0], Some(&[1, 1]), None).unwrap();
        });
        refused(&["column `label` holds numbers with a fraction", "a whole number from 0"]);
        file(&path, ["", "binary"], |column| {
            column.typed::<ByteArrayType>().write_batch(&["a".into(), "b".into()], Some(&[1, 1]), None).unwrap();
        });
        refused(&["column `label` holds bytes"]);
        let large = |column: &mut parquet::file::writer::SerializedColumnWriter<'_>| {
            column.typed::<Int64Type>().write_batch(&[4, -1], Some(&[1, 1]), None).unwrap();
        };
        file(&path, ["", "int64"], large);
        assert_eq!(open(&path).unwrap().labels, [4, -1]);
        file(&path, ["", "int64 (INTEGER(64,false))"], large);
        refused(&["row 1 (from 0) of column `label` is 18446744073709551615, which is no number of a class"]);
        file(&path, ["", "int32 (INTEGER(32,false))"], |column| {
            column.typed::<Int32Type>().write_batch(&[4, -1], Some(&[1, 1]), None).unwrap();
        });
        assert_eq!(open(&path).unwrap().labels, [4, i64::from(u32::MAX)]);
        file(&path, ["", "int64"], |column| {
            column.typed::<Int64Type>().write_batch(&[4], Some(&[1, 0]), None).unwrap();
        });
        refused(&["row 1 (from 0) of column `label` is empty; remove the row"]);
        file(&path, ["", "int64 ; optional int64 coarse; optional int64 label"], whole);
        refused(&["several columns `label`; keep one"]);
        let mut bytes = fs::read(&path).unwrap();
        let footer = bytes.len() - 20;
        bytes[footer..].fill(0);
        fs::write(&path, bytes).unwrap();
        refused(&["its footer is damaged", "fetch it again"]);
    }

    #[test]
    fn pictures_without_bytes_are_named_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        // As pyarrow writes a struct whose bytes are all null.
        let schema = "message schema { optional group image { optional int32 bytes (UNKNOWN); optional binary path (UTF8); } \
                      optional int64 label; }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        SerializedFileWriter::new(File::create(&path).unwrap(), schema, properties).unwrap().close().unwrap();
        let error = open(&path).unwrap_err();
        assert!(error.contains("column `image` holds no picture: its bytes are all missing"), "{error}");
    }
}
