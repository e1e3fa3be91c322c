//! Lists of images for requests to forget, as positions in the official training set.
//!
//! Suites and deletions use the same reader. The form of a file is found from its content, not from its name:
//!
//! - text: one position per line. Blank lines, and text after a `#`, are skipped;
//! - JSON lines: `17` or `{"id": 17}` per line;
//! - a JSON array of the same;
//! - a table with a line of headings and a column `id`, separated by commas, semicolons or tabs (`.csv`);
//! - a NumPy array (`.npy`): one dimension of whole numbers.
//!
//! A byte-order mark and Windows line ends are accepted. A repeated position, and anything else that is not
//! understood, is refused with its place.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde_json::Value;
use unlearn_files::{Form, json};

use crate::error::{Error, Result};
use crate::npy;

/// Maximum bytes of a list. In any form, that is enough for ten million positions.
const MOST: u64 = 1 << 28;

/// The forms of a file, for messages.
const FORMS: &str = "write one position (0, 1, 2, …) or {\"id\": position} a line";

/// A listed position that was not yet checked against a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// The position as written.
    pub position: i64,
    /// Its place in the list.
    pub place: Place,
}

/// A place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A line, from 1.
    Line(usize),
    /// An element of an array, from 0.
    Element(usize),
}

impl Place {
    /// The place with its file: `ids.txt:3`.
    pub fn in_file(self, path: &Path) -> String {
        match self {
            Self::Line(line) => format!("{}:{line}", path.display()),
            Self::Element(_) => format!("{}, {self}", path.display()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Element(element) => write!(f, "element {element}"),
        }
    }
}

/// The fault of a list, with its place if known.
pub(crate) type Problem = (Option<Place>, String);

/// How an element of a list is read. The error is the fault.
pub(crate) type ReadElement<'a, T> = &'a dyn Fn(&str) -> std::result::Result<T, String>;
/// How the needed cells of a table's row are read. The error is the fault.
pub(crate) type ReadCells<'a, T> = &'a dyn Fn(&[&str]) -> std::result::Result<T, String>;

/// The positions that a file lists, in its order.
///
/// # Errors
/// If the file cannot be read, is not a regular file, or has none of the forms, or if a position is listed twice.
pub fn read(path: &Path) -> Result<Vec<Listed>> {
    read_by(path, |bytes| parse(bytes).and_then(each_once))
}

/// Reads a list with `parse`, and adds the file to its faults.
pub(crate) fn read_by<T>(path: &Path, parse: impl FnOnce(Vec<u8>) -> Result<T, Problem>) -> Result<T> {
    let bytes = unlearn_files::read(path, MOST).map_err(|source| Error::Read { path: path.into(), source })?;
    parse(bytes).map_err(|(place, problem)| match place {
        Some(place) => Error::Index { place: place.in_file(path), problem },
        None => Error::IndexFile { path: path.into(), problem },
    })
}

/// Refuses a position that is listed twice.
pub(crate) fn each_once<T: AsRef<Listed>>(listed: Vec<T>) -> Result<Vec<T>, Problem> {
    let mut places = HashMap::with_capacity(listed.len());
    for Listed { position, place } in listed.iter().map(AsRef::as_ref) {
        if let Some(first) = places.insert(*position, *place) {
            let problem = format!("position {position} is named in {first} already; name each once");
            return Err((Some(*place), problem));
        }
    }
    Ok(listed)
}

impl AsRef<Self> for Listed {
    fn as_ref(&self) -> &Self {
        self
    }
}

fn parse(bytes: Vec<u8>) -> Result<Vec<Listed>, Problem> {
    if Form::of(&bytes) == Form::Npy {
        return array(&bytes).map_err(|problem| (None, problem));
    }
    let text = text(bytes, "a list of positions", FORMS)?;
    let columns = [("id", "the positions")];
    let found = elements(&text, &columns, &|cells| whole(cells[0]), &position)?;
    Ok(found.into_iter().map(|(position, place)| Listed { position, place }).collect())
}

/// The text of a list. Another kind of file is refused by its name; `forms` says what to write.
pub(crate) fn text(bytes: Vec<u8>, wanted: &str, forms: &str) -> Result<String, Problem> {
    match Form::of(&bytes) {
        Form::Empty | Form::Text | Form::Json | Form::ShardIndex | Form::Unknown => {}
        form => {
            let zip = (form == Form::Zip).then_some("save one array with `np.save`");
            let advice = form.advice().or(zip).unwrap_or(forms);
            return Err((None, format!("it is {form}, not {wanted}; {advice}")));
        }
    }
    unlearn_files::text(bytes).map_err(|error| (None, error.to_string()))
}

/// The elements of a list in any of its text forms, with their places. `columns` are those that are needed of a table, with what each
/// holds; `cells` reads these of a row, and `element` reads an element of another form.
pub(crate) fn elements<T>(
    text: &str,
    columns: &[(&str, &str)],
    cells: ReadCells<'_, T>,
    element: ReadElement<'_, T>,
) -> Result<Vec<(T, Place)>, Problem> {
    if text.trim_start().starts_with('[') {
        return json_array(text, element);
    }
    match separator(text) {
        Some(separator) => table(text, separator, columns, cells),
        None => lines(text, element),
    }
}

/// Reads text, or JSON lines.
fn lines<T>(text: &str, element: ReadElement<'_, T>) -> Result<Vec<(T, Place)>, Problem> {
    let mut listed = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = if line.trim_start().starts_with('{') { line } else { line.split('#').next().unwrap_or_default() };
        let line = line.trim();
        if !line.is_empty() {
            let place = Place::Line(number);
            listed.push((element(line).map_err(|problem| (Some(place), problem))?, place));
        }
    }
    Ok(listed)
}

/// One position: a number, or an object with only the key `id`.
fn position(text: &str) -> Result<i64, String> {
    if let Ok(position) = text.parse() {
        return Ok(position);
    }
    let neither = || format!("`{text}` is neither a position nor {{\"id\": position}}; {FORMS}");
    if !text.starts_with('{') {
        let is_number = text.parse::<f64>().is_ok_and(f64::is_finite);
        return Err(if is_number {
            format!("`{text}` is not a whole number that can be a position; {FORMS}")
        } else {
            neither()
        });
    }
    let Value::Object(object) = &value(text)? else { return Err(neither()) };
    if let Some(key) = object.keys().find(|key| *key != "id") {
        return Err(format!("the key `{key}` is not known; an image is named by {{\"id\": position}} alone"));
    }
    match object.get("id") {
        Some(id) => id.as_i64().ok_or_else(|| format!("`id` is {id}, and must be a whole number")),
        None => Err(neither()),
    }
}

/// A piece of JSON.
pub(crate) fn value(text: &str) -> Result<Value, String> {
    json::value(text.as_bytes()).map_err(|error| {
        let reason = error.to_string();
        // The line number would be that of this piece, not of the file.
        format!("`{text}`: {}", reason.split(" at line").next().unwrap_or_default())
    })
}

/// A position in a table's column `id`.
pub(crate) fn whole(id: &str) -> Result<i64, String> {
    id.parse().map_err(|_| format!("`id` is `{id}`, and must be a whole number"))
}

/// A JSON array. Its elements are split here, so that the line of each is known.
fn json_array<T>(text: &str, read: ReadElement<'_, T>) -> Result<Vec<(T, Place)>, Problem> {
    let open = text.find('[').unwrap_or_default();
    let (mut line, mut depth, mut quoted, mut escaped) =
        (1 + text[..open].matches('\n').count(), 0_usize, false, false);
    let mut listed = Vec::new();
    let mut element: Option<(usize, usize)> = None; // Its first byte and its line.
    let mut push = |element: &mut Option<(usize, usize)>, end: usize, line: usize, is_last: bool| {
        let Some((start, begun)) = element.take() else {
            // There is no element between two commas, or before the end. `[]` alone is an empty array.
            let problem = "an element is missing between two commas, or after the last; take the comma out".to_owned();
            return if is_last && listed.is_empty() { Ok(()) } else { Err((Some(Place::Line(line)), problem)) };
        };
        let place = Place::Line(begun);
        listed.push((read(text[start..end].trim_end()).map_err(|problem| (Some(place), problem))?, place));
        Ok(())
    };
    for (at, c) in text.char_indices().skip_while(|(at, _)| *at <= open) {
        match c {
            '\n' => line += 1,
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => {
                quoted = !quoted;
                element.get_or_insert((at, line));
            }
            _ if quoted || c.is_whitespace() => {}
            ',' if depth == 0 => push(&mut element, at, line, false)?,
            ']' if depth == 0 => {
                push(&mut element, at, line, true)?;
                if text[at + 1..].trim().is_empty() {
                    return Ok(listed);
                }
                return Err((
                    Some(Place::Line(line)),
                    "something follows the array; give one array, and nothing after it".into(),
                ));
            }
            _ => {
                match c {
                    '{' | '[' => depth += 1,
                    '}' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                element.get_or_insert((at, line));
            }
        }
    }
    Err((Some(Place::Line(line)), "the array has no end; the file may be cut short".into()))
}

/// The separator of a table's columns. A table is recognised by a first non-blank line of headings with a column
/// `id`, or with several columns.
fn separator(text: &str) -> Option<u8> {
    let first = text.lines().map(str::trim_end).find(|line| !line.trim().is_empty())?;
    let is_heading = |name: &str| {
        let name = name.trim().trim_matches('"');
        !name.starts_with(['{', '#']) && name.parse::<f64>().is_err()
    };
    let names = |separator: char| -> Vec<&str> { first.split(separator).collect() };
    let found = [',', ';', '\t']
        .into_iter()
        .find(|separator| names(*separator).iter().any(|name| name.trim_matches([' ', '"']) == "id"));
    let several =
        || [',', ';', '\t'].into_iter().find(|s| names(*s).len() > 1 && names(*s).into_iter().all(is_heading));
    found.filter(|_| is_heading(first)).or_else(several).map(|separator| separator as u8)
}

/// A table with these columns, and perhaps others.
fn table<T>(
    text: &str,
    separator: u8,
    wanted: &[(&str, &str)],
    cells: ReadCells<'_, T>,
) -> Result<Vec<(T, Place)>, Problem> {
    if let Some(line) = unclosed_quote(text, separator) {
        let problem = "the quotation mark that opens a field here is never closed, so the rest of the file would be one field; close \
                       it, or take it out";
        return Err((Some(Place::Line(line)), problem.to_owned()));
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
    let failed = |error: csv::Error| {
        let place = error.position().map(|position| Place::Line(Lines::of(text).at(position.byte())));
        let problem = match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("the line has {len} columns, and the headings name {expected_len}; give every line as many")
            }
            _ => error.to_string(),
        };
        (place, problem)
    };
    let headings = reader.headers().map_err(failed)?.clone();
    let mut columns = Vec::with_capacity(wanted.len());
    for (name, content) in wanted {
        let named: Vec<usize> = (0..headings.len()).filter(|column| &headings[*column] == *name).collect();
        let [column] = named[..] else {
            let found = headings.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let what = if named.is_empty() { "has no column" } else { "has several columns" };
            let problem =
                format!("the table {what} `{name}`; its columns are {found}; name the one with {content} `{name}`");
            return Err((Some(Place::Line(1)), problem));
        };
        columns.push(column);
    }
    let (mut listed, mut lines) = (Vec::new(), Lines::of(text));
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let place = Place::Line(lines.at(record.position().map_or(0, csv::Position::byte)));
        let row: Vec<&str> = columns.iter().map(|column| &record[*column]).collect();
        listed.push((cells(&row).map_err(|problem| (Some(place), problem))?, place));
    }
    Ok(listed)
}

/// The line of a quotation mark that opens a field and is not closed. `csv` reads such a field up to the end of the file,
/// without an error. As there, a mark opens a field only as its first character, and two marks stand for one.
fn unclosed_quote(text: &str, separator: u8) -> Option<usize> {
    let (mut line, mut is_first, mut open) = (1, true, None);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        line += usize::from(byte == b'\n');
        if open.is_some() {
            if byte == b'"' && bytes.next_if_eq(&b'"').is_none() {
                open = None;
            }
        } else if byte == b'"' && is_first {
            open = Some(line);
        }
        is_first = open.is_none() && (byte == separator || byte == b'\n' || byte == b'\r');
    }
    open
}

/// Counts the lines before consecutive records. The counter of `csv` ignores Windows line ends and blank lines.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), byte: 0, line: 1 }
    }

    /// The line, from 1, of the first record at or after `byte`. Each call needs at least the byte of the previous
    /// one.
    fn at(&mut self, byte: u64) -> usize {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX).min(self.text.len());
        let blank = self.text[byte..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.line += self.text[self.byte..byte + blank].split(|byte| *byte == b'\n').count() - 1;
        self.byte = byte + blank;
        self.line
    }
}

/// Reads a NumPy array.
fn array(mut bytes: &[u8]) -> Result<Vec<Listed>, String> {
    let header = npy::header(&mut bytes)?;
    let [count] = header.shape[..] else {
        let shape = npy::tuple(&header.shape);
        return Err(format!("the array's shape is {shape}, and one dimension is needed; save `array.ravel()`"));
    };
    let advice = match header.descr.as_bytes() {
        [_, b'b', _] => "of a mask, save `np.flatnonzero(mask)`",
        [_, b'u' | b'i', _] => "save `array.astype('<i8')`",
        _ => "positions are whole numbers; save `array.astype('<i8')` if these are",
    };
    let refuse = || format!("its elements are '{}'; {advice}", header.descr);
    let numeric = matches!(header.descr.as_bytes(), [_, b'u' | b'i', ..]);
    let element = header.element_len().filter(|_| numeric).ok_or_else(refuse)?;
    if count.checked_mul(element) != Some(bytes.len()) {
        return Err(format!("{count} elements announced, {} bytes of {element} each found", bytes.len()));
    }
    let positions = header.integers(bytes).ok_or("an element is larger than any position")?;
    Ok((0..).zip(positions).map(|(at, position)| Listed { position, place: Place::Element(at) }).collect())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::{
        collection::{btree_set, vec},
        prelude::*,
        sample,
    };

    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        [npy::MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn listed(content: impl AsRef<[u8]>) -> Result<Vec<(i64, usize)>, Problem> {
        let listed = parse(content.as_ref().to_vec()).and_then(each_once)?;
        let place = |place| match place {
            Place::Line(at) | Place::Element(at) => at,
        };
        Ok(listed.into_iter().map(|one| (one.position, place(one.place))).collect())
    }

    #[test]
    fn every_form_names_the_same_positions() {
        for (form, lines) in [
            ("10\n11\n", [1, 2]),
            ("10\r\n11\r\n", [1, 2]),
            ("\u{feff}10\n11", [1, 2]),
            ("\n # mislabelled:\n10 # a shoe\n\n11", [3, 5]),
            ("{\"id\": 10}\n{\"id\":11}\n", [1, 2]),
            ("\u{feff}{\"id\": 10}\r\n\r\n11\r\n", [1, 3]),
            ("[10, 11]", [1, 1]),
            ("\u{feff}\n[\n  10,\n  {\n \"id\": 11\n }\n]\n", [3, 4]),
            ("id\n10\n11\n", [2, 3]),
            ("\u{feff}label,\"id\"\r\nshirt,10\r\n\"a\nb\",11\r\n", [2, 3]),
            ("\nid;label\n10;a, b\n\n11;c\n", [3, 5]),
            ("\tid\n0\t10\n1\t 11\n", [2, 3]),
            ("id,name\n10,5\" nail\n11,\"a \"\"b\"\"\"\n", [2, 3]),
        ] {
            assert_eq!(listed(form).unwrap(), [(10, lines[0]), (11, lines[1])], "{form:?}");
        }
        for nothing in ["", "\n\n", "[]", " [ ] ", "id\n", "# none"] {
            assert_eq!(listed(nothing).unwrap(), [], "{nothing:?}");
        }
        assert_eq!(listed("-1\n+3\n007").unwrap(), [(-1, 1), (3, 2), (7, 3)], "a dataset says which of them it has");
    }

    #[test]
    fn what_is_no_list_is_refused_with_its_line() {
        for (content, line, words) in [
            ("3\nfour\n", 2, "`four` is neither a position"),
            ("3\n4.0", 2, "`4.0` is not a whole number"),
            ("1e3", 1, "not a whole number"),
            ("99999999999999999999", 1, "not a whole number"),
            ("1, 2", 1, "neither a position"),
            ("3\n\"4\"", 2, "neither a position"),
            ("3\nnull", 2, "neither a position"),
            ("3\n\n3", 3, "named in line 1 already"),
            ("{\"id\": 1}\n[2]", 2, "neither a position"),
            ("{\"id\": 10, \"id\": 11}", 1, "the key `id` stands twice"),
            ("1\n{\"id\": 10, \"label\": 11}", 2, "the key `label` is not known"),
            ("{\"id\": 1.5}", 1, "`id` is 1.5"),
            ("{\"id\": \"1\"}", 1, "must be a whole number"),
            ("{}", 1, "neither"),
            ("{\n\"id\": 1}", 1, "EOF"),
            ("[1,\n2,\n1]", 3, "named in line 1 already"),
            ("[1,\n2.5]", 2, "not a whole number"),
            ("[1,\n\"]\"]", 2, "neither a position"),
            ("[1,,2]", 1, "missing"),
            ("[1,\n]", 2, "missing"),
            ("[1,\n2", 2, "no end"),
            ("[1]\n[2]", 1, "something follows"),
            ("[1,\n[2]]", 2, "neither"),
            ("[{\"id\": 1},\n{\"id\": 2, \"id\": 3}]", 2, "twice"),
            ("number,label\n1,2", 1, "no column `id`; its columns are `number`, `label`"),
            ("id,id\n1,2", 1, "several columns `id`"),
            ("id,label\n1,2\n3", 3, "1 columns, and the headings name 2"),
            ("id,label\n1,2\n3.0,4", 3, "`id` is `3.0`"),
            ("id,label\n1,2\n,4", 3, "`id` is ``"),
            ("id\n1\n2\n1", 4, "named in line 2 already"),
            ("id,name\n1,\"unterminated\n2,x\n", 2, "never closed"),
            ("id,name\r\n1,\"a \"\"b\"\"\"\r\n2,\"\r\n3,x\r\n", 3, "never closed"),
            ("\"id\n1\n", 1, "never closed"),
        ] {
            let (place, problem) = listed(content).unwrap_err();
            assert!(place == Some(Place::Line(line)) && problem.contains(words), "{content:?}: {place:?} {problem}");
        }
    }

    #[test]
    fn what_is_another_kind_of_file_is_called_by_its_name() {
        for (content, words) in [
            (&b"PK\x03\x04"[..], "it is a zip archive, not a list of positions; save one array with `np.save`"),
            (b"\x80\x04\x95", "a Python pickle"),
            (b"\x1f\x8b\x08\0", "unpack it with `gunzip`"),
            (b"<!DOCTYPE html>", "web page"),
            (b"\xff\xfe1\0", "UTF-16"),
            (b"1\n\xe9", "line 2: the text is not UTF-8"),
        ] {
            let (place, problem) = listed(content).unwrap_err();
            assert!(place.is_none() && problem.contains(words), "{problem}");
        }
    }

    #[test]
    fn numpys_own_files_are_read() {
        for file in ["positions_int32_v1.npy", "positions_int64_v2.npy"] {
            let path = unlearn_tests::golden::path("datasets").join(file);
            let positions: Vec<i64> = read(&path).unwrap().iter().map(|listed| listed.position).collect();
            assert_eq!(positions, [3, 14, 159, 2, 65], "{file}");
        }
    }

    #[test]
    fn arrays_of_another_kind_are_refused() {
        let refuses = |bytes: &[u8], message: &str| {
            let error = array(bytes).unwrap_err();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses(&npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]), "elements are '<f8'");
        refuses(
            &npy("{'descr': '>i8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]),
            "save `array.astype('<i8')`",
        );
        refuses(&npy("{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }", &[0; 1]), "np.flatnonzero(mask)");
        refuses(&npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }", &[0; 4]), "elements are '<U1'");
        refuses(&npy("{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }", &[255; 8]), "larger than any");
        refuses(&npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1), }", &[0; 8]), "shape is (1, 1)");
        refuses(&npy("{'descr': '<i8', 'fortran_order': False, 'shape': (), }", &[0; 8]), "shape is ()");
        refuses(&npy("{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }", &[0; 8]), "2 elements announced");
        refuses(&npy("{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }", &[0; 12]), "12 bytes");
        refuses(&npy("{'fortran_order': False, 'shape': (1,), }", &[0; 8]), "no `descr`");
        refuses(
            &npy("{'descr': '<i8', 'fortran_order': False, 'shape': (x,), }", &[0; 8]),
            "shape is (x,), which is no tuple",
        );
        refuses(&npy("{'shape': (1", &[]), "no `shape`");
        refuses(b"\x93NUMPY", "cut short");
        refuses(b"\x93NUMPY\x01\x00\xFF", "cut short");
        refuses(b"\x93NUMPY\x01\x00\xFF\xFFabc", "cut short");
        refuses(b"\x93NUMPY\x03\x00", ".npy version 3");
        let (place, problem) =
            listed(npy("{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", &[7, 8, 7])).unwrap_err();
        assert_eq!((place, problem.contains("named in element 0 already")), (Some(Place::Element(2)), true));
    }

    proptest! {
        #[test]
        fn a_list_reads_back_in_every_form(positions in btree_set(0_i64..1_000_000, 0..40)) {
            let positions: Vec<i64> = positions.into_iter().rev().collect();
            let numbers: Vec<String> = positions.iter().map(ToString::to_string).collect();
            let objects: Vec<String> = positions.iter().map(|id| format!("{{\"id\": {id}}}")).collect();
            let data: Vec<u8> = positions.iter().flat_map(|id| id.to_le_bytes()).collect();
            let header = format!("{{'descr': '<i8', 'fortran_order': False, 'shape': ({},), }}", positions.len());
            for content in [
                numbers.join("\n").into_bytes(),
                objects.join("\r\n").into_bytes(),
                format!("[{}]", numbers.join(",\n")).into_bytes(),
                format!(" [\n{}]\n", objects.join(", ")).into_bytes(),
                format!("id\r\n{}\r\n", numbers.join("\r\n")).into_bytes(),
                format!("number,id\n1,{}", numbers.join("\n1,")).replace("\n1,\n", "\n").trim_end_matches("1,").into(),
                npy(&header, &data),
            ] {
                let read: Vec<i64> = listed(&content).unwrap().into_iter().map(|(position, _)| position).collect();
                prop_assert_eq!(&read, &positions, "{}", content.escape_ascii());
            }
        }

        #[test]
        fn text_of_any_kind_gives_positions_in_its_lines_or_an_error(pieces in vec(sample::select(PIECES), 0..24)) {
            let text = pieces.concat();
            let lines = text.split('\n').count();
            match listed(&text) {
                Ok(listed) => prop_assert!(listed.iter().all(|(_, line)| (1..=lines).contains(line)), "{listed:?}"),
                Err((place, problem)) => {
                    prop_assert!(!problem.is_empty());
                    if let Some(Place::Line(line)) = place {
                        prop_assert!((1..=lines).contains(&line), "{line} of {lines}: {problem}");
                    }
                }
            }
        }
    }

    /// Pieces from which test texts are made.
    const PIECES: &[&str] = &[
        "1",
        "2",
        "30",
        "-4",
        "5.5",
        "id",
        "\"id\"",
        "{\"id\": 6}",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        ";",
        "\t",
        "\n",
        "\r\n",
        " ",
        "#",
        "\"",
        "\\",
        "\u{feff}",
        "é",
    ];

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&PathBuf::from("no/such.npy")).unwrap_err().to_string();
        assert!(error.starts_with("failed to read no/such.npy: "), "{error}");
    }
}
