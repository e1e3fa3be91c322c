//! NumPy's `.npy` arrays: a short header that is a Python dictionary, then the elements.
//!
//! The format is described in NumPy's `numpy.lib.format`. Versions 1 and 2 are read, and version 1 is written. No
//! memory is allocated on the header's word alone: elements are read as they arrive.

use std::io::Read;

/// The first bytes of a file.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Maximum bytes of a header. NumPy's own have about a hundred.
const HEADER_LIMIT: usize = 1 << 16;

/// A result whose error is the fault of a file.
pub type Checked<T> = Result<T, String>;

/// The content of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// NumPy's code of the elements' type, such as `|u1` or `<i8`.
    pub descr: String,
    /// Whether the first dimension varies fastest.
    pub column_major: bool,
    /// Lengths of the dimensions.
    pub shape: Vec<usize>,
}

/// Reads a header. The elements follow in `reader`.
///
/// # Errors
/// If it is cut short, of another version, or not a header.
pub fn header(reader: &mut impl Read) -> Checked<Header> {
    let cut_short = || "the .npy header is cut short".to_owned();
    let mut start = [0; 8];
    reader.read_exact(&mut start).map_err(|_| cut_short())?;
    if !start.starts_with(MAGIC) {
        return Err("it is not a .npy array".into());
    }
    let mut length = [0; 4];
    let length_bytes = match start[6] {
        1 => 2,
        2 => 4,
        other => return Err(format!(".npy version {other} is not read; save it as version 1 or 2")),
    };
    reader.read_exact(&mut length[..length_bytes]).map_err(|_| cut_short())?;
    let length = u32::from_le_bytes(length) as usize;
    if length > HEADER_LIMIT {
        return Err(format!("the .npy header announces {length} bytes; at most {HEADER_LIMIT} are read"));
    }
    let mut header = Vec::new();
    reader.take(length as u64).read_to_end(&mut header).map_err(|error| error.to_string())?;
    if header.len() != length {
        return Err(cut_short());
    }
    let header = str::from_utf8(&header).map_err(|_| "the .npy header is not text".to_owned())?;
    Ok(Header {
        shape: sides(field(header, "shape")?)?,
        descr: field(header, "descr")?.trim_matches(['\'', '"']).into(),
        column_major: field(header, "fortran_order")? == "True",
    })
}

/// The value of `key` in the header, a Python dictionary such as `{'descr': '<i8', 'shape': (3,), }`.
fn field<'a>(header: &'a str, key: &str) -> Checked<&'a str> {
    let missing = || format!("the .npy header has no `{key}`");
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or_else(missing)?;
    let rest = rest.trim_start();
    let end = if rest.starts_with('(') { rest.find(')').map(|i| i + 1) } else { rest.find([',', '}']) };
    Ok(rest[..end.ok_or_else(missing)?].trim())
}

fn sides(shape: &str) -> Checked<Vec<usize>> {
    let refuse = || format!("the array's shape is {shape}, which is no tuple of lengths");
    let inner = shape.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')).ok_or_else(refuse)?;
    let sides = inner.split(',').map(str::trim).filter(|side| !side.is_empty());
    sides.map(|side| side.parse().map_err(|_| refuse())).collect()
}

/// A shape in Python's notation of tuples: `()`, `(3,)`, `(3, 4)`.
pub fn tuple(shape: &[usize]) -> String {
    match shape {
        [side] => format!("({side},)"),
        _ => format!("({})", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    }
}

impl Header {
    /// The file's bytes before the elements. Their length is a multiple of 64, as in NumPy.
    pub fn encode(&self) -> Vec<u8> {
        let order = if self.column_major { "True" } else { "False" };
        let shape = tuple(&self.shape);
        let text = format!("{{'descr': '{}', 'fortran_order': {order}, 'shape': {shape}, }}", self.descr);
        let len = (MAGIC.len() + 4 + text.len() + 1).next_multiple_of(64) - MAGIC.len() - 4;
        let text = format!("{text:<width$}\n", width = len - 1);
        [MAGIC, &[1, 0], &(len as u16).to_le_bytes(), text.as_bytes()].concat()
    }

    /// Bytes per element of the types that are read: little-endian whole numbers, and text (`<U12`).
    pub fn element_len(&self) -> Option<usize> {
        match self.descr.as_bytes() {
            [b'|', b'u' | b'i', b'1'] => Some(1),
            [b'<', b'u' | b'i', digit @ (b'2' | b'4' | b'8')] => Some(usize::from(digit - b'0')),
            [b'<', b'U', ..] => self.descr[2..].parse().ok().and_then(|letters: usize| letters.checked_mul(4)),
            _ => None,
        }
    }

    /// Bytes of all elements. `None` for a type that is not read, or if the number overflows.
    pub fn data_len(&self) -> Option<usize> {
        self.shape.iter().try_fold(self.element_len()?, |product, &side| product.checked_mul(side))
    }

    /// Whole numbers from their bytes. `None` if the elements are not whole numbers, or one exceeds 63 bits.
    pub fn integers(&self, bytes: &[u8]) -> Option<Vec<i64>> {
        let len = self.element_len()?;
        let unsigned = match self.descr.as_bytes()[1] {
            b'u' => true,
            b'i' => false,
            _ => return None,
        };
        let integer = |bytes: &[u8]| {
            let fill = if !unsigned && bytes[len - 1] >= 0x80 { 0xFF } else { 0 };
            let mut wide = [fill; 8];
            wide[..len].copy_from_slice(bytes);
            let value = i64::from_le_bytes(wide);
            (!unsigned || value >= 0).then_some(value)
        };
        bytes.chunks_exact(len).map(integer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for shape in [vec![], vec![3], vec![60_000, 32, 32, 3]] {
            let written = Header { descr: "<i8".into(), column_major: false, shape };
            let bytes = written.encode();
            assert_eq!(bytes.len() % 64, 0);
            assert_eq!(header(&mut &bytes[..]).unwrap(), written);
            assert_eq!(written.data_len(), Some(8 * written.shape.iter().product::<usize>()));
        }
    }

    #[test]
    fn integers_of_every_width_keep_their_sign() {
        let read = |descr: &str, bytes: &[u8]| {
            Header { descr: descr.into(), column_major: false, shape: vec![] }.integers(bytes)
        };
        assert_eq!(read("|u1", &[0, 255]), Some(vec![0, 255]));
        assert_eq!(read("|i1", &[1, 255]), Some(vec![1, -1]));
        assert_eq!(read("<u2", &[0, 255]), Some(vec![65280]));
        assert_eq!(read("<i4", &[0xFE, 255, 255, 255]), Some(vec![-2]));
        assert_eq!(read("<u8", &[255; 8]), None);
        assert_eq!(read("<f4", &[0; 4]), None);
        assert_eq!(read(">i4", &[0; 4]), None);
    }
}
