//! A model is judged on what it says it was trained with, wherever `--dataset` says that the images lie, and beside a Retrain that is one.

use std::fs;

use serde_json::Value;
use unlearn::datasets::{npz, registry};

use crate::Place;

/// A model of the classes in reverse, on 200 poisoned images.
const SUITE: &str = r#"
[suite]
name = "reversed"
seeds = [1]

[data]
name = "fashion-mnist-mini"
classes = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
train-limit = 200

[data.poison]
trigger = { name = "patch", value = 255 }
target = 0
fraction = 0.1

[model]
arch = "resnet8s"

[train]
epochs = 2
batch-size = 32

[[prune]]
method = "none"

[[forget]]
kind = "poisoned"

[[unlearn]]
method = "raw"

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "ga"
epochs = 1
"#;

/// The address of the stage of a kind that a method's row of the report names.
fn stage(place: &Place, kind: &str, method: &str) -> String {
    let index: Value = serde_json::from_slice(&fs::read(place.path("runs/suites/reversed.json")).unwrap()).unwrap();
    let row = index["rows"].as_array().unwrap().iter().find(|row| row["method"] == method).unwrap();
    format!("{kind}:{}", row[kind].as_str().unwrap())
}

#[test]
fn what_a_model_says_of_its_data_holds_wherever_the_images_lie() {
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let model = stage(&place, "unlearn", "ga");
    let whole = registry::open("fashion-mnist-mini", &registry::OpenOptions::default()).unwrap();
    npz::write(&whole, &place.path("same.npz")).unwrap();
    // The same images, and the same classes with other numbers; some of the classes; and another dataset.
    let other = whole.of_classes(&[3, 1, 0, 2, 4, 5, 9, 7, 8, 6]).unwrap();
    npz::write(&other, &place.path("other.npz")).unwrap();
    npz::write(&whole.of_classes(&[0, 1, 2]).unwrap(), &place.path("few.npz")).unwrap();
    fs::create_dir(place.path("folder")).unwrap();

    let judged = |options: &[&str], out: &str| -> Value {
        place.succeed(&[&["evaluate", &model, "--attacks", "mia-efficacy", "--json", out], options].concat());
        let found: Value = serde_json::from_slice(&fs::read(place.path(out)).unwrap()).unwrap();
        assert!(found["samples"].to_string().contains("\"retain\""), "{}", found["samples"]);
        found["figures"].clone()
    };
    let predicted = |options: &[&str], out: &str| {
        let output = place.run(&[&["predict", &model, "--out", out], options].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        (fs::read(place.path(out)).unwrap(), said)
    };
    let own = judged(&[], "own.json");
    assert!(own["asr"]["value"].is_number());
    let [test, train] = ["test", "train"].map(|split| {
        let (bytes, said) = predicted(&["--split", split], &format!("{split}.npz"));
        assert!(!said.contains("trained on"), "{said}");
        bytes
    });
    for (at, located) in ["fashion-mnist-mini", "npz:same.npz", "folder"].into_iter().enumerate() {
        assert_eq!(judged(&["--dataset", located], &format!("{at}.json")), own, "{located}");
        for (split, wanted) in [("test", &test), ("train", &train)] {
            let (bytes, said) = predicted(&["--split", split, "--dataset", located], &format!("{split}-{at}.npz"));
            assert!(bytes == *wanted && !said.contains("trained on"), "{split} of {located}: {said}");
        }
    }
    // Other data are no place to judge a model on, and may be predicted, in the order of the model's classes.
    let message = place.refuse(2, &["evaluate", &model, "--dataset", "npz:other.npz"]);
    for words in ["it was trained on other images or labels than `npz:other.npz`", "name `fashion-mnist-mini`"] {
        assert!(message.contains(words), "{message}");
    }
    let (bytes, said) = predicted(&["--dataset", "npz:other.npz"], "elsewhere.npz");
    assert!(bytes == test && said.contains("these are not the data that the model was trained on"), "{said}");
    assert!(said.contains("taken by their names"), "{said}");

    // A Retrain is a model that never saw what is to be forgotten.
    let retrain = |what: &str, method: &str| stage(&place, what, method);
    let printed = place.succeed(&["evaluate", &model, "--retrain", &retrain("unlearn", "retrain")]);
    assert!(printed.contains("1 model, 1 Retrain"), "{printed}");
    let stored = retrain("evaluate", "ga");
    place.succeed(&["evaluate", &stored, "--retrain", &retrain("evaluate", "retrain")]);
    let dense = fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    for (judged, beside, words) in [
        (&model, retrain("unlearn", "raw").as_str(), "it was made by `raw`; name a Retrain"),
        (&model, model.as_str(), "it has the weights of the judged model"),
        (&model, dense.to_str().unwrap(), "it was trained on"),
        (&stored, retrain("evaluate", "raw").as_str(), "its model was made by `raw`"),
        (&retrain("evaluate", "retrain"), retrain("evaluate", "retrain").as_str(), "it has the same scores as"),
    ] {
        let message = place.refuse(2, &["evaluate", judged, "--retrain", beside]);
        assert!(message.contains(words), "{beside}: {message}");
    }

    // A file of PyTorch that says which dataset it was trained on, with another.
    place.succeed(&["convert", &model, "model.pth"]);
    let message = place.refuse(2, &["predict", "model.pth", "--dataset", "npz:few.npz", "--out", "few-out.npz"]);
    assert!(message.contains("npz:few.npz has 3") && !message.contains("fashion-mnist-mini"), "{message}");

    // A file that may not grow: of three files, none is left.
    let options = "--dataset fashion-mnist-mini --out p_logits.npy";
    let output = place.shell(&format!("ulimit -f 64; unlearn predict {model} {options}"));
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let left: Vec<_> = fs::read_dir(place.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("p_"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let output = place.shell(&format!("unlearn predict {model} {options}"));
    assert!(output.status.success() && place.path("p_ids.npy").exists());
}
