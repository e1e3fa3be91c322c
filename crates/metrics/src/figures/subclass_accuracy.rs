//! Accuracy on the test samples of the forgotten subclasses. Their class remains, so the test accuracy (TA) counts them too. A model that
//! never saw the subclass may know its samples by the rest of the class: Retrain's value says how well.
//!
//! The data set must know the subclass of each sample, and all training samples of the subclass must be forgotten, but not those of its
//! class. The judging program knows which samples these are.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "subclass_accuracy";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Subclass TA"),
    meaning: Cow::Borrowed("accuracy on test samples of the forgotten subclasses, %"),
    unit: Unit::Percent,
    range: [0.0, 100.0],
    direction: Direction::TowardsRetrain,
    needs: &[Need::Subclasses],
    source: "the setting of Foster et al. 2024, arXiv 2308.07707, section 5: a subclass within a superclass",
    in_table: false,
    compute: |_| Ok(None),
};
