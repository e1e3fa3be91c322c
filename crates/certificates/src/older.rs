//! Certificates of format 1, which had a field for each figure and one draw of each attack.
//!
//! They are converted to the current form when read. Their signed bytes are rebuilt in the older form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unlearn_metrics::{
    Value, Values,
    figures::{mia_efficacy, ra, rte_seconds, ta, ua, validation_accuracy},
};

use crate::Verdict;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Measured {
    before: Metrics,
    after: Metrics,
    rte_seconds: f64,
    thresholds: Vec<Verdict>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metrics {
    ua: f64,
    ra: f64,
    ta: f64,
    validation_accuracy: Option<f64>,
    /// By the attack's feature.
    mia_efficacy: BTreeMap<String, f64>,
}

impl From<Measured> for crate::Measured {
    fn from(older: Measured) -> Self {
        let Measured { before, after, rte_seconds: seconds, thresholds } = older;
        let mut after = after.raised();
        after.insert(rte_seconds::NAME.to_owned(), Value::exact(seconds));
        Self { before: before.raised(), after, retrain: None, attacks: None, thresholds }
    }
}

impl Measured {
    /// The older form of a certificate that was converted when read.
    pub(crate) fn of(measured: &crate::Measured) -> Self {
        let crate::Measured { before, after, thresholds, .. } = measured;
        Self {
            before: Metrics::of(before),
            after: Metrics::of(after),
            rte_seconds: value(after, rte_seconds::NAME).unwrap_or(f64::NAN),
            thresholds: thresholds.clone(),
        }
    }
}

impl Metrics {
    fn raised(self) -> Values {
        let exact = [
            (ua::NAME, Some(self.ua)),
            (ra::NAME, Some(self.ra)),
            (ta::NAME, Some(self.ta)),
            (validation_accuracy::NAME, self.validation_accuracy),
        ];
        let exact = exact.into_iter().filter_map(|(name, value)| Some((name.to_owned(), Value::exact(value?))));
        let one_draw = |value: f64| Value { draws: vec![value], ..Value::exact(value) };
        let attacks = self.mia_efficacy.into_iter().map(|(feature, value)| (attacked(&feature), one_draw(value)));
        exact.chain(attacks).collect()
    }

    fn of(values: &Values) -> Self {
        let figure = |name: &str| value(values, name).unwrap_or(f64::NAN);
        let by_feature = |(name, value): (&String, &Value)| {
            let feature = name.strip_prefix(mia_efficacy::NAME)?.strip_prefix('.')?;
            Some((feature.to_owned(), value.value))
        };
        Self {
            ua: figure(ua::NAME),
            ra: figure(ra::NAME),
            ta: figure(ta::NAME),
            validation_accuracy: value(values, validation_accuracy::NAME),
            mia_efficacy: values.iter().filter_map(by_feature).collect(),
        }
    }
}

/// The figure of MIA-efficacy by a feature.
pub(crate) fn attacked(feature: &str) -> String {
    format!("{}.{feature}", mia_efficacy::NAME)
}

fn value(values: &Values, name: &str) -> Option<f64> {
    values.get(name).map(|found| found.value)
}
