//! All measurements from a model's scores: the standard figures and attacks, and any added ones.

use std::sync::atomic::AtomicBool;

use rayon::prelude::*;
use unlearn_metrics::{Figure, Figures, ModelScores, Retrain, Values};

use crate::attack::Attack;
use crate::attacks::ATTACKS;
use crate::features::{self, FEATURES, Feature};
use crate::{Error, Pool, Result, Settings, draws};

/// All measurements from a model's scores.
#[derive(Clone)]
pub struct Registry {
    figures: Figures,
    attacks: Vec<Attack>,
}

impl Default for Registry {
    fn default() -> Self {
        Self::standard()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let attacks: Vec<_> = self.attacks.iter().map(|attack| attack.name).collect();
        f.debug_struct("Registry").field("figures", &self.figures).field("attacks", &attacks).finish()
    }
}

impl Registry {
    /// The figures of [`FIGURES`](unlearn_metrics::FIGURES) and the attacks of [`ATTACKS`].
    pub fn standard() -> Self {
        Self { figures: Figures::standard(), attacks: ATTACKS.to_vec() }
    }

    /// Adds a figure, or replaces the figure of the same name.
    #[must_use]
    pub fn with_figure(self, figure: Figure) -> Self {
        Self { figures: self.figures.with(figure), ..self }
    }

    /// Adds an attack, or replaces the attack of the same name.
    #[must_use]
    pub fn with_attack(mut self, attack: Attack) -> Self {
        match self.attacks.iter_mut().find(|known| known.name == attack.name) {
            Some(known) => *known = attack,
            None => self.attacks.push(attack),
        }
        self
    }

    /// All attacks.
    pub fn attacks(&self) -> &[Attack] {
        &self.attacks
    }

    /// All figures. Those of attacks come last.
    pub fn figures(&self) -> Figures {
        let of_attacks = self.attacks.iter().flat_map(|attack| attack.figures(FEATURES));
        of_attacks.fold(self.figures.clone(), Figures::with)
    }

    /// Looks an attack up by name.
    ///
    /// # Errors
    /// If the name is unknown. The error lists the valid ones.
    pub fn attack(&self, name: &str) -> Result<&Attack> {
        self.attacks.iter().find(|attack| attack.name == name).ok_or_else(|| {
            let valid: Vec<_> = self.attacks.iter().map(|attack| attack.name).collect();
            Error::unknown_name("attack", name, &valid)
        })
    }

    /// The names of the figures that attacks with these settings measure. One that turns out to be undefined for a model's
    /// scores is among its values with the reason.
    ///
    /// # Errors
    /// If an attack or a feature does not exist, or an attack can look at none of the features.
    pub fn measured(&self, settings: &Settings) -> Result<Vec<String>> {
        let features = features(settings)?;
        let mut names = Vec::new();
        for name in &settings.attacks {
            let attack = self.attack(name)?;
            attack.check_features(&features).map_err(|source| Error::in_attack(attack.name, source))?;
            let figures = attack.figures(FEATURES);
            let asked = |figure: &Figure| {
                let feature = figure.name.split_once('.').map(|(_, feature)| feature);
                feature.is_none_or(|name| features.iter().any(|feature| feature.name == name))
            };
            names.extend(figures.into_iter().filter(asked).map(|figure| figure.name.into_owned()));
        }
        Ok(names)
    }

    /// The attack that measures a figure, and its feature if it is an attack by features.
    pub fn measures(&self, figure: &str) -> Option<(String, Option<String>)> {
        let (of_attack, feature) = match figure.split_once('.') {
            Some((of_attack, feature)) => (of_attack, Some(feature)),
            None => (figure, None),
        };
        let known = feature.map(|name| FEATURES.iter().find(|known| known.name == name));
        let attack = self.attacks.iter().find(|attack| {
            let suits = match known {
                None => !attack.by_features(),
                // The attack of an unknown feature is named, and the feature is then refused.
                Some(feature) => attack.by_features() && feature.is_none_or(|feature| attack.looks_at(feature)),
            };
            suits && attack.figures.iter().any(|figure| figure.name == of_attack)
        })?;
        Some((attack.name.to_owned(), feature.map(str::to_owned)))
    }

    /// Runs the attacks that the settings name, in parallel by the threads of the current pool.
    ///
    /// # Errors
    /// If an attack or a feature does not exist, sets are too small, or a solver did not reach the optimum.
    pub fn attacked(&self, scores: &ModelScores, settings: &Settings) -> Result<Values> {
        self.attacked_until(scores, settings, None)
    }

    fn attacked_until(
        &self,
        scores: &ModelScores,
        settings: &Settings,
        interrupt: Option<&AtomicBool>,
    ) -> Result<Values> {
        let features = features(settings)?;
        let attacks = settings.attacks.iter().map(|name| self.attack(name)).collect::<Result<Vec<_>>>()?;
        let attacked: Vec<Result<Values>> = attacks
            .into_par_iter()
            .with_max_len(1)
            .map(|attack| {
                draws::check(interrupt)?;
                match attack.pool {
                    Pool::Alone => {
                        let found = attack.run(scores, &features, &settings.draws(interrupt));
                        found.map_err(|source| Error::in_attack(attack.name, source))
                    }
                }
            })
            .collect();
        let mut values = Values::new();
        for found in attacked {
            values.extend(found?);
        }
        Ok(values)
    }

    /// All figures that can be computed for a model. Runs the attacks that the settings name, then computes the
    /// figures from scores, run time and a Retrain.
    ///
    /// # Errors
    /// As [`Registry::attacked`], and if a value is outside its figure's range.
    pub fn measure(
        &self,
        scores: &ModelScores,
        settings: &Settings,
        rte_seconds: Option<f64>,
        retrain: Option<Retrain<'_>>,
    ) -> Result<Values> {
        self.measure_until(scores, settings, rte_seconds, retrain, None)
    }

    /// As [`Registry::measure`], but no further attack and no further draw of one begins after `interrupt` is set.
    ///
    /// # Errors
    /// As [`Registry::measure`], and [`Error::Interrupted`].
    pub fn measure_until(
        &self,
        scores: &ModelScores,
        settings: &Settings,
        rte_seconds: Option<f64>,
        retrain: Option<Retrain<'_>>,
        interrupt: Option<&AtomicBool>,
    ) -> Result<Values> {
        let mut values = self.attacked_until(scores, settings, interrupt)?;
        self.figures.complete(&mut values, Some(scores), rte_seconds, retrain, |_| true)?;
        Ok(values)
    }
}

/// The features that the settings name.
fn features(settings: &Settings) -> Result<Vec<&'static Feature>> {
    settings.mia.iter().map(|name| features::find(name)).collect()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use unlearn_metrics::figures::{mia_efficacy, ua};
    use unlearn_metrics::{Scores, Value};

    use super::*;
    use crate::attack::Run;
    use crate::{Draws, MemberSelection};

    fn scores() -> ModelScores {
        // The model knows its training samples better, so every feature tells some of them apart.
        let part = |rows: usize, from: f32, known: f32| {
            let logit = |i: usize| (i as f32 * 0.9 + from).sin() * 4.0 + if i % 3 == i / 3 % 3 { known } else { 0.0 };
            let labels = (0..rows as u32).map(|i| i % 3).collect();
            Scores::new((0..rows * 3).map(logit).collect(), labels, 3).unwrap()
        };
        ModelScores {
            retain: part(90, 0.0, 3.0),
            test: part(60, 1.0, 0.0),
            forget: part(5, 2.0, 0.0),
            validation: None,
            triggered: None,
            unseen: None,
        }
    }

    fn settings(registry: &Registry) -> Settings {
        Settings {
            attacks: registry.attacks().iter().map(|attack| attack.name.to_owned()).collect(),
            mia: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
            draws: 3,
            members: MemberSelection::Stratified,
            seed: 1,
        }
    }

    #[test]
    fn every_attack_is_documented_uniquely_named_and_runs_on_every_feature() {
        let registry = Registry::standard();
        let mut names: Vec<_> = registry.attacks().iter().map(|attack| attack.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ATTACKS.len());
        for Attack { name, summary, source, figures, .. } in registry.attacks() {
            assert!(!summary.is_empty() && !source.is_empty() && !figures.is_empty(), "{name}");
        }
        let settings = settings(&registry);
        let values = registry.attacked(&scores(), &settings).unwrap();
        let mut measured = registry.measured(&settings).unwrap();
        measured.sort();
        assert!(values.keys().eq(&measured), "what is announced is what is measured: {measured:?}");
        for (name, value) in &values {
            let (attack, feature) = registry.measures(name).unwrap();
            assert!(registry.attack(&attack).is_ok() && feature.is_none_or(|name| features::find(&name).is_ok()));
            let figure = registry.figures().find(name).unwrap().clone();
            assert!(figure.admits(value.value) && !figure.meaning.is_empty(), "{name}: {value:?}");
        }
    }

    #[test]
    fn the_tables_efficacy_is_the_one_on_the_confidence() {
        let registry = Registry::standard();
        let values = registry.measure(&scores(), &settings(&registry), Some(2.0), None).unwrap();
        assert_eq!(values[mia_efficacy::NAME], values["mia_efficacy.confidence"]);
        assert_eq!(values[mia_efficacy::NAME].draws.len(), 3);
        assert_eq!(values["rte_seconds"].value, 2.0);
        assert!(!values.contains_key("avg_gap"), "there is no Retrain to measure it against");
    }

    #[test]
    fn an_attack_from_outside_is_run_and_its_figures_are_known() {
        const FIGURE: Figure = Figure {
            name: Cow::Borrowed("guess"),
            label: Cow::Borrowed("Guess"),
            needs: &[unlearn_metrics::Need::Forget, unlearn_metrics::Need::Attack],
            compute: |_| Ok(None),
            ..ua::FIGURE
        };
        let run =
            |scores: &ModelScores, draws: &Draws| Ok(vec![Value::exact((scores.forget.len() + draws.count) as f64)]);
        let guess = Attack {
            name: "guess",
            summary: "counts",
            source: "here",
            pool: Pool::Alone,
            figures: &[FIGURE],
            run: Run::Once(run),
        };
        let registry = Registry::standard().with_attack(guess.clone()).with_attack(guess);
        assert_eq!(registry.attacks().len(), ATTACKS.len() + 1);
        let values = registry.measure(&scores(), &settings(&registry), None, None).unwrap();
        assert_eq!(values["guess"].value, 8.0);
        assert!(registry.figures().get("guess").is_some());
    }

    #[test]
    fn an_attack_on_numbers_leaves_vectors_out_and_refuses_to_have_nothing_else() {
        let registry = Registry::standard();
        let with = |mia: &[&str]| Settings {
            attacks: vec!["threshold".into()],
            mia: mia.iter().map(|name| (*name).to_owned()).collect(),
            ..settings(&registry)
        };
        let measured = registry.measured(&with(&["prob", "entropy"])).unwrap();
        assert_eq!(measured, ["threshold_accuracy.entropy", "threshold_efficacy.entropy", "threshold_auc.entropy"]);
        assert_eq!(registry.measures("threshold_auc.prob"), None);
        let message = registry.measured(&with(&["prob"])).unwrap_err().to_string();
        assert!(message.starts_with("attack `threshold`: ") && message.contains("`prob`"), "{message}");
        assert!(message.contains("add one of confidence, correctness, entropy, m-entropy"), "{message}");
        assert!(registry.attacked(&scores(), &with(&["prob"])).is_err());
    }

    #[test]
    fn a_figure_that_is_undefined_has_a_reason_and_an_impossible_one_is_refused() {
        const FIGURE: Figure = Figure { name: Cow::Borrowed("guess"), ..ua::FIGURE };
        let guess = |run| Attack {
            name: "guess",
            summary: "guesses",
            source: "here",
            pool: Pool::Alone,
            figures: &[FIGURE],
            run: Run::Once(run),
        };
        let run = |run| {
            let registry = Registry::standard().with_attack(guess(run));
            registry.attacked(&scores(), &Settings { attacks: vec!["guess".into()], ..settings(&registry) })
        };
        let undefined = run(|_, _| Ok(vec![Value::undefined("nothing is known")])).unwrap();
        assert_eq!(undefined["guess"], Value::undefined("nothing is known"));
        let message = run(|_, _| Ok(vec![Value::exact(101.0)])).unwrap_err().to_string();
        assert_eq!(message, "attack `guess`: UA is 101, but must lie between 0 and 100");
    }

    #[test]
    fn equal_scores_of_retain_and_test_set_leave_every_attack_undefined() {
        let registry = Registry::standard();
        let part = |rows: usize, row: [f32; 3]| Scores::new(row.repeat(rows), vec![1; rows], 3).unwrap();
        let dead = ModelScores {
            retain: part(12, [0.5, 2.0, 0.0]),
            test: part(8, [0.5, 2.0, 0.0]),
            forget: part(4, [3.0, 0.0, 0.0]),
            ..scores()
        };
        let values = registry.measure(&dead, &settings(&registry), None, None).unwrap();
        let attacked = registry.measured(&settings(&registry)).unwrap();
        for name in attacked.iter().map(String::as_str).chain([mia_efficacy::NAME]) {
            let reason = values[name].undefined.as_deref().unwrap_or("defined");
            assert!(reason.starts_with("all retained and test samples have the same "), "{name}: {reason}");
        }
        assert_eq!(values["mia_efficacy"], Value::undefined("all retained and test samples have the same confidence"));
        // One test sample that differs is something to fit.
        let alive = ModelScores {
            test: Scores::new([[0.5, 2.0, 0.0].repeat(7), vec![0.0; 3]].concat(), vec![1; 8], 3).unwrap(),
            ..dead
        };
        let values = registry.measure(&alive, &settings(&registry), None, None).unwrap();
        assert!(values[mia_efficacy::NAME].number().is_some());
    }

    #[test]
    fn an_unknown_name_lists_the_valid_ones() {
        let message = Registry::standard().attack("mia_privacy").err().unwrap().to_string();
        assert!(message.contains("did you mean `mia-privacy`") && message.contains("mia-efficacy"), "{message}");
    }
}
