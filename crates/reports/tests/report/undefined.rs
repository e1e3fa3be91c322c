//! Figures that are undefined for a model, in every file of a report.

use std::fs;

use serde_json::{Value as Json, json};
use unlearn_metrics::{ModelScores, Scores, Value};
use unlearn_mia_eval::Registry;
use unlearn_run_store::{Begin, Evaluation, StageSpec, StoredScores};

use crate::{evaluation, finish, report, scored_suite, suite, write};

#[test]
fn what_is_undefined_is_no_number_anywhere_and_the_average_gap_leaves_it_out() {
    const REASON: &str = "all retained and test samples have the same confidence";
    let (store, mut index) = suite(&[1]);
    index.rows.retain(|row| row.scenario == "class" && row.sparsity == 0.0);
    let row = index.rows.iter_mut().find(|row| row.method == "ga").unwrap();
    let mut dead = evaluation(&[("ua", 93.0), ("ra", 92.0), ("ta", 86.0), ("rte_seconds", 19.8)]);
    for name in ["mia_efficacy", "mia_efficacy.confidence", "mia_efficacy.entropy"] {
        dead.figures.insert(name.to_owned(), Value::undefined(REASON));
    }
    let dead = Evaluation::new(dead.figures);
    assert_eq!(dead.format, 3);
    let spec = StageSpec::new("evaluate", json!({ "dead": true }), "d", 1).with_input("model", row.unlearn.clone());
    row.evaluate = finish(&store, spec, &[json!(dead)]);
    let folder = tempfile::tempdir().unwrap();
    let written = write(&store, &index, folder.path()).unwrap();
    let json: Json = serde_json::from_slice(&fs::read(&written.json).unwrap()).unwrap();
    let rows = json["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["method"] == "ga").unwrap();
    assert_eq!(row["mia_efficacy"], Json::Null);
    assert_eq!(row["figures"]["mia_efficacy"], json!({ "value": null, "undefined": REASON }));
    // UA 7, RA 8 and TA 8.83 off Retrain.
    assert!((row["avg_gap"].as_f64().unwrap() - (7.0 + 8.0 + 8.83) / 3.0).abs() < 1e-9, "{row}");
    let read: unlearn_reports::Results = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(read.rows[3].undefined("mia_efficacy"), Some(REASON));
    let csv = fs::read_to_string(&written.csv).unwrap();
    assert!(csv.contains("ga,1,93.0,92.0,86.0,,19.8,"), "{csv}");
    let page = fs::read_to_string(&written.html).unwrap();
    let markdown = fs::read_to_string(&written.markdown).unwrap();
    for text in [&page, &markdown, &written.summary] {
        for words in [
            &format!("MIA-efficacy is undefined for ga (dense, seed 1): {REASON}."),
            "The average gap leaves out what is undefined for a model or for its Retrain.",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
    let line = markdown.lines().find(|line| line.starts_with("| ga ")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!(cells[2..7], ["93.00 (7.00)", "–", "92.00 (8.00)", "86.00 (8.83)", "7.94"]);
    let (_folder, sound) = report(&[1], |_| {});
    assert!(!sound.unwrap().summary.contains("undefined"));
}

#[test]
fn equal_scores_of_a_stored_run_are_found_when_its_figures_are_computed_again() {
    let attacks =
        json!({ "attacks": ["mia-efficacy"], "mia": ["confidence"], "draws": 3, "members": "stratified", "seed": 1 });
    let stored = json!({ "format": 2, "figures": { "ua": { "value": 1.0 }, "mia_efficacy": { "value": 100.0 },
        "mia_efficacy.confidence": { "value": 100.0 }, "rte_seconds": { "value": 2.5 } } });
    let (store, mut index, folder) = scored_suite(&json!({ "attacks": attacks }), &stored);
    let equal = |samples: u32| {
        let scores = Scores::new([0.0, 1.0].repeat(samples as usize), vec![1; samples as usize], 2).unwrap();
        scores.at((10..10 + samples).collect()).unwrap()
    };
    let scores = ModelScores {
        forget: equal(4),
        retain: equal(9),
        test: equal(8),
        validation: None,
        triggered: None,
        unseen: None,
    };
    let mut spec = StageSpec::new("evaluate", json!({ "attacks": attacks, "dead": 1 }), "d", 1);
    spec.inputs.insert("model".to_owned(), index.rows[1].unlearn.clone());
    let Begin::Run(mut writer) = store.begin(&spec).unwrap() else { panic!("the store is new") };
    StoredScores::write(&writer.path(StoredScores::FILE), &scores).unwrap();
    writer.append_metrics(&stored).unwrap();
    index.rows[1].evaluate = writer.finish().unwrap().key().clone();
    let place = folder.path().join("again");
    let again = unlearn_reports::evaluate(&store, &index, &place, &Registry::standard(), &[]).unwrap().results;
    assert_eq!(again.rows[1].value("mia_efficacy"), None);
    assert!(again.rows[1].undefined("mia_efficacy").unwrap().contains("the same confidence"));
    assert!(again.rows[1].value("avg_gap").is_some());
    // What is stored stays as it is.
    let reported = write(&store, &index, &place).unwrap().results;
    assert_eq!(reported.rows[1].value("mia_efficacy"), Some(100.0));
}
