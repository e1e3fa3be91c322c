//! `check-results`: checks whether the results in a suite's report folder are plausible.
//!
//! The bounds are not golden numbers. A correct implementation keeps them with a large margin; a bug in a kernel, a
//! mask or a split leads to a figure outside them.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use unlearn_metrics::figures::{avg_gap, ta, ua};
use unlearn_metrics::{Figures, Need};
use unlearn_mia_eval::Registry;

/// Check the report of a suite: the rows that must exist, and their bounds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The report's folder, with `results.json` and `report.html`.
    pub(crate) dir: PathBuf,
    /// The suite that the report must be of.
    #[arg(long, default_value = "quick", value_name = "NAME")]
    pub(crate) suite: String,
}

pub(crate) fn run(args: &Args) -> Result<u8> {
    let read = |name: &str| {
        let path = args.dir.join(name);
        fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))
    };
    let json = read("results.json")?;
    let results: Results = serde_json::from_str(&json)
        .with_context(|| format!("failed to understand {}", args.dir.join("results.json").display()))?;

    let mut violations = results.violations(&args.suite);
    violations.extend(outside_references(&read("report.html")?));
    for violation in &violations {
        say!("{violation}");
    }
    say!("{}: {} rows, {} violations", args.suite, results.rows.len(), violations.len());
    Ok(u8::from(!violations.is_empty()))
}

/// `results.json`, format 1.
#[derive(Deserialize)]
struct Results {
    format: u64,
    suite: String,
    rows: Vec<Row>,
}

/// A row: what identifies it, and its figures. Six figures are fields of the row, and all are in `figures`. JSON
/// writes NaN and infinity as null.
#[derive(Clone, Deserialize)]
#[serde(from = "Map<String, Value>")]
struct Row {
    scenario: String,
    sparsity: f64,
    method: String,
    seed: u64,
    /// `None` for null.
    figures: BTreeMap<String, Option<f64>>,
}

impl From<Map<String, Value>> for Row {
    fn from(row: Map<String, Value>) -> Self {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let figures = Registry::standard().figures();
        let fields = row.iter().filter(|(name, _)| figures.get(name).is_some());
        let mut found: BTreeMap<_, _> = fields.map(|(name, value)| (name.clone(), value.as_f64())).collect();
        for (name, value) in row.get("figures").and_then(Value::as_object).into_iter().flatten() {
            found.entry(name.clone()).or_insert_with(|| value["value"].as_f64());
        }
        Self {
            scenario: text("scenario"),
            sparsity: row.get("sparsity").and_then(Value::as_f64).unwrap_or(f64::NAN),
            method: text("method"),
            seed: row.get("seed").and_then(Value::as_u64).unwrap_or_default(),
            figures: found,
        }
    }
}

const CLASS: &str = "class";
const RANDOM: &str = "random";
const DENSE: f64 = 0.0;
const SPARSE: f64 = 0.95;

impl Row {
    fn label(&self) -> String {
        let Self { method, scenario, sparsity, seed, .. } = self;
        format!("{method}, {scenario}, sparsity {sparsity}, seed {seed}")
    }

    /// Whether this is the row of a method in a scenario at a nominal sparsity. The actual sparsity differs, because
    /// the number of weights is whole.
    fn is(&self, method: &str, scenario: &str, sparsity: f64) -> bool {
        self.method == method && self.scenario == scenario && (self.sparsity - sparsity).abs() < 5e-3
    }

    /// A figure, if it is a number.
    fn value(&self, figure: &str) -> Option<f64> {
        self.figures.get(figure).copied().flatten()
    }

    /// Messages about figures of the table that are missing, and about any figures outside their range in the
    /// registry.
    fn out_of_range(&self, figures: &Figures) -> Vec<String> {
        let mut bad = Vec::new();
        for figure in figures.iter() {
            let [low, high] = figure.range;
            let name = &figure.name;
            match self.value(name) {
                Some(value) if (low..=high).contains(&value) => {}
                Some(value) => bad.push(format!("{}: {name} is {value}, outside {low:?}..={high:?}", self.label())),
                // A figure that needs a Retrain is absent if the suite has none. `Results::violations` checks that. A
                // figure of backdoors is absent if there is none, and so is one of transfers.
                None if figure.in_table
                    && !figure.needs_retrain()
                    && !figure.needs.iter().any(|need| matches!(need, Need::Triggered | Need::Transfer)) =>
                {
                    bad.push(format!("{}: {name} is not a number", self.label()));
                }
                None => {}
            }
        }
        if !(0.0..=1.0).contains(&self.sparsity) {
            bad.push(format!("{}: sparsity is {}, outside 0.0..=1.0", self.label(), self.sparsity));
        }
        bad
    }
}

impl Results {
    fn violations(&self, suite: &str) -> Vec<String> {
        let mut violations = Vec::new();
        if self.format != 1 {
            violations.push(format!("results.json has format {}, this check knows format 1", self.format));
        }
        if self.suite != suite {
            violations.push(format!("the results are of suite `{}`, not of `{suite}`", self.suite));
        }
        if self.rows.is_empty() {
            violations.push("there are no rows".to_owned());
        }
        let figures = Registry::standard().figures();
        violations.extend(self.rows.iter().flat_map(|row| row.out_of_range(&figures)));
        if self.rows.iter().any(|row| row.method == "retrain") {
            let without = self.rows.iter().filter(|row| row.value(avg_gap::NAME).is_none());
            violations.extend(without.map(|row| format!("{}: avg_gap is not a number", row.label())));
        }
        for row in self.rows.iter().filter(|row| row.method == "retrain") {
            if row.value(avg_gap::NAME) != Some(0.0) {
                violations.push(format!("{}: Retrain's gap to itself is not 0", row.label()));
            }
            if row.scenario == CLASS && row.value(ua::NAME) != Some(100.0) {
                violations.push(format!("{}: Retrain never saw the class, yet UA is not 100", row.label()));
            }
        }
        if suite == "quick" {
            violations.extend(self.quick_violations());
        }
        violations
    }

    /// Violations that are specific to `quick`: its rows, and the least accuracy of its models.
    fn quick_violations(&self) -> Vec<String> {
        let mut violations = Vec::new();
        let mut seeds: Vec<_> = self.rows.iter().map(|row| row.seed).collect();
        seeds.sort_unstable();
        seeds.dedup();
        for seed in seeds {
            let find = |method: &str, scenario: &str, sparsity: f64| {
                self.rows.iter().find(|row| row.seed == seed && row.is(method, scenario, sparsity))
            };
            for scenario in [CLASS, RANDOM] {
                for sparsity in [DENSE, SPARSE] {
                    for method in ["raw", "retrain", "ft", "ga", "l1-sparse"] {
                        if find(method, scenario, sparsity).is_none() {
                            violations
                                .push(format!("no row for {method}, {scenario}, sparsity {sparsity}, seed {seed}"));
                        }
                    }
                }
            }
            let ta = |sparsity| find("raw", RANDOM, sparsity).and_then(|row| row.value(ta::NAME));
            let (Some(dense), Some(sparse)) = (ta(DENSE), ta(SPARSE)) else { continue };
            if dense < 85.0 {
                violations.push(format!("the dense model's TA is {dense} % with seed {seed}, below 85 %"));
            }
            if sparse < dense - 5.0 {
                violations.push(format!(
                    "the sparse model's TA is {sparse} % with seed {seed}, more than 5 points below the dense model's {dense} %"
                ));
            }
        }
        violations
    }
}

/// References of a page that the browser loads by itself from outside. Links for the reader are allowed.
fn outside_references(html: &str) -> Vec<String> {
    let mut violations = Vec::new();
    if !html.contains("<html") {
        violations.push("report.html is not an HTML page".to_owned());
    }
    let mut complain = |what: String| violations.push(format!("report.html is not self-contained: {what}"));
    for tag in ["<link", "<iframe", "<object", "<embed", "@import"] {
        if html.contains(tag) {
            complain(format!("it has `{tag}`"));
        }
    }
    for marker in ["src=", "url("] {
        for (at, _) in html.match_indices(marker) {
            let value = html[at + marker.len()..].trim_start_matches(['"', '\'', ' ']);
            if !value.starts_with("data:") && !value.starts_with('#') {
                let value: String = value.chars().take_while(|c| !"\"')> ".contains(*c)).take(80).collect();
                complain(format!("it loads `{value}`"));
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Results {
        let mut rows = Vec::new();
        for scenario in [CLASS, RANDOM] {
            for (sparsity, ta) in [(0.0, 88.0), (0.9501, 86.0)] {
                for method in ["raw", "retrain", "ft", "ga", "l1-sparse"] {
                    let retrain = method == "retrain";
                    rows.push(Row {
                        scenario: scenario.to_owned(),
                        sparsity,
                        method: method.to_owned(),
                        seed: 1,
                        figures: [
                            ("ua", if retrain && scenario == CLASS { 100.0 } else { 9.0 }),
                            ("ra", 95.0),
                            ("ta", ta),
                            ("mia_efficacy", 12.0),
                            ("rte_seconds", 1.5),
                            ("avg_gap", if retrain { 0.0 } else { 3.0 }),
                            ("tow", if retrain { 1.0 } else { 0.5 }),
                        ]
                        .map(|(name, value)| (name.to_owned(), Some(value)))
                        .into(),
                    });
                }
            }
        }
        Results { format: 1, suite: "quick".to_owned(), rows }
    }

    fn check(change: impl FnOnce(&mut Results), expected: &[&str]) {
        let mut results = good();
        change(&mut results);
        assert_eq!(results.violations("quick"), expected);
    }

    fn set(row: &mut Row, figure: &str, value: Option<f64>) {
        row.figures.insert(figure.to_owned(), value);
    }

    /// `change` gets the row of a method in the random scenario, dense.
    fn row<'a>(results: &'a mut Results, method: &str) -> &'a mut Row {
        results.rows.iter_mut().find(|row| row.is(method, RANDOM, DENSE)).unwrap()
    }

    #[test]
    fn good_results_pass() {
        check(|_| {}, &[]);
    }

    #[test]
    fn each_bound_goes_red() {
        check(|r| r.format = 2, &["results.json has format 2, this check knows format 1"]);
        check(|r| r.suite = "full".to_owned(), &["the results are of suite `full`, not of `quick`"]);
        check(|r| set(row(r, "ft"), "ua", None), &["ft, random, sparsity 0, seed 1: ua is not a number"]);
        check(|r| set(row(r, "ft"), "avg_gap", None), &["ft, random, sparsity 0, seed 1: avg_gap is not a number"]);
        check(
            |r| set(row(r, "ft"), "avg_gap", Some(f64::NAN)),
            &["ft, random, sparsity 0, seed 1: avg_gap is NaN, outside 0.0..=100.0"],
        );
        check(
            |r| set(row(r, "ft"), "ra", Some(100.5)),
            &["ft, random, sparsity 0, seed 1: ra is 100.5, outside 0.0..=100.0"],
        );
        check(
            |r| set(row(r, "ga"), "rte_seconds", Some(-1.0)),
            &["ga, random, sparsity 0, seed 1: rte_seconds is -1, outside 0.0..=1.7976931348623157e308"],
        );
        check(
            |r| set(row(r, "retrain"), "avg_gap", Some(0.1)),
            &["retrain, random, sparsity 0, seed 1: Retrain's gap to itself is not 0"],
        );
        check(
            |r| {
                set(r.rows.iter_mut().find(|row| row.is("retrain", CLASS, SPARSE)).unwrap(), "ua", Some(99.5));
            },
            &["retrain, class, sparsity 0.9501, seed 1: Retrain never saw the class, yet UA is not 100"],
        );
        check(
            |r| r.rows.retain(|row| !row.is("l1-sparse", CLASS, SPARSE)),
            &["no row for l1-sparse, class, sparsity 0.95, seed 1"],
        );
        check(|r| set(row(r, "raw"), "ta", Some(84.0)), &["the dense model's TA is 84 % with seed 1, below 85 %"]);
        check(
            |r| set(row(r, "raw"), "ta", Some(92.0)),
            &["the sparse model's TA is 86 % with seed 1, more than 5 points below the dense model's 92 %"],
        );
        check(
            |r| set(row(r, "ft"), "tow", Some(1.5)),
            &["ft, random, sparsity 0, seed 1: tow is 1.5, outside 0.0..=1.0"],
        );
        check(
            |r| set(row(r, "ft"), "mia_efficacy.entropy", Some(-1.0)),
            &["ft, random, sparsity 0, seed 1: mia_efficacy.entropy is -1, outside 0.0..=100.0"],
        );
        check(
            |r| row(r, "ft").sparsity = f64::NAN,
            &[
                "ft, random, sparsity NaN, seed 1: sparsity is NaN, outside 0.0..=1.0",
                "no row for ft, random, sparsity 0, seed 1",
            ],
        );
        check(|r| r.rows.clear(), &["there are no rows"]);
    }

    #[test]
    fn null_and_unknown_fields_are_read() -> Result<()> {
        let results: Results = serde_json::from_str(
            r#"{"format": 1, "suite": "quick", "claims": [], "rows": [{"dataset": "d", "arch": "a", "scenario": "random",
            "sparsity": 0.0, "pruning": "none", "method": "ft", "seed": 1, "ua": null, "ra": 1.0, "ta": 1.0,
            "mia_efficacy": 1.0, "rte_seconds": 1.0, "avg_gap": 1.0,
            "figures": {"tow": {"value": 2.0}, "of another program": {"value": -5.0}}}]}"#,
        )?;
        let out_of_range = results.rows[0].out_of_range(&Registry::standard().figures());
        assert_eq!(
            out_of_range,
            [
                "ft, random, sparsity 0, seed 1: ua is not a number",
                "ft, random, sparsity 0, seed 1: tow is 2, outside 0.0..=1.0"
            ]
        );
        Ok(())
    }

    #[test]
    fn pages_that_load_something_are_found() {
        let page = |body: &str| outside_references(&format!("<!doctype html><html>{body}</html>"));
        let fine = r#"<a href="https://arxiv.org/abs/2304.04934">paper</a><img src="data:image/png;base64,AA">
            <rect fill="url(#clip)"/><script>let x = 1;</script>"#;
        assert_eq!(page(fine), Vec::<String>::new());
        for body in [
            r#"<script src="https://cdn.example/plot.js"></script>"#,
            "<img src='plot.png'>",
            r#"<link rel="stylesheet" href="style.css">"#,
            "<style>@import 'x.css'</style>",
            "<style>body { background: url(http://example/x.png) }</style>",
        ] {
            assert_eq!(page(body).len(), 1, "{body}");
        }
        assert_eq!(outside_references("").len(), 1);
    }
}
