//! The measurements of a deletion: every figure of the model before and after, by name.

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use unlearn_metrics::{Figure, Figures, Value, Values};

use crate::{FORMAT, Verdict};

/// The measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// On the model before.
    pub before: Values,
    /// On the model after, including the run time. The run time excludes evaluation, loading and saving.
    pub after: Values,
    /// On a Retrain that was given for comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrain: Option<Values>,
    /// The attacks and their settings: names, features, draws, members and seed. Format 1 did not record them: one
    /// draw, stratified.
    pub attacks: Option<Json>,
    /// The verdicts on the thresholds for the model after.
    pub thresholds: Vec<Verdict>,
}

/// A figure of a certificate, for tables.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Its registry entry. `None` if the registry lacks the name.
    pub figure: Option<Figure>,
    /// On the model before.
    pub before: Option<Value>,
    /// On the model after.
    pub after: Option<Value>,
    /// On Retrain.
    pub retrain: Option<Value>,
}

impl Measured {
    /// The version of a certificate's format that these measurements need.
    pub fn format(&self) -> u32 {
        let mut all = [Some(&self.before), Some(&self.after), self.retrain.as_ref()].into_iter().flatten();
        if all.any(|values| values.values().any(|value| value.undefined.is_some())) { FORMAT } else { 2 }
    }

    /// Whether every threshold was met.
    pub fn passed(&self) -> bool {
        self.thresholds.iter().all(|verdict| verdict.passed)
    }

    /// Every figure, in the registry's order. Figures that the registry lacks come last.
    pub fn lines(&self, figures: &Figures) -> Vec<Line> {
        let retrain = self.retrain.as_ref();
        let is_there = |name: &str| {
            [Some(&self.before), Some(&self.after), retrain]
                .into_iter()
                .flatten()
                .any(|values| values.contains_key(name))
        };
        let known = figures.iter().map(|figure| figure.name.as_ref()).filter(|name| is_there(name));
        let mut unknown: Vec<&str> = self.before.keys().chain(self.after.keys()).map(String::as_str).collect();
        unknown.retain(|name| figures.get(name).is_none());
        unknown.sort_unstable();
        unknown.dedup();
        let line = |name: &str| Line {
            name: name.to_owned(),
            figure: figures.get(name).cloned(),
            before: self.before.get(name).cloned(),
            after: self.after.get(name).cloned(),
            retrain: retrain.and_then(|values| values.get(name).cloned()),
        };
        known.chain(unknown).map(line).collect()
    }
}

impl Line {
    /// A value of this line as text: "36.70 ± 9.12", "undefined", or a dash if there is none.
    pub fn shown(&self, value: Option<&Value>) -> String {
        let Some(value) = value else { return "–".to_owned() };
        if value.undefined.is_some() {
            return "undefined".to_owned();
        }
        let number = |number: f64| match &self.figure {
            Some(figure) => figure.shown(number),
            None => format!("{number:.4}"),
        };
        let spread = value.half_width().map(|half| format!(" ± {}", number(half)));
        number(value.value) + &spread.unwrap_or_default()
    }
}
