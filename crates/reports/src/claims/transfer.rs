//! C6: an unlearned, pruned source model transfers at least as well as the untouched one.

use unlearn_metrics::figures::{target_finetune, target_probe};
use unlearn_run_store::CLEAN;

use super::{Claim, Differences, RETRAIN, Side, all, averaged, difference, signed};
use crate::summary::Block;

/// Margin of the target accuracy, in points, for "at least as well". It is the size of one standard error of an accuracy of 90 % on
/// 900 test images.
pub const TRANSFER_MARGIN: f64 = 1.0;

/// The figures of transfer, with the words for a claim.
const FIGURES: [(&str, &str); 2] = [(target_probe::NAME, "linear probe"), (target_finetune::NAME, "fine-tuning")];

/// One part per request, method and figure, and the whole: for each figure, the mean over requests and methods. The untouched model is
/// `raw` on the dense model. Methods that leave the model as it was, or train it again, count for nothing.
pub(super) fn transfers_as_well(blocks: &[Block]) -> Vec<Claim> {
    let (mut parts, mut wholes) = (Vec::new(), Vec::new());
    for (figure, by) in FIGURES {
        let mut every: Vec<Differences> = Vec::new();
        for block in blocks {
            let (Some(dense), Some(sparse)) = (block.dense(), block.sparse()) else { continue };
            let Some(untouched) = block.line("raw").and_then(|line| line.cells[dense].as_ref()) else { continue };
            for line in block.lines.iter().filter(|line| ![RETRAIN, "raw", CLEAN].contains(&line.method.as_str())) {
                let Some(cell) = &line.cells[sparse] else { continue };
                let differences = difference(cell, untouched, figure);
                let Some((verdict, change)) = Side::Above(-TRANSFER_MARGIN).judge(&differences) else { continue };
                let (variant, method) = (block.variants[sparse].label(), &line.method);
                parts.push(Claim::tested(format!("C6/{}/{method}/{by}", block.name(blocks)),format!(
                        "{}: after {method} on the model {variant}, the target accuracy by {by} is at most {TRANSFER_MARGIN} point below that \
                         of the untouched dense model",
                        block.forget
                    ),verdict,format!("{method} at {variant} minus raw dense {}", signed(&change))));
                every.push(differences);
            }
        }
        wholes.extend(Side::Above(-TRANSFER_MARGIN).judge(&averaged(&every)).map(|judged| (by, judged, every.len())));
    }
    if wholes.is_empty() {
        return parts;
    }
    let verdicts: Vec<_> = wholes.iter().map(|(_, (verdict, _), _)| *verdict).collect();
    let details = wholes.iter().map(|(by, (_, change), count)| {
        let of = if *count == 1 { String::new() } else { format!(", mean of {count} comparisons") };
        format!("{by}: {}{of}", signed(change))
    });
    let whole = Claim::tested(
        "C6".to_owned(),
        format!(
            "Unlearned, pruned source models transfer at least as well as untouched dense ones: their target accuracy is at most \
             {TRANSFER_MARGIN} point lower"
        ),
        all(&verdicts),
        details.collect::<Vec<_>>().join("; "),
    );
    std::iter::once(whole).chain(parts).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{row, verdict, with};
    use super::*;
    use crate::{ResultRow, Verdict};

    /// Rows of `raw` dense and of `ft` at 95 %, whose target accuracies differ by these points, by seed.
    fn rows(changes: &[f64]) -> Vec<ResultRow> {
        let seed = |(seed, change): (u64, &f64)| {
            let at = |method, sparsity, value| with(row(method, sparsity, seed, 50.0, 1.0), target_probe::NAME, value);
            [at("raw", 0.0, 80.0), at("raw", 0.95, 10.0), at("ft", 0.0, 10.0), at("ft", 0.95, 80.0 + change)]
        };
        (0..).zip(changes).flat_map(seed).collect()
    }

    #[test]
    fn a_model_may_transfer_worse_by_less_than_the_margin() {
        let check = |changes: &[f64], expected| {
            for id in ["C6", "C6/class 0/ft/linear probe"] {
                assert_eq!(verdict(&rows(changes), id), Some(expected), "{changes:?}");
            }
        };
        check(&[-0.5, -0.4, -0.6], Verdict::Holds);
        check(&[3.0, 4.0, 5.0], Verdict::Holds);
        check(&[-2.0, -2.1, -2.2], Verdict::Fails);
        check(&[-0.5, -1.5, -1.0], Verdict::Undecided);
        check(&[5.0], Verdict::Undecided);
        assert_eq!(verdict(&rows(&[1.0, 1.0]), "C6/class 0/ft/fine-tuning"), None);
    }

    #[test]
    fn both_ways_of_transfer_must_hold() {
        let mut both = rows(&[1.0, 1.1, 1.2]);
        for row in &mut both {
            let value = if row.method == "raw" { 90.0 } else { 80.0 + row.seed as f64 * 0.1 };
            *row = with(row.clone(), target_finetune::NAME, value);
        }
        assert_eq!(verdict(&both, "C6/class 0/ft/linear probe"), Some(Verdict::Holds));
        assert_eq!(verdict(&both, "C6/class 0/ft/fine-tuning"), Some(Verdict::Fails));
        assert_eq!(verdict(&both, "C6"), Some(Verdict::Fails));
    }
}
