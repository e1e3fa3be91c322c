//! What a figure is: its name, its meaning, what it needs, and how it is computed.

use std::borrow::Cow;
use std::fmt;

use crate::{ModelScores, Result, Scores, Value, Values};

/// A figure: something measured of a model that was to forget.
#[derive(Clone)]
pub struct Figure {
    /// Name, and key in files.
    pub name: Cow<'static, str>,
    /// Heading of its column.
    pub label: Cow<'static, str>,
    /// What it is, in one line, with its unit.
    pub meaning: Cow<'static, str>,
    /// Its unit.
    pub unit: Unit,
    /// The least and the greatest value it can have.
    pub range: [f64; 2],
    /// Which values are better.
    pub direction: Direction,
    /// What it is computed from. The first set named is the one whose samples it is a mean over.
    pub needs: &'static [Need],
    /// Where it was published.
    pub source: &'static str,
    /// Whether the table shows it, or only the table of further figures.
    pub in_table: bool,
    /// The value, or `None` where what it needs is not there.
    pub compute: fn(&Evidence<'_>) -> Result<Option<Value>>,
}

/// The unit of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Of samples, 0..100.
    Percent,
    /// Differences of percentages.
    Points,
    /// Wall seconds.
    Seconds,
    /// Natural logarithms.
    Nats,
    /// A pure number.
    None,
}

/// Which values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The greater the better.
    Higher,
    /// The smaller the better.
    Lower,
    /// The closer to the figure of a Retrain the better.
    TowardsRetrain,
    /// Neither.
    Neither,
}

/// What a figure is computed from.
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
    /// How long the method took.
    RunTime,
    /// An attack that measured it, or what it is made from.
    Attack,
    /// The scores of a Retrain.
    RetrainScores,
    /// The other figures of a Retrain.
    RetrainFigures,
}

/// All that is known of a model.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Its scores, where they are at hand.
    pub scores: Option<&'a ModelScores>,
    /// Wall seconds of the method alone.
    pub rte_seconds: Option<f64>,
    /// Its figures as far as they are known: those of attacks, and those that come before in the registry.
    pub figures: &'a Values,
    /// A Retrain of the same data, sparsity and seed, where there is one.
    pub retrain: Option<Retrain<'a>>,
}

/// What is known of the Retrain beside a model.
#[derive(Clone, Copy)]
pub struct Retrain<'a> {
    /// Its scores, where they are at hand.
    pub scores: Option<&'a ModelScores>,
    /// Its figures.
    pub figures: &'a Values,
}

impl Figure {
    /// Whether it says something of a model only beside a Retrain.
    pub fn needs_retrain(&self) -> bool {
        self.needs.iter().any(|need| matches!(need, Need::RetrainScores | Need::RetrainFigures))
    }

    /// Whether its distance to Retrain's is of interest.
    pub fn has_gap(&self) -> bool {
        self.direction == Direction::TowardsRetrain
    }

    /// A heading that can stand alone, with the unit: "RTE (s)".
    pub fn heading(&self) -> String {
        match self.unit {
            Unit::Seconds => format!("{} (s)", self.label),
            _ => self.label.to_string(),
        }
    }

    /// Whether a value is one that the figure can have.
    pub fn admits(&self, value: f64) -> bool {
        let [low, high] = self.range;
        value.is_finite() && (low..=high).contains(&value)
    }

    /// The value for people: with as many digits as its unit asks for.
    pub fn shown(&self, value: f64) -> String {
        match self.unit {
            Unit::Percent | Unit::Points | Unit::Seconds => format!("{value:.2}"),
            Unit::Nats | Unit::None => format!("{value:.4}"),
        }
    }
}

/// Two figures are the same if all that can be said of them is.
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
    /// The value of another figure of this model.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name).map(|found| found.value)
    }

    /// The values of another figure of this model and of Retrain.
    pub fn pair(&self, name: &str) -> Option<[f64; 2]> {
        Some([self.figure(name)?, self.retrain?.figures.get(name)?.value])
    }

    /// Both models' scores on the forget set.
    pub fn forget_pair(&self) -> Option<[&'a Scores; 2]> {
        Some([&self.scores?.forget, &self.retrain?.scores?.forget])
    }
}
