//! Figures do not depend on the number of threads.

use rayon::ThreadPoolBuilder;
use unlearn_metrics::{ModelScores, Scores};
use unlearn_mia_eval::features::FEATURES;
use unlearn_mia_eval::{MemberSelection, Registry, Settings};

/// Three classes. Known samples stand out more.
fn scores(rows: usize, from: f32, known: f32) -> Scores {
    let logit = |i: usize| {
        let own = if i % 3 == i / 3 % 3 { known } else { 0.0 };
        (i as f32 * 0.913 + from).sin() * 3.0 + own
    };
    Scores::new((0..rows * 3).map(logit).collect(), (0..rows as u32).map(|i| i % 3).collect(), 3).unwrap()
}

#[test]
fn one_thread_and_several_give_the_same_figures() {
    let scores = ModelScores {
        retain: scores(4200, 0.0, 2.0),
        test: scores(4400, 1.0, 1.0),
        forget: scores(300, 2.0, 1.5),
        validation: None,
        triggered: None,
        unseen: None,
    };
    let registry = Registry::standard();
    let settings = Settings {
        attacks: registry.attacks().iter().map(|attack| attack.name.to_owned()).collect(),
        mia: FEATURES.iter().map(|feature| feature.name.to_owned()).collect(),
        draws: 2,
        members: MemberSelection::Stratified,
        seed: 1,
    };
    let [one, five] = [1, 5].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| registry.measure(&scores, &settings, None, None)).unwrap()
    });
    assert_eq!(one, five);
    assert!(one.contains_key("mia_efficacy.prob") && one.contains_key("mia_privacy.m-entropy"));
}
