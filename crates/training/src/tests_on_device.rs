//! Training on a device, on Candle's CPU device, against the host: each operation by itself, then whole runs.

use std::sync::Arc;

use unlearn_models::{InputSpec, find, initialize};
use unlearn_network::{
    CandleExecutor, Graph, Kept, LossTerm, Mode, Network, OwnPenalty, Penalty, Pixels, Slope, State, Traffic,
    Trainable, candle_core::Device,
};
use unlearn_samples::{Augmentation, Batch, ImageSet, Mixed};

use crate::{
    Course, CrossEntropy, Error, NegatedCrossEntropy, Objective, Outcome, Pruner, Recipe, Result, Rule, Run, Schedule,
    Session, Update, evaluate,
    learner::Learner,
    penalty,
    predict::{count_correct, predict},
    step::At,
    testing::Killer,
    train_and_prune,
    update::Optimizer,
};

const SHAPE: [usize; 3] = [2, 8, 8];
const CLASSES: usize = 4;

fn graph() -> Arc<Graph> {
    let input = InputSpec { shape: SHAPE, classes: CLASSES, mean: vec![0.5, 0.4], std: vec![0.25, 0.3] };
    find("resnet8s").unwrap().graph(&input).unwrap()
}

fn images() -> ImageSet {
    let pixels: Vec<u8> = (0..20 * 128).map(|i| ((i * 37 + i * i / 7) % 251) as u8).collect();
    let labels: Vec<u32> = (0..20).map(|i| i % 4).collect();
    ImageSet::new(SHAPE, pixels, labels).unwrap()
}

/// A network on the device, whose training stays there or does not.
fn network(stays: bool) -> Network {
    let graph = graph();
    let executor = if stays { CandleExecutor::new(Device::Cpu) } else { CandleExecutor::by_passes(Device::Cpu) };
    Network::with_executor(graph.clone(), initialize(&graph, 3), Box::new(executor))
}

fn recipe() -> Recipe {
    Recipe { epochs: 3, batch_size: 6, lr: 0.05, schedule: Schedule::Cosine, ..Recipe::default() }
}

fn wave(len: usize, step: f32) -> Vec<f32> {
    (0..len).map(|i| (step * i as f32 + 1.0).sin()).collect()
}

/// Every third weight of the convolutions is pruned.
fn kept(graph: &Graph) -> Kept {
    let third = |len: usize| (0..len).map(|i| i % 3 > 0).collect();
    let len = |shape: &[usize]| shape.iter().product();
    graph.parameters.iter().map(|p| p.kind.is_feature_weight().then(|| third(len(&p.shape)))).collect()
}

fn assert_close(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (id, (found, expected)) in found.iter().zip(expected).enumerate() {
        let largest = expected.iter().fold(1e-3f32, |largest, value| largest.max(value.abs()));
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs();
            assert!(off <= tolerance * largest, "{what}, {id}[{i}]: found {found}, expected {expected}");
        }
    }
}

#[test]
fn every_loss_and_its_gradient_are_the_hosts() {
    let (labels, wrong) = ([0, 3, 1, 1, 2], [1, 3, 0, 2, 2]);
    let mixed = Mixed { labels: vec![3, 3, 0, 2, 1], share: 0.7 };
    let (teacher, smooth) = (wave(5 * CLASSES, 0.9), CrossEntropy { label_smoothing: 0.1 });
    let entropy = |weight| CrossEntropy::default().term(weight, &labels, None);
    let divergence = |temperature, weight| LossTerm::Divergence { teacher: &teacher, temperature, weight };
    let cases: [&[LossTerm<'_>]; 9] = [
        &[entropy(1.0)],
        &[entropy(-0.4)],
        &[smooth.term(1.0, &labels, None)],
        &[smooth.term(1.0, &labels, Some(&mixed))],
        &[CrossEntropy::default().term(1.0, &wrong, None)],
        &[divergence(1.0, 1.0)],
        &[divergence(4.0, -0.5)],
        &[entropy(0.3), divergence(2.0, 0.7), entropy(0.2)],
        &[],
    ];
    let pixels = wave(5 * 128, 0.7).iter().map(|value| 0.5 + 0.5 * value).collect::<Vec<_>>();
    for (number, terms) in cases.into_iter().enumerate() {
        let mut host = network(false);
        let (mut logits, start) = (vec![], host.state().clone());
        host.forward(&pixels, Mode::Train, &mut logits).unwrap();
        let mut dlogits = vec![f32::NAN; logits.len()];
        let expected_loss = evaluate(terms, CLASSES, &logits, &mut dlogits);
        let expected = host.backward(&dlogits).unwrap().parameters.clone();
        let right = count_correct(&logits, &labels);

        // One step of descent at learning rate 1 moves each weight by its gradient.
        let mut device = network(true);
        let plain = Recipe { momentum: 0.0, weight_decay: 0.0, ..recipe() };
        let optimizer = Optimizer::new(&plain, &Update::default(), device.state().parameters());
        let mut residency = device.reside(optimizer.descent(), None).unwrap();
        residency.forward(Pixels::Floats(&pixels)).unwrap();
        residency.backward(Slope::Terms { terms, labels: &labels }).unwrap();
        residency.penalise(Penalty::None).unwrap();
        let (loss, correct) = residency.seen().unwrap();
        residency.descend((1, 1.0), Penalty::None).unwrap();
        residency.finish().unwrap();
        assert!((loss - expected_loss).abs() < 1e-5, "case {number}: {loss}, {expected_loss}");
        assert_eq!(correct, right, "case {number}");
        let moved = start.parameters().iter().zip(device.state().parameters());
        let found: Vec<Vec<f32>> = moved.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect();
        assert_close(&format!("case {number}"), &found, &expected, 1e-3);
        assert_close("statistics", device.state().buffers(), host.state().buffers(), 0.0);
    }
}

/// A penalty on weights and a loss that describe themselves, or hide what they are.
#[derive(Debug)]
struct Penalised<'a> {
    penalty: Option<Penalty<'a>>,
    hides_loss: bool,
}

impl Objective for Penalised<'_> {
    fn loss(&mut self, batch: &Batch, logits: &[f32], dlogits: &mut [f32]) -> f64 {
        CrossEntropy::default().loss(batch, logits, dlogits)
    }

    fn known_loss<'a>(&'a self, batch: &'a Batch) -> Option<Vec<LossTerm<'a>>> {
        (!self.hides_loss).then(|| vec![CrossEntropy::default().term(1.0, &batch.labels, batch.mixed.as_ref())])
    }

    fn penalty(&self, _: f64) -> Penalty<'_> {
        self.penalty.unwrap_or_default()
    }
}

/// The ℓ1 penalty as a function that only the host has.
#[derive(Debug)]
struct Hidden;

const GAMMA: f64 = 0.01;

impl OwnPenalty for Hidden {
    fn add(&self, parameters: &[Vec<f32>], gradients: &mut [Vec<f32>]) -> f64 {
        penalty::add(Penalty::L1 { gamma: GAMMA }, parameters, gradients)
    }
}

/// Some steps at a high learning rate, with half of some weights fixed and a third of the others pruned. Returns
/// losses, values and memory.
fn steps(
    mut network: Network,
    rule: Rule,
    nesterov: bool,
    sam: bool,
    objective: &mut dyn Objective,
) -> (Vec<f64>, State, Vec<Vec<f32>>) {
    let graph = network.graph().clone();
    network.prune(kept(&graph)).unwrap();
    let trainable: Trainable = graph
        .parameters
        .iter()
        .map(|p| (p.shape.len() == 2).then(|| (0..p.shape.iter().product()).map(|i| i % 2 == 0).collect()))
        .collect();
    let recipe = Recipe { nesterov, weight_decay: 0.01, batch_size: 5, ..recipe() };
    let update = Update { rule: Some(rule), sam: sam.then_some(0.05), trainable: Some(trainable) };
    let augmentation = Augmentation { crop_padding: 2, flip: true, ..Augmentation::NONE };
    let plan = recipe.batches(&images(), &(0..20).collect::<Vec<_>>(), augmentation, 5).unwrap();
    let optimizer = Optimizer::new(&recipe, &update, network.state().parameters());
    let mut learner = Learner::new(&mut network, optimizer, objective).unwrap();
    let plan = plan.in_bytes(learner.takes_bytes());
    let mut losses = vec![];
    for (number, batch) in (1..).zip(plan.epoch(0, 0)) {
        let at = At { epoch: 0, number, progress: 0.0, lr: 0.01 };
        losses.push(learner.step(objective, &[batch.unwrap()], at, &update).unwrap().loss);
    }
    let (_, optimizer) = learner.newest().unwrap();
    let memory = optimizer.memory().into_iter().flat_map(|(_, lists)| lists.to_vec()).collect();
    learner.finish().unwrap();
    (losses, network.state().clone(), memory)
}

#[test]
fn every_rule_and_penalty_moves_what_the_host_moves() {
    let graph = graph();
    let over: Vec<bool> = graph.parameters.iter().map(|parameter| parameter.kind.is_feature_weight()).collect();
    let penalties = [
        Penalty::None,
        Penalty::L1 { gamma: GAMMA },
        Penalty::SoftThreshold { gamma: 1.0, over: &over },
        Penalty::Own(&Hidden),
    ];
    for (rule, nesterov, sam, penalty) in [
        (Rule::Sgd, false, false, 0),
        (Rule::Sgd, true, false, 0),
        (Rule::Adam, false, false, 0),
        (Rule::AdamW, false, false, 0),
        (Rule::Sgd, false, true, 0),
        (Rule::Sgd, false, true, 1),
        (Rule::Sgd, false, false, 1),
        (Rule::Sgd, false, false, 2),
        (Rule::AdamW, false, false, 2),
        (Rule::Sgd, false, false, 3),
    ] {
        let what = format!("{rule:?}, nesterov {nesterov}, sam {sam}, {:?}", penalties[penalty]);
        let run = |stays, hides_loss, penalty| {
            let mut objective = Penalised { penalty: Some(penalties[penalty]), hides_loss };
            steps(network(stays), rule, nesterov, sam, &mut objective)
        };
        let (expected_losses, expected, expected_memory) = run(false, false, penalty);
        for hides_loss in [false, true] {
            let (losses, found, memory) = run(true, hides_loss, penalty);
            for (found, expected) in losses.iter().zip(&expected_losses) {
                assert!((found - expected).abs() < 1e-4 * expected.abs().max(1.0), "{what}: {found}, {expected}");
            }
            assert_eq!(losses.len(), 4);
            // Adam's steps are as long for the smallest gradient as for the largest.
            let tolerance = if rule == Rule::Sgd { 1e-3 } else { 2e-2 };
            assert_close(&what, found.parameters(), expected.parameters(), tolerance);
            assert_close(&what, found.buffers(), expected.buffers(), tolerance);
            assert_close(&what, &memory, &expected_memory, 2e-2);
            let pruned = kept(&graph);
            for (kept, values) in pruned.iter().zip(found.parameters()) {
                let zeros = kept.iter().flatten().zip(values).filter(|(kept, _)| !**kept);
                zeros.for_each(|(_, value)| assert_eq!(value.to_bits(), 0, "{what}"));
            }
        }
        if penalty == 3 {
            assert_eq!(expected.parameters(), run(false, false, 1).1.parameters(), "the same penalty, as data");
        }
    }
}

#[test]
fn fixed_weights_keep_their_bits() {
    let before = initialize(&graph(), 3);
    let (_, after, _) = steps(network(true), Rule::Adam, false, false, &mut CrossEntropy::default());
    let last = graph().parameters.len() - 2;
    for (i, (before, after)) in before.parameters()[last].iter().zip(&after.parameters()[last]).enumerate() {
        assert_eq!(before.to_bits() == after.to_bits(), i % 2 == 1, "weight {i}");
    }
}

/// A whole run, with crops, mirrors, snapshots and a validation set, or without them.
fn run(
    network: &mut Network,
    recipe: &Recipe,
    update: &Update,
    (together, looks): (bool, bool),
    session: Session<'_>,
    prune: &mut Pruner<'_, Error>,
) -> Result<Outcome> {
    let images = images();
    let training: Vec<u32> = (0..16).collect();
    let others: Vec<u32> = (16..20).collect();
    let augmentation = Augmentation { crop_padding: 1, flip: true, ..Augmentation::NONE };
    let batches = recipe.batches(&images, &training, augmentation, 5)?;
    let second = Recipe { batch_size: 2, ..recipe.clone() }.batches(&images, &others, augmentation, 5)?;
    let course = if together { Course::Together(&batches, &second) } else { Course::Alone(&batches) };
    let run = Run {
        course,
        update: update.clone(),
        snapshots: if looks { &[0, 1, 2] } else { &[] },
        validation: looks.then_some((&images, &others)),
        ..Run::new(recipe, &batches)
    };
    train_and_prune(network, &mut CrossEntropy::default(), &run, session, prune)
}

fn plain(network: &mut Network, recipe: &Recipe) -> Outcome {
    run(network, recipe, &Update::default(), (false, true), Session::unattended(), &mut |_, _| Ok(None)).unwrap()
}

#[test]
fn a_whole_run_is_that_by_passes() {
    let mixed = Recipe { mixup: Some(0.4), label_smoothing: 0.1, lr: 0.01, ..recipe() };
    let cut = Recipe { cutout: Some(3), optimizer: Rule::Adam, lr: 1e-3, ..recipe() };
    for recipe in [Recipe { lr: 0.01, ..recipe() }, mixed, cut] {
        let [mut found, mut expected] = [network(true), network(false)];
        let [outcome, expected_outcome] = [plain(&mut found, &recipe), plain(&mut expected, &recipe)];
        assert_close("values", found.state().parameters(), expected.state().parameters(), 2e-2);
        assert_close("statistics", found.state().buffers(), expected.state().buffers(), 2e-2);
        for (found, expected) in outcome.epochs.iter().zip(&expected_outcome.epochs) {
            assert!((found.train_loss - expected.train_loss).abs() < 1e-3, "{found:?}, {expected:?}");
        }
        assert_eq!(outcome.snapshots.len(), 3);
    }
}

#[test]
fn looking_at_values_changes_nothing() {
    let recipe = Recipe { select: crate::Select::Last, ..recipe() };
    let [mut looked, mut alone] = [network(true), network(true)];
    plain(&mut looked, &recipe);
    run(&mut alone, &recipe, &Update::default(), (false, false), Session::unattended(), &mut |_, _| Ok(None)).unwrap();
    assert_eq!(looked.state().parameters(), alone.state().parameters());
    assert_eq!(looked.state().buffers(), alone.state().buffers());
}

#[test]
fn a_run_stopped_at_any_step_ends_bit_identical() {
    for (rule, together) in [(Rule::Sgd, false), (Rule::Adam, true)] {
        let update = Update { rule: Some(rule), ..Update::default() };
        let recipe = Recipe { lr: 0.01, ..recipe() };
        let attempt = |session: Session<'_>| {
            let mut network = network(true);
            let outcome = run(&mut network, &recipe, &update, (together, true), session, &mut |_, _| Ok(None))?;
            Ok::<_, Error>((network.state().clone(), outcome))
        };
        let (expected, undisturbed) = attempt(Session::unattended()).unwrap();
        for stop_after in 1..9 {
            let killer = Killer::after(stop_after);
            assert!(matches!(attempt(killer.session()), Err(Error::Interrupted)));
            killer.relent();
            let (found, resumed) = attempt(killer.session()).unwrap();
            assert_eq!(found.parameters(), expected.parameters(), "{rule:?}, stopped after step {stop_after}");
            assert_eq!(found.buffers(), expected.buffers());
            assert_eq!(resumed.epochs, undisturbed.epochs);
        }
        // Saving after every step changes nothing either.
        let (found, _) = attempt(Killer::after(usize::MAX).saving_each_step().session()).unwrap();
        assert_eq!(found.parameters(), expected.parameters(), "{rule:?}");
    }
}

#[test]
fn a_mask_that_arrives_between_epochs_stays() {
    let pruned = |stays| {
        let mut network = network(stays);
        let mask = crate::mask_over(&graph(), [(0, Some(&kept(&graph())[0].clone().unwrap()[..]))]).unwrap();
        let mut prune = |_: &mut Network, epochs| Ok((epochs == 2).then(|| mask.clone()));
        let recipe = Recipe { lr: 0.01, select: crate::Select::Last, ..recipe() };
        run(&mut network, &recipe, &Update::default(), (false, true), Session::unattended(), &mut prune).unwrap();
        network.state().clone()
    };
    let (found, expected) = (pruned(true), pruned(false));
    let zeros = |state: &State| state.parameters()[0].iter().map(|value| value.to_bits() == 0).collect::<Vec<_>>();
    assert_eq!(zeros(&found), kept(&graph())[0].as_ref().unwrap().iter().map(|kept| !kept).collect::<Vec<_>>());
    assert_close("pruned", found.parameters(), expected.parameters(), 2e-2);
}

#[test]
fn a_run_that_diverges_leaves_the_last_finite_weights() {
    let calm = Recipe { schedule: Schedule::Multistep, milestones: vec![1], gamma: 1e38, ..recipe() };
    let mut expected = network(true);
    let last = crate::Select::Last;
    plain(&mut expected, &Recipe { epochs: 1, select: last, ..calm.clone() });
    let mut left = network(true);
    let recipe = Recipe { select: last, ..calm };
    let result =
        run(&mut left, &recipe, &Update::default(), (false, false), Session::unattended(), &mut |_, _| Ok(None));
    assert!(matches!(result, Err(Error::Diverged { epoch: 1.., .. })), "{result:?}");
    assert_eq!(left.state().parameters(), expected.state().parameters());
    assert_eq!(left.state().buffers(), expected.state().buffers());
}

#[test]
fn a_step_moves_images_labels_placements_and_two_numbers() {
    let images = images();
    for (augmentation, placements) in
        [(Augmentation { crop_padding: 1, flip: true, ..Augmentation::NONE }, 12), (Augmentation::NONE, 0)]
    {
        let mut network = network(true);
        network.prune(kept(&graph())).unwrap();
        let update = Update::default();
        let optimizer = Optimizer::new(&recipe(), &update, network.state().parameters());
        let mut objective = NegatedCrossEntropy;
        let mut learner = Learner::new(&mut network, optimizer, &objective).unwrap();
        let plan = recipe().batches(&images, &(0..18).collect::<Vec<_>>(), augmentation, 5).unwrap();
        let mut step = |learner: &mut Learner<'_>, number| {
            let batch = plan.clone().in_bytes(learner.takes_bytes()).epoch(number, 0).next().unwrap().unwrap();
            let before = learner.traffic();
            let at = At { epoch: 0, number: number + 1, progress: 0.0, lr: 0.01 };
            learner.step(&mut objective, &[batch], at, &update).unwrap();
            learner.traffic() - before
        };
        let parameters = graph().parameter_count() as u64;
        let values = parameters + graph().buffers.iter().map(|b| b.shape.iter().product::<usize>() as u64).sum::<u64>();
        let images = 6 * (128 + 4 + placements);
        // The first step takes values and mask along. The rest are a few constants, such as the normalisation.
        let first = step(&mut learner, 0);
        let constants = first.up - images - 4 * values - parameters;
        assert!(constants < 400, "{first:?}, {constants} bytes of constants");
        let transfers = if placements > 0 { 4 } else { 3 };
        for number in 1..4 {
            assert_eq!(step(&mut learner, number), Traffic { up: images, down: 8, transfers }, "step {number}");
        }
        // A checkpoint moves values and memory once, and nothing returns afterwards.
        let before = learner.traffic();
        learner.newest().unwrap();
        assert_eq!(learner.traffic() - before, Traffic { up: 0, down: 4 * (values + parameters), transfers: 2 });
        assert_eq!(step(&mut learner, 4), Traffic { up: images, down: 8, transfers });
        // An evaluation between steps takes images and gives logits.
        let before = learner.traffic();
        let network = learner.network().unwrap();
        predict(network, &self::images(), &[0, 1, 2]).unwrap();
        let found = learner.traffic() - before;
        assert_eq!(found, Traffic { up: 3 * 128, down: 4 * (values + 3 * CLASSES as u64), transfers: 3 });
        assert_eq!(step(&mut learner, 5), Traffic { up: images, down: 8, transfers });
    }
}

#[test]
fn a_pass_from_before_a_step_cannot_go_back() {
    let mut network = network(true);
    network.forward(&[0.5; 128], Mode::Frozen, &mut vec![]).unwrap();
    let optimizer = Optimizer::new(&recipe(), &Update::default(), network.state().parameters());
    let mut residency = network.reside(optimizer.descent(), None).unwrap();
    assert!(residency.logits().is_err() && residency.descend((1, 0.1), Penalty::None).is_err());
    residency.forward(Pixels::Bytes { bytes: &[7; 256], placements: &[] }).unwrap();
    assert_eq!(residency.logits().unwrap().len(), 2 * CLASSES);
    let refused =
        |residency: &mut unlearn_network::Residency<'_>, slope| residency.backward(slope).unwrap_err().to_string();
    assert_eq!(refused(&mut residency, Slope::Given(&[0.0; 4])), "∂loss/∂logits: expected shape [2, 4], found [4]");
    assert!(refused(&mut residency, Slope::Given(&[0.0; 8])).starts_with("backward needs a forward pass"));
    residency.forward(Pixels::Bytes { bytes: &[7; 256], placements: &[] }).unwrap();
    residency.network().unwrap();
    assert!(refused(&mut residency, Slope::Given(&[0.0; 8])).starts_with("backward needs a forward pass"));
    assert!(residency.forward(Pixels::Bytes { bytes: &[7; 100], placements: &[] }).is_err());
    residency.finish().unwrap();
    assert!(network.backward(&[0.0; 4]).is_err());
    assert!(self::network(false).reside(optimizer.descent(), None).is_err());
}
