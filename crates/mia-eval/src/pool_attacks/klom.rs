//! KLoM: the divergence of unlearned from retrained models' margins, sample by sample.
//!
//! Georgiev et al. 2024 (arXiv 2410.23232), appendix E.1: KL(unlearned ‖ retrained) of two histograms of a sample's margins
//! over the models. Margins are cut off at ±100, and 20 bins divide the range of both groups together. Where the retrained
//! models' bin is empty, its share is 10⁻⁵; shares are then divided by their sum, as in the authors' code. The value is the
//! mean over samples; the 95th percentile stands beside it. Use it on forget, retain and test samples apart.
//!
//! Two groups of few models differ by chance: KLoM of n retrained models beside n others is well above 0, the more so the fewer
//! they are. So read [`Floor::unlearned`](crate::pool::Floor::unlearned) beside the floor, which has as many models. The last bin includes its upper end, as in NumPy.

use crate::Result;
use crate::pool::{Comparison, Pair, PoolAttack, PoolNeed, PoolRun, Seen, mean};

/// Margins are cut off at ± this value.
const CLIP: f64 = 100.0;
const BINS: usize = 20;
/// The share of an empty bin of the retrained models.
const EMPTY: f64 = 1e-5;
/// The least number of models of a kind.
const LEAST: usize = 2;

/// The entry of the registry.
pub const ATTACK: PoolAttack = PoolAttack {
    name: "klom",
    summary: "divergence of unlearned from retrained models' margins, as histograms; nats, 0 is equal",
    source: "Georgiev et al. 2024, arXiv 2410.23232, appendix E.1",
    needs: &[
        PoolNeed { seen: Seen::Unlearned, least: LEAST, wanted: 100 },
        PoolNeed { seen: Seen::Never, least: LEAST, wanted: 100 },
    ],
    population: false,
    run: PoolRun::Compares(klom),
};

/// KLoM of every sample, in nats.
///
/// # Errors
/// If a group has fewer than two models.
pub fn klom(pair: &Pair<'_>) -> Result<Comparison> {
    pair.compare(LEAST, divergence, |values, _| mean(values))
}

/// KL(unlearned ‖ retrained) of one sample's margins.
fn divergence(unlearned: &[f64], retrained: &[f64]) -> f64 {
    let clipped = |values: &[f64]| values.iter().map(|v| v.clamp(-CLIP, CLIP)).collect::<Vec<_>>();
    let (ours, theirs) = (clipped(unlearned), clipped(retrained));
    let all = || ours.iter().chain(&theirs).copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    if low == high {
        // All margins are one number.
        return 0.0;
    }
    let edge = |i: usize| if i == BINS { high } else { low + (high - low) * (i as f64 / BINS as f64) };
    let shares = |values: &[f64]| {
        let mut shares = [0.0; BINS];
        for &v in values {
            let guess = (((v - low) / (high - low) * BINS as f64) as usize).min(BINS - 1);
            // Rounding may put a margin at an edge into the bin beside its own.
            let bin = if v < edge(guess) {
                guess - 1
            } else if guess + 1 < BINS && v >= edge(guess + 1) {
                guess + 1
            } else {
                guess
            };
            shares[bin] += 1.0 / values.len() as f64;
        }
        shares
    };
    let (p, mut q) = (shares(&ours), shares(&theirs));
    for q in &mut q {
        *q = q.max(EMPTY);
    }
    let total: f64 = q.iter().sum();
    let kl: f64 = p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p * total / q).ln()).sum();
    // Rounding may leave a few units below 0 for equal groups.
    kl.max(0.0)
}
