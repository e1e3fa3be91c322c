//! The row an `evaluate` stage leaves, the only line of its `metrics.jsonl`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Result, StoreError};
use crate::stage::{METRICS, Stage};

/// The figures of one unlearned model. Accuracies and efficacies are in percent, 0..100.
///
/// JSON knows no NaN and writes `null` for it; reading gives the NaN back, so that a report can say which figure of which row it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Unlearning accuracy: 100 − accuracy on the forget set.
    #[serde(deserialize_with = "number_or_nan")]
    pub ua: f64,
    /// Remaining accuracy: accuracy on the retain set.
    #[serde(deserialize_with = "number_or_nan")]
    pub ra: f64,
    /// Testing accuracy: accuracy on the test set.
    #[serde(deserialize_with = "number_or_nan")]
    pub ta: f64,
    /// Share of the forget set that the membership-inference attack on the confidence calls non-member.
    #[serde(deserialize_with = "number_or_nan")]
    pub mia_efficacy: f64,
    /// Run-time efficiency: wall seconds of the unlearning method alone.
    #[serde(deserialize_with = "number_or_nan")]
    pub rte_seconds: f64,
    /// Accuracy on the validation set, where there is one.
    pub validation_accuracy: Option<f64>,
    /// MIA-efficacy by the feature the attack looks at (`confidence`, `entropy`, …).
    #[serde(default)]
    pub mia: BTreeMap<String, f64>,
}

impl Evaluation {
    /// The evaluation a stage left.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when its metrics are not exactly one such row.
    pub fn of(stage: &Stage) -> Result<Self> {
        let mut rows: Vec<Self> = stage.metrics()?;
        match (rows.pop(), rows.len()) {
            (Some(row), 0) => Ok(row),
            (row, rest) => Err(StoreError::Damaged {
                file: stage.path().join(METRICS),
                folder: stage.path().to_path_buf(),
                problem: format!("an evaluation is one row, this file has {}", rest + usize::from(row.is_some())),
            }),
        }
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

    fn stage(store: &Store, rows: &[serde_json::Value]) -> Stage {
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
        let row = Evaluation {
            ua: 100.0,
            ra: 99.123_456_789_012_34,
            ta: f64::NAN,
            mia_efficacy: 75.0,
            rte_seconds: 0.1,
            validation_accuracy: None,
            mia: [("confidence".to_owned(), 75.0)].into(),
        };
        let read = Evaluation::of(&stage(&store, &[json!(row)])).unwrap();
        assert!(read.ta.is_nan());
        assert_eq!(Evaluation { ta: 0.0, ..read }, Evaluation { ta: 0.0, ..row.clone() });

        for rows in [vec![], vec![json!(row), json!(row)]] {
            let message = Evaluation::of(&stage(&store, &rows)).unwrap_err().to_string();
            assert!(message.contains("metrics.jsonl") && message.contains(&format!("has {}", rows.len())), "{message}");
        }
        let wrong = Evaluation::of(&stage(&store, &[json!({ "ua": "high" })])).unwrap_err().to_string();
        assert!(wrong.contains("line 1") && wrong.contains("delete the folder"), "{wrong}");
    }
}
