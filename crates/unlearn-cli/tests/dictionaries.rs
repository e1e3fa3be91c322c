//! A PyTorch file with two dictionaries of tensors: as the beginning of a training, and as a model that is to forget.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use unlearn::models::{ImportOptions, InputSpec, ModelFile, find, initialize};
use unlearn_tests::{Tensors, saved};

use crate::{Place, SUITE, models};

/// The tensors of a resnet8s for 28×28 grey images of ten classes.
fn tensors(seed: u64) -> Tensors {
    let input = InputSpec { shape: [1, 28, 28], classes: 10, mean: vec![0.5], std: vec![0.25] };
    let graph = find("resnet8s").unwrap().graph(&input).unwrap();
    let state = initialize(&graph, seed);
    state.named(&graph).map(|(name, shape, values)| (name.to_owned(), shape.to_vec(), values.to_vec())).collect()
}

/// A folder with `both.pth`, which holds two models of different values.
fn place() -> (Place, [Tensors; 2]) {
    let place = Place::new(SUITE.split("[[prune]]").next().unwrap());
    let both = [tensors(7), tensors(8)];
    fs::write(place.path("both.pth"), saved(&[("state_dict", &both[0]), ("ema.model", &both[1])])).unwrap();
    fs::write(place.path("ids.txt"), "3\n5\n8\n").unwrap();
    (place, both)
}

/// Whether the model in a file has these values.
fn holds(path: &Path, tensors: &Tensors) -> bool {
    let model = ModelFile::read(&fs::read(path).unwrap(), &ImportOptions::default(), path).unwrap();
    model.state.named(&model.graph).zip(tensors).all(|((name, _, values), other)| name == other.0 && values == other.2)
}

fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "`{word}` in: {text}");
    }
}

/// The trained models of the store.
fn trained(place: &Place) -> BTreeSet<std::path::PathBuf> {
    let models = models(&place.path("runs")).into_iter().map(|(path, _)| place.path("runs").join(path));
    models.filter(|path| path.to_string_lossy().contains("/train/")).collect()
}

#[test]
fn training_begins_with_the_chosen_dictionary() {
    let (place, both) = place();
    let begin = |more: &[&'static str]| [&["train", "suite.toml", "--set", "train.epochs=0"][..], more].concat();
    let from_file = &["--init", "both.pth"][..];
    let listed = ["both.pth", "2 dictionaries", "`state_dict` (", "`ema.model` (", "`--init-key`"];
    contains(&place.refuse(2, &begin(from_file)), &listed);
    let unknown = [from_file, &["--init-key", "model"]].concat();
    contains(&place.refuse(2, &begin(&unknown)), &["both.pth", "`model`; these have one: `state_dict`, `ema.model`"]);
    let alone = place.refuse(2, &begin(&["--init-key", "state_dict"]));
    contains(&alone, &["`model.init-key` is `state_dict`", "no `model.init`"]);
    assert!(!place.path("runs/train").exists());

    let mut before = BTreeSet::new();
    for (key, tensors) in ["state_dict", "ema.model"].into_iter().zip(&both) {
        place.succeed(&begin(&[from_file, &["--init-key", key]].concat()));
        let after = trained(&place);
        let [model] = after.difference(&before).collect::<Vec<_>>()[..] else { panic!("one new stage of {after:?}") };
        assert!(holds(model, tensors), "{key}");
        before = after;
    }
    // The suite says the same, and the stage is not computed again.
    let suite = fs::read_to_string(place.path("suite.toml")).unwrap();
    let named = "arch = \"resnet8s\"\ninit = \"both.pth\"\ninit-key = \"ema.model\"";
    fs::write(place.path("suite.toml"), suite.replace("arch = \"resnet8s\"", named)).unwrap();
    place.succeed(&begin(&[]));
    assert_eq!(trained(&place), before);
    place.succeed(&begin(&["--init-key", "state_dict"]));
    assert_eq!(trained(&place), before);
    // Another file needs a key of its own.
    contains(&place.refuse(2, &begin(from_file)), &listed);

    // What trains again begins with the same dictionary.
    let [model] = before.iter().filter(|model| holds(model, &both[1])).collect::<Vec<_>>()[..] else { panic!() };
    let folder = model.parent().unwrap().to_str().unwrap();
    let again = ["forget", "--checkpoint", folder, "--data", "fashion-mnist-mini", "--request", "ids.txt"];
    let retrain = ["--method", "retrain", "--set", "epochs=1", "--set", "lr=1e-30", "--out", "retrained"];
    place.succeed(&[&again[..], &retrain].concat());
    let weights: Tensors = both[1].iter().filter(|(name, ..)| name.ends_with(".weight")).cloned().collect();
    let path = place.path("retrained/model.safetensors");
    let left = ModelFile::read(&fs::read(&path).unwrap(), &ImportOptions::default(), &path).unwrap();
    for (name, _, values) in &weights {
        let at = left.graph.parameter(name).unwrap();
        assert!(left.state.parameters()[at] == *values, "{name}");
    }
    let card = place.succeed(&["push", "retrained", "hub:someone/x", "--dry-run", "card"]);
    let card = format!("{card}{}", fs::read_to_string(place.path("card/README.md")).unwrap());
    contains(&card, &["began with the dictionary `ema.model` of `", "both.pth"]);
}

#[test]
fn a_deletion_is_of_the_chosen_dictionary_and_its_certificate_says_which() {
    let (place, both) = place();
    let of = ["forget", "--checkpoint", "both.pth", "--data", "fashion-mnist-mini", "--request", "ids.txt"];
    let with = ["--suite", "suite.toml", "--method", "raw", "--draws", "1", "--mia", "confidence"];
    let forget = |more: &[&'static str]| [&of[..], &with, more].concat();
    let listed = ["both.pth", "2 dictionaries", "`state_dict` (", "`ema.model` (", "`--key`"];
    contains(&place.refuse(2, &forget(&["--out", "out"])), &listed);
    let unknown = place.refuse(2, &forget(&["--key", "model", "--out", "out"]));
    contains(&unknown, &["both.pth", "`model`; these have one: `state_dict`, `ema.model`"]);
    assert!(!place.path("out").exists());
    let beside = forget(&["--key", "ema.model", "--retrain", "both.pth"]);
    contains(&place.refuse(2, &[&beside[..], &["--out", "out"]].concat()), &listed);
    let itself = [&beside[..], &["--retrain-key", "ema.model", "--out", "out"]].concat();
    contains(&place.refuse(2, &itself), &["it has the weights of the model that is to forget"]);
    place.succeed(&[&beside[..], &["--retrain-key", "state_dict", "--out", "out"]].concat());
    assert!(holds(&place.path("out/model.safetensors"), &both[1]));
    let certificate = fs::read(place.path("out/certificate.json")).unwrap();
    let certificate: Value = serde_json::from_slice(&certificate).unwrap();
    assert_eq!(certificate["dictionaries"], json!({ "model": "ema.model", "retrain model": "state_dict" }));
    let verify = ["runs", "verify", "out", "--data", "fashion-mnist-mini"];
    contains(&place.succeed(&verify), &["1 of 1 certificate holds"]);

    // Another dictionary of the same file is another deletion.
    let other = forget(&["--key", "state_dict", "--out", "out"]);
    contains(&place.refuse(2, &other), &["the certificate of another deletion"]);
    place.succeed(&forget(&["--key", "state_dict", "--out", "other"]));
    assert!(holds(&place.path("other/model.safetensors"), &both[0]));
    let mut changed = certificate.clone();
    changed["dictionaries"]["model"] = json!("state_dict");
    for (changed, words) in [
        (changed, ["FAILS  key", "but the certificate's content has the key"]),
        (json!({ "dictionaries": { "mask": "x" } }), ["FAILS  dictionaries", "`mask`"]),
    ] {
        let mut whole = certificate.clone();
        whole.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
        fs::write(place.path("out/certificate.json"), whole.to_string()).unwrap();
        let output = place.run(&["runs", "verify", "out"]);
        assert_eq!(output.status.code(), Some(1));
        contains(&String::from_utf8_lossy(&output.stdout), &words);
    }

    // A model that says what it was trained on is the only one in its file.
    place.succeed(&["train", "suite.toml", "--set", "train.epochs=0"]);
    let model = trained(&place).pop_first().unwrap();
    let mut own = forget(&["--key", "model", "--out", "own"]);
    own[2] = "model.safetensors";
    fs::copy(model, place.path("model.safetensors")).unwrap();
    contains(&place.refuse(2, &own), &["`model`; the file is a single dictionary"]);
}

#[test]
fn a_model_that_answers_with_infinite_numbers_is_not_taken() {
    let (place, [mut huge, _]) = place();
    for (name, _, values) in &mut huge {
        if name.ends_with("weight") {
            for value in values {
                *value *= 1e18;
            }
        }
    }
    fs::write(place.path("huge.pth"), saved(&[("state_dict", &huge)])).unwrap();
    let of = ["forget", "--checkpoint", "huge.pth", "--data", "fashion-mnist-mini", "--request", "ids.txt"];
    let with = ["--suite", "suite.toml", "--method", "raw", "--draws", "1", "--mia", "confidence", "--out", "out"];
    let message = place.refuse(1, &[&of[..], &with].concat());
    contains(&message, &["huge.pth", "the weights are so large that the model answers image"]);
    assert!(!message.contains("lower"), "{message}");
    assert!(!place.path("out/certificate.json").exists());
}
