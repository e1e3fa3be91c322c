//! Reads damaged files; `unlearn_tests::fuzz` states the requirements.

use std::{fs, path::Path};

use unlearn_tests::{fuzz, saved};
use unlearn_torch_files::{StateDict, TorchFile};

use super::shards::sharded;
use crate::{
    ImportOptions, ModelFile, Target, contents,
    sparse_checkpoint::tests::{pruned, resealed},
};

fn read_model(bytes: &[u8]) {
    let _ = ModelFile::read(bytes, &ImportOptions::default(), Path::new("damaged"));
}

#[test]
fn torch_files() {
    let folder = unlearn_tests::golden::path("torch-files");
    let names = [
        "zip.pth",
        "legacy.pth",
        "protocol4.pth",
        "dtypes-legacy.pth",
        "views-legacy.pth",
        "parameters.pth",
        "companions.pth",
        "legacy-protocol4.pth",
        "normed.pth",
        "written.pth",
        "pruned.pth.tar",
        "hostile-legacy.pth",
    ];
    let mut files: Vec<_> = names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect();
    let layer = |values: Vec<f32>| vec![("module.fc.weight".to_owned(), vec![values.len()], values)];
    files.push(saved(&[("state_dict", &layer(vec![1.0; 9])), ("a.b.ema", &layer(vec![2.0; 9]))]));
    fuzz("tests::fuzz::torch_files", &files, |bytes| {
        let Ok(file) = TorchFile::read(bytes) else { return };
        let dicts = file.candidates().iter().map(|candidate| file.dict(Some(candidate)));
        for (_, tensor) in dicts.flatten().chain(file.dict(None)).collect::<Vec<_>>().iter().flat_map(StateDict::iter) {
            assert_eq!(tensor.to_f32().len(), tensor.len());
        }
        read_model(bytes);
    });
}

#[test]
fn checkpoints() {
    let (graph, state, mask, info) = pruned("resnet8s");
    let model = ModelFile { source: crate::Source::Dense, graph, state, mask: Some(mask.clone()), info };
    let mut files: Vec<_> = [Target::Sparse, Target::Sparse, Target::Dense, Target::Torch]
        .map(|target| model.to_bytes(target).unwrap())
        .into();
    files.push(mask.to_bytes().unwrap());
    fuzz("tests::fuzz::checkpoints", &files, |bytes| {
        read_model(bytes);
        // A checksum that fits lets the damage reach the later checks.
        if let Some(bytes) = resealed(bytes) {
            read_model(&bytes);
        }
    });
}

#[test]
fn shards() {
    let (folder, _) = sharded();
    let names =
        ["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let files: Vec<_> = names.iter().map(|name| fs::read(folder.path().join(name)).unwrap()).collect();
    fuzz("tests::fuzz::shards", &files, |bytes| {
        // Damages each file of a sharded model in turn.
        for (name, sound) in names.iter().zip(&files) {
            fs::write(folder.path().join(name), bytes).unwrap();
            if let Ok(bytes) = contents(&folder.path().join(names[0])) {
                read_model(&bytes);
            }
            fs::write(folder.path().join(name), sound).unwrap();
        }
    });
}
