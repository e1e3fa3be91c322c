//! The readers on damaged files; `unlearn_tests::fuzz` says what is asked of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use unlearn_tests::fuzz;
use unlearn_torch_files::StateDict;

use crate::{
    ImportOptions, ModelFile, Target,
    sparse_checkpoint::tests::{pruned, resealed},
};

fn read_model(bytes: &[u8]) {
    let _ = ModelFile::read(bytes, &ImportOptions::default(), Path::new("damaged"));
}

#[test]
fn torch_files() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/torch-files");
    let names = [
        "zip.pth",
        "legacy.pth",
        "protocol4.pth",
        "dtypes-legacy.pth",
        "views-legacy.pth",
        "parameters.pth",
        "pruned.pth.tar",
        "hostile-legacy.pth",
    ];
    let files: Vec<_> = names.iter().map(|name| fs::read(folder.join(name)).unwrap()).collect();
    fuzz("tests::fuzz::torch_files", &files, |bytes| {
        for (_, tensor) in StateDict::read(bytes).iter().flat_map(StateDict::iter) {
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
        // With a checksum that fits again, damage is met further in.
        if let Some(bytes) = resealed(bytes) {
            read_model(&bytes);
        }
    });
}
