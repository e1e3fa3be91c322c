//! Forgetting quality: the measure of the NeurIPS 2023 challenge on machine unlearning.
//!
//! Triantafillou et al. 2024 (arXiv 2406.09073): per sample of the forget set, an attacker tells N unlearned models from N
//! retrained ones by their scores for it. With FPR and FNR of a test, ε is the greatest log((1 − δ − FPR) / FNR) or
//! log((1 − δ − FNR) / FPR) of all tests, δ = 10⁻⁵. A test with FPR = FNR = 0 gives ε = 50; one with a single zero among them
//! is discarded, because too few models were drawn to know it. ε is also 50 if the range of one group is under 1 % of the
//! other's. A sample earns 1 point for ε < 0.5, and half as much for every further 0.5, in ⌈log(N − 1) / 0.5⌉ steps. The value is the mean number
//! of points, 0..1; the samples' values are ε. [`challenge_score`] multiplies it with what the method keeps of accuracy.
//!
//! Tests call a sample unlearned within an interval between two of its scores, or outside it. These are all tests with two
//! thresholds, and with one (an end of the interval is then an end of the range), in both directions.

use crate::pool::{Comparison, Pair, PoolAttack, PoolNeed, PoolRun, Seen, mean};
use crate::{Error, Result};

const DELTA: f64 = 1e-5;
/// ε of a test without errors.
const GREATEST: f64 = 50.0;
/// A group whose range is under this share of the other's is told apart for certain.
const NARROW: f64 = 0.01;
/// Every step of ε by this much halves the points.
const STEP: f64 = 0.5;
/// The least number of models of a kind: log(N − 1) is above 0.
const LEAST: usize = 3;

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "forget-quality",
    summary: "mean points of forget samples for how hardly unlearned are told from retrained models; 1 is best",
    source: "Triantafillou et al. 2024, arXiv 2406.09073",
    needs: &[
        PoolNeed { seen: Seen::Unlearned, least: LEAST, wanted: 512 },
        PoolNeed { seen: Seen::Never, least: LEAST, wanted: 512 },
    ],
    population: false,
    run: PoolRun::Compares(forget_quality),
};

/// The mean points of the forget set's samples, and ε of each of them.
///
/// # Errors
/// If a group has fewer than three models.
pub fn forget_quality(pair: &Pair<'_>) -> Result<Comparison> {
    pair.compare(LEAST, epsilon, |values, models| mean(&values.iter().map(|e| points(*e, models)).collect::<Vec<_>>()))
}

/// The challenge's final score F = mean points × RA / Retrain's RA × TA / Retrain's TA, with accuracies in percent.
///
/// # Errors
/// If an accuracy is outside 0..100, or Retrain's is 0.
pub fn challenge_score(points: f64, [ra, retrain_ra]: [f64; 2], [ta, retrain_ta]: [f64; 2]) -> Result<f64> {
    for (name, value) in [("RA", ra), ("Retrain's RA", retrain_ra), ("TA", ta), ("Retrain's TA", retrain_ta)] {
        if !(0.0..=100.0).contains(&value) {
            return Err(Error::PoolSetting { name, value, range: "in 0..100" });
        }
    }
    for (name, value) in [("Retrain's RA", retrain_ra), ("Retrain's TA", retrain_ta)] {
        if value == 0.0 {
            return Err(Error::PoolSetting { name, value, range: "above 0 to be divided by" });
        }
    }
    Ok(points * ra / retrain_ra * ta / retrain_ta)
}

/// The points of a sample.
fn points(epsilon: f64, models: usize) -> f64 {
    let most = (((models - 1) as f64).ln() / STEP).ceil() as i32;
    let bin = ((epsilon / STEP).floor() as i32 + 1).min(most);
    2.0 * 0.5_f64.powi(bin)
}

/// ε of one sample.
fn epsilon(unlearned: &[f64], retrained: &[f64]) -> f64 {
    let range = |values: &[f64]| {
        let (low, high) = values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        high - low
    };
    let (ours, theirs) = (range(unlearned), range(retrained));
    if ours < NARROW * theirs || theirs < NARROW * ours {
        return GREATEST;
    }
    let (n, m) = (unlearned.len(), retrained.len());
    // How many of each group are at or below each distinct score.
    let mut all: Vec<(f64, bool)> = unlearned.iter().map(|&v| (v + 0.0, true)).collect();
    all.extend(retrained.iter().map(|&v| (v + 0.0, false)));
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = vec![[0_usize; 2]];
    let mut counted = [0; 2];
    for tied in all.chunk_by(|a, b| a.0 == b.0) {
        let ours = tied.iter().filter(|(_, ours)| *ours).count();
        counted = [counted[0] + ours, counted[1] + tied.len() - ours];
        below.push(counted);
    }
    // log (k / n), and log (1 − δ − k / n), which is undefined for k = n.
    let logs = |n: usize| (0..=n).map(|k| (k as f64 / n as f64).ln()).collect::<Vec<_>>();
    let rests = |n: usize| (0..=n).map(|k| (1.0 - DELTA - k as f64 / n as f64).max(0.0).ln()).collect::<Vec<_>>();
    let (log_fnr, rest_fnr, log_fpr, rest_fpr) = (logs(n), rests(n), logs(m), rests(m));
    let mut greatest = 0.0_f64;
    for (i, low) in below.iter().enumerate() {
        for high in &below[i + 1..] {
            // Called unlearned within the interval; outside it, the counts are the others.
            let (found, alarms) = (high[0] - low[0], high[1] - low[1]);
            for (missed, alarms) in [(n - found, alarms), (found, m - alarms)] {
                if missed == 0 && alarms == 0 {
                    return GREATEST;
                }
                if missed > 0 && alarms > 0 {
                    greatest = greatest.max(rest_fpr[alarms] - log_fnr[missed]).max(rest_fnr[missed] - log_fpr[alarms]);
                }
            }
        }
    }
    greatest.min(GREATEST)
}
