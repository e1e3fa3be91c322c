//! The container of `torch.save` since PyTorch 1.6: a zip archive with uncompressed entries. It holds the pickle, `NAME/data.pkl`, and
//! one entry for each storage, `NAME/data/KEY`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    io,
};

use zip::{
    CompressionMethod, ZipArchive,
    read::{ArchiveOffset, Config},
    result::ZipError,
};

use crate::{Error, Result, globals::Vocabulary, pickle::Pickle};

const PICKLE: &str = "/data.pkl";

/// A pickle, and the bytes of its storages by key.
pub(crate) type Parts<'a> = (Pickle<'a>, BTreeMap<&'a str, &'a [u8]>);

pub(crate) fn read(bytes: &[u8]) -> Result<Parts<'_>> {
    // The offset is fixed at 0, so that the reader skips nothing before the archive.
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, io::Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let folder = folder(&archive)?;
    if let Some(order) = entry(&mut archive, bytes, &format!("{folder}/byteorder"))?
        && order.trim_ascii() != b"little"
    {
        return Err(Error::Unsupported("the file was saved on a big-endian machine; save it on another".into()));
    }
    let name = format!("{folder}{PICKLE}");
    let pickle =
        entry(&mut archive, bytes, &name)?.ok_or_else(|| Error::Archive(format!("the entry `{name}` is missing")))?;
    let pickle = Pickle::read(pickle, Vocabulary::Weights)?;
    let mut storages = BTreeMap::new();
    // Entries of a valid archive do not overlap. Each is read once to check its checksum, and this test bounds the work.
    let mut left = bytes.len();
    for storage in pickle.storages() {
        if let Entry::Vacant(vacant) = storages.entry(storage.key) {
            let name = format!("{folder}/data/{}", storage.key.escape_debug());
            let missing = || Error::Archive(format!("the entry `{name}`, which holds values of a tensor, is missing"));
            let data = entry(&mut archive, bytes, &name)?.ok_or_else(missing)?;
            left = left.checked_sub(data.len()).ok_or_else(|| Error::Archive("its entries overlap".into()))?;
            vacant.insert(data);
        }
    }
    Ok((pickle, storages))
}

/// The content of an entry beside the pickle, `NAME/record`; `None` if there is none.
///
/// # Errors
/// Bytes that are not an archive of `torch.save`, or an entry that is compressed or damaged.
pub fn record<'a>(bytes: &'a [u8], record: &str) -> Result<Option<&'a [u8]>> {
    let config = Config { archive_offset: ArchiveOffset::Known(0) };
    let mut archive = ZipArchive::with_config(config, io::Cursor::new(bytes)).map_err(|error| damaged(&error))?;
    let folder = folder(&archive)?;
    entry(&mut archive, bytes, &format!("{folder}/{record}"))
}

/// The folder within the archive that holds the pickle. Its name is that of the file when it was saved.
fn folder(archive: &ZipArchive<io::Cursor<&[u8]>>) -> Result<String> {
    let mut folders = archive.file_names().filter_map(|name| Some(name.ok()?.strip_suffix(PICKLE)?.to_owned()));
    match (folders.next(), folders.next()) {
        (Some(folder), None) => Ok(folder),
        (None, _) => Err(Error::Unsupported(
            "the file is a zip archive without `data.pkl`, so `torch.save` did not write it".into(),
        )),
        (Some(_), Some(_)) => Err(Error::Archive("it holds several files `data.pkl`".into())),
    }
}

/// The bytes of an entry, borrowed from the file after a check of their checksum; `None` if there is no such entry.
fn entry<'a>(archive: &mut ZipArchive<io::Cursor<&'a [u8]>>, bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>> {
    let mut entry = match archive.by_name(name) {
        Ok(entry) => entry,
        Err(ZipError::FileNotFound) => return Ok(None),
        Err(error) => return Err(damaged(&error)),
    };
    if entry.compression() != CompressionMethod::Stored || entry.encrypted() {
        return Err(Error::Unsupported(format!(
            "the entry `{name}` is compressed, and `torch.save` never compresses entries; save the file again with `torch.save`"
        )));
    }
    let (start, size) = (entry.data_start(), entry.size());
    io::copy(&mut entry, &mut io::sink()).map_err(|error| Error::Archive(format!("`{name}`: {error}")))?;
    let place =
        start.and_then(|start| Some(usize::try_from(start).ok()?..usize::try_from(start.checked_add(size)?).ok()?));
    let data = place.and_then(|place| bytes.get(place));
    Ok(Some(data.ok_or_else(|| Error::Archive(format!("`{name}` reaches past the end of the file")))?))
}

fn damaged(error: &ZipError) -> Error {
    match error {
        // The end of an archive is its table of contents.
        ZipError::InvalidArchive(reason) if reason.contains("EOCD") => {
            Error::Archive("its end is missing, so it was cut".into())
        }
        error => Error::Archive(error.to_string()),
    }
}
