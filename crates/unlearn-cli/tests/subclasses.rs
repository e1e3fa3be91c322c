//! Requests for subclasses: of CIFAR-100's files, which know them, and of any data set by a file.

use std::fs;

use serde_json::Value;

use crate::Place;

/// Two models' worth of settings in little: one dense model on the coarse classes.
const SUITE: &str = r#"
[suite]
name = "sub"
seeds = [1]

[data]
name = "cifar:tiny?labels=coarse"

[model]
arch = "resnet8s"

[train]
epochs = 1
batch-size = 32

[[forget]]
kind = "subclass"
classes = ["rocket"]

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "ga"
epochs = 1

[evaluate]
draws = 2
"#;

/// The suite on CIFAR-100's binary form: three coarse classes of two fine ones each, 20 training and 4 test images of each fine class.
fn place() -> Place {
    let place = Place::new(SUITE);
    let folder = place.path("tiny");
    fs::create_dir(&folder).unwrap();
    for (file, of_each) in [("train.bin", 20), ("test.bin", 4)] {
        let mut bytes = Vec::new();
        for image in 0..of_each * 6_u32 {
            let fine = image % 6;
            bytes.extend([(fine / 2) as u8, fine as u8]);
            bytes.extend((0..3072_u32).map(|pixel| (pixel * (fine + 2) + image * 31 + pixel * pixel / 7) as u8));
        }
        fs::write(folder.join(file), bytes).unwrap();
    }
    fs::write(folder.join("coarse_label_names.txt"), "sea\nvehicles\npeople\n").unwrap();
    fs::write(folder.join("fine_label_names.txt"), "shark\nwhale\nrocket\ntank\nbaby\nboy\n").unwrap();
    place
}

#[test]
fn a_data_set_that_knows_its_subclasses_forgets_one() {
    let place = place();
    let described = place.succeed(&["datasets", "describe", "cifar:tiny?labels=coarse"]);
    for words in ["6 subclasses", "sea: 0 (shark), 1 (whale)", "vehicles: 2 (rocket), 3 (tank)"] {
        assert!(described.contains(words), "{described}");
    }
    let dry = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(dry.contains("subclass rocket of vehicles"), "{dry}");
    assert!(!place.path("runs").exists());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let rows = place.rows("report");
    for row in &rows {
        assert_eq!((&row["scenario"], &row["forget"]), (&"subclass".into(), &"subclass rocket of vehicles".into()));
        let accuracy = row["figures"]["subclass_accuracy"]["value"].as_f64().unwrap();
        assert!([0.0, 25.0, 50.0, 75.0, 100.0].contains(&accuracy), "of four test images: {accuracy}");
        assert!(row["avg_gap"].is_number() && row["ta"].is_number());
    }
    let table = fs::read_to_string(place.path("report/table.md")).unwrap();
    assert!(table.contains("Subclass TA"), "{table}");
    // All test images are judged, because the class remains: 24, of which 4 are rockets.
    let index: Value = serde_json::from_slice(&fs::read(place.path("runs/suites/sub.json")).unwrap()).unwrap();
    let key = index["rows"][1]["evaluate"].as_str().unwrap();
    let scores = fs::read(place.path("runs/evaluate").join(key).join("scores.safetensors")).unwrap();
    let scores = safetensors::SafeTensors::deserialize(&scores).unwrap();
    let samples = |set: &str| scores.tensor(&format!("{set}.positions")).unwrap().shape()[0];
    assert_eq!((samples("forget"), samples("test")), (18, 24), "a tenth of each class is held out");

    // A deletion of the same from the trained model, and what else may be judged.
    let forget =
        ["forget", "--checkpoint", "train:", "--data", "cifar:tiny?labels=coarse", "--method", "ga", "--out", "o"];
    let model = fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    let model = model.to_str().unwrap().to_owned();
    let mut deletion = forget.map(str::to_owned);
    deletion[2].clone_from(&model);
    let with = |more: &[&str]| -> Vec<String> {
        deletion.iter().cloned().chain(more.iter().map(|one| (*one).to_owned())).collect()
    };
    let call = |arguments: &[String], code: i32| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.refuse(code, &arguments)
    };
    let message = call(&with(&["--subclass", "rockets"]), 2);
    assert!(
        message.contains("--subclass: subclass `rockets` does not exist") && message.contains("`rocket`"),
        "{message}"
    );
    let message = call(&with(&["--subclass", "rocket,tank"]), 2);
    assert!(message.contains("is all of class 1 (vehicles); give `kind = \"class\"`"), "{message}");
    let message = call(&with(&[]), 2);
    assert!(message.contains("`--request FILE` or `--subclass NAME`"), "{message}");
    let arguments = with(&["--subclass", "rocket", "--threshold", "subclass_accuracy<=100"]);
    place.succeed(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
    let certificate: Value = serde_json::from_slice(&fs::read(place.path("o/certificate.json")).unwrap()).unwrap();
    assert_eq!(certificate["request"]["ids"].as_array().unwrap().len(), 18);
    assert!(certificate["measured"]["after"]["subclass_accuracy"]["value"].is_number());
    place.succeed(&["runs", "verify", "o", "--data", "cifar:tiny?labels=coarse"]);
    let judged = place.succeed(&["evaluate", &model, "--subclass", "rocket", "--attacks", "mia-efficacy"]);
    assert!(judged.contains("18 forget"), "{judged}");
}

#[test]
fn a_file_says_of_which_subclass_images_of_any_data_set_are() {
    let suite =
        SUITE.replace("name = \"cifar:tiny?labels=coarse\"", "name = \"fashion-mnist-mini\"\ntrain-limit = 200");
    let place = Place::new(&suite.replace("[\"rocket\"]", "[\"dark\", 7]\npath = \"subclasses.csv\""));
    let refuse = |text: &str, words: &str| {
        fs::write(place.path("subclasses.csv"), text).unwrap();
        let message = place.refuse(2, &["run", "suite.toml"]);
        assert!(message.contains(words), "{words}: {message}");
        assert!(!place.path("runs").exists(), "refused before anything is computed");
    };
    refuse(
        "id,subclass\n8000,dark\n",
        "subclasses.csv:2 names position 8000, but the training set of fashion-mnist-mini has 8000",
    );
    refuse("id,subclass\r\n0,dark\r\n\r\n0,7\r\n", "subclasses.csv:4: position 0 is named in line 2 already");
    refuse("id,subclass\n0,dork\n1,7\n", "subclass `dark` does not exist in subclasses.csv (did you mean `dork`?)");
    refuse("id,class\n0,dark\n", "no column `subclass`");
    let positions = place.succeed(&["datasets", "split", "suite.toml", "--class", "3"]);
    let positions: Vec<&str> = positions.lines().collect();
    let other = place.succeed(&["datasets", "split", "suite.toml", "--class", "8"]);
    let list = |dark: &[&str], seven: &[&str]| {
        let of = |ids: &[&str], name: &str| ids.iter().map(|id| format!("{id},{name}\n")).collect::<Vec<_>>().concat();
        format!("id,subclass\n{}{}", of(dark, "dark"), of(seven, "7"))
    };
    refuse(&list(&positions[..9], &positions[9..]), "subclasses dark, 7 of Dress is all of class 3 (Dress)");
    let seven: Vec<&str> = other.lines().take(2).collect();
    fs::write(place.path("subclasses.csv"), list(&positions[..5], &seven)).unwrap();
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let rows = place.rows("report");
    assert_eq!(rows[1]["forget"], "subclasses dark, 7 of Dress, Bag");
    assert!(rows[1]["figures"].get("subclass_accuracy").is_none(), "nobody said which test images are of them");
    // Another data set does not know subclasses.
    fs::write(place.path("suite.toml"), suite.replace("[\"rocket\"]", "[\"dark\"]")).unwrap();
    let message = place.refuse(2, &["run", "suite.toml"]);
    for words in ["fashion-mnist-mini does not know the subclasses", "(cifar20)", "`path = \"subclasses.csv\"`"] {
        assert!(message.contains(words), "{message}");
    }
}
