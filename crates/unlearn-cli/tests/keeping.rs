//! A store that is kept for months: what is in it, what differs, what depends on what, what may go, and what a suite will do.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::{Place, SUITE};

/// The dense model of [`SUITE`], one request and three methods.
fn suite() -> String {
    let (head, rest) = SUITE.split_once("[[prune]]").unwrap();
    let random = "[[forget]]\nkind = \"random\"\nfraction = 0.1\n";
    let methods = rest.split_once("[[forget]]").unwrap().1.replace(random, "");
    let three = methods.split("[[unlearn]]\nmethod = \"ga\"").next().unwrap();
    format!("{head}[[forget]]{three}")
}

fn json(place: &Place, arguments: &[&str]) -> Value {
    serde_json::from_str(&place.succeed(arguments)).unwrap()
}

/// The kinds in a listing, in its order.
fn kinds(place: &Place, options: &[&str]) -> Vec<String> {
    let listed = json(place, &[&["runs", "list", "--json"][..], options].concat());
    listed["stages"].as_array().unwrap().iter().map(|stage| stage["kind"].as_str().unwrap().to_owned()).collect()
}

/// The only stage of a kind.
fn only(place: &Place, kind: &str) -> PathBuf {
    let stages = fs::read_dir(place.path("runs").join(kind)).unwrap().map(|entry| entry.unwrap().path());
    let [stage] = stages.collect::<Vec<_>>().try_into().unwrap();
    stage
}

#[test]
fn a_store_says_what_it_holds_and_what_depends_on_what() {
    let place = Place::new(&suite());
    let explain = ["suite", "explain", "suite.toml"];
    let said = place.succeed(&explain);
    for words in [
        "suite tiny",
        "1 seed: 1.",
        "data fashion-mnist-mini",
        "A model is trained on 180 of them; 20 are held out",
        "model resnet8s",
        "    epochs = 2 (suite)",
        "class 0: forget ",
        "  train            1, 0 in the store",
        "  evaluate         3, 0 in the store",
        "How long the 7 stages to do take is not known",
    ] {
        assert!(said.contains(words), "`{words}` in {said}");
    }
    assert!(!place.path("runs").exists(), "it reads only");
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    assert!(place.succeed(&explain).contains("Every stage is in the store"));
    let told = json(&place, &["suite", "explain", "suite.toml", "--set", "suite.seeds=[2]", "--json"]);
    assert!(told["seconds"].as_f64().unwrap() > 0.0 && told["unknown"] == 0, "{told}");
    assert_eq!((&told["data"]["train"], &told["stages"][0]["kind"]), (&180.into(), &"train".into()));
    let message = place.refuse(2, &["suite", "explain", "suite.toml", "--set", "train.epoch=3"]);
    assert!(message.contains("did you mean `epochs`"), "{message}");

    // Lists.
    place.succeed(&["run", "suite.toml", "--set", "train.epochs=1", "--set", "suite.name=other", "--out", "other"]);
    place.succeed(&["train", "suite.toml", "--set", "suite.seeds=[7]"]);
    assert_eq!(kinds(&place, &[]).len(), 15);
    assert_eq!(kinds(&place, &["--method", "ft", "--suite", "tiny"]), ["evaluate", "unlearn"]);
    assert_eq!(kinds(&place, &["--orphaned"]), ["train"]);
    assert_eq!(kinds(&place, &["--seed", "7", "--arch", "resnet8s", "--data", "fashion-mnist-mini"]), ["train"]);
    assert_eq!(kinds(&place, &["--kind", "train", "--state", "done", "--newer-than", "1h"]).len(), 3);
    for none in [&["--older-than", "1h"][..], &["--state", "damaged"], &["--larger-than", "1GiB"], &["--seed", "5"]] {
        assert!(kinds(&place, none).is_empty(), "{none:?}");
    }
    let largest = json(&place, &["runs", "list", "--json", "--sort", "size"]);
    let bytes: Vec<u64> =
        largest["stages"].as_array().unwrap().iter().map(|it| it["bytes"].as_u64().unwrap()).collect();
    assert!(bytes.is_sorted_by(|one, other| one >= other), "{bytes:?}");
    assert_eq!(largest["totals"]["bytes"], bytes.iter().sum::<u64>());
    let listed = place.succeed(&["runs", "list", "--kind", "train"]);
    assert!(listed.lines().last().unwrap().starts_with("3 stages of 15, ") && listed.contains("3 done"), "{listed}");
    for (option, name, nearest) in
        [("--method", "retrian", "`retrain`"), ("--kind", "trian", "`train`"), ("--suite", "tinny", "`tiny`")]
    {
        let message = place.refuse(2, &["runs", "list", option, name]);
        assert!(message.contains(nearest), "{message}");
    }
    assert!(place.refuse(2, &["runs", "list", "--older-than", "7"]).contains("12h or 7d"));

    // Differences.
    let found = place.succeed(&["runs", "diff", "tiny", "other"]);
    for words in ["train: epochs: 2 and 1", "it begins in train/", "recipe.epochs: 2 and 1", "ft · class 0"] {
        assert!(found.contains(words), "`{words}` in {found}");
    }
    let found = json(&place, &["runs", "diff", "evaluate:ft, tiny", "evaluate:ft, other", "--json"]);
    assert_eq!(found["origins"].as_array().unwrap().len(), 1);
    assert_eq!(found["origins"][0]["through"], serde_json::json!(["model", "model"]));
    assert_eq!(found["origins"][0]["differences"][0]["key"], "recipe.epochs");
    assert!(place.succeed(&["runs", "diff", "tiny", "tiny"]).contains("do not differ: 3 rows are the same"));
    let message = place.refuse(2, &["runs", "diff", "tiny", "evaluate:ft, tiny"]);
    assert!(message.contains("`tiny` is a suite"), "{message}");

    // What depends on what.
    let train = place.succeed(&["runs", "where", "train:seed 1, tiny"]);
    let train = train.trim();
    assert!(place.path(train).join("manifest.json").is_file(), "{train}");
    assert_eq!(place.succeed(&["runs", "where", train]).trim(), train);
    fs::copy(place.path(train).join("model.safetensors"), place.path("copy.safetensors")).unwrap();
    // `raw` changes nothing, but its model's file says what was asked of it, so that only one stage made this file.
    let made = json(&place, &["runs", "where", "copy.safetensors", "--inputs", "--dependents", "--json"]);
    let made = made["found"].as_array().unwrap();
    assert_eq!((made.len(), &made[0]["kind"], &made[0]["file"]), (1, &"train".into(), &"model.safetensors".into()));
    assert_eq!(
        (made[0]["dependents"].as_array().unwrap().len(), &made[0]["suites"]),
        (6, &serde_json::json!(["tiny"]))
    );
    assert_eq!(made[0]["inputs"], serde_json::json!([]));
    let judged = place.succeed(&["runs", "where", "evaluate:ft, tiny", "--inputs", "--dependants"]);
    assert!(
        judged.contains(&format!("computed from {train}")) && judged.contains("needed by the suites tiny"),
        "{judged}"
    );
    fs::write(place.path("mine"), "mine").unwrap();
    assert!(place.refuse(2, &["runs", "where", "mine"]).contains("no finished stage of the store runs left a file"));
    assert!(place.refuse(2, &["runs", "where", "train:seed 9"]).contains("these are there"));
}

#[test]
fn what_a_suite_or_a_certificate_names_stays() {
    let place = Place::new(&suite());
    place.succeed(&["train", "suite.toml"]);
    let train = only(&place, "train");
    let model = format!("runs/train/{}", train.file_name().unwrap().to_str().unwrap());
    let forget = |request: &str, out: &str| {
        fs::write(place.path("ids"), request).unwrap();
        let arguments = ["forget", "--checkpoint", &model, "--data", "fashion-mnist-mini", "--request", "ids"];
        place.run(&[&arguments[..], &["--method", "raw", "--mia", "confidence", "--draws", "1", "--out", out]].concat())
    };
    assert!((0..400).any(|id| forget(&id.to_string(), "forgotten").status.success()), "no image could be forgotten");
    let output = place.run(&["runs", "gc"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("kept: train/") && said.contains("certificate.json"), "{said}");
    assert!(train.exists(), "a certificate names it");

    // A certificate elsewhere is found if its folder is named, at any depth.
    fs::create_dir_all(place.path("archive/of/deletions")).unwrap();
    fs::rename(place.path("forgotten"), place.path("archive/of/deletions/1")).unwrap();
    place.succeed(&["runs", "gc", "--certificates", "archive"]);
    assert!(train.exists());
    assert!(place.refuse(2, &["runs", "gc", "--certificates", "absent"]).contains("absent"));
    let certificate = place.path("archive/of/deletions/1/certificate.json");
    let text = fs::read(&certificate).unwrap();
    fs::write(&certificate, "{").unwrap();
    let message = place.refuse(1, &["runs", "gc", "--certificates", "archive"]);
    assert!(message.contains("nothing was removed") && message.contains("certificate.json"), "{message}");
    fs::write(&certificate, text).unwrap();
    // What another program calls a certificate is no certificate.
    fs::create_dir(place.path("web")).unwrap();
    fs::write(place.path("web/certificate.json"), r#"{"subject": "example.org"}"#).unwrap();

    // A young stage stays, and so does what it was computed from.
    let dry = place.succeed(&["runs", "gc", "--dry-run", "--older-than", "1h"]);
    assert!(dry.contains("would remove 0 stages"), "{dry}");
    let dry = place.succeed(&["runs", "gc", "--dry-run"]);
    assert!(dry.contains("KiB") && dry.contains("no suite, search or certificate names it"), "{dry}");
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    place.succeed(&["runs", "gc"]);
    assert!(train.exists(), "a suite names what was computed from it");
    assert!(place.succeed(&["runs", "verify"]).contains("7 finished stages are sound"));
    fs::remove_file(place.path("runs/suites/tiny.json")).unwrap();
    place.succeed(&["runs", "gc"]);
    assert!(!train.exists());
}

#[test]
fn whatever_is_damaged_one_command_and_one_run_restore_the_rows() {
    let place = Place::new(&suite());
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let rows = place.rows("report");
    let train = only(&place, "train");
    let damage: [(&str, &dyn Fn()); 4] = [
        ("the file is missing", &|| fs::remove_file(train.join("model.safetensors")).unwrap()),
        ("tiny.json", &|| fs::write(place.path("runs/suites/tiny.json"), "{").unwrap()),
        ("manifest.json", &|| fs::write(train.join("manifest.json"), "{}").unwrap()),
        ("BLAKE3 differs", &|| {
            let file = train.join("model.safetensors");
            let mut bytes = fs::read(&file).unwrap();
            let last = bytes.len() - 1;
            bytes[last] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
    ];
    for (words, damage) in damage {
        damage();
        let message = place.refuse(1, &["runs", "verify"]);
        assert!(message.contains(words) && message.contains("runs repair"), "{words}: {message}");
        place.succeed(&["runs", "repair"]);
        place.succeed(&["run", "suite.toml", "--out", "report"]);
        place.succeed(&["runs", "verify"]);
        assert_eq!(place.rows("report"), rows, "{words}");
    }
}
