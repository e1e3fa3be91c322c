//! Parquet files with a column of pictures and one of labels, as the library `datasets` of Hugging Face writes them.
//!
//! A picture is a struct of `bytes`, a PNG or JPEG file, and `path`, which is not read; a label is a whole number. The names
//! of the classes are in the file's metadata, under `huggingface`, as JSON. Pages may be plain or packed with Snappy.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::location::damaged;
use crate::packed::Packed;
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
    decode(file, path, columns).map_err(|problem| damaged(path, problem))
}

fn decode(file: File, path: &Path, columns: Columns) -> Checked<Table> {
    let unreadable = |error: ParquetError| error.to_string();
    let reader = SerializedFileReader::new(file).map_err(unreadable)?;
    let (label_name, label) = locate(reader.metadata(), columns.label, "")?;
    let (_, image) = locate(reader.metadata(), columns.image, ".bytes")?;
    let classes = classes(reader.metadata(), label_name);
    let table: Arc<Path> = path.into();
    let (mut pictures, mut labels) = (Vec::new(), Vec::new());
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(unreadable)?;
        labels.extend(match group.get_column_reader(label).map_err(unreadable)? {
            ColumnReader::Int64ColumnReader(reader) => values(reader, label_name)?,
            ColumnReader::Int32ColumnReader(reader) => values(reader, label_name)?.into_iter().map(i64::from).collect(),
            _ => return Err(format!("column `{label_name}` does not hold whole numbers")),
        });
        let ColumnReader::ByteArrayColumnReader(reader) = group.get_column_reader(image).map_err(unreadable)? else {
            return Err("the column of pictures does not hold bytes".into());
        };
        for file in values(reader, "image")? {
            let (table, row) = (table.clone(), pictures.len());
            pictures.push(Packed::Row { table, row, bytes: file.data().to_vec() });
        }
        if pictures.len() != labels.len() {
            return Err(format!("it has {} pictures, but {} labels", pictures.len(), labels.len()));
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

/// All values of a column; each row must have one.
fn values<T: DataType>(mut reader: ColumnReaderImpl<T>, column: &str) -> Checked<Vec<T::T>> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let mut rows = 0;
    loop {
        levels.clear();
        let read = reader.read_records(ROWS, Some(&mut levels), None, &mut values);
        let (records, _, _) = read.map_err(|error| format!("column `{column}`: {error}"))?;
        if records == 0 {
            return Ok(values);
        }
        rows += records;
        if values.len() != rows {
            return Err(format!("column `{column}` has an empty row before row {rows}"));
        }
    }
}

/// The names of the classes of column `label`: `{"info": {"features": {label: {"names": […]}}}}`.
fn classes(metadata: &ParquetMetaData, label: &str) -> Option<Vec<String>> {
    let entries = metadata.file_metadata().key_value_metadata()?;
    let text = entries.iter().find(|entry| entry.key == "huggingface")?.value.as_ref()?;
    let value: Value = serde_json::from_str(text).ok()?;
    let names = value.get("info")?.get("features")?.get(label)?.get("names")?.as_array()?;
    names.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}
