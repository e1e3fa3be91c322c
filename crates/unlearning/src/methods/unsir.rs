//! `unsir`: noise that maximises the error on a forgotten class impairs the model, and part of the retain set repairs
//! it ("unlearning with single pass impair and repair", Tarun et al. 2023, arXiv 2111.08947). It supports whole
//! classes only.
//!
//! For each forgotten class, Adam minimises −ℓ(z) + λ·mean‖z‖² over a batch of images z, with running statistics. z
//! starts from normal noise and is in the units of normalised images. Two epochs of SGD follow: one on retain samples
//! mixed with copies of this noise, labelled as the forgotten class (impair), and one on the retain samples alone
//! (repair).
//!
//! Deviations from the paper's code: the two epochs use SGD with the recipe's momentum and weight decay, started anew
//! for each epoch; the code uses Adam. Noise is converted to images, clipped to 0..1 with 256 levels, before the
//! network is trained on it. The impairing epoch is not augmented.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use unlearn_network::{Graph, Mode, Network, Op};
use unlearn_random::{fill_normal, shuffle, stream};
use unlearn_samples::{Augmentation, BatchOptions, BatchPlan, ImageSet};
use unlearn_training::{Adam, CrossEntropy, Recipe, Result, Rounds, Run, train};

use crate::{
    Method, Outcome, Prospect, Request,
    parameter::{Origin, Parameter, fixed, log, searched},
    shared::{
        fine_tuning::FineTuning,
        range::{one_or_more, positive, zero_or_more},
    },
};

/// Impair and repair.
pub(crate) struct Unsir;

/// Most noise samples of a class. All are in memory, and one step goes through all of them.
const MOST_NOISE: usize = 1 << 16;

/// Keys of `unsir`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Config {
    /// Images of noise for each forgotten class.
    noise_samples: usize,
    /// Number of Adam steps for the noise.
    noise_steps: usize,
    /// Learning rate of these steps.
    noise_lr: f64,
    /// Weight λ of the squared norm of the noise.
    noise_decay: f64,
    /// Number of copies of each noise image in the impairing epoch.
    noise_copies: usize,
    /// Retain samples per class in each epoch. A class with fewer uses all.
    retain_per_class: usize,
    /// Learning rate of the impairing epoch.
    impair_lr: f64,
    /// Learning rate of the repairing epoch.
    repair_lr: f64,
    /// Samples per step. `None` means the original recipe's.
    batch_size: Option<usize>,
}

impl Method for Unsir {
    const NAME: &'static str = "unsir";
    const SUMMARY: &'static str =
        "impairs with noise that maximises the error, then repairs on retain samples (whole classes)";
    const SOURCE: &'static str = "Tarun et al. 2023, arXiv 2111.08947";
    const WHOLE_CLASSES_ONLY: bool = true;
    const PARAMETERS: &'static [&'static [Parameter]] = &[&[
        fixed("noise-samples", "images of noise for each forgotten class", Origin::Code),
        fixed("noise-steps", "steps of Adam that make the noise", Origin::Code),
        fixed("noise-lr", "learning rate of these steps", Origin::Code),
        fixed("noise-decay", "weight of the squared norm of the noise", Origin::Code),
        fixed("noise-copies", "copies of each noise image in the impairing epoch", Origin::Code),
        fixed("retain-per-class", "retain samples of each class in each epoch", Origin::Code),
        searched("impair-lr", "learning rate of the impairing epoch", Origin::Code, log(1e-3, 1e-1)),
        searched("repair-lr", "learning rate of the repairing epoch", Origin::Code, log(1e-3, 1e-1)),
        fixed("batch-size", "samples per step", Origin::Training),
    ]];
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
        if config.noise_samples > MOST_NOISE {
            return Err(format!("`noise-samples` must be at most {MOST_NOISE}, found {}", config.noise_samples));
        }
        one_or_more("noise-copies", config.noise_copies)?;
        one_or_more("retain-per-class", config.retain_per_class)?;
        positive("noise-lr", config.noise_lr)?;
        zero_or_more("noise-decay", config.noise_decay)?;
        positive("impair-lr", config.impair_lr)?;
        positive("repair-lr", config.repair_lr)?;
        config.batch_size.map_or(Ok(()), |size| one_or_more("batch-size", size))
    }

    fn suits(_: &Config, prospect: &Prospect<'_>) -> std::result::Result<(), String> {
        prospect.needs_whole_classes()?;
        prospect.needs_retained()
    }

    fn run(config: &Config, request: &mut Request<'_>) -> Result<Outcome> {
        let forgotten = request.prospect().forgotten_classes();
        let mut rounds = Rounds::load(request.task.session.checkpoints)?;
        let mut seconds = 0.0;
        let retain = some_of_each_class(request, config.retain_per_class);
        for round in rounds.next()..=2 {
            let impairs = round == 1;
            let lr = if impairs { config.impair_lr } else { config.repair_lr };
            let tuning = FineTuning { batch_size: config.batch_size, ..FineTuning::new(1, lr) };
            let recipe = tuning.recipe(request.task.recipe);
            let batches = if impairs {
                let started = Instant::now();
                let batches = with_noise(config, &forgotten, &retain, &recipe, request)?;
                seconds += started.elapsed().as_secs_f64();
                batches
            } else {
                request.batches(&retain, &recipe)?
            };
            let session = rounds.session(request.task.session);
            let run = Run::new(&recipe, &batches);
            let outcome = train(request.network, &mut CrossEntropy::default(), &run, session)?;
            seconds += outcome.seconds;
            rounds.finish(outcome.epochs, std::mem::take(&mut seconds));
        }
        Ok(Outcome { seconds: rounds.seconds(), epochs: rounds.into_rows() })
    }
}

/// The first `count` retain samples of each class, in an order drawn by the request's seed.
fn some_of_each_class(request: &Request<'_>, count: usize) -> Vec<u32> {
    let mut order = request.retain.to_vec();
    shuffle(&mut stream("unsir retain", &[request.task.seed]), &mut order);
    let mut taken = vec![0; request.network.graph().classes()];
    order.retain(|position| {
        let taken = &mut taken[request.task.images.labels[*position as usize] as usize];
        *taken += 1;
        *taken <= count
    });
    order
}

/// Batches of retain samples mixed with copies of the noise of each forgotten class.
fn with_noise(
    config: &Config,
    forgotten: &[u32],
    retain: &[u32],
    recipe: &Recipe,
    request: &mut Request<'_>,
) -> Result<BatchPlan> {
    let ImageSet { channels, height, width, .. } = *request.task.images;
    let mut pixels = Vec::with_capacity(retain.len() * request.task.images.image_len());
    for position in retain {
        pixels.extend_from_slice(&request.task.images.image(*position as usize)?);
    }
    let mut labels: Vec<u32> = retain.iter().map(|position| request.task.images.labels[*position as usize]).collect();
    let mut indices: Vec<u32> = (0..retain.len() as u32).collect();
    for class in forgotten {
        let noise = labels.len() as u32..(labels.len() + config.noise_samples) as u32;
        pixels.extend(maximise_error(config, *class, request)?);
        labels.resize(noise.end as usize, *class);
        (0..config.noise_copies).for_each(|_| indices.extend(noise.clone()));
    }
    let images = ImageSet::new([channels, height, width], pixels, labels)?;
    let options = BatchOptions::training(recipe.batch_size, Augmentation::NONE, request.task.seed);
    Ok(BatchPlan::new(&images, indices, options)?)
}

/// Images, as bytes, that maximise the network's error for the label `class`.
fn maximise_error(config: &Config, class: u32, request: &mut Request<'_>) -> Result<Vec<u8>> {
    let mut noise = Noise::new(request.network.graph());
    let mut z = vec![vec![0.0; config.noise_samples * noise.size()]];
    fill_normal(&mut z[0], 1.0, &mut stream("unsir noise", &[request.task.seed, u64::from(class)]));
    let mut adam = Adam::new(&Recipe { weight_decay: 0.0, ..request.task.recipe.clone() }, &z, None);
    for step in 1..=config.noise_steps {
        let (_, gradient) = noise.objective(&z[0], class, config.noise_decay, request.network)?;
        adam.step(step as u64, config.noise_lr, &mut z, &[gradient]);
        request.task.session.go_on()?;
    }
    Ok(noise.pixels(&z[0]).into_iter().map(|x| (255.0 * x.clamp(0.0, 1.0)).round() as u8).collect())
}

/// Noise z in the units of normalised images, `[count, channels, height, width]`.
struct Noise {
    /// Mean per channel, which the network subtracts from images.
    mean: Vec<f32>,
    /// Standard deviation per channel, by which the network then divides.
    std: Vec<f32>,
    /// Number of pixels in a channel.
    plane: usize,
    logits: Vec<f32>,
    dlogits: Vec<f32>,
}

impl Noise {
    fn new(graph: &Graph) -> Self {
        let [channels, height, width] = graph.input_shape();
        let find =
            |op: &Op| if let Op::Normalize { mean, std } = op { Some((mean.clone(), std.clone())) } else { None };
        let found = graph.nodes.iter().find_map(|node| find(&node.op));
        let (mean, std) = found.unwrap_or_else(|| (vec![0.0; channels], vec![1.0; channels]));
        Self { mean, std, plane: height * width, logits: vec![], dlogits: vec![] }
    }

    /// Number of values in an image.
    fn size(&self) -> usize {
        self.mean.len() * self.plane
    }

    /// The images whose normalisation is z.
    fn pixels(&self, z: &[f32]) -> Vec<f32> {
        let channels = self.mean.iter().zip(&self.std).cycle();
        let planes = z.chunks(self.plane).zip(channels);
        planes.flat_map(|(z, (mean, std))| z.iter().map(move |z| mean + std * z)).collect()
    }

    /// −ℓ + λ·mean‖z‖² and its gradient.
    fn objective(&mut self, z: &[f32], class: u32, decay: f64, network: &mut Network) -> Result<(f64, Vec<f32>)> {
        let count = z.len() / self.size();
        network.forward(&self.pixels(z), Mode::Frozen, &mut self.logits)?;
        self.dlogits.resize(self.logits.len(), 0.0);
        let loss = CrossEntropy::default().against(&vec![class; count], &self.logits, &mut self.dlogits);
        let images = &network.backward_to_input(&self.dlogits)?.input;
        let share = decay / count as f64;
        let squares: f64 = z.iter().map(|z| f64::from(*z).powi(2)).sum();
        let planes = z.chunks(self.plane).zip(images.chunks(self.plane)).zip(self.std.iter().cycle());
        let descent = |((z, dx), std): ((&[f32], &[f32]), &f32)| -> Vec<f32> {
            z.iter().zip(dx).map(|(z, dx)| (2.0 * share) as f32 * z - std * dx).collect()
        };
        Ok((share * squares - loss, planes.flat_map(descent).collect()))
    }
}

#[cfg(test)]
mod tests {
    use unlearn_models::{InputSpec, find, initialize};
    use unlearn_network::DeviceChoice;

    use super::*;

    #[test]
    fn the_gradient_is_the_difference_of_the_objective_and_descent_raises_the_error() {
        let input = InputSpec { shape: [2, 8, 8], classes: 4, mean: vec![0.5, 0.3], std: vec![0.25, 0.5] };
        let graph = find("resnet8s").unwrap().graph(&input).unwrap();
        let mut network = Network::new(graph.clone(), initialize(&graph, 1), DeviceChoice::Cpu).unwrap();
        let mut noise = Noise::new(&graph);
        let mut z = vec![vec![0.0; 3 * noise.size()]];
        fill_normal(&mut z[0], 1.0, &mut stream("test", &[1]));
        let (_, gradient) = noise.objective(&z[0], 2, 0.1, &mut network).unwrap();
        // The difference along a direction, relative to the sum of the absolute values of its terms.
        for channel in 0..2 {
            let direction = |i: usize| if i / 64 % 2 == channel { (i as f32).sin() } else { 0.0 };
            let mut at = |step: f32| {
                let moved: Vec<f32> = z[0].iter().enumerate().map(|(i, z)| z + step * direction(i)).collect();
                noise.objective(&moved, 2, 0.1, &mut network).unwrap().0
            };
            let difference = (at(2e-3) - at(-2e-3)) / 4e-3;
            let terms: Vec<f64> = gradient.iter().enumerate().map(|(i, g)| f64::from(g * direction(i))).collect();
            let (sum, scale) = (terms.iter().sum::<f64>(), terms.iter().map(|term| term.abs()).sum::<f64>());
            assert!((difference - sum).abs() < 2e-2 * scale, "channel {channel}: {difference}, {sum} of {scale}");
        }
        let mut adam = Adam::new(&Recipe { weight_decay: 0.0, ..Recipe::default() }, &z, None);
        let before = noise.objective(&z[0], 2, 0.0, &mut network).unwrap().0;
        for step in 1..=20 {
            let (_, gradient) = noise.objective(&z[0], 2, 0.0, &mut network).unwrap();
            adam.step(step, 0.1, &mut z, &[gradient]);
        }
        let after = noise.objective(&z[0], 2, 0.0, &mut network).unwrap().0;
        assert!(after < before - 0.5, "{before} to {after}");
    }
}
