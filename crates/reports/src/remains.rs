//! What is left of the forgotten data: outputs, features, course of relearning and weights of each model, side by side.

use unlearn_metrics::figures::{
    activation_distance, cka, cka_original, error_bound, hessian_eigenvalue, kl, mia_efficacy, mmd, probe_accuracy,
    relearn_steps, training_shift, ua, unlearning_error, weight_change, weight_distance, zrf,
};
use unlearn_metrics::{Figure, Figures, Need};

use crate::summary::Block;
use crate::table::{Grid, legend};

/// Heading of the section.
pub(crate) const TITLE: &str = "What is left of the forgotten data";

/// The figures of the section, from what a user of the model sees to what only its owner sees.
const COLUMNS: [&str; 16] = [
    ua::NAME,
    mia_efficacy::NAME,
    kl::NAME,
    activation_distance::NAME,
    mmd::NAME,
    zrf::NAME,
    probe_accuracy::NAME,
    cka::NAME,
    cka_original::NAME,
    relearn_steps::NAME,
    weight_distance::NAME,
    weight_change::NAME,
    unlearning_error::NAME,
    training_shift::NAME,
    hessian_eigenvalue::NAME,
    error_bound::NAME,
];

/// The figures of `[audit.theory]`. They have pictures over sparsity.
const THEORY: [&str; 4] = [unlearning_error::NAME, training_shift::NAME, hessian_eigenvalue::NAME, error_bound::NAME];

/// Whether a figure is one of the paper's theory.
pub(crate) fn is_of_theory(figure: &Figure) -> bool {
    THEORY.contains(&&*figure.name)
}

/// Whether an audit measures a figure. Such figures are in this section and in no other.
pub(crate) fn is_audited(figure: &Figure) -> bool {
    figure.needs.contains(&Need::Audit)
}

/// One line per method and model, and the meaning of the columns. `None` for a block without an audit.
pub(crate) fn grid(block: &Block, figures: &Figures) -> Option<(Grid, String)> {
    if !figures.iter().any(|figure| is_audited(figure) && block.has(&figure.name)) {
        return None;
    }
    let columns: Vec<&Figure> =
        COLUMNS.iter().filter_map(|name| figures.get(name)).filter(|figure| block.has(&figure.name)).collect();
    let note = format!(
        "In parentheses: mean absolute difference to Retrain of the same seed and sparsity. Retrain's own line is the standard: its features \
         tell forgotten samples apart as well as any sample that was never seen, and it relearns them as fast. {}.",
        legend(&columns)
    );
    Some((Grid::tall(block, &columns), note))
}
