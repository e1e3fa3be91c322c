//! Arrays of unsigned bytes in MATLAB's MAT-files of level 5. A vector of whole numbers up to 255 may be of any other type, because
//! MATLAB's numbers are fractions unless they are made otherwise.
//!
//! A file is a header of 128 bytes, then elements. An element is a tag (type and length) and the data, padded to a
//! multiple of 8 bytes. An array is an element that contains elements (flags, dimensions, name, values in
//! column-major order), and may be packed with zlib as a whole. The layout is published by `MathWorks` as "MAT-File
//! Format". Only little-endian files are read.
//!
//! The caller checks the shape of each array before its values are read. So a file takes no more memory than the
//! requested arrays, however it is packed.

use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::ZlibDecoder;

use crate::error::{Error, Result};
use crate::formats::proportion;

const HEADER: usize = 128;
const INT8: u32 = 1;
const UINT8: u32 = 2;
const INT32: u32 = 5;
const UINT32: u32 = 6;
const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// Maximum bytes of an array's flags, shape or name. A shape of 64 dimensions and a name of 63 characters are
/// shorter.
const SMALL: u32 = 256;

/// Most names of arrays in a message.
const NAMED: usize = 8;

/// A result whose error is the fault of a file.
type Checked<T> = std::result::Result<T, String>;

/// Reads the arrays of these names from the file `path`, values in column-major order.
///
/// `check` gets the name and the shape of each array when it is met, and refuses an unexpected shape.
///
/// # Errors
/// If the file cannot be read, is not such a MAT-file, is damaged, lacks an array, or holds something else under its
/// name. Also errors of `check`.
pub fn read<const COUNT: usize>(
    path: &Path,
    names: [&'static str; COUNT],
    check: impl Fn(&'static str, &[usize]) -> Result<()>,
) -> Result<[Vec<u8>; COUNT]> {
    let failed = |source| Error::Io { action: "open", path: path.into(), source };
    let file = unlearn_files::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    decode(BufReader::new(file), path, names, |name, shape| {
        check(name, shape)?;
        let announced = shape.iter().fold(1_u64, |product, &side| product.saturating_mul(side as u64));
        let checked = proportion::check(announced, len, "save it without compression");
        checked.map_err(|problem| Error::Damaged { path: path.into(), problem: format!("array `{name}`: {problem}") })
    })
}

/// As [`read`], from any reader. `path` is only for errors.
///
/// # Errors
/// As [`read`].
pub fn decode<const COUNT: usize>(
    mut reader: impl Read,
    path: &Path,
    names: [&'static str; COUNT],
    check: impl Fn(&'static str, &[usize]) -> Result<()>,
) -> Result<[Vec<u8>; COUNT]> {
    let damaged = |problem: String| Error::Damaged { path: path.into(), problem };
    header(&mut reader).map_err(damaged)?;
    let mut arrays = [const { None }; COUNT];
    let mut others = Vec::new();
    while arrays.iter().any(Option::is_none) {
        let Some((kind, len)) = outer_tag(&mut reader).map_err(damaged)? else { break };
        let mut element = reader.by_ref().take(len.into());
        let found = match kind {
            COMPRESSED => {
                let mut unpacked = ZlibDecoder::new(&mut element);
                let (inner, inner_len) = tag(&mut unpacked).map_err(damaged)?;
                if inner == MATRIX {
                    let found =
                        matrix(&mut unpacked.by_ref().take(inner_len.into()), &names, path, &check, &mut others)?;
                    // The checksum is compared at the end of the stream.
                    if found.is_some() {
                        end(&mut unpacked).map_err(damaged)?;
                    }
                    found
                } else {
                    None
                }
            }
            MATRIX => matrix(&mut element, &names, path, &check, &mut others)?,
            _ => None,
        };
        if let Some((index, values)) = found {
            arrays[index] = Some(values);
        }
        io::copy(&mut element, &mut io::sink()).map_err(|error| damaged(unreadable(&error)))?;
        if kind != COMPRESSED {
            padding(&mut reader, len.into()).map_err(damaged)?;
        }
    }
    if let Some(missing) = arrays.iter().position(Option::is_none) {
        let found = names.iter().zip(&arrays).filter(|(_, array)| array.is_some()).map(|(name, _)| (*name).to_owned());
        let found: Vec<_> = found.chain(others).map(|name| format!("`{name}`")).collect();
        let found = if found.is_empty() { "none".into() } else { found.join(", ") };
        return Err(damaged(format!(
            "it has no array `{0}`; its arrays: {found}; name the array `{0}` and save it again",
            names[missing]
        )));
    }
    Ok(arrays.map(Option::unwrap_or_default))
}

fn header(reader: &mut impl Read) -> Checked<()> {
    let header: [u8; HEADER] = exactly(reader)?;
    match &header[124..] {
        [0, 1, b'I', b'M'] => Ok(()),
        [1, 0, b'M', b'I'] => {
            Err("it was written on a big-endian machine; save it again on a little-endian one".into())
        }
        _ => Err("it is not a MAT-file of level 5; save it as `-v7` (and not as `-v7.3`, which is HDF5)".into()),
    }
}

/// The array of an element if it is one of `names`: its position and its values. Others are skipped.
fn matrix(
    element: &mut impl Read,
    names: &[&'static str],
    path: &Path,
    check: impl Fn(&'static str, &[usize]) -> Result<()>,
    others: &mut Vec<String>,
) -> Result<Option<(usize, Vec<u8>)>> {
    let damaged = |problem: String| Error::Damaged { path: path.into(), problem };
    let (shape, name) = describe(element).map_err(damaged)?;
    let Some(index) = names.iter().position(|wanted| wanted.as_bytes() == name) else {
        if others.len() < NAMED {
            others.push(String::from_utf8_lossy(&name).escape_debug().to_string());
        }
        return Ok(None);
    };
    check(names[index], &shape)?;
    let expected = shape.iter().try_fold(1_u32, |product, side| product.checked_mul(u32::try_from(*side).ok()?));
    let values = values(element, expected, names[index], &shape)
        .map_err(|problem| damaged(format!("array `{}`: {problem}", names[index])))?;
    Ok(Some((index, values)))
}

/// Shape and name.
fn describe(element: &mut impl Read) -> Checked<(Vec<usize>, Vec<u8>)> {
    small(element, UINT32, "flags")?;
    let sides = small(element, INT32, "shape")?;
    let side = |bytes: &[u8; 4]| {
        let side = i32::from_le_bytes(*bytes);
        usize::try_from(side).map_err(|_| format!("an array has a side of length {side}"))
    };
    let shape = sides.as_chunks().0.iter().map(side).collect::<Checked<_>>()?;
    Ok((shape, small(element, INT8, "name")?))
}

/// A part of an array's description.
fn small(reader: &mut impl Read, kind: u32, what: &str) -> Checked<Vec<u8>> {
    let (found, len, inline) = packed_tag(reader)?;
    if found != kind || len > SMALL {
        return Err(format!("an array's {what} are {len} bytes of type {found}, which no array has"));
    }
    part(reader, len, inline)
}

/// An array's `expected` values, which must be unsigned bytes, or for a vector be equal to some.
fn values(reader: &mut impl Read, expected: Option<u32>, name: &str, shape: &[usize]) -> Checked<Vec<u8>> {
    let (kind, len, inline) = packed_tag(reader)?;
    let Some((_, size, said, number)) = TYPES.iter().find(|(known, ..)| *known == kind) else {
        return Err(format!("its values are not numbers; save it as `{name} = uint8({name})`"));
    };
    if kind != UINT8 && !matches!(shape, [1, _] | [_, 1]) {
        return Err(format!(
            "its values are {said}, and pixels must be bytes from 0 to 255; save it as `{name} = uint8({name})`"
        ));
    }
    if expected.and_then(|expected| expected.checked_mul(*size)) != Some(len) {
        return Err(format!("it has {} values, which do not fill its shape", len / size));
    }
    let data = part(reader, len, inline)?;
    if kind == UINT8 {
        return Ok(data);
    }
    let byte = |(at, bytes): (usize, &[u8])| {
        let value = number(bytes);
        let is_byte = (0.0..=255.0).contains(&value) && value.fract() == 0.0;
        let refuse = || format!("its value {} is {value}; whole numbers from 0 to 255 are read", at + 1);
        is_byte.then_some(value as u8).ok_or_else(refuse)
    };
    data.chunks_exact(*size as usize).enumerate().map(byte).collect()
}

/// A type of numbers: its code, bytes, name, and the number in its bytes.
type Number = (u32, u32, &'static str, fn(&[u8]) -> f64);

/// Every type of numbers.
const TYPES: [Number; 10] = [
    (INT8, 1, "signed bytes (int8)", |bytes| f64::from(i8::from_le_bytes(array(bytes)))),
    (UINT8, 1, "unsigned bytes (uint8)", |bytes| f64::from(u8::from_le_bytes(array(bytes)))),
    (3, 2, "whole numbers of 16 bits (int16)", |bytes| f64::from(i16::from_le_bytes(array(bytes)))),
    (4, 2, "whole numbers of 16 bits (uint16)", |bytes| f64::from(u16::from_le_bytes(array(bytes)))),
    (INT32, 4, "whole numbers of 32 bits (int32)", |bytes| f64::from(i32::from_le_bytes(array(bytes)))),
    (UINT32, 4, "whole numbers of 32 bits (uint32)", |bytes| f64::from(u32::from_le_bytes(array(bytes)))),
    (7, 4, "fractions (single)", |bytes| f64::from(f32::from_le_bytes(array(bytes)))),
    (9, 8, "fractions (double)", |bytes| f64::from_le_bytes(array(bytes))),
    (12, 8, "whole numbers of 64 bits (int64)", |bytes| i64::from_le_bytes(array(bytes)) as f64),
    (13, 8, "whole numbers of 64 bits (uint64)", |bytes| u64::from_le_bytes(array(bytes)) as f64),
];

/// The bytes of one number.
fn array<const COUNT: usize>(bytes: &[u8]) -> [u8; COUNT] {
    let mut array = [0; COUNT];
    array.copy_from_slice(&bytes[..COUNT]);
    array
}

/// The data of an element of `len` bytes: after the tag, or in it if it fits.
fn part(reader: &mut impl Read, len: u32, inline: Option<[u8; 4]>) -> Checked<Vec<u8>> {
    if let Some(data) = inline {
        return Ok(data[..len as usize].to_vec());
    }
    let mut data = Vec::new();
    reader.take(len.into()).read_to_end(&mut data).map_err(|error| unreadable(&error))?;
    if data.len() as u64 != u64::from(len) {
        return Err(TRUNCATED.into());
    }
    padding(reader, len.into())?;
    Ok(data)
}

fn padding(reader: &mut impl Read, len: u64) -> Checked<()> {
    let fill = len.next_multiple_of(8) - len;
    match io::copy(&mut reader.take(fill), &mut io::sink()) {
        Ok(found) if found == fill => Ok(()),
        Ok(_) => Err(TRUNCATED.into()),
        Err(error) => Err(unreadable(&error)),
    }
}

fn end(reader: &mut impl Read) -> Checked<()> {
    match io::copy(&mut reader.take(1), &mut io::sink()) {
        Ok(0) => Ok(()),
        Ok(_) => Err("an element goes on after its array".into()),
        Err(error) => Err(unreadable(&error)),
    }
}

/// The next element's type and length, or `None` at the end of the file.
fn outer_tag(reader: &mut impl Read) -> Checked<Option<(u32, u32)>> {
    let mut first = [0];
    match reader.read(&mut first) {
        Ok(0) => Ok(None),
        Ok(_) => tag(&mut first.as_slice().chain(reader)).map(Some),
        Err(error) => Err(unreadable(&error)),
    }
}

fn tag(reader: &mut impl Read) -> Checked<(u32, u32)> {
    let [kind, len] = [exactly(reader)?, exactly(reader)?].map(u32::from_le_bytes);
    Ok((kind, len))
}

/// A tag that may itself hold up to four bytes of data. Then its upper half is their number.
fn packed_tag(reader: &mut impl Read) -> Checked<(u32, u32, Option<[u8; 4]>)> {
    let first = u32::from_le_bytes(exactly(reader)?);
    let second = exactly(reader)?;
    match first >> 16 {
        0 => Ok((first, u32::from_le_bytes(second), None)),
        len @ 1..=4 => Ok((first & 0xFFFF, len, Some(second))),
        len => Err(format!("a tag announces {len} bytes within itself, where 4 have room")),
    }
}

const TRUNCATED: &str = "it ends early; fetch the file again";

fn exactly<const COUNT: usize>(reader: &mut impl Read) -> Checked<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    reader.read_exact(&mut bytes).map_err(|error| unreadable(&error))?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof { TRUNCATED.into() } else { error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(kind: u32, bytes: &[u8]) -> Vec<u8> {
        let mut element = [kind.to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
        element.extend(bytes);
        element.resize(element.len().next_multiple_of(8), 0);
        element
    }

    fn array(name: &str, shape: [i32; 2], kind: u32, bytes: &[u8]) -> Vec<u8> {
        let shape = shape.map(i32::to_le_bytes).concat();
        let parts =
            [(UINT32, &[6_u8, 0, 0, 0, 0, 0, 0, 0][..]), (INT32, &shape), (INT8, name.as_bytes()), (kind, bytes)];
        element(MATRIX, &parts.map(|(kind, bytes)| element(kind, bytes)).concat())
    }

    fn read(arrays: &[Vec<u8>]) -> std::result::Result<[Vec<u8>; 2], String> {
        let mut file = vec![b' '; HEADER];
        file[124..].copy_from_slice(&[0, 1, b'I', b'M']);
        file.extend(arrays.concat());
        decode(file.as_slice(), Path::new("a.mat"), ["X", "y"], |_, _| Ok(())).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_are_whole_numbers_of_any_type_and_pixels_are_bytes() {
        let x = array("X", [2, 2], UINT8, &[1, 2, 3, 4]);
        let doubles = |values: [f64; 3]| array("y", [3, 1], 9, &values.map(f64::to_le_bytes).concat());
        let singles = array("y", [1, 3], 7, &[1.0, 10.0, 7.0].map(f32::to_le_bytes).concat());
        let shorts = array("y", [3, 1], 3, &[1, 10, 7].map(i16::to_le_bytes).concat());
        let bytes = array("y", [3, 1], UINT8, &[1, 10, 7]);
        for y in [doubles([1.0, 10.0, 7.0]), singles, shorts, bytes] {
            assert_eq!(read(&[x.clone(), y]).unwrap(), [vec![1, 2, 3, 4], vec![1, 10, 7]]);
        }
        for (y, said) in [
            (doubles([1.0, 2.5, 3.0]), "array `y`: its value 2 is 2.5; whole numbers from 0 to 255 are read"),
            (doubles([1.0, 2.0, f64::NAN]), "its value 3 is NaN"),
            (doubles([-1.0, 2.0, 3.0]), "its value 1 is -1"),
            (array("y", [2, 1], 9, &[0; 24]), "it has 3 values, which do not fill its shape"),
            (array("y", [2, 1], 99, &[0; 2]), "its values are not numbers; save it as `y = uint8(y)`"),
        ] {
            let error = read(&[x.clone(), y]).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let error = read(&[array("X", [2, 2], 3, &[0; 8])]).unwrap_err();
        let said = "array `X`: its values are whole numbers of 16 bits (int16), and pixels must be bytes from 0 to 255; save it as \
                    `X = uint8(X)`";
        assert!(error.contains(said), "{error}");
    }

    #[test]
    fn the_arrays_that_a_file_has_are_named() {
        let error = read(&[array("images", [1, 1], UINT8, &[1]), array("y", [1, 1], UINT8, &[1])]).unwrap_err();
        assert!(error.contains("it has no array `X`; its arrays: `y`, `images`"), "{error}");
        assert!(read(&[]).unwrap_err().contains("its arrays: none"));
    }
}
