//! Recall of a cleanse: the share of the poison that the model was asked to forget. It is 100 % if the poison is known, and measures the
//! detector if one chose the forget set.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "recall";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("poison found"),
    meaning: Cow::Borrowed("share of the poison that the forget set holds, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Higher,
    needs: &[Need::Forget, Need::Triggered],
    source: "recall of a detector, as in arXiv 1811.03728, section 5",
    in_table: false,
    compute: |evidence| {
        let known = |scores: &&_| -> bool { is_known(scores) };
        let Some(scores) = evidence.scores.filter(known) else { return Ok(None) };
        let Some(triggered) = &scores.triggered else { return Ok(None) };
        let found = scores.forget.positions().iter().filter(|position| triggered.is_poison(**position)).count();
        Ok(Some(Value::exact(100.0 * found as f64 / triggered.poison.len() as f64)))
    },
};

/// Whether the scores say which samples are poison.
pub(super) fn is_known(scores: &crate::ModelScores) -> bool {
    scores.triggered.as_ref().is_some_and(|triggered| !triggered.poison.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::figures::{false_alarms, recall};
    use crate::{Evidence, Figure, ModelScores, Scores, Triggered, Values};

    fn at(positions: &[u32]) -> Scores {
        let count = positions.len();
        Scores::new(vec![0.0; 2 * count], vec![0; count], 2).unwrap().at(positions.to_vec()).unwrap()
    }

    #[test]
    fn what_was_found_and_what_was_suspected_wrongly_are_told_apart() {
        let scores = |poison: &[u32]| ModelScores {
            forget: at(&[1, 4, 9]),
            retain: at(&[0, 2, 3, 5, 6]),
            test: at(&[0]),
            validation: None,
            triggered: Some(Triggered { scores: at(&[0]), target: 0, poison: poison.to_vec() }),
            unseen: None,
        };
        let compute = |figure: Figure, scores: &ModelScores| {
            let figures = Values::new();
            let evidence = Evidence { scores: Some(scores), rte_seconds: None, figures: &figures, retrain: None };
            (figure.compute)(&evidence).unwrap().map(|value| value.value)
        };
        let known = scores(&[4, 5]);
        // 4 was found and 5 was not; 1 and 9 were suspected among the six clean samples 0, 1, 2, 3, 6, 9.
        assert_eq!(compute(recall::FIGURE, &known), Some(50.0));
        assert_eq!(compute(false_alarms::FIGURE, &known), Some(100.0 * 2.0 / 6.0));
        let unknown = scores(&[]);
        assert_eq!((compute(recall::FIGURE, &unknown), compute(false_alarms::FIGURE, &unknown)), (None, None));
    }
}
