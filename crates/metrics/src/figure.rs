//! The description of a figure: its name, its meaning, the data that it needs, and its computation.

use std::borrow::Cow;
use std::fmt;

use crate::{ModelScores, Result, Scores, Value, Values};

/// A figure: one measurement of an unlearned model.
#[derive(Clone)]
pub struct Figure {
    /// Name, and key in files.
    pub name: Cow<'static, str>,
    /// Heading of its column.
    pub label: Cow<'static, str>,
    /// Its meaning in one line, with the unit.
    pub meaning: Cow<'static, str>,
    /// Its unit.
    pub unit: Unit,
    /// The least and the greatest possible value.
    pub range: [f64; 2],
    /// Which values are better.
    pub direction: Direction,
    /// The data that it is computed from. The figure is a mean over the samples of the first set named.
    pub needs: &'static [Need],
    /// Publication that defines it.
    pub source: &'static str,
    /// Whether it is a column of the main table. Other figures are in the table of further figures.
    pub in_table: bool,
    /// Computes the value. Returns `None` if data that it needs is missing.
    pub compute: fn(&Evidence<'_>) -> Result<Option<Value>>,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Percentage of samples, 0..100.
    Percent,
    /// Difference of percentages.
    Points,
    /// Wall seconds.
    Seconds,
    /// Steps of training.
    Steps,
    /// Natural units of information (natural logarithm).
    Nats,
    /// A pure number.
    None,
}

/// Which values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Greater values are better.
    Higher,
    /// Smaller values are better.
    Lower,
    /// Values closer to Retrain's are better.
    TowardsRetrain,
    /// Neither greater nor smaller values are better.
    Neither,
}

/// Data that a figure is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The model's scores on `D_f`.
    Forget,
    /// The model's scores on `D_r`.
    Retain,
    /// The model's scores on `D_t`.
    Test,
    /// The model's scores on `D_v`.
    Validation,
    /// The model's scores on test images that carry the trigger of a backdoor.
    Triggered,
    /// A transfer of the model to a target task, which measures it.
    Transfer,
    /// An audit of the model's features and weights, which measures it.
    Audit,
    /// The subclasses of a data set that knows them, of which one or more are forgotten.
    Subclasses,
    /// The run time of the method.
    RunTime,
    /// An attack that measures it or a figure that it is computed from.
    Attack,
    /// The scores of a Retrain.
    RetrainScores,
    /// The other figures of a Retrain.
    RetrainFigures,
}

/// All data about a model.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Its scores, if available.
    pub scores: Option<&'a ModelScores>,
    /// Wall time of the method alone, in seconds.
    pub rte_seconds: Option<f64>,
    /// The figures known so far: those of attacks, and those that come earlier in the registry.
    pub figures: &'a Values,
    /// The Retrain of the same data, sparsity and seed, if there is one.
    pub retrain: Option<Retrain<'a>>,
}

/// All data about the Retrain that a model is compared with.
#[derive(Clone, Copy)]
pub struct Retrain<'a> {
    /// Its scores, if available.
    pub scores: Option<&'a ModelScores>,
    /// Its figures.
    pub figures: &'a Values,
}

impl Figure {
    /// Whether the figure is defined only relative to a Retrain.
    pub fn needs_retrain(&self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::RetrainScores | Need::RetrainFigures))
    }

    /// Whether reports show its difference to Retrain's value.
    pub fn has_gap(&self) -> bool {
        self.direction == Direction::TowardsRetrain
    }

    /// A heading with the unit, for use outside a table: "RTE (s)".
    pub fn heading(&self) -> String {
        match self.unit {
            Unit::Seconds => format!("{} (s)", self.label),
            _ => self.label.to_string(),
        }
    }

    /// Whether `value` is in the figure's range.
    pub fn admits(&self, value: f64) -> bool {
        let [low, high] = self.range;
        value.is_finite() && (low..=high).contains(&value)
    }

    /// The value as text, with the number of digits that suits the unit.
    pub fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent | Unit::Points | Unit::Seconds => format!("{value:.2}"),
            Unit::Steps => format!("{value:.1}"),
            Unit::Nats | Unit::None => format!("{value:.4}"),
        }
    }
}

/// Figures are equal if all their fields except `compute` are equal.
impl PartialEq for Figure {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.label == other.label && self.meaning == other.meaning
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Figure").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> Evidence<'a> {
    /// The value of another figure of this model. `None` if it is missing or undefined.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).and_then(Value::number)
    }

    /// The values of another figure of this model and of Retrain. `None` if one is missing or undefined.
    pub fn pair(&self, name: &str) -> Option<[f64; 2]> {
        Some([self.figure(name)?, self.retrain?.figures.get(name)?.number()?])
    }

    /// Whether another figure was measured for this model and for Retrain, and is undefined for one of them.
    pub fn is_undefined_for_one(&self, name: &str) -> bool {
        let both = self.figures.get(name).zip(self.retrain.and_then(|retrain| retrain.figures.get(name)));
        both.is_some_and(|(ours, theirs)| ours.undefined.is_some() || theirs.undefined.is_some())
    }

    /// Both models' scores on the forget set.
    pub fn forget_pair(&self) -> Option<[&'a Scores; 2]> {
        Some([&self.scores?.forget, &self.retrain?.scores?.forget])
    }
}
