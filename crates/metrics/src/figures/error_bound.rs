//! The bound of the unlearning error, up to its unknown constant: η and t are the learning rate and the number of steps of training. The
//! `audit` stage multiplies the factors.

use std::borrow::Cow;

use crate::{Direction, Figure, Need, Unit};

/// Its name.
pub const NAME: &str = "error_bound";

/// The entry of the registry.
pub const FIGURE: Figure = Figure {
    name: Cow::Borrowed(NAME),
    label: Cow::Borrowed("Error bound"),
    meaning: Cow::Borrowed("η²·t·‖m ⊙ (θ_t − θ_0)‖·σ(m), the bound of the unlearning error up to a constant"),
    unit: Unit::None,
    range: [0.0, f64::MAX],
    direction: Direction::Neither,
    needs: &[Need::Audit],
    source: "Jia et al. 2023, arXiv 2304.04934, proposition 2",
    in_table: false,
    compute: |_| Ok(None),
};
