//! What an operator demands of a deletion: a metric that must reach, or must not exceed, a number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Error, Result, metrics::MIA};

/// A demand on one metric of the model that a deletion leaves; written `ua >= 90`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// Name of the metric, as in [`Metrics::named`](crate::Metrics::named), or `rte-seconds`.
    pub metric: String,
    /// On which side of the number it must be.
    pub relation: Relation,
    /// The number; percent, or seconds.
    pub value: f64,
}

/// On which side of a number a metric must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The number or more.
    AtLeast,
    /// The number or less.
    AtMost,
}

/// A threshold with what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The demand.
    pub threshold: Threshold,
    /// The metric.
    pub measured: f64,
    /// Whether the metric meets the demand.
    pub passed: bool,
}

/// Metrics that are no attack's.
const FIXED: [&str; 5] = ["ua", "ra", "ta", "validation-accuracy", RTE];
/// Run time of the method.
pub(crate) const RTE: &str = "rte-seconds";

impl Threshold {
    /// Whether a measured value meets the demand.
    pub fn passes(&self, measured: f64) -> bool {
        match self.relation {
            Relation::AtLeast => measured >= self.value,
            Relation::AtMost => measured <= self.value,
        }
    }

    /// The verdict on a measured value.
    pub fn judge(&self, measured: f64) -> Verdict {
        Verdict { threshold: self.clone(), measured, passed: self.passes(measured) }
    }
}

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason: &str| Error::Threshold { text: text.into(), reason: reason.into() };
        let (metric, relation, value) = (text.split_once(">=").map(|(m, v)| (m, Relation::AtLeast, v)))
            .or_else(|| text.split_once("<=").map(|(m, v)| (m, Relation::AtMost, v)))
            .ok_or_else(|| fail("it has neither `>=` nor `<=`"))?;
        let metric = metric.trim();
        if !FIXED.contains(&metric) && metric.strip_prefix(MIA).is_none_or(str::is_empty) {
            return Err(fail(&format!("`{metric}` is no metric")));
        }
        let value: f64 = value.trim().parse().map_err(|_| fail(&format!("`{}` is no number", value.trim())))?;
        if !value.is_finite() {
            return Err(fail("its number must be finite"));
        }
        Ok(Self { metric: metric.into(), relation, value })
    }
}

impl TryFrom<String> for Threshold {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.to_string()
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let relation = match self.relation {
            Relation::AtLeast => ">=",
            Relation::AtMost => "<=",
        };
        write!(f, "{} {relation} {}", self.metric, self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for text in ["ua >= 90", "mia.m-entropy <= 12.5", "rte-seconds <= 60", "validation-accuracy >= 0"] {
            let threshold: Threshold = text.parse().unwrap();
            assert_eq!(threshold.to_string(), text);
            assert_eq!(text.replace(' ', "").parse::<Threshold>().unwrap(), threshold);
        }
    }

    #[test]
    fn the_number_itself_passes_either_way() {
        let passes = |text: &str, measured| text.parse::<Threshold>().unwrap().passes(measured);
        assert!(passes("ua>=90", 90.0) && passes("ua<=90", 90.0));
        assert!(!passes("ua>=90", 89.9) && !passes("ua<=90", 90.1));
        assert!(!passes("ua>=90", f64::NAN) && !passes("ua<=90", f64::NAN));
    }

    #[test]
    fn what_is_none_is_refused_with_the_fix() {
        for (text, word) in [
            ("ua=90", "neither"),
            ("uaa>=90", "`uaa` is no metric"),
            ("mia.>=1", "`mia.` is no metric"),
            ("ua>=many", "`many` is no number"),
            ("ua>=inf", "finite"),
        ] {
            let message = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("METRIC>=NUMBER"), "{message}");
        }
    }
}
