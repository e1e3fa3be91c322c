//! Files of positions: `.npy` arrays, or text with one position a line.
//!
//! Which of the two a file is, its first bytes tell. `.npy`: the format of NumPy's `numpy.lib.format`, versions 1 and 2,
//! one dimension, little-endian `int32` or `int64`. Text: decimal numbers; blank lines and what follows a `#` are skipped.

use std::path::Path;

use crate::error::{Error, Result};
use crate::npy;

/// The positions in the file, in its order, not yet checked against any set.
///
/// # Errors
/// When the file cannot be read or is neither of the two formats.
pub fn read(path: &Path) -> Result<Vec<i64>> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    let parsed = if bytes.starts_with(npy::MAGIC) { parse_npy(&bytes) } else { parse_text(&bytes) };
    parsed.map_err(|problem| Error::IndexFile { path: path.into(), problem })
}

fn parse_text(bytes: &[u8]) -> Result<Vec<i64>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is neither a .npy array nor text".to_owned())?;
    let numbers = (1..).zip(text.lines()).map(|(number, line)| (number, line.split('#').next().unwrap_or("").trim()));
    numbers
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            line.parse().map_err(|_| format!("line {number} is `{line}`; write one position (0, 1, 2, …) a line"))
        })
        .collect()
}

fn parse_npy(mut bytes: &[u8]) -> Result<Vec<i64>, String> {
    let header = npy::header(&mut bytes)?;
    let [count] = header.shape[..] else {
        return Err(format!("the array's shape is {}; one dimension is needed", npy::tuple(&header.shape)));
    };
    let element = match header.descr.as_str() {
        "<i4" => 4,
        "<i8" => 8,
        other => return Err(format!("elements are '{other}'; convert to '<i4' or '<i8' (int32 or int64)")),
    };
    if count.checked_mul(element) != Some(bytes.len()) {
        return Err(format!("{count} elements announced, {} bytes of {element} each found", bytes.len()));
    }
    header.integers(bytes).ok_or_else(|| "its elements are no whole numbers".into())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        [npy::MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn numpys_own_files_are_read() {
        for file in ["positions_int32_v1.npy", "positions_int64_v2.npy"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/datasets").join(file);
            assert_eq!(read(&path).unwrap(), [3, 14, 159, 2, 65], "{file}");
        }
    }

    #[test]
    fn text_has_a_position_a_line() {
        assert_eq!(parse_text(b"3\n\n # mislabelled:\r\n14 # a shoe\r\n-1").unwrap(), [3, 14, -1]);
        assert_eq!(parse_text(b"").unwrap(), [0; 0]);
        let error = parse_text(b"3\nfour\n").unwrap_err();
        assert_eq!(error, "line 2 is `four`; write one position (0, 1, 2, …) a line");
        assert!(parse_text(&[0xFF, 0xFE]).unwrap_err().contains("neither"));
    }

    #[test]
    fn arrays_of_another_kind_are_refused() {
        let refuses = |bytes: &[u8], message: &str| {
            let error = parse_npy(bytes).unwrap_err();
            assert!(error.contains(message), "{error:?} does not contain {message:?}");
        };
        refuses(&npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]), "elements are '<f8'");
        refuses(&npy("{'descr': '>i8', 'fortran_order': False, 'shape': (1,), }", &[0; 8]), "elements are '>i8'");
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
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(&PathBuf::from("no/such.npy")).unwrap_err().to_string();
        assert!(error.starts_with("failed to read no/such.npy: "), "{error}");
    }
}
