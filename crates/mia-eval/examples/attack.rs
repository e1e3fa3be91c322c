//! Attacks models whose leak is known, with a pool of other models, from scores in plain slices.
//!
//! ```sh
//! cargo run -p unlearn-mia-eval --example attack
//! ```
//!
//! 48 models score 200 samples. A third of the models never saw a sample, a third was trained with it, and a third was trained
//! with it and then "unlearned" it, which takes half of the effect back. In place of these scores come the log-odds of real
//! models (`Scores::log_odds`), and in place of the table what each of them had of each sample.

use std::error::Error;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use unlearn_mia_eval::pool::{Floor, ModelPool, Outcome, Pair, PoolRun, PoolSettings, ScoreTable, Seen};
use unlearn_mia_eval::pool_attacks::POOL_ATTACKS;

const MODELS: usize = 48;
const SAMPLES: usize = 200;
const POPULATION: usize = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = Pcg64::seed_from_u64(18);
    let mut normal = || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
    let difficulty: Vec<f64> = (0..SAMPLES).map(|_| 1.0 + 2.0 * normal()).collect();
    let mut table = |seen: &[Seen]| -> Vec<f64> {
        let score = |(seen, mean): (&Seen, &f64)| mean + [0.0, 1.6, 0.8][*seen as usize] + normal();
        seen.iter().zip(difficulty.iter().cycle()).map(score).collect()
    };

    // Which third a model is in depends on the sample.
    let thirds = [Seen::Never, Seen::Trained, Seen::Unlearned];
    let seen: Vec<Seen> = (0..MODELS * SAMPLES).map(|at| thirds[(at / SAMPLES + at % SAMPLES * 7) % 3]).collect();
    let scores = table(&seen);
    let never = vec![Seen::Never; MODELS * POPULATION];
    let population: Vec<f64> = table(&vec![Seen::Never; MODELS * SAMPLES])[..MODELS * POPULATION].to_vec();
    let pool = ModelPool::new(ScoreTable::new(&scores, MODELS, SAMPLES)?, &seen)?;
    let population = ModelPool::new(ScoreTable::new(&population, MODELS, POPULATION)?, &never)?;

    println!("{:<16} {:<12} {:<26} TPR at 0.1 % and at 1 % FPR", "attack", "question", "AUC (95 %)");
    for attack in POOL_ATTACKS {
        for question in attack.questions() {
            // Every model of the pool is attacked with the others.
            let found = attack.leave_one_out(pool, Some(population), *question, &PoolSettings::default())?;
            let [low, high] = found.auc.interval.unwrap_or([f64::NAN; 2]);
            let area = format!("{:.3} ({low:.3} to {high:.3})", found.auc.value);
            println!(
                "{:<16} {:<12} {area:<26} {}",
                attack.name,
                question.name,
                found.at_fpr.each_ref().map(Outcome::stated).join("; ")
            );
        }
    }

    // Models that unlearned every sample beside models that never saw one.
    let unlearned = table(&[Seen::Unlearned; 40 * SAMPLES]);
    let retrained = table(&[Seen::Never; 40 * SAMPLES]);
    let pair = Pair::new(ScoreTable::new(&unlearned, 40, SAMPLES)?, ScoreTable::new(&retrained, 40, SAMPLES)?)?;
    for attack in POOL_ATTACKS.iter().filter(|attack| matches!(attack.run, PoolRun::Compares(_))) {
        let found = attack.compare(&pair)?;
        let floor = |of: &Floor| format!("{:.3}, and {:.3} among retrained models", of.unlearned, of.value);
        let floor = found.floor.as_ref().map_or_else(|| "there are too few models for a floor".to_owned(), floor);
        println!("{:<16} {:.3}; of half the models: {floor}", attack.name, found.value);
    }
    Ok(())
}
