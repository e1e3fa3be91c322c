//! How long judging takes: the support vector machine beside scikit-learn's, and every figure of one model.
//!
//! `cargo run -p unlearn-mia-eval --example speed [FOLDER]` makes scores of an over-fitted model of ten classes for 10,000
//! members and 10,000 non-members. It prints the processor time of every fit and the wall time of judging the model. With a
//! folder, it writes the points there (`<feature>.f64`, little-endian, members first), and `speed.py FOLDER` beside this
//! file times scikit-learn on the same points. Run both at once after another, on the same machine.

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use std::{env, fs};

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use unlearn_metrics::{ModelScores, Retrain, Scores};
use unlearn_mia_eval::features::{FEATURES, Feature};
use unlearn_mia_eval::svc::Svc;
use unlearn_mia_eval::{MemberSelection, Registry, Settings};

const SAMPLES: usize = 10_000;
const CLASSES: usize = 10;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = env::args().nth(1);
    let mut rng = Pcg64::seed_from_u64(18);
    let members = scores(&mut rng, SAMPLES, 6.0, 2.5)?;
    let non_members = scores(&mut rng, SAMPLES, 4.0, 4.0)?;
    for feature in FEATURES {
        let (points, called) = fit(feature, &members, &non_members)?;
        if let Some(folder) = &folder {
            let bytes: Vec<u8> = points.iter().flat_map(|v| v.to_le_bytes()).collect();
            fs::write(Path::new(folder).join(format!("{}.f64", feature.name)), bytes)?;
            fs::write(Path::new(folder).join(format!("{}.called", feature.name)), called)?;
        }
    }
    // 20,000 scores in all: retain, test and forget set.
    let part = |scores: &Scores, from: usize, to: usize| {
        let logits = scores.logits()[from * CLASSES..to * CLASSES].to_vec();
        Scores::new(logits, scores.labels()[from..to].to_vec(), CLASSES)
    };
    let scores = ModelScores {
        retain: part(&members, 0, 8000)?,
        forget: part(&members, 8000, SAMPLES)?,
        test: non_members,
        validation: None,
        triggered: None,
        unseen: None,
    };
    let registry = Registry::standard();
    // For the figures that compare with Retrain.
    let retrain_values = registry.measure(&scores, &settings(&registry, &["confidence"]), None, None)?;
    let every: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
    for mia in [&["confidence"][..], &["confidence", "correctness", "entropy", "m-entropy"], &["prob"], &every] {
        let settings = settings(&registry, mia);
        let (wall, processor) = (Instant::now(), processor_seconds());
        let retrain = Retrain { figures: &retrain_values, scores: Some(&scores) };
        let values = registry.measure(&scores, &settings, None, Some(retrain))?;
        println!(
            "judging a model by {}: {} figures, {:.2} s wall, {:.2} s processor",
            mia.join(", "),
            values.len(),
            wall.elapsed().as_secs_f64(),
            processor_seconds() - processor
        );
    }
    Ok(())
}

/// All attacks, on these features.
fn settings(registry: &Registry, mia: &[&str]) -> Settings {
    let attacks = registry.attacks().iter().map(|attack| attack.name.to_owned());
    Settings {
        // The attack by thresholds looks at numbers only.
        attacks: attacks.filter(|name| mia != ["prob"] || name != "threshold").collect(),
        mia: mia.iter().map(|name| (*name).to_owned()).collect(),
        draws: Settings::DRAWS,
        members: MemberSelection::Stratified,
        seed: 1,
    }
}

/// Fits and applies the machine. Returns the points, and 0 or 1 for each.
fn fit(feature: &Feature, members: &Scores, non_members: &Scores) -> Result<(Vec<f64>, Vec<u8>), Box<dyn Error>> {
    let points = [members, non_members].map(|scores| feature.extract(scores)).concat();
    let dimension = feature.values(CLASSES);
    let labels: Vec<bool> = (0..2 * SAMPLES).map(|row| row < SAMPLES).collect();
    let start = processor_seconds();
    let svc = Svc::fit(&points, dimension, &labels)?;
    let fitted = processor_seconds();
    let called = svc.members(&points)?;
    let applied = processor_seconds();
    let share = called.iter().filter(|called| **called).count() as f64 / called.len() as f64;
    println!(
        "{:<18} fit {:>8.3} s, decisions {:>7.3} s, called members {:.4}",
        feature.name,
        fitted - start,
        applied - fitted,
        share
    );
    Ok((points, called.into_iter().map(u8::from).collect()))
}

/// Logits whose true class stands out by a normal margin, and noise elsewhere.
fn scores(rng: &mut Pcg64, samples: usize, margin: f64, spread: f64) -> Result<Scores, unlearn_metrics::Error> {
    let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let labels: Vec<u32> = (0..samples).map(|row| (row % CLASSES) as u32).collect();
    let mut logits = Vec::with_capacity(samples * CLASSES);
    for &label in &labels {
        let stands_out = margin + spread * normal();
        logits.extend((0..CLASSES).map(|class| {
            let noise = 1.5 * normal();
            (noise + if class == label as usize { stands_out } else { 0.0 }) as f32
        }));
    }
    Scores::new(logits, labels, CLASSES)
}

/// Processor time of this process so far, in seconds, in steps of 10 ms (Linux); wall time elsewhere.
fn processor_seconds() -> f64 {
    let ticks = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
        let fields: Vec<f64> = stat.rsplit(')').next()?.split_whitespace().filter_map(|v| v.parse().ok()).collect();
        // After the state, which is no number: the 14th and 15th field of the file are user and system time.
        Some(fields.get(10)? + fields.get(11)?)
    });
    ticks.map_or_else(
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0.0, |t| t.as_secs_f64()),
        |ticks| ticks / 100.0,
    )
}
