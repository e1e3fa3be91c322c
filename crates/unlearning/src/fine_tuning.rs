//! The keys that every fine-tuning method shares, and the recipe they make.

use unlearn_training::{Recipe, Schedule, Select};

/// The original recipe with the few numbers that fine-tuning changes: no warm-up, no choice of epoch by validation.
pub(crate) fn recipe(original: &Recipe, epochs: usize, lr: f64, schedule: Schedule, batch: Option<usize>) -> Recipe {
    Recipe {
        epochs,
        lr,
        schedule,
        batch_size: batch.unwrap_or(original.batch_size),
        warmup_epochs: 0.0,
        label_smoothing: 0.0,
        select: Select::Last,
        ..original.clone()
    }
}

/// Checks what [`recipe`] is made of.
pub(crate) fn check(epochs: usize, lr: f64, batch_size: Option<usize>) -> Result<(), String> {
    if epochs == 0 {
        return Err("`epochs` must be 1 or more; to change nothing use method `raw`".into());
    }
    if !(lr.is_finite() && lr > 0.0) {
        return Err(format!("`lr` must be a positive number, found {lr}"));
    }
    if batch_size == Some(0) {
        return Err("`batch-size` must be 1 or more".into());
    }
    Ok(())
}
