//! Sharded models: safetensors files beside an index, `model.safetensors.index.json`, that names the file of each tensor.
//!
//! A sharded model is read as if it were one file without shards.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use safetensors::{SafeTensors, tensor::TensorView};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use unlearn_files::Form;

use crate::{Error, Result};

/// The end of an index's name.
pub const INDEX: &str = ".safetensors.index.json";

/// Most bytes of an index. This is enough for some hundred thousand tensors.
const MOST_INDEX: u64 = 64 << 20;
/// The greatest number of shards.
const MOST_SHARDS: usize = 4096;

/// The content of an index: the file of each tensor.
#[derive(Debug, Deserialize)]
pub struct ShardIndex {
    weight_map: WeightMap,
}

/// Files by the name of the tensor. A name that occurs twice is refused.
#[derive(Debug)]
struct WeightMap(BTreeMap<String, String>);

impl ShardIndex {
    /// Reads an index.
    ///
    /// # Errors
    /// A file that is not an index, names a tensor twice, or names a file that is not beside it.
    pub fn read(path: &Path) -> Result<Self> {
        let text = unlearn_files::read_text(path, MOST_INDEX).map_err(|source| Error::Io {
            action: "read",
            path: path.into(),
            source,
        })?;
        Self::parse(&text).map_err(|reason| Error::Checkpoint { path: path.into(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let index: Self = serde_json::from_str(text).map_err(|error| format!("it is no index of shards ({error})"))?;
        let shards = index.shards();
        if shards.is_empty() {
            return Err("it names no tensor".into());
        }
        if shards.len() > MOST_SHARDS {
            return Err(format!("it names more than {MOST_SHARDS} files"));
        }
        for shard in shards {
            let plain = !shard.is_empty()
                && !shard.starts_with('.')
                && !shard.contains(['/', '\\', ':'])
                && shard.chars().all(|c| !c.is_control());
            if !plain {
                return Err(format!(
                    "it names the file `{}`, and shards must lie beside their index, under plain names",
                    shard.escape_debug()
                ));
            }
            if Path::new(shard).extension().is_none_or(|extension| extension != "safetensors") {
                return Err(format!(
                    "it names the file `{}`, and only shards in safetensors are read; load the model in Python and save it as \
                     safetensors, or in one file",
                    shard.escape_debug()
                ));
            }
        }
        Ok(index)
    }

    /// The names of the files, without repetition, in ascending order.
    pub fn shards(&self) -> Vec<&str> {
        let mut shards: Vec<&str> = self.weight_map.0.values().map(String::as_str).collect();
        shards.sort_unstable();
        shards.dedup();
        shards
    }
}

/// Joins the shards beside an index into the bytes of one file. All shards together may have at most `most` bytes.
pub(crate) fn gather(path: &Path, most: u64) -> Result<Vec<u8>> {
    let index = ShardIndex::read(path)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let shards = index.shards();
    let missing: Vec<_> = shards.iter().filter(|shard| !folder.join(shard).exists()).copied().collect();
    if let Some(first) = missing.first() {
        let reason = format!(
            "{} of its {} shards are missing, the first is `{first}`; fetch them too",
            missing.len(),
            shards.len()
        );
        return Err(Error::Checkpoint { path: path.into(), reason });
    }
    let (mut files, mut left) = (Vec::new(), most);
    for shard in shards {
        let file = folder.join(shard);
        let bytes = unlearn_files::read(&file, left).map_err(|source| Error::Io {
            action: "read",
            path: file.clone(),
            source,
        })?;
        left -= bytes.len() as u64;
        files.push((shard, file, bytes));
    }
    let mut views: BTreeMap<String, TensorView<'_>> = BTreeMap::new();
    for (shard, file, bytes) in &files {
        let fail = |reason: String| Error::Checkpoint { path: file.clone(), reason };
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| match Form::of(&bytes[..bytes.len().min(1024)]) {
                Form::Safetensors => fail(format!("not a whole safetensors file ({error})")),
                form => fail(format!(
                    "it is {form}, not a safetensors file{}",
                    form.advice().map(|advice| format!("; {advice}")).unwrap_or_default()
                )),
            })?;
        for (name, view) in tensors.tensors() {
            match index.weight_map.0.get(&name) {
                Some(place) if place == shard => {}
                Some(place) => {
                    return Err(fail(format!(
                        "tensor `{}` lies in it too, and by the index in `{place}`",
                        name.escape_debug()
                    )));
                }
                None => return Err(fail(format!("its tensor `{}` is not in the index", name.escape_debug()))),
            }
            views.insert(name, view);
        }
    }
    if let Some((name, shard)) = index.weight_map.0.iter().find(|(name, _)| !views.contains_key(*name)) {
        let reason = format!("its tensor `{}` is not in `{shard}`, which should hold it", name.escape_debug());
        return Err(Error::Checkpoint { path: path.into(), reason });
    }
    let fail = |error: safetensors::SafeTensorError| Error::Checkpoint { path: path.into(), reason: error.to_string() };
    safetensors::serialize(views, None).map_err(fail)
}

/// The paths of all indices in a folder, sorted.
pub(crate) fn index_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(INDEX)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

impl<'de> Deserialize<'de> for WeightMap {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = WeightMap;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("file names by the names of tensors")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<WeightMap, M::Error> {
                let mut files = BTreeMap::new();
                while let Some((name, file)) = map.next_entry::<String, String>()? {
                    let shown: String = name.escape_debug().take(120).collect();
                    if files.insert(name, file).is_some() {
                        return Err(de::Error::custom(format!("tensor `{shown}` is in `weight_map` twice")));
                    }
                }
                Ok(WeightMap(files))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
