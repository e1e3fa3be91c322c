//! The source of a report's figures: the rows of evaluations, or their scores.

use serde::Deserialize as _;
use unlearn_metrics::{Figure, ModelScores, Need, Values, figures::rte_seconds};
use unlearn_mia_eval::{Registry, Settings};
use unlearn_run_store::{Evaluation, Stage, StoredScores};

use crate::error::{ReportError, Result};

/// The source of a report's figures.
pub(crate) trait Source {
    /// The figures of the model that an `evaluate` stage judged, without comparison to others.
    fn figures(&self, stage: &Stage) -> Result<Values>;
    /// Its scores, if figures that need them are wanted.
    fn scores(&self, stage: &Stage) -> Result<Option<ModelScores>>;
    /// Whether a missing figure is wanted.
    fn wants(&self, figure: &Figure) -> bool;
}

/// The figures that evaluations left.
pub(crate) struct Stored;

impl Source for Stored {
    fn figures(&self, stage: &Stage) -> Result<Values> {
        Ok(Evaluation::of(stage)?.figures)
    }

    fn scores(&self, _: &Stage) -> Result<Option<ModelScores>> {
        Ok(None)
    }

    fn wants(&self, _: &Figure) -> bool {
        true
    }
}

/// Figures computed again from stored scores, and additional requested ones.
pub(crate) struct Recomputed<'a> {
    registry: &'a Registry,
    /// Attacks with a requested figure: name, and the feature if there is one.
    attacks: Vec<(String, Option<String>)>,
    /// Names of the requested figures.
    asked: &'a [String],
    /// Whether one of them needs the scores of Retrain.
    beside_retrain: bool,
}

impl<'a> Recomputed<'a> {
    /// The figures of a report and those in `asked`.
    ///
    /// # Errors
    /// [`ReportError::Attack`](crate::ReportError::Attack) if a figure does not exist.
    pub(crate) fn new(registry: &'a Registry, asked: &'a [String]) -> Result<Self> {
        let figures = registry.figures();
        let mut attacks = Vec::new();
        let mut beside_retrain = false;
        for name in asked {
            let figure = figures.find(name).map_err(unlearn_mia_eval::Error::from)?;
            beside_retrain |= figure.needs.contains(&Need::RetrainScores);
            attacks.extend(registry.measures(name));
        }
        Ok(Self { registry, attacks, asked, beside_retrain })
    }
}

impl Source for Recomputed<'_> {
    fn figures(&self, stage: &Stage) -> Result<Values> {
        let stored = Evaluation::of(stage)?.figures;
        let scores = StoredScores::of(stage)?.scores;
        let seconds = stored.get(rte_seconds::NAME).map(|found| found.value);
        // The configuration of an `evaluate` stage, under `attacks`.
        let settings: Option<Settings> =
            stage.manifest().config.get("attacks").and_then(|attacks| Settings::deserialize(attacks).ok());
        let mut values = if let Some(settings) = &settings {
            self.registry.measure(&scores, settings, seconds, None)?
        } else {
            // An older stage did not record its attack settings, so its attacks cannot be repeated.
            let figures = self.registry.figures();
            let is_attacks = |name: &str| figures.get(name).is_some_and(|figure| figure.needs.contains(&Need::Attack));
            let kept = stored.iter().filter(|(name, _)| is_attacks(name));
            let mut values: Values = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            let computed = figures.complete(&mut values, Some(&scores), seconds, None, |_| true);
            computed.map_err(unlearn_mia_eval::Error::from)?;
            values
        };
        for (attack, feature) in &self.attacks {
            let Some(settings) = &settings else {
                let folder = stage.path().to_path_buf();
                return Err(ReportError::OlderAttack { attack: attack.clone(), folder });
            };
            let mia = feature.iter().cloned().collect();
            let settings = Settings { attacks: vec![attack.clone()], mia, ..settings.clone() };
            for (name, value) in self.registry.attacked(&scores, &settings)? {
                values.entry(name).or_insert(value);
            }
        }
        // Figures that only the evaluating program could compute stay unchanged.
        for (name, value) in stored {
            values.entry(name).or_insert(value);
        }
        Ok(values)
    }

    fn scores(&self, stage: &Stage) -> Result<Option<ModelScores>> {
        if self.beside_retrain { Ok(Some(StoredScores::of(stage)?.scores)) } else { Ok(None) }
    }

    fn wants(&self, figure: &Figure) -> bool {
        !figure.needs.contains(&Need::RetrainScores) || self.asked.iter().any(|name| *name == figure.name)
    }
}
