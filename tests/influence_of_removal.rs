//! Influence predicts the effect of removing training images. On logistic regression, the losses of held-out images
//! after one Newton step are compared with those after training without the images.

use std::sync::Arc;

use unlearn_datasets::registry::{OpenOptions, open};
use unlearn_metrics::Scores;
use unlearn_network::{DeviceChoice, Graph, GraphBuilder, Mode, Network, State};
use unlearn_random::{choice, stream};
use unlearn_samples::{Augmentation, Batch, ImageSet};
use unlearn_training::{CrossEntropy, Objective, Predictions, Recipe, Session, Task, predict};
use unlearn_unlearning::{InfluenceOptions, Request, Solver, influence};

/// Side of an image after averaging blocks of pixels.
const SIDE: usize = 7;
const CLASSES: usize = 10;
const TRAIN_PER_CLASS: usize = 40;
const HELD_OUT_PER_CLASS: usize = 20;
const REMOVED: usize = 20;
const REMOVALS: u64 = 4;
/// The identity in Ĥ is the Hessian of this weight decay.
const WEIGHT_DECAY: f32 = 1.0;
const LEARNING_RATE: f32 = 0.05;
/// Norm of the gradient below which training has converged.
const CONVERGED: f32 = 1e-5;

/// The logits are one convolution over the whole image.
fn logistic_regression() -> Arc<Graph> {
    let (mut graph, images) = GraphBuilder::new("logistic", [1, SIDE, SIDE]);
    let normalized = graph.normalize(images, &[0.286], &[0.353]);
    let logits = graph.conv2d("fc", normalized, CLASSES, SIDE, 1, 0);
    graph.global_avg_pool("pool", logits);
    Arc::new(graph.finish())
}

/// `per_class` images of each class, with one value for each square block of pixels.
fn shrunk(images: &ImageSet, per_class: usize) -> ImageSet {
    let positions = images.first_of_each_class(CLASSES, per_class);
    let block = images.width / SIDE;
    let shrink = |image: &[u8], i: usize| {
        let (top, left) = (i / SIDE * block, i % SIDE * block);
        let pixels = (0..block * block).map(|k| u32::from(image[(top + k / block) * images.width + left + k % block]));
        (pixels.sum::<u32>() / (block * block) as u32) as u8
    };
    let pixels = positions.iter().flat_map(|position| {
        let image = images.image(*position as usize).unwrap();
        (0..SIDE * SIDE).map(move |i| shrink(&image, i))
    });
    let labels: Vec<u32> = positions.iter().map(|position| images.labels[*position as usize]).collect();
    ImageSet::new([1, SIDE, SIDE], pixels.collect::<Vec<u8>>(), labels).unwrap()
}

/// Minimises the mean loss over the samples plus weight decay by gradient descent.
fn converge(network: &mut Network, images: &ImageSet, samples: &[u32]) {
    let pixels =
        samples.iter().flat_map(|i| images.image(*i as usize).unwrap().to_vec()).map(|pixel| f32::from(pixel) / 255.0);
    let labels = samples.iter().map(|i| images.labels[*i as usize]).collect();
    let batch = Batch { images: pixels.collect(), labels, indices: samples.to_vec(), mixed: None };
    let (mut logits, mut dlogits) = (vec![], vec![0.0; samples.len() * CLASSES]);
    for _ in 0..5000 {
        network.forward(&batch.images, Mode::Frozen, &mut logits).unwrap();
        CrossEntropy::default().loss(&batch, &logits, &mut dlogits);
        network.backward(&dlogits).unwrap();
        let (parameters, gradients) = network.parameters_and_gradients();
        let mut squared = 0.0;
        for (theta, g) in parameters.iter_mut().flatten().zip(gradients.parameters.iter().flatten()) {
            let g = g + WEIGHT_DECAY * *theta;
            *theta -= LEARNING_RATE * g;
            squared += g * g;
        }
        if squared.sqrt() < CONVERGED {
            return;
        }
    }
    panic!("gradient descent has not converged");
}

fn losses(network: &mut Network, held_out: &ImageSet) -> Vec<f64> {
    let positions: Vec<u32> = (0..held_out.len() as u32).collect();
    let Predictions { logits, labels, classes } = predict(network, held_out, &positions).unwrap();
    Scores::new(logits, labels, classes).unwrap().losses().collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let moment = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum::<f64>()
    };
    moment(a, mean_a, b, mean_b) / (moment(a, mean_a, a, mean_a) * moment(b, mean_b, b, mean_b)).sqrt()
}

#[test]
fn changes_of_held_out_losses_are_those_of_training_without_the_images() {
    let data = open("fashion-mnist-mini", &OpenOptions::default()).unwrap();
    let (images, held_out) = (shrunk(&data.train, TRAIN_PER_CLASS), shrunk(&data.test, HELD_OUT_PER_CLASS));
    let all: Vec<u32> = (0..images.len() as u32).collect();
    let graph = logistic_regression();
    let mut network = Network::new(graph.clone(), State::zeros(&graph), DeviceChoice::Cpu).unwrap();
    converge(&mut network, &images, &all);
    let optimum = network.state().clone();
    let before = losses(&mut network, &held_out);
    let changes = |after: Vec<f64>| after.iter().zip(&before).map(|(after, before)| after - before).collect::<Vec<_>>();
    for removal in 0..REMOVALS {
        let forget = choice(&mut stream("removal", &[removal]), &all, REMOVED);
        let retain: Vec<u32> = all.iter().copied().filter(|i| !forget.contains(i)).collect();
        network.set_state(State::zeros(&graph));
        converge(&mut network, &images, &retain);
        let true_changes = changes(losses(&mut network, &held_out));

        network.set_state(optimum.clone());
        let options = InfluenceOptions { solver: Solver::Auto, samples: 1000, memory_mib: 64, augment: false };
        let found = influence(
            &mut Request::new(
                &mut network,
                Task {
                    images: &images,
                    validation: &[],
                    recipe: &Recipe::default(),
                    augmentation: Augmentation::NONE,
                    device: DeviceChoice::Cpu,
                    seed: 1,
                    session: Session::unattended(),
                },
                &forget,
                &retain,
            ),
            &options,
        );
        let mut moved = optimum.clone();
        for (theta, change) in moved.parameters_mut().iter_mut().flatten().zip(found.unwrap().change.concat()) {
            *theta += change;
        }
        network.set_state(moved);
        let foretold = changes(losses(&mut network, &held_out));
        let correlation = correlation(&foretold, &true_changes);
        println!("removal {removal}: correlation {correlation:.4}, ratio of norms {:.3}", {
            let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
            norm(&foretold) / norm(&true_changes)
        });
        assert!(correlation > 0.9, "removal {removal}: {correlation}");
    }
}
