//! A suite with an audit: refusals before the first stage, the figures of models whose answer is known, and a run that is repeated.

use std::path::Path;

use unlearn_experiment::{Environment, Error, Finished, Plan, RunOptions, Suite, run, work};
use unlearn_metrics::Values;
use unlearn_network::DeviceChoice;
use unlearn_run_store::{Evaluation, Store};

const SUITE: &str = r#"
    prune = [{ method = "none" }, { method = "omp", sparsity = 0.9, rewind-epoch = 1 }]
    forget = [{ kind = "class", class = 1 }, { kind = "random", count = 30 }]
    unlearn = [{ method = "raw" }, { method = "ga", epochs = 1 }, { method = "retrain" }]
    [suite]
    name = "tiny"
    seeds = [1]
    [data]
    name = "fashion-mnist-mini"
    classes = [0, 1, 7]
    train-limit = 240
    [model]
    arch = "resnet8s"
    [train]
    epochs = 4
    batch-size = 32
    augment = false
    [evaluate]
    draws = 1
    [audit]
    max-steps = 40
"#;

fn plan(text: &str) -> Result<Plan, Box<Error>> {
    let environment = Environment { device: DeviceChoice::Cpu, offline: true, ..Environment::default() };
    let suite = Suite::parse(text, Path::new("suite.toml"), &[]);
    suite.map_err(Box::new).and_then(|suite| Plan::resolve(&suite, &environment).map_err(Box::new))
}

#[test]
fn settings_out_of_range_are_refused_before_the_first_stage() {
    for (setting, words) in [
        ("max-steps = 0", "`max-steps` must be 1 to 10000, found 0"),
        ("samples = 1", "`samples` must be 2 to 20000"),
        ("c = 0.0", "`c` must be a positive number"),
        ("lr = -0.1", "`lr` must be a positive number"),
        ("batch-size = 0", "`batch-size` must be 1 or more"),
        ("margin = 100.0", "`margin` must be 0 or more and below 100"),
        ("max-step = 3", "did you mean `max-steps`"),
    ] {
        let error = plan(&SUITE.replace("max-steps = 40", setting)).map(|_| ()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn an_audit_adds_stages_and_changes_no_other() {
    let keys = |text: &str| plan(text).unwrap().stages.into_iter().map(|stage| stage.key).collect::<Vec<_>>();
    let (with, without) = (keys(SUITE), keys(SUITE.split("[audit]").next().unwrap()));
    assert!(without.iter().all(|key| with.contains(key)));
    assert_eq!(with.len(), without.len() + 12, "one for each of 12 rows");
}

#[test]
fn the_theory_is_measured_once_for_each_model_before_unlearning() {
    let text = format!("{SUITE}    [audit.theory]\n    samples = 60\n    products = 3\n");
    let stages = plan(&text).unwrap().stages;
    let of_kind = |kind: &str| stages.iter().filter(|stage| stage.spec.kind == kind).collect::<Vec<_>>();
    let curvatures = of_kind("curvature");
    assert_eq!(curvatures.len(), 2, "one dense and one pruned model");
    for audit in of_kind("audit") {
        let curvature = curvatures.iter().find(|stage| stage.key == audit.spec.inputs["curvature"]).unwrap();
        assert_eq!(curvature.spec.inputs["model"], audit.spec.inputs["original"]);
    }
    for (setting, words) in [
        ("samples = 0", "[audit.theory]: `samples` must be 1 or more"),
        ("products = 1", "`products` must be 2 to 10000, found 1"),
        ("tolerance = 1.0", "`tolerance` must lie between 0 and 1"),
        ("product = 3", "did you mean `products`"),
    ] {
        let error = plan(&format!("{SUITE}    [audit.theory]\n    {setting}\n")).map(|_| ()).unwrap_err();
        assert!(error.is_usage() && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn models_whose_answer_is_known_have_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = plan(&format!("{SUITE}    [audit.theory]\n    samples = 60\n    tolerance = 0.01\n")).unwrap();
    let Finished { index, .. } = run(&plan, &store, &RunOptions::unattended("test")).unwrap();
    assert_eq!(index.rows.len(), 12);
    let of = |method: &str, forget: &str, sparsity: f64| -> Values {
        let row = index
            .rows
            .iter()
            .find(|row| row.method == method && row.forget == forget && (row.sparsity - sparsity).abs() < 0.01);
        let row = row.unwrap();
        let stages = store.row(row).unwrap();
        let audit = stages.audit.unwrap();
        let audited: serde_json::Value = serde_json::from_slice(&audit.read("audit.json").unwrap()).unwrap();
        let figures = Evaluation::of(&audit).unwrap().figures;
        assert!(audited["change_by_layer"].as_array().unwrap().len() >= 8, "{audited}");
        let measured = audited["relearning"].as_array().unwrap();
        assert_eq!(measured.len() as f64 - 1.0, figures["relearn_steps"].value, "{audited}");
        figures
    };
    for (forget, sparsity) in [("class 1", 0.0), ("random 30", 0.0), ("class 1", 0.9), ("random 30", 0.9)] {
        let (raw, ga, retrain) =
            (of("raw", forget, sparsity), of("ga", forget, sparsity), of("retrain", forget, sparsity));
        let value = |values: &Values, name: &str| values[name].value;
        // The model before unlearning is like itself and need not learn anything again.
        assert!((value(&raw, "cka_original") - 1.0).abs() < 1e-6);
        assert_eq!((value(&raw, "weight_change"), value(&raw, "relearn_steps")), (0.0, 0.0));
        // Retrain is the standard, and has no distance to itself.
        assert!(["cka", "weight_distance", "mmd"].iter().all(|name| !retrain.contains_key(*name)), "{retrain:?}");
        assert!(["cka", "weight_distance", "mmd"].iter().all(|name| raw.contains_key(*name)), "{raw:?}");
        assert!(value(&raw, "weight_distance") > 0.5);
        assert!(value(&raw, "unlearning_error") > 0.0 && !retrain.contains_key("unlearning_error"));
        // The factors belong to the model before unlearning: 28 steps of at most 0.1.
        let [shift, eigenvalue] = ["training_shift", "hessian_eigenvalue"].map(|name| {
            assert_eq!(raw[name], ga[name]);
            value(&raw, name)
        });
        assert!(shift > 0.0 && eigenvalue > 0.0);
        let bound = 0.1_f64.powi(2) * 28.0 * shift * eigenvalue;
        assert!((value(&raw, "error_bound") / bound - 1.0).abs() < 1e-9, "{raw:?}");
        assert!(value(&ga, "weight_change") > 0.0 && value(&ga, "weight_change") < value(&retrain, "weight_change"));
        assert!(value(&raw, "probe") >= 60.0, "{raw:?}");
        assert!(value(&retrain, "cka_original") < value(&raw, "cka_original"));
    }
    // Retrain never answers with the class, so it must learn it first.
    assert!(of("retrain", "class 1", 0.0)["relearn_steps"].value >= 1.0);

    a_comparison_with_a_model_that_saw_the_samples_is_refused(&plan, &store);
}

fn a_comparison_with_a_model_that_saw_the_samples_is_refused(plan: &Plan, store: &Store) {
    let audit =
        plan.stages.iter().find(|stage| stage.spec.kind == "audit" && stage.spec.inputs.contains_key("retrain"));
    let spec = &audit.unwrap().spec;
    for (role, words) in [("retrain", "was trained on image"), ("original", "has forgotten image")] {
        let mut other = spec.clone();
        let taken = if role == "retrain" { &spec.inputs["original"] } else { &spec.inputs["model"] };
        other.inputs.insert(role.into(), taken.clone());
        let error = work(other, store, &plan.materials, &RunOptions::unattended("test")).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
