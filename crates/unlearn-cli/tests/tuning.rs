//! `unlearn tune`: equal budgets for all methods, no test set, and a suite that uses the chosen settings.

use serde_json::{Value, json};

use crate::{Place, SUITE};

fn read(place: &Place, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(place.path(file)).unwrap()).unwrap()
}

/// The best trial beside the first one.
fn choices(tuning: &Value) -> Vec<&Value> {
    tuning["trials"].as_array().unwrap().iter().filter(|trial| trial["chosen"] == true).collect()
}

#[test]
fn every_method_has_its_trials_and_the_suite_takes_what_was_chosen() {
    let place = Place::new(SUITE);
    let arguments =
        ["tune", "suite.toml", "--trials", "3", "--method", "ft", "--method", "l1-sparse", "--out", "found.json"];
    let printed = place.succeed(&arguments);
    assert!(printed.contains("3 trials of each method") && printed.contains("lr = "), "{printed}");
    assert!(!place.path("runs/evaluate").exists(), "a search must not look at the test set");

    let tuning = read(&place, "found.json");
    assert_eq!(read(&place, "runs/tunings/tiny.json"), tuning);
    let trials = tuning["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 2 * 2 * 2 * 3, "two methods, two models, two requests");
    assert_eq!(tuning["space"].as_array().unwrap().len(), 1 + 2, "lr; lr and gamma");
    assert_eq!(choices(&tuning).len(), 2 * 2 * 2);
    for chosen in choices(&tuning) {
        let beside = |trial: &&Value| ["method", "forget", "pruning"].iter().all(|key| trial[key] == chosen[key]);
        for trial in trials.iter().filter(beside) {
            assert!(chosen["value"].as_f64() <= trial["value"].as_f64(), "{chosen} {trial}");
            assert_eq!(trial["config"]["epochs"], 1, "the budget stays");
        }
    }

    // A file that holds something else stays unchanged.
    let foreign = |out: &str, words: &str| {
        let message = place.refuse(2, &["tune", "suite.toml", "--trials", "3", "--out", out]);
        assert!(message.contains(words), "{message}");
    };
    foreign("suite.toml", "which is read as the suite");
    std::fs::write(place.path("notes.toml"), "of mine").unwrap();
    foreign("notes.toml", "holds no search");
    assert_eq!(std::fs::read_to_string(place.path("notes.toml")).unwrap(), "of mine");
    foreign("runs", "it is a folder");
    foreign("suite.toml/found.json", "cannot be written");
    let again = place.run(&arguments);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && !said.contains(" done in "), "nothing is computed twice: {said}");

    let tuned = SUITE.replace("seeds = [1]", "seeds = [1]\ntuned = \"found.json\"");
    std::fs::write(place.path("suite.toml"), tuned).unwrap();
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    for chosen in choices(&tuning) {
        let unlearned = place.path("runs/unlearn").join(chosen["unlearn"].as_str().unwrap());
        let evaluated = std::fs::read_dir(place.path("runs/evaluate")).unwrap().any(|entry| {
            let manifest = std::fs::read_to_string(entry.unwrap().path().join("manifest.json")).unwrap();
            manifest.contains(chosen["unlearn"].as_str().unwrap())
        });
        assert!(unlearned.is_dir() && evaluated, "the suite judges the model that the search chose: {chosen}");
    }
    let page = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains("Settings that a search chose") && page.contains("its 24 trials"));
    assert_eq!(read(&place, "report/results.json")["tuning"]["budget"], json!(3));
}

#[test]
fn without_an_oracle_there_is_no_retrain() {
    let place = Place::new(SUITE);
    place.succeed(&["tune", "suite.toml", "--trials", "1", "--method", "ga", "--objective", "oracle-free"]);
    let tuning = read(&place, "runs/tunings/tiny.json");
    assert_eq!(tuning["objective"], "oracle-free");
    for entry in std::fs::read_dir(place.path("runs/unlearn")).unwrap() {
        let manifest = std::fs::read_to_string(entry.unwrap().path().join("manifest.json")).unwrap();
        assert!(!manifest.contains("\"retrain\""), "{manifest}");
    }
}

#[test]
fn a_trial_that_diverges_is_kept_with_its_reason_and_not_chosen() {
    let place = Place::new(&SUITE.replace("method = \"ft\"\n", "method = \"ft\"\nlr = 1e30\n"));
    place.succeed(&["tune", "suite.toml", "--trials", "2", "--method", "ft"]);
    let tuning = read(&place, "runs/tunings/tiny.json");
    for trial in tuning["trials"].as_array().unwrap() {
        let diverged = trial["number"] == 0;
        assert_eq!(trial["value"].is_null(), diverged, "{trial}");
        assert_eq!(trial["failure"].is_string(), diverged, "{trial}");
        assert_eq!(trial["chosen"], !diverged, "{trial}");
    }
}

#[test]
fn what_cannot_be_tuned_is_refused() {
    let place = Place::new(SUITE);
    let message = place.refuse(2, &["tune", "suite.toml", "--method", "ftt"]);
    assert!(message.contains("there are: raw, retrain, ft"), "{message}");
    let message = place.refuse(2, &["tune", "suite.toml", "--method", "raw"]);
    assert!(message.contains("no setting to search"), "{message}");
    place.refuse(2, &["tune", "suite.toml", "--trials", "0"]);

    let sequence = SUITE.replace(
        "kind = \"random\"\nfraction = 0.1",
        "kind = \"sequence\"\nrequests = [{ kind = \"class\", class = 1 }]",
    );
    std::fs::write(place.path("sequence.toml"), sequence).unwrap();
    let message = place.refuse(2, &["tune", "sequence.toml"]);
    assert!(message.contains("is a sequence"), "{message}");

    let tuned = SUITE.replace("seeds = [1]", "seeds = [1]\ntuned = \"other.json\"");
    std::fs::write(place.path("tuned.toml"), tuned).unwrap();
    let message = place.refuse(2, &["run", "tuned.toml"]);
    assert!(message.contains("suite.tuned") && message.contains("other.json"), "{message}");
    let other = json!({
        "format": 1, "suite": "tiny", "command": "", "created": "", "dataset": "fashion-mnist", "arch": "resnet20s", "objective": "gap",
        "criterion": "", "budget": 1, "seed": 1, "run_seed": 1, "space": [], "trials": [],
    });
    std::fs::write(place.path("other.json"), other.to_string()).unwrap();
    let message = place.refuse(2, &["run", "tuned.toml"]);
    assert!(message.contains("made for resnet20s on fashion-mnist") && message.contains("unlearn tune"), "{message}");
    let mut other = other;
    other["arch"] = json!("resnet8s");
    other["dataset"] = json!("fashion-mnist-mini");
    std::fs::write(place.path("other.json"), other.to_string()).unwrap();
    let message = place.refuse(2, &["run", "tuned.toml"]);
    let words = ["settings for no method of this suite", "ft · class 0 · dense", "it was made for: nothing"];
    assert!(words.iter().all(|word| message.contains(word)), "{message}");
}
