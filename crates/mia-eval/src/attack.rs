//! What an attack is: its name, the models it needs, its figures, and how it is run.

use unlearn_metrics::{Figure, ModelScores, Value, Values};

use crate::features::Feature;
use crate::{Draws, Result};

/// One attack.
#[derive(Clone)]
pub struct Attack {
    /// Name in configs and reports.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// Which models it needs beside the one that it attacks.
    pub pool: Pool,
    /// What it measures; with an attack by features, each once a feature.
    pub figures: &'static [Figure],
    /// How it is run.
    pub run: Run,
}

/// Which models an attack needs beside the one that it attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pool {
    /// None.
    Alone,
}

/// How an attack is run. Both give the values of its figures, in their order.
#[derive(Clone, Copy)]
pub enum Run {
    /// Once for each feature asked for.
    ByFeature(fn(&ModelScores, &'static Feature, &Draws) -> Result<Vec<Value>>),
    /// Once; it looks at what is its own.
    Once(fn(&ModelScores, &Draws) -> Result<Vec<Value>>),
}

impl Attack {
    /// Every figure that it can measure: for an attack by features those of each of `features`.
    pub fn figures(&self, features: &'static [Feature]) -> Vec<Figure> {
        match self.run {
            Run::Once(_) => self.figures.to_vec(),
            Run::ByFeature(_) => {
                features.iter().flat_map(|feature| self.figures.iter().map(|figure| on(figure, feature))).collect()
            }
        }
    }

    /// Attacks a model; `features` is what an attack by features looks at, one after the other.
    ///
    /// # Errors
    /// Sets that are too small, or an optimum that was not reached.
    pub fn run(&self, scores: &ModelScores, features: &[&'static Feature], draws: &Draws) -> Result<Values> {
        let mut values = Values::new();
        match self.run {
            Run::Once(run) => {
                let found = run(scores, draws)?;
                values.extend(self.figures.iter().map(|figure| figure.name.to_string()).zip(found));
            }
            Run::ByFeature(run) => {
                for feature in features {
                    let names = self.figures.iter().map(|figure| name_on(figure, feature));
                    values.extend(names.zip(run(scores, feature, draws)?));
                }
            }
        }
        Ok(values)
    }
}

/// The figure of an attack that looks at a feature.
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
