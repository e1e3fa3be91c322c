//! An operator's demand on a deletion: a metric must reach, or must not exceed, a number.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

use unlearn_metrics::{
    Figures,
    figures::{rte_seconds, validation_accuracy},
};

use crate::{Error, Result, older::attacked};

/// A demand on one metric of the resulting model, written `ua >= 90`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    /// Name of the figure, as typed. [`Threshold::figure`] is its name in the registry.
    pub metric: String,
    /// The required side of the number.
    pub relation: Relation,
    /// The number, in the figure's unit.
    pub value: f64,
}

/// The required side of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// The number or more.
    AtLeast,
    /// The number or less.
    AtMost,
}

/// A threshold with its measured value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// The demand.
    pub threshold: Threshold,
    /// The metric. NaN, which JSON writes as `null`, if it is undefined.
    #[serde(deserialize_with = "number_or_nan")]
    pub measured: f64,
    /// Whether the metric meets the demand.
    pub passed: bool,
}

/// Verdicts are equal if all their fields are, and the metric may be undefined in both.
impl PartialEq for Verdict {
    fn eq(&self, other: &Self) -> bool {
        let same = self.measured == other.measured || self.measured.is_nan() && other.measured.is_nan();
        self.threshold == other.threshold && self.passed == other.passed && same
    }
}

impl Threshold {
    /// The name of its figure in the registry. Thresholds also accept three figures by their names before the
    /// registry existed.
    pub fn figure(&self) -> String {
        match self.metric.as_str() {
            "validation-accuracy" => validation_accuracy::NAME.to_owned(),
            "rte-seconds" => rte_seconds::NAME.to_owned(),
            name => name.strip_prefix("mia.").map_or_else(|| name.to_owned(), attacked),
        }
    }

    /// Refuses an unknown figure.
    ///
    /// # Errors
    /// [`Error::Threshold`] with the valid names.
    pub fn check(&self, figures: &Figures) -> Result<()> {
        match figures.find(&self.figure()) {
            Ok(_) => Ok(()),
            Err(unknown) => Err(Error::Threshold { text: self.to_string(), reason: unknown.to_string() }),
        }
    }

    /// Whether a measured value meets the demand. What is undefined meets none.
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

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

impl FromStr for Threshold {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fail = |reason: &str| Error::Threshold { text: text.into(), reason: reason.into() };
        let (metric, relation, value) = (text.split_once(">=").map(|(m, v)| (m, Relation::AtLeast, v)))
            .or_else(|| text.split_once("<=").map(|(m, v)| (m, Relation::AtMost, v)))
            .ok_or_else(|| fail("it has neither `>=` nor `<=`"))?;
        let metric = metric.trim();
        let is_part_of_a_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if metric.is_empty() || metric.ends_with('.') || !metric.chars().all(is_part_of_a_name) {
            return Err(fail(&format!("`{metric}` is not a metric")));
        }
        let value: f64 = value.trim().parse().map_err(|_| fail(&format!("`{}` is not a number", value.trim())))?;
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
            ("u a>=90", "`u a` is not a metric"),
            (">=90", "`` is not a metric"),
            ("mia.>=1", "`mia.` is not a metric"),
            ("ua>=many", "`many` is not a number"),
            ("ua>=inf", "finite"),
        ] {
            let message = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("FIGURE>=NUMBER"), "{message}");
        }
    }

    #[test]
    fn figures_are_those_of_the_registry_under_old_names_too() {
        let figure = |text: &str| text.parse::<Threshold>().unwrap().figure();
        let old = ["mia.m-entropy>=1", "rte-seconds<=1", "validation-accuracy>=1"].map(figure);
        assert_eq!(old, ["mia_efficacy.m-entropy", "rte_seconds", "validation_accuracy"]);
        let check = |text: &str| text.parse::<Threshold>().unwrap().check(&Figures::standard());
        assert!(check("tow>=0.9").is_ok() && check("validation-accuracy>=1").is_ok());
        let message = check("uaa>=90").unwrap_err().to_string();
        assert!(
            message.contains("`uaa`") && message.contains("valid names: ua, ") && message.contains("FIGURE>="),
            "{message}"
        );
    }
}
