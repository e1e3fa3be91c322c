//! State dictionaries as people save them: with prefixes, within other dictionaries, averaged, parametrised.

use std::path::Path;

use unlearn_tests::{Tensors, saved};

use crate::{
    Error, ImportOptions, InputSpec, ModelFile, Pretrained, Source, Target, checkpoint::CheckpointInfo, find,
    initialize,
};

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
        let pretrained = Pretrained::read(&bytes, Path::new("m.pth"), None).unwrap();
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
    let pretrained = |bytes: &[u8], key| Pretrained::read(bytes, Path::new("m.pth"), key);
    let message = pretrained(&bytes, None).unwrap_err().to_string();
    for words in ["`state_dict_ema`", "`--init-key`", "unlearn convert --key"] {
        assert!(message.contains(words), "`{words}` in: {message}");
    }
    for (key, expected) in [("state_dict", &model), ("state_dict_ema", &other)] {
        let begun = pretrained(&bytes, Some(key)).unwrap().initialize(&model.graph, 9).unwrap();
        assert_eq!(begun.parameters(), expected.state.parameters(), "{key}");
    }
    let message = pretrained(&bytes, Some("ema")).unwrap_err().to_string();
    assert!(message.contains("`ema`; these have one: `state_dict`, `state_dict_ema`"), "{message}");
    for target in [Target::Dense, Target::Torch] {
        let bytes = model.to_bytes(target).unwrap();
        let begun = pretrained(&bytes, Some("model")).unwrap_err().to_string();
        for message in [refusal(&bytes, Some("model")), begun] {
            assert!(message.contains("`model`; the file is a single dictionary"), "{message}");
        }
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
        message
            .contains("all tensors of resnet8s under the prefix `model.`, and others beside them (`criterion.weight`)"),
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

#[test]
fn a_model_beside_another_or_beside_more_is_chosen_by_its_prefix() {
    let ((student, of_student), (teacher, of_teacher)) = (example(1), example(2));
    let under = |prefix: &str, tensors: &Tensors| renamed(tensors, |name| format!("{prefix}.{name}"));
    let both = [under("student", &of_student), under("teacher", &of_teacher)].concat();
    for (key, outer) in [("", ""), ("state_dict", "state_dict.")] {
        let bytes = saved(&[(key, &both)]);
        let message = refusal(&bytes, None);
        assert!(
            message.contains("`student` (") && message.contains("`teacher` (") && message.contains("--key"),
            "{message}"
        );
        same(&read(&bytes, Some("student")).unwrap(), &student);
        same(&read(&bytes, Some(&format!("{outer}teacher"))).unwrap(), &teacher);
        assert!(refusal(&bytes, Some("pupil")).contains("no dictionary of tensors has the key `pupil`"));
    }
    let mut more = under("model", &of_student);
    more.push(("criterion.weight".into(), vec![10], vec![1.0; 10]));
    let bytes = saved(&[("", &more)]);
    assert!(refusal(&bytes, None).contains("under the prefix `model.`, and others beside them (`criterion.weight`)"));
    same(&read(&bytes, Some("model")).unwrap(), &student);
}

#[test]
fn a_tensor_beside_a_model_is_named_and_an_empty_one_left_out() {
    let (model, mut tensors) = example(1);
    tensors.push(("empty.weight".into(), vec![0, 3], vec![]));
    same(&read(&saved(&[("", &tensors)]), None).unwrap(), &model);
    tensors.push(("aux.weight".into(), vec![2], vec![1.0; 2]));
    let message = refusal(&saved(&[("", &tensors)]), None);
    assert!(message.contains("all tensors of resnet8s, and others beside them (`aux.weight`)"), "{message}");
    assert!(message.contains("del state_dict[\"aux.weight\"]"), "{message}");
}

#[test]
fn a_known_model_with_impossible_values_is_not_called_unknown() {
    for (suffix, value, words) in [("fc.bias", f32::NAN, "holds a NaN"), ("running_var", -1.0, "it is a variance")] {
        let (_, mut tensors) = example(1);
        tensors.iter_mut().find(|(name, ..)| name.ends_with(suffix)).unwrap().2[0] = value;
        let bytes = saved(&[("", &tensors)]);
        let pretrained = Pretrained::read(&bytes, Path::new("m.pth"), None).map(|_| ()).unwrap_err().to_string();
        for message in [refusal(&bytes, None), pretrained] {
            assert!(message.contains(words) && message.contains(": take "), "{message}");
            assert!(!message.contains("known here"), "{message}");
        }
    }
}
