//! The keys that all schedules share, and the reading of a suite's table. The table may hold these keys and the
//! schedule's own keys, nothing else.

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

/// Keys of all schedules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Final share of the covered weights that is pruned, in 0..1.
    pub sparsity: f64,
    /// Criterion: a name of [`CRITERIA`](crate::CRITERIA).
    pub criterion: String,
    /// Scope: a name of [`SCOPES`](crate::SCOPES).
    pub scope: String,
    /// The weights that training continues from.
    pub rewind: Rewind,
    /// The epoch of `rewind-lt`. The paper uses 8 of 182.
    pub rewind_epoch: usize,
    /// Prune the classifier's weight as well.
    pub include_classifier: bool,
    /// Accept a mask that leaves a layer without weights.
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

    /// Refuses every value of `rewind` except `only`, for a schedule that supports no other.
    pub(crate) fn require_rewind(&self, only: Rewind, reason: &str) -> std::result::Result<(), String> {
        if self.rewind == only {
            return Ok(());
        }
        Err(format!("`rewind` must be \"{}\", found \"{}\": {reason}", only.name(), self.rewind.name()))
    }
}

/// The whole configuration of a schedule.
#[derive(Debug, Clone)]
pub(crate) struct Config<K> {
    /// The keys that all schedules share.
    pub(crate) shared: Settings,
    /// The schedule's own keys.
    pub(crate) own: K,
}

/// Keys of a schedule without own keys.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct NoKeys {}

/// The error for an invalid configuration of a schedule.
pub(crate) fn refusal<S: Schedule>(reason: impl std::fmt::Display) -> Error {
    Error::Config { method: S::NAME, reason: reason.to_string() }
}

/// Merges a suite's keys into the schedule's defaults and checks them.
pub(crate) fn parse<S: Schedule>(config: &Value) -> Result<Config<S::Keys>> {
    let (mut shared, mut own) = to_values::<S>(&S::defaults())?;
    let table = config.as_object();
    for (key, value) in
        table.ok_or_else(|| refusal::<S>(format!("its settings must be a table of keys, found {config}")))?
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

/// The requirements and the aim of a schedule, checked against the recipe of dense training.
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
