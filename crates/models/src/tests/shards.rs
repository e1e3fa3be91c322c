//! Sharded models: which files are read, and which are refused.

use std::{fs, path::Path};

use safetensors::{Dtype, tensor::TensorView};
use tempfile::TempDir;

use crate::{ImportOptions, InputSpec, ModelFile, contents, find, initialize, is_sharded};

const INDEX: &str = "model.safetensors.index.json";

fn shard(tensors: &[(String, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let view = |(name, shape, data)| -> (String, TensorView<'_>) {
        let (name, shape, data): (&String, &Vec<usize>, &Vec<u8>) = (name, shape, data);
        (name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    };
    safetensors::serialize(tensors.iter().map(|(n, s, d)| view((n, s, d))), None).unwrap()
}

/// A model in two shards beside their index.
pub(crate) fn sharded() -> (TempDir, ModelFile) {
    let folder = tempfile::tempdir().unwrap();
    let input = InputSpec { shape: [3, 32, 32], classes: 10, mean: vec![0.0; 3], std: vec![1.0; 3] };
    let graph = find("resnet8s").unwrap().graph(&input).unwrap();
    let state = initialize(&graph, 1);
    let tensors: Vec<_> = state
        .named(&graph)
        .map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), unlearn_tensor_files::le_bytes(values)))
        .collect();
    let (first, second) = tensors.split_at(tensors.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, tensors) in [("model-00001-of-00002.safetensors", first), ("model-00002-of-00002.safetensors", second)] {
        fs::write(folder.path().join(file), shard(tensors)).unwrap();
        map.extend(tensors.iter().map(|(name, ..)| (name.clone(), file.into())));
    }
    let index = serde_json::json!({ "metadata": { "total_size": 1 }, "weight_map": map });
    fs::write(folder.path().join(INDEX), index.to_string()).unwrap();
    let bytes = contents(&folder.path().join(INDEX)).unwrap();
    let model = ModelFile::read(&bytes, &ImportOptions::default(), Path::new("m")).unwrap();
    assert_eq!(model.state.parameters(), state.parameters());
    assert_eq!(model.state.buffers(), state.buffers());
    (folder, model)
}

#[test]
fn an_index_or_its_folder_is_read_as_one_file() {
    let (folder, _) = sharded();
    let bytes = contents(folder.path()).unwrap();
    assert_eq!(bytes, contents(&folder.path().join(INDEX)).unwrap());
    assert!(is_sharded(folder.path()) && !is_sharded(&folder.path().join("absent")));
    let other = folder.path().join("model.safetensors");
    fs::write(&other, "").unwrap();
    let message = contents(folder.path()).unwrap_err().to_string();
    assert!(message.contains("two models") && message.contains("`model.safetensors`"), "{message}");
    assert_eq!(bytes, contents(&folder.path().join(INDEX)).unwrap(), "a name says which is meant");
    fs::remove_file(other).unwrap();
    fs::copy(folder.path().join(INDEX), folder.path().join("other.safetensors.index.json")).unwrap();
    let message = contents(folder.path()).unwrap_err().to_string();
    assert!(message.contains("several indices") && message.contains("other.safetensors"), "{message}");
    let empty = tempfile::tempdir().unwrap();
    assert!(contents(empty.path()).unwrap_err().to_string().contains("no index of shards"));
}

#[test]
fn shards_that_are_missing_doubled_or_lead_elsewhere_are_refused() {
    let refused = |change: &dyn Fn(&Path), words: &[&str]| {
        let (folder, _) = sharded();
        change(folder.path());
        let message = contents(&folder.path().join(INDEX)).unwrap_err().to_string();
        for word in words {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
    };
    let index = |from: &'static str, to: &'static str| {
        move |folder: &Path| {
            let text = fs::read_to_string(folder.join(INDEX)).unwrap();
            assert!(text.contains(from), "{text}");
            fs::write(folder.join(INDEX), text.replacen(from, to, 1)).unwrap();
        }
    };
    let second = "model-00002-of-00002.safetensors";
    refused(&|folder| fs::remove_file(folder.join(second)).unwrap(), &["1 of its 2 shards are missing", second]);
    refused(&index("\"model-00001", "\"../model-00001"), &["`../model-00001", "beside their index"]);
    refused(&index("\"model-00001", "\"/etc/model-00001"), &["beside their index"]);
    refused(&index("model-00001-of-00002.safetensors", "pytorch_model.bin"), &["`pytorch_model.bin`", "safetensors"]);
    refused(
        &index("\"weight_map\":{", "\"weight_map\":{\"conv1.weight\":\"x.safetensors\","),
        &["`conv1.weight`", "twice"],
    );
    refused(&index("\"conv1.weight\"", "\"conv9.weight\""), &["conv1.weight", "not in the index"]);
    refused(&index("\"weight_map\"", "\"weight_maps\""), &["no index of shards"]);
    refused(
        &|folder| {
            // One tensor lies in both.
            let extra = [("conv1.weight".to_owned(), vec![1], vec![0; 4])];
            fs::write(folder.join(second), shard(&extra)).unwrap();
        },
        &[second, "`conv1.weight` lies in it too"],
    );
    refused(&|folder| fs::write(folder.join(second), shard(&[])).unwrap(), &["is not in `model-00002"]);
    refused(&|folder| fs::write(folder.join(second), "version https://git-lfs").unwrap(), &[second, "Git LFS pointer"]);
    refused(
        &|folder| fs::write(folder.join(second), [8, 0, 0, 0, 0, 0, 0, 0, b'{']).unwrap(),
        &[second, "not a whole"],
    );
}
