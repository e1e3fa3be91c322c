//! Reads a pickled dictionary of NumPy arrays and lists: the form in which some datasets are distributed, or were saved again.
//!
//! Python 2 and Python 3 write the same dictionary differently, and so do the protocols. Python 2 uses one kind of string for text and
//! bytes. Python 3 writes bytes as bytes, except in protocol 2, where it writes them as encoded text. In protocol 5, an array's bytes are
//! separate from its description. Keys may be text or bytes.

use std::borrow::Cow;

use crate::{
    Error, Result,
    globals::{Global, Vocabulary},
    pickle::{Id, Object, Pickle, Value},
};

/// An array of unsigned bytes in row-major order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteArray<'a> {
    /// Lengths of its sides.
    pub shape: Vec<usize>,
    /// Its elements, as many as the shape multiplies to.
    pub elements: Cow<'a, [u8]>,
}

/// Most bytes of a key, or of a text in a list.
const NAME: usize = 256;

/// An array of any elements.
struct Array<'p, 'a> {
    shape: Vec<usize>,
    /// NumPy's code of the elements, as `u1` or `i8`.
    kind: &'p str,
    big_endian: bool,
    column_major: bool,
    elements: Cow<'a, [u8]>,
}

/// A dictionary of arrays and lists, as `pickle.dump` writes it in the protocols 2 to 5.
#[derive(Debug)]
pub struct Record<'a> {
    pickle: Pickle<'a>,
}

impl<'a> Record<'a> {
    /// Reads a record. The arrays are borrowed from `bytes`.
    ///
    /// # Errors
    /// When the pickle is damaged, goes on after its end, asks for anything but NumPy's arrays, or holds no dictionary.
    pub fn read(bytes: &'a [u8]) -> Result<Self> {
        let pickle = Pickle::read(bytes, Vocabulary::Arrays)?;
        if pickle.len != bytes.len() {
            let reason = format!("{} bytes follow its end", bytes.len() - pickle.len);
            return Err(Error::Pickle { at: pickle.len, reason });
        }
        match pickle.root() {
            Value::Dict(_) => Ok(Self { pickle }),
            _ => Err(Error::Pickle { at: pickle.len, reason: "it holds no dictionary".into() }),
        }
    }

    /// The array under `key`.
    ///
    /// # Errors
    /// When there is no such entry, or it is not a whole array of unsigned bytes in row-major order.
    pub fn bytes(&self, key: &str) -> Result<ByteArray<'a>> {
        let Array { shape, kind, column_major, elements, .. } = self.array_at(key)?;
        if kind != "u1" {
            let reason = format!(
                "its elements are `{}`; convert it to unsigned bytes: `record[\"{key}\"].astype(\"uint8\")`",
                kind.escape_debug()
            );
            return Err(refusal(key, &reason));
        }
        if column_major {
            let fix = format!("`numpy.ascontiguousarray(record[\"{key}\"])`");
            return Err(refusal(key, &format!("the array is column-major; save it row-major: {fix}")));
        }
        Ok(ByteArray { shape, elements })
    }

    /// The list, or the one-dimensional array, of integers under `key`.
    ///
    /// # Errors
    /// When there is no such entry, or it is neither a list nor an array of integers of at most 64 bits.
    pub fn integers(&self, key: &str) -> Result<Vec<i64>> {
        let entry = self.entry(key)?;
        let list = match entry {
            Value::List(items) | Value::Tuple(items) => items.iter().map(|id| self.integer(*id)).collect(),
            Value::Object(_) => {
                let array = self.array(entry).filter(|array| array.shape.len() == 1);
                let array = array.ok_or_else(|| refusal(key, "it is not a complete one-dimensional NumPy array"))?;
                integers(&array)
            }
            _ => None,
        };
        list.ok_or_else(|| refusal(key, "it is not a list of integers"))
    }

    /// The list of texts under `key`.
    ///
    /// # Errors
    /// When there is no such entry, or it is no list of texts.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        let text = |id: &Id| match self.pickle.get(*id) {
            Value::Text(text) => (text.len() <= NAME).then(|| (*text).to_owned()),
            other => String::from_utf8(self.run(other, NAME)?.into_owned()).ok(),
        };
        let list = match self.entry(key)? {
            Value::List(items) | Value::Tuple(items) => items.iter().map(text).collect(),
            _ => None,
        };
        list.ok_or_else(|| refusal(key, "it is not a list of texts"))
    }

    fn entry(&self, key: &str) -> Result<&Value<'a>> {
        let Value::Dict(entries) = self.pickle.root() else { return Err(refusal(key, "the file has no such entry")) };
        let is_key = |id: Id| match self.pickle.get(id) {
            Value::Text(text) => *text == key,
            other => self.run(other, NAME).is_some_and(|bytes| *bytes == *key.as_bytes()),
        };
        // As in Python, the last of several entries with one key counts.
        let entry = entries.iter().rev().find(|(name, _)| is_key(*name));
        entry.map(|(_, value)| self.pickle.get(*value)).ok_or_else(|| refusal(key, "the file has no such entry"))
    }

    /// At most `most` bytes, in any form; each letter of encoded text is a byte. A value may be used many times, so the bound keeps
    /// memory in proportion to the file.
    fn run(&self, value: &Value<'a>, most: usize) -> Option<Cow<'a, [u8]>> {
        match value {
            Value::Bytes(bytes) => (bytes.len() <= most).then(|| (*bytes).into()),
            Value::Object(Object { class: Global::Encoded, arguments, .. }) => match self.tuple(*arguments)? {
                [] => Some(Cow::Borrowed(&[])),
                [text, ..] => {
                    let Value::Text(text) = self.pickle.get(*text) else { return None };
                    // One byte is a letter of one or two bytes in UTF-8.
                    if text.len() / 2 > most {
                        return None;
                    }
                    if text.is_ascii() {
                        return Some(text.as_bytes().into());
                    }
                    text.chars().map(|letter| u8::try_from(letter).ok()).collect::<Option<Vec<_>>>().map(Cow::Owned)
                }
            },
            _ => None,
        }
    }

    fn array_at(&self, key: &str) -> Result<Array<'_, 'a>> {
        let array = self.array(self.entry(key)?);
        array.ok_or_else(|| refusal(key, "it is not a complete NumPy array"))
    }

    fn array(&self, value: &Value<'a>) -> Option<Array<'_, 'a>> {
        let (shape, element_type, column_major, elements) = match value {
            // The state of an array is `(version, shape, type, whether column-major, elements)`.
            Value::Object(Object { class: Global::Array, state: Some(state), .. }) => {
                let [_version, shape, element_type, column_major, elements] = self.tuple(*state)? else { return None };
                let Value::Bool(column_major) = self.pickle.get(*column_major) else { return None };
                (*shape, *element_type, *column_major, *elements)
            }
            // `(elements, type, shape, order)`
            Value::Object(Object { class: Global::ArrayOfBuffer, arguments, .. }) => {
                let [elements, element_type, shape, order] = self.tuple(*arguments)? else { return None };
                let column_major = match self.pickle.get(*order) {
                    Value::Text("C") => false,
                    Value::Text("F") => true,
                    _ => return None,
                };
                (*shape, *element_type, column_major, *elements)
            }
            _ => return None,
        };
        let elements = match self.pickle.get(elements) {
            Value::Text(text) => Cow::Borrowed(text.as_bytes()),
            other => self.run(other, usize::MAX)?,
        };
        let side = |id: &Id| match self.pickle.get(*id) {
            Value::Int(side) => usize::try_from(*side).ok(),
            _ => None,
        };
        let shape: Vec<usize> = self.tuple(shape)?.iter().map(side).collect::<Option<_>>()?;
        let (kind, big_endian) = self.element_type(element_type)?;
        let width: usize = kind.get(1..)?.parse().ok()?;
        let whole = shape.iter().try_fold(width, |product, side| product.checked_mul(*side)) == Some(elements.len());
        // An array of one dimension, or with at most one side longer than 1, is the same in both orders.
        let column_major = column_major && shape.iter().filter(|side| **side > 1).count() > 1;
        whole.then_some(Array { shape, kind, big_endian, column_major, elements })
    }

    /// For `numpy.dtype('u1', …)`: NumPy's code, and whether the most significant byte comes first.
    fn element_type(&self, id: Id) -> Option<(&str, bool)> {
        let Value::Object(Object { class: Global::ElementType, arguments, state }) = self.pickle.get(id) else {
            return None;
        };
        let Value::Text(kind) = self.pickle.get(*self.tuple(*arguments)?.first()?) else { return None };
        // `(version, order, …)`
        let order = state.and_then(|state| self.tuple(state)?.get(1).copied());
        Some((kind, order.is_some_and(|order| *self.pickle.get(order) == Value::Text(">"))))
    }

    /// An integer of Python or of NumPy.
    fn integer(&self, id: Id) -> Option<i64> {
        match self.pickle.get(id) {
            Value::Int(value) => i64::try_from(*value).ok(),
            // `(type, elements)`
            Value::Object(Object { class: Global::Scalar, arguments, .. }) => {
                let [element_type, elements] = self.tuple(*arguments)? else { return None };
                let elements = match self.pickle.get(*elements) {
                    Value::Text(text) => Cow::Borrowed(text.as_bytes()),
                    other => self.run(other, 8)?,
                };
                let (kind, big_endian) = self.element_type(*element_type)?;
                if kind.get(1..)?.parse() != Ok(elements.len()) {
                    return None;
                }
                let array = Array { shape: vec![], kind, big_endian, column_major: false, elements };
                integers(&array)?.first().copied()
            }
            _ => None,
        }
    }

    fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) = self.pickle.get(id) { Some(items) } else { None }
    }
}

/// The elements of an array of integers; `None` for other elements, or if one exceeds 63 bits.
fn integers(array: &Array<'_, '_>) -> Option<Vec<i64>> {
    let (signed, width) = match array.kind.as_bytes() {
        [sign @ (b'i' | b'u'), width @ (b'1' | b'2' | b'4' | b'8')] => (*sign == b'i', usize::from(width - b'0')),
        _ => return None,
    };
    let number = |bytes: &[u8]| {
        let top = if array.big_endian { bytes[0] } else { bytes[width - 1] };
        let start = if signed && top >= 0x80 { -1_i128 } else { 0 };
        let join = |number: i128, byte: &u8| number << 8 | i128::from(*byte);
        let number =
            if array.big_endian { bytes.iter().fold(start, join) } else { bytes.iter().rev().fold(start, join) };
        i64::try_from(number).ok()
    };
    array.elements.chunks_exact(width).map(number).collect()
}

fn refusal(key: &str, reason: &str) -> Error {
    Error::Record { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{'data': array([[1, 200], [3, 4]], uint8), 'labels': [7, -1]}` as Python 2 pickles it in protocol 2.
    const RECORD: &[u8] = b"\x80\x02}q\x01(U\x04dataq\x02cnumpy.core.multiarray\n_reconstruct\nq\x03cnumpy\nndarray\n\
        q\x04K\x00\x85q\x05U\x01bq\x06\x87q\x07Rq\x08(K\x01K\x02K\x02\x86q\x09cnumpy\ndtype\nq\x0aU\x02u1q\x0bK\x00K\x01\
        \x87q\x0cRq\x0d(K\x03U\x01|q\x0eNNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tq\x0fb\x89U\x04\x01\xc8\x03\x04q\x10\
        tq\x11bU\x06labelsq\x12]q\x13(K\x07J\xff\xff\xff\xffeu.";

    /// The record with the first `from` replaced by `to`.
    fn altered(from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = RECORD.windows(from.len()).position(|window| window == from).unwrap();
        [&RECORD[..at], to, &RECORD[at + from.len()..]].concat()
    }

    #[test]
    fn arrays_and_lists_are_read_by_their_keys() {
        let record = Record::read(RECORD).unwrap();
        assert_eq!(
            record.bytes("data").unwrap(),
            ByteArray { shape: vec![2, 2], elements: Cow::Borrowed(&[1, 200, 3, 4]) }
        );
        assert_eq!(record.integers("labels").unwrap(), [7, -1]);
        let error = |result: Result<Vec<i64>>| result.unwrap_err().to_string();
        assert_eq!(error(record.integers("fine_labels")), "entry `fine_labels`: the file has no such entry");
        assert_eq!(error(record.integers("data")), "entry `data`: it is not a complete one-dimensional NumPy array");
        assert!(record.bytes("labels").is_err());
    }

    #[test]
    fn arrays_of_anything_else_are_refused() {
        for (damaged, said) in [
            (
                altered(b"u1", b"i1"),
                "its elements are `i1`; convert it to unsigned bytes: `record[\"data\"].astype(\"uint8\")`",
            ),
            (
                altered(b"\x89U", b"\x88U"),
                "the array is column-major; save it row-major: `numpy.ascontiguousarray(record[\"data\"])`",
            ),
        ] {
            let error = Record::read(&damaged).unwrap().bytes("data").unwrap_err().to_string();
            assert_eq!(error, format!("entry `data`: {said}"));
        }
        for damaged in [
            altered(b"u1", b"i8"),
            altered(b"K\x02K\x02\x86", b"K\x02K\x03\x86"),
            altered(b"K\x02K\x02\x86", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
            altered(b"\x04\x01\xc8\x03\x04", b"\x03\x01\xc8\x03"),
        ] {
            let error = Record::read(&damaged).unwrap().bytes("data").unwrap_err().to_string();
            assert!(error.contains("entry `data`: it is not a complete NumPy array"), "{error}");
        }
    }

    #[test]
    fn a_record_that_asks_for_more_is_refused_by_name() {
        let hostile = altered(b"cnumpy\nndarray\n", b"cos\nsystem\n");
        assert_eq!(
            Record::read(&hostile).unwrap_err().to_string(),
            "the file asks for `os.system`, which no array needs; nothing of it was run"
        );
    }

    #[test]
    fn every_truncation_and_whatever_follows_is_refused() {
        for len in 0..RECORD.len() {
            assert!(Record::read(&RECORD[..len]).is_err(), "cut to {len} bytes");
        }
        let longer = [RECORD, b"N."].concat();
        assert!(Record::read(&longer).unwrap_err().to_string().contains("2 bytes follow its end"));
        assert!(Record::read(b"\x80\x02].").unwrap_err().to_string().contains("no dictionary"));
    }
}
