//! The method, the figure and the attack of the example are in its table, CSV, JSON and page.

#[path = "../examples/own_method.rs"]
#[expect(dead_code, reason = "the test calls what the example's `main` calls")]
mod example;

use std::{fs, path::Path};

#[test]
fn a_method_a_figure_and_an_attack_from_outside_are_in_every_file_of_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let written = example::run(folder.path()).unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    for (path, words) in [
        (&written.markdown, ["dim-head", "Split", "Stranger: samples of the forget set"]),
        (&written.csv, ["dim-head", ",split", ",stranger_efficacy"]),
        (&written.json, ["\"dim-head\"", "\"split\"", "\"stranger_efficacy\""]),
        (&written.html, ["dim-head", ">Split</th>", ">Stranger</th>"]),
    ] {
        let text = read(path);
        for word in words {
            assert!(text.contains(word), "`{word}` is not in {}:\n{text}", path.display());
        }
    }
    assert!(written.summary.contains("dim-head") && written.summary.contains("Split"), "{}", written.summary);
    let json: serde_json::Value = serde_json::from_str(&read(&written.json)).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    for row in rows {
        let value = |name: &str| row["figures"][name]["value"].as_f64().unwrap();
        let right = 100.0 - row["ua"].as_f64().unwrap();
        assert!((value("stranger_efficacy") - (100.0 - right)).abs() < 1e-9, "{row}");
        assert!((value("split") - (row["ra"].as_f64().unwrap() - right)).abs() < 1e-9, "{row}");
    }
}
