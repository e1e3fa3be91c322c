//! Parquet files with a column of pictures and one of labels, as the library `datasets` of Hugging Face writes them.
//!
//! A picture is a struct of `bytes`, a PNG or JPEG file, and `path`, which is not read; a label is a whole number. The names
//! of the classes are in the file's metadata, under `huggingface`, as JSON. Pages may be plain or packed with Snappy.

use std::fs::File;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::Length as _;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::location::damaged;
use crate::packed::Packed;
use crate::parquet_pages::{Ending, SNAPPY, column};
use crate::picture::Checked;

/// Rows read at a time.
const ROWS: usize = 1024;

/// Which columns are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns<'a> {
    /// Names that the pictures may have; the first that there is counts.
    pub(crate) image: &'a [&'a str],
    /// The same for labels.
    pub(crate) label: &'a [&'a str],
}

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) pictures: Vec<Packed>,
    /// One a picture, not checked against anything.
    pub(crate) labels: Vec<i64>,
    /// Names of the classes, where the file has them.
    pub(crate) classes: Option<Vec<String>>,
}

/// Reads the file `path`.
///
/// # Errors
/// When it cannot be read, is no parquet file, lacks a column, or has a row without picture or label.
pub(crate) fn read(path: &Path, columns: Columns) -> Result<Table> {
    let file = File::open(path).map_err(|source| Error::Io { action: "open", path: path.into(), source })?;
    // What `parquet_pages` looks for is not all that the crate `parquet` panics on, such as texts that end before they should.
    let decoded = panic::catch_unwind(AssertUnwindSafe(|| decode(file, path, columns)));
    let decoded = decoded.unwrap_or_else(|_| Err("its pages do not hold what they announce; fetch it again".into()));
    decoded.map_err(|problem| damaged(path, problem))
}

fn decode(file: File, path: &Path, columns: Columns) -> Checked<Table> {
    let unreadable = |error: ParquetError| error.to_string();
    let file = Arc::new(Ending(file));
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&*file).map_err(unreadable)?;
    let (label_name, label) = locate(&metadata, columns.label, "")?;
    let (_, image) = locate(&metadata, columns.image, ".bytes")?;
    let classes = classes(&metadata, label_name);
    let table: Arc<Path> = path.into();
    let (mut pictures, mut labels) = (Vec::new(), Vec::new());
    // A few bytes can say that all rows are alike, however many there are; pictures have some bytes each.
    let mut rows_left = usize::try_from(file.len()).unwrap_or(usize::MAX);
    let mut bytes_left = rows_left.saturating_mul(SNAPPY);
    for group in metadata.row_groups() {
        let rows = usize::try_from(group.num_rows()).unwrap_or(usize::MAX);
        rows_left = rows_left.checked_sub(rows).ok_or("it announces more rows than it has bytes")?;
        let label_rows = match column(&file, group, label)? {
            ColumnReader::Int64ColumnReader(reader) => values(reader, label_name, rows)?,
            ColumnReader::Int32ColumnReader(reader) => {
                values(reader, label_name, rows)?.into_iter().map(i64::from).collect()
            }
            _ => return Err(format!("column `{label_name}` does not hold whole numbers")),
        };
        labels.extend(label_rows);
        let ColumnReader::ByteArrayColumnReader(reader) = column(&file, group, image)? else {
            return Err("the column of pictures does not hold bytes".into());
        };
        for file in values(reader, "image", rows)? {
            let (table, row, bytes) = (table.clone(), pictures.len(), file.data());
            bytes_left = bytes_left.checked_sub(bytes.len()).ok_or("it repeats its pictures beyond measure")?;
            pictures.push(Packed::Row { table, row, bytes: bytes.to_vec() });
        }
    }
    Ok(Table { pictures, labels, classes })
}

/// The first of the columns `names` that there is, as it is or with `suffix`: its name, and its place among the leaves.
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

/// The values of a column of so many `rows`; each must have one.
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
