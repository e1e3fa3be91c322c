//! Forms of a report: LaTeX, event files, pictures, and two reports beside each other.

use std::{fs, path::Path};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value;
use unlearn::datasets::picture;

use crate::{Place, SUITE};

fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part}: {text}");
    }
}

fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found.sort();
    found
}

#[test]
fn a_report_in_all_its_forms() {
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml"]);
    let said = place.succeed(&["report", "tiny", "--out", "report", "--tensorboard", "events"]);
    contains(&said, &["event files for TensorBoard: events"]);

    let latex = fs::read_to_string(place.path("report/table.tex")).unwrap();
    contains(&latex, &["\\toprule", "90 \\% omp", "random 10 \\%", "\\label{tab:tiny-class-0}", "$\\pm$"]);
    assert_eq!(latex.matches("\\begin{").count(), latex.matches("\\end{").count());

    let events = files(&place.path("events"));
    let count = |word: &str| events.iter().filter(|file| file.contains(word)).count();
    assert_eq!((count("/tiny/stages/train-"), count("/tiny/final/")), (1, 20), "{events:?}");
    assert!(count("/tiny/stages/prune-omp-") == 1 && count("/tiny/stages/unlearn-ft-") == 4, "{events:?}");

    // A page with pictures is a copy of data that were to be forgotten.
    let page = |options: &[&str]| {
        place.succeed(&[&["report", "tiny", "--out", "report"], options].concat());
        fs::read_to_string(place.path("report/report.html")).unwrap()
    };
    let without = page(&[]);
    assert!(!without.contains("data:image/png"), "no pictures unless they are asked for");
    contains(&without, &["No pictures were asked for", "unlearn report tiny --out DIR --pictures"]);
    let with = page(&["--pictures"]);
    let images =
        unlearn::datasets::registry::open("fashion-mnist-mini", &unlearn::datasets::registry::OpenOptions::default())
            .unwrap();
    let mut shown = 0;
    for rest in with.split("data:image/png;base64,").skip(1) {
        let (text, rest) = rest.split_once("\" alt=\"training image ").unwrap();
        let position: usize = rest.split('"').next().unwrap().parse().unwrap();
        let picture = picture::decode(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
        assert_eq!(picture.pixels, images.train.image(position).unwrap().as_ref(), "image {position}");
        shown += 1;
    }
    assert!(shown > 20, "{shown}");
    contains(&with, &["data:image/png", "Still recognised by the most methods", "Recognised by the fewest"]);
}

#[test]
fn two_reports_stand_beside_each_other() {
    let place = Place::new(SUITE);
    place.succeed(&["run", "suite.toml", "--out", "one"]);
    place.succeed(&[
        "run",
        "suite.toml",
        "--runs",
        "other",
        "--set",
        "unlearn.ft.epochs=2",
        "--set",
        "suite.seeds=[1, 2]",
    ]);

    // Each form of a name gives the same.
    let said = place.succeed(&["report", "--compare", "one", "other", "--out", "compared"]);
    contains(
        &said,
        &["20 models are on both sides", "only in B: ft · class 0 · dense · resnet8s on fashion-mnist-mini, seed 2"],
    );
    contains(&said, &["settings that differ", "unlearn: ft", "epochs", "suite"]);
    let rest = |said: &str| {
        said.lines().skip(2).take_while(|line| !line.starts_with("comparison")).collect::<Vec<_>>().join("\n")
    };
    for (a, b) in [("one/results.json", "other/reports/tiny"), ("tiny", "other/suites/tiny.json")] {
        assert_eq!(rest(&place.succeed(&["report", "--compare", a, b])).trim(), rest(&said).trim(), "{a} {b}");
    }
    let json: Value = serde_json::from_slice(&fs::read(place.path("compared/compare.json")).unwrap()).unwrap();
    let model = |method: &str| {
        let models = json["models"].as_array().unwrap();
        models.iter().find(|model| model["method"] == method && model["sparsity"] == 0.0).unwrap()["figures"]["ta"]
            .clone()
    };
    assert_eq!(model("ga")["equal"], true, "only ft was changed");
    let ft = model("ft");
    let difference = ft["b"]["mean"].as_f64().unwrap() - ft["a"]["mean"].as_f64().unwrap();
    assert!((ft["difference"]["mean"].as_f64().unwrap() - difference).abs() < 1e-9);
    contains(&fs::read_to_string(place.path("compared/compare.md")).unwrap(), &["## Only in B", "| ga "]);

    // It replaces its own files, and no others.
    place.succeed(&["report", "--compare", "one", "other", "--out", "compared"]);
    fs::create_dir(place.path("mine")).unwrap();
    fs::write(place.path("mine/compare.md"), "mine").unwrap();
    let message = place.refuse(2, &["report", "--compare", "one", "other", "--out", "mine"]);
    contains(&message, &["compare.md was not written by a comparison", "--replace"]);

    for (a, words) in [
        ("nothing", &["`nothing` is no file, no folder, and no suite of runs (suites there: tiny)"][..]),
        ("runs/train", &["`runs/train` is a folder without results.json"]),
        ("suite.toml", &["suite.toml", "no results.json of a report"]),
    ] {
        contains(&place.refuse(2, &["report", "--compare", a, "one"]), words);
    }
    for arguments in [
        "report",
        "report tiny",
        "report tiny --out x --compare one other",
        "report --compare one",
        "report tiny --port 3 --out x",
    ] {
        place.refuse(2, &arguments.split(' ').collect::<Vec<_>>());
    }
}
