//! Writes named f32 tensors as a PyTorch file: the zip container of `torch.save` with a pickle of protocol 2. `torch.load(…,
//! weights_only=True)` reads it as a state dict.
//!
//! Entries are uncompressed and begin at multiples of 64 bytes, as PyTorch's do, so that `torch.load(…, mmap=True)` works. Equal tensors
//! give equal bytes: the file contains no time, address or machine name.

use std::io::{Cursor, Write as _};

use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{Error, Result};

/// A tensor to be written, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Written<'a> {
    /// Its name in the state dict.
    pub name: &'a str,
    /// Its shape.
    pub shape: &'a [usize],
    /// Its values, as many as the shape counts.
    pub values: &'a [f32],
}

/// The folder in the archive: PyTorch's default for a file without a known name.
const FOLDER: &str = "archive";
/// The alignment of an entry's content, in bytes.
const ALIGNMENT: u16 = 64;

/// The bytes of a `.pth` file with these tensors, in the given order. `records` are additional entries of the archive, by name.
/// `torch.load` ignores them, and [`crate::record`] reads them.
///
/// # Errors
/// [`Error::Tensor`] for values that do not fill their shape, or a repeated name. [`Error::Archive`] for more data than the container can
/// hold.
pub fn write(tensors: &[Written<'_>], records: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut names = std::collections::HashSet::new();
    for Written { name, shape, values } in tensors {
        let refuse = |reason: String| Error::Tensor { name: (*name).to_owned(), reason };
        if shape.iter().try_fold(1_usize, |n, side| n.checked_mul(*side)) != Some(values.len()) {
            return Err(refuse(format!("{} values do not fill the shape {shape:?}", values.len())));
        }
        if !names.insert(*name) {
            return Err(refuse("the name is there twice".into()));
        }
    }
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut entry = |name: &str, content: &[u8]| -> zip::result::ZipResult<()> {
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::DEFAULT)
            .with_alignment(ALIGNMENT)
            .large_file(u32::try_from(content.len()).is_err());
        archive.start_file(format!("{FOLDER}/{name}"), options)?;
        Ok(archive.write_all(content)?)
    };
    let fail = |error: zip::result::ZipError| Error::Archive(error.to_string());
    entry("data.pkl", &pickle(tensors)?).map_err(fail)?;
    entry(".format_version", b"1").map_err(fail)?;
    entry(".storage_alignment", ALIGNMENT.to_string().as_bytes()).map_err(fail)?;
    entry("byteorder", b"little").map_err(fail)?;
    for (number, Written { values, .. }) in tensors.iter().enumerate() {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        entry(&format!("data/{number}"), &bytes).map_err(fail)?;
    }
    entry("version", b"3\n").map_err(fail)?;
    for (name, content) in records {
        entry(name, content).map_err(fail)?;
    }
    Ok(archive.finish().map_err(fail)?.into_inner())
}

/// `OrderedDict([(name, _rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())), …])`.
fn pickle(tensors: &[Written<'_>]) -> Result<Vec<u8>> {
    let mut out = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
    for (number, Written { name, shape, values }) in tensors.iter().enumerate() {
        text(&mut out, name)?;
        out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage")?;
        out.extend(b"ctorch\nFloatStorage\n");
        text(&mut out, &number.to_string())?;
        text(&mut out, "cpu")?;
        count(&mut out, values.len());
        out.extend(b"tQ");
        count(&mut out, 0);
        tuple(&mut out, shape);
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis].max(1);
        }
        tuple(&mut out, &strides);
        out.extend(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend(b"u.");
    Ok(out)
}

fn text(out: &mut Vec<u8>, text: &str) -> Result<()> {
    let length = u32::try_from(text.len()).map_err(|_| Error::Archive("a name is longer than 4 GiB".into()))?;
    out.push(b'X');
    out.extend(length.to_le_bytes());
    out.extend(text.as_bytes());
    Ok(())
}

/// Writes an integer as BININT, or as LONG1 if it does not fit.
fn count(out: &mut Vec<u8>, count: usize) {
    if let Ok(short) = i32::try_from(count) {
        out.push(b'J');
        out.extend(short.to_le_bytes());
    } else {
        // The ninth byte keeps the sign positive.
        out.extend([0x8A, 9]);
        out.extend((count as u64).to_le_bytes());
        out.push(0);
    }
}

fn tuple(out: &mut Vec<u8>, counts: &[usize]) {
    out.push(b'(');
    for value in counts {
        count(out, *value);
    }
    out.push(b't');
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use serde_json::Value;

    use super::*;
    use crate::{Container, StateDict};

    fn golden(name: &str) -> PathBuf {
        unlearn_tests::golden::path("torch-files").join(name)
    }

    /// The tensors that `tests/golden/torch-files/written.py` reads: a convolution pruned by a mask, its normalisation and a linear
    /// layer.
    fn sample() -> Vec<(&'static str, Vec<usize>, Vec<f32>)> {
        let some = |len: usize| (0..len).map(|i| (i as f32 - 3.0) / 8.0).collect::<Vec<_>>();
        let kept: Vec<f32> = (0..27).map(|i| f32::from(u8::from(i % 3 == 0))).collect();
        let weight = some(27).iter().zip(&kept).map(|(value, kept)| value * kept).map(|value| value + 0.0).collect();
        vec![
            ("conv1.weight_orig", vec![3, 1, 3, 3], weight),
            ("conv1.weight_mask", vec![3, 1, 3, 3], kept),
            ("bn1.weight", vec![3], vec![1.0, -0.0, f32::from_bits(1)]),
            ("bn1.bias", vec![3], some(3)),
            ("bn1.running_mean", vec![3], some(3)),
            ("bn1.running_var", vec![3], vec![1.0, 2.0, f32::MAX]),
            ("fc.weight", vec![2, 3], some(6)),
            ("fc.bias", vec![2], some(2)),
            ("normalize.mean", vec![1], vec![0.5]),
            ("normalize.std", vec![1], vec![0.25]),
        ]
    }

    fn written() -> Vec<u8> {
        let sample = sample();
        let tensors: Vec<_> = sample.iter().map(|(name, shape, values)| Written { name, shape, values }).collect();
        write(&tensors, &[]).unwrap()
    }

    #[test]
    fn what_is_written_comes_back_to_the_bit() {
        let bytes = written();
        assert_eq!(bytes, written());
        let dict = StateDict::read(&bytes).unwrap();
        assert_eq!((dict.container(), dict.iter().len()), (Container::Zip, sample().len()));
        for (name, shape, values) in sample() {
            let tensor = dict.get(name).unwrap();
            assert_eq!(tensor.shape(), shape);
            let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&tensor.to_f32()), bits(&values), "{name}");
        }
    }

    /// `written.py` read `written.pth` with `torch.load(…, weights_only=True)` and loaded it into a module that `torch.nn.utils.prune`
    /// had pruned. Then it wrote the values that PyTorch holds. The file must equal the bytes that are written today.
    #[test]
    fn pytorch_reads_what_is_written() {
        let file = golden("written.pth");
        if fs::read(&file).ok() != Some(written()) {
            let here = std::env::temp_dir().join("written.pth");
            fs::write(&here, written()).unwrap();
            panic!("{} is what is written today; copy it to {} and run written.py", here.display(), file.display());
        }
        let read: Value = serde_json::from_slice(&fs::read(golden("written.json")).unwrap()).unwrap();
        let tensors = read["tensors"].as_object().unwrap();
        assert_eq!(tensors.len(), sample().len());
        for (name, shape, values) in sample() {
            let expected = &tensors[name];
            assert_eq!(expected["shape"], serde_json::json!(shape), "{name}");
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            assert_eq!(expected["bits"], serde_json::json!(bits), "{name}");
        }
        assert_eq!((read["strict"].as_str(), read["aligned"].as_bool()), (Some("All keys matched"), Some(true)));
    }

    #[test]
    fn a_record_lies_beside_the_tensors_and_is_none_of_them() {
        let sample = sample();
        let tensors: Vec<_> = sample.iter().map(|(name, shape, values)| Written { name, shape, values }).collect();
        let bytes = write(&tensors, &[("notes.json", b"{}")]).unwrap();
        assert_eq!(crate::record(&bytes, "notes.json").unwrap(), Some(&b"{}"[..]));
        assert_eq!(crate::record(&bytes, "other.json").unwrap(), None);
        assert_eq!(StateDict::read(&bytes).unwrap().iter().len(), sample.len());
    }

    #[test]
    fn what_would_not_come_back_is_refused() {
        let tensor = |name, shape, values| Written { name, shape, values };
        let refusal = |tensors: &[Written<'_>]| write(tensors, &[]).unwrap_err().to_string();
        assert!(refusal(&[tensor("a", &[2], &[1.0])]).contains("`a`: 1 values do not fill the shape [2]"));
        assert!(refusal(&[tensor("a", &[1], &[1.0]), tensor("a", &[], &[1.0])]).contains("there twice"));
        assert!(
            StateDict::read(&write(&[tensor("a.b", &[0, 2], &[])], &[]).unwrap())
                .unwrap()
                .get("a.b")
                .unwrap()
                .is_empty()
        );
    }
}
