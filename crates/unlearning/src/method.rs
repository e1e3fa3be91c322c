//! Unlearning methods: their interface and their input.

use serde::{Serialize, de::DeserializeOwned};
use unlearn_network::{Graph, Network, State, initialize};
use unlearn_samples::BatchPlan;
use unlearn_training::{EpochRow, Objective, Recipe, Run, Select, Session, Task, Update, check_answers, one_of, train};

use crate::{
    Error, Result,
    parameter::{Parameter, Search},
    prospect::{Prospect, Pruned},
};

/// A request to forget, with all data that a method may use. [`Request::new`] makes one.
#[non_exhaustive]
pub struct Request<'a> {
    /// The trained and possibly pruned model. The method changes it in place. Pruned weights stay exactly 0.
    pub network: &'a mut Network,
    /// Images, validation set, recipe, device, seed and session.
    pub task: Task<'a>,
    /// Positions of the forget set D_f.
    pub forget: &'a [u32],
    /// Positions of the retain set D_r.
    pub retain: &'a [u32],
    /// The values that the model's training started from, as a function of the seed: [`fresh`] or pretrained ones.
    /// Retraining starts from them too.
    pub initial: &'a Initial<'a>,
    /// The seed with which `initial` gives the very values that the model's training started from. `None` if it is unknown.
    pub initial_seed: Option<u64>,
    /// Prunes a network as the model was pruned, for methods that learn a new mask. `None` if this is unknown.
    pub prune_anew: Option<&'a PruneAnew<'a>>,
}

/// The values of a graph that training starts from, as a function of the seed.
pub type Initial<'a> = dyn Fn(&Graph, u64) -> unlearn_training::Result<State> + 'a;

/// Fresh values ([`initialize`]): the [`Initial`] of a model that was trained from scratch.
///
/// # Errors
/// None.
pub fn fresh(graph: &Graph, seed: u64) -> unlearn_training::Result<State> {
    Ok(initialize(graph, seed))
}

/// Replaces the values and the mask of a pruned network by those of a fresh model that is trained on the samples at
/// some positions and pruned as the original was. The caller provides this function, because this crate contains no
/// pruning.
pub type PruneAnew<'a> = dyn Fn(&mut Network, &[u32], Session<'_>) -> unlearn_training::Result<Outcome> + 'a;

/// The results of a method besides the changed network.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One row per epoch, for methods with epochs.
    pub epochs: Vec<EpochRow>,
    /// Run time of the method alone, in seconds (RTE), without evaluation, loading and saving.
    pub seconds: f64,
}

/// An unlearning method. Each has one file, and one line in the registry.
pub trait Method {
    /// Name in suites, files and reports.
    const NAME: &'static str;
    /// Description in one line.
    const SUMMARY: &'static str;
    /// Paper and equation.
    const SOURCE: &'static str;
    /// Meaning of its keys and origin of their defaults. Each key occurs once; methods may share groups of keys.
    const PARAMETERS: &'static [&'static [Parameter]];
    /// Whether it can forget whole classes only.
    const WHOLE_CLASSES_ONLY: bool = false;
    /// Whether it begins again with the weights that the model's training began with. Pretrained weights must then still be there.
    const BEGINS_AGAIN: bool = false;
    /// Its keys in a suite. Unknown keys are refused.
    type Config: DeserializeOwned + Serialize;

    /// The default configuration.
    fn defaults() -> Self::Config;

    /// Checks ranges that types cannot.
    ///
    /// # Errors
    /// A message with the key, the reason, and the allowed values.
    fn check(config: &Self::Config) -> std::result::Result<(), String>;

    /// Checks whether the method can serve a request, given the facts known without a model. Called before anything
    /// is computed, and again before [`Method::run`]. If [`Method::WHOLE_CLASSES_ONLY`] is set, the check for whole
    /// classes comes first.
    ///
    /// # Errors
    /// A message with the obstacle in the request or the settings, and with what would help.
    fn suits(_config: &Self::Config, _prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        Ok(())
    }

    /// Makes the model forget. The configuration has been checked and suits the request.
    ///
    /// # Errors
    /// If training fails, diverges or is interrupted, or if the model's values make the request impossible.
    fn run(config: &Self::Config, request: &mut Request<'_>) -> unlearn_training::Result<Outcome>;
}

/// A method with its types erased, for a registry. [`entry`] makes one.
pub struct Entry {
    /// Name in suites, files and reports.
    pub name: &'static str,
    /// Description in one line.
    pub summary: &'static str,
    /// Paper and equation.
    pub source: &'static str,
    /// Whether it can forget whole classes only.
    pub whole_classes_only: bool,
    /// Whether it begins again with what the model's training began with, so that pretrained weights must still be there.
    pub begins_again: bool,
    parameters: &'static [&'static [Parameter]],
    resolve: fn(&serde_json::Value) -> Result<serde_json::Value>,
    check: fn(&serde_json::Value, &Prospect<'_>) -> Result<()>,
    run: fn(&serde_json::Value, &mut Request<'_>) -> Result<Outcome>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The registry entry of a method.
pub const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        summary: M::SUMMARY,
        source: M::SOURCE,
        whole_classes_only: M::WHOLE_CLASSES_ONLY,
        begins_again: M::BEGINS_AGAIN,
        parameters: M::PARAMETERS,
        resolve: resolve::<M>,
        check: check::<M>,
        run: run::<M>,
    }
}

impl Entry {
    /// Meaning of the method's keys and origin of their defaults.
    pub fn parameters(&self) -> impl Iterator<Item = &'static Parameter> {
        self.parameters.iter().copied().flatten()
    }

    /// Fills in the defaults and checks every key.
    ///
    /// # Errors
    /// If a key is unknown, or a value has the wrong type or is out of range.
    pub fn resolve(&self, config: &serde_json::Value) -> Result<serde_json::Value> {
        (self.resolve)(config)
    }

    /// Checks whether the method can serve a request with this configuration, without a model.
    ///
    /// # Errors
    /// As [`Entry::resolve`] and [`Method::suits`].
    pub fn check(&self, config: &serde_json::Value, prospect: &Prospect<'_>) -> Result<()> {
        (self.check)(config, prospect)
    }

    /// Runs the method.
    ///
    /// # Errors
    /// As [`Entry::check`] and [`Method::run`], and if the resulting model is not finite or answers some of the request's images with
    /// logits that are not.
    pub fn run(&self, config: &serde_json::Value, request: &mut Request<'_>) -> Result<Outcome> {
        (self.run)(config, request)
    }
}

fn parse<M: Method>(config: &serde_json::Value) -> Result<M::Config> {
    let fail = |reason: String| Error::Config { method: M::NAME, reason };
    let mut keys = serde_json::to_value(M::defaults()).map_err(|e| fail(e.to_string()))?;
    let table =
        config.as_object().ok_or_else(|| fail(format!("its settings must be a table of keys, found {config}")))?;
    for (key, value) in table {
        let mut valid: Vec<&str> = M::PARAMETERS.iter().copied().flatten().map(|parameter| parameter.key).collect();
        if !valid.contains(&key.as_str()) {
            valid.sort_unstable();
            let listed = if valid.is_empty() { "none".to_owned() } else { valid.join(", ") };
            let suggestion = unlearn_names::suggestion(key, valid.iter().copied());
            return Err(fail(format!("unknown key `{key}`{suggestion}; valid keys: {listed}")));
        }
        keys[key] = value.clone();
    }
    let config: M::Config = serde_json::from_value(keys).map_err(|e| fail(e.to_string()))?;
    M::check(&config).map_err(fail)?;
    Ok(config)
}

fn resolve<M: Method>(config: &serde_json::Value) -> Result<serde_json::Value> {
    let config = parse::<M>(config)?;
    serde_json::to_value(config).map_err(|e| Error::Config { method: M::NAME, reason: e.to_string() })
}

fn check<M: Method>(config: &serde_json::Value, prospect: &Prospect<'_>) -> Result<()> {
    suits::<M>(&parse::<M>(config)?, prospect)
}

fn suits<M: Method>(config: &M::Config, prospect: &Prospect<'_>) -> Result<()> {
    M::suits(config, prospect).map_err(|reason| Error::Unsuitable { method: M::NAME, reason })
}

fn run<M: Method>(config: &serde_json::Value, request: &mut Request<'_>) -> Result<Outcome> {
    let config = parse::<M>(config)?;
    suits::<M>(&config, &request.prospect())?;
    let outcome = M::run(&config, request).map_err(|source| Error::Training { method: M::NAME, source })?;
    if let Some(tensor) = request.network.state().first_non_finite(request.network.graph()) {
        return Err(Error::NonFinite { method: M::NAME, tensor: tensor.to_owned(), lower: one_of(&strong::<M>()) });
    }
    for positions in [request.forget, request.retain] {
        check_answers(request.network, request.task.images, positions, &strong::<M>())
            .map_err(|source| Error::Training { method: M::NAME, source })?;
    }
    Ok(outcome)
}

/// Keys of the settings that drive a method's weights apart if they are too strong: what a search varies, or the learning rate.
fn strong<M: Method>() -> Vec<&'static str> {
    let all = || M::PARAMETERS.iter().copied().flatten();
    let searched = all().filter(|parameter| matches!(parameter.search, Some(Search::Log { .. })));
    let mut keys: Vec<&str> = searched.map(|parameter| parameter.key).collect();
    if keys.is_empty() {
        keys.extend(all().map(|parameter| parameter.key).filter(|key| *key == "lr"));
    }
    keys
}

impl<'a> Request<'a> {
    /// A request to make `network` forget the images at `forget` and keep those at `retain`. Both are positions in
    /// the task's images. By default, the model's training started from fresh values, and it is unknown how the model
    /// was pruned.
    pub fn new(network: &'a mut Network, task: Task<'a>, forget: &'a [u32], retain: &'a [u32]) -> Self {
        Self { network, task, forget, retain, initial: &fresh, initial_seed: None, prune_anew: None }
    }

    /// The same for a model whose training started from these values.
    #[must_use]
    pub fn initial(self, initial: &'a Initial<'a>) -> Self {
        Self { initial, ..self }
    }

    /// The same for a model whose training started from the values of this seed.
    #[must_use]
    pub fn initial_seed(self, seed: Option<u64>) -> Self {
        Self { initial_seed: seed, ..self }
    }

    /// The same for a model that can be pruned again as it was.
    #[must_use]
    pub fn prune_anew(self, prune_anew: &'a PruneAnew<'a>) -> Self {
        Self { prune_anew: Some(prune_anew), ..self }
    }

    /// The facts about the request that are known without the model's values.
    pub fn prospect(&self) -> Prospect<'_> {
        let dense = self.network.kept().iter().all(Option::is_none);
        Prospect {
            graph: self.network.graph(),
            pruned: match self.prune_anew {
                _ if dense => Pruned::Dense,
                Some(_) => Pruned::Repeatable,
                None => Pruned::Unknown,
            },
            labels: &self.task.images.labels,
            forget: self.forget,
            retain: self.retain,
            validation: self.task.validation,
            recipe: self.task.recipe,
        }
    }

    /// Whether each image is in D_f.
    pub fn forgotten(&self) -> Vec<bool> {
        let mut forgotten = vec![false; self.task.images.len()];
        self.forget.iter().for_each(|position| forgotten[*position as usize] = true);
        forgotten
    }

    /// Resets every value to the start of training with the request's seed. The mask stays.
    ///
    /// # Errors
    /// If pretrained values are not available.
    pub fn initialize_afresh(&mut self) -> unlearn_training::Result<()> {
        let state = (self.initial)(self.network.graph(), self.task.seed)?;
        self.network.set_state(state);
        Ok(())
    }

    /// Resets every value to the one that the model's training started from. The mask stays.
    ///
    /// # Errors
    /// If it is unknown what the training started from, or pretrained values are not available.
    pub fn initialize_as_before(&mut self) -> unlearn_training::Result<()> {
        let seed = self.initial_seed.ok_or_else(|| {
            let reason =
                "it is unknown which weights the model's training began with; use `initial-weights = \"fresh\"`";
            unlearn_training::Error::Unsuitable(reason.into())
        })?;
        let state = (self.initial)(self.network.graph(), seed)?;
        self.network.set_state(state);
        Ok(())
    }

    /// A second network with the same mask, for a teacher with these values.
    ///
    /// # Errors
    /// If the executor is not available.
    pub fn teacher(&self, state: State) -> unlearn_training::Result<Network> {
        let mut teacher = Network::new(self.network.graph().clone(), state, self.task.device)?;
        teacher.prune(self.network.kept().clone())?;
        Ok(teacher)
    }

    /// Shuffled batches of the samples at `indices`.
    ///
    /// # Errors
    /// As [`Task::batches`].
    pub fn batches(&self, indices: &[u32], recipe: &Recipe) -> unlearn_training::Result<BatchPlan> {
        self.task.batches(indices, recipe)
    }

    /// Trains by `recipe` on the samples at `indices`.
    ///
    /// # Errors
    /// As [`train`].
    pub fn train(
        &mut self,
        indices: &[u32],
        recipe: &Recipe,
        objective: &mut dyn Objective,
    ) -> unlearn_training::Result<Outcome> {
        self.train_by(Update::default(), indices, recipe, objective)
    }

    /// The same with another update rule.
    ///
    /// # Errors
    /// As [`train`].
    pub fn train_by(
        &mut self,
        update: Update,
        indices: &[u32],
        recipe: &Recipe,
        objective: &mut dyn Objective,
    ) -> unlearn_training::Result<Outcome> {
        let batches = self.batches(indices, recipe)?;
        let validation = self.task.validation().filter(|_| recipe.select == Select::Best);
        self.follow(&Run { update, validation, ..Run::new(recipe, &batches) }, objective)
    }

    /// Trains as described by `run`.
    ///
    /// # Errors
    /// As [`train`].
    pub fn follow(&mut self, run: &Run<'_>, objective: &mut dyn Objective) -> unlearn_training::Result<Outcome> {
        let outcome = train(self.network, objective, run, self.task.session)?;
        Ok(Outcome { epochs: outcome.epochs, seconds: outcome.seconds })
    }
}
