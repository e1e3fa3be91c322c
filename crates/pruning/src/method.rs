//! Pruning methods (schedules): their interface, their input and their results.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_masks::Mask;
use unlearn_network::{Network, State};
use unlearn_training::{CrossEntropy, EpochRow, Pruner, Recipe, Run, Session, Task, train_and_prune};

use crate::{
    Error, Result, Subject, prune_to,
    settings::{Config, Settings, parse, plan, resolve},
};

/// A request to prune, with all data that a method may use.
pub struct Request<'a> {
    /// The trained dense model. The method leaves the pruned and retrained model in it.
    pub network: &'a mut Network,
    /// The weights before training.
    pub initial: State,
    /// The weights after a number of epochs of dense training, if they were kept.
    pub snapshot: &'a dyn Fn(usize) -> Option<State>,
    /// Images, validation set, recipe, device, seed and session.
    pub task: Task<'a>,
    /// Positions to train on.
    pub train: &'a [u32],
}

/// The results of a method besides the pruned network.
#[derive(Debug)]
pub struct Outcome {
    /// The kept weights.
    pub mask: Mask,
    /// One row per epoch of training, in order. A method of several rounds counts epochs from 0 in each round.
    pub epochs: Vec<EpochRow>,
}

/// The requirements and the aim of a method, known before it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Final share of zeros among the covered weights, in 0..1.
    pub sparsity: f64,
    /// Numbers of epochs after which dense training must store its weights.
    pub snapshots: Vec<usize>,
}

/// A schedule: when to prune how much, and what to train before and after. Each has one file, and one line in
/// [`METHODS`](crate::METHODS).
pub(crate) trait Schedule {
    /// Name in suites, files and reports.
    const NAME: &'static str;
    /// Description in one line.
    const SUMMARY: &'static str;
    /// Paper and section.
    const SOURCE: &'static str;
    /// Its own keys in a suite, in addition to [`Settings`].
    type Keys: DeserializeOwned + Serialize;

    /// The default configuration.
    fn defaults() -> Config<Self::Keys>;

    /// Checks what types and [`Settings`] cannot: the ranges of its own keys, and settings that make no sense for it.
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
    /// Description in one line.
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
    /// If a key or a name is unknown, a value has the wrong type or is out of range, or a combination makes no sense.
    pub fn resolve(&self, config: &Value) -> Result<Value> {
        (self.resolve)(config)
    }

    /// The requirements of the method on dense training by `recipe`, and its aim.
    ///
    /// # Errors
    /// As [`PruningMethod::resolve`], and if the recipe has too few epochs.
    pub fn plan(&self, config: &Value, recipe: &Recipe) -> Result<Plan> {
        (self.plan)(config, recipe)
    }

    /// Prunes. A killed run resumes from the session's saved state and ends bit-identical.
    ///
    /// # Errors
    /// As [`PruningMethod::resolve`], and if a layer collapses, a score is NaN, or training fails or is interrupted.
    pub fn run(&self, config: &Value, request: &mut Request<'_>) -> Result<Outcome> {
        (self.run)(config, request)
    }
}

impl Request<'_> {
    /// Prunes the network to `sparsity` at once.
    pub(crate) fn prune(&mut self, settings: &Settings, sparsity: f64) -> Result<Mask> {
        let mut subject =
            Subject { network: self.network, images: self.task.images, train: self.train, seed: self.task.seed };
        prune_to(&mut subject, settings, sparsity)
    }

    /// Trains the network in its current state, from `start_epoch` of the request's recipe to the end.
    pub(crate) fn retrain(&mut self, start_epoch: usize, session: Session<'_>) -> Result<Vec<EpochRow>> {
        self.train(self.task.recipe, start_epoch, session, &mut |_, _| Ok(None))
    }

    /// Trains by `recipe`. Prunes to `sparsity_after(epochs)` whenever it returns a sparsity for a number of finished
    /// epochs.
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
