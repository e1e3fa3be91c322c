//! JSON in which no key occurs twice in an object.
//!
//! JSON does not define the meaning of a key that occurs twice in one object. Some readers take the first value, some
//! the last. Two programs could read such a file differently, so it is refused here.

use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserializer, de};
use serde_json::{Map, Number, Value};

/// Reads a value of any form. A key that occurs twice in one object, at any depth, is refused with its path.
///
/// # Errors
/// If the text is not JSON, or a key occurs twice.
pub fn value(text: &[u8]) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Once { path: Path::Root }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

/// Reads a `T` from JSON without repeated keys.
///
/// # Errors
/// As [`value`]. Also if the value is not a `T`, with line and column.
pub fn read<T: DeserializeOwned>(text: &[u8]) -> serde_json::Result<T> {
    value(text)?;
    serde_json::from_slice(text)
}

/// The place of a value. Its text is made only for messages.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Self::Root, key) => f.write_str(key),
            Self::Key(outer, key) => write!(f, "{outer}.{key}"),
            Self::Index(outer, index) => write!(f, "{outer}[{index}]"),
        }
    }
}

/// Reads the value at `path`.
#[derive(Clone, Copy)]
struct Once<'a> {
    path: Path<'a>,
}

impl<'de> DeserializeSeed<'de> for Once<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let path = Path::Index(&self.path, values.len());
            match list.next_element_seed(Once { path })? {
                Some(value) => values.push(value),
                None => return Ok(Value::Array(values)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = object.next_key::<String>()? {
            let path = Path::Key(&self.path, &key);
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{path}` stands twice; keep one of them")));
            }
            let value = object.next_value_seed(Once { path })?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_what_the_library_reads() {
        for text in [
            r#" {"a": [1, -2, 2.5, 1e300, true, null, "x\u00e9"], "b": {"a": {"a": {}}}, "": []} "#,
            "[]",
            "17",
            "0.1",
            "18446744073709551615",
        ] {
            assert_eq!(value(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap(), "{text}");
        }
        for text in ["", "{", "[1] 2", "1e999", r#"{"a" 1}"#, "\u{feff}1"] {
            assert!(value(text.as_bytes()).is_err(), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(value(deep.as_bytes()).unwrap_err().to_string().contains("recursion"));
        assert_eq!(read::<Vec<u8>>(b"[1, 2]").unwrap(), [1, 2]);
        assert!(read::<Vec<u8>>(b"[1, -2]").unwrap_err().to_string().contains("line 1 column"));
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_its_path() {
        for (text, path) in [
            (r#"{"a": 1, "a": 1}"#, "`a`"),
            (r#"{"a": {"b": [0, {"c": 1, "d": 2, "c": 3}]}}"#, "`a.b[1].c`"),
            (r#"{"a": 1, "\u0061": 2}"#, "`a`"),
            (r#"[[{"": 1, "": 1}]]"#, "`[0][0].`"),
        ] {
            let message = value(text.as_bytes()).unwrap_err().to_string();
            assert!(message.contains(path) && message.contains("twice") && message.contains("line 1"), "{message}");
            assert!(read::<Value>(text.as_bytes()).is_err());
        }
        assert_eq!(value(br#"{"a": {"b": 1}, "b": {"a": 1}}"#).unwrap(), json!({ "a": { "b": 1 }, "b": { "a": 1 } }));
    }
}
