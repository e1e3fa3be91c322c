//! Whether the mask of a pruned model shows which class it was learned with (arXiv 2507.18725).
//!
//! The mask of each seed's pruned model was learned with the class. The masks of `retrain-relearn` were learned without it. All masks are
//! compared across seeds, so that equal initial weights do not make any two alike.

use serde::{Deserialize, Serialize};
use unlearn_masks::Mask;
use unlearn_metrics::{Estimate, MaskLeak, MaskOverlap};
use unlearn_run_store::{Store, SuiteIndex, SuiteRow, pruning_label};

use crate::error::{ReportError, Result};
use crate::results::distinct;
use crate::table::{Grid, figure};

/// The method that learns a new mask without the forget set.
const RELEARNED: &str = "retrain-relearn";
/// The method whose model has the mask that was learned with the forget set.
const ORIGINAL: &str = "raw";
/// The file with a stage's mask.
const MASK: &str = "mask.safetensors";

/// Heading of the table.
pub(crate) const TITLE: &str = "Is the class visible in the mask?";

/// The masks of one pruning, compared for one forgotten class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskLeaks {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Label of the forget set.
    pub forget: String,
    /// The pruning: `omp 95 %`.
    pub pruning: String,
    /// The seeds, in the order of the other lists.
    pub seeds: Vec<u64>,
    /// Mean overlap (Jaccard) of each seed's mask learned with the class with the masks of the other seeds learned without it, 0 to 1.
    pub overlap: Vec<f64>,
    /// Mean overlap of each seed's mask learned without the class with those of the other seeds.
    pub floor: Vec<f64>,
    /// The overlap that two masks of these sizes have by chance.
    pub by_chance: f64,
}

/// The kept weights of a mask, layer after layer.
fn bits(mask: &Mask) -> Vec<bool> {
    mask.iter().flat_map(|(_, bits)| bits.iter()).collect()
}

/// Compares the masks of every pruning for every forgotten class that at least three seeds have.
///
/// # Errors
/// [`ReportError::Store`] if a stage is missing or damaged, [`ReportError::Mask`] for a mask that is none.
pub(crate) fn gather(store: &Store, index: &SuiteIndex) -> Result<Vec<MaskLeaks>> {
    let is_compared = |row: &&SuiteRow| row.scenario == "class" && row.sparsity > 0.0 && row.turn.is_none();
    let place = |row: &SuiteRow| {
        (row.dataset.clone(), row.arch.clone(), row.forget.clone(), pruning_label(&row.pruning, row.sparsity))
    };
    let relearned = index.rows.iter().filter(is_compared).filter(|row| row.method == RELEARNED);
    let mut found = Vec::new();
    for group in distinct(relearned.map(place)) {
        let masks = |method: &str| -> Result<Vec<(u64, Vec<bool>)>> {
            let rows = index.rows.iter().filter(is_compared);
            rows.filter(|row| row.method == method && place(row) == group)
                .map(|row| {
                    let stage = store.model_of(row)?;
                    let mask = Mask::from_bytes(&stage.read(MASK)?).map_err(|error| ReportError::Mask {
                        folder: stage.path().to_path_buf(),
                        reason: error.to_string(),
                    })?;
                    Ok((row.seed, bits(&mask)))
                })
                .collect()
        };
        let (with, without) = (masks(ORIGINAL)?, masks(RELEARNED)?);
        found.extend(compare(&group, &with, &without));
    }
    Ok(found)
}

/// The comparison of one pruning. `None` with fewer than three seeds, or for masks of different networks.
fn compare(
    (dataset, arch, forget, pruning): &(String, String, String, String),
    with: &[(u64, Vec<bool>)],
    without: &[(u64, Vec<bool>)],
) -> Option<MaskLeaks> {
    let (mut seeds, mut overlap, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    let mut by_chance = 0.0;
    for (seed, mask) in with {
        let others: Vec<&[bool]> =
            without.iter().filter(|(other, _)| other != seed).map(|(_, mask)| mask.as_slice()).collect();
        let own = without.iter().find(|(other, _)| other == seed).map(|(_, mask)| mask)?;
        overlap.push(MaskLeak::new(mask, &others).ok()?.overlap);
        floor.push(MaskLeak::new(own, &others).ok()?.overlap);
        by_chance = MaskOverlap::new(mask, own).ok()?.by_chance();
        seeds.push(*seed);
    }
    let [dataset, arch, forget, pruning] = [dataset, arch, forget, pruning].map(String::clone);
    (!seeds.is_empty()).then_some(MaskLeaks { dataset, arch, forget, pruning, seeds, overlap, floor, by_chance })
}

/// One line per class and pruning, and what it means. `None` if nothing was compared.
pub(crate) fn grid(leaks: &[MaskLeaks]) -> Option<(Grid, String)> {
    if leaks.is_empty() {
        return None;
    }
    let head = ["Forget set", "Model", "with / without (%)", "without / without (%)", "Difference", "by chance (%)"];
    let percent = |values: &[f64]| {
        let values: Vec<f64> = values.iter().map(|value| 100.0 * value).collect();
        Estimate::over_seeds(&values).map_or_else(|_| "–".to_owned(), |estimate| figure(&estimate))
    };
    let line = |leak: &MaskLeaks| {
        let differences: Vec<f64> = leak.overlap.iter().zip(&leak.floor).map(|(with, floor)| with - floor).collect();
        vec![
            leak.forget.clone(),
            leak.pruning.clone(),
            percent(&leak.overlap),
            percent(&leak.floor),
            percent(&differences).replace('-', "−"),
            format!("{:.2}", 100.0 * leak.by_chance),
        ]
    };
    let note = "Overlap (Jaccard) of masks of different seeds: of the pruned model's mask, learned with the class, with masks learned without \
                it, and of the latter with each other, which is the noise floor. Mean ± 95 % confidence interval over seeds; the seeds share \
                masks, so the interval is a little too narrow. An overlap below the floor means that the class can be seen in the mask.";
    let grid = Grid { names: 2, head: head.map(str::to_owned).into(), lines: leaks.iter().map(line).collect() };
    Some((grid, note.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(bits: &[&str]) -> Vec<(u64, Vec<bool>)> {
        (1..).zip(bits).map(|(seed, bits)| (seed, bits.bytes().map(|bit| bit == b'1').collect())).collect()
    }

    #[test]
    fn a_mask_that_the_class_shaped_is_less_like_the_others() {
        let group = ["d", "a", "class 0", "omp 50 %"].map(str::to_owned).into();
        let without = masks(&["11110000", "11101000", "11110000"]);
        let leaks = compare(&group, &masks(&["00011110", "00001111", "00010111"]), &without).unwrap();
        assert!(leaks.overlap.iter().zip(&leaks.floor).all(|(overlap, floor)| overlap + 0.3 < *floor), "{leaks:?}");
        // 1110 1000 shares three of five weights with each of the others, and those are equal.
        assert!((leaks.floor[0] - 0.8).abs() < 1e-12 && (leaks.floor[1] - 0.6).abs() < 1e-12, "{leaks:?}");
        let none = compare(&group, &without, &without).unwrap();
        assert_eq!(none.overlap, none.floor);
        let (grid, note) = grid(&[leaks]).unwrap();
        assert!(grid.lines[0][2].contains('±') && note.contains("noise floor"));
        assert_eq!(compare(&group, &without[..2], &without[..2]), None, "two seeds have no floor");
    }
}
