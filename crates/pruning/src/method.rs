//! What a pruning method (a schedule) is, what it is given, and what it leaves.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_masks::Mask;
use unlearn_network::{Network, State};
use unlearn_training::{CrossEntropy, EpochRow, Pruner, Recipe, Run, Session, Task, train_and_prune};

use crate::{
    Error, Result, Subject, prune_to,
    settings::{Config, Settings, parse, plan, resolve},
};

/// A request to prune, with all that a method may use.
pub struct Request<'a> {
    /// The trained dense model; the method leaves the pruned and retrained one in it.
    pub network: &'a mut Network,
    /// The weights before training.
    pub initial: State,
    /// The weights after the given number of epochs of dense training, as far as they were kept.
    pub snapshot: &'a dyn Fn(usize) -> Option<State>,
    /// Images, validation set, recipe, device, seed and session.
    pub task: Task<'a>,
    /// Positions to train on.
    pub train: &'a [u32],
}

/// What a method leaves besides the pruned network.
#[derive(Debug)]
pub struct Outcome {
    /// Which weights are kept.
    pub mask: Mask,
    /// A row per epoch of training, in the order they were run; a method of several rounds counts epochs anew in each.
    pub epochs: Vec<EpochRow>,
}

/// What must be known of a method before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Share of zeros among the covered weights in the end, in 0..1.
    pub sparsity: f64,
    /// Numbers of epochs after which dense training must keep its weights.
    pub snapshots: Vec<usize>,
}

/// A schedule: when to prune how much, and what is trained before and after. One file implements it, and one line in
/// [`METHODS`](crate::METHODS) makes it known.
pub(crate) trait Schedule {
    /// Name in suites, files and reports.
    const NAME: &'static str;
    /// One line about it.
    const SUMMARY: &'static str;
    /// Paper and section.
    const SOURCE: &'static str;
    /// Its keys in a suite beside [`Settings`].
    type Keys: DeserializeOwned + Serialize;

    /// What a suite need not say.
    fn defaults() -> Config<Self::Keys>;

    /// Checks what the types and [`Settings`] cannot: ranges of its own keys, settings that make no sense here.
    fn check(config: &Config<Self::Keys>) -> std::result::Result<(), String>;

    /// Checks the configuration against the recipe of dense training.
    fn check_against(_config: &Config<Self::Keys>, _recipe: &Recipe) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Prunes.
    fn run(config: &Config<Self::Keys>, request: &mut Request<'_>) -> Result<Outcome>;
}

/// A pruning method with its types erased, for the registry.
pub struct PruningMethod {
    /// Name in suites, files and reports.
    pub name: &'static str,
    /// One line about it.
    pub summary: &'static str,
    /// Paper and section.
    pub source: &'static str,
    resolve: fn(&Value) -> Result<Value>,
    plan: fn(&Value, &Recipe) -> Result<Plan>,
    run: fn(&Value, &mut Request<'_>) -> Result<Outcome>,
}

/// The registry entry of a schedule.
pub(crate) const fn entry<S: Schedule>() -> PruningMethod {
    PruningMethod {
        name: S::NAME,
        summary: S::SUMMARY,
        source: S::SOURCE,
        resolve: resolve::<S>,
        plan: plan::<S>,
        run: |config, request| S::run(&parse::<S>(config)?, request),
    }
}

impl PruningMethod {
    /// Fills in the defaults of a configuration and checks every key.
    ///
    /// # Errors
    /// An unknown key or name, a value of the wrong type or out of range, a combination that makes no sense.
    pub fn resolve(&self, config: &Value) -> Result<Value> {
        (self.resolve)(config)
    }

    /// What the method needs from dense training by `recipe`, and what it aims at.
    ///
    /// # Errors
    /// As [`PruningMethod::resolve`], or a recipe with too few epochs.
    pub fn plan(&self, config: &Value, recipe: &Recipe) -> Result<Plan> {
        (self.plan)(config, recipe)
    }

    /// Prunes. A run that was killed goes on from the session's saved state and ends bit-identical.
    ///
    /// # Errors
    /// As [`PruningMethod::resolve`]; layer collapse; scores that are NaN; training that fails or is interrupted.
    pub fn run(&self, config: &Value, request: &mut Request<'_>) -> Result<Outcome> {
        (self.run)(config, request)
    }
}

impl Request<'_> {
    /// Prunes the network to `sparsity`, now.
    pub(crate) fn prune(&mut self, settings: &Settings, sparsity: f64) -> Result<Mask> {
        let mut subject =
            Subject { network: self.network, images: self.task.images, train: self.train, seed: self.task.seed };
        prune_to(&mut subject, settings, sparsity)
    }

    /// Trains the network as it is, from `start_epoch` of the request's recipe to its end.
    pub(crate) fn retrain(&mut self, start_epoch: usize, session: Session<'_>) -> Result<Vec<EpochRow>> {
        self.train(self.task.recipe, start_epoch, session, &mut |_, _| Ok(None))
    }

    /// Trains by `recipe`, pruning to `sparsity_after(epochs)` whenever it names a sparsity for a number of finished epochs.
    pub(crate) fn train_while_pruning(
        &mut self,
        recipe: &Recipe,
        start_epoch: usize,
        settings: &Settings,
        sparsity_after: impl Fn(usize) -> Option<f64>,
    ) -> Result<Vec<EpochRow>> {
        let (images, train, seed) = (self.task.images, self.train, self.task.seed);
        self.train(recipe, start_epoch, self.task.session, &mut |network, epochs| {
            let mut subject = Subject { network, images, train, seed };
            sparsity_after(epochs).map(|sparsity| prune_to(&mut subject, settings, sparsity)).transpose()
        })
    }

    fn train(
        &mut self,
        recipe: &Recipe,
        start_epoch: usize,
        session: Session<'_>,
        prune: &mut Pruner<'_, Error>,
    ) -> Result<Vec<EpochRow>> {
        let batches = self.task.batches(self.train, recipe)?;
        let validation = self.task.validation();
        let run = Run { start_epoch, validation, ..Run::new(recipe, &batches) };
        let mut objective = CrossEntropy { label_smoothing: recipe.label_smoothing };
        Ok(train_and_prune::<Error>(self.network, &mut objective, &run, session, prune)?.epochs)
    }
}
