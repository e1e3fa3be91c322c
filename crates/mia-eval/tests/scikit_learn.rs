//! Comparison with scikit-learn's decisions on the real scores that `tests/golden/mia-eval/svc.py` wrote, and on the many
//! vectors of `many.py`.

use serde_json::Value;
use unlearn_metrics::{ModelScores, Scores};
use unlearn_mia_eval::attacks::mia_efficacy::mia_efficacy;
use unlearn_mia_eval::features::{self, Feature};
use unlearn_mia_eval::svc::Svc;
use unlearn_mia_eval::{Draws, MemberSelection};

/// Least share of samples on which both must agree.
const AGREEMENT: f64 = 0.999;

/// Sizes of the sets, in the order of their rows.
struct Sizes {
    retain: usize,
    test: usize,
    forget: usize,
}

fn golden(file: &str) -> Vec<u8> {
    unlearn_tests::golden::bytes(&format!("mia-eval/{file}"))
}

fn floats(file: &str) -> Vec<f32> {
    golden(file).chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

fn summary(name: &str) -> (Value, Sizes) {
    let value: Value = serde_json::from_slice(&golden(&format!("{name}.json"))).unwrap();
    let size = |key: &str| value[key].as_u64().unwrap() as usize;
    let sizes = Sizes { retain: size("retain"), test: size("test"), forget: size("forget") };
    (value, sizes)
}

/// scikit-learn's decisions at its default tolerance and at a tight one.
fn expected(summary: &Value, feature: &str) -> [Vec<bool>; 2] {
    ["default", "tight"].map(|tolerance| {
        let bits = summary["decisions"][feature][tolerance].as_str().unwrap();
        bits.bytes().map(|b| b == b'1').collect()
    })
}

fn check(what: &str, points: &[f64], dimension: usize, sizes: &Sizes, expected: &[Vec<bool>; 2]) {
    let count = sizes.retain.min(sizes.test);
    let train = [&points[..count * dimension], &points[sizes.retain * dimension..(sizes.retain + count) * dimension]];
    let members: Vec<bool> = (0..2 * count).map(|i| i < count).collect();
    let svc = Svc::fit(&train.concat(), dimension, &members).unwrap();
    let ours = svc.members(points).unwrap();
    let one_by_one: Vec<bool> = points.chunks_exact(dimension).map(|p| svc.is_member(p).unwrap()).collect();
    assert_eq!(ours, one_by_one, "{what}: together and one by one");
    let [default, tight] = expected.each_ref().map(|theirs| {
        assert_eq!(ours.len(), theirs.len());
        ours.iter().zip(theirs).filter(|(a, b)| a == b).count() as f64 / ours.len() as f64
    });
    println!("{what}: agreement {:.3} % (tight tolerance {:.3} %) of {}", 100.0 * default, 100.0 * tight, ours.len());
    assert!(tight >= AGREEMENT, "{what}: {tight} against scikit-learn at a tight tolerance");
    // If scikit-learn has not converged at its default tolerance, no solver can agree with both.
    let unconverged = expected[0].iter().zip(&expected[1]).filter(|(a, b)| a != b).count() as f64;
    assert!(default + unconverged / ours.len() as f64 >= AGREEMENT, "{what}: {default} against scikit-learn");
}

/// The efficacy on the first rows equals the share of zeros in scikit-learn's decisions on the forget set.
fn check_efficacy(feature: &Feature, scores: &ModelScores, sizes: &Sizes, theirs: &[bool]) {
    let draws = Draws { members: MemberSelection::FirstRows, count: 1, seed: 0, interrupt: None };
    let efficacies = mia_efficacy(scores, feature, &draws).unwrap();
    let [efficacy] = efficacies[..] else { panic!("one draw has one efficacy: {efficacies:?}") };
    let forgotten = theirs[sizes.retain + sizes.test..].iter().filter(|member| !**member).count();
    let expected = 100.0 * forgotten as f64 / sizes.forget as f64;
    // Every sample must get the same decision. The two values differ only by the rounding of a percentage.
    assert!((efficacy - expected).abs() < 1e-9, "{}: {efficacy}, {expected}", feature.name);
}

#[test]
fn decisions_on_every_feature() {
    for name in ["digits", "cancer"] {
        let (summary, sizes) = summary(name);
        let logits = floats(&format!("{name}.logits.f32"));
        let labels: Vec<u32> =
            summary["labels"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u32).collect();
        let classes = summary["classes"].as_u64().unwrap() as usize;
        let scores = |rows: std::ops::Range<usize>| {
            let logits = logits[rows.start * classes..rows.end * classes].to_vec();
            Scores::new(logits, labels[rows].to_vec(), classes).unwrap()
        };
        let tested = sizes.retain + sizes.test;
        let sets = ModelScores {
            retain: scores(0..sizes.retain),
            test: scores(sizes.retain..tested),
            forget: scores(tested..labels.len()),
            validation: None,
            triggered: None,
            unseen: None,
        };
        for feature in features::FEATURES {
            let expected = expected(&summary, feature.name);
            let points = feature.extract(&scores(0..labels.len()));
            check(&format!("{name} {}", feature.name), &points, feature.values(classes), &sizes, &expected);
            check_efficacy(feature, &sets, &sizes, &expected[1]);
        }
    }
}

#[test]
fn decisions_on_thousands_of_scalar_scores() {
    let (summary, sizes) = summary("fashion");
    for feature in ["confidence", "entropy", "m-entropy"] {
        let points: Vec<f64> = floats(&format!("fashion.{feature}.f32")).into_iter().map(f64::from).collect();
        check(&format!("fashion {feature}"), &points, 1, &sizes, &expected(&summary, feature));
    }
}

#[test]
fn decisions_on_thousands_of_vectors() {
    let (summary, sizes) = summary("many");
    let mut state = 18_u64;
    // As in `many.py`.
    let mut normal = || {
        let uniform = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 40
        };
        (0..12).map(uniform).sum::<u64>() as f64 / f64::from(1 << 24) - 6.0
    };
    let (rows, classes) = (sizes.retain + sizes.test + sizes.forget, 5);
    let mut logits = Vec::with_capacity(rows * classes);
    for row in 0..rows {
        let known = row < sizes.retain || (row >= sizes.retain + sizes.test && row % 2 == 0);
        let stands_out = if known { 4.0 + 2.0 * normal() } else { 2.5 + 3.0 * normal() };
        for class in 0..classes {
            logits.push((1.5 * normal() + if class == row % classes { stands_out } else { 0.0 }) as f32);
        }
    }
    let scores = Scores::new(logits, vec![0; rows], classes).unwrap();
    let points = features::find("prob").unwrap().extract(&scores);
    check("many prob", &points, classes, &sizes, &expected(&summary, "prob"));
}
