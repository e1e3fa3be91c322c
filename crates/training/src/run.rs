//! The training loop: batches, forward pass, loss, backward pass, step, validation, saving and resuming.

use std::{collections::BTreeMap, time::Instant};

use serde::{Deserialize, Serialize};
use tracing::trace_span;
use unlearn_masks::Mask;
use unlearn_network::{Network, State};
use unlearn_samples::{BatchPlan, ImageSet};

use crate::{
    Course, EpochRow, Error, Objective, Position, Recipe, Result, Select, Session, Update, apply_mask,
    learner::Learner,
    predict::predict,
    resume,
    step::{At, Seen},
    update::Optimizer,
};

/// One run of a recipe over a set of samples.
pub struct Run<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The samples, their order and their augmentation.
    pub course: Course<'a>,
    /// The update rule.
    pub update: Update,
    /// The epoch to start with: 0, or the epoch that weights were rewound to.
    pub start_epoch: usize,
    /// Numbers of finished epochs after which the weights are kept. 0 means before training.
    pub snapshots: &'a [usize],
    /// Samples for selecting the best epoch, evaluated without augmentation.
    pub validation: Option<(&'a ImageSet, &'a [u32])>,
}

impl<'a> Run<'a> {
    /// A run over `batches` from the first epoch on, with the recipe's update rule, without snapshots and without
    /// selecting an epoch.
    pub fn new(recipe: &'a Recipe, batches: &'a BatchPlan) -> Self {
        let (course, update) = (Course::Alone(batches), Update::default());
        Self { recipe, course, update, start_epoch: 0, snapshots: &[], validation: None }
    }
}

/// The results of a run besides the trained network.
#[derive(Debug)]
pub struct Outcome {
    /// One row per epoch.
    pub epochs: Vec<EpochRow>,
    /// Seconds spent in steps. Validation and saving do not count.
    pub seconds: f64,
    /// The weights after the requested epochs.
    pub snapshots: BTreeMap<usize, State>,
    /// The epoch whose weights the network now holds.
    pub selected_epoch: Option<usize>,
}

/// Running sums of the current epoch.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct EpochSums {
    samples: usize,
    correct: usize,
    loss: f64,
}

/// All data of a run in progress except tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Log {
    pub(crate) position: Position,
    pub(crate) sums: EpochSums,
    pub(crate) rows: Vec<EpochRow>,
    pub(crate) seconds: f64,
    /// Number of the optimiser's steps.
    #[serde(default)]
    pub(crate) steps: u64,
    /// Epoch and validation accuracy of the best weights so far.
    pub(crate) best: Option<(usize, f64)>,
}

/// A run in progress. With the network's values and the optimiser, this is all that a resumed run needs.
pub(crate) struct Progressing {
    pub(crate) log: Log,
    pub(crate) best: Option<State>,
    pub(crate) snapshots: BTreeMap<usize, State>,
    /// The last finite weights between two epochs, or the weights that the run started with.
    pub(crate) finite: Option<State>,
}

/// Trains `network` in place. A run with a saved state resumes from it and ends bit-identical to an uninterrupted
/// run.
///
/// # Errors
/// If a recipe's number is out of range, there are no samples, the loss is not finite, the run is interrupted (the
/// state is saved first), or the state cannot be saved or does not fit. After a loss that is not finite, the network
/// holds the last finite weights between two epochs: those at the start of the current epoch or of the resumed run,
/// or of an earlier epoch if those are not finite either.
pub fn train(
    network: &mut Network,
    objective: &mut dyn Objective,
    run: &Run<'_>,
    session: Session<'_>,
) -> Result<Outcome> {
    train_and_prune::<Error>(network, objective, run, session, &mut |_, _| Ok(None))
}

/// Callback of [`train_and_prune`] after every epoch. It gets the network and the number of finished epochs, and may
/// return a mask.
pub type Pruner<'a, E> = dyn FnMut(&mut Network, usize) -> std::result::Result<Option<Mask>, E> + 'a;

/// The same, with a chance to prune between epochs: if `prune` returns a mask, the network has it from then on. The
/// optimiser's memory of pruned weights becomes 0, and the search for the best epoch starts again. The mask is part
/// of the saved state.
///
/// # Errors
/// As [`train`], and those of `prune`.
pub fn train_and_prune<E: From<Error>>(
    network: &mut Network,
    objective: &mut dyn Objective,
    run: &Run<'_>,
    session: Session<'_>,
    prune: &mut Pruner<'_, E>,
) -> std::result::Result<Outcome, E> {
    run.recipe.check()?;
    run.course.check(run.recipe)?;
    let (mut progressing, optimizer) = begin(network, run, session)?;
    let mut learner = Learner::new(network, optimizer, objective)?;
    while progressing.log.position.epoch < run.recipe.epochs {
        if let Err(error) = run_epoch(&mut learner, objective, run, session, &mut progressing) {
            if let (Error::Diverged { .. }, Some(finite)) = (&error, progressing.finite) {
                learner.network()?.set_state(finite);
            }
            return Err(error.into());
        }
        let network = learner.network()?;
        finish_epoch(network, run, session, &mut progressing)?;
        if let Some(mask) = prune(network, progressing.log.position.epoch)? {
            progressing.prune(&mut learner, &mask)?;
        }
        progressing.keep_if_finite(learner.network()?);
    }
    let Progressing { log, best, snapshots, .. } = progressing;
    let selected_epoch = match (best, log.best) {
        (Some(state), Some((epoch, _))) => {
            learner.network()?.set_state(state);
            Some(epoch)
        }
        _ => log.rows.last().map(|row| row.epoch),
    };
    learner.finish()?;
    Ok(Outcome { epochs: log.rows, seconds: log.seconds, snapshots, selected_epoch })
}

impl Progressing {
    /// Stores the network's values if all are finite.
    fn keep_if_finite(&mut self, network: &Network) {
        if network.state().first_non_finite(network.graph()).is_none() {
            self.finite = Some(network.state().clone());
        }
    }

    /// Prunes the network, and clears all state that would restore a pruned weight.
    fn prune(&mut self, learner: &mut Learner<'_>, mask: &Mask) -> Result<()> {
        let (network, optimizer) = learner.newest_mut()?;
        apply_mask(network, mask)?;
        for (_, memory) in optimizer.memory_mut() {
            for (parameter, values) in network.graph().parameters.iter().zip(memory) {
                mask.apply(&parameter.name, values).map_err(Error::Mask)?;
            }
        }
        self.log.best = None;
        self.best = None;
        Ok(())
    }
}

fn begin(network: &mut Network, run: &Run<'_>, session: Session<'_>) -> Result<(Progressing, Optimizer)> {
    let position = Position { epoch: run.start_epoch, batch: 0 };
    let log = Log { position, sums: EpochSums::default(), rows: vec![], seconds: 0.0, steps: 0, best: None };
    let mut optimizer = Optimizer::new(run.recipe, &run.update, network.state().parameters());
    let mut progressing = Progressing { log, best: None, snapshots: BTreeMap::new(), finite: None };
    let saved = session.checkpoints.load().map_err(|source| Error::Io { action: "read", source })?;
    if let Some(bytes) = saved {
        resume::restore(&bytes, network, &mut optimizer, &mut progressing)?;
    } else if run.snapshots.contains(&run.start_epoch) {
        progressing.snapshots.insert(run.start_epoch, network.state().clone());
    }
    progressing.keep_if_finite(network);
    Ok((progressing, optimizer))
}

fn run_epoch(
    learner: &mut Learner<'_>,
    objective: &mut dyn Objective,
    run: &Run<'_>,
    session: Session<'_>,
    progressing: &mut Progressing,
) -> Result<()> {
    let Position { epoch, batch: first } = progressing.log.position;
    let steps = run.course.steps(epoch);
    let mut clock = Instant::now();
    let mut ahead = (first..).zip(run.course.epoch(epoch, first, learner.takes_bytes()));
    while let Some((batch, batches)) = trace_span!("wait").in_scope(|| ahead.next()) {
        let batches = batches?;
        let lr = run.recipe.lr_at(epoch * steps + batch, steps);
        let progress = epoch as f64 / run.recipe.epochs as f64;
        let at = At { epoch, number: progressing.log.steps + 1, progress, lr };
        let Seen { samples, correct, loss } = learner.step(objective, &batches, at, &run.update)?;
        if !loss.is_finite() {
            if progressing.log.steps == 0 {
                return Err(Error::NotFiniteAtFirst { loss });
            }
            let settings = run.recipe.strong_settings().into_iter().chain(objective.strong_settings().iter().copied());
            return Err(Error::Diverged { loss, epoch, batch, lr, settings: settings.collect() });
        }
        let log = &mut progressing.log;
        log.steps += 1;
        log.sums.samples += samples;
        log.sums.loss += loss * samples as f64;
        log.sums.correct += correct;
        log.position.batch = batch + 1;
        log.seconds += clock.elapsed().as_secs_f64();
        session.progress.step(log.position, run.recipe.epochs, steps, loss);
        // The interrupt is read once. If it arrived between two reads, the run would stop without a saved state.
        let stops = session.interrupted();
        if stops || session.checkpoints.due() {
            save(learner, session, progressing)?;
        }
        if stops {
            return Err(Error::Interrupted);
        }
        clock = Instant::now();
    }
    Ok(())
}

fn finish_epoch(
    network: &mut Network,
    run: &Run<'_>,
    session: Session<'_>,
    progressing: &mut Progressing,
) -> Result<()> {
    let epoch = progressing.log.position.epoch;
    let steps = run.course.steps(epoch);
    let validation_accuracy = match run.validation {
        Some((images, indices)) if !indices.is_empty() => Some(predict(network, images, indices)?.accuracy()),
        _ => None,
    };
    let log = &mut progressing.log;
    let samples = log.sums.samples.max(1) as f64;
    let row = EpochRow {
        epoch,
        lr: run.recipe.lr_at((epoch + 1) * steps - 1, steps),
        train_loss: log.sums.loss / samples,
        train_accuracy: 100.0 * log.sums.correct as f64 / samples,
        validation_accuracy,
    };
    session.progress.epoch(&row, run.recipe.epochs);
    log.rows.push(row);
    log.sums = EpochSums::default();
    log.position = Position { epoch: epoch + 1, batch: 0 };
    if let Some(accuracy) = validation_accuracy.filter(|_| run.recipe.select == Select::Best)
        && log.best.is_none_or(|(_, best)| accuracy > best)
    {
        log.best = Some((epoch, accuracy));
        progressing.best = Some(network.state().clone());
    }
    if run.snapshots.contains(&(epoch + 1)) {
        progressing.snapshots.insert(epoch + 1, network.state().clone());
    }
    Ok(())
}

fn save(learner: &mut Learner<'_>, session: Session<'_>, progressing: &Progressing) -> Result<()> {
    let (network, optimizer) = learner.newest()?;
    let bytes = resume::to_bytes(network, optimizer, progressing)?;
    session.checkpoints.save(&bytes).map_err(|source| Error::Io { action: "save", source })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use unlearn_models::{InputSpec, find, initialize};
    use unlearn_network::{DeviceChoice, Graph};
    use unlearn_samples::Augmentation;

    use super::*;
    use crate::{CrossEntropy, Rule, Schedule, testing::Killer};

    fn images() -> ImageSet {
        let pixels: Vec<u8> = (0..20 * 64).map(|i| ((i * 37 + i * i / 7) % 251) as u8).collect();
        let labels: Vec<u32> = (0..20).map(|i| i % 4).collect();
        ImageSet::new([1, 8, 8], pixels, labels).unwrap()
    }

    fn graph() -> Arc<Graph> {
        let input = InputSpec { shape: [1, 8, 8], classes: 4, mean: vec![0.5], std: vec![0.25] };
        find("resnet8s").unwrap().graph(&input).unwrap()
    }

    fn recipe() -> Recipe {
        Recipe { epochs: 3, batch_size: 6, lr: 0.05, schedule: Schedule::Cosine, ..Recipe::default() }
    }

    fn attempt(session: Session<'_>, recipe: &Recipe) -> Result<(State, Outcome)> {
        attempt_all(session, recipe, &Update::default(), false, &mut |_, _| Ok(None))
    }

    /// With `together`, the validation samples are the second part of every step.
    fn attempt_all(
        session: Session<'_>,
        recipe: &Recipe,
        update: &Update,
        together: bool,
        prune: &mut Pruner<'_, Error>,
    ) -> Result<(State, Outcome)> {
        let graph = graph();
        let mut network = Network::new(graph.clone(), initialize(&graph, 3), DeviceChoice::Cpu).unwrap();
        let images = images();
        let training: Vec<u32> = (0..16).collect();
        let validation: Vec<u32> = (16..20).collect();
        let augmentation = Augmentation { crop_padding: 1, flip: true, ..Augmentation::NONE };
        let batches = recipe.batches(&images, &training, augmentation, 5)?;
        let others = Recipe { batch_size: 2, ..recipe.clone() }.batches(&images, &validation, augmentation, 5)?;
        let course = if together { Course::Together(&batches, &others) } else { Course::Alone(&batches) };
        let run = Run {
            course,
            update: update.clone(),
            snapshots: &[0, 2],
            validation: Some((&images, &validation)),
            ..Run::new(recipe, &batches)
        };
        let outcome = train_and_prune(&mut network, &mut CrossEntropy::default(), &run, session, prune)?;
        Ok((network.state().clone(), outcome))
    }

    #[test]
    fn a_run_stopped_at_any_step_ends_bit_identical() {
        stopped_at_any_step(&Update::default(), false);
    }

    #[test]
    fn so_does_one_of_pairs_of_batches_with_another_optimizer() {
        stopped_at_any_step(&Update { rule: Some(Rule::Adam), ..Update::default() }, true);
    }

    fn stopped_at_any_step(update: &Update, together: bool) {
        let recipe = Recipe { lr: 0.01, ..recipe() };
        let attempt = |session: Session<'_>| attempt_all(session, &recipe, update, together, &mut |_, _| Ok(None));
        let (expected, undisturbed) = attempt(Session::unattended()).unwrap();
        assert_eq!(undisturbed.epochs.len(), 3);
        for stop_after in 1..9 {
            let killer = Killer::after(stop_after);
            assert!(matches!(attempt(killer.session()), Err(Error::Interrupted)));
            killer.relent();
            let (found, resumed) = attempt(killer.session()).unwrap();
            assert_eq!(found.parameters(), expected.parameters(), "stopped after step {stop_after}");
            assert_eq!(found.buffers(), expected.buffers());
            assert_eq!(resumed.epochs, undisturbed.epochs);
            assert_eq!(resumed.selected_epoch, undisturbed.selected_epoch);
            for (epoch, snapshot) in &undisturbed.snapshots {
                assert_eq!(resumed.snapshots[epoch].parameters(), snapshot.parameters());
            }
        }
    }

    #[test]
    fn the_best_epochs_weights_stay() {
        let (_, outcome) = attempt(Session::unattended(), &recipe()).unwrap();
        let accuracy = |row: &EpochRow| row.validation_accuracy.unwrap();
        let best = outcome.epochs.iter().map(accuracy).fold(0.0, f64::max);
        let first_best = outcome.epochs.iter().find(|row| accuracy(row) == best).unwrap();
        assert_eq!(outcome.selected_epoch, Some(first_best.epoch));
    }

    #[test]
    fn a_mask_that_arrives_between_epochs_stays_and_the_best_epoch_comes_after_it() {
        let graph = graph();
        let conv = graph.parameter("conv1.weight").unwrap();
        let mut prune = |_: &mut Network, epochs| {
            let mut mask = Mask::new("resnet8s");
            let bits = unlearn_masks::Bits::from_fn(&graph.parameters[conv].shape, |i| i % 2 == 0);
            mask.insert("conv1.weight", bits.map_err(Error::Mask)?);
            Ok((epochs == 2).then_some(mask))
        };
        for select in [Select::Best, Select::Last] {
            let recipe = Recipe { select, ..recipe() };
            let update = Update::default();
            let (state, outcome) = attempt_all(Session::unattended(), &recipe, &update, false, &mut prune).unwrap();
            assert_eq!(outcome.selected_epoch, Some(2));
            for (i, weight) in state.parameters()[conv].iter().enumerate() {
                assert_eq!(weight.to_bits() == 0, i % 2 == 1, "{select:?}: weight {i} is {weight}");
            }
        }
    }

    #[test]
    fn a_diverging_run_says_where() {
        let recipe = Recipe { lr: 1e30, weight_decay: 0.0, ..recipe() };
        let message = attempt(Session::unattended(), &recipe).unwrap_err().to_string();
        assert!(message.contains("epoch 0, batch") && message.contains("lower `lr`, or train"), "{message}");
        let recipe = Recipe { weight_decay: 1e25, ..recipe };
        let message = attempt(Session::unattended(), &recipe).unwrap_err().to_string();
        assert!(message.contains("lower `lr` or `weight-decay`, or train"), "{message}");
    }

    #[test]
    fn a_loss_that_is_not_finite_before_the_first_step_does_not_blame_the_learning_rate() {
        let (graph, images, recipe) = (graph(), images(), recipe());
        let batches = recipe.batches(&images, &[0, 1, 2, 3], Augmentation::NONE, 5).unwrap();
        let mut state = initialize(&graph, 3);
        state.parameters_mut()[0][0] = f32::NAN;
        let mut network = Network::new(graph, state, DeviceChoice::Cpu).unwrap();
        let run = Run::new(&recipe, &batches);
        let result = train(&mut network, &mut CrossEntropy::default(), &run, Session::unattended());
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with("the loss is NaN in the first batch, before the first step"), "{message}");
        assert!(!message.contains("`lr`"), "{message}");
    }

    #[test]
    fn a_run_that_diverges_leaves_the_last_finite_weights() {
        let graph = graph();
        let images = images();
        let indices: Vec<u32> = (0..16).collect();
        let trained = |recipe: &Recipe| {
            let batches = recipe.batches(&images, &indices, Augmentation::NONE, 5).unwrap();
            let mut network = Network::new(graph.clone(), initialize(&graph, 3), DeviceChoice::Cpu).unwrap();
            let run = Run::new(recipe, &batches);
            let result = train(&mut network, &mut CrossEntropy::default(), &run, Session::unattended());
            (network.state().clone(), result)
        };
        // The learning rate of the second epoch makes the third one diverge.
        let calm = Recipe { schedule: Schedule::Multistep, milestones: vec![1], gamma: 1e38, ..recipe() };
        let (expected, _) = trained(&Recipe { epochs: 1, ..calm.clone() });
        let (left, result) = trained(&calm);
        assert!(matches!(result, Err(Error::Diverged { epoch: 1.., .. })), "{result:?}");
        assert_eq!(left.parameters(), expected.parameters());
        assert_eq!(left.buffers(), expected.buffers());
    }

    #[test]
    fn a_damaged_state_is_refused() {
        let killer = Killer::never(b"not a state");
        let message = attempt(killer.session(), &recipe()).unwrap_err().to_string();
        assert!(message.contains("delete the stage's folder"), "{message}");
    }
}
