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
    assert!(!place.path("runs").exists(), "a dry run makes no folder");
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
    figures_are_computed_again_from_stored_scores(&place, &rows);
    pruned_weights_are_zero_in_every_model(&place);
}

fn figures_are_computed_again_from_stored_scores(place: &Place, rows: &[serde_json::Value]) {
    place.succeed(&["evaluate", "tiny", "--out", "recomputed"]);
    assert_eq!(place.rows("recomputed"), rows, "to the last digit, every draw included");
    let added = ["kl", "agreement", "mia_efficacy.entropy", "loss_threshold_advantage"];
    let asked: Vec<&str> = added.iter().flat_map(|name| ["--figure", *name]).collect();
    let printed = place.succeed(&[&["evaluate", "tiny", "--out", "added"], &asked[..]].concat());
    assert!(printed.contains("Agreement") && printed.contains("MIA-efficacy (entropy)"), "{printed}");
    for (row, before) in place.rows("added").iter().zip(rows) {
        for name in added {
            assert!(row["figures"][name]["value"].is_number(), "{name} of {row}");
            assert!(before["figures"].get(name).is_none(), "{name} was not asked for by the suite");
        }
        assert_eq!(row["figures"]["mia_efficacy.entropy"]["draws"].as_array().unwrap().len(), 10);
        assert_eq!(row["method"] == "retrain", row["figures"]["kl"]["value"] == 0.0, "{row}");
        assert_eq!(row["figures"]["mia_efficacy"], before["figures"]["mia_efficacy"]);
    }
    let message = place.refuse(2, &["evaluate", "tiny", "--out", "x", "--figure", "kll"]);
    assert!(message.contains("`kll`") && message.contains("kl, js"), "{message}");
}

fn pruned_weights_are_zero_in_every_model(place: &Place) {
    let masks: Vec<_> =
        models(&place.path("runs")).into_iter().filter(|(path, _)| path.ends_with("mask.safetensors")).collect();
    assert_eq!(masks.len(), 1 + 2 * 5, "the pruned model and all that were unlearned from it");
    for (path, _) in masks {
        let mask = place.succeed(&["inspect", place.path("runs").join(&path).to_str().unwrap()]);
        assert!(mask.contains("sparsity 90.00 %"), "{mask}");
        let model = place.path("runs").join(path.with_file_name("model.safetensors"));
        zeros_are_the_masks(&mask, &place.succeed(&["inspect", model.to_str().unwrap()]));
    }
}

#[test]
fn one_method_under_two_names_gives_rows_of_both_and_what_it_prunes_is_in_the_manifest() {
    let tables = |sparsity: &str| {
        format!(
            "[[prune]]\nmethod = \"at-init\"\ncriterion = \"snip\"\nname = \"snip\"\nsparsity = {sparsity}\n\n[[forget]]"
        )
    };
    let suite = SUITE.replacen("[[forget]]", &tables("0.9"), 1);
    let suite = suite.split("[[unlearn]]\nmethod = \"retrain\"").next().unwrap();
    let place = Place::new(suite);
    place.succeed(&["run", "suite.toml", "--out", "report", "--set", "prune.snip.sparsity=0.8"]);
    let rows: Vec<_> = place
        .rows("report")
        .iter()
        .map(|row| (row["pruning"].to_string(), row["sparsity"].as_f64().unwrap()))
        .collect();
    for row in [("\"none\"", 0.0), ("\"omp\"", 0.9), ("\"snip\"", 0.8)] {
        assert_eq!(
            rows.iter().filter(|(pruning, sparsity)| (pruning.as_str(), *sparsity) == row).count(),
            2,
            "{rows:?}"
        );
    }

    let mut densities = Vec::new();
    for entry in std::fs::read_dir(place.path("runs/prune")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        let sparsity = &manifest["facts"]["sparsity"];
        let layers = sparsity["layers"].as_array().unwrap();
        let sum = |key: &str| layers.iter().map(|layer| layer[key].as_u64().unwrap()).sum::<u64>();
        for key in ["parameters", "kept_parameters", "operations", "kept_operations"] {
            assert_eq!(sparsity["total"][key].as_u64(), Some(sum(key)), "{key}");
        }
        densities.push((100.0 * sum("kept_parameters") as f64 / sum("parameters") as f64).round());
    }
    densities.sort_by(f64::total_cmp);
    assert_eq!(densities, [10.0, 20.0]);
}

#[test]
fn models_are_made_alone_and_are_there_when_the_suite_runs() {
    let models_only = SUITE.split("[[forget]]").next().unwrap();
    let place = Place::new(models_only);
    let trained = place.succeed(&["train", "suite.toml"]);
    assert!(trained.starts_with("runs/train/") && trained.lines().count() == 1, "{trained}");
    let pruned = place.succeed(&["prune", "suite.toml"]);
    assert_eq!(pruned.lines().count(), 2, "{pruned}");
    assert!(pruned.contains("runs/prune/") && pruned.contains("10.00 % of the prunable weights are kept"), "{pruned}");
    let other = place.succeed(&["prune", "suite.toml", "--set", "prune.omp.sparsity=0.5"]);
    assert!(other.contains("50.00 % of the prunable weights"), "{other}");
    let message = place.refuse(2, &["run", "suite.toml"]);
    assert!(message.contains("[[forget]] table is needed"), "{message}");

    std::fs::write(place.path("suite.toml"), SUITE).unwrap();
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 stages, 2 done"), "{plan}");
}

#[test]
fn requests_in_turn_are_served_on_the_same_model_and_judged_on_all_so_far() {
    let sequence = "[[forget]]\nkind = \"sequence\"\nrequests = [{ kind = \"class\", class = 0 }, { kind = \"random\", count = 9 }]\n\n\
                    [[unlearn]]";
    let suite = SUITE.replacen("[[unlearn]]", sequence, 1);
    let place = Place::new(&suite);
    place.succeed(&["run", "suite.toml", "--out", "report", "--set", "evaluate.drift-threshold=0.01"]);
    let rows = place.rows("report");
    let labels = ["class 0", "random 10 %", "sequence 1 of 2: class 0", "sequence 2 of 2: random 9"];
    for method in ["raw", "retrain", "ft"] {
        let of = |label: &str| {
            rows.iter().find(|row| row["method"] == method && row["sparsity"] == 0.0 && row["forget"] == label).unwrap()
        };
        let [alone, _, first, second] = labels.map(of);
        for metric in ["ua", "ra", "ta", "mia_efficacy"] {
            assert_eq!(alone[metric], first[metric], "the first request is as if alone: {method} {metric}");
        }
        assert_eq!((&first["turn"], &second["turn"]), (&1.into(), &2.into()));
        assert_eq!(second["scenario"], "sequence");
        if method == "retrain" {
            assert!(second["ua"].as_f64().unwrap() > 50.0, "the class of the first request stays forgotten: {second}");
            assert_eq!(second["avg_gap"], 0.0, "each request has a Retrain of its own");
        }
    }

    let results: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.path("report/results.json")).unwrap()).unwrap();
    let lines = results["drift"]["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 2 * 4, "every method but Retrain, dense and sparse");
    assert!(lines.iter().any(|line| line["retrain_due"] == 1), "{lines:?}");
    let page = std::fs::read_to_string(place.path("report/report.html")).unwrap();
    assert!(page.contains("Drift over requests") && page.contains("after request 1"));
    // The second request begins with the model that the first one left.
    let unlearned = place.path("runs/unlearn");
    let manifests = std::fs::read_dir(&unlearned).unwrap().map(|entry| {
        let text = std::fs::read_to_string(entry.unwrap().path().join("manifest.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    });
    let (second, others): (Vec<_>, Vec<_>) = manifests.partition(|manifest| manifest["config"]["forget"]["count"] == 9);
    assert_eq!(second.len(), 2 * 5);
    let on_an_unlearned_model =
        |manifest: &serde_json::Value| unlearned.join(manifest["inputs"]["model"].as_str().unwrap()).is_dir();
    assert!(second.iter().all(on_an_unlearned_model) && !others.iter().any(on_an_unlearned_model));
}

#[test]
fn what_a_method_prunes_is_saved_as_its_mask() {
    let before = SUITE.split("[[forget]]\nkind = \"random\"").next().unwrap();
    let tables = "[[unlearn]]\nmethod = \"l1-prox\"\nepochs = 1\ngamma = 0.3\ngamma-schedule = \"constant\"\n\n[[unlearn]]\nmethod = \
                  \"ft-prune\"\nepochs = 3\nsparsity = 0.95\n";
    let place = Place::new(&format!("{before}{tables}"));
    place.succeed(&["run", "suite.toml"]);
    for entry in std::fs::read_dir(place.path("runs/unlearn")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = std::fs::read_to_string(folder.join("manifest.json")).unwrap();
        let mask = place.succeed(&["inspect", folder.join("mask.safetensors").to_str().unwrap()]);
        let model = place.succeed(&["inspect", folder.join("model.safetensors").to_str().unwrap()]);
        if manifest.contains("ft-prune") {
            assert!(mask.contains("sparsity 95.00 %"), "{mask}");
        }
        zeros_are_the_masks(&mask, &model);
    }
}

/// Compares the zeros of each convolution with its mask, both as `inspect` prints them.
fn zeros_are_the_masks(mask: &str, model: &str) {
    let mut layers = 0;
    for line in mask.lines().filter(|line| line.contains("conv") && line.contains("density")) {
        let name = line.split_whitespace().next().unwrap();
        let density: f64 = line.rsplit_once("density").unwrap().1.trim().trim_end_matches(" %").parse().unwrap();
        let zeros = model.lines().find(|line| line.contains(name)).unwrap().split_whitespace().collect::<Vec<_>>();
        let at = zeros.iter().position(|word| *word == "zeros").unwrap();
        let zeros: f64 = zeros[at - 2].parse().unwrap();
        assert!((100.0 - density - zeros).abs() < 0.011, "{name}: {line} {zeros}");
        layers += 1;
    }
    assert!(layers > 5, "{mask}");
}

#[test]
fn a_mask_learned_anew_is_another_of_the_same_size_however_often_it_is_killed() {
    let before = SUITE.split("[[forget]]\nkind = \"random\"").next().unwrap();
    let suite = format!("{before}[[unlearn]]\nmethod = \"retrain\"\n\n[[unlearn]]\nmethod = \"retrain-relearn\"\n");
    let place = Place::new(&suite);
    place.succeed(&["run", "suite.toml", "--out", "report"]);
    let models = models(&place.path("runs"));
    let masks: Vec<_> = models.iter().filter(|(path, _)| path.ends_with("mask.safetensors")).collect();
    assert_eq!(masks.len(), 3, "pruned, retrained under the same mask, retrained under a new one");
    let mut contents: Vec<_> = masks.iter().map(|(_, bytes)| bytes).collect();
    contents.sort_unstable();
    contents.dedup();
    assert_eq!(contents.len(), 2, "one of them was learned anew");
    for (path, _) in masks {
        let inspect =
            |path: &std::path::Path| place.succeed(&["inspect", place.path("runs").join(path).to_str().unwrap()]);
        let mask = inspect(path);
        assert!(mask.contains("sparsity 90.00 %"), "{mask}");
        zeros_are_the_masks(&mask, &inspect(&path.with_file_name("model.safetensors")));
    }
    let rows = place.rows("report");
    let dense =
        |method: &str| rows.iter().find(|row| row["method"] == method && row["sparsity"] == 0.0).unwrap()["ua"].clone();
    assert_eq!(dense("retrain"), dense("retrain-relearn"), "a dense model has no mask to learn");

    let killed = Place::new(&suite);
    let arguments = ["run", "suite.toml", "--checkpoint-interval", "0"];
    for milliseconds in [500, 700, 900, 1100, 1300] {
        let mut child = killed.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        drop(child.kill());
        child.wait().unwrap();
    }
    killed.succeed(&arguments);
    assert!(crate::models(&killed.path("runs")) == models, "a killed run left another model");
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
    // On a busy machine, a run may be killed before it creates its store.
    std::fs::create_dir(killed.path("runs")).unwrap();
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
fn a_stage_is_computed_by_itself_from_its_description() {
    let place = Place::new(SUITE);
    let lines = place.succeed(&["run", "suite.toml", "--dry-run", "--json"]);
    let planned: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(planned.len(), 42);
    let write =
        |stage: &serde_json::Value| std::fs::write(place.path("stage.json"), stage["stage"].to_string()).unwrap();
    let stage = ["stage", "stage.json"];
    let pruned = planned.iter().find(|stage| stage["label"].as_str().unwrap().starts_with("prune")).unwrap();
    write(pruned);
    let message = place.refuse(2, &stage);
    assert!(message.contains("its input `model`") && message.contains("compute it first"), "{message}");
    // The stages run one after the other, each in its own process, and give the suite's models.
    for planned in planned.iter().take(8) {
        write(planned);
        let printed = place.succeed(&stage);
        assert!(printed.contains(planned["key"].as_str().unwrap()), "{printed}");
        place.succeed(&stage);
    }
    let whole = Place::new(SUITE);
    whole.succeed(&["run", "suite.toml"]);
    let all = models(&whole.path("runs"));
    assert!(
        models(&place.path("runs")).iter().all(|model| all.contains(model)),
        "a stage by itself left another model"
    );
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("42 stages, 8 done"), "{plan}");

    // A model that has forgotten is not pruned, because that would bring back what it forgot.
    let unlearned =
        planned.iter().find(|stage| stage["label"].as_str().unwrap().starts_with("unlearn retrain")).unwrap();
    let mut again = pruned.clone();
    again["stage"]["inputs"]["model"] = unlearned["key"].clone();
    write(&again);
    assert!(place.refuse(1, &stage).contains("has forgotten something"));
    for (field, other, words) in [
        ("data", "x".into(), "described for data with the fingerprint x"),
        (
            "config",
            serde_json::json!({ "method": "omp", "config": 3, "arithmetic": pruned["stage"]["config"]["arithmetic"] }),
            "a table",
        ),
    ] {
        let mut odd = pruned.clone();
        odd["stage"][field] = other;
        write(&odd);
        let message = place.refuse(1, &stage);
        assert!(message.contains(words), "{message}");
    }
    for (code, from, to, words) in [
        (2, "\"format\":1", "\"format\":2", "format version is 2"),
        (2, "\"kind\":\"prune\"", "\"kind\":\"prun\"", "unknown kind of stage"),
        (2, "\"seed\":1", "\"sede\":1", "sede"),
        (1, "\"arithmetic\":\"cpu", "\"arithmetic\":\"abacus", "abacus"),
    ] {
        let text = pruned["stage"].to_string();
        assert!(text.contains(from), "{text}");
        std::fs::write(place.path("stage.json"), text.replace(from, to)).unwrap();
        let message = place.refuse(code, &stage);
        assert!(message.contains(words), "{message}");
    }
}

#[test]
fn stages_in_processes_of_their_own_leave_the_same_rows_and_models_however_often_they_are_killed() {
    let here = Place::new(SUITE);
    here.succeed(&["run", "suite.toml", "--out", "report"]);
    let spread = Place::new(SUITE);
    let arguments = ["run", "suite.toml", "--out", "report", "--jobs", "2", "--checkpoint-interval", "0"];
    for milliseconds in [700, 1100, 1700] {
        let mut child = spread.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        drop(child.kill());
        child.wait().unwrap();
    }
    spread.succeed(&arguments);
    assert_eq!(spread.rows("report"), here.rows("report"));
    assert!(models(&spread.path("runs")) == models(&here.path("runs")), "a process of its own left another model");
}

#[test]
fn two_processes_on_one_store_share_the_work() {
    let place = Place::new(SUITE);
    let start = |out: &str| {
        let mut command = place.command(&["run", "suite.toml", "--out", out]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let (one, two) = (start("one"), start("two"));
    let mut computed = 0;
    for process in [one, two] {
        let output = process.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        computed += said.lines().filter(|line| line.contains(" done in ")).count();
    }
    assert_eq!(computed, 42, "every stage is computed once, by one of them");
    assert_eq!(place.rows("one"), place.rows("two"));
}

#[test]
fn a_stage_that_fails_is_gone_past_where_that_is_asked_for() {
    let place = Place::new(&SUITE.replacen("\"ga\"\nepochs = 1", "\"ga\"\nlr = 1e30\nepochs = 5", 1));
    for jobs in ["1", "2"] {
        let message = place.refuse(1, &["run", "suite.toml", "--out", jobs, "--keep-going", "--jobs", jobs]);
        assert!(
            message.contains("failed: unlearn ga") && message.contains("4 of 42 stages failed, and 4 that"),
            "{message}"
        );
        assert_eq!(place.rows(jobs).len(), 2 * 2 * 4);
    }
}

#[test]
fn whatever_is_damaged_in_a_store_is_found_and_named() {
    let place = Place::new(SUITE.split("[[prune]]\nmethod = \"omp\"").next().unwrap());
    place.succeed(&["train", "suite.toml"]);
    assert!(place.succeed(&["runs", "verify"]).contains("1 finished stage is sound"));
    let stage = std::fs::read_dir(place.path("runs/train")).unwrap().next().unwrap().unwrap().path();
    for file in ["model.safetensors", "metrics.jsonl", "manifest.json"] {
        let path = stage.join(file);
        let bytes = std::fs::read(&path).unwrap();
        let mut flipped = bytes.clone();
        // A digit in the middle, whose change keeps the JSON valid.
        let half = flipped.len() / 2;
        let at = (half..flipped.len()).find(|at| file.ends_with("tensors") || flipped[*at].is_ascii_digit()).unwrap();
        flipped[at] ^= 1;
        std::fs::write(&path, flipped).unwrap();
        assert!(place.refuse(1, &["runs", "verify"]).contains(file), "{file}");
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::remove_file(stage.join("manifest.json")).unwrap();
    assert!(place.refuse(1, &["runs", "verify"]).contains("manifest.json"));
    std::fs::remove_dir_all(&stage).unwrap();
    std::fs::write(&stage, "").unwrap();
    assert!(place.refuse(1, &["train", "suite.toml"]).contains("a stage is a folder"));
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
    assert!(listed.contains("partial"), "{listed}");
}

#[test]
fn an_interrupt_reaches_the_stages_in_processes_of_their_own() {
    let place = Place::new(&SUITE.replace("epochs = 2", "epochs = 200"));
    let mut child = place.command(&["run", "suite.toml", "--jobs", "2"]).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let saved = models_of_training(&place);
    assert!(saved.is_some_and(|state| state.is_file()), "the state of training is saved");
}

/// The saved state of the running training.
fn models_of_training(place: &Place) -> Option<std::path::PathBuf> {
    let stage = std::fs::read_dir(place.path("runs/train")).unwrap().next()?.unwrap().path();
    Some(stage.join("checkpoint/state.safetensors"))
}

#[test]
fn the_lists_name_what_suites_may_name() {
    let place = Place::new(SUITE);
    for (list, names) in [
        ("datasets", vec!["fashion-mnist-mini", "fashion-mnist"]),
        ("models", vec!["resnet8s", "resnet20s"]),
        ("methods", vec!["omp", "magnitude", "raw", "retrain", "ft", "ga", "l1-sparse"]),
        ("attacks", vec!["mia-efficacy", "loss-threshold", "confidence", "m-entropy", "u-lira", "klom"]),
        ("figures", vec!["ua", "tow", "mia_efficacy.m-entropy", "loss_threshold_advantage"]),
    ] {
        let printed = place.succeed(&[list]);
        for name in names {
            assert!(printed.lines().any(|line| line.trim() == name), "`{name}` in {printed}");
        }
    }
}

#[test]
fn a_method_says_where_its_defaults_come_from() {
    let place = Place::new(SUITE);
    let shown = place.succeed(&["methods", "show", "ft", "--defaults"]);
    for part in [
        "lr = 0.01    from its code",
        "batch-size = as in [train]    from [train]",
        "searched: 1e-3 to 1e-1, logarithmic",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(place.succeed(&["methods", "show", "unsir"]).contains("whole classes only"));
    assert!(place.succeed(&["methods", "show", "omp", "--defaults"]).contains("sparsity"));
    assert!(place.refuse(2, &["methods", "show", "fft"]).contains("did you mean"));
}

#[test]
fn a_dataset_is_described_and_verified() {
    let place = Place::new(SUITE);
    let described = place.succeed(&["datasets", "describe", "fashion-mnist-mini"]);
    assert!(described.contains("8000 training images: 800 of each class"), "{described}");
    let verified = place.succeed(&["datasets", "verify", "fashion-mnist-mini"]);
    assert!(verified.contains("fashion-mnist-mini is as published"), "{verified}");
    let refused = place.command(&["datasets", "describe", "fashion-mnist-mimi"]).output().unwrap();
    assert!(!refused.status.success());
}

#[test]
fn the_commented_reference_is_a_suite_itself() {
    let defaults = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/defaults.toml");
    let place = Place::new(&std::fs::read_to_string(defaults).unwrap());
    let plan = place.succeed(&["run", "suite.toml", "--dry-run"]);
    assert!(plan.contains("82 stages"), "{plan}");
}
