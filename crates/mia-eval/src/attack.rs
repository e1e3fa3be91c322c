//! The description of an attack: its name, the models that it needs, its figures, and its implementation.

use unlearn_metrics::{Figure, ModelScores, Value, Values};

use crate::features::Feature;
use crate::{Draws, Result};

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

/// The implementation of an attack. Both variants return the values of its figures, in their order.
#[derive(Clone, Copy)]
pub enum Run {
    /// Runs once for each feature asked for.
    ByFeature(fn(&ModelScores, &'static Feature, &Draws) -> Result<Vec<Value>>),
    /// Runs once, on data that the attack chooses itself.
    Once(fn(&ModelScores, &Draws) -> Result<Vec<Value>>),
}

impl Attack {
    /// All figures that the attack measures. An attack by features measures those of each of `features`.
    pub fn figures(&self, features: &'static [Feature]) -> Vec<Figure> {
        match self.run {
            Run::Once(_) => self.figures.to_vec(),
            Run::ByFeature(_) => {
                features.iter().flat_map(|feature| self.figures.iter().map(|figure| on(figure, feature))).collect()
            }
        }
    }

    /// Attacks a model. An attack by features uses each of `features` in turn.
    ///
    /// # Errors
    /// If sets are too small, or a solver did not reach the optimum.
    pub fn run(&self, scores: &ModelScores, features: &[&'static Feature], draws: &Draws) -> Result<Values> {
        let mut values = Values::new();
        match self.run {
            Run::Once(run) => {
                let found = run(scores, draws)?;
                values.extend(self.figures.iter().map(|figure| figure.name.to_string()).zip(found));
            }
            Run::ByFeature(run) => {
                for feature in features {
                    crate::draws::check(draws.interrupt)?;
                    let names = self.figures.iter().map(|figure| name_on(figure, feature));
                    values.extend(names.zip(run(scores, feature, draws)?));
                }
            }
        }
        Ok(values)
    }
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
