//! The mask file: safetensors, with one bit per weight.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use unlearn_files::Form;

use crate::{Bits, Error, Mask, Result};

/// The format version that this build writes. It reads no other.
pub const FORMAT: u64 = 1;

/// The kind that a mask file names in its metadata.
pub const KIND: &str = "mask";

/// Most bytes of a mask file: a bit for each of more weights than any model has.
pub const MOST: u64 = 1 << 30;

/// The only metadata entry of a mask file. Its value is JSON.
pub const METADATA_KEY: &str = "unlearn";

/// The fields that files of every kind and version have, so that a reader can say why it refuses a file.
#[derive(Deserialize)]
struct Preamble {
    kind: String,
    format: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    kind: String,
    format: u64,
    architecture: String,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl Mask {
    /// The mask as the bytes of a safetensors file. Equal masks give equal bytes.
    ///
    /// Each covered tensor becomes a flat `U8` tensor of the same name, packed as in [`Bits`]. The metadata entry
    /// [`METADATA_KEY`] is JSON: `kind` ([`KIND`]), `format` ([`FORMAT`]), `architecture`, and `shapes` by name.
    /// There is only one entry, because safetensors writes entries in the arbitrary order of a hash map.
    ///
    /// Readers refuse any other `format` and any unknown key. A change to the layout takes a new number.
    ///
    /// # Errors
    /// [`Error::Safetensors`] if the header would exceed the limit of safetensors (100 MB).
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let metadata = Metadata {
            kind: KIND.to_owned(),
            format: FORMAT,
            architecture: self.architecture().to_owned(),
            shapes: self.iter().map(|(name, bits)| (name.to_owned(), bits.shape().to_vec())).collect(),
        };
        let json = serde_json::to_string(&metadata).map_err(Error::Metadata)?;
        let mut tensors = Vec::new();
        for (name, bits) in self.iter() {
            let bytes = bits.as_bytes();
            tensors.push((name, TensorView::new(Dtype::U8, vec![bytes.len()], bytes)?));
        }
        Ok(safetensors::serialize(tensors, Some(HashMap::from([(METADATA_KEY.to_owned(), json)])))?)
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes).
    ///
    /// # Errors
    /// The error names the first of these conditions that fails: the bytes are one complete safetensors file; its
    /// metadata is that of a mask in format [`FORMAT`]; metadata and tensors name the same parameters; each tensor is
    /// flat `U8`, has the length that its shape needs, and is zero past the last element.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        match Form::of(&bytes[..bytes.len().min(1024)]) {
            Form::Safetensors => {}
            other => return Err(Error::Form(other)),
        }
        let (_, header) = SafeTensors::read_metadata(bytes)?;
        let file = SafeTensors::deserialize(bytes)?;
        let json =
            header.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY)).ok_or(Error::MissingMetadata)?;
        let preamble: Preamble = serde_json::from_str(json).map_err(Error::Metadata)?;
        if preamble.kind != KIND {
            return Err(Error::Kind { found: preamble.kind });
        }
        if preamble.format != FORMAT {
            return Err(Error::Version { found: preamble.format });
        }
        let metadata: Metadata = serde_json::from_str(json).map_err(Error::Metadata)?;

        if let Some(name) = file.names().into_iter().filter(|&name| !metadata.shapes.contains_key(name)).min() {
            return Err(Error::Unpaired { name: name.to_owned(), present: "tensors", absent: "metadata" });
        }
        let mut mask = Self::new(metadata.architecture);
        for (name, shape) in metadata.shapes {
            let Ok(tensor) = file.tensor(&name) else {
                return Err(Error::Unpaired { name, present: "metadata", absent: "tensors" });
            };
            if tensor.dtype() != Dtype::U8 || tensor.shape().len() != 1 {
                let (found, shape) = (format!("{:?}", tensor.dtype()), tensor.shape().to_vec());
                return Err(Error::Layout { name, found, shape });
            }
            let bits = Bits::from_packed(&shape, tensor.data().to_vec()).map_err(|error| error.in_tensor(&name))?;
            mask.insert(name, bits);
        }
        Ok(mask)
    }

    /// Writes the mask to `path` atomically: to a temporary file in the same folder, which is then renamed.
    ///
    /// # Errors
    /// [`Error::File`] with the path and the file system's error.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.to_bytes()
            .and_then(|bytes| Ok(unlearn_files::write_atomic(path, &bytes)?))
            .map_err(|error| in_file(path, error))
    }

    /// Reads a mask that [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// [`Error::File`] with the path and the error of [`from_bytes`](Self::from_bytes) or of the file system.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        unlearn_files::read(path, MOST)
            .map_err(Error::Io)
            .and_then(|bytes| Self::from_bytes(&bytes))
            .map_err(|error| in_file(path, error))
    }
}

fn in_file(path: &Path, source: Error) -> Error {
    Error::File { path: path.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn sample() -> Result<Mask> {
        let mut mask = Mask::new("resnet20s");
        mask.insert("layer1.0.conv1.weight", Bits::from_fn(&[3, 2, 3, 3], |i| i % 5 == 0)?);
        mask.insert("conv1.weight", Bits::from_fn(&[7], |i| i < 3)?);
        mask.insert("fc.weight", Bits::ones(&[2, 8])?);
        Ok(mask)
    }

    /// A file with the given metadata, and `tensors` as flat `U8`.
    fn file(metadata: Option<&str>, tensors: &[(&str, &[u8])]) -> Vec<u8> {
        let views =
            tensors.iter().map(|(name, data)| (*name, TensorView::new(Dtype::U8, vec![data.len()], data).unwrap()));
        let metadata = metadata.map(|json| HashMap::from([(METADATA_KEY.to_owned(), json.to_owned())]));
        safetensors::serialize(views, metadata).unwrap()
    }

    fn refusal(metadata: &str, tensors: &[(&str, &[u8])]) -> String {
        Mask::from_bytes(&file(Some(metadata), tensors)).unwrap_err().to_string()
    }

    /// The bytes of format 1. A reader of this version must always accept them, and a writer must always produce
    /// them.
    #[test]
    fn the_bytes_of_format_1() -> Result<()> {
        let mut mask = Mask::new("tiny");
        mask.insert("w", Bits::from_bools(&[3, 3], &[true, false, true, false, false, false, false, false, true])?);
        let header = concat!(
            r#"{"__metadata__":{"unlearn":"{\"kind\":\"mask\",\"format\":1,\"architecture\":\"tiny\","#,
            r#"\"shapes\":{\"w\":[3,3]}}"},"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}"#
        );
        let padded = format!("{header:<width$}", width = header.len().next_multiple_of(8));
        let mut expected = (padded.len() as u64).to_le_bytes().to_vec();
        expected.extend(padded.as_bytes());
        expected.extend([0b101, 1]);
        assert_eq!(mask.to_bytes()?, expected);
        assert_eq!(Mask::from_bytes(&expected)?, mask);
        Ok(())
    }

    #[test]
    fn the_order_of_insertion_leaves_no_trace() -> Result<()> {
        let mask = sample()?;
        let mut backwards = Mask::new("resnet20s");
        for (name, bits) in mask.iter().collect::<Vec<_>>().into_iter().rev() {
            backwards.insert(name, bits.clone());
        }
        assert_eq!(mask.to_bytes()?, backwards.to_bytes()?);
        Ok(())
    }

    #[test]
    fn any_truncation_or_addition_is_refused() -> Result<()> {
        let mut bytes = sample()?.to_bytes()?;
        for end in 0..bytes.len() {
            assert!(Mask::from_bytes(&bytes[..end]).is_err(), "the first {end} bytes were taken for a mask");
        }
        bytes.push(0);
        assert!(matches!(Mask::from_bytes(&bytes), Err(Error::Safetensors(_))));
        Ok(())
    }

    #[test]
    fn metadata_is_checked() {
        assert!(matches!(Mask::from_bytes(&file(None, &[])), Err(Error::MissingMetadata)));
        assert!(matches!(Mask::from_bytes(&file(Some("{"), &[])), Err(Error::Metadata(_))));
        assert_eq!(
            refusal(r#"{"kind":"mask","format":2,"novelty":true}"#, &[]),
            "mask format 2 is unknown to this version, which reads format 1 only; use the version that wrote the file"
        );
        assert_eq!(refusal(r#"{"kind":"checkpoint","format":1}"#, &[]), "the file holds a `checkpoint`, not a `mask`");
        let unknown = refusal(r#"{"kind":"mask","format":1,"architecture":"a","shapes":{},"novelty":true}"#, &[]);
        assert!(unknown.contains("unknown field `novelty`"), "{unknown}");
    }

    #[test]
    fn tensors_are_checked_against_the_metadata() {
        let of_nine = r#"{"kind":"mask","format":1,"architecture":"a","shapes":{"w":[3,3]}}"#;
        assert_eq!(refusal(of_nine, &[]), "tensor `w` is in the file's metadata but not in its tensors");
        assert_eq!(
            refusal(of_nine, &[("w", &[1, 1]), ("v", &[1])]),
            "tensor `v` is in the file's tensors but not in its metadata"
        );
        assert_eq!(refusal(of_nine, &[("w", &[1])]), "tensor `w`: shape [3, 3] packs into 2 bytes, found 1");
        assert_eq!(refusal(of_nine, &[("w", &[1, 1, 0])]), "tensor `w`: shape [3, 3] packs into 2 bytes, found 3");
        assert_eq!(
            refusal(of_nine, &[("w", &[1, 3])]),
            "tensor `w`: bits past the last of 9 elements are set; the file is damaged"
        );
        let huge = format!(r#"{{"kind":"mask","format":1,"architecture":"a","shapes":{{"w":[{0},{0}]}}}}"#, usize::MAX);
        assert!(refusal(&huge, &[("w", &[])]).ends_with("has more elements than fit in memory"));
    }

    #[test]
    fn only_flat_bytes_are_a_mask() -> Result<()> {
        let json = r#"{"kind":"mask","format":1,"architecture":"a","shapes":{"w":[32]}}"#;
        let view = TensorView::new(Dtype::F32, vec![1], &[0; 4])?;
        let bytes =
            safetensors::serialize([("w", view)], Some(HashMap::from([(METADATA_KEY.to_owned(), json.to_owned())])))?;
        assert_eq!(
            Mask::from_bytes(&bytes).unwrap_err().to_string(),
            "tensor `w` is F32 with shape [1]; a mask holds flat `U8` tensors"
        );
        Ok(())
    }

    #[test]
    fn saving_replaces_the_file_and_leaves_nothing_else() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("mask.safetensors");
        Mask::new("resnet20s").save(&path)?;
        let mask = sample()?;
        mask.save(&path)?;
        assert_eq!(Mask::load(&path)?, mask);
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    #[test]
    fn a_file_of_another_form_is_named() {
        for (bytes, words) in [(&b""[..], "an empty file"), (b"PK\x03\x04", "a zip archive"), (b"<html>", "a web page")]
        {
            let refusal = Mask::from_bytes(bytes).unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_no_mask() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("mask.safetensors");
        std::os::unix::fs::symlink("/dev/zero", &path)?;
        let refusal = Mask::load(&path).unwrap_err();
        assert!(format!("{refusal}").contains("a device"), "{refusal}");
        Ok(())
    }

    #[test]
    fn errors_name_the_file() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("mask.safetensors");
        let missing = Mask::load(&path).unwrap_err().to_string();
        assert!(missing.starts_with(&path.display().to_string()), "{missing}");
        // A file cannot replace a folder, so the save fails and cleans up.
        fs::create_dir(&path)?;
        assert!(matches!(sample()?.save(&path), Err(Error::File { .. })));
        assert_eq!(fs::read_dir(folder.path())?.count(), 1);
        Ok(())
    }

    proptest! {
        #[test]
        fn a_round_trip_is_exact(layers: Vec<(String, Vec<bool>)>) {
            let mut mask = Mask::new("any");
            for (name, keep) in layers.into_iter().filter(|(name, _)| name != "__metadata__") {
                mask.insert(name, Bits::from_bools(&[keep.len()], &keep)?);
            }
            let bytes = mask.to_bytes()?;
            let back = Mask::from_bytes(&bytes)?;
            prop_assert_eq!(back.to_bytes()?, bytes);
            prop_assert_eq!(back, mask);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>, at: prop::sample::Index, flip: u8) {
            let _ = Mask::from_bytes(&bytes);
            let mut damaged = sample()?.to_bytes()?;
            let at = at.index(damaged.len());
            damaged[at] ^= flip;
            let _ = Mask::from_bytes(&damaged);
        }
    }
}
