//! Poisons a small data set in memory, trains a linear classifier on it, and measures the attack.
//!
//! ```sh
//! cargo run -p unlearn-backdoor --example poison [TRIGGER [FRACTION]]
//! ```
//!
//! The images are 28×28 and grey, like those of Fashion-MNIST. Each of two classes has its own bright shape on a grey background, with
//! noise. The classifier is logistic regression on the pixels. It learns a patch, a blended picture and a sinusoid, but no warp. The
//! detectors examine its logits, and also the pixels averaged over squares of 4×4. There are only two classes because a linear classifier
//! has no features in which poison from several classes is close together.

use std::error::Error;
use std::process::ExitCode;

use rand::Rng as _;
use serde_json::Map;
use unlearn_backdoor::{DETECTORS, Features, Labels, Poison, TriggerChoice, figures};
use unlearn_random::stream;
use unlearn_samples::{Augmentation, Dataset, ImageSet, Normalization, Sampler, SplitOptions, split};

const SIDE: usize = 28;
const PIXELS: usize = SIDE * SIDE;
const CLASSES: usize = 2;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let trigger = TriggerChoice::parse(&arguments.next().unwrap_or_else(|| "patch".into()))?;
    let fraction: f64 = arguments.next().as_deref().unwrap_or("0.1").parse()?;
    let poison = Poison {
        trigger,
        target: 0,
        labels: Labels::Dirty,
        count: None,
        fraction: Some(fraction),
        sampler: Sampler::NumpyLegacy,
        seed: 2,
    };

    let dataset = shapes()?;
    let split = split::split(&dataset, &SplitOptions::default())?;
    let poisoned = poison.apply(&dataset, &split, None)?;
    let test = poison.triggered_test(&dataset, None)?;
    println!("{}", poison.label());
    println!("clean fingerprint    {}", &dataset.fingerprint[..16]);
    println!("poisoned fingerprint {}", &poisoned.dataset.fingerprint[..16]);
    println!("{} of {} training images poisoned\n", poisoned.positions.len(), split.train.len());
    for warning in [poisoned.warning(), test.warning()].into_iter().flatten() {
        println!("warning: {warning}\n");
    }
    let first = poisoned.positions.first().map_or(0, |position| *position as usize);
    let both = [&dataset, &poisoned.dataset].map(|set| set.train.image(first));
    let [before, after] = both;
    draw(&before?, &after?);

    println!("\n{:<10} {:>8} {:>8} {:>12}", "trained on", "SA %", "ASR %", "asr-compat %");
    for (name, train) in [("clean", &dataset.train), ("poisoned", &poisoned.dataset.train)] {
        let model = Linear::train(train, &split.train)?;
        let clean = model.answers(&dataset.test)?;
        let triggered = model.answers(test.images())?;
        let (truths, target) = (test.true_classes(), test.target());
        println!(
            "{name:<10} {:>8.2} {:>8.2} {:>12.2}",
            figures::sa(&clean, &dataset.test.labels)?,
            figures::asr(&triggered, truths, target)?,
            figures::asr_compat(&triggered, truths, target)?,
        );
    }

    let train = &poisoned.dataset.train;
    let model = Linear::train(train, &split.train)?;
    let mut values = Vec::new();
    for &position in &split.train {
        let image = train.image(position as usize)?;
        values.extend(model.logits(&image));
        values.extend(averages(&image));
    }
    let labels: Vec<u32> = split.train.iter().map(|&position| train.labels[position as usize]).collect();
    let features = Features::new(&values, values.len() / labels.len(), &labels, &split.train)?;
    println!("\n{:<22} {:>10} {:>10} {:>15}", "detector", "suspicious", "recall %", "false alarms %");
    for detector in DETECTORS {
        let found = detector.detect(&Map::new(), &features)?.suspicious;
        println!(
            "{:<22} {:>10} {:>10.2} {:>15.2}",
            detector.name,
            found.len(),
            figures::recall(&found, &poisoned.positions)?,
            figures::false_alarms(&found, &poisoned.positions, &split.train)?,
        );
    }
    Ok(())
}

/// Two classes of noisy shapes.
fn shapes() -> Result<Dataset, unlearn_samples::Error> {
    let images = |count: usize, key: u64| {
        let mut rng = stream("example", &[key]);
        let mut pixels = Vec::with_capacity(count * PIXELS);
        for i in 0..count {
            for at in 0..PIXELS {
                let [y, x] = [at / SIDE, at % SIDE];
                let inside = match i % CLASSES {
                    0 => (6..12).contains(&y),
                    _ => (6..12).contains(&x),
                };
                pixels.push((60 + 50 * u32::from(inside) + rng.next_u32() % 90) as u8);
            }
        }
        ImageSet::new([1, SIDE, SIDE], pixels, (0..count).map(|i| (i % CLASSES) as u32).collect::<Vec<_>>())
    };
    let classes = ["bar", "column"].map(String::from).to_vec();
    let normalization = Normalization { mean: vec![0.5], std: vec![0.5] };
    Ok(Dataset::new("shapes", classes, normalization, Augmentation::NONE, images(2000, 1)?, images(400, 2)?))
}

/// Both images side by side, every second row.
fn draw(before: &[u8], after: &[u8]) {
    let line =
        |row: &[u8]| row.iter().map(|&pixel| char::from(b" .:-=+*#%@"[pixel as usize * 10 / 256])).collect::<String>();
    for (left, right) in before.chunks_exact(SIDE).zip(after.chunks_exact(SIDE)).step_by(2) {
        println!("|{}| |{}|", line(left), line(right));
    }
}

/// The means of squares of 4×4 pixels.
fn averages(image: &[u8]) -> Vec<f32> {
    let mut sums = vec![0.0; PIXELS / 16];
    for (at, &pixel) in image.iter().enumerate() {
        sums[at / SIDE / 4 * (SIDE / 4) + at % SIDE / 4] += f32::from(pixel) / (16.0 * 255.0);
    }
    sums
}

/// Logistic regression, with one column of weights per class.
struct Linear {
    weights: Vec<[f32; CLASSES]>,
    bias: [f32; CLASSES],
}

impl Linear {
    fn train(images: &ImageSet, positions: &[u32]) -> Result<Self, unlearn_samples::Error> {
        let mut model = Self { weights: vec![[0.0; CLASSES]; PIXELS], bias: [0.0; CLASSES] };
        for _ in 0..12 {
            for &position in positions {
                let image = images.image(position as usize)?;
                let logits = model.logits(&image);
                let highest = logits.iter().copied().fold(f32::MIN, f32::max);
                let powers = logits.map(|logit| (logit - highest).exp());
                let sum: f32 = powers.iter().sum();
                let label = images.labels[position as usize] as usize;
                for class in 0..CLASSES {
                    let step = 0.002 * (powers[class] / sum - f32::from(u8::from(class == label)));
                    model.bias[class] -= step;
                    for (weights, &pixel) in model.weights.iter_mut().zip(&*image) {
                        weights[class] -= step * input(pixel);
                    }
                }
            }
        }
        Ok(model)
    }

    fn logits(&self, image: &[u8]) -> [f32; CLASSES] {
        let mut logits = self.bias;
        for (weights, &pixel) in self.weights.iter().zip(image) {
            for (logit, weight) in logits.iter_mut().zip(weights) {
                *logit += weight * input(pixel);
            }
        }
        logits
    }

    fn answers(&self, images: &ImageSet) -> Result<Vec<u32>, unlearn_samples::Error> {
        let answer = |i: usize| {
            let logits = self.logits(&images.image(i)?);
            let best = (1..CLASSES).fold(0, |best, class| if logits[class] > logits[best] { class } else { best });
            Ok(best as u32)
        };
        (0..images.len()).map(answer).collect()
    }
}

fn input(pixel: u8) -> f32 {
    f32::from(pixel) / 127.5 - 1.0
}
