//! `convert` and `inspect` on every kind of file.

use std::{fs, path::Path};

use crate::{Place, SUITE};

fn golden(place: &Place, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/torch-files");
    fs::copy(folder.join(name), place.path(name)).unwrap();
}

#[test]
fn a_pruned_file_of_pytorchs_goes_through_every_kind() {
    let place = Place::new(SUITE);
    golden(&place, "resnet8s.pth.tar");
    let inspected = place.succeed(&["inspect", "resnet8s.pth.tar"]);
    for words in ["file of torch.save", "checkpoint of resnet8s: 10 classes", "float16", "beside the weights: epoch"] {
        assert!(inspected.contains(words), "`{words}` in: {inspected}");
    }
    let said =
        place.succeed(&["convert", "resnet8s.pth.tar", "sparse.safetensors", "--side", "28", "--dataset", "mnist"]);
    assert!(said.contains("sparse checkpoint") && said.contains("196 of 784 covered weights kept"), "{said}");
    let inspected = place.succeed(&["inspect", "sparse.safetensors"]);
    for words in ["sparse checkpoint", "images [1, 28, 28], trained on mnist", "fc.weight.kept", "sparsity 75.00 %"] {
        assert!(inspected.contains(words), "`{words}` in: {inspected}");
    }
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    place.succeed(&["convert", "sparse.safetensors", "dense.safetensors", "--to", "dense"]);
    place.succeed(&["convert", "sparse.safetensors", "again.safetensors"]);
    assert_eq!(read("sparse.safetensors"), read("again.safetensors"));
    place.succeed(&["convert", "sparse.safetensors", "torch.safetensors", "--to", "torch"]);
    let dense = place.succeed(&["inspect", "dense.safetensors"]);
    assert!(dense.contains("dense checkpoint") && dense.contains("75.00 % zeros"), "{dense}");
    let options = ["--side", "28", "--dataset", "mnist"];
    place.succeed(&[&["convert", "torch.safetensors", "back.safetensors"][..], &options].concat());
    place.succeed(&[&["convert", "resnet8s.pth.tar", "direct.safetensors", "--to", "dense"][..], &options].concat());
    assert_eq!(read("back.safetensors"), read("direct.safetensors"));
    assert_eq!(read("dense.safetensors"), read("direct.safetensors"));
}

#[test]
fn what_cannot_be_converted_is_refused() {
    let place = Place::new(SUITE);
    for name in ["resnet8s.pth.tar", "hostile.pth", "zip.pth"] {
        golden(&place, name);
    }
    let refused = |code, arguments: &[&str], words: &[&str]| {
        let message = place.refuse(code, arguments);
        for word in words {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
    };
    refused(1, &["convert", "hostile.pth", "out"], &["hostile.pth", "the file asks for `posix.system`"]);
    refused(1, &["inspect", "hostile.pth"], &["hostile.pth", "the file asks for `posix.system`"]);
    refused(1, &["convert", "zip.pth", "out"], &["zip.pth", "those of no architecture", "`--arch`"]);
    refused(1, &["convert", "zip.pth", "out", "--arch", "resnet8s"], &["not those of resnet8s"]);
    refused(2, &["convert", "zip.pth", "out", "--arch", "resnet9s"], &["did you mean `resnet8s`"]);
    refused(2, &["convert", "zip.pth", "out", "--to", "onnx"], &["dense, sparse, torch"]);
    refused(1, &["convert", "suite.toml", "out"], &["suite.toml", "safetensors"]);
    refused(2, &["convert", "absent.pth", "out"], &["absent.pth"]);
    refused(1, &["convert", "resnet8s.pth.tar", "out", "--mask", "resnet8s.pth.tar"], &["resnet8s.pth.tar"]);
    assert!(!place.path("out").exists());

    place.succeed(&["convert", "resnet8s.pth.tar", "dense.safetensors", "--to", "dense"]);
    refused(1, &["convert", "dense.safetensors", "out", "--to", "sparse"], &["has no mask", "`--mask`"]);
    place.succeed(&["convert", "resnet8s.pth.tar", "sparse.safetensors"]);
    let mut bytes = fs::read(place.path("sparse.safetensors")).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(place.path("damaged.safetensors"), bytes).unwrap();
    for command in [&["inspect", "damaged.safetensors"][..], &["convert", "damaged.safetensors", "out"]] {
        refused(1, command, &["damaged.safetensors", "its checksum does not fit"]);
    }
    assert!(!place.path("out").exists());
}
