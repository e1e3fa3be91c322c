//! `convert` and `inspect` on every kind of file.

use std::fs;

use unlearn::models::{InputSpec, find, initialize};
use unlearn::torch_files::Written;

use crate::{Place, SUITE};

fn golden(place: &Place, name: &str) {
    let folder = unlearn_tests::golden::path("torch-files");
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
    refused(2, &["convert", "zip.pth", "out", "--to", "onnx"], &["dense, sparse, torch, torch-masked"]);
    refused(1, &["convert", "suite.toml", "out"], &["suite.toml", "it is a text file", "safetensors"]);
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

/// A resnet8s without normalisation, as a file for PyTorch.
fn foreign(shape: [usize; 3]) -> Vec<u8> {
    let input = InputSpec { shape, classes: 10, mean: vec![0.0; shape[0]], std: vec![1.0; shape[0]] };
    let graph = find("resnet8s").unwrap().graph(&input).unwrap();
    let state = initialize(&graph, 7);
    let named: Vec<_> = state.named(&graph).collect();
    let written: Vec<_> = named.iter().map(|(name, shape, values)| Written { name, shape, values }).collect();
    unlearn::torch_files::write(&written, &[]).unwrap()
}

/// What a command says on both outputs.
fn said(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_name_of_pytorchs_gives_a_file_of_pytorchs() {
    let place = Place::new(SUITE);
    golden(&place, "resnet8s.pth.tar");
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    place.succeed(&["convert", "resnet8s.pth.tar", "sparse.safetensors"]);
    for name in ["model.pth", "model.pt", "model.pth.tar"] {
        let said = place.succeed(&["convert", "sparse.safetensors", name]);
        for words in ["file for torch.load", "the mask is not", "images must be normalised first"] {
            assert!(said.contains(words), "`{words}` in: {said}");
        }
        assert_eq!(read(name), read("model.pth"));
    }
    assert!(read("model.pth").starts_with(b"PK"));
    // Nothing but the module's tensors, and yet nothing is lost: the description is an entry beside them.
    let bytes = read("model.pth");
    let tensors = unlearn::torch_files::StateDict::read(&bytes).unwrap();
    assert!(tensors.iter().all(|(name, _)| !name.starts_with("normalize.")));
    place.succeed(&["convert", "model.pth", "again.safetensors", "--to", "dense"]);
    place.succeed(&["convert", "sparse.safetensors", "direct.safetensors", "--to", "dense"]);
    assert_eq!(read("again.safetensors"), read("direct.safetensors"));
    let inspected = place.succeed(&["inspect", "model.pth"]);
    assert!(inspected.contains("file of torch.save\n") && inspected.contains("75.00 % zeros"), "{inspected}");
    place.succeed(&["convert", "sparse.safetensors", "masked.pth", "--to", "torch-masked"]);
    place.succeed(&["convert", "sparse.safetensors", "masked.safetensors", "--to", "torch-masked"]);
    let inspected = place.succeed(&["inspect", "masked.pth"]);
    assert!(inspected.contains("fc.weight_orig") && inspected.contains("fc.weight_mask"), "{inspected}");
    for name in ["masked.pth", "masked.safetensors"] {
        place.succeed(&["convert", name, "back.safetensors"]);
        assert_eq!(read("back.safetensors"), read("sparse.safetensors"), "{name}");
    }
    let refused = |code, arguments: &[&str], words: &[&str]| {
        let message = place.refuse(code, arguments);
        for word in words {
            assert!(message.contains(word), "`{word}` in: {message}");
        }
        assert!(!place.path(arguments[2]).exists());
    };
    refused(2, &["convert", "sparse.safetensors", "x.pth", "--to", "dense"], &["x.pth", "`--to torch`"]);
    refused(2, &["convert", "sparse.safetensors", "x.PT", "--to", "sparse"], &["x.PT", "`--to torch`"]);
    refused(2, &["convert", "sparse.safetensors", "x.onnx"], &["x.onnx", "another format"]);
    refused(2, &["export", "sparse.safetensors", "x.pth", "--dense"], &["x.pth", "unlearn convert"]);
    place.succeed(&["convert", "sparse.safetensors", "dense.safetensors", "--to", "dense"]);
    refused(1, &["convert", "dense.safetensors", "y.pth", "--to", "torch-masked"], &["has no mask", "`--mask`"]);
}

#[test]
fn a_file_without_normalisation_takes_its_dataset_s_or_a_warning_is_given() {
    let place = Place::new(SUITE);
    fs::write(place.path("colour.pth"), foreign([3, 32, 32])).unwrap();
    fs::write(place.path("grey.pth"), foreign([1, 32, 32])).unwrap();
    let convert =
        |input: &str, more: &[&str]| said(&place, &[&["convert", input, "out.safetensors"][..], more].concat());
    let contains = |text: &str, words: &[&str]| {
        for word in words {
            assert!(text.contains(word), "`{word}` in: {text}");
        }
    };
    contains(&convert("colour.pth", &[]), &["WARN", "has no normalisation", "`--mean`", "mean [0.0, 0.0, 0.0]"]);
    let cifar = convert("colour.pth", &["--dataset", "cifar10"]);
    contains(
        &cifar,
        &["that of cifar10 is taken", "normalisation: mean [0.4914, 0.4822, 0.4465], std [0.247, 0.2435, 0.2616]"],
    );
    assert!(!cifar.contains("WARN"), "{cifar}");
    let mini = convert("grey.pth", &["--dataset", "fashion-mnist-mini"]);
    contains(&mini, &["images [1, 28, 28]", "that of fashion-mnist-mini is taken"]);
    let refused = place.refuse(2, &["convert", "grey.pth", "out.safetensors", "--dataset", "cifar10"]);
    contains(&refused, &["grey.pth", "1 input channels", "the images of cifar10 have 3"]);
    contains(&convert("grey.pth", &["--dataset", "my-own"]), &["WARN", "has no normalisation"]);
    let given = convert("grey.pth", &["--dataset", "my-own", "--mean", "0.5", "--std", "0.25"]);
    assert!(!given.contains("WARN") && given.contains("mean [0.5], std [0.25]"), "{given}");
    // A file that says it itself keeps what it says.
    golden(&place, "resnet8s.pth.tar");
    let own = convert("resnet8s.pth.tar", &["--dataset", "fashion-mnist-mini"]);
    assert!(!own.contains("is taken") && own.contains("mean [0.5], std [0.25]"), "{own}");
}

#[test]
fn files_of_other_forms_pipes_and_devices_are_refused_at_once() {
    let place = Place::new(SUITE);
    let files: [(&str, &[u8], &str); 5] = [
        ("lfs.pth", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("page.pth", b"<!DOCTYPE html>", "a web page"),
        ("packed.pth", b"\x1f\x8b\x08\0", "gunzip"),
        ("empty.pth", b"", "an empty file"),
        ("table.pth", b"PAR1", "a parquet file"),
    ];
    for (name, bytes, words) in files {
        fs::write(place.path(name), bytes).unwrap();
        for command in [&["convert", name, "out"][..], &["inspect", name], &["export", name, "out", "--dense"]] {
            let message = place.refuse(1, command);
            assert!(message.contains(name) && message.contains(words), "{message}");
        }
        let train = place.refuse(1, &["train", "suite.toml", "--init", name]);
        assert!(train.contains(name) && train.contains(words), "{train}");
    }
    #[cfg(target_os = "linux")]
    {
        std::os::unix::fs::symlink("/dev/zero", place.path("zeros.pth")).unwrap();
        assert!(place.shell("mkfifo pipe.pth").status.success());
        golden(&place, "resnet8s.pth.tar");
        for (name, words) in [("zeros.pth", "a device"), ("pipe.pth", "a pipe")] {
            for command in [
                &["convert", name, "out"][..],
                &["inspect", name],
                &["convert", "resnet8s.pth.tar", "out", "--mask", name],
                &["train", "suite.toml", "--init", name],
            ] {
                let message = place.refuse(2, command);
                assert!(message.contains(name) && message.contains(words), "{message}");
            }
        }
    }
    assert!(!place.path("out").exists());
}
