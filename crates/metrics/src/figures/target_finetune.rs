//! Accuracy on the target task after fine-tuning of the model: how well the source model transfers. A stage measures it on the target's test
//! set, because it takes another model and other data.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "target_finetune";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Target FT"),
    meaning: Cow::Borrowed("accuracy on the target's test set after fine-tuning of the model, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::Higher,
    needs: &[Need::Transfer],
    source: "Kornblith et al. 2019, arXiv 1805.08974",
    in_table: true,
    compute: |_| Ok(None),
};
