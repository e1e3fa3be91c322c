//! Computes what can be computed from scores.

use std::collections::BTreeMap;

use unlearn_metrics::figures::avg_gap;
use unlearn_metrics::{Figure, ModelScores, Need, Retrain, Scores, Triggered, Value, Values};
use unlearn_mia_eval::pool::Seen;
use unlearn_mia_eval::{Error, Registry, Settings};
use unlearn_score_files::{Role, ScoreSets, SetScores};

use super::{Judged, Undefined};
use crate::error::{ReportError, Result};
use crate::pool::{Attempt, Found, Measured, POPULATION};

/// What is known of one or several models.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Where it comes from, in words.
    pub source: String,
    /// The scores on the sets.
    pub scores: ScoreSets,
    /// The scores on test images with the trigger of a backdoor, if there is one.
    pub triggered: Option<Triggered>,
    /// Run time of the method, if known.
    pub rte_seconds: Option<f64>,
}

/// Judges models by their scores, beside a Retrain if there is one. An attack that the scores do not suffice for is stated with the
/// reason, and so is a figure that is undefined for them.
///
/// # Errors
/// If Retrain was scored on other samples, an attack or a feature does not exist, or a figure is outside its range.
pub fn judge(model: &Evidence, retrain: Option<&Evidence>, registry: &Registry, settings: &Settings) -> Result<Judged> {
    registry.measured(settings)?;
    if let Some(retrain) = retrain {
        check_pair(&model.scores, &retrain.scores)?;
    }
    let mut undefined = Vec::new();
    let has_scores = model.scores.sets.iter().any(|(_, set)| !set.scores.is_empty());
    let mut theirs = Vec::new();
    if let Some(retrain) = retrain.filter(|_| has_scores) {
        for number in 0..retrain.scores.models() {
            // The reasons are those of the model.
            let (rte_seconds, triggered) = (retrain.rte_seconds, retrain.triggered.as_ref());
            let alone = Alone { registry, settings, rte_seconds, triggered, undefined: &mut Vec::new() };
            theirs.push(alone.measure(&retrain.scores, number, None)?);
        }
    }
    let mut ours = Vec::new();
    let models = model.scores.models();
    if has_scores {
        for number in 0..models {
            let beside = match theirs.len() {
                1 => theirs.first(),
                count if count == models => theirs.get(number),
                _ => None,
            };
            let (rte_seconds, triggered) = (model.rte_seconds, model.triggered.as_ref());
            let alone = Alone { registry, settings, rte_seconds, triggered, undefined: &mut undefined };
            ours.push(alone.measure(&model.scores, number, beside)?);
        }
        if theirs.len() > 1 && theirs.len() != models {
            undefined.push(Undefined {
                name: "figures beside Retrain".into(),
                reason: format!(
                    "models cannot be paired ({models} judged, {} retrained); give one Retrain, or as many as models",
                    theirs.len()
                ),
            });
        }
    }
    let (mut pool_attacks, mut comparisons) = (Vec::new(), Vec::new());
    for attempt in pool(&model.scores, retrain.map(|retrain| &retrain.scores), &mut undefined)? {
        let Attempt { attack, question, found } = attempt;
        match found {
            Ok(Found::Attack(found)) => pool_attacks.push(*found),
            Ok(Found::Compared(found)) => comparisons.push(found),
            Err(error) => {
                let name =
                    question.map_or_else(|| attack.to_owned(), |question| format!("{attack} ({})", question.name));
                undefined.push(Undefined { name, reason: plain(error) });
            }
        }
    }
    if !has_scores && undefined.is_empty() && pool_attacks.is_empty() && comparisons.is_empty() {
        let reason = "margins alone give figures only of several models: give those of at least 3 models that forgot, one row each, and \
                      of as many Retrains with `--retrain`; for UA, RA and TA of one model, give logits or probabilities";
        undefined.push(Undefined { name: "every figure".into(), reason: reason.into() });
    }
    let mut notes = model.scores.notes.clone();
    notes.extend(of_gap(&ours, &theirs));
    notes.extend(retrain.iter().flat_map(|retrain| retrain.scores.notes.clone()));
    notes.extend(retrain.iter().flat_map(|retrain| of_pair(&model.scores, &retrain.scores)));
    Ok(Judged {
        format: Judged::FORMAT,
        source: model.source.clone(),
        retrain: retrain.map(|retrain| retrain.source.clone()),
        models,
        retrains: retrain.map_or(0, |retrain| retrain.scores.models()),
        samples: model.scores.sets.iter().map(|(role, set)| (role.name().to_owned(), set.samples)).collect(),
        attacks: has_scores.then(|| settings.clone()),
        figures: over_models(ours.into_iter().map(|(_, values)| values).collect())?,
        retrain_figures: over_models(theirs.into_iter().map(|(_, values)| values).collect())?,
        pool_attacks,
        comparisons,
        undefined,
        notes,
        registry: registry.figures(),
    })
}

/// The reason of an attack, without its name.
fn plain(error: Error) -> String {
    match error {
        Error::InAttack { source, .. } => plain(*source),
        Error::Empty { set, needed } => format!("the {set} set has fewer than {needed} samples"),
        // The attacked model is left out, and one of the other kind beside it.
        Error::TooFewModels { seen, needed, .. } => {
            format!("too few models that {seen} a sample: at least {} of each kind are needed", needed + 1)
        }
        Error::TooFewOfKind { .. } => format!("too few models: {error}"),
        error => error.to_string(),
    }
}

/// Checks that two files have scores of the same samples, by different models.
fn check_pair(model: &ScoreSets, retrain: &ScoreSets) -> Result<()> {
    let refuse = |problem: String| Err(ReportError::Scores { place: retrain.place(), problem });
    let shared = model.sets.iter().filter_map(|(role, ours)| Some((ours, retrain.get(*role)?)));
    let (mut values, mut equal) = (0, true);
    for (ours, theirs) in shared {
        values += ours.margins.len();
        equal &= ours.margins == theirs.margins && ours.scores == theirs.scores;
    }
    // One sample may have the same scores by chance.
    if equal && values > 1 {
        let of = model.place();
        return refuse(format!(
            "it has the same scores as {of}, and no Retrain has; give the scores of a model that never saw the samples to forget"
        ));
    }
    for (role, ours) in &model.sets {
        let Some(theirs) = retrain.get(*role) else { continue };
        let ([n, m], of) = ([ours.samples, theirs.samples], model.place());
        if n != m {
            return refuse(format!("the {role} set has {m} samples, in {of} {n}; score the same samples by both"));
        }
        if let (Some(a), Some(b)) = (ours.scores.first(), theirs.scores.first()) {
            if a.classes() != b.classes() {
                let [a, b] = [a.classes(), b.classes()];
                return refuse(format!("the {role} set has scores over {b} classes, in {of} over {a}"));
            }
            if let Some(row) = a.labels().iter().zip(b.labels()).position(|(a, b)| a != b) {
                let [a, b] = [a.labels()[row], b.labels()[row]];
                return refuse(format!(
                    "the label of row {row} of the {role} set is {b}, in {of} {a}; score the same samples in the same order by both"
                ));
            }
        }
        if let (Some(a), Some(b)) = (&ours.ids, &theirs.ids)
            && let Some(row) = a.iter().zip(b).position(|(a, b)| a != b)
        {
            return refuse(format!(
                "row {row} of the {role} set is sample {}, in {of} sample {}; score the same samples in the same order by both",
                b[row], a[row]
            ));
        }
    }
    Ok(())
}

/// What the reader should know of a Retrain beside a model.
fn of_pair(model: &ScoreSets, retrain: &ScoreSets) -> Vec<String> {
    let mut notes = Vec::new();
    let is_missing = |(role, _): &&(Role, SetScores)| retrain.get(*role).is_none();
    let missing: Vec<&str> = model.sets.iter().filter(is_missing).map(|(role, _)| role.name()).collect();
    if !missing.is_empty() {
        notes.push(format!("Retrain has no scores on: {}; figures of these sets have no gap", missing.join(", ")));
    }
    if let (Some(ours), Some(theirs)) = (model.get(Role::Forget), retrain.get(Role::Forget))
        && ours.samples > 1
    {
        let rows = |set: &SetScores| set.margins.chunks_exact(set.samples).map(<[f64]>::to_vec).collect::<Vec<_>>();
        let (ours, theirs) = (rows(ours), rows(theirs));
        let twin = |row: &Vec<f64>| theirs.iter().position(|other| other == row);
        if let Some((number, other)) = ours.iter().enumerate().find_map(|(at, row)| Some((at, twin(row)?))) {
            notes.push(format!(
                "model {number} and Retrain {other} have the same scores on the forget set; if one file was given twice, no figure beside \
                 Retrain says anything"
            ));
        }
    }
    notes
}

/// What the reader should know of the average gap: the figures that it leaves out.
fn of_gap(ours: &[(ModelScores, Values)], theirs: &[(ModelScores, Values)]) -> Option<String> {
    if !ours.iter().any(|(_, values)| values.contains_key(avg_gap::NAME)) {
        return None;
    }
    let models = || ours.iter().chain(theirs).map(|(_, values)| values);
    let is_undefined = |values: &Values, name: &str| values.get(name).is_some_and(|value| value.undefined.is_some());
    let left_out: Vec<&str> =
        avg_gap::OVER.into_iter().filter(|name| models().any(|values| is_undefined(values, name))).collect();
    (!left_out.is_empty())
        .then(|| format!("the average gap leaves out {}, undefined for a model or for Retrain", left_out.join(", ")))
}

/// The measurement of one model.
struct Alone<'a> {
    registry: &'a Registry,
    settings: &'a Settings,
    rte_seconds: Option<f64>,
    triggered: Option<&'a Triggered>,
    undefined: &'a mut Vec<Undefined>,
}

impl Alone<'_> {
    fn state(&mut self, name: &str, reason: String) {
        let known = |entry: &Undefined| entry.name == name && entry.reason == reason;
        if !self.undefined.iter().any(known) {
            self.undefined.push(Undefined { name: name.to_owned(), reason });
        }
    }

    fn measure(
        mut self,
        sets: &ScoreSets,
        number: usize,
        retrain: Option<&(ModelScores, Values)>,
    ) -> Result<(ModelScores, Values)> {
        let of = |role: Role| sets.get(role).and_then(|set| set.scores.get(number)).cloned();
        let given: BTreeMap<Role, Scores> = Role::ALL.into_iter().filter_map(|role| Some((role, of(role)?))).collect();
        let classes = given.values().next().map_or(2, Scores::classes);
        let empty = Scores::new(Vec::new(), Vec::new(), classes).map_err(Error::from)?;
        let or_empty = |role: Role| given.get(&role).unwrap_or(&empty).clone();
        let scores = ModelScores {
            forget: or_empty(Role::Forget),
            retain: or_empty(Role::Retain),
            test: or_empty(Role::Test),
            validation: given.get(&Role::Validation).cloned(),
            triggered: self.triggered.cloned(),
            unseen: None,
        };
        let (registry, rte_seconds) = (self.registry, self.rte_seconds);
        let known = Known { has_time: rte_seconds.is_some(), is_triggered: self.triggered.is_some() };
        let missing = |figure: &Figure| missing(figure, &given, known, retrain);
        let mut values = Values::new();
        for name in &self.settings.attacks {
            // A set that is missing would be an empty one.
            let needs = registry.attack(name)?.figures.iter().find_map(missing);
            match needs {
                Some(Missing::Stated(reason)) => self.state(name, reason),
                Some(Missing::Unexpected) => {}
                None => values.extend(self.attacked(name, &scores)),
            }
        }
        let beside = retrain.map(|(scores, figures)| Retrain { scores: Some(scores), figures });
        let figures = registry.figures();
        for figure in figures.iter() {
            match missing(figure) {
                // Those of attacks were stated with the attack.
                Some(Missing::Stated(reason)) if !figure.needs.contains(&Need::Attack) => {
                    self.state(&figure.label, reason);
                }
                Some(_) => {}
                None => {
                    let only = |other: &Figure| other.name == figure.name;
                    figures.complete(&mut values, Some(&scores), rte_seconds, beside, only).map_err(Error::from)?;
                }
            }
        }
        Ok((scores, values))
    }

    /// Runs one attack, and states what it cannot say.
    fn attacked(&mut self, name: &str, scores: &ModelScores) -> Values {
        let settings = Settings { attacks: vec![name.to_owned()], ..self.settings.clone() };
        let found = match self.registry.attacked(scores, &settings) {
            Ok(found) => found,
            Err(error) => {
                self.state(name, plain(error));
                return Values::new();
            }
        };
        for (name, value) in &found {
            if let Some(reason) = &value.undefined {
                self.state(name, format!("undefined: {reason}"));
            }
        }
        found
    }
}

/// Why a figure cannot be computed.
enum Missing {
    /// Nobody expects it from scores.
    Unexpected,
    /// A reason to state.
    Stated(String),
}

/// What is known of a model beside its scores on the sets.
#[derive(Clone, Copy)]
struct Known {
    has_time: bool,
    is_triggered: bool,
}

/// Why a figure cannot be computed from what is given, if it cannot.
fn missing(
    figure: &Figure,
    given: &BTreeMap<Role, Scores>,
    known: Known,
    retrain: Option<&(ModelScores, Values)>,
) -> Option<Missing> {
    let role = |need: &Need| match need {
        Need::Forget => Some(Role::Forget),
        Need::Retain => Some(Role::Retain),
        Need::Test => Some(Role::Test),
        Need::Validation => Some(Role::Validation),
        _ => None,
    };
    for need in figure.needs {
        let is_known = match need {
            Need::Attack => true,
            Need::RunTime => known.has_time,
            Need::Triggered => known.is_triggered,
            Need::RetrainFigures | Need::RetrainScores => retrain.is_some(),
            other => role(other).is_some(),
        };
        if !is_known {
            return Some(Missing::Unexpected);
        }
    }
    for role in figure.needs.iter().filter_map(role) {
        if !given.contains_key(&role) {
            let optional = role == Role::Validation;
            return Some(if optional {
                Missing::Unexpected
            } else {
                Missing::Stated(format!("it needs the {role} set"))
            });
        }
    }
    // These figures compare predictions on the forget set.
    let beside = retrain.filter(|_| figure.needs.contains(&Need::RetrainScores));
    if beside.is_some_and(|(scores, _)| scores.forget.is_empty()) {
        return Some(Missing::Stated("it needs Retrain's scores on the forget set".to_owned()));
    }
    None
}

/// Every figure that is defined for all models: that of the only model, or the mean over models.
fn over_models(mut all: Vec<Values>) -> Result<Values> {
    for values in &mut all {
        values.retain(|_, value| value.undefined.is_none());
    }
    if all.len() <= 1 {
        return Ok(all.pop().unwrap_or_default());
    }
    let names: Vec<String> =
        all[0].keys().filter(|name| all.iter().all(|values| values.contains_key(*name))).cloned().collect();
    let mean = |name: String| -> Result<(String, Value)> {
        let values = all.iter().map(|values| values[&name].value).collect();
        let value = Value::over_draws(values).map_err(Error::from)?;
        Ok((name, value))
    };
    names.into_iter().map(mean).collect()
}

/// The attacks with a pool, if there are several models.
fn pool(model: &ScoreSets, retrain: Option<&ScoreSets>, undefined: &mut Vec<Undefined>) -> Result<Vec<Attempt>> {
    let Some(forget) = model.get(Role::Forget) else { return Ok(Vec::new()) };
    let others = retrain.and_then(|retrain| retrain.get(Role::Forget));
    let several = forget.models > 1 || others.is_some_and(|others| others.models > 1) || forget.seen.is_some();
    if !several {
        return Ok(Vec::new());
    }
    let seen = |set: &SetScores, otherwise: Seen| -> Vec<Seen> {
        let of = |code: &u8| [Seen::Never, Seen::Trained, Seen::Unlearned][usize::from(*code).min(2)];
        let given = set.seen.as_ref().map(|seen| seen.iter().map(of).collect());
        given.unwrap_or_else(|| vec![otherwise; set.margins.len()])
    };
    let mut measured = Measured {
        models: forget.models,
        samples: forget.samples,
        scores: forget.margins.clone(),
        seen: seen(forget, Seen::Unlearned),
        population: Vec::new(),
        population_size: 0,
    };
    if let Some(others) = others {
        measured.models += others.models;
        measured.scores.extend(&others.margins);
        measured.seen.extend(seen(others, Seen::Never));
    }
    let mut tests = vec![model.get(Role::Test)];
    if others.is_some() {
        tests.push(retrain.and_then(|retrain| retrain.get(Role::Test)));
    }
    // Samples of the population are of use if every model was scored on them.
    if let Some(tests) = tests.into_iter().collect::<Option<Vec<_>>>()
        && let Some(size) = tests.iter().map(|set| set.samples.min(POPULATION)).min()
    {
        measured.population_size = size;
        for set in tests {
            measured.population.extend(set.margins.chunks_exact(set.samples).flat_map(|row| &row[..size]));
        }
    }
    let attempts = measured.attacked(None)?;
    if attempts.is_empty() {
        undefined.push(Undefined {
            name: "attacks with a pool".into(),
            reason: "all models had the same of every sample; give retrained models with `--retrain`, or `forget_seen`"
                .into(),
        });
    }
    Ok(attempts)
}
