//! The attack by a threshold on the loss: a sample with at most the mean loss of the retain set is called a member.
//!
//! Yeom et al. 2018 (arXiv 1709.01604), section 3.3: an attacker knows the mean training loss and predicts membership
//! from whether a sample's loss is below it. Nothing is fitted and nothing is drawn, so the figures have no spread
//! over draws. Both are undefined if all retained and test samples have the same loss.

use std::borrow::Cow;

use unlearn_metrics::{Direction, Figure, ModelScores, Need, Scores, Unit, Value};

use crate::attack::{Attack, Pool, Run, nothing_to_tell_apart};
use crate::{Draws, Error, Result};

const SOURCE: &str = "Yeom et al. 2018, arXiv 1709.01604";

/// The entry of the registry.
pub const ATTACK: Attack = Attack {
    name: "loss-threshold",
    summary: "calls a sample a member if its loss is at most the mean loss on the retain set",
    source: SOURCE,
    pool: Pool::Alone,
    figures: &[EFFICACY, ADVANTAGE],
    run: Run::Once(run),
};

const EFFICACY: Figure = Figure {
    name: Cow::Borrowed("loss_threshold_efficacy"),
    label: Cow::Borrowed("Loss-threshold efficacy"),
    meaning: Cow::Borrowed("share of the forget set with a loss above the retain set's mean, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Forget, Need::Retain, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

const ADVANTAGE: Figure = Figure {
    name: Cow::Borrowed("loss_threshold_advantage"),
    label: Cow::Borrowed("Loss-threshold advantage"),
    meaning: Cow::Borrowed(
        "share of the retain set with a loss below the retain set's mean, minus that of the test set, points; 0 is private",
    ),
    unit: Unit::Points,
    range: [-100.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Test, Need::Retain, Need::Attack],
    source: SOURCE,
    in_table: false,
    compute: |_| Ok(None),
};

fn run(scores: &ModelScores, _: &Draws) -> Result<Vec<Value>> {
    let ModelScores { forget, retain, test, .. } = scores;
    for (set, scores) in [("members", retain), ("non-members", test), ("forget", forget)] {
        if scores.is_empty() {
            return Err(Error::Empty { set, needed: 1 });
        }
    }
    let mut losses = retain.losses().chain(test.losses());
    let first = losses.next();
    if losses.all(|loss| Some(loss) == first) {
        return Ok([EFFICACY, ADVANTAGE].map(|_| nothing_to_tell_apart("loss")).to_vec());
    }
    let threshold = retain.losses().sum::<f64>() / retain.len() as f64;
    let called = |scores: &Scores| {
        100.0 * scores.losses().filter(|loss| *loss <= threshold).count() as f64 / scores.len() as f64
    };
    Ok(vec![Value::exact(100.0 - called(forget)), Value::exact(called(retain) - called(test))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemberSelection;

    /// Two-class scores with label 0 and these margins.
    fn scores(margins: &[f32]) -> Scores {
        let logits = margins.iter().flat_map(|&margin| [margin, 0.0]).collect();
        Scores::new(logits, vec![0; margins.len()], 2).unwrap()
    }

    fn figures(retain: &[f32], test: &[f32], forget: &[f32]) -> Result<Vec<f64>> {
        let [retain, test, forget] = [retain, test, forget].map(scores);
        let draws = Draws { members: MemberSelection::Stratified, count: 1, seed: 1, interrupt: None };
        let found =
            run(&ModelScores { forget, retain, test, validation: None, triggered: None, unseen: None }, &draws)?;
        Ok(found.into_iter().map(|value| value.value).collect())
    }

    #[test]
    fn what_is_as_well_known_as_the_retain_set_is_a_member() {
        // Losses equal to the mean count as members.
        assert_eq!(figures(&[5.0; 4], &[1.0; 4], &[5.0, 6.0, 4.0, 0.0]), Ok(vec![50.0, 100.0]));
        assert_eq!(figures(&[5.0; 4], &[5.0, 5.0, 4.0, 4.0], &[9.0]), Ok(vec![0.0, 50.0]));
        // Three of four members have a loss below the mean, which the fourth one raises.
        assert_eq!(figures(&[9.0, 9.0, 9.0, -9.0], &[-9.0; 2], &[-9.0]), Ok(vec![100.0, 75.0]));
        assert!(
            figures(&[5.0; 4], &[5.0; 4], &[9.0]).unwrap().iter().all(|value| value.is_nan()),
            "equal losses say nothing"
        );
        assert_eq!(figures(&[1.0], &[1.0], &[]), Err(Error::Empty { set: "forget", needed: 1 }));
    }
}
