//! The row that an `evaluate` stage leaves as the only line of its `metrics.jsonl`: the value of each figure, by
//! name.
//!
//! # Format policy
//! Rows of format 1 had a field for each figure and one draw of each attack. They are converted when read. A row with a figure that is
//! undefined has format 3, any other row format 2, which are otherwise the same. Rows of a newer format are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;
use unlearn_metrics::{Value, Values, figures};

use crate::error::{Result, StoreError};
use crate::manifest::check_format;
use crate::stage::{METRICS, Stage};

/// The figures of one unlearned model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// Version of the row's format.
    pub format: u32,
    /// The values, by the name of the figure.
    pub figures: Values,
}

impl Evaluation {
    /// The newest version of the format.
    pub const FORMAT: u32 = 3;

    /// The row of these figures.
    pub fn new(figures: Values) -> Self {
        let has_undefined = figures.values().any(|value| value.undefined.is_some());
        Self { format: if has_undefined { Self::FORMAT } else { 2 }, figures }
    }

    /// The evaluation that a stage left.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if its metrics are not exactly one such row, [`StoreError::NewerFormat`].
    pub fn of(stage: &Stage) -> Result<Self> {
        let file = stage.path().join(METRICS);
        let damaged = |problem: String| StoreError::damaged(&file, stage.path(), problem);
        let mut rows: Vec<Json> = stage.metrics()?;
        let row = match (rows.pop(), rows.len()) {
            (Some(row), 0) => row,
            (row, rest) => {
                let found = rest + usize::from(row.is_some());
                return Err(damaged(format!("an evaluation has one row, but this file has {found}")));
            }
        };
        check_format(&file, &row, Self::FORMAT)?;
        let read = match row.get("format") {
            Some(_) => serde_json::from_value(row),
            None => serde_json::from_value(row).map(Flat::raised),
        };
        read.map_err(|source| damaged(format!("line 1: {source}")))
    }
}

/// A row of format 1, which did not state its format. JSON has no NaN, so `null` stands for it.
#[derive(Deserialize)]
struct Flat {
    #[serde(deserialize_with = "number_or_nan")]
    ua: f64,
    #[serde(deserialize_with = "number_or_nan")]
    ra: f64,
    #[serde(deserialize_with = "number_or_nan")]
    ta: f64,
    #[serde(deserialize_with = "number_or_nan")]
    mia_efficacy: f64,
    #[serde(deserialize_with = "number_or_nan")]
    rte_seconds: f64,
    validation_accuracy: Option<f64>,
    /// By the feature that the attack used.
    #[serde(default)]
    mia: BTreeMap<String, f64>,
}

impl Flat {
    fn raised(self) -> Evaluation {
        let one_draw = |value: f64| Value { draws: vec![value], ..Value::exact(value) };
        let exact = [
            (figures::ua::NAME, Some(self.ua)),
            (figures::ra::NAME, Some(self.ra)),
            (figures::ta::NAME, Some(self.ta)),
            (figures::rte_seconds::NAME, Some(self.rte_seconds)),
            (figures::validation_accuracy::NAME, self.validation_accuracy),
        ];
        let exact = exact.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::exact(value?))));
        let efficacy = figures::mia_efficacy::NAME;
        let by_feature =
            self.mia.into_iter().map(|(feature, value)| (format!("{efficacy}.{feature}"), one_draw(value)));
        let attacked = [(efficacy.to_owned(), one_draw(self.mia_efficacy))].into_iter().chain(by_feature);
        Evaluation::new(exact.chain(attacked).collect())
    }
}

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::StageSpec;
    use crate::store::{Begin, Store};

    fn stage(store: &Store, rows: &[Json]) -> Stage {
        let spec = StageSpec::new("evaluate", json!(rows), "data-v1", 1);
        let Begin::Run(mut writer) = store.begin(&spec).unwrap() else { panic!("each case has its own key") };
        for row in rows {
            writer.append_metrics(row).unwrap();
        }
        writer.finish().unwrap()
    }

    #[test]
    fn is_exactly_one_row_and_keeps_what_is_not_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let row = Evaluation::new(
            [
                ("ra".to_owned(), Value::exact(99.123_456_789_012_34)),
                ("ta".to_owned(), Value::exact(f64::NAN)),
                ("mia_efficacy".to_owned(), Value::over_draws(vec![75.0, 50.0]).unwrap()),
            ]
            .into(),
        );
        let mut read = Evaluation::of(&stage(&store, &[json!(row)])).unwrap();
        assert!(read.figures["ta"].value.is_nan());
        read.figures.insert("ta".to_owned(), Value::exact(0.0));
        let mut written = row.clone();
        written.figures.insert("ta".to_owned(), Value::exact(0.0));
        assert_eq!(read, written);

        for rows in [vec![], vec![json!(row), json!(row)]] {
            let message = Evaluation::of(&stage(&store, &rows)).unwrap_err().to_string();
            assert!(message.contains("metrics.jsonl") && message.contains(&format!("has {}", rows.len())), "{message}");
        }
        let wrong = Evaluation::of(&stage(&store, &[json!({ "ua": "high" })])).unwrap_err().to_string();
        assert!(wrong.contains("line 1") && wrong.contains("unlearn runs repair"), "{wrong}");
        let newer = Evaluation::of(&stage(&store, &[json!({ "format": 4, "figures": {} })])).unwrap_err().to_string();
        assert!(newer.contains("format version 4") && newer.contains("up to 3"), "{newer}");
        let extra = Evaluation::of(&stage(&store, &[json!({ "format": 2, "figures": {}, "ua": 1.0 })]));
        assert!(extra.unwrap_err().to_string().contains("unknown field `ua`"));
    }

    #[test]
    fn a_row_with_an_undefined_figure_has_the_newer_format() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let undefined = Value::undefined("all retained and test samples have the same confidence");
        let row = Evaluation::new([("mia_efficacy".to_owned(), undefined)].into());
        assert_eq!((row.format, Evaluation::new(Values::new()).format), (3, 2));
        assert_eq!(Evaluation::of(&stage(&store, &[json!(row)])).unwrap(), row);
    }

    #[test]
    fn a_row_of_format_1_is_read_as_one_draw() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let flat = json!({ "ua": 100.0, "ra": 99.5, "ta": null, "mia_efficacy": 75.0, "rte_seconds": 0.1,
            "validation_accuracy": null, "mia": { "confidence": 75.0, "entropy": 62.5 } });
        let Evaluation { format, figures } = Evaluation::of(&stage(&store, &[flat])).unwrap();
        assert_eq!(format, 2);
        let names: Vec<_> = figures.keys().map(String::as_str).collect();
        let efficacies = ["mia_efficacy", "mia_efficacy.confidence", "mia_efficacy.entropy"];
        assert_eq!(names, [&efficacies[..], &["ra", "rte_seconds", "ta", "ua"]].concat());
        assert_eq!(figures["ua"], Value::exact(100.0));
        assert!(figures["ta"].value.is_nan());
        assert_eq!(figures["mia_efficacy.entropy"], Value { draws: vec![62.5], ..Value::exact(62.5) });
        assert_eq!(figures["mia_efficacy"], figures["mia_efficacy.confidence"]);

        let without = json!({ "ua": 1.0, "ra": 1.0, "ta": 1.0, "mia_efficacy": 1.0, "rte_seconds": 1.0,
            "validation_accuracy": 91.0 });
        let figures = Evaluation::of(&stage(&store, &[without])).unwrap().figures;
        assert_eq!(figures["validation_accuracy"], Value::exact(91.0));
    }
}
