//! ASR, attack success rate: the share of triggered test images that a backdoor sends to its target. Images whose true class is the
//! target do not count, because they would be classified so without a backdoor.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit, Value};

/// Its name.
pub const NAME: &str = "asr";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("ASR"),
    meaning: Cow::Borrowed("share of the triggered test images of other classes that are classified as the target, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Lower,
    needs: &[Need::Triggered],
    source: "Gu et al. 2017, arXiv 1708.06733; Jia et al. 2023, arXiv 2304.04934, section 5",
    in_table: true,
    compute: |evidence| {
        let Some(triggered) = evidence.scores.and_then(|scores| scores.triggered.as_ref()) else { return Ok(None) };
        Ok(Some(Value::exact(triggered.success_rate(|label| label != triggered.target)?)))
    },
};

#[cfg(test)]
mod tests {
    use crate::{Error, Scores, Triggered};

    /// Four images of the classes 0, 1, 2, 2, predicted as 1, 1, 1, 2.
    fn triggered(target: u32) -> Triggered {
        let logits = vec![0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        Triggered { scores: Scores::new(logits, vec![0, 1, 2, 2], 3).unwrap(), target, poison: vec![] }
    }

    #[test]
    fn images_of_the_target_class_count_only_in_the_compatible_rate() {
        assert_eq!(triggered(1).success_rate(|label| label != 1), Ok(200.0 / 3.0));
        assert_eq!(triggered(1).success_rate(|_| true), Ok(75.0));
        assert_eq!(triggered(0).success_rate(|label| label != 0), Ok(0.0));
        assert_eq!(triggered(1).success_rate(|_| false), Err(Error::Empty { what: "triggered samples" }));
    }
}
