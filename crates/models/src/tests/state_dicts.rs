//! State dictionaries as people save them: with prefixes, within other dictionaries, averaged, parametrised.

use std::path::Path;

use unlearn_tensor_files::le_bytes;

use crate::{
    Error, ImportOptions, InputSpec, ModelFile, Pretrained, Source, Target, checkpoint::CheckpointInfo, find,
    initialize,
};

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;

/// A resnet8s of ten classes, and its tensors.
fn example(seed: u64) -> (ModelFile, Tensors) {
    let input = InputSpec { shape: [3, 32, 32], classes: 10, mean: vec![0.0; 3], std: vec![1.0; 3] };
    let graph = find("resnet8s").unwrap().graph(&input).unwrap();
    let state = initialize(&graph, seed);
    let named = state.named(&graph);
    let tensors = named.map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), values.to_vec())).collect();
    let info = CheckpointInfo::new("resnet8s", input, "unknown");
    (ModelFile { source: Source::Dense, graph, state, mask: None, info }, tensors)
}

/// The bytes that `torch.save({key: {name: tensor, …}, …, "epoch": 3}, …, _use_new_zipfile_serialization=False)` writes. Without a key,
/// the dictionary itself is saved.
pub(crate) fn saved(dicts: &[(&str, &Tensors)]) -> Vec<u8> {
    fn text(out: &mut Vec<u8>, text: &str) {
        out.push(b'X');
        out.extend((text.len() as u32).to_le_bytes());
        out.extend(text.as_bytes());
    }
    fn counts(out: &mut Vec<u8>, counts: impl IntoIterator<Item = usize>) {
        out.push(b'(');
        for count in counts {
            out.push(b'J');
            out.extend((count as i32).to_le_bytes());
        }
        out.push(b't');
    }
    let mut out = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.".to_vec();
    out.extend(b"\x80\x02}(X\x0d\x00\x00\x00little_endian\x88u.\x80\x02");
    let nested = !dicts.iter().any(|(key, _)| key.is_empty());
    if nested {
        out.extend(b"}(X\x05\x00\x00\x00epochK\x03");
    }
    let mut storages = Vec::new();
    for (key, tensors) in dicts {
        let path: Vec<&str> = key.split('.').filter(|part| !part.is_empty()).collect();
        for (depth, part) in path.iter().enumerate() {
            if depth > 0 {
                out.extend(b"}(");
            }
            text(&mut out, part);
        }
        out.extend(b"}(");
        for (name, shape, values) in *tensors {
            text(&mut out, name);
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n");
            text(&mut out, &storages.len().to_string());
            text(&mut out, "cpu");
            out.push(b'J');
            out.extend((values.len() as i32).to_le_bytes());
            out.extend(b"tQK\x00");
            counts(&mut out, shape.iter().copied());
            counts(&mut out, (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()));
            out.extend(b"\x89}tR");
            storages.push(values);
        }
        out.push(b'u');
        out.extend(std::iter::repeat_n(b'u', path.len().saturating_sub(1)));
    }
    out.extend(if nested { &b"u."[..] } else { b"." });
    out.extend(b"\x80\x02](");
    for number in 0..storages.len() {
        text(&mut out, &number.to_string());
    }
    out.extend(b"e.");
    for values in storages {
        out.extend((values.len() as i64).to_le_bytes());
        out.extend(le_bytes(values));
    }
    out
}

fn read(bytes: &[u8], key: Option<&str>) -> Result<ModelFile, Error> {
    let options = ImportOptions { key: key.map(str::to_owned), ..ImportOptions::default() };
    ModelFile::read(bytes, &options, Path::new("m.pth"))
}

fn refusal(bytes: &[u8], key: Option<&str>) -> String {
    read(bytes, key).map(|_| ()).unwrap_err().to_string()
}

fn renamed(tensors: &Tensors, name: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(old, shape, values)| (name(old), shape.clone(), values.clone())).collect()
}

#[track_caller]
fn same(found: &ModelFile, model: &ModelFile) {
    assert_eq!((found.state.parameters(), found.state.buffers()), (model.state.parameters(), model.state.buffers()));
}

#[test]
fn any_chain_of_prefixes_that_all_tensors_share_is_dropped() {
    let (model, tensors) = example(1);
    for prefix in [
        "",
        "module.",
        "_orig_mod.",
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.",
        "net.",
        "backbone.",
        "encoder.",
        "module.module.",
        "a.b.c.",
        "model.module.net.",
    ] {
        let bytes = saved(&[("", &renamed(&tensors, |name| format!("{prefix}{name}")))]);
        same(&read(&bytes, None).unwrap(), &model);
        let pretrained = Pretrained::read(&bytes, Path::new("m.pth")).unwrap();
        assert_eq!(pretrained.initialize(&model.graph, 9).unwrap().parameters(), model.state.parameters(), "{prefix}");
    }
    // One part of the model has a wrapper, and the normalisation is outside of the model.
    let bytes = saved(&[("", &renamed(&tensors, |name| name.replacen("layer1.", "layer1.module.", 1)))]);
    same(&read(&bytes, None).unwrap(), &model);
    let mut wrapped = renamed(&tensors, |name| format!("net.{name}"));
    wrapped.push(("normalize.mean".into(), vec![3, 1, 1], vec![0.5; 3]));
    assert!(refusal(&saved(&[("", &wrapped)]), None).contains("`normalize.mean` and no `normalize.std`"));
    wrapped.push(("normalize.std".into(), vec![3, 1, 1], vec![0.25; 3]));
    let found = read(&saved(&[("", &wrapped)]), None).unwrap();
    same(&found, &model);
    assert_eq!((found.info.mean, found.info.std), (vec![0.5; 3], vec![0.25; 3]));
    // Two names become equal.
    let mut twice = tensors.clone();
    twice.push(("module.fc.bias".into(), vec![10], vec![0.0; 10]));
    assert!(refusal(&saved(&[("", &twice)]), None).contains("`fc.bias` is there twice"));
}

#[test]
fn the_one_nested_dictionary_is_taken_whatever_its_key() {
    let (model, tensors) = example(1);
    for key in ["state_dict", "model_state_dict", "model", "net", "ema", "weights", "checkpoint.model", "a.b.c.d"] {
        same(&read(&saved(&[(key, &tensors)]), None).unwrap(), &model);
        same(&read(&saved(&[(key, &tensors)]), Some(key)).unwrap(), &model);
    }
    let averaged =
        [vec![("n_averaged".into(), vec![], vec![5.0])], renamed(&tensors, |name| format!("module.{name}"))].concat();
    same(&read(&saved(&[("", &averaged)]), None).unwrap(), &model);
    // Masks and the initial weights of a training do not count as candidates for the model.
    let masks: Tensors = tensors.iter().filter(|(_, shape, _)| shape.len() > 1).cloned().collect();
    same(&read(&saved(&[("mask", &masks), ("state_dict", &tensors)]), None).unwrap(), &model);
    let (other, begun) = example(2);
    let bytes = saved(&[("init_weight", &begun), ("state_dict", &tensors)]);
    same(&read(&bytes, None).unwrap(), &model);
    same(&read(&bytes, Some("init_weight")).unwrap(), &other);
    same(&read(&saved(&[("init_weight", &begun)]), None).unwrap(), &other);
}

#[test]
fn of_several_dictionaries_the_user_chooses() {
    let ((model, tensors), (other, averaged)) = (example(1), example(2));
    let bytes = saved(&[("state_dict", &tensors), ("state_dict_ema", &averaged)]);
    let message = refusal(&bytes, None);
    for words in ["m.pth", "2 dictionaries", "`state_dict` (", "`state_dict_ema` (", "`--key`", "conv1.weight"] {
        assert!(message.contains(words), "`{words}` in: {message}");
    }
    same(&read(&bytes, Some("state_dict")).unwrap(), &model);
    same(&read(&bytes, Some("state_dict_ema")).unwrap(), &other);
    let message = refusal(&bytes, Some("ema"));
    assert!(message.contains("`ema`; these have one: `state_dict`, `state_dict_ema`"), "{message}");
    let message = Pretrained::read(&bytes, Path::new("m.pth")).unwrap_err().to_string();
    assert!(message.contains("`state_dict_ema`") && message.contains("unlearn convert"), "{message}");
    for target in [Target::Dense, Target::Torch] {
        let message = refusal(&model.to_bytes(target).unwrap(), Some("model"));
        assert!(message.contains("`model`; the file is a single dictionary"), "{message}");
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let (_, tensors) = example(1);
    let headless: Tensors = tensors.iter().filter(|(name, ..)| !name.starts_with("fc.")).cloned().collect();
    let message = refusal(&saved(&[("", &headless)]), None);
    assert!(message.contains("nearest is resnet8s, but tensors `fc.bias`, `fc.weight` are missing"), "{message}");
    let message = refusal(&saved(&[("", &renamed(&tensors, |name| name.replace("fc.", "head.")))]), None);
    assert!(message.contains("are missing; it has no tensors `head.bias`, `head.weight`"), "{message}");
    let mut beside = renamed(&tensors, |name| format!("model.{name}"));
    beside.push(("criterion.weight".into(), vec![10], vec![1.0; 10]));
    let message = refusal(&saved(&[("state_dict", &beside)]), None);
    assert!(
        message.contains("resnet8s under the prefix `model.`, but it has no tensor `criterion.weight`"),
        "{message}"
    );
}

#[test]
fn weight_normalisation_is_computed_and_other_parametrisations_are_refused() {
    let (model, tensors) = example(1);
    let (_, shape, weight) = tensors.iter().find(|(name, ..)| name == "fc.weight").unwrap().clone();
    // Magnitudes are the norms of rows. Directions may have any length: here, rows times 2, 3, 4, …
    let rows = || weight.chunks(shape[1]);
    let norms: Vec<f32> =
        rows().map(|row| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt() as f32).collect();
    let directions: Vec<f32> =
        rows().enumerate().flat_map(|(at, row)| row.iter().map(move |v| v * (at + 2) as f32)).collect();
    for [magnitude, direction] in [
        ["fc.weight_g", "fc.weight_v"],
        ["fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1"],
    ] {
        let mut normed: Tensors = tensors.iter().filter(|(name, ..)| name != "fc.weight").cloned().collect();
        normed.push((magnitude.into(), vec![shape[0], 1], norms.clone()));
        normed.push((direction.into(), shape.clone(), directions.clone()));
        let found = read(&saved(&[("", &renamed(&normed, |name| format!("model.{name}")))]), None).unwrap();
        let at = model.graph.parameter("fc.weight").unwrap();
        for (found, expected) in found.state.parameters()[at].iter().zip(&weight) {
            assert!((found - expected).abs() <= 1e-6 * expected.abs(), "{found}, not {expected}");
        }
    }
    let parametrised = |names: &[&str]| {
        let mut other: Tensors = tensors.iter().filter(|(name, ..)| name != "fc.weight").cloned().collect();
        other.extend(names.iter().map(|name| ((*name).to_owned(), shape.clone(), weight.clone())));
        refusal(&saved(&[("", &other)]), None)
    };
    for names in [
        &["fc.parametrizations.weight.original"][..],
        &["fc.parametrizations.weight.original0", "fc.parametrizations.weight.original1"],
        &["fc.parametrizations.weight.0._u", "fc.parametrizations.weight.original"],
    ] {
        let message = parametrised(names);
        for words in [names[0], "parametrisation of `fc.weight`", "remove_parametrizations"] {
            assert!(message.contains(words), "`{words}` in: {message}");
        }
    }
    let message = parametrised(&["fc.weight_orig", "fc.weight_u"]);
    assert!(message.contains("`fc.weight_u`") && message.contains("remove_spectral_norm"), "{message}");
}
