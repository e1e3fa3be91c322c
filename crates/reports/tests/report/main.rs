//! A synthetic suite, from store to report.

mod page;
mod tensorboard;
mod undefined;

use std::{fs, path::Path, sync::LazyLock};

use serde_json::{Value as Json, json};
use unlearn_metrics::{Figure, ModelScores, Scores, Value, figures::tow};
use unlearn_mia_eval::Registry;
use unlearn_reports::{ReportError, Verdict, Written};
use unlearn_run_store::{
    Begin, Configuration, Configured, Evaluation, StageKey, StageSpec, Store, StoredScores, SuiteIndex, SuiteRow,
};

/// The paper's table (CIFAR-10, ResNet-18): method, then UA, MIA-efficacy, RA, TA dense and 95 % sparse, and RTE in seconds.
type Figures = (&'static str, [f64; 4], [f64; 4], f64);

const CLASS: [Figures; 7] = [
    ("raw", [0.02, 0.9, 100.0, 94.8], [0.03, 1.1, 99.99, 94.1], 0.001),
    ("retrain", [100.0, 100.0, 100.0, 94.83], [100.0, 100.0, 99.99, 91.80], 2593.8),
    ("ft", [22.53, 75.0, 99.87, 94.31], [73.64, 83.02, 99.87, 94.32], 151.2),
    ("ga", [93.08, 94.03, 92.60, 86.64], [98.09, 97.74, 87.74, 82.58], 19.8),
    ("ff", [79.93, 100.0, 99.45, 94.18], [94.83, 100.0, 99.48, 94.04], 2334.6),
    ("iu", [87.82, 95.96, 97.98, 91.42], [99.47, 99.93, 97.24, 90.76], 195.0),
    ("l1-sparse", [99.57, 99.84, 95.20, 90.01], [99.71, 99.90, 94.10, 89.20], 151.9),
];
const RANDOM: [Figures; 5] = [
    ("retrain", [5.41, 13.12, 100.0, 94.42], [6.77, 14.17, 100.0, 93.33], 2529.0),
    ("ft", [6.83, 14.97, 96.61, 90.13], [5.97, 13.36, 96.99, 90.29], 139.8),
    ("ga", [7.54, 10.04, 93.31, 89.28], [5.62, 11.76, 95.44, 89.26], 18.6),
    ("ff", [7.84, 9.52, 92.05, 88.10], [8.16, 10.80, 92.29, 87.79], 2294.4),
    ("iu", [2.03, 5.07, 98.26, 91.33], [6.51, 11.93, 94.94, 88.74], 193.2),
];

/// The row of these figures. The attack's figure has two draws, one point below and one above.
fn evaluation(figures: &[(&str, f64)]) -> Evaluation {
    let value = |(name, value): &(&str, f64)| {
        let drawn = || Value {
            value: *value,
            interval: Some([value - 12.5, value + 12.5]),
            draws: vec![value - 1.0, value + 1.0],
            undefined: None,
        };
        ((*name).to_owned(), if name.starts_with("mia") { drawn() } else { Value::exact(*value) })
    };
    Evaluation::new(figures.iter().map(value).collect())
}

/// The report with the standard figures and those of the standard attacks.
fn write(store: &Store, index: &SuiteIndex, folder: &Path) -> Result<Written, ReportError> {
    unlearn_reports::write(store, index, folder, &Registry::standard().figures())
}

/// The stage that leaves these rows. They are part of its key, so a store kept between test runs never holds older
/// ones.
fn finish(store: &Store, spec: StageSpec, rows: &[Json]) -> StageKey {
    finish_with(store, spec, rows, None)
}

/// The same with a fact `sparsity`.
fn finish_with(store: &Store, mut spec: StageSpec, rows: &[Json], fact: Option<Json>) -> StageKey {
    spec.config["rows"] = json!(rows);
    spec.config["fact"] = json!(fact);
    match store.begin(&spec).unwrap() {
        Begin::Done(stage) => stage.key().clone(),
        Begin::Run(mut writer) => {
            for row in rows {
                writer.append_metrics(row).unwrap();
            }
            if let Some(fact) = fact {
                writer.note("sparsity", &fact).unwrap();
            }
            writer.finish().unwrap().key().clone()
        }
    }
}

/// Epochs that resemble a training.
fn epochs(seed: u64, floor: f64) -> Vec<Json> {
    let row = |epoch: u32| {
        let progress = (-f64::from(epoch) / 5.0).exp();
        let wobble = f64::from((epoch * 7 + seed as u32 * 3) % 5) * 0.02 * progress;
        json!({ "epoch": epoch, "train_loss": floor + 2.0 * progress + wobble, "validation_accuracy": 94.0 - 60.0 * progress - 20.0 * wobble })
    };
    (0..8).map(row).collect()
}

/// The store that all tests share. It is new for each run, so that no stage of an earlier program is reused.
fn store() -> Store {
    static STORE: LazyLock<Store> = LazyLock::new(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-runs");
        if root.exists() {
            fs::remove_dir_all(&root).unwrap();
        }
        Store::open(root).unwrap()
    });
    STORE.clone()
}

/// A suite with the paper's figures, which differ slightly between seeds.
fn suite(seeds: &[u64]) -> (Store, SuiteIndex) {
    let store = store();
    let mut index = SuiteIndex::new("table-1", "unlearn run configs/suites/table-1.toml --set 'suite.seeds=[1]' <x>");
    index.title = Some("The paper’s table 1 & its <gaps>".to_owned());
    index.commit = Some("0123abc".to_owned());
    for &seed in seeds {
        let train = finish(&store, StageSpec::new("train", json!({ "lr": 0.1 }), "d", seed), &epochs(seed, 0.02));
        let prune = StageSpec::new("prune", json!({ "method": "omp", "config": { "sparsity": 0.95 } }), "d", seed)
            .with_input("model", train.clone());
        let prune = finish(&store, prune, &epochs(seed, 0.08));
        for (scenario, forget, figures) in [("class", "class 0", &CLASS[..]), ("random", "random 10 %", &RANDOM[..])] {
            for (sparsity, pruning, model) in [(0.0, "none", &train), (0.95, "omp", &prune)] {
                for &(method, dense, sparse, rte_seconds) in figures {
                    let config = json!({ "method": method, "forget": forget });
                    let unlearn = StageSpec::new("unlearn", config, "d", seed).with_input("model", model.clone());
                    let rows = if method == "retrain" { epochs(seed + 1, 0.05) } else { vec![] };
                    let unlearn = finish(&store, unlearn, &rows);
                    let [ua, mia_efficacy, ra, ta] = if sparsity == 0.0 { dense } else { sparse };
                    // The same shift for every method of a seed, so that the gaps to Retrain stay nearly the paper's.
                    let shift = |value: f64, scale: f64| {
                        if value >= 99.9 { value } else { (value - scale * (seed as f64 - 1.0)).max(0.0) }
                    };
                    let row = evaluation(&[
                        ("ua", shift(ua, 0.5)),
                        ("ra", shift(ra, 0.1)),
                        ("ta", shift(ta, 0.3)),
                        ("mia_efficacy", shift(mia_efficacy, 0.4)),
                        ("mia_efficacy.confidence", shift(mia_efficacy, 0.4)),
                        ("mia_efficacy.entropy", 41.5),
                        ("rte_seconds", rte_seconds * (1.0 + 0.01 * seed as f64)),
                    ]);
                    let evaluate =
                        StageSpec::new("evaluate", json!({}), "d", seed).with_input("model", unlearn.clone());
                    let evaluate = finish(&store, evaluate, &[json!(row)]);
                    index.rows.push(SuiteRow {
                        dataset: "cifar-10".to_owned(),
                        arch: "resnet18".to_owned(),
                        scenario: scenario.to_owned(),
                        forget: forget.to_owned(),
                        sparsity,
                        pruning: pruning.to_owned(),
                        method: method.to_owned(),
                        seed,
                        ..SuiteRow::example(unlearn, evaluate)
                    });
                }
            }
        }
    }
    (store, index)
}

fn report(seeds: &[u64], edit: impl FnOnce(&mut SuiteIndex)) -> (tempfile::TempDir, Result<Written, ReportError>) {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut index) = suite(seeds);
    edit(&mut index);
    let written = write(&store, &index, &folder.path().join("report"));
    (folder, written)
}

#[test]
fn results_json_keeps_its_form() {
    let (_folder, written) = report(&[1], |_| {});
    let json: Json = serde_json::from_slice(&fs::read(written.unwrap().json).unwrap()).unwrap();
    assert_eq!((&json["format"], &json["suite"]), (&json!(1), &json!("table-1")));
    let rows = json["rows"].as_array().unwrap();
    let order: Vec<_> = rows.iter().take(7).map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(order, ["raw", "retrain", "ft", "ga", "ff", "iu", "l1-sparse"], "rows keep the order of the suite");
    let mut fields: Vec<_> = rows[2].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = "arch avg_gap dataset figures forget method mia_efficacy pruning ra rte_seconds scenario seed sequence sparsity ta turn ua";
    assert_eq!(fields.join(" "), expected);
    assert_eq!(
        (&rows[2]["ua"], &rows[2]["sparsity"], &rows[2]["scenario"]),
        (&json!(22.53), &json!(0.0), &json!("class"))
    );
    // The paper's FT row, class-wise, dense: (77.47 + 25.00 + 0.13 + 0.52) / 4.
    assert!((rows[2]["avg_gap"].as_f64().unwrap() - 25.78).abs() < 1e-9);
    assert_eq!(rows[1]["avg_gap"], json!(0.0));
    // A figure with its own field is among all figures too, with its spread.
    let figures = &rows[2]["figures"];
    assert_eq!(figures["ua"], json!({ "value": 22.53 }));
    assert_eq!(figures["mia_efficacy"], json!({ "value": 75.0, "interval": [62.5, 87.5], "draws": [74.0, 76.0] }));
    assert_eq!(figures["mia_efficacy.entropy"]["value"], json!(41.5));
    assert!(json["meanings"]["mia_efficacy"].as_str().unwrap().contains("attack on the confidence"));
    assert_eq!(json["provenance"]["commit"], json!("0123abc"));
    assert!(json["provenance"]["machines"][0]["cores"].as_u64().unwrap() > 0);
}

#[test]
fn without_retrain_there_is_no_gap() {
    let (_folder, written) = report(&[1], |index| index.rows.retain(|row| row.method != "retrain"));
    let written = written.unwrap();
    assert!(written.results.rows.iter().all(|row| row.value("avg_gap").is_none()));
    assert!(written.results.claims.iter().all(|claim| claim.id.starts_with("C3")));
    assert!(fs::read_to_string(written.json).unwrap().contains("\"avg_gap\": null"));
    assert!(written.summary.contains("No Retrain in this suite"));
}

#[test]
fn several_seeds_decide_and_one_does_not() {
    let verdict = |seeds: &[u64]| {
        let (_folder, written) = report(seeds, |_| {});
        let results = written.unwrap().results;
        results.claims.iter().find(|claim| claim.id == "C1").unwrap().verdict
    };
    assert_eq!(verdict(&[1]), Verdict::Undecided);
    assert_eq!(verdict(&[1, 2, 3]), Verdict::Holds);

    // Every verdict has its test, and all of them are corrected together. One seed has none.
    let (_folder, written) = report(&[1, 2, 3], |_| {});
    let written = written.unwrap();
    let claims = &written.results.claims;
    let tests: Vec<_> = claims.iter().filter_map(|claim| claim.test.map(|test| (claim, test))).collect();
    assert!(tests.len() >= 6 && tests.iter().all(|(_, test)| test.seeds == 3 && test.p.is_some()), "{claims:?}");
    assert!(tests.iter().all(|(_, test)| test.p_holm >= test.p && test.p_holm <= Some(1.0)), "{claims:?}");
    for text in [&written.summary, &fs::read_to_string(&written.html).unwrap()] {
        assert!(text.contains(" after Holm") && text.contains("effect g "), "{text}");
    }
    let json = serde_json::to_string(&written.results).unwrap();
    assert!(json.contains("\"p_holm\":") && json.contains("\"after_holm\":\"holds\""), "{json}");
    let (_folder, one) = report(&[1], |_| {});
    assert!(!one.unwrap().summary.contains(" after Holm:"));
}

/// An audit of a row's model.
fn audited(store: &Store, row: &SuiteRow, probe: f64, steps: f64) -> SuiteRow {
    let spec = StageSpec::new("audit", json!({}), "d", row.seed).with_input("model", row.unlearn.clone());
    let figures = evaluation(&[("probe", probe), ("relearn_steps", steps), ("weight_change", 0.25)]);
    SuiteRow { audit: Some(finish(store, spec, &[json!(figures)])), ..row.clone() }
}

#[test]
fn what_is_left_stands_in_a_section_of_its_own_and_its_rows_in_every_file() {
    let (store, mut index) = suite(&[1, 2]);
    index.rows.retain(|row| row.scenario == "class" && ["retrain", "ft"].contains(&row.method.as_str()));
    for row in &mut index.rows {
        let (probe, steps) = if row.method == "retrain" { (80.0, 9.0) } else { (95.5, 3.0) };
        *row = audited(&store, row, probe, steps);
    }
    let folder = tempfile::tempdir().unwrap();
    let written = write(&store, &index, folder.path()).unwrap();
    let page = fs::read_to_string(&written.html).unwrap().replace("<small>", "").replace("</small>", "");
    let markdown = fs::read_to_string(&written.markdown).unwrap();
    for text in [&page, &markdown] {
        let (_, section) = text.split_once("What is left of the forgotten data").unwrap();
        for cell in ["95.50 ± 0.00 (15.50)", "3.0 ± 0.0 (6.0)", "0.2500 ± 0.0000 (0.0000)", "Relearn steps"] {
            assert!(section.contains(cell), "{cell} in {section}");
        }
    }
    let (_, further) = markdown.split_once("### Further figures").unwrap();
    assert!(!further.split("###").next().unwrap().contains("Probe"), "{further}");
    assert!(written.summary.contains("what is left of the forgotten data: class 0"), "{}", written.summary);
    let results: Json = serde_json::from_slice(&fs::read(&written.json).unwrap()).unwrap();
    assert_eq!(results["rows"][0]["figures"]["probe"]["value"], 80.0);

    // The audit of another model's row is refused.
    let (first, second) = (index.rows[0].audit.clone(), index.rows[1].audit.clone());
    (index.rows[0].audit, index.rows[1].audit) = (second, first);
    let error = write(&store, &index, folder.path()).unwrap_err().to_string();
    assert!(error.contains("did not judge the model of"), "{error}");
}

#[test]
fn tables_and_csv_hold_the_same_figures() {
    let (_folder, written) = report(&[1], |_| {});
    let written = written.unwrap();
    let markdown = fs::read_to_string(&written.markdown).unwrap();
    assert!(markdown.contains("| 22.53 (77.47) / 73.64 (26.36) |"), "{markdown}");
    assert!(markdown.contains("25.78 / 11.4"), "{markdown}");
    assert!(markdown.contains("| 75.00 ± 12.50 (25.00) / 83.02 ± 12.50 (16.98) |"), "{markdown}");
    for text in [
        "One seed: no figure here has a confidence interval over seeds. Where ± stands, it is the 95 % interval over the 2 draws",
        "MIA-efficacy: share of the forget set that an attack on the confidence takes for unseen, %",
        "### Further figures: class 0",
    ] {
        assert!(markdown.contains(text), "{text}: {markdown}");
    }
    let (figures, claims) = markdown.split_once("\n## Claims of the paper\n").unwrap();
    let widths = |text: &str| -> Vec<usize> {
        text.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect()
    };
    // The table has six figures. The further ones are MIA distance, ToW, ToW-MIA and the attack on the entropy. Each has the
    // model in its own column.
    let is_of_table = |(_, part): &(usize, &str)| !part.starts_with("### Further");
    let parts: Vec<&str> = figures.split_inclusive("\n\n").collect();
    let mut further = false;
    for (at, part) in parts.iter().enumerate() {
        further = if part.starts_with("## ") { false } else { further || !is_of_table(&(at, part)) };
        let expected = if further { 7 } else { 8 };
        assert!(widths(part).iter().all(|bars| *bars == expected), "{part}");
    }
    assert_eq!(widths(claims), vec![9; 2 + written.results.claims.len()], "{markdown}");
    assert!(claims.contains("| C1 ") && claims.contains("| undecided |"), "{claims}");
    assert!(written.summary.contains("73.64 (26.36)"), "{}", written.summary);

    let csv = fs::read_to_string(&written.csv).unwrap();
    let head = "dataset,arch,scenario,forget,sparsity,pruning,method,seed,ua,ra,ta,mia_efficacy,rte_seconds,avg_gap,\
                sequence,turn,mia_distance,tow,tow_mia,mia_efficacy.confidence,mia_efficacy.entropy,mia_efficacy_low,mia_efficacy_high,\
                mia_efficacy.confidence_low,mia_efficacy.confidence_high,mia_efficacy.entropy_low,mia_efficacy.entropy_high";
    assert_eq!(csv.lines().next(), Some(head));
    assert_eq!(csv.lines().count(), 1 + written.results.rows.len());
    assert!(csv.contains("cifar-10,resnet18,class,class 0,0.0,none,ft,1,22.53,99.87,94.31,75.0,"), "{csv}");
}

/// The settings of a training and of a method.
fn configured() -> Vec<Configured> {
    let one = |key: &str, value: Json, origin: &str| Configuration { key: key.into(), value, origin: origin.into() };
    let of = |section: &str, name: &str, settings| Configured {
        section: section.into(),
        name: name.into(),
        only_for: Vec::new(),
        summary: if name.is_empty() { String::new() } else { "fine-tuning & <more>".into() },
        source: String::new(),
        settings,
    };
    vec![
        of("train", "", vec![one("epochs", json!(182), "default"), one("cutout", Json::Null, "default")]),
        of("unlearn", "ft", vec![one("lr", json!(0.013), "search"), one("name", json!("a|b"), "suite")]),
    ]
}

#[test]
fn settings_are_in_every_form_of_the_report() {
    let (_folder, written) = report(&[1], |index| index.configured = configured());
    let written = written.unwrap();
    let markdown = fs::read_to_string(&written.markdown).unwrap();
    for text in
        ["epochs = 182 (default); cutout = none (default)", "| unlearn: ft | lr = 0.013 (search); name = a\\|b (suite)"]
    {
        assert!(markdown.contains(text), "{text}: {markdown}");
    }
    let html = fs::read_to_string(&written.html).unwrap();
    let cells = "<th scope=\"row\">lr</th><td class=\"left\">0.013</td><td class=\"left\">search</td>";
    assert!(html.contains(cells) && html.contains("<dt>ft</dt><dd>fine-tuning &amp; &lt;more&gt;</dd>"), "{html}");
    let json: Json = serde_json::from_slice(&fs::read(written.json).unwrap()).unwrap();
    assert_eq!(json["configured"][1]["settings"][0], json!({ "key": "lr", "value": 0.013, "origin": "search" }));
    let (_folder, without) = report(&[1], |_| {});
    assert!(!fs::read_to_string(without.unwrap().html).unwrap().contains(">Settings<"));
}

#[test]
fn names_are_neither_formulas_nor_markup() {
    let (_folder, written) = report(&[1], |index| {
        for row in &mut index.rows {
            row.forget = format!("=1+2|<b>{}", row.forget);
            row.arch = "-x".to_owned();
        }
    });
    let written = written.unwrap();
    let csv = fs::read_to_string(&written.csv).unwrap();
    assert!(csv.contains("cifar-10,'-x,class,'=1+2|<b>class 0,0.0,none,"), "{csv}");
    let markdown = fs::read_to_string(&written.markdown).unwrap();
    assert!(markdown.contains("=1+2\\|&lt;b&gt;class 0") && !markdown.contains("<b>"), "{markdown}");
    assert!(!fs::read_to_string(&written.html).unwrap().contains("<b>class"));
}

#[test]
fn a_figure_that_is_no_number_names_its_row_and_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut index) = suite(&[1]);
    let row = json!({ "ua": 10.0, "ra": f64::NAN, "ta": 90.0, "mia_efficacy": 50.0, "rte_seconds": 1.0, "validation_accuracy": null });
    let judged = StageSpec::new("evaluate", json!({}), "d", 1).with_input("model", index.rows[2].unlearn.clone());
    index.rows[2].evaluate = finish(&store, judged, &[row]);
    let message = write(&store, &index, &folder.path().join("report")).unwrap_err().to_string();
    for text in
        ["the RA of the row", "cifar-10, resnet18, class 0", "method ft, seed 1", "NaN", "lower its learning rate"]
    {
        assert!(message.contains(text), "{message}");
    }
    assert!(!folder.path().join("report").exists());
}

#[test]
fn a_figure_and_an_attack_from_outside_are_in_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut index) = suite(&[1]);
    // As left by an attack that is not a standard one.
    let stored = evaluation(&[("ua", 5.0), ("ra", 99.0), ("ta", 90.0), ("rte_seconds", 1.0), ("guess", 61.25)]);
    index.rows.truncate(3);
    let judged = StageSpec::new("evaluate", json!({}), "d", 1).with_input("model", index.rows[2].unlearn.clone());
    index.rows[2].evaluate = finish(&store, judged, &[json!(stored)]);
    let lost = Figure {
        name: "lost_points".into(),
        label: "Lost <points>".into(),
        meaning: "100 less RA & nothing else".into(),
        in_table: true,
        compute: |evidence| Ok(evidence.figure("ra").map(|ra| Value::exact(100.0 - ra))),
        ..tow::FIGURE
    };
    let lost = Figure { range: [0.0, 100.0], needs: &[unlearn_metrics::Need::Retain], ..lost };
    let guess = Figure { name: "guess".into(), label: "Guess".into(), range: [0.0, 100.0], ..tow::FIGURE };
    let guess = Figure { meaning: "a guess".into(), compute: |_| Ok(None), ..guess };
    let figures = Registry::standard().figures().with(lost).with(guess);
    let written = unlearn_reports::write(&store, &index, folder.path(), &figures).unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let (csv, markdown, html) = (read(&written.csv), read(&written.markdown), read(&written.html));
    let json: Json = serde_json::from_str(&read(&written.json)).unwrap();
    let row = &json["rows"][2]["figures"];
    assert_eq!((&row["lost_points"]["value"], &row["guess"]["value"]), (&json!(1.0), &json!(61.25)));
    assert_eq!(json["meanings"]["guess"], json!("a guess"));
    let head: Vec<_> = csv.lines().next().unwrap().split(',').collect();
    let cells: Vec<_> = csv.lines().nth(3).unwrap().split(',').collect();
    let cell = |name: &str| cells[head.iter().position(|column| *column == name).unwrap()];
    assert_eq!((cell("lost_points"), cell("guess")), ("1.0", "61.25"));
    // Retrain's row is 100 UA, 100 RA and 94.83 TA: 0.05 · 0.99 · 0.9517.
    assert!((cell("tow").parse::<f64>().unwrap() - 0.047_109_15).abs() < 1e-9);
    for text in ["| Lost &lt;points&gt; |", "61.2500", "0.0471", "Guess: a guess", "ToW: tug of war"] {
        assert!(markdown.contains(text), "{text}: {markdown}");
    }
    for text in
        ["Lost &lt;points&gt;</th>", "100 less RA &amp; nothing else", "61.2500", "0.0471", "<h3>Further figures</h3>"]
    {
        assert!(html.contains(text), "{text}");
    }
    assert!(written.summary.contains("61.2500") && written.summary.contains("0.0471"), "{}", written.summary);
}

/// A row whose evaluation has scores with this margin for the true class, with the given row and attack
/// configuration.
fn scored(store: &Store, template: &SuiteRow, method: &str, margin: f32, config: Json, row: &Json) -> SuiteRow {
    let set = |samples: u32| {
        let logits = (0..samples).flat_map(|i| [0.0, margin - i as f32 * 0.5]).collect();
        Scores::new(logits, vec![1; samples as usize], 2).unwrap().at((10..10 + samples).collect()).unwrap()
    };
    let scores =
        ModelScores { forget: set(4), retain: set(20), test: set(8), validation: None, triggered: None, unseen: None };
    let mut spec = StageSpec::new("evaluate", config, "d", 1);
    spec.inputs.insert("model".to_owned(), template.unlearn.clone());
    let evaluate = match store.begin(&spec).unwrap() {
        Begin::Done(stage) => stage,
        Begin::Run(mut writer) => {
            StoredScores::write(&writer.path(StoredScores::FILE), &scores).unwrap();
            writer.append_metrics(row).unwrap();
            writer.finish().unwrap()
        }
    };
    SuiteRow { method: method.to_owned(), evaluate: evaluate.key().clone(), ..template.clone() }
}

/// Rows of Retrain and ft whose stored UA differs from that of their scores.
fn scored_suite(config: &Json, row: &Json) -> (Store, SuiteIndex, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut index) = suite(&[1]);
    let store = Store::open(folder.path()).unwrap();
    let template = index.rows[0].clone();
    let Begin::Run(writer) = store.begin(&StageSpec::new("unlearn", json!({}), "d", 1)).unwrap() else {
        panic!("the store is new")
    };
    let template = SuiteRow { unlearn: writer.finish().unwrap().key().clone(), ..template };
    index.rows = [("retrain", 0.75), ("ft", 5.0)]
        .map(|(method, margin)| {
            // Two stages need two keys. The settings do not depend on the seed.
            let mut config = config.clone();
            config["seed"] = json!(margin as u64);
            scored(&store, &template, method, margin, config, row)
        })
        .into();
    (store, index, folder)
}

#[test]
fn figures_are_computed_again_from_stored_scores() {
    let attacks =
        json!({ "attacks": ["mia-efficacy"], "mia": ["confidence"], "draws": 3, "members": "stratified", "seed": 1 });
    let settings = json!({ "attacks": attacks, "arithmetic": "cpu 1" });
    let stored = json!({ "format": 2, "figures": { "ua": { "value": 1.0 }, "rte_seconds": { "value": 2.5 }, "odd": { "value": 7.0 } } });
    let (store, index, folder) = scored_suite(&settings, &stored);
    let evaluate = |asked: &[&str]| {
        let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
        unlearn_reports::evaluate(&store, &index, &folder.path().join("report"), &Registry::standard(), &asked)
    };
    let rows = evaluate(&[]).unwrap().results.rows;
    let values = |name: &str| rows.iter().map(|row| row.value(name)).collect::<Vec<_>>();
    assert_eq!(values("ua"), [Some(50.0), Some(0.0)], "of the scores, not of what was stored");
    assert_eq!(values("rte_seconds"), [Some(2.5); 2]);
    assert_eq!(values("odd"), [Some(7.0); 2], "what another program measured is kept");
    assert_eq!(rows[1].figures["mia_efficacy"].draws.len(), 3);
    assert!(values("avg_gap")[1].unwrap() > 0.0 && values("avg_gap")[0] == Some(0.0));
    assert_eq!(values("kl"), [None; 2], "only where it is asked for");

    let added = ["kl", "mia_efficacy.entropy", "loss_threshold_advantage"];
    let rows = evaluate(&added).unwrap().results.rows;
    let value = |at: usize, name: &str| rows[at].value(name).unwrap();
    assert!(value(0, "kl") == 0.0 && value(1, "kl") > 0.0);
    assert_eq!(rows[1].figures["mia_efficacy.entropy"].draws.len(), 3);
    assert!(rows[1].figures.contains_key("loss_threshold_advantage"));
    let unknown = evaluate(&["kll"]).unwrap_err().to_string();
    assert!(unknown.contains("`kll`") && unknown.contains("kl, js"), "{unknown}");

    let alone = SuiteIndex { rows: index.rows[1..].to_vec(), ..index.clone() };
    let asked = ["kl".to_owned()];
    let place = folder.path().join("alone");
    let message = unlearn_reports::evaluate(&store, &alone, &place, &Registry::standard(), &asked).unwrap_err();
    assert!(message.to_string().contains("figure `kl`") && message.to_string().contains("a Retrain"), "{message}");
    assert!(!place.exists(), "nothing is written");
}

#[test]
fn an_older_evaluation_keeps_what_its_attack_found() {
    let flat = json!({ "ua": 1.0, "ra": 1.0, "ta": 1.0, "mia_efficacy": 33.0, "rte_seconds": 2.5, "validation_accuracy": 91.0,
        "mia": { "confidence": 33.0 } });
    let (store, index, folder) = scored_suite(&json!({ "mia": ["confidence"] }), &flat);
    let evaluate = |asked: &str| {
        unlearn_reports::evaluate(&store, &index, &folder.path().join("r"), &Registry::standard(), &[asked.to_owned()])
    };
    let rows = evaluate("kl").unwrap().results.rows;
    let value = |name: &str| rows[1].value(name);
    assert_eq!([value("ua"), value("mia_efficacy")], [Some(0.0), Some(33.0)]);
    assert_eq!(value("validation_accuracy"), Some(91.0));
    assert!(value("kl").unwrap() > 0.0);
    let refused = evaluate("loss_threshold_advantage").unwrap_err().to_string();
    assert!(refused.contains("`loss-threshold`") && refused.contains("run the suite again"), "{refused}");
}

#[test]
fn missing_and_damaged_stages_are_named() {
    let (_folder, written) = report(&[1], |index| index.rows[0].evaluate = "0".repeat(32).parse().unwrap());
    let message = written.unwrap_err().to_string();
    assert!(message.contains("no finished stage evaluate/0000") && message.contains("run the suite"), "{message}");
    let (_folder, written) = report(&[1], |index| index.rows.clear());
    assert!(matches!(written, Err(ReportError::NoRows(_))));
}

/// What a pruning kept of three layers, in the form of `format`. SynFlow keeps early layers, magnitude thins late
/// ones.
fn shares(format: u32, pruning: &str, sparsity: f64) -> Json {
    let share = |name: &str, density: f64| json!({ "name": name, "parameters": 100, "parameter_density": density, "operation_density": density * 0.9 });
    let tilt = if pruning == "synflow" { 0.9 } else { 0.5 };
    let layers: Vec<Json> = ["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer2.0.conv1.weight"]
        .iter()
        .zip([1.0, tilt, tilt * tilt, tilt * tilt * tilt])
        .map(|(name, factor)| share(name, (1.0 - sparsity).powf(1.0 / (1.0 + factor))))
        .collect();
    json!({ "format": format, "total": share("total", 1.0 - sparsity), "layers": layers })
}

/// A suite that prunes in three ways to five sparsities. `fact` is the fact of each `prune` stage.
fn sweep(seeds: &[u64], fact: impl Fn(&str, f64) -> Option<Json>) -> (Store, SuiteIndex) {
    let store = store();
    let mut index = SuiteIndex::new("sweep", "unlearn run sweep.toml");
    for &seed in seeds {
        let train = finish(&store, StageSpec::new("train", json!({ "lr": 0.2 }), "d", seed), &epochs(seed, 0.02));
        let mut models = vec![(0.0, "none", train.clone())];
        for pruning in ["omp", "imp", "synflow"] {
            for sparsity in [0.5, 0.75, 0.9, 0.95, 0.99] {
                let method = if pruning == "synflow" { "at-init" } else { pruning };
                let config = json!({ "method": method, "name": pruning, "config": { "sparsity": sparsity } });
                let spec = StageSpec::new("prune", config, "d", seed).with_input("model", train.clone());
                let rows = epochs(seed, 0.1 * sparsity);
                models.push((sparsity, pruning, finish_with(&store, spec, &rows, fact(pruning, sparsity))));
            }
        }
        for (sparsity, pruning, model) in models {
            for (method, ua, cost) in [("retrain", 100.0, 0.0), ("ft", 60.0, 1.0)] {
                let config = json!({ "method": method });
                let unlearn = StageSpec::new("unlearn", config, "d", seed).with_input("model", model.clone());
                let rows = if method == "retrain" { epochs(seed + 1, 0.05) } else { vec![] };
                let unlearn = finish(&store, unlearn, &rows);
                let worse = if pruning == "synflow" { 20.0 * cost } else { 0.0 };
                let row = evaluation(&[
                    ("ua", ua + (30.0 * sparsity - worse + seed as f64) * cost),
                    ("ra", 95.0 - 5.0 * sparsity - seed as f64 * 0.3),
                    ("ta", 90.0 - 6.0 * sparsity.powi(4) - seed as f64 * 0.2),
                    ("mia_efficacy", 95.0 - (20.0 - 10.0 * sparsity) * cost),
                    ("rte_seconds", 1.0),
                ]);
                let evaluate = StageSpec::new("evaluate", json!({}), "d", seed).with_input("model", unlearn.clone());
                let evaluate = finish(&store, evaluate, &[json!(row)]);
                index.rows.push(SuiteRow {
                    dataset: "fashion-mnist".to_owned(),
                    arch: "resnet20s".to_owned(),
                    sparsity,
                    pruning: pruning.to_owned(),
                    method: method.to_owned(),
                    seed,
                    ..SuiteRow::example(unlearn, evaluate)
                });
            }
        }
    }
    (store, index)
}

#[test]
fn a_sweep_is_shown_over_sparsity() {
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = sweep(&[1, 2, 3], |pruning, sparsity| Some(shares(1, pruning, sparsity)));
    let written = write(&store, &index, folder.path()).unwrap();

    assert_eq!(written.sweeps, [folder.path().join("sweep-class-0.svg")]);
    let svg = fs::read_to_string(&written.sweeps[0]).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>") && svg.contains("over 3 seeds"), "{svg}");

    let html = fs::read_to_string(&written.html).unwrap();
    assert_eq!(
        html.matches("<svg ").count(),
        5 + 3 + 3 + 2,
        "ft over sparsity, three that weigh figures, density of three prunings, training"
    );
    for text in
        ["<h3>ft over sparsity</h3>", "What pruning left</a></h2>", "<th scope=\"row\">99 % synflow</th><td>1.00</td>"]
    {
        assert!(html.contains(text), "{text}");
    }
    let training = html.rsplit("How the models were trained").next().unwrap().split("</section>").next().unwrap();
    for (label, shown) in [("95 % omp", true), ("95 % synflow", true), ("90 % omp", false), ("at-init", false)] {
        assert_eq!(training.contains(label), shown, "{label}");
    }

    let markdown = fs::read_to_string(&written.markdown).unwrap();
    assert!(markdown.contains("![class 0 over sparsity](sweep-class-0.svg)"), "{markdown}");
    let (table, further) = markdown.split_once("### Further figures").unwrap();
    for (part, bars) in [(table, 9), (further, 6)] {
        let lines: Vec<&str> = part.lines().filter(|line| line.starts_with("| ft ")).collect();
        assert_eq!(lines.len(), 16, "a line per model: {part}");
        assert!(lines.iter().all(|line| line.matches('|').count() == bars && !line.contains(" / ")), "{part}");
    }

    let verdict = |id: &str| written.results.claims.iter().find(|claim| claim.id == id).map(|claim| claim.verdict);
    assert_eq!(verdict("C4"), Some(Verdict::Holds));
    assert!(verdict("C4/class 0/synflow/ft").is_some() && !written.summary.contains("C4/"), "{}", written.summary);
}

#[test]
fn results_json_says_what_pruning_left() {
    let folder = tempfile::tempdir().unwrap();
    let (store, index) = sweep(&[1, 2], |pruning, sparsity| Some(shares(1, pruning, sparsity)));
    let written = write(&store, &index, folder.path()).unwrap();
    let json: Json = serde_json::from_slice(&fs::read(written.json).unwrap()).unwrap();
    let prunings = json["prunings"].as_array().unwrap();
    assert_eq!(prunings.len(), 2 * 3 * 5, "a stage is listed once, however many rows build on it");
    let last = &prunings[29];
    assert_eq!((&last["pruning"], &last["sparsity"], &last["seed"]), (&json!("synflow"), &json!(0.99), &json!(2)));
    let expected = shares(1, "synflow", 0.99);
    assert_eq!(last["operation_density"], expected["total"]["operation_density"]);
    assert_eq!(last["layers"][1]["name"], json!("layer1.0.conv1.weight"));
    assert_eq!(last["layers"][1]["parameter_density"], expected["layers"][1]["parameter_density"]);
}

#[test]
fn older_stores_have_no_shares_and_newer_ones_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let attempt = |fact: Option<Json>| {
        let (store, index) = sweep(&[1], |_, _| fact.clone());
        write(&store, &index, folder.path())
    };
    let written = attempt(None).unwrap();
    assert!(written.results.prunings.is_empty());
    assert!(!fs::read_to_string(written.html).unwrap().contains("What pruning left"));
    let check = |fact: Json, expected: &[&str]| {
        let message = attempt(Some(fact)).unwrap_err().to_string();
        for text in expected {
            assert!(message.contains(text), "{message}");
        }
    };
    check(shares(2, "omp", 0.5), &["prune/", "format 2", "knows up to 1", "a newer one"]);
    check(json!({ "format": 1, "layers": [] }), &["prune/", "missing field `total`", "run the suite again"]);
    check(json!({ "layers": [] }), &["has no `format`"]);
}

/// Writes the synthetic report into the folder `$REPORT_EXAMPLE`, for viewing. Does nothing if that is not set.
#[test]
fn example() {
    let Some(folder) = std::env::var_os("REPORT_EXAMPLE") else { return };
    for (name, seeds) in [("one-seed", &[1][..]), ("three-seeds", &[1, 2, 3][..])] {
        let folder = Path::new(&folder).join(name);
        let (store, index) = suite(seeds);
        println!("{}", write(&store, &index, &folder).unwrap().summary);
    }
    let (store, index) = sweep(&[1, 2, 3], |pruning, sparsity| Some(shares(1, pruning, sparsity)));
    println!("{}", write(&store, &index, &Path::new(&folder).join("sweep")).unwrap().summary);
}
