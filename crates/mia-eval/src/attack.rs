//! The description of an attack: its name, the models that it needs, its figures, and its implementation.

use rayon::prelude::*;
use unlearn_metrics::{Figure, ModelScores, Value, Values};

use crate::features::{Dimension, FEATURES, Feature};
use crate::{Draws, Error, Result};

/// One attack.
#[derive(Clone)]
pub struct Attack {
    /// Name in configs and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Publication that defines it.
    pub source: &'static str,
    /// The models that it needs in addition to the attacked one.
    pub pool: Pool,
    /// The figures that it measures. An attack by features measures each of them once per feature.
    pub figures: &'static [Figure],
    /// Its implementation.
    pub run: Run,
}

/// The models that an attack needs in addition to the attacked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pool {
    /// None.
    Alone,
}

/// The implementation of an attack. All variants return the values of its figures, in their order. A figure that is
/// undefined for the scores is [`Value::undefined`], with the reason.
#[derive(Clone, Copy)]
pub enum Run {
    /// Runs once for each feature asked for.
    ByFeature(fn(&ModelScores, &'static Feature, &Draws) -> Result<Vec<Value>>),
    /// Runs once for each scalar feature asked for.
    ByScalar(fn(&ModelScores, &'static Feature, &Draws) -> Result<Vec<Value>>),
    /// Runs once, on data that the attack chooses itself.
    Once(fn(&ModelScores, &Draws) -> Result<Vec<Value>>),
}

impl Attack {
    /// Whether the attack measures its figures once per feature.
    pub const fn by_features(&self) -> bool {
        matches!(self.run, Run::ByFeature(_) | Run::ByScalar(_))
    }

    /// Whether the attack, which is one by features, can look at this one.
    pub fn looks_at(&self, feature: &Feature) -> bool {
        match self.run {
            Run::ByFeature(_) => true,
            Run::ByScalar(_) => feature.dimension == Dimension::Scalar,
            Run::Once(_) => false,
        }
    }

    /// All figures that the attack measures. An attack by features measures those of each of `features` that it can look
    /// at.
    pub fn figures(&self, features: &'static [Feature]) -> Vec<Figure> {
        if !self.by_features() {
            return self.figures.to_vec();
        }
        let features = features.iter().filter(|feature| self.looks_at(feature));
        features.flat_map(|feature| self.figures.iter().map(|figure| on(figure, feature))).collect()
    }

    /// Attacks a model. An attack by features uses each of `features` that it can look at in turn. A figure that is
    /// undefined for these scores is left out.
    ///
    /// # Errors
    /// If sets are too small, a solver did not reach the optimum, a value is outside its figure's range, or the attack can
    /// look at none of the features.
    pub fn run(&self, scores: &ModelScores, features: &[&'static Feature], draws: &Draws) -> Result<Values> {
        let mut values = Values::new();
        let mut add = |names: Vec<String>, found: Vec<Value>| {
            for ((name, value), figure) in names.into_iter().zip(found).zip(self.figures) {
                if value.number().is_some_and(|number| !figure.admits(number)) {
                    let [low, high] = figure.range;
                    let figure = figure.label.to_string();
                    return Err(unlearn_metrics::Error::Range { figure, value: value.value, low, high }.into());
                }
                values.insert(name, value);
            }
            Ok::<_, Error>(())
        };
        match self.run {
            Run::Once(run) => {
                add(self.figures.iter().map(|figure| figure.name.to_string()).collect(), run(scores, draws)?)?;
            }
            Run::ByFeature(run) | Run::ByScalar(run) => {
                self.check_features(features)?;
                let features: Vec<_> = features.iter().filter(|feature| self.looks_at(feature)).collect();
                let of_feature = |feature: &&&'static Feature| {
                    crate::draws::check(draws.interrupt)?;
                    run(scores, feature, draws)
                };
                let found: Vec<Result<Vec<Value>>> = features.par_iter().with_max_len(1).map(of_feature).collect();
                for (feature, found) in features.into_iter().zip(found) {
                    let names = self.figures.iter().map(|figure| name_on(figure, feature)).collect();
                    let mut found = found?;
                    if feature.is_equal_for_all([&scores.retain, &scores.test]) {
                        found = found.iter().map(|_| nothing_to_tell_apart(feature.name)).collect();
                    }
                    add(names, found)?;
                }
            }
        }
        Ok(values)
    }

    /// Checks that an attack by features can look at one of them, if there are any.
    pub(crate) fn check_features(&self, features: &[&'static Feature]) -> Result<()> {
        let none = self.by_features() && !features.iter().any(|feature| self.looks_at(feature));
        if none && !features.is_empty() {
            let names = |names: Vec<&str>| names.join(", ");
            let valid = names(FEATURES.iter().filter(|feature| self.looks_at(feature)).map(|f| f.name).collect());
            return Err(Error::NoFeature { asked: names(features.iter().map(|f| f.name).collect()), valid });
        }
        Ok(())
    }
}

/// The value of a figure of an attack that looks at something which all retained and test samples have in common.
pub(crate) fn nothing_to_tell_apart(feature: &str) -> Value {
    Value::undefined(format!("all retained and test samples have the same {feature}"))
}

/// The figure of an attack for one feature.
fn on(figure: &Figure, feature: &Feature) -> Figure {
    Figure {
        name: name_on(figure, feature).into(),
        label: format!("{} ({})", figure.label, feature.name).into(),
        meaning: format!("{}; it looks at `{}`", figure.meaning, feature.name).into(),
        ..figure.clone()
    }
}

fn name_on(figure: &Figure, feature: &Feature) -> String {
    format!("{}.{}", figure.name, feature.name)
}
