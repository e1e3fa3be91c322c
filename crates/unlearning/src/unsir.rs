//! `unsir`: noise that maximises the error on a forgotten class impairs the model, and part of the retain set repairs it
//! (Tarun et al. 2023, arXiv 2111.08947, section IV, "unlearning with single pass impair and repair"). Whole classes only.
//!
//! For each forgotten class, a batch of images z, normal at first, is moved by Adam to minimise −ℓ(z) + λ·mean‖z‖², z in the units
//! of normalised images, under running statistics. Then one epoch of SGD on copies of this noise, labelled as the forgotten class,
//! among retain samples (impair), and one on the retain samples alone (repair).
//!
//! Deviations from the paper's code: SGD with the recipe's momentum and decay, begun anew for each of the two epochs, where the
//! code uses Adam; noise becomes an image, clipped to 0..1 in 256 levels, before the network is trained on it. Noise is not
//! augmented, and neither is the epoch it is in.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_datasets::{Augmentation, BatchOptions, BatchPlan, ImageSet, permutation::shuffle, stream::stream};
use unlearn_models::fill_normal;
use unlearn_network::{Graph, Mode, Op};
use unlearn_training::{Adam, CrossEntropy, Error, Recipe, Result, Rounds, Run, train};

use crate::{
    Method, Outcome, Request,
    fine_tuning::FineTuning,
    range::{one_or_more, positive, zero_or_more},
};

/// Impair and repair.
pub(crate) struct Unsir;

/// Keys of `unsir`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Images of noise for each forgotten class.
    noise_samples: usize,
    /// Steps that make them.
    noise_steps: usize,
    /// Learning rate of these steps.
    noise_lr: f64,
    /// Weight λ of their squared norm.
    noise_decay: f64,
    /// How often each image of noise comes in the epoch that impairs.
    noise_copies: usize,
    /// Retain samples of each class in either epoch, all if there are fewer.
    retain_per_class: usize,
    /// Learning rate of the epoch that impairs.
    impair_lr: f64,
    /// Learning rate of the epoch that repairs.
    repair_lr: f64,
    /// Samples a step; the original recipe's if not given.
    batch_size: Option<usize>,
}

impl Method for Unsir {
    const NAME: &'static str = "unsir";
    const SUMMARY: &'static str =
        "impaired by noise that maximises the error, repaired on retain samples (whole classes)";
    const SOURCE: &'static str = "Tarun et al. 2023, arXiv 2111.08947, section IV";
    type Config = Config;

    fn defaults() -> Config {
        Config {
            noise_samples: 256,
            noise_steps: 40,
            noise_lr: 0.1,
            noise_decay: 0.1,
            noise_copies: 20,
            retain_per_class: 1000,
            impair_lr: 0.02,
            repair_lr: 0.01,
            batch_size: None,
        }
    }

    fn check(config: &Config) -> std::result::Result<(), String> {
        one_or_more("noise-samples", config.noise_samples)?;
        one_or_more("noise-copies", config.noise_copies)?;
        one_or_more("retain-per-class", config.retain_per_class)?;
        positive("noise-lr", config.noise_lr)?;
        zero_or_more("noise-decay", config.noise_decay)?;
        positive("impair-lr", config.impair_lr)?;
        positive("repair-lr", config.repair_lr)?;
        config.batch_size.map_or(Ok(()), |size| one_or_more("batch-size", size))
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let forgotten = forgotten_classes(request)?;
        let mut rounds = Rounds::load(request.session.checkpoints)?;
        let mut seconds = 0.0;
        let retain = some_of_each_class(request, config.retain_per_class);
        for round in rounds.next()..=2 {
            let impairs = round == 1;
            let lr = if impairs { config.impair_lr } else { config.repair_lr };
            let tuning = FineTuning { batch_size: config.batch_size, ..FineTuning::new(1, lr) };
            let recipe = tuning.recipe(request.recipe);
            let batches = if impairs {
                let started = Instant::now();
                let batches = with_noise(config, &forgotten, &retain, &recipe, request)?;
                seconds += started.elapsed().as_secs_f64();
                batches
            } else {
                request.batches(&retain, &recipe)?
            };
            let session = rounds.session(request.session);
            let run = Run::new(&recipe, &batches);
            let outcome = train(request.network, &mut CrossEntropy::default(), &run, session)?;
            seconds += outcome.seconds;
            rounds.finish(outcome.epochs, std::mem::take(&mut seconds));
        }
        Ok(Outcome { seconds: rounds.seconds(), epochs: rounds.into_rows() })
    }
}

/// The classes of D_f, if D_r has none of them.
fn forgotten_classes(request: &Request<'_>) -> Result<Vec<u32>> {
    let classes = request.forgotten_classes();
    let whole = |position: &u32| classes.contains(&request.images.labels[*position as usize]);
    if !request.forget.is_empty() && request.forget.iter().all(whole) {
        return Ok(classes);
    }
    let reason = "it forgets whole classes only, and the retain set has samples of a class that is to be forgotten; forget \
                  all of a class (`kind = \"class\"` without `count`), or use another method";
    Err(Error::Unsuitable(reason.into()))
}

/// The first `count` retain samples of each class, in an order drawn by the request's seed.
fn some_of_each_class(request: &Request<'_>, count: usize) -> Vec<u32> {
    let mut order = request.retain.to_vec();
    shuffle(&mut stream("unsir retain", &[request.seed]), &mut order);
    let mut taken = vec![0; request.network.graph().classes()];
    order.retain(|position| {
        let taken = &mut taken[request.images.labels[*position as usize] as usize];
        *taken += 1;
        *taken <= count
    });
    order
}

/// Batches of retain samples among copies of the noise of each forgotten class.
fn with_noise(
    config: &Config,
    forgotten: &[u32],
    retain: &[u32],
    recipe: &Recipe,
    request: &mut Request<'_>,
) -> Result<BatchPlan> {
    let ImageSet { channels, height, width, .. } = *request.images;
    let image = |position: &u32| request.images.image(*position as usize);
    let mut pixels: Vec<u8> = retain.iter().flat_map(image).copied().collect();
    let mut labels: Vec<u32> = retain.iter().map(|position| request.images.labels[*position as usize]).collect();
    let mut indices: Vec<u32> = (0..retain.len() as u32).collect();
    for class in forgotten {
        let noise = labels.len() as u32..(labels.len() + config.noise_samples) as u32;
        pixels.extend(maximise_error(config, *class, request)?);
        labels.resize(noise.end as usize, *class);
        (0..config.noise_copies).for_each(|_| indices.extend(noise.clone()));
    }
    let images = ImageSet::new([channels, height, width], pixels, labels)?;
    let options = BatchOptions::training(recipe.batch_size, Augmentation::NONE, request.seed);
    Ok(BatchPlan::new(&images, indices, options)?)
}

/// Images, as bytes, on which the network errs most if they are of this class.
fn maximise_error(config: &Config, class: u32, request: &mut Request<'_>) -> Result<Vec<u8>> {
    let count = config.noise_samples;
    let plane = request.images.height * request.images.width;
    let (mean, std) = normalization(request.network.graph());
    let channel = |i: usize| i / plane % mean.len();
    let pixel = |(i, z): (usize, &f32)| mean[channel(i)] + std[channel(i)] * z;
    let mut noise = vec![vec![0.0; count * mean.len() * plane]];
    fill_normal(&mut noise[0], 1.0, &mut stream("unsir noise", &[request.seed, u64::from(class)]));
    let mut adam = Adam::new(&Recipe { weight_decay: 0.0, ..request.recipe.clone() }, &noise, None);
    let labels = vec![class; count];
    let (mut logits, mut dlogits) = (vec![], vec![]);
    for step in 1..=config.noise_steps {
        let images: Vec<f32> = noise[0].iter().enumerate().map(pixel).collect();
        request.network.forward(&images, Mode::Frozen, &mut logits)?;
        dlogits.resize(logits.len(), 0.0);
        CrossEntropy::default().against(&labels, &logits, &mut dlogits);
        let ascent = &request.network.backward_to_input(&dlogits)?.input;
        let pull = (2.0 * config.noise_decay / count as f64) as f32;
        let descent = |(i, (g, z)): (usize, (&f32, &f32))| pull * z - std[channel(i)] * g;
        let gradient = vec![ascent.iter().zip(&noise[0]).enumerate().map(descent).collect()];
        adam.step(step as u64, config.noise_lr, &mut noise, &gradient);
    }
    Ok(noise[0].iter().enumerate().map(|z| (255.0 * pixel(z).clamp(0.0, 1.0)).round() as u8).collect())
}

/// Mean and standard deviation per channel by which the network normalises images.
fn normalization(graph: &Graph) -> (Vec<f32>, Vec<f32>) {
    let find = |op: &Op| if let Op::Normalize { mean, std } = op { Some((mean.clone(), std.clone())) } else { None };
    let channels = graph.input_shape()[0];
    graph.nodes.iter().find_map(|node| find(&node.op)).unwrap_or_else(|| (vec![0.0; channels], vec![1.0; channels]))
}
