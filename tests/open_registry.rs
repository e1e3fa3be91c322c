//! A figure and an attack from outside the program appear in tables, CSV, JSON, page and certificate. Only a registry
//! is changed for them.

use std::{borrow::Cow, fs, path::Path};

use serde_json::Value as Json;
use unlearn_certificates::Outcome;
use unlearn_experiment::deletion::{Certified, Deleted, Deletion, DeletionOptions, Requested, measure_again};
use unlearn_experiment::{Environment, Plan, RunOptions, Suite};
use unlearn_metrics::{Direction, Evidence, Figure, ModelScores, Need, Unit, Value};
use unlearn_mia_eval::{Attack, Draws, MemberSelection, Pool, Registry, Run};
use unlearn_run_store::Store;

const SUITE: &str = r#"
[suite]
name = "open"
seeds = [1]

[data]
name = "fashion-mnist-mini"
train-limit = 100

[model]
arch = "resnet8s"

[train]
epochs = 1
batch-size = 32

[[forget]]
kind = "random"
count = 10

[[unlearn]]
method = "retrain"

[[unlearn]]
method = "raw"

[evaluate]
attacks = ["mia-efficacy", "coin"]
draws = 2
"#;

/// Difference between a model's accuracies on the retain set and on the forget set.
const SPLIT: Figure = Figure {
    name: Cow::Borrowed("split"),
    label: Cow::Borrowed("Split"),
    meaning: Cow::Borrowed("accuracy on the retain set less that on the forget set, points"),
    unit: Unit::Points,
    range: [-100.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain],
    source: "this test",
    in_table: false,
    compute: split,
};

fn split(evidence: &Evidence<'_>) -> unlearn_metrics::Result<Option<Value>> {
    let Some(scores) = evidence.scores else { return Ok(None) };
    Ok(Some(Value::exact(scores.retain.accuracy()? - scores.forget.accuracy()?)))
}

/// An attack that uses the parity of positions.
const COIN: Attack = Attack {
    name: "coin",
    summary: "calls every other position a member",
    source: "this test",
    pool: Pool::Alone,
    figures: &[Figure {
        name: Cow::Borrowed("coin_efficacy"),
        label: Cow::Borrowed("Coin"),
        meaning: Cow::Borrowed("forget set at odd positions, %"),
        unit: Unit::Percent,
        range: [0.0, 100.0],
        needs: &[Need::Forget, Need::Attack],
        compute: |_| Ok(None),
        ..SPLIT
    }],
    run: Run::Once(coin),
};

#[expect(clippy::unnecessary_wraps, reason = "an attack's function has this signature")]
fn coin(scores: &ModelScores, _: &Draws) -> unlearn_mia_eval::Result<Vec<Value>> {
    let positions = scores.forget.positions();
    let odd = positions.iter().filter(|position| *position % 2 == 1).count();
    Ok(vec![Value::exact(100.0 * odd as f64 / positions.len() as f64)])
}

#[test]
fn a_figure_and_an_attack_from_outside_are_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let registry = Registry::standard().with_figure(SPLIT).with_attack(COIN);
    let environment = Environment { registry: registry.clone(), ..Environment::default() };
    let options = RunOptions::unattended("a test");
    let suite = Suite::parse(SUITE, Path::new("suite.toml"), &[]).unwrap();
    let plan = Plan::resolve(&suite, &environment).unwrap();
    let store = Store::open(place("runs")).unwrap();
    let index = unlearn_experiment::run(&plan, &store, &options).unwrap().index;

    let written = unlearn_reports::write(&store, &index, &place("report"), &registry.figures()).unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    for (path, texts) in [
        (&written.markdown, ["| Split |", "Coin: forget set at odd positions"]),
        (&written.csv, [",split", ",coin_efficacy"]),
        (&written.html, [">Split</th>", ">Coin</th>"]),
    ] {
        let text = read(path);
        assert!(texts.iter().all(|expected| text.contains(expected.trim_matches('|').trim())), "{text}");
    }
    let json: Json = serde_json::from_str(&read(&written.json)).unwrap();
    for row in json["rows"].as_array().unwrap() {
        for name in ["split", "coin_efficacy", "tow"] {
            assert!(row["figures"][name]["value"].is_number(), "{name} of {row}");
        }
        assert_eq!(row["figures"]["mia_efficacy"]["draws"].as_array().unwrap().len(), 2);
    }
    let recomputed = unlearn_reports::evaluate(&store, &index, &place("again"), &registry, &[]).unwrap();
    assert_eq!(recomputed.results, written.results, "scores say what the evaluation said");

    let [retrain, raw] = &index.rows[..] else { panic!("two methods on one model") };
    let stage = |key| store.stage("unlearn", key).unwrap().path().to_path_buf();
    let ids: Vec<String> = unlearn_run_store::StoredScores::of(&store.stage("evaluate", &raw.evaluate).unwrap())
        .unwrap()
        .scores
        .forget
        .positions()
        .iter()
        .map(u32::to_string)
        .collect();
    fs::write(place("ids.jsonl"), ids.join("\n")).unwrap();
    let train = store.stages().unwrap().into_iter().find(|stage| stage.kind == "train").unwrap();
    let deletion = Deletion::resolve(&DeletionOptions {
        checkpoint: store.stage("train", &train.key).unwrap().path().to_path_buf(),
        key: None,
        mask: None,
        data: "fashion-mnist-mini".into(),
        request: Requested::List(place("ids.jsonl")),
        method: "raw".into(),
        assignments: Vec::new(),
        thresholds: ["split>=-100", "coin_efficacy>=0", "tow<=1"].map(|text| text.parse().unwrap()).into(),
        attacks: vec!["mia-efficacy".into(), "coin".into()],
        features: vec!["confidence".into()],
        draws: Some(2),
        members: MemberSelection::Stratified,
        retrain: Some(stage(&retrain.unlearn)),
        retrain_key: None,
        stated: None,
        environment: environment.clone(),
    });
    let deleted = deletion.unwrap().run(&place("out"), &options, None).unwrap();
    let Deleted::Now(certificate) = deleted else { panic!("the folder was empty") };
    let of_suite = &json["rows"][1]["figures"];
    for name in ["split", "coin_efficacy", "tow", "mia_efficacy"] {
        let certified = serde_json::to_value(&certificate.measured.after[name]).unwrap();
        assert_eq!(certified, of_suite[name], "a deletion measures what a suite does: {name}");
    }
    assert!(certificate.measured.passed() && certificate.measured.thresholds.len() == 3);
    let lines = certificate.measured.lines(&registry.figures());
    for name in ["split", "coin_efficacy"] {
        let line = lines.iter().find(|line| line.name == name).unwrap();
        assert!(line.figure.is_some() && line.before.is_some() && line.after.is_some() && line.retrain.is_some());
    }
    let check =
        |registry: &Registry| unlearn_certificates::check(&place("out"), &certificate, None, &registry.figures());
    assert!(!check(&registry).iter().any(unlearn_certificates::Finding::is_failure));
    let strange: Vec<String> = check(&Registry::standard())
        .into_iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Fails(_)))
        .map(|finding| finding.what)
        .collect();
    assert!(strange.contains(&"figure split after".to_owned()), "a program without the figure says so: {strange:?}");
    let certified = Certified::read(&place("out"), &certificate);
    let again = measure_again(&certified, "fashion-mnist-mini", &environment).unwrap();
    let held =
        |what: &str| again.iter().any(|finding| finding.what == what && matches!(finding.outcome, Outcome::Holds(_)));
    assert!(held("metric split") && held("metric coin_efficacy") && held("metric mia_efficacy"), "{again:?}");
}
