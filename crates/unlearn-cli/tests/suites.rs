//! Suites from start to report: reproducible, resumable, never computed twice.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use crate::{Place, SUITE, models};

#[test]
fn a_suite_runs_from_images_to_report_and_a_second_time_computes_nothing() {
    let place = Place::new(SUITE);
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 stages, 0 done, 42 to do"), "{plan}");
    let printed = place.succeed(&["run", "suite.toml", "--out", "report"]);
    assert!(printed.contains("retrain") && printed.contains("report.html"), "{printed}");

    let rows = place.rows("report");
    assert_eq!(rows.len(), 2 * 2 * 5);
    for row in &rows {
        for metric in ["ua", "ra", "ta", "mia_efficacy"] {
            let value = row[metric].as_f64().unwrap();
            assert!((0.0..=100.0).contains(&value), "{metric} of {row}");
        }
        let gap = row["avg_gap"].as_f64().unwrap();
        assert_eq!(row["method"] == "retrain", gap == 0.0, "{row}");
        if row["method"] == "retrain" && row["scenario"] == "class" {
            assert_eq!(row["ua"], 100.0, "a model that never saw a class cannot name it");
        }
    }

    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 done, 0 to do"), "{plan}");
    let again = Instant::now();
    place.succeed(&["run", "suite.toml", "--out", "again"]);
    assert!(again.elapsed() < Duration::from_secs(10));
    assert_eq!(place.rows("again"), rows);

    assert!(place.succeed(&["runs", "verify"]).contains("42 finished stages"));
    place.succeed(&["report", "tiny", "--out", "third"]);
    assert_eq!(place.rows("third"), rows);
    for file in ["results.json", "results.csv", "table.md", "report.html"] {
        assert!(place.path("third").join(file).is_file(), "{file}");
    }
    pruned_weights_are_zero_in_every_model(&place);
}

fn pruned_weights_are_zero_in_every_model(place: &Place) {
    let masks: Vec<_> =
        models(&place.path("runs")).into_iter().filter(|(path, _)| path.ends_with("mask.safetensors")).collect();
    assert_eq!(masks.len(), 1 + 2 * 5, "the pruned model and all that were unlearned from it");
    for (path, _) in masks {
        let mask = place.succeed(&["inspect", place.path("runs").join(&path).to_str().unwrap()]);
        assert!(mask.contains("sparsity 90.00 %"), "{mask}");
        let model = place.path("runs").join(path.with_file_name("model.safetensors"));
        let model = place.succeed(&["inspect", model.to_str().unwrap()]);
        let zeros = |text: &str, layer: &str, after: &str| -> f64 {
            let line = text.lines().find(|line| line.contains(layer)).unwrap();
            let words: Vec<_> = line.split_whitespace().collect();
            let at = words.iter().position(|word| *word == after).unwrap();
            words[at - 2].parse().unwrap()
        };
        for layer in ["layer3.0.conv1.weight", "layer1.0.conv2.weight"] {
            let density = {
                let line = mask.lines().find(|line| line.contains(layer)).unwrap();
                line.rsplit_once("density").unwrap().1.trim().trim_end_matches(" %").parse::<f64>().unwrap()
            };
            assert!((100.0 - density - zeros(&model, layer, "zeros")).abs() < 0.011, "{layer}\n{mask}\n{model}");
        }
    }
}

#[test]
fn one_thread_and_two_leave_the_same_bytes() {
    let suite = SUITE.replace("fraction = 0.1", "count = 10");
    let (one, two) = (Place::new(&suite), Place::new(&suite));
    for (place, threads) in [(&one, "1"), (&two, "2")] {
        let output = place.command(&["run", "suite.toml"]).env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (one, two) = (models(&one.path("runs")), models(&two.path("runs")));
    assert_eq!(one.len(), 22 + 11, "22 models, 11 of them with a mask");
    assert!(one == two, "a model depends on the number of threads");
}

#[test]
fn a_run_killed_again_and_again_ends_like_one_never_killed() {
    let undisturbed = Place::new(SUITE);
    undisturbed.succeed(&["run", "suite.toml", "--out", "report"]);

    let killed = Place::new(SUITE);
    let arguments = ["run", "suite.toml", "--out", "report", "--checkpoint-interval", "0"];
    let mut kills = 0;
    for milliseconds in [150, 250, 400, 700, 900, 1300, 1900] {
        let mut child = killed.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        killed.succeed(&["runs", "list"]);
    }
    assert!(kills >= 2, "the run was over before it could be killed");
    killed.succeed(&arguments);
    assert_eq!(killed.rows("report"), undisturbed.rows("report"));
    assert!(models(&killed.path("runs")) == models(&undisturbed.path("runs")), "a killed run left another model");
}

#[test]
fn an_interrupt_saves_the_state_and_exits_130() {
    let place = Place::new(&SUITE.replace("epochs = 2", "epochs = 200"));
    let mut child = place.command(&["run", "suite.toml"]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let listed = place.succeed(&["runs", "list"]);
    assert!(listed.contains("Unfinished"), "{listed}");
}

#[test]
fn the_lists_name_what_suites_may_name() {
    let place = Place::new(SUITE);
    for (list, names) in [
        ("datasets", vec!["fashion-mnist-mini", "fashion-mnist"]),
        ("models", vec!["resnet8s", "resnet20s"]),
        ("methods", vec!["omp", "magnitude", "raw", "retrain", "ft", "ga", "l1-sparse"]),
        ("attacks", vec!["mia-efficacy", "confidence", "m-entropy"]),
    ] {
        let printed = place.succeed(&[list]);
        for name in names {
            assert!(printed.lines().any(|line| line.trim() == name), "`{name}` in {printed}");
        }
    }
}

#[test]
fn the_commented_reference_is_a_suite_itself() {
    let defaults = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/defaults.toml");
    let place = Place::new(&std::fs::read_to_string(defaults).unwrap());
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 stages"), "{plan}");
}
