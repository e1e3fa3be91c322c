//! `.npy` arrays, and the files that lie beside them.

use std::io::Read;
use std::path::{Path, PathBuf};

use unlearn_samples::npy::{self, Header};

use crate::arrays::{Array, Arrays, Elements, SCORES};
use crate::error::{Checked, Error, Result};
use crate::values::Type;

/// What may lie beside an array of scores.
const COMPANIONS: [&str; 3] = ["labels", "ids", "seen"];

/// Maximum bytes of one array.
const MOST: u64 = 1 << 34;

/// Reads one array. At most `most` bytes of elements are read; memory grows with what arrives.
pub(crate) fn read(reader: &mut impl Read, most: u64) -> Checked<Array> {
    let header = npy::header(reader)?;
    let (kind, big_endian) = element(&header)?;
    let too_large = || format!("its shape {} is too large to be read", npy::tuple(&header.shape));
    let count =
        header.shape.iter().try_fold(1_usize, |product, &side| product.checked_mul(side)).ok_or_else(too_large)?;
    let len = count.checked_mul(kind.len()).filter(|len| *len as u64 <= most.min(MOST)).ok_or_else(too_large)?;
    let mut bytes = Vec::new();
    reader.take(len as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() != len {
        let shape = npy::tuple(&header.shape);
        return Err(format!("its bytes do not fill the shape {shape} of '{}'; write the file again", header.descr));
    }
    if big_endian {
        bytes.chunks_exact_mut(kind.len()).for_each(<[u8]>::reverse);
    }
    let elements = kind.elements(&bytes)?;
    let elements = if header.column_major { row_major(elements, &header.shape) } else { elements };
    Ok(Array { shape: header.shape, elements })
}

/// The type of the elements, and whether they are big-endian.
fn element(header: &Header) -> Checked<(Type, bool)> {
    let (order, code) = header.descr.split_at_checked(1).unwrap_or_default();
    let kind = match code {
        "f2" => Type::F16,
        "f4" => Type::F32,
        "f8" => Type::F64,
        "b1" => Type::Bool,
        "i1" => Type::Signed(1),
        "i2" => Type::Signed(2),
        "i4" => Type::Signed(4),
        "i8" => Type::Signed(8),
        "u1" => Type::Unsigned(1),
        "u2" => Type::Unsigned(2),
        "u4" => Type::Unsigned(4),
        "u8" => Type::Unsigned(8),
        _ => {
            return Err(format!(
                "its elements are '{}', which are not read; save numbers: `float32` for scores, `int64` for labels",
                header.descr.escape_debug()
            ));
        }
    };
    Ok((kind, order == ">"))
}

/// Elements whose first dimension varied fastest, in row-major order.
fn row_major(elements: Elements, shape: &[usize]) -> Elements {
    fn turned<T: Copy>(values: &[T], shape: &[usize]) -> Vec<T> {
        let mut index = vec![0; shape.len()];
        let mut out = Vec::with_capacity(values.len());
        for _ in 0..values.len() {
            let (mut at, mut stride) = (0, 1);
            for (&i, &side) in index.iter().zip(shape) {
                at += i * stride;
                stride *= side;
            }
            out.push(values[at]);
            for axis in (0..shape.len()).rev() {
                index[axis] += 1;
                if index[axis] < shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        out
    }
    match elements {
        Elements::Floats(values) => Elements::Floats(turned(&values, shape)),
        Elements::Integers(values) => Elements::Integers(turned(&values, shape)),
    }
}

/// The file beside `path` for another array: `x_labels.npy` beside `x_logits.npy`.
pub(crate) fn companion(path: &Path, other: &str) -> Option<PathBuf> {
    let stem = path.file_stem()?.to_str()?;
    let prefix = SCORES.iter().find_map(|scores| stem.strip_suffix(scores))?;
    Some(path.with_file_name(format!("{prefix}{other}.npy")))
}

/// Reads an array of scores, and those beside it. Their names are without what their files' names begin with: `logits`, `labels`.
pub(crate) fn beside(path: &Path, bytes: &[u8]) -> Result<Arrays> {
    let mut arrays = Arrays::default();
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let Some(scores) = SCORES.iter().find(|scores| stem.ends_with(*scores)) else {
        return Err(Error::content(
            path,
            "the name of a `.npy` file says what it holds: rename it to end in `logits.npy`, `probabilities.npy` or `margins.npy`, and \
             put the labels beside it, as in `forget_logits.npy` and `forget_labels.npy`",
        ));
    };
    let parse = |path: &Path, bytes: &[u8]| read(&mut &*bytes, MOST).map_err(|problem| Error::content(path, problem));
    arrays.named.insert((*scores).to_owned(), parse(path, bytes)?);
    for other in COMPANIONS {
        let Some(place) = companion(path, other).filter(|place| place.symlink_metadata().is_ok()) else { continue };
        let bytes = unlearn_files::read(&place, MOST).map_err(|source| Error::Read { path: place.clone(), source })?;
        arrays.named.insert(other.to_owned(), parse(&place, &bytes)?);
    }
    Ok(arrays)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(descr: &str, column_major: bool, shape: &[usize], bytes: &[u8]) -> Checked<Array> {
        let header = Header { descr: descr.into(), column_major, shape: shape.to_vec() };
        read(&mut &[&header.encode(), bytes].concat()[..], 1 << 20)
    }

    #[test]
    fn every_type_and_order_of_numpy_is_read() {
        let floats = |array: Checked<Array>| match array.unwrap().elements {
            Elements::Floats(values) => values,
            Elements::Integers(values) => panic!("{values:?}"),
        };
        assert_eq!(floats(file("<f4", false, &[2], &[0, 0, 128, 63, 0, 0, 0, 192])), [1.0, -2.0]);
        assert_eq!(floats(file(">f4", false, &[2], &[63, 128, 0, 0, 192, 0, 0, 0])), [1.0, -2.0]);
        assert_eq!(floats(file("<f2", false, &[1], &[0, 60])), [1.0]);
        // np.array([[1, 2, 3], [4, 5, 6]], order="F")
        let turned = file("|i1", true, &[2, 3], &[1, 4, 2, 5, 3, 6]).unwrap();
        assert_eq!(turned.elements, Elements::Integers(vec![1, 2, 3, 4, 5, 6]));
        for (descr, shape, says) in [
            ("<c8", vec![1], "not read"),
            ("<f4", vec![3], "do not fill"),
            ("<f4", vec![1 << 40, 1 << 40], "too large"),
        ] {
            let problem = file(descr, false, &shape, &[0; 8]).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
