//! Judges one unlearned model beside a retrained one, from logits in plain slices.
//!
//! ```sh
//! cargo run -p unlearn-metrics --example judge
//! ```
//!
//! The logits are made here: the original knows its forget set well, the retrained model no better than its test set, and the
//! unlearned one something between. In place of them come the logits of real models.

use std::error::Error;

use unlearn_metrics::{Auc, Figures, HedgesG, ModelScores, Retrain, Roc, Scores, TTest, Values, judge_family};

const CLASSES: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    // The margin of the true class on the forget, retain and test set.
    let retrained = model([1.5, 5.0, 1.5], 1)?;
    let unlearned = model([2.2, 4.8, 1.4], 2)?;

    let mut theirs = Values::new();
    let figures = Figures::standard();
    figures.complete(&mut theirs, Some(&retrained), Some(60.0), None, |_| true)?;
    let mut ours = Values::new();
    let beside = Retrain { scores: Some(&retrained), figures: &theirs };
    figures.complete(&mut ours, Some(&unlearned), Some(4.0), Some(beside), |_| true)?;
    for figure in figures.iter() {
        if let Some(found) = ours.get(figure.name.as_ref()) {
            println!("{:<22} {:>8}   {}", figure.heading(), figure.shown(found.value), figure.meaning);
        }
    }

    // Does the forget set still look like training data? Its log-odds against those of the test set.
    let log_odds = |scores: &Scores| scores.log_odds().collect::<Vec<_>>();
    for (name, model) in [("unlearned", &unlearned), ("retrained", &retrained)] {
        let roc = Roc::new(&log_odds(&model.forget), &log_odds(&model.test))?;
        println!("\n{name}: AUC of forget against test set {}", shown(roc.auc()));
        for fpr in Roc::LOW_RATES {
            println!("  {}", roc.at_fpr(fpr)?);
        }
    }

    // Five seeds: is the method's gap smaller than another's? The claims of a table are judged together.
    let (ours, theirs) = ([1.9, 2.3, 1.6, 2.1, 2.0], [2.6, 2.4, 2.5, 2.9, 2.2]);
    let other = [2.0, 2.5, 1.5, 2.4, 1.9];
    println!("\ngap {ours:.1?} against {theirs:.1?}:");
    println!(
        "  paired t-test p = {:.4}, Hedges' g = {:.2}",
        TTest::paired(&theirs, &ours)?.p,
        HedgesG::paired(&theirs, &ours)?.g
    );
    for (name, claim) in ["first", "second"].iter().zip(judge_family(&[(&theirs, &ours), (&other, &ours)])?) {
        let seeds = claim.alone.seeds_needed().map_or("no number".to_owned(), |n| n.to_string());
        println!(
            "  {name} claim: {:?} in its family, {:?} alone; decided by {seeds} of seeds",
            claim.verdict, claim.alone.verdict
        );
    }
    Ok(())
}

fn shown(auc: Auc) -> String {
    match (auc.interval, auc.from.missing()) {
        (Some([low, high]), _) => format!("{:.3} (95 %: {low:.3} to {high:.3})", auc.value),
        (None, reason) => format!("{:.3}, no interval: {}", auc.value, reason.unwrap_or_default()),
    }
}

/// A model whose true class stands out by these margins on 300, 1200 and 1200 samples.
fn model([forget, retain, test]: [f64; 3], seed: u64) -> Result<ModelScores, unlearn_metrics::Error> {
    Ok(ModelScores {
        forget: scores(300, forget, seed)?,
        retain: scores(1200, retain, seed + 10)?,
        test: scores(1200, test, seed + 20)?,
        validation: None,
        triggered: None,
        unseen: None,
    })
}

fn scores(samples: usize, margin: f64, seed: u64) -> Result<Scores, unlearn_metrics::Error> {
    // A few digits of a multiple of the golden ratio are as good as noise here.
    let noise = |at: usize| ((at as f64 + 0.37 * seed as f64) * 0.618_033_988_749_895 * 911.0).fract() * 6.0 - 3.0;
    let labels: Vec<u32> = (0..samples).map(|row| (row % CLASSES) as u32).collect();
    let logit = |at: usize| noise(at) + if at % CLASSES == at / CLASSES % CLASSES { margin } else { 0.0 };
    Scores::new((0..samples * CLASSES).map(|at| logit(at) as f32).collect(), labels, CLASSES)
}
