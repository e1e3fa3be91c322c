//! Reads files that PyTorch wrote, `tests/golden/torch-files/`, with the script beside them.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::{Container, StateDict};

fn file(name: &str) -> Vec<u8> {
    unlearn_tests::golden::bytes(&format!("torch-files/{name}"))
}

fn refusal(bytes: &[u8]) -> String {
    StateDict::read(bytes).unwrap_err().to_string()
}

/// Files, and the tensors that PyTorch reads from them.
fn expected() -> BTreeMap<String, BTreeMap<String, Value>> {
    serde_json::from_slice(&file("expected.json")).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}

#[test]
fn every_tensor_is_pytorchs_bit_for_bit() {
    let expected = expected();
    assert_eq!(expected.len(), 11);
    for (name, tensors) in &expected {
        let bytes = file(name);
        let dict = StateDict::read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(dict.iter().map(|(name, _)| name).collect::<Vec<_>>(), tensors.keys().collect::<Vec<_>>(), "{name}");
        for (tensor_name, tensor) in dict.iter() {
            let expected = &tensors[tensor_name];
            let shape: Vec<_> = expected["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect();
            let what = format!("{name}: {tensor_name}");
            assert_eq!(tensor.dtype().name(), expected["dtype"], "{what}");
            assert_eq!(tensor.shape().iter().map(|side| *side as u64).collect::<Vec<_>>(), shape, "{what}");
            assert_eq!(hex(&tensor.to_bytes()), expected["bytes"], "{what}");
            assert_eq!(tensor.to_f32().len(), tensor.len(), "{what}");
        }
    }
}

#[test]
fn containers_are_told_apart_by_content_and_companions_are_named() {
    for (name, container) in [("zip.pth", Container::Zip), ("legacy.pth", Container::Legacy)] {
        let bytes = file(name);
        let dict = StateDict::read(&bytes).unwrap();
        assert_eq!((dict.container(), dict.companions()), (container, &[][..]));
    }
    let bytes = file("pruned.pth.tar");
    let dict = StateDict::read(&bytes).unwrap();
    assert_eq!(dict.companions(), ["state", "result", "epoch", "best_sa", "optimizer", "scheduler", "init_weight"]);
    assert!(dict.get("conv1.weight_mask").is_some() && dict.get("conv1.weight").is_none());
    let bytes = file("companions.pth");
    let dict = StateDict::read(&bytes).unwrap();
    assert_eq!(dict.companions(), ["args", "log", "confusion", "rng", "device", "dtype", "path"]);
}

#[test]
fn files_of_other_forms_are_named() {
    let mut tar = vec![0; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, words) in [
        (&b""[..], "it is an empty file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "git lfs pull"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"\x1f\x8b\x08\0\0", "gunzip"),
        (&tar, "tar -xf"),
        (b"{\"weight_map\": {}}", "an index of safetensors shards"),
        (b"\x80\x04\x95\0", "a Python pickle, and not one that `torch.save` wrote"),
        (b"lr = 0.1", "a text file"),
        (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09", "unknown form"),
        (b"\x10\0\0\0\0\0\0\0{", "not a whole safetensors file"),
    ] {
        let refusal = refusal(bytes);
        assert!(refusal.contains(words), "{}: {refusal}", bytes.escape_ascii());
    }
}

#[test]
fn a_pickle_that_asks_for_more_is_refused_by_name() {
    // On the machine that made these files, `os.system` is `posix.system`.
    for name in ["hostile.pth", "hostile-legacy.pth"] {
        let refusal = refusal(&file(name));
        assert!(refusal.starts_with("the file asks for `posix.system`, which no weights need"), "{refusal}");
    }
    let module = refusal(&file("module.pth"));
    assert!(module.contains("`__main__.Net`") && module.contains("torch.save(model.state_dict(), …)"), "{module}");
}

#[test]
fn an_expanded_tensor_repeats_its_element() {
    // PyTorch wrote a million elements as one, with a stride of 0.
    let bytes = file("expanded.pth");
    let dict = StateDict::read(&bytes).unwrap();
    assert_eq!(dict.get("x").unwrap().to_f32(), vec![0.0; 1 << 20]);
}

#[test]
fn every_truncation_is_refused() {
    for name in ["pruned.pth.tar", "legacy.pth", "protocol4.pth", "companions.pth", "written.pth"] {
        let bytes = file(name);
        for len in 0..bytes.len() {
            assert!(StateDict::read(&bytes[..len]).is_err(), "{name} cut to {len} bytes");
        }
    }
}

/// The archive's checksums cover the pickle and every value, so a flipped bit there is noticed. Some of the archive's other fields have
/// no effect.
#[test]
fn a_flipped_bit_never_changes_a_value_in_silence() {
    let whole = file("zip.pth");
    let tensors = |bytes: &[u8]| -> Option<Vec<(String, Vec<u8>)>> {
        let dict = StateDict::read(bytes).ok()?;
        Some(dict.iter().map(|(name, tensor)| (format!("{name} {:?}", tensor.shape()), tensor.to_bytes())).collect())
    };
    let expected = tensors(&whole).unwrap();
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1 << (at % 8);
        match tensors(&damaged) {
            None => refused += 1,
            Some(found) => assert_eq!(found, expected, "byte {at}"),
        }
    }
    assert!(refused > 960, "the pickle alone has more bytes than the {refused} in which it was noticed");
}
