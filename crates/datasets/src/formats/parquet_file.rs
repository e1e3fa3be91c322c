//! Parquet files with a column of pictures and one of labels, as written by Hugging Face's library `datasets`.
//!
//! A picture is a struct of `bytes`, a PNG or JPEG file, and `path`, which is not read. A label is a whole number.
//! The names of the classes are in the file's metadata, under `huggingface`, as JSON. Pages may be plain, or packed
//! by Snappy, Zstandard, Gzip, LZ4 (raw) or Brotli.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::Type;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::Length;
use serde_json::Value;

use crate::error::{Result, damaged};
use crate::formats::packed::Packed;
use crate::formats::page_codec::SNAPPY;
use crate::formats::parquet_pages::{self, Source, guarded};
use crate::formats::parquet_table::StoredTable;
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
    let (label_name, label) = locate(&metadata, columns.label, "")?;
    let (_, image) = locate(&metadata, columns.image, ".bytes")?;
    if metadata.file_metadata().schema_descr().column(image).physical_type() != Type::BYTE_ARRAY {
        return Err("the column of pictures does not hold bytes".into());
    }
    let classes = classes(&metadata, label_name);
    let table: Arc<Path> = path.into();
    // A few bytes can announce any number of equal rows, but each picture needs some bytes.
    let mut rows_left = usize::try_from(source.len()).unwrap_or(usize::MAX);
    let mut bytes_left = rows_left.saturating_mul(SNAPPY);
    let (mut pictures, mut labels, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
        let column = |leaf| parquet_pages::column(source, group.column(leaf), rows).map(|(reader, _)| reader);
        rows_left = rows_left.checked_sub(rows).ok_or("it announces more rows than it has bytes")?;
        labels.extend(whole(column(label)?, label_name, rows)?);
        if keep == Keep::OnDisk {
            stored.push((group.column(image).clone(), rows));
            continue;
        }
        if let ColumnReader::ByteArrayColumnReader(reader) = column(image)? {
            for file in values(reader, "image", rows)? {
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
    Ok(Table { pictures, labels, classes })
}

/// The whole numbers in a column of the file `path`, unchecked.
///
/// # Errors
/// If the file cannot be read, is not a parquet file, lacks the column, or has a row without a number.
pub(crate) fn whole_numbers(path: &Path, column: &str) -> Result<Vec<i64>> {
    let source = Arc::new(Source::open(path)?);
    let decode = || {
        let metadata = source.metadata()?;
        let (name, leaf) = locate(&metadata, &[column], "")?;
        let mut rows_left = usize::try_from(source.len()).unwrap_or(usize::MAX);
        let mut numbers = Vec::new();
        for group in metadata.row_groups() {
            let rows = usize::try_from(group.num_rows()).map_err(|_| "a group has a negative number of rows")?;
            rows_left = rows_left.checked_sub(rows).ok_or("it announces more rows than it has bytes")?;
            let (reader, _) = parquet_pages::column(&source, group.column(leaf), rows)?;
            numbers.extend(whole(reader, name, rows)?);
        }
        Ok(numbers)
    };
    guarded(decode).map_err(|problem| damaged(path, problem))
}

/// The values of a column of whole numbers.
fn whole(reader: ColumnReader, name: &str, rows: usize) -> Checked<Vec<i64>> {
    match reader {
        ColumnReader::Int64ColumnReader(reader) => values(reader, name, rows),
        ColumnReader::Int32ColumnReader(reader) => Ok(values(reader, name, rows)?.into_iter().map(i64::from).collect()),
        _ => Err(format!("column `{name}` does not hold whole numbers")),
    }
}

/// The first existing column of `names`, with or without `suffix`: its name, and its position among the leaves.
fn locate<'a>(metadata: &ParquetMetaData, names: &[&'a str], suffix: &str) -> Checked<(&'a str, usize)> {
    let leaves = metadata.file_metadata().schema_descr().columns();
    let paths: Vec<_> = leaves.iter().map(|leaf| leaf.path().string()).collect();
    let found = names.iter().find_map(|name| {
        let leaf = paths.iter().position(|path| path.strip_prefix(name).is_some_and(|rest| rest == suffix))?;
        Some((*name, leaf))
    });
    let (name, leaf) = found.ok_or_else(|| {
        let wanted: Vec<_> = names.iter().map(|name| format!("{name}{suffix}")).collect();
        format!("it has no column `{}`; its columns: {}", wanted.join("` or `"), paths.join(", "))
    })?;
    if leaves[leaf].max_rep_level() > 0 {
        return Err(format!("column `{name}` holds lists; one value a row is needed"));
    }
    Ok((name, leaf))
}

/// The values of a column of `rows` rows. Each row must have one.
fn values<T: DataType>(mut reader: ColumnReaderImpl<T>, column: &str, rows: usize) -> Checked<Vec<T::T>> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut read = 0;
    while read < rows {
        levels.clear();
        let found = reader.read_records(ROWS.min(rows - read), Some(&mut levels), None, &mut values);
        let (records, _, _) = found.map_err(|error| format!("column `{column}`: {error}"))?;
        if records == 0 {
            return Err(format!("column `{column}` has {read} rows, where {rows} are announced"));
        }
        read += records;
        if values.len() != read {
            return Err(format!("column `{column}` has an empty row before row {read}"));
        }
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
