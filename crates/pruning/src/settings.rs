//! The keys that every schedule shares, and how a suite's table is read: shared keys, the schedule's own keys, nothing else.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_names::Unknown;
use unlearn_training::Recipe;

use crate::{
    Error, Result, Rewind,
    criteria::criterion,
    method::{Plan, Schedule},
    scopes::scope,
};

/// Keys of every schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Share of the covered weights that is pruned in the end, in 0..1.
    pub sparsity: f64,
    /// What a weight is worth: a name of [`CRITERIA`](crate::CRITERIA).
    pub criterion: String,
    /// Among which weights the least are looked for: a name of [`SCOPES`](crate::SCOPES).
    pub scope: String,
    /// Which weights training goes on from.
    pub rewind: Rewind,
    /// The epoch of `rewind-lt`; the paper's is 8 of 182.
    pub rewind_epoch: usize,
    /// Prune the classifier's weight as well.
    pub include_classifier: bool,
    /// Accept a mask that leaves nothing of a layer.
    pub allow_collapse: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sparsity: 0.95,
            criterion: "magnitude".into(),
            scope: "global".into(),
            rewind: Rewind::RewindLt,
            rewind_epoch: 8,
            include_classifier: false,
            allow_collapse: false,
        }
    }
}

impl Settings {
    fn check(&self) -> std::result::Result<(), String> {
        if !(self.sparsity > 0.0 && self.sparsity < 1.0) {
            return Err(format!(
                "`sparsity` must lie strictly between 0 and 1, found {}; for a dense model use method `none`",
                self.sparsity
            ));
        }
        if self.rewind == Rewind::RewindLt && self.rewind_epoch == 0 {
            return Err("`rewind-epoch` must be 1 or more; for the initialisation use `rewind = \"lt\"`".into());
        }
        criterion(&self.criterion).map_err(|e| e.to_string())?;
        scope(&self.scope).map_err(|e| e.to_string())?;
        Ok(())
    }

    /// Refuses every rewinding but `only`, for a schedule to which the others mean nothing.
    pub(crate) fn require_rewind(&self, only: Rewind, reason: &str) -> std::result::Result<(), String> {
        if self.rewind == only {
            return Ok(());
        }
        Err(format!("`rewind` must be \"{}\", found \"{}\": {reason}", only.name(), self.rewind.name()))
    }
}

/// A schedule's whole configuration.
#[derive(Debug, Clone)]
pub(crate) struct Config<K> {
    /// The keys that every schedule has.
    pub(crate) shared: Settings,
    /// The schedule's own.
    pub(crate) own: K,
}

/// Keys of a schedule that has none of its own.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct NoKeys {}

/// The error of a schedule that cannot use its configuration.
pub(crate) fn refusal<S: Schedule>(reason: impl std::fmt::Display) -> Error {
    Error::Config { method: S::NAME, reason: reason.to_string() }
}

/// Lays a suite's keys over the schedule's defaults and checks them.
pub(crate) fn parse<S: Schedule>(config: &Value) -> Result<Config<S::Keys>> {
    let (mut shared, mut own) = to_values::<S>(&S::defaults())?;
    let table = config.as_object();
    for (key, value) in
        table.ok_or_else(|| refusal::<S>(format!("its settings are a table of keys, found {config}")))?
    {
        let Some(slot) = shared.get_mut(key).or(own.get_mut(key)) else {
            let valid = [&shared, &own].into_iter().filter_map(Value::as_object).flat_map(|keys| keys.keys());
            return Err(refusal::<S>(Unknown::new("pruning key", key, valid.map(String::as_str))));
        };
        *slot = value.clone();
    }
    let config = Config { shared: from_value::<S, _>(shared)?, own: from_value::<S, _>(own)? };
    config.shared.check().and_then(|()| S::check(&config)).map_err(refusal::<S>)?;
    Ok(config)
}

/// All keys with their values.
pub(crate) fn resolve<S: Schedule>(config: &Value) -> Result<Value> {
    let (mut all, own) = to_values::<S>(&parse::<S>(config)?)?;
    for (key, value) in own.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    Ok(all)
}

/// What must be known before a run, once it is certain that the recipe of dense training admits it.
pub(crate) fn plan<S: Schedule>(config: &Value, recipe: &Recipe) -> Result<Plan> {
    let config = parse::<S>(config)?;
    let (epochs, rewind_epoch) = (recipe.epochs, config.shared.rewind_epoch);
    let snapshots = if config.shared.rewind == Rewind::RewindLt { vec![rewind_epoch] } else { vec![] };
    if snapshots.iter().any(|epoch| *epoch >= epochs) {
        return Err(refusal::<S>(format!("`rewind-epoch` is {rewind_epoch}, but [train] has only {epochs} epochs")));
    }
    S::check_against(&config, recipe).map_err(refusal::<S>)?;
    Ok(Plan { sparsity: config.shared.sparsity, snapshots })
}

fn to_values<S: Schedule>(config: &Config<S::Keys>) -> Result<(Value, Value)> {
    let value = |result: serde_json::Result<Value>| result.map_err(refusal::<S>);
    Ok((value(serde_json::to_value(&config.shared))?, value(serde_json::to_value(&config.own))?))
}

fn from_value<S: Schedule, T: DeserializeOwned>(value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(refusal::<S>)
}
