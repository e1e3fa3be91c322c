//! Judges how well a model forgot: its scores on the sets of a request, and the figures computed from them.

use std::{collections::BTreeSet, sync::atomic::AtomicBool};

use unlearn::{
    Error,
    parts::{self, scores_until},
};
use unlearn_metrics::{ModelScores, Retrain, Scores, Value, Values, auc, figures::subclass_accuracy};
use unlearn_mia_eval::{Registry, Settings};
use unlearn_network::Network;
use unlearn_samples::{Dataset, Division};

use crate::{data::Poisoning, subclass};

/// The samples that a model is judged on, as positions in the official training and test sets.
pub(crate) struct Sets<'a> {
    pub(crate) dataset: &'a Dataset,
    /// Everything that must be forgotten, D_f.
    pub(crate) forget: &'a [u32],
    /// D_r, and the classes that are forgotten whole. The test set omits them too.
    pub(crate) division: &'a Division,
    /// D_v. It may be empty.
    pub(crate) validation: &'a [u32],
    /// Samples of the split that a model of a pool was never trained with. Empty outside pools.
    pub(crate) unseen: &'a [u32],
    /// The poison of a backdoor, if there is one.
    pub(crate) poisoning: Option<&'a Poisoning>,
}

/// How a model is judged.
#[derive(Clone, Copy)]
pub(crate) struct Judging<'a> {
    /// All figures and attacks.
    pub(crate) registry: &'a Registry,
    /// Which attacks are run, and how.
    pub(crate) settings: &'a Settings,
    /// Run time of the method, if there was one.
    pub(crate) rte_seconds: Option<f64>,
    /// A Retrain that was judged on the same sets.
    pub(crate) retrain: Option<&'a Judgement>,
    /// Set when the user wants to stop.
    pub(crate) interrupt: Option<&'a AtomicBool>,
}

/// A judged model.
pub(crate) struct Judgement {
    pub(crate) scores: ModelScores,
    /// Every figure that could be computed.
    pub(crate) figures: Values,
}

impl<'a> Sets<'a> {
    /// The sets with these test images.
    fn with_test(&self, test: &'a [u32]) -> parts::Sets<'a> {
        let Self { dataset, forget, division, validation, unseen, poisoning } = *self;
        let retain = &division.retain;
        parts::Sets { dataset, forget, retain, test, validation, unseen, backdoor: poisoning.map(Poisoning::backdoor) }
    }
}

/// Judges a model.
///
/// The error is a reason for users: the network cannot predict, a set is too small for an attack, or a figure is not
/// finite.
pub(crate) fn judge(network: &mut Network, sets: &Sets<'_>, judging: &Judging<'_>) -> Result<Judgement, Box<Error>> {
    let test = sets.division.test(sets.dataset);
    let scores = sets.with_test(&test).scores(network, judging.interrupt)?;
    let Judging { registry, settings, rte_seconds, retrain, interrupt } = *judging;
    let retrain = retrain.map(|Judgement { scores, figures }| Retrain { scores: Some(scores), figures });
    let mut figures =
        registry.measure_until(&scores, settings, rte_seconds, retrain, interrupt).map_err(Error::from)?;
    let accuracy = accuracy_on_subclasses(sets, &test, &scores.test);
    figures.extend(accuracy.map(|accuracy| (subclass_accuracy::NAME.to_owned(), Value::exact(accuracy))));
    Ok(Judgement { scores, figures })
}

/// Accuracy, in percent, on the test samples of the subclasses that are forgotten. `None` if there are none. `scores` are those on the
/// samples at `positions`.
fn accuracy_on_subclasses(sets: &Sets<'_>, positions: &[u32], scores: &Scores) -> Option<f64> {
    let Sets { dataset, forget, division, .. } = sets;
    let subclasses = dataset.subclasses.as_ref()?;
    let forgotten = subclass::forgotten_whole(dataset, forget, &division.retain, &division.whole_classes);
    let is_of = |position: &u32| forgotten.contains(&subclasses.test[*position as usize]);
    let correct: Vec<bool> = positions
        .iter()
        .zip(scores.correct())
        .filter(|(position, _)| is_of(position))
        .map(|(_, correct)| correct)
        .collect();
    let right = correct.iter().filter(|correct| **correct).count();
    (!correct.is_empty()).then(|| 100.0 * right as f64 / correct.len() as f64)
}

/// Figures of a model that need no test set.
pub(crate) struct Foresight {
    /// The figures, with the validation set in place of the test set. `ta` is the validation accuracy, and attacks
    /// are fitted on validation images.
    pub(crate) figures: Values,
    /// Probability that a forgotten sample has a lower loss than a validation sample of the forgotten classes, 0..1.
    pub(crate) forget_auc: f64,
}

/// Judges a model without its test set, on training images alone.
///
/// # Errors
/// As for [`judge`]. Also if the validation set has no image of the forgotten classes.
pub(crate) fn foresee(network: &mut Network, sets: &Sets<'_>, judging: &Judging<'_>) -> Result<Foresight, Box<Error>> {
    let train = &sets.dataset.train;
    let label = |position: &u32| train.labels[*position as usize];
    let (whole, others): (Vec<u32>, Vec<u32>) =
        sets.validation.iter().partition(|position| sets.division.whole_classes.contains(&label(position)));
    let classes: BTreeSet<u32> = sets.forget.iter().map(label).collect();
    let mut score = |positions: &[u32]| scores_until(network, train, positions, judging.interrupt).map_err(Box::new);
    let scores = ModelScores {
        forget: score(sets.forget)?,
        retain: score(&sets.division.retain)?,
        test: score(&others)?,
        validation: None,
        triggered: None,
        unseen: None,
    };
    let akin = |scores: &Scores| -> Vec<f64> {
        let of_classes = scores.losses().zip(scores.labels()).filter(|(_, label)| classes.contains(label));
        of_classes.map(|(loss, _)| loss).collect()
    };
    let mut unseen = akin(&scores.test);
    if !whole.is_empty() {
        unseen.extend(akin(&score(&whole)?));
    }
    let forgotten: Vec<f64> = scores.forget.losses().collect();
    let forget_auc = auc(&unseen, &forgotten).map_err(Error::from)?;
    let Judging { registry, settings, rte_seconds, interrupt, .. } = *judging;
    let figures = registry.measure_until(&scores, settings, rte_seconds, None, interrupt).map_err(Error::from)?;
    Ok(Foresight { figures, forget_auc })
}

#[cfg(test)]
mod tests {
    use std::{borrow::Cow, sync::atomic::Ordering};

    use unlearn_datasets::{registry, registry::OpenOptions};
    use unlearn_metrics::{Figure, Need, figures::ua};
    use unlearn_mia_eval::{Attack, Draws, MemberSelection, Pool, Run};
    use unlearn_models::initialize;
    use unlearn_network::DeviceChoice;

    use super::*;

    struct Place {
        dataset: Dataset,
        forget: Vec<u32>,
        division: Division,
        validation: Vec<u32>,
    }

    fn place() -> Place {
        place_without(&[])
    }

    /// `whole_classes` are forgotten whole.
    fn place_without(whole_classes: &[u32]) -> Place {
        let dataset = registry::open("fashion-mnist-mini", &OpenOptions::default()).unwrap();
        let division = Division { retain: (60..300).collect(), whole_classes: whole_classes.to_vec() };
        Place { dataset, forget: (40..60).collect(), division, validation: (0..40).collect() }
    }

    fn network(dataset: &Dataset, seed: u64) -> Network {
        let graph = unlearn_models::find("resnet8s").unwrap().graph(&parts::input_spec(dataset)).unwrap();
        let state = initialize(&graph, seed);
        Network::new(graph, state, DeviceChoice::default()).unwrap()
    }

    fn sets(place: &Place) -> Sets<'_> {
        let Place { dataset, forget, division, validation } = place;
        Sets { dataset, forget, division, validation, unseen: &[], poisoning: None }
    }

    fn settings(attacks: &[&str], draws: usize) -> Settings {
        Settings {
            attacks: attacks.iter().map(|name| (*name).to_owned()).collect(),
            mia: vec!["confidence".into(), "entropy".into()],
            draws,
            members: MemberSelection::Stratified,
            seed: 5,
        }
    }

    fn names(figures: &Values) -> Vec<&str> {
        figures.keys().map(String::as_str).collect()
    }

    #[test]
    fn the_attacks_that_are_named_are_run_and_no_others() {
        let place = place();
        let mut network = network(&place.dataset, 1);
        let registry = Registry::standard();
        let mut judged = |attacks: &[&str], draws| {
            let settings = settings(attacks, draws);
            let judging = Judging {
                registry: &registry,
                settings: &settings,
                rte_seconds: Some(1.5),
                retrain: None,
                interrupt: None,
            };
            judge(&mut network, &sets(&place), &judging)
        };
        let alone = judged(&["mia-efficacy"], 4).unwrap();
        let always = ["ra", "rte_seconds", "ta", "ua", "validation_accuracy"];
        let efficacies = ["mia_efficacy", "mia_efficacy.confidence", "mia_efficacy.entropy"];
        assert_eq!(names(&alone.figures), [&efficacies[..], &always].concat());
        assert_eq!(alone.figures["mia_efficacy"].draws.len(), 4);
        assert!(alone.figures["mia_efficacy"].interval.is_some());
        let other = judged(&["loss-threshold"], 1).unwrap();
        let thresholds = ["loss_threshold_advantage", "loss_threshold_efficacy"];
        assert_eq!(names(&other.figures), [&thresholds[..], &always].concat());
        assert_eq!(other.scores, alone.scores);
        assert_eq!(alone.scores.forget.positions(), place.forget);
        let message = judged(&["mia"], 1).err().unwrap().to_string();
        assert!(message.contains("unknown attack `mia`"), "{message}");
    }

    #[test]
    fn a_class_forgotten_whole_leaves_the_test_set_and_a_model_is_closest_to_itself() {
        let place = place_without(&[3]);
        let registry = Registry::standard();
        let settings = settings(&["mia-efficacy"], 2);
        let judging =
            |retrain| Judging { registry: &registry, settings: &settings, rte_seconds: None, retrain, interrupt: None };
        let [mut one, mut two] = [1, 2].map(|seed| network(&place.dataset, seed));
        let retrain = judge(&mut one, &sets(&place), &judging(None)).unwrap();
        assert!(retrain.scores.test.labels().iter().all(|label| *label != 3));
        assert!(!retrain.figures.contains_key("avg_gap"));
        let itself = judge(&mut one, &sets(&place), &judging(Some(&retrain))).unwrap();
        assert_eq!((itself.figures["avg_gap"].value, itself.figures["kl"].value), (0.0, 0.0));
        let other = judge(&mut two, &sets(&place), &judging(Some(&retrain))).unwrap();
        assert!(other.figures["kl"].value > 0.0, "two fresh networks do not say the same");
    }

    #[test]
    fn an_attack_from_outside_is_run_by_its_name() {
        const FIGURE: Figure = Figure {
            name: Cow::Borrowed("forgotten_images"),
            range: [0.0, f64::MAX],
            needs: &[Need::Forget, Need::Attack],
            compute: |_| Ok(None),
            ..ua::FIGURE
        };
        let count = |scores: &ModelScores, _: &Draws| Ok(vec![Value::exact(scores.forget.len() as f64)]);
        let attack = Attack {
            name: "count",
            summary: "counts",
            source: "here",
            pool: Pool::Alone,
            figures: &[FIGURE],
            run: Run::Once(count),
        };
        let place = place();
        let registry = Registry::standard().with_attack(attack);
        let settings = settings(&["count"], 1);
        let judging =
            Judging { registry: &registry, settings: &settings, rte_seconds: None, retrain: None, interrupt: None };
        let judged = judge(&mut network(&place.dataset, 1), &sets(&place), &judging).unwrap();
        assert_eq!(judged.figures["forgotten_images"].value, 20.0);
    }

    #[test]
    fn the_validation_set_stands_for_the_test_set_where_that_must_not_be_seen() {
        let place = place();
        let registry = Registry::standard();
        let settings = settings(&["mia-efficacy"], 1);
        let judging =
            Judging { registry: &registry, settings: &settings, rte_seconds: None, retrain: None, interrupt: None };
        let mut network = network(&place.dataset, 1);
        let judged = judge(&mut network, &sets(&place), &judging).unwrap();
        let Foresight { figures, forget_auc } = foresee(&mut network, &sets(&place), &judging).unwrap();
        assert_eq!(figures["ta"], judged.figures["validation_accuracy"]);
        assert_eq!(figures["ua"], judged.figures["ua"]);
        assert!((0.0..=1.0).contains(&forget_auc));
    }
    /// The user interrupts while the first attack runs.
    #[test]
    fn no_attack_begins_after_an_interrupt() {
        static INTERRUPT: AtomicBool = AtomicBool::new(false);
        const FIGURE: Figure = Figure {
            name: Cow::Borrowed("first"),
            label: Cow::Borrowed("First"),
            needs: &[Need::Forget, Need::Attack],
            compute: |_| Ok(None),
            ..ua::FIGURE
        };
        let place = place();
        let count = |_: &ModelScores, _: &Draws| {
            INTERRUPT.store(true, Ordering::Relaxed);
            Ok(vec![Value::exact(1.0)])
        };
        let first = Attack {
            name: "first",
            summary: "interrupts",
            source: "here",
            pool: Pool::Alone,
            figures: &[FIGURE],
            run: Run::Once(count),
        };
        let registry = Registry::standard().with_attack(first);
        let mut network = network(&place.dataset, 1);
        let mut judged = |attacks: &[&str]| {
            let settings = settings(attacks, 3);
            let interrupt = Some(&INTERRUPT);
            let judging =
                Judging { registry: &registry, settings: &settings, rte_seconds: None, retrain: None, interrupt };
            judge(&mut network, &sets(&place), &judging).map(|judged| judged.figures)
        };
        assert!(judged(&["mia-efficacy"]).unwrap().contains_key("mia_efficacy.entropy"));
        assert!(matches!(judged(&["first", "mia-efficacy"]), Err(error) if error.is_interruption()));
        assert!(matches!(judged(&[]), Err(error) if error.is_interruption()), "no set is scored either");
    }
}
