//! False alarms of a cleanse: the share of the clean training samples that the model was asked to forget. It is 0 % if the poison is known,
//! and measures the detector if one chose the forget set.

use std::borrow::Cow;

use super::recall::is_known;
use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "false_alarms";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("false alarms"),
    meaning: Cow::Borrowed("share of the clean training samples that the forget set holds, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Forget, Need::Retain, Need::Triggered],
    source: "false positive rate of a detector, as in arXiv 1811.03728, section 5",
    in_table: false,
    compute: |evidence| {
        let known = |scores: &&_| -> bool { is_known(scores) };
        let Some(scores) = evidence.scores.filter(known) else { return Ok(None) };
        let Some(triggered) = &scores.triggered else { return Ok(None) };
        let clean = |positions: &[u32]| positions.iter().filter(|position| !triggered.is_poison(**position)).count();
        let (suspected, cleared) = (clean(scores.forget.positions()), clean(scores.retain.positions()));
        let all = suspected + cleared;
        Ok((all > 0).then(|| Value::exact(100.0 * suspected as f64 / all as f64)))
    },
};
