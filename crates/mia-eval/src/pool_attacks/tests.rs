//! Every attack with a pool: beside a second implementation in NumPy (`tests/golden/mia-eval/pools.py`), on pools with a
//! known answer, and on pools that it must refuse.

use std::collections::BTreeSet;

use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::Value;
use unlearn_metrics::AtFpr;

use super::*;
use crate::pool::{
    Attacked, Density, ModelPool, OfflineA, Pair, PoolRun, PoolSettings, Population, Question, ScoreTable, Seen,
    Variance,
};

use Seen::{Never, Trained, Unlearned};

fn golden() -> Value {
    serde_json::from_str(&unlearn_tests::golden::text("mia-eval/pools.json")).unwrap()
}

fn floats(case: &Value, key: &str) -> Vec<f64> {
    serde_json::from_value(case[key].clone()).unwrap_or_else(|error| panic!("{key}: {error}"))
}

fn number(case: &Value, key: &str) -> usize {
    case[key].as_u64().unwrap() as usize
}

fn check_close(what: &str, found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-9 * (1.0 + b.abs()), "{what}: {a} {b}");
    }
}

#[test]
fn scores_are_those_of_a_second_implementation() {
    let golden = golden();
    for (name, variance) in [("few", Variance::Global), ("many", Variance::PerSample)] {
        let case = &golden[name];
        let [models, samples, population] = ["models", "samples", "population"].map(|key| number(case, key));
        let seen: Vec<Seen> = floats(case, "seen").iter().map(|v| [Never, Trained, Unlearned][*v as usize]).collect();
        let (scores, z) = (floats(case, "scores"), floats(case, "z"));
        let (target, z_target) = (floats(case, "target"), floats(case, "z_target"));
        let pool = ModelPool::new(ScoreTable::new(&scores, models, samples).unwrap(), &seen).unwrap();
        let never = vec![Never; z.len()];
        let z = ModelPool::new(ScoreTable::new(&z, models, population).unwrap(), &never).unwrap();
        let population = Population { pool: z, target: &z_target };
        let attacked = Attacked::new(pool, &target, Some(population)).unwrap();
        let kernel =
            PoolSettings { density: Density::Kernel, offline_a: OfflineA::Given(0.3), ..PoolSettings::default() };
        let check = |attack: &str, key: &str, question: Question| {
            let found = find(attack).unwrap().scores(&attacked, question, &kernel).unwrap();
            check_close(&format!("{name} {key}"), &found.scores, &floats(case, key));
            assert!(found.used.variance.is_none_or(|used| used == variance), "{name} {attack}");
            found
        };
        check("lira", "lira", Question::MEMBERSHIP);
        check("lira-offline", "lira-offline", Question::MEMBERSHIP);
        let found = check("u-lira", "u-lira", Question::UNLEARNING);
        assert_eq!((found.models, found.threshold), ([models / 3; 2], Some(0.0)));
        check("ruli", "ruli-efficacy", Question::UNLEARNING);
        check("ruli", "ruli-privacy", Question::MEMBERSHIP);
        check("rmia", "rmia", Question::MEMBERSHIP);
        let found = check("rmia-offline", "rmia-offline", Question::MEMBERSHIP);
        assert_eq!(found.used.offline_a, Some(0.3));
        let gaussian = find("ruli").unwrap().scores(&attacked, Question::UNLEARNING, &PoolSettings::default()).unwrap();
        check_close("Gaussian RULI is U-LiRA", &gaussian.scores, &floats(case, "u-lira"));
        let calibrated =
            find("rmia-offline").unwrap().scores(&attacked, Question::MEMBERSHIP, &PoolSettings::default()).unwrap();
        assert_eq!(calibrated.used.offline_a, case["calibrated"].as_f64(), "{name}");
    }
}

#[test]
fn comparisons_are_those_of_a_second_implementation() {
    for case in golden()["comparison"].as_array().unwrap() {
        let [models, samples] = ["models", "samples"].map(|key| number(case, key));
        let (unlearned, retrained) = (floats(case, "unlearned"), floats(case, "retrained"));
        let table = |scores| ScoreTable::new(scores, models, samples).unwrap();
        let pair = Pair::new(table(&unlearned), table(&retrained)).unwrap();
        for attack in ["klom", "forget-quality"] {
            let found = find(attack).unwrap().compare(&pair).unwrap();
            let expected = &case[attack];
            check_close(attack, &found.per_sample, &floats(expected, "per_sample"));
            let floor = found.floor.unwrap();
            let figures = [found.value, found.percentile_95, floor.value, floor.unlearned];
            let keys = ["value", "percentile_95", "floor", "beside"];
            check_close(attack, &figures, &keys.map(|key| expected[key].as_f64().unwrap()));
            assert_eq!((found.models, floor.models), ([models; 2], models / 2));
        }
    }
}

#[test]
fn every_attack_is_documented_uniquely_named_and_runs() {
    let names: BTreeSet<_> = POOL_ATTACKS.iter().map(|attack| attack.name).collect();
    assert_eq!(names.len(), POOL_ATTACKS.len());
    let made = Made::new(30, 12, 1.0, 3);
    for attack in POOL_ATTACKS {
        let PoolAttack { name, summary, source, needs, .. } = attack;
        assert!(!summary.is_empty() && !source.is_empty() && !needs.is_empty(), "{name}");
        assert!(needs.iter().all(|need| need.least > 0 && need.wanted >= need.least), "{name}");
        match attack.run {
            PoolRun::Scores(..) => assert!(!attack.questions().is_empty(), "{name}"),
            PoolRun::Compares(_) => {
                let table = ScoreTable::new(&made.scores, 30, 12).unwrap();
                assert_eq!(attack.compare(&Pair::new(table, table).unwrap()).unwrap().per_sample.len(), 12, "{name}");
                let attacked = Attacked::within(made.pool(), None, 0).unwrap();
                assert!(attack.scores(&attacked, Question::MEMBERSHIP, &PoolSettings::default()).is_err(), "{name}");
            }
        }
        for question in attack.questions() {
            let outcome = made.outcome(attack, *question);
            assert!(outcome.auc.value > 0.6, "{name} {}: {:?}", question.name, outcome.auc);
            assert!(matches!(outcome.at_fpr[0], AtFpr::TooFew { .. }), "{name}");
        }
    }
    let message = find("ulira").err().unwrap().to_string();
    assert!(message.contains("did you mean `u-lira`") && message.contains("forget-quality"), "{message}");
}

#[test]
fn membership_that_is_shuffled_gives_a_half() {
    // Training with a sample changes its score by nothing, so what the models saw is noise. Without a partner left out,
    // the AUC would be 0.45.
    let made = Made::new(24, 100, 0.0, 5);
    for attack in POOL_ATTACKS {
        for question in attack.questions() {
            let outcome = made.outcome(attack, *question);
            let [low, high] = outcome.auc.interval.unwrap();
            assert!(low < 0.5 && 0.5 < high, "{} {}: {:?}", attack.name, question.name, outcome.auc);
        }
    }
}

#[test]
fn models_without_a_leak_have_the_value_of_the_floor() {
    let made = Made::new(60, 40, 0.0, 8);
    let (one, other) = made.scores.split_at(30 * 40);
    let pair = |values, models| Pair::new(values, ScoreTable::new(other, models, 40).unwrap()).unwrap();
    let alike = pair(ScoreTable::new(one, 30, 40).unwrap(), 30);
    let moved: Vec<f64> = one.iter().map(|v| v + 3.0).collect();
    let apart = pair(ScoreTable::new(&moved, 30, 40).unwrap(), 30);
    let of = |name: &str, pair: &Pair<'_>| find(name).unwrap().compare(pair).unwrap();
    let ratio = |name: &str, pair: &Pair<'_>| {
        let floor = of(name, pair).floor.unwrap();
        floor.unlearned / floor.value
    };
    let [klom, far] = [&alike, &apart].map(|pair| ratio("klom", pair));
    assert!((0.8..1.25).contains(&klom) && far > 2.0, "{klom} {far}");
    let [quality, poor] = [&alike, &apart].map(|pair| ratio("forget-quality", pair));
    assert!((0.8..1.25).contains(&quality) && poor < 0.5, "{quality} {poor}");
    // A model beside itself does not differ at all.
    let itself = pair(ScoreTable::new(other, 30, 40).unwrap(), 30);
    // Empty bins of the retrained models have a share of 10⁻⁵.
    assert!(of("klom", &itself).value < 20.0 * 1e-5);
    assert_eq!(of("forget-quality", &itself).value, 1.0);
}

#[test]
fn the_most_vulnerable_samples_are_those_that_models_remember() {
    // Only the first three of twelve samples leave a trace.
    let mut made = Made::new(30, 12, 0.0, 11);
    for (score, (seen, sample)) in made.scores.iter_mut().zip(made.seen.iter().zip((0..12).cycle())) {
        *score += if sample < 3 && *seen == Trained { 4.0 } else { 0.0 };
    }
    let chosen = ruli::most_vulnerable(&made.pool(), 0.25).unwrap();
    assert_eq!(chosen, (0..12).map(|sample| sample < 3).collect::<Vec<_>>());
    let lira = find("lira").unwrap();
    let attacked = Attacked::within(made.pool(), None, 0).unwrap();
    let found = lira.scores(&attacked, Question::MEMBERSHIP, &PoolSettings::default()).unwrap();
    let truth: Vec<Seen> = (0..12).map(|sample| if sample % 2 == 0 { Trained } else { Never }).collect();
    let outcome = found.judge(&truth, Question::MEMBERSHIP, |sample| chosen[sample]).unwrap();
    assert_eq!((outcome.positives, outcome.resolution.negatives), (2, 1));
    assert!(ruli::most_vulnerable(&made.pool(), 0.0).is_err());
}

#[test]
fn too_little_is_refused_by_name() {
    let made = Made::new(6, 4, 1.0, 2);
    let settings = PoolSettings::default();
    let says = |attack: &str, question, population: bool, settings: &PoolSettings| {
        let population = population.then(|| made.population());
        let attacked = Attacked::within(made.pool(), population, 0).unwrap();
        find(attack).unwrap().scores(&attacked, question, settings).unwrap_err().to_string()
    };
    // Six models are two of each; without the attacked one, some sample has a single one.
    let message = says("lira", Question::MEMBERSHIP, false, &settings);
    assert!(message.starts_with("attack `lira`: sample ") && message.contains("at least 2 are needed"), "{message}");
    let message = says("u-lira", Question::MEMBERSHIP, false, &settings);
    assert_eq!(message, "attack `u-lira`: it does not answer the question `membership`");
    let message = says("rmia", Question::MEMBERSHIP, false, &settings);
    assert!(message.contains("samples of the population are missing"), "{message}");
    let given = PoolSettings { offline_a: OfflineA::Given(1.5), ..settings };
    let message = says("rmia-offline", Question::MEMBERSHIP, true, &given);
    assert_eq!(message, "attack `rmia-offline`: offline a is 1.5; it must be in 0..1");
    let message = says("rmia", Question::MEMBERSHIP, true, &PoolSettings { gamma: Some(0.0), ..settings });
    assert!(message.contains("gamma is 0"), "{message}");

    let attacked = |seen: Seen| {
        let all = [seen; 24];
        let pool = ModelPool::new(ScoreTable::new(&made.scores, 6, 4).unwrap(), &all).unwrap();
        let target = vec![0.0; 4];
        let given = PoolSettings { offline_a: OfflineA::Calibrated, ..settings };
        let z = Population { pool: made.population(), target: &made.z[..8] };
        let attacked = Attacked::new(pool, &target, Some(z)).unwrap();
        find("rmia-offline").unwrap().scores(&attacked, Question::MEMBERSHIP, &given).unwrap_err().to_string()
    };
    assert!(attacked(Never).contains("cannot be calibrated"), "nothing to calibrate on");
    assert!(attacked(Trained).contains("sample 0 has 0 models that never saw the sample; at least 1 are needed"));

    let two = [0.0, 1.0];
    let pair = Pair::new(ScoreTable::new(&two, 2, 1).unwrap(), ScoreTable::new(&two, 2, 1).unwrap()).unwrap();
    let message = find("forget-quality").unwrap().compare(&pair).unwrap_err().to_string();
    assert_eq!(message, "attack `forget-quality`: 2 unlearned models; at least 3 are needed");
    assert_eq!(find("klom").unwrap().compare(&pair).unwrap().floor, None);
    assert!(find("lira").unwrap().compare(&pair).is_err());
}

#[test]
fn scores_that_do_not_vary_have_no_likelihood() {
    let seen: Vec<Seen> = (0..24).map(|i| [Never, Trained, Unlearned][i / 4 % 3]).collect();
    let pool = ModelPool::new(ScoreTable::new(&[1.5; 24], 6, 4).unwrap(), &seen).unwrap();
    let attacked = Attacked::new(pool, &[1.5; 4], None).unwrap();
    for density in [Density::Gaussian, Density::Kernel] {
        let settings = PoolSettings { density, ..PoolSettings::default() };
        let message = find("ruli").unwrap().scores(&attacked, Question::UNLEARNING, &settings).unwrap_err().to_string();
        assert!(message.contains("models that unlearned the sample do not vary"), "{message}");
    }
}

#[test]
fn the_challenges_score_needs_a_retrain_that_can_something() {
    let found = forget_quality::challenge_score(0.5, [90.0, 100.0], [80.0, 80.0]).unwrap();
    assert!((found - 0.45).abs() < 1e-12);
    for accuracies in [[90.0, 0.0], [101.0, 100.0], [f64::NAN, 100.0]] {
        assert!(forget_quality::challenge_score(0.5, accuracies, [80.0, 80.0]).is_err());
    }
}

#[test]
fn confidences_keep_their_logarithm_where_they_round() {
    assert_eq!(rmia::log_confidence(-2000.0), -2000.0);
    assert_eq!(rmia::log_confidence(2000.0), 0.0);
    assert!((rmia::log_confidence(0.3) - (1.0 / (1.0 + (-0.3_f64).exp())).ln()).abs() < 1e-15);
    assert_eq!(rmia::log_sum(f64::NEG_INFINITY, f64::NEG_INFINITY), f64::NEG_INFINITY);
}

/// A synthetic pool: a third of the models had each of the three of every sample, and training lifts scores.
struct Made {
    models: usize,
    samples: usize,
    scores: Vec<f64>,
    seen: Vec<Seen>,
    /// Scores of eight samples of the population, which no model saw.
    z: Vec<f64>,
    never: Vec<Seen>,
}

impl Made {
    fn new(models: usize, samples: usize, lift: f64, seed: u64) -> Self {
        let mut rng = Pcg64::seed_from_u64(seed);
        // The sum of twelve uniform numbers is close to normal.
        let mut normal = move || (0..12).map(|_| rng.random_range(-0.5..0.5)).sum::<f64>();
        let mut order = Pcg64::seed_from_u64(seed + 1);
        let difficulty: Vec<f64> = (0..samples).map(|_| 2.0 * normal()).collect();
        let mut seen = vec![Never; models * samples];
        for sample in 0..samples {
            let mut kinds: Vec<Seen> = (0..models).map(|model| [Never, Trained, Unlearned][model % 3]).collect();
            for model in (1..models).rev() {
                kinds.swap(model, order.random_range(0..=model));
            }
            kinds.into_iter().enumerate().for_each(|(model, kind)| seen[model * samples + sample] = kind);
        }
        let scores = seen.iter().zip(difficulty.iter().cycle()).map(|(seen, mean)| {
            let lift = lift * [0.0, 3.0, 1.5][*seen as usize];
            mean + lift + normal()
        });
        let scores = scores.collect();
        let z = (0..8 * models).map(|_| 2.0 * normal()).collect();
        Self { models, samples, scores, seen, z, never: vec![Never; 8 * models] }
    }

    fn pool(&self) -> ModelPool<'_> {
        ModelPool::new(ScoreTable::new(&self.scores, self.models, self.samples).unwrap(), &self.seen).unwrap()
    }

    fn population(&self) -> ModelPool<'_> {
        ModelPool::new(ScoreTable::new(&self.z, self.models, 8).unwrap(), &self.never).unwrap()
    }

    fn outcome(&self, attack: &PoolAttack, question: Question) -> crate::pool::Outcome {
        attack.leave_one_out(self.pool(), Some(self.population()), question, &PoolSettings::default()).unwrap()
    }
}
