//! `evaluate` on files of scores, models and stored runs, and `predict`.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::Place;

/// One model, a class to forget, on 200 images.
const SUITE: &str = r#"
[suite]
name = "one"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 200

[model]
arch = "resnet8s"

[train]
epochs = 1
batch-size = 32

[[prune]]
method = "none"

[[forget]]
kind = "class"
class = 3

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "ga"
epochs = 1
"#;

/// A folder with the golden files.
fn golden() -> Place {
    let place = Place::new("");
    for entry in fs::read_dir(unlearn_tests::golden::path("score-files")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, place.path(path.file_name().unwrap().to_str().unwrap())).unwrap();
    }
    place
}

fn json(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&fs::read(place.path(file)).unwrap()).unwrap()
}

fn close(found: &Value, wanted: &Value, what: &str) {
    let [found, wanted] = [found, wanted].map(|value| value.as_f64().unwrap_or_else(|| panic!("{what}: {value}")));
    assert!((found - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{what}: {found}, not {wanted}");
}

#[test]
fn files_of_numpy_give_the_numbers_of_numpy_and_scikit_learn_in_every_form() {
    let place = golden();
    let wanted = json(&place, "scores.json");
    for file in ["model.npz", "model.csv", "probabilities.npz"] {
        let attack = ["--attacks", "mia-efficacy", "--mia", "confidence", "--members", "first-rows"];
        let files =
            ["evaluate", file, "--retrain", "retrain.npz", "--json", "out.json", "--csv", "out.csv", "--replace"];
        let printed = place.succeed(&[&files[..], &attack].concat());
        assert!(printed.contains("40 forget, 80 retain, 60 test") && !printed.contains("not computed"), "{printed}");
        let found = json(&place, "out.json");
        for (name, value) in wanted["figures"].as_object().unwrap() {
            close(&found["figures"][name]["value"], value, &format!("{name} of {file}"));
        }
        for (name, value) in wanted["retrain"].as_object().unwrap() {
            close(&found["retrain_figures"][name]["value"], value, &format!("Retrain's {name} beside {file}"));
        }
        let table = fs::read_to_string(place.path("out.csv")).unwrap();
        assert!(table.starts_with("figure,value,low,high,retrain\nua,45,,,47.5\n"), "{table}");
    }
}

#[test]
fn margins_alone_give_the_figures_of_pools() {
    let place = golden();
    let wanted = json(&place, "scores.json");
    let margins = ["--forget", "unlearned_margins.npy", "--retrain", "retrained_margins.npy"];
    let printed = place.succeed(&[&["evaluate"], &margins[..], &["--json", "out.json", "--html", "out.html"]].concat());
    assert!(printed.contains("20 models, 20 Retrains; samples: 25 forget"), "{printed}");
    let found = json(&place, "out.json");
    let of = |list: &str, name: &str| {
        found[list].as_array().unwrap().iter().find(|found| found["attack"] == name).unwrap().clone()
    };
    close(&of("comparisons", "klom")["value"], &wanted["klom"], "KLoM");
    close(&of("comparisons", "klom")["percentile_95"], &wanted["klom_95"], "KLoM's 95th percentile");
    close(&of("pool_attacks", "u-lira")["outcome"]["auc"]["value"], &wanted["u-lira"], "U-LiRA");
    let page = fs::read_to_string(place.path("out.html")).unwrap();
    assert!(page.contains("<svg role=\"img\"") && page.contains("u-lira"), "the page has the curves");
    assert_eq!(
        (page.matches("<script>").count(), page.matches("<script ").count()),
        (1, 0),
        "its own, which sorts tables"
    );
    assert!(!page.contains("http-equiv=\"refresh\""));
}

#[test]
fn too_few_models_and_missing_sets_are_stated_not_numbers() {
    let place = golden();
    fs::write(place.path("u.csv"), "model,margin\na,1\na,2\nb,1.5\nb,2.5\n").unwrap();
    fs::write(place.path("r.csv"), "model,margin\na,0\na,1\nb,0.5\nb,1.25\n").unwrap();
    let printed = place.succeed(&["evaluate", "--forget", "u.csv", "--retrain", "r.csv"]);
    for words in [
        "u-lira (unlearning): too few models that unlearned a sample: at least 3 of each",
        "forget-quality: too few models",
    ] {
        assert!(printed.contains(words), "{printed}");
    }
    // Margins of one model, alone or beside one Retrain.
    fs::write(place.path("one.csv"), "margin\n1\n2\n").unwrap();
    fs::write(place.path("two.csv"), "margin\n0\n1\n").unwrap();
    for retrain in [&[][..], &["--retrain", "two.csv"]] {
        let printed = place.succeed(&[&["evaluate", "--forget", "one.csv"], retrain].concat());
        assert!(printed.contains("margins alone give figures only of several models"), "{printed}");
    }
    fs::write(place.path("f.csv"), "label,logit_0,logit_1\n0,3,1\n1,2,1\n").unwrap();
    let printed = place.succeed(&["evaluate", "--forget", "f.csv", "--json", "f.json"]);
    for words in ["UA", "RA: it needs the retain set", "mia-efficacy: it needs the retain set"] {
        assert!(printed.contains(words), "{printed}");
    }
    let figures = json(&place, "f.json")["figures"].clone();
    assert_eq!(figures.as_object().unwrap().keys().collect::<Vec<_>>(), ["ua"]);
}

#[test]
fn scores_that_say_nothing_give_no_number() {
    let place = golden();
    // One logit row for all: no threshold tells anything apart.
    let equal: String =
        ["forget", "retain", "test"].map(|set| format!("{set},0,3,1\n{set},0,3,1\n{set},0,3,1\n")).concat();
    fs::write(place.path("equal.csv"), format!("set,label,logit_0,logit_1\n{equal}")).unwrap();
    let printed = place.succeed(&["evaluate", "equal.csv", "--mia", "confidence,prob", "--json", "equal.json"]);
    for figure in
        ["mia_efficacy.confidence", "mia_privacy.prob", "loss_threshold_efficacy", "threshold_accuracy.confidence"]
    {
        assert!(
            printed.contains(&format!("{figure}: undefined: all retained and test samples have the same")),
            "{printed}"
        );
    }
    let figures = json(&place, "equal.json")["figures"].clone();
    assert_eq!(figures.as_object().unwrap().keys().collect::<Vec<_>>(), ["ra", "ta", "ua"]);
    // A Retrain that is the model itself, in the same form or another, and one without the forget set.
    for itself in ["model.npz", "model.csv"] {
        let message = place.refuse(2, &["evaluate", "model.npz", "--retrain", itself]);
        assert!(message.contains("it has the same scores as model.npz"), "{message}");
    }
    let table = fs::read_to_string(place.path("model.csv")).unwrap();
    let (heading, lines) = table.split_once('\n').unwrap();
    // The last logit of every line is another.
    let kept = lines
        .lines()
        .filter(|line| !line.starts_with("forget"))
        .map(|line| format!("\n{},0.25", line.rsplit_once(',').unwrap().0));
    fs::write(place.path("kept.csv"), heading.to_owned() + &kept.collect::<String>()).unwrap();
    let printed = place.succeed(&["evaluate", "model.npz", "--retrain", "kept.csv"]);
    for words in ["KL: it needs Retrain's scores on the forget set", "Retrain has no scores on: forget"] {
        assert!(printed.contains(words), "{printed}");
    }
}

#[test]
fn a_planted_leak_is_found_and_where_there_is_none_nothing_is() {
    let place = golden();
    // Each of 12 models had half of 40 samples, and those have a margin that is higher by the lift.
    // SplitMix64 of the cell, in −1..1.
    let noise = |model: u64, sample: u64| {
        let mut bits = (model * 40 + sample).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    };
    let table = |lift: f64| {
        let mut text = String::from("set,model,seen,margin\n");
        for (model, sample) in (0..12_u64).flat_map(|model| (0..40_u64).map(move |sample| (model, sample))) {
            let seen = (model + sample) % 2;
            let margin = noise(model, sample) + lift * seen as f64;
            writeln!(text, "forget,{model},{seen},{margin}").unwrap();
        }
        text
    };
    let area = |text: String| {
        fs::write(place.path("pool.csv"), text).unwrap();
        place.succeed(&["evaluate", "pool.csv", "--json", "pool.json", "--replace"]);
        let found = json(&place, "pool.json");
        let lira = found["pool_attacks"].as_array().unwrap().iter().find(|found| found["attack"] == "lira").unwrap();
        lira["outcome"]["auc"]["value"].as_f64().unwrap()
    };
    assert!(area(table(1.0)) > 0.8);
    let nothing = area(table(0.0));
    assert!((nothing - 0.5).abs() < 0.1, "{nothing}");
}

#[test]
fn what_cannot_be_judged_is_refused_before_any_work() {
    let place = golden();
    let write = |name: &str, text: &str| fs::write(place.path(name), text).unwrap();
    write("nan.csv", "set,label,logit_0,logit_1\nforget,0,nan,1\n");
    write("few.csv", "set,label,logit_0,logit_1\nforget,0,2,1\n");
    write("text.txt", "hello\n");
    write("empty.csv", "");
    for (arguments, words) in [
        (&["nan.csv"][..], "nan.csv: array `forget_logits`: row 0 (line 2), class 0 is NaN"),
        (&["model.npz", "--retrain", "few.csv"], "few.csv: the forget set has 1 samples, in model.npz 40"),
        (&["text.txt"], "there is no column of scores"),
        (&["empty.csv"], "empty.csv: it is an empty file, not a file of scores"),
        (&["missing.npz"], "there is no such file"),
        (&["model.npz", "--class", "3"], "`--class` applies to models"),
        (&["model.npz", "--attacks", "mia"], "unknown attack `mia`"),
        (&["model.npz", "--out", "x"], "names of suites are expected"),
        (&["model.npz", "--json", "scores.json"], "it exists already"),
        (&["model.npz", "retrain.npz"], "one is judged at a time"),
        (&["--forget", "model.npz", "--draws", "0"], "from 1 to 1000"),
        (&["--forget", "model.npz", "--retrain", "text.txt"], "there is no column of scores"),
        (&["one", "--out", "x", "--json", "y"], "`--json` does not apply to suites"),
        (&["suite.toml"], "it is the file of a suite, which holds no scores; compute it with `unlearn run suite.toml`"),
        (&["suite.toml", "--out", "x"], "it is the file of a suite"),
    ] {
        let message = place.refuse(2, &[&["evaluate"], arguments].concat());
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
    assert!(!place.path("x").exists());
}

#[test]
fn a_folder_with_nothing_to_judge_is_bad_usage_and_what_can_be_given_is_named() {
    let place = Place::new(SUITE);
    fs::create_dir(place.path("empty")).unwrap();
    for folder in [".", "empty"] {
        let message = place.refuse(2, &["evaluate", folder]);
        for words in
            ["there is nothing to judge", "name a file of scores, a model, a stage (`unlearn:3f2a`)", "--out DIR"]
        {
            assert!(message.contains(words), "{folder}: {message}");
        }
    }
    for command in [&["predict", "empty", "--out", "x.npz"][..], &["inspect", "nowhere"]] {
        place.refuse(2, command);
    }
}

#[test]
fn the_backdoor_of_a_stored_run_is_judged_too() {
    let poison =
        "train-limit = 200\n[data.poison]\ntrigger = { name = \"patch\", value = 255 }\ntarget = 0\nfraction = 0.1\n";
    let suite =
        SUITE.replace("train-limit = 200\n", poison).replace("kind = \"class\"\nclass = 3", "kind = \"poisoned\"");
    let place = Place::new(&suite);
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let of_ga = |rows: &Value| rows.as_array().unwrap().iter().find(|row| row["method"] == "ga").unwrap().clone();
    let row = of_ga(&json(&place, "report/results.json")["rows"]);
    let stages = of_ga(&json(&place, "runs/suites/one.json")["rows"]);
    let [stage, model] = ["evaluate", "unlearn"].map(|kind| format!("{kind}:{}", stages[kind].as_str().unwrap()));
    for (what, file) in [(&stage, "stored.json"), (&model, "model.json")] {
        let printed = place.succeed(&["evaluate", what, "--attacks", "mia-efficacy", "--json", file]);
        assert!(printed.contains("ASR") && printed.contains("SA"), "{what}: {printed}");
        let found = json(&place, file);
        for name in ["asr", "sa", "asr_compat", "ua"] {
            assert_eq!(found["figures"][name]["value"], row["figures"][name]["value"], "{name} of {what}");
        }
    }
}

/// The key of the only stage of a kind whose configuration names the method.
fn stage_of(place: &Place, kind: &str, method: &str) -> String {
    let found = place.rows("report").into_iter().find(|row| row["method"] == method).unwrap();
    let index = json(place, "runs/suites/one.json");
    let row = index["rows"].as_array().unwrap().iter().find(|row| row["method"] == found["method"]).unwrap();
    row[kind].as_str().unwrap().to_owned()
}

#[test]
fn a_model_its_predictions_and_the_suite_give_the_same_numbers() {
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let rows = place.rows("report");
    let row = rows.iter().find(|row| row["method"] == "ga").unwrap();
    let same = |file: &str, names: &[&str]| {
        let found = json(&place, file);
        for name in names {
            assert_eq!(found["figures"][name]["value"], row["figures"][name]["value"], "{name} of {file}");
        }
    };
    let alone = ["ua", "ra", "ta", "mia_efficacy", "mia_efficacy.confidence"];
    let all = [&alone[..], &["avg_gap"]].concat();
    // The stored scores, with the attacks of the suite.
    let stages = ["ga", "retrain"].map(|method| format!("evaluate:{}", stage_of(&place, "evaluate", method)));
    place.succeed(&["evaluate", &stages[0], "--retrain", &stages[1], "--json", "stored.json"]);
    same("stored.json", &all);
    // The models themselves, on what they say that they have forgotten.
    let folder = |method: &str| {
        let mut found = fs::read_dir(place.path("runs/unlearn")).unwrap().map(|entry| entry.unwrap().path());
        let of = |path: &std::path::PathBuf| {
            let manifest: Value = serde_json::from_slice(&fs::read(path.join("manifest.json")).unwrap()).unwrap();
            manifest["config"]["method"] == method
        };
        found.find(of).unwrap().to_str().unwrap().to_owned()
    };
    let [model, retrain] = [folder("ga"), folder("retrain")];
    let attack = ["--attacks", "mia-efficacy"];
    place.succeed(&[&["evaluate", &model, "--retrain", &retrain, "--json", "model.json"], &attack[..]].concat());
    same("model.json", &all);
    // A file of PyTorch, which says nothing of its training. The suite's training set is a part of the data set, so the request is a list.
    let scores = |set: &str| -> Vec<u64> {
        let stage = place.path("runs/evaluate").join(stage_of(&place, "evaluate", "ga"));
        let bytes = fs::read(stage.join("scores.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let view = file.tensor(&format!("{set}.positions")).unwrap();
        view.data().chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    let bytes = fs::read(place.path(&model).join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = file.tensors().into_iter().map(|(name, view)| {
        let values = view.data().chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();
        (name, view.shape().to_vec(), values)
    });
    let tensors: unlearn_tests::Tensors = tensors.collect();
    fs::write(place.path("model.pth"), unlearn_tests::saved(&[("model", &tensors), ("ema", &tensors)])).unwrap();
    for (set, split, out) in
        [("forget", "train", "forget.npz"), ("retain", "train", "retain.csv"), ("test", "test", "test_logits.npy")]
    {
        let list = scores(set).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        fs::write(place.path("ids.txt"), list).unwrap();
        let options = ["--dataset", "fashion-mnist-mini", "--split", split, "--samples", "ids.txt", "--out", out];
        let printed = place.succeed(&[&["predict", "model.pth", "--key", "model"], &options[..]].concat());
        assert!(printed.contains("10 classes; accuracy"), "{printed}");
        assert!(
            place
                .refuse(2, &[&["predict", "model.pth", "--key", "model"], &options[..]].concat())
                .contains("exists already")
        );
    }
    let seed = json(&place, "model.json")["attacks"]["seed"].to_string();
    let files = ["--forget", "forget.npz", "--retain", "retain.csv", "--test", "test_logits.npy"];
    let options = ["--attack-seed", &seed, "--json", "files.json"];
    place.succeed(&[&["evaluate"], &files[..], &options[..], &attack[..]].concat());
    same("files.json", &alone);
    for (arguments, words) in [
        (&["predict", "model.pth", "--key", "ema", "--out", "x.npz"][..], "name the images with `--dataset`"),
        (&["predict", &model, "--out", "x.txt"], "end it in `.npz`"),
        (&["predict", &model, "--out", "x.npy"], "end its name in `logits.npy`"),
        (&["predict", &model, "--dataset", "nowhere", "--out", "x.npz"], "nowhere"),
        (
            &["evaluate", "model.pth", "--key", "ema", "--dataset", "fashion-mnist-mini"],
            "was not asked to forget anything",
        ),
        (
            &["evaluate", "model.pth", "--key", "ema", "--dataset", "fashion-mnist-mini", "--class", "30"],
            "class `30` does not exist in fashion-mnist-mini",
        ),
        (&["evaluate", "one"], "`one` is a suite; give `--out DIR`"),
        (&["evaluate", &retrain, "--retrain", "runs/train/nothing"], "nothing"),
    ] {
        let message = place.refuse(2, arguments);
        assert!(message.contains(words), "{arguments:?}: {message}");
    }
    let printed =
        place.succeed(&["evaluate", "model.pth", "--key", "ema", "--dataset", "fashion-mnist-mini", "--class", "3"]);
    assert!(printed.contains("800 forget, 7200 retain, 1800 test"), "{printed}");
}
