//! A pickled dictionary of NumPy arrays and lists, the form in which some datasets are distributed.

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
    pub elements: &'a [u8],
}

/// A dictionary with text keys, as Python 2's `pickle.dump` wrote it in protocol 2 (protocols to 5 are read as well).
#[derive(Debug)]
pub struct Record<'a> {
    pickle: Pickle<'a>,
}

impl<'a> Record<'a> {
    /// Reads a record; the arrays stay where they are in `bytes`.
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
        let entry = self.entry(key)?;
        let array = self.array(entry);
        array.ok_or_else(|| refusal(key, "it is not a whole row-major array of unsigned bytes (NumPy's `uint8`)"))
    }

    /// The list of integers under `key`.
    ///
    /// # Errors
    /// When there is no such entry, or it is no list of integers of at most 64 bits.
    pub fn integers(&self, key: &str) -> Result<Vec<i64>> {
        let integer = |id: &Id| match self.pickle.get(*id) {
            Value::Int(value) => i64::try_from(*value).ok(),
            _ => None,
        };
        let list = match self.entry(key)? {
            Value::List(items) => items.iter().map(integer).collect(),
            _ => None,
        };
        list.ok_or_else(|| refusal(key, "it is not a list of integers"))
    }

    fn entry(&self, key: &str) -> Result<&Value<'a>> {
        let Value::Dict(entries) = self.pickle.root() else { return Err(refusal(key, "the file has no such entry")) };
        // As in Python, the last of several entries with one key is the one that counts.
        let entry = entries.iter().rev().find(|(name, _)| *self.pickle.get(*name) == Value::Text(key));
        entry.map(|(_, value)| self.pickle.get(*value)).ok_or_else(|| refusal(key, "the file has no such entry"))
    }

    /// The state of an array is `(version, shape, type, whether column-major, elements)`.
    fn array(&self, value: &Value<'a>) -> Option<ByteArray<'a>> {
        let Value::Object(Object { class: Global::Array, state: Some(state), .. }) = value else { return None };
        let [_version, shape, element_type, column_major, elements] = self.tuple(*state)? else { return None };
        let elements = match self.pickle.get(*elements) {
            Value::Bytes(bytes) => bytes,
            Value::Text(text) => text.as_bytes(),
            _ => return None,
        };
        let side = |id: &Id| match self.pickle.get(*id) {
            Value::Int(side) => usize::try_from(*side).ok(),
            _ => None,
        };
        let shape: Vec<usize> = self.tuple(*shape)?.iter().map(side).collect::<Option<_>>()?;
        let whole = shape.iter().try_fold(1_usize, |product, side| product.checked_mul(*side)) == Some(elements.len());
        let row_major = *self.pickle.get(*column_major) == Value::Bool(false);
        (whole && row_major && self.is_byte(*element_type)?).then_some(ByteArray { shape, elements })
    }

    /// Whether an element type is `numpy.dtype('u1', …)`.
    fn is_byte(&self, id: Id) -> Option<bool> {
        let Value::Object(Object { class: Global::ElementType, arguments, .. }) = self.pickle.get(id) else {
            return None;
        };
        let name = self.tuple(*arguments)?.first()?;
        Some(*self.pickle.get(*name) == Value::Text("u1"))
    }

    fn tuple(&self, id: Id) -> Option<&[Id]> {
        if let Value::Tuple(items) = self.pickle.get(id) { Some(items) } else { None }
    }
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

    /// The record with the first `from` made `to`.
    fn altered(from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = RECORD.windows(from.len()).position(|window| window == from).unwrap();
        [&RECORD[..at], to, &RECORD[at + from.len()..]].concat()
    }

    #[test]
    fn arrays_and_lists_are_read_by_their_keys() {
        let record = Record::read(RECORD).unwrap();
        assert_eq!(record.bytes("data").unwrap(), ByteArray { shape: vec![2, 2], elements: &[1, 200, 3, 4] });
        assert_eq!(record.integers("labels").unwrap(), [7, -1]);
        let error = |result: Result<Vec<i64>>| result.unwrap_err().to_string();
        assert_eq!(error(record.integers("fine_labels")), "entry `fine_labels`: the file has no such entry");
        assert_eq!(error(record.integers("data")), "entry `data`: it is not a list of integers");
        assert!(record.bytes("labels").is_err());
    }

    #[test]
    fn arrays_of_anything_else_are_refused() {
        for damaged in [
            altered(b"u1", b"i8"),
            altered(b"\x89U", b"\x88U"),
            altered(b"K\x02K\x02\x86", b"K\x02K\x03\x86"),
            altered(b"K\x02K\x02\x86", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
            altered(b"\x04\x01\xc8\x03\x04", b"\x03\x01\xc8\x03"),
        ] {
            let error = Record::read(&damaged).unwrap().bytes("data").unwrap_err().to_string();
            assert!(error.contains("entry `data`: it is not a whole row-major array"), "{error}");
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
