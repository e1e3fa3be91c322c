//! The container of `torch.save` before PyTorch 1.6 (`_use_new_zipfile_serialization=False`). It starts with five pickles: a magic
//! number, a version, facts about the machine, the object, and the keys of its storages. The storages follow, each after its number of
//! elements.

use std::collections::BTreeMap;

use crate::{
    Error, Result,
    archive::Parts,
    globals::Vocabulary,
    pickle::{Pickle, Value},
};

/// The magic number: such a file begins with a pickle of it.
const MAGIC: i128 = 0x1950_A86A_20F9_469C_FC6C;

const VERSION: i128 = 1001;

/// Whether the bytes begin like such a file, in any protocol.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    // This is enough for a frame and the number.
    let head = &bytes[..bytes.len().min(32)];
    Pickle::read(head, Vocabulary::Weights).is_ok_and(|first| first.root() == &Value::Int(MAGIC))
}

pub(crate) fn read(bytes: &[u8]) -> Result<Parts<'_>> {
    let mut rest = bytes;
    next(&mut rest)?;
    let version = next(&mut rest)?;
    if version.root() != &Value::Int(VERSION) {
        let found = version.root();
        return Err(Error::Unsupported(format!("the file has version {found:?}, and only version {VERSION} is read")));
    }
    if !little_endian(&next(&mut rest)?) {
        return Err(Error::Unsupported("the file was saved on a big-endian machine; save it on another".into()));
    }
    let object = next(&mut rest)?;
    let keys = next(&mut rest)?;
    let Value::List(ids) = keys.root() else {
        return Err(Error::Archive("it has no list of storages".into()));
    };
    let sizes: BTreeMap<_, _> = object.storages().map(|storage| (storage.key, storage.dtype.size())).collect();
    let mut storages = BTreeMap::new();
    for id in ids {
        let Value::Text(key) = keys.get(*id) else {
            return Err(Error::Archive("the key of a storage is not text".into()));
        };
        let size = sizes.get(key).ok_or_else(|| Error::Archive(format!("the storage `{key}` belongs to no tensor")))?;
        storages.insert(
            *key,
            storage(&mut rest, *size).ok_or_else(|| Error::Archive(format!("it ends within storage `{key}`")))?,
        );
    }
    Ok((object, storages))
}

fn next<'a>(rest: &mut &'a [u8]) -> Result<Pickle<'a>> {
    let pickle = Pickle::read(rest, Vocabulary::Weights)?;
    *rest = &rest[pickle.len..];
    Ok(pickle)
}

fn little_endian(facts: &Pickle<'_>) -> bool {
    let Value::Dict(entries) = facts.root() else { return false };
    let is = |(key, value): &(_, _)| {
        facts.get(*key) == &Value::Text("little_endian") && facts.get(*value) == &Value::Bool(true)
    };
    entries.iter().any(is)
}

/// Takes a storage, with elements of `size` bytes, from the front.
fn storage<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (count, after) = rest.split_first_chunk()?;
    let len = usize::try_from(i64::from_le_bytes(*count)).ok()?.checked_mul(size)?;
    let (data, after) = after.split_at_checked(len)?;
    *rest = after;
    Some(data)
}
