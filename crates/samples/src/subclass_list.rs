//! Lists of the subclasses of images, for data sets that do not know them.
//!
//! A list has the same forms as a list of [positions](crate::positions), with a subclass beside each position: a table with the columns
//! `id` and `subclass`, or `{"id": 17, "subclass": "rocket"}` per line or in an array. A subclass is a word or a number. Images that are
//! not listed have no subclass.

use std::path::Path;

use serde_json::Value;

use crate::error::Result;
use crate::positions::{Listed, Problem, each_once, elements, read_by, text, value, whole};

/// The forms of a file, for messages.
const FORMS: &str =
    "write {\"id\": position, \"subclass\": name} a line, or a table with the columns `id` and `subclass` (.csv)";

/// A listed image with its subclass, not yet checked against a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSubclass {
    /// The image.
    pub listed: Listed,
    /// Its subclass. A number is written in digits.
    pub subclass: String,
}

impl AsRef<Listed> for ListedSubclass {
    fn as_ref(&self) -> &Listed {
        &self.listed
    }
}

/// The images that a file lists, with their subclasses, in its order.
///
/// # Errors
/// If the file cannot be read, is not a regular file, or has none of the forms, or if a position is listed twice.
pub fn read(path: &Path) -> Result<Vec<ListedSubclass>> {
    read_by(path, |bytes| parse(bytes).and_then(each_once))
}

fn parse(bytes: Vec<u8>) -> Result<Vec<ListedSubclass>, Problem> {
    let text = text(bytes, "a list of subclasses", FORMS)?;
    let columns = [("id", "the positions"), ("subclass", "the subclasses")];
    let row = |cells: &[&str]| {
        let position = whole(cells[0])?;
        match cells[1] {
            "" => Err("`subclass` is empty; name it, or leave the line out".to_owned()),
            name => Ok((position, name.to_owned())),
        }
    };
    let found = elements(&text, &columns, &row, &object)?;
    let listed = |((position, subclass), place)| ListedSubclass { listed: Listed { position, place }, subclass };
    Ok(found.into_iter().map(listed).collect())
}

/// `{"id": 17, "subclass": "rocket"}`.
fn object(text: &str) -> Result<(i64, String), String> {
    let neither = || format!("`{text}` does not name an image and its subclass; {FORMS}");
    if !text.starts_with('{') {
        return Err(neither());
    }
    let Value::Object(object) = value(text)? else { return Err(neither()) };
    if let Some(key) = object.keys().find(|key| !["id", "subclass"].contains(&key.as_str())) {
        return Err(format!("the key `{key}` is not known; {FORMS}"));
    }
    let (Some(id), Some(subclass)) = (object.get("id"), object.get("subclass")) else { return Err(neither()) };
    let position = id.as_i64().ok_or_else(|| format!("`id` is {id}, and must be a whole number"))?;
    let name = match subclass {
        Value::String(name) if !name.trim().is_empty() => name.trim().to_owned(),
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        other => return Err(format!("`subclass` is {other}, and must be a word or a whole number")),
    };
    Ok((position, name))
}

#[cfg(test)]
mod tests {
    use crate::positions::Place;

    use super::*;

    fn listed(text: &str) -> Result<Vec<(i64, String, Place)>, Problem> {
        let listed = parse(text.as_bytes().to_vec()).and_then(each_once)?;
        Ok(listed.into_iter().map(|one| (one.listed.position, one.subclass, one.listed.place)).collect())
    }

    #[test]
    fn every_form_names_the_same_subclasses() {
        for (form, lines) in [
            ("id,subclass\n10,red\n11,7\n", [2, 3]),
            ("\u{feff}subclass;note;id\r\nred;x;10\r\n7;y;11\r\n", [2, 3]),
            ("{\"id\": 10, \"subclass\": \"red\"}\n\n{\"subclass\": 7, \"id\": 11}", [1, 3]),
            ("[{\"id\": 10, \"subclass\": \"red\"},\n{\"id\": 11, \"subclass\": \"7\"}]", [1, 2]),
        ] {
            let expected = [(10, "red".to_owned(), Place::Line(lines[0])), (11, "7".into(), Place::Line(lines[1]))];
            assert_eq!(listed(form).unwrap(), expected, "{form:?}");
        }
        assert_eq!(listed("id,subclass\n").unwrap(), []);
    }

    #[test]
    fn what_names_no_subclass_is_refused_with_its_line() {
        for (text, line, words) in [
            ("10\n", 1, "`10` does not name an image and its subclass; write {\"id\""),
            ("{\"id\": 10}", 1, "does not name an image and its subclass"),
            ("{\"id\": 10, \"subclass\": \"a\", \"class\": 1}", 1, "the key `class` is not known"),
            ("{\"id\": 10, \"subclass\": 1.5}", 1, "`subclass` is 1.5, and must be a word or a whole number"),
            ("{\"id\": 10, \"subclass\": \" \"}", 1, "must be a word"),
            ("{\"id\": \"x\", \"subclass\": 1}", 1, "`id` is \"x\""),
            (
                "id,class\n1,2",
                1,
                "no column `subclass`; its columns are `id`, `class`; name the one with the subclasses",
            ),
            ("id,subclass\n1,a\n2,\n", 3, "`subclass` is empty"),
            ("id,subclass\r\n1,a\r\n\r\n1,b\r\n", 4, "position 1 is named in line 2 already"),
            ("id,subclass\none,a\n", 2, "`id` is `one`"),
        ] {
            let (place, problem) = listed(text).unwrap_err();
            assert!(place == Some(Place::Line(line)) && problem.contains(words), "{text:?}: {place:?} {problem}");
        }
        let (place, problem) = listed("PK\u{3}\u{4}").unwrap_err();
        assert!(place.is_none() && problem.starts_with("it is a zip archive, not a list of subclasses"), "{problem}");
        let (_, problem) = parse(b"\x93NUMPY\x01\x00".to_vec()).unwrap_err();
        assert!(problem.contains("not a list of subclasses; write {"), "{problem}");
    }
}
