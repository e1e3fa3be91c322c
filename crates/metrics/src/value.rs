//! The value of a figure, with its spread where it has one.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Error, Estimate, Result};

/// What was found for one figure of one model.
///
/// JSON knows no NaN and writes `null` for it; reading gives the NaN back, so that a report can say which figure of which row it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Value {
    /// The figure, in its unit; the mean where there are several draws.
    #[serde(deserialize_with = "number_or_nan")]
    pub value: f64,
    /// 95 % interval of the mean over draws (Student t); none for fewer than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
    /// The figure of every draw, in their order; empty for a figure that nothing is drawn for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub draws: Vec<f64>,
}

/// Values by the name of their figure.
pub type Values = BTreeMap<String, Value>;

impl Value {
    /// A figure that nothing is drawn for.
    pub const fn exact(value: f64) -> Self {
        Self { value, interval: None, draws: Vec::new() }
    }

    /// The mean over draws, with its 95 % interval where there are two or more.
    ///
    /// # Errors
    /// No draws, or one that is not finite.
    pub fn over_draws(draws: Vec<f64>) -> Result<Self> {
        if draws.is_empty() {
            return Err(Error::Empty { what: "draws" });
        }
        let estimate = Estimate::over_seeds(&draws)?;
        // The mean of one draw is that draw, to the bit.
        let value = if let [only] = draws.as_slice() { *only } else { estimate.mean };
        Ok(Self { value, interval: estimate.interval(), draws })
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
}
