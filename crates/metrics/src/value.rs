//! The value of a figure, with its spread if it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Auc, Error, Estimate, Result};

/// The value of one figure of one model.
///
/// JSON has no NaN, so NaN is written as `null`. Reading gives NaN again, so that a report can name the figure and
/// the row.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, try_from = "Written")]
pub struct Value {
    /// The value in the figure's unit. With several draws, it is their mean. NaN if the figure is undefined.
    pub value: f64,
    /// 95 % interval: of the mean over draws (Student t), or of a figure without draws that has one of its own. `None` for
    /// a single draw, and for a figure without an interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The value of every draw, in order. Empty for a figure without draws.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<f64>,
    /// Why the figure is undefined for these scores. `None` if it has a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
}

/// A value as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(deserialize_with = "number_or_nan")]
    value: f64,
    #[serde(default)]
    interval: Option<[f64; 2]>,
    #[serde(default)]
    draws: Vec<f64>,
    #[serde(default)]
    undefined: Option<String>,
}

impl TryFrom<Written> for Value {
    type Error = &'static str;

    fn try_from(written: Written) -> std::result::Result<Self, Self::Error> {
        let Written { value, interval, draws, undefined } = written;
        if undefined.is_some() && !(value.is_nan() && interval.is_none() && draws.is_empty()) {
            return Err("a figure is undefined and yet has a value, an interval or draws");
        }
        Ok(Self { value, interval, draws, undefined })
    }
}

/// Values are equal if all their fields are. Undefined ones are equal if their reasons are.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.undefined == other.undefined
            && self.interval == other.interval
            && self.draws == other.draws
            && (self.value == other.value || self.undefined.is_some())
    }
}

/// Values by the name of their figure.
pub type Values = BTreeMap<String, Value>;

impl Value {
    /// The value of a figure without draws.
    pub const fn exact(value: f64) -> Self {
        Self { value, interval: None, draws: Vec::new(), undefined: None }
    }

    /// An area under a curve, with its interval.
    pub const fn area(auc: Auc) -> Self {
        Self { value: auc.value, interval: auc.interval, draws: Vec::new(), undefined: None }
    }

    /// No value: the figure is undefined for these scores, for this reason, a lowercase fragment.
    pub fn undefined(reason: impl Into<String>) -> Self {
        Self { undefined: Some(reason.into()), ..Self::exact(f64::NAN) }
    }

    /// The value, unless the figure is undefined.
    pub const fn number(&self) -> Option<f64> {
        if self.undefined.is_some() { None } else { Some(self.value) }
    }

    /// The mean over draws, with its 95 % interval if there are at least two.
    ///
    /// # Errors
    /// If there are no draws, or one is not finite.
    pub fn over_draws(draws: Vec<f64>) -> Result<Self> {
        if draws.is_empty() {
            return Err(Error::Empty { what: "draws" });
        }
        let estimate = Estimate::over_seeds(&draws)?;
        // The mean of a single draw is that draw, bit for bit.
        let value = if let [only] = draws.as_slice() { *only } else { estimate.mean };
        Ok(Self { value, interval: estimate.interval(), draws, undefined: None })
    }

    /// Half the width of the interval.
    pub fn half_width(&self) -> Option<f64> {
        self.interval.map(|[low, high]| (high - low) / 2.0)
    }
}

fn number_or_nan<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_a_mean_and_an_interval_and_one_draw_has_none() {
        let value = Value::over_draws(vec![1.0, 2.0, 3.0]).unwrap();
        // Student's t at two degrees of freedom is 4.303, the standard error 1 / √3.
        let half = 4.302_652_729_911_275 / 3.0_f64.sqrt();
        assert_eq!(value.value, 2.0);
        assert!((value.half_width().unwrap() - half).abs() < 1e-9, "{value:?}");
        let one = Value::over_draws(vec![1.0 / 3.0]).unwrap();
        assert_eq!((one.value, one.interval, one.draws.as_slice()), (1.0 / 3.0, None, &[1.0 / 3.0][..]));
        assert!(Value::over_draws(vec![]).is_err() && Value::over_draws(vec![f64::NAN]).is_err());
    }

    #[test]
    fn is_written_without_what_it_lacks_and_keeps_what_is_not_a_number() {
        assert_eq!(serde_json::to_string(&Value::exact(1.5)).unwrap(), r#"{"value":1.5}"#);
        let nan = serde_json::to_string(&Value::exact(f64::NAN)).unwrap();
        assert!(serde_json::from_str::<Value>(&nan).unwrap().value.is_nan());
        let drawn = Value::over_draws(vec![1.0, 2.0]).unwrap();
        let text = serde_json::to_string(&drawn).unwrap();
        assert!(text.contains("\"interval\":[") && text.contains("\"draws\":[1.0,2.0]"), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), drawn);
        assert!(serde_json::from_str::<Value>(r#"{"value":1.0,"unit":"s"}"#).is_err());
    }

    #[test]
    fn what_is_undefined_has_a_reason_and_no_number() {
        let undefined = Value::undefined("all scores are equal");
        assert_eq!((undefined.number(), Value::exact(0.0).number()), (None, Some(0.0)));
        let text = serde_json::to_string(&undefined).unwrap();
        assert_eq!(text, r#"{"value":null,"undefined":"all scores are equal"}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), undefined);
        assert_ne!(undefined, Value::undefined("there are no draws"));
        let both = r#"{"value":50.0,"undefined":"all scores are equal"}"#;
        assert!(serde_json::from_str::<Value>(both).unwrap_err().to_string().contains("and yet has a value"));
    }
}
