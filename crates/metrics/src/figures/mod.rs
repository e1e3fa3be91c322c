//! All figures by name. Each has one file, and one line here.

pub mod activation_distance;
pub mod agreement;
pub mod asr;
pub mod asr_compat;
pub mod avg_gap;
pub mod cka;
pub mod cka_original;
pub mod error_bound;
pub mod false_alarms;
pub mod hessian_eigenvalue;
pub mod js;
pub mod kl;
pub mod mia_distance;
pub mod mia_efficacy;
pub mod mmd;
pub mod probe_accuracy;
pub mod ra;
pub mod recall;
pub mod relearn_steps;
pub mod rte_seconds;
pub mod sa;
pub mod subclass_accuracy;
pub mod ta;
pub mod target_finetune;
pub mod target_probe;
pub mod tow;
pub mod tow_mia;
pub mod training_shift;
pub mod ua;
pub mod unlearning_error;
pub mod validation_accuracy;
pub mod weight_change;
pub mod weight_distance;
pub mod zrf;

use crate::{Error, Evidence, Figure, ModelScores, Result, Retrain, Values};

/// All figures except those of attacks, in the order of columns. A figure may use the ones before it.
pub static FIGURES: &[Figure] = &[
    ua::FIGURE,
    mia_efficacy::FIGURE,
    ra::FIGURE,
    ta::FIGURE,
    asr::FIGURE,
    target_probe::FIGURE,
    target_finetune::FIGURE,
    avg_gap::FIGURE,
    rte_seconds::FIGURE,
    validation_accuracy::FIGURE,
    sa::FIGURE,
    subclass_accuracy::FIGURE,
    asr_compat::FIGURE,
    recall::FIGURE,
    false_alarms::FIGURE,
    mia_distance::FIGURE,
    tow::FIGURE,
    tow_mia::FIGURE,
    kl::FIGURE,
    js::FIGURE,
    activation_distance::FIGURE,
    agreement::FIGURE,
    probe_accuracy::FIGURE,
    relearn_steps::FIGURE,
    cka::FIGURE,
    cka_original::FIGURE,
    weight_distance::FIGURE,
    weight_change::FIGURE,
    unlearning_error::FIGURE,
    training_shift::FIGURE,
    hessian_eigenvalue::FIGURE,
    error_bound::FIGURE,
    zrf::FIGURE,
    mmd::FIGURE,
];

/// The figures that a program knows: the standard ones and any added ones.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures(Vec<Figure>);

impl Default for Figures {
    fn default() -> Self {
        Self::standard()
    }
}

impl Figures {
    /// The figures of [`FIGURES`].
    pub fn standard() -> Self {
        Self(FIGURES.to_vec())
    }

    /// Adds a figure, or replaces the figure of the same name.
    #[must_use]
    pub fn with(mut self, figure: Figure) -> Self {
        match self.0.iter_mut().find(|known| known.name == figure.name) {
            Some(known) => *known = figure,
            None => self.0.push(figure),
        }
        self
    }

    /// All figures, in the order of columns.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Figure> {
        self.0.iter()
    }

    /// The figures of the main table, in the order of its columns.
    pub fn in_table(&self) -> Vec<&Figure> {
        self.iter().filter(|figure| figure.in_table).collect()
    }

    /// Looks a figure up by name.
    pub fn get(&self, name: &str) -> Option<&Figure> {
        self.iter().find(|figure| figure.name == name)
    }

    /// Looks up a figure that a user asked for.
    ///
    /// # Errors
    /// If the name is unknown. The error lists the valid ones.
    pub fn find(&self, name: &str) -> Result<&Figure> {
        self.get(name).ok_or_else(|| {
            let valid = self.iter().map(|figure| figure.name.as_ref()).collect::<Vec<_>>().join(", ");
            Error::UnknownFigure { name: name.to_owned(), valid }
        })
    }

    /// Adds to `values` every figure that `wanted` admits, that is missing in `values`, and that can be computed.
    ///
    /// # Errors
    /// If scores do not match, or a value is outside its figure's range.
    pub fn complete(
        &self,
        values: &mut Values,
        scores: Option<&ModelScores>,
        rte_seconds: Option<f64>,
        retrain: Option<Retrain<'_>>,
        wanted: impl Fn(&Figure) -> bool,
    ) -> Result<()> {
        for figure in self.iter().filter(|figure| wanted(figure)) {
            if values.contains_key(figure.name.as_ref()) {
                continue;
            }
            let evidence = Evidence { scores, rte_seconds, figures: values, retrain };
            let Some(value) = (figure.compute)(&evidence)? else { continue };
            if value.number().is_some_and(|number| !figure.admits(number)) {
                let [low, high] = figure.range;
                let figure = figure.label.to_string();
                return Err(Error::Range { figure, value: value.value, low, high });
            }
            values.insert(figure.name.to_string(), value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Need, Scores, Triggered, Value};

    fn scores(shift: f32) -> ModelScores {
        let part = |rows: usize, from: f32| {
            let logits = (0..rows * 3).map(|i| (i as f32 * 0.9 + from + shift).sin() * 4.0).collect();
            Scores::new(logits, (0..rows as u32).map(|i| i % 3).collect(), 3).unwrap()
        };
        let triggered = Some(Triggered { scores: part(8, 4.0), target: 1, poison: vec![2] });
        let (forget, retain, test, validation) = (part(6, 0.0), part(9, 1.0), part(7, 2.0), Some(part(5, 3.0)));
        ModelScores { forget, retain, test, validation, triggered, unseen: None }
    }

    /// The values that attacks, transfers and audits would have measured.
    fn attacked() -> Values {
        let of_attack = (mia_efficacy::MEASURED_AS.to_owned(), Value::over_draws(vec![40.0, 60.0]).unwrap());
        let of_stages =
            FIGURES.iter().filter(|figure| matches!(figure.needs, [Need::Transfer | Need::Audit | Need::Subclasses]));
        let of_stages = of_stages.map(|figure| (figure.name.to_string(), Value::exact(figure.range[1].min(70.0))));
        of_stages.chain([of_attack]).collect()
    }

    #[test]
    fn every_figure_is_documented_uniquely_named_computed_and_within_its_range() {
        let figures = Figures::standard();
        let names: BTreeSet<_> = figures.iter().map(|figure| figure.name.clone()).collect();
        assert_eq!(names.len(), FIGURES.len());
        let (model, retrain) = (scores(0.0), scores(0.3));
        let mut theirs = attacked();
        figures.complete(&mut theirs, Some(&retrain), Some(9.0), None, |_| true).unwrap();
        let mut ours = attacked();
        let beside = Retrain { scores: Some(&retrain), figures: &theirs };
        figures.complete(&mut ours, Some(&model), Some(1.5), Some(beside), |_| true).unwrap();
        for figure in figures.iter() {
            let Figure { name, label, meaning, source, needs, .. } = figure;
            assert!(!label.is_empty() && !meaning.is_empty() && !source.is_empty() && !needs.is_empty(), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name} is a key of files");
            assert!(figure.admits(ours[name.as_ref()].value), "{name}");
            assert_eq!(figure.needs_retrain(), !theirs.contains_key(name.as_ref()), "{name}");
        }
        let without_time = {
            let mut values = Values::new();
            figures.complete(&mut values, Some(&model), None, None, |_| true).unwrap();
            values
        };
        for figure in figures.iter().filter(|figure| without_time.contains_key(figure.name.as_ref())) {
            assert!(!figure.needs.contains(&Need::RunTime) && !figure.needs.contains(&Need::Attack));
        }
    }

    #[test]
    fn a_retrain_is_closest_to_itself() {
        let figures = Figures::standard();
        let model = scores(0.0);
        let mut theirs = attacked();
        figures.complete(&mut theirs, Some(&model), None, None, |_| true).unwrap();
        let mut ours = theirs.clone();
        let beside = Retrain { scores: Some(&model), figures: &theirs };
        figures.complete(&mut ours, Some(&model), None, Some(beside), |_| true).unwrap();
        let of = |name: &str| ours[name].value;
        assert_eq!([of("avg_gap"), of("tow"), of("kl"), of("js")], [0.0, 1.0, 0.0, 0.0]);
        assert_eq!([of("activation_distance"), of("agreement")], [0.0, 100.0]);
    }

    #[test]
    fn a_figure_from_outside_is_one_of_them_and_an_impossible_value_is_named() {
        let share = Figure { name: "share".into(), compute: |_| Ok(Some(Value::exact(101.0))), ..ua::FIGURE };
        let figures = Figures::standard().with(share.clone()).with(share);
        assert_eq!(figures.iter().count(), FIGURES.len() + 1);
        let refused = figures.complete(&mut Values::new(), None, None, None, |_| true).unwrap_err().to_string();
        assert_eq!(refused, "UA is 101, but must lie between 0 and 100");
        let message = figures.find("tou").unwrap_err().to_string();
        assert!(message.contains("`tou`") && message.contains("tow, "), "{message}");
    }
}
