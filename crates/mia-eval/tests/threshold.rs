//! Comparison of the attack by thresholds with a second implementation (`tests/golden/mia-eval/threshold.py`), on real
//! scores.

use serde_json::Value;
use unlearn_metrics::{ModelScores, Scores};
use unlearn_mia_eval::attacks::threshold;
use unlearn_mia_eval::{Draws, MemberSelection, features};

fn read(file: &str) -> Vec<u8> {
    unlearn_tests::golden::bytes(&format!("mia-eval/{file}"))
}

#[test]
fn figures_are_those_of_a_second_implementation() {
    let golden: Value = serde_json::from_slice(&read("threshold.json")).unwrap();
    for name in ["digits", "cancer"] {
        let summary: Value = serde_json::from_slice(&read(&format!("{name}.json"))).unwrap();
        let logits = read(&format!("{name}.logits.f32"));
        let number = |key: &str| summary[key].as_u64().unwrap() as usize;
        let labels: Vec<u32> = serde_json::from_value(summary["labels"].clone()).unwrap();
        let logits: Vec<f32> = logits.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let classes = number("classes");
        let part = |from: usize, to: usize| {
            Scores::new(logits[from * classes..to * classes].to_vec(), labels[from..to].to_vec(), classes).unwrap()
        };
        let (retain, tested) = (number("retain"), number("retain") + number("test"));
        let scores = ModelScores {
            retain: part(0, retain),
            test: part(retain, tested),
            forget: part(tested, labels.len()),
            validation: None,
            triggered: None,
            unseen: None,
        };
        let draws = Draws { members: MemberSelection::FirstRows, count: 1, seed: 0, interrupt: None };
        for (feature, expected) in golden[name].as_object().unwrap() {
            let found = threshold::ATTACK.run(&scores, &[features::find(feature).unwrap()], &draws).unwrap();
            let check = |what: &str, found: f64, expected: f64| {
                assert!((found - expected).abs() < 1e-9, "{name} {feature} {what}: {found} {expected}");
            };
            let of = |figure: &str| &found[&format!("threshold_{figure}.{feature}")];
            check("accuracy", of("accuracy").value, expected["accuracy"].as_f64().unwrap());
            check("efficacy", of("efficacy").value, expected["efficacy"].as_f64().unwrap());
            let [area, low, high]: [f64; 3] = serde_json::from_value(expected["auc"].clone()).unwrap();
            check("AUC", of("auc").value, area);
            let [ours_low, ours_high] = of("auc").interval.unwrap();
            check("lower end", ours_low, low);
            check("upper end", ours_high, high);
        }
    }
}
