//! C7: the unlearning error falls with sparsity (arXiv 2304.04934, proposition 2).

use unlearn_metrics::Estimate;
use unlearn_metrics::figures::{error_bound, unlearning_error};

use super::{APPROXIMATE, Claim, Side, averaged, difference, mean};
use crate::summary::{Block, Cell};

/// C7: at 95 % sparsity (or the nearest available), the Euclidean distance of the weights from Retrain's is smaller than on the dense model,
/// for each approximate method; and so is the bound that the paper gives for it. The bound does not depend on the method.
pub(super) fn the_error_falls(blocks: &[Block]) -> Vec<Claim> {
    let (mut parts, mut all, mut whole) = (Vec::new(), Vec::new(), None);
    for block in blocks {
        let (Some(dense), Some(sparse)) = (block.dense(), block.sparse()) else { continue };
        let variant = block.variants[sparse].label();
        let judge = |figure: &str, id: &str, what: &str, one: &Cell, other: &Cell| {
            let changes = difference(other, one, figure);
            let (tested, change) = Side::Below(0.0).judge(&changes)?;
            let (from, to) = (mean(one, figure, &changes)?, mean(other, figure, &changes)?);
            let claim = Claim::tested(
                format!("C7/{}/{id}", block.name(blocks)),
                format!("{}: {what} is smaller at {variant} than dense", block.forget),
                tested,
                format!("{from:.3} dense, {to:.3} at {variant}; change {}", signed(&change)),
            );
            Some((claim, changes))
        };
        let lines = block.lines.iter().filter(|line| APPROXIMATE.contains(&line.method.as_str()));
        for line in lines {
            let (Some(one), Some(other)) = (&line.cells[dense], &line.cells[sparse]) else { continue };
            let what = format!("the unlearning error of {}", line.method);
            let Some((claim, changes)) = judge(unlearning_error::NAME, &line.method, &what, one, other) else {
                continue;
            };
            parts.push(claim);
            all.push(changes);
            whole.get_or_insert(variant.clone());
        }
        let raw = block.line("raw").map(|line| (&line.cells[dense], &line.cells[sparse]));
        if let Some((Some(one), Some(other))) = raw {
            let what = "the bound of the unlearning error, up to its constant,";
            parts.extend(judge(error_bound::NAME, "bound", what, one, other).map(|(claim, _)| claim));
        }
    }
    let judged = Side::Below(0.0).judge(&averaged(&all));
    let (Some(variant), Some((tested, change))) = (whole, judged) else { return parts };
    let claim = Claim::tested(
        "C7".to_owned(),
        format!("The unlearning error of approximate unlearning is smaller at {variant} than dense"),
        tested,
        format!("mean of {} comparisons; change {}", all.len(), signed(&change)),
    );
    std::iter::once(claim).chain(parts).collect()
}

/// "−5.800 ± 1.200 (3 seeds)": a distance has no unit.
fn signed(estimate: &Estimate) -> String {
    let mean = format!("{:+.3}", estimate.mean).replace('-', "−");
    match estimate.half_width {
        Some(half_width) => format!("{mean} ± {half_width:.3} ({} seeds)", estimate.seeds),
        None => mean,
    }
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::Verdict;

    use super::*;
    use crate::claims::tests::{row, verdict, with};
    use crate::results::ResultRow;

    /// Three seeds with the unlearning errors of ft, and the bound in the row of raw, dense and sparse.
    fn rows(errors: [[f64; 2]; 3], bounds: [f64; 2]) -> Vec<ResultRow> {
        let of_seed = |(seed, [dense, sparse]): (usize, [f64; 2])| {
            let row = |method, sparsity| row(method, sparsity, seed as u64, 50.0, 10.0);
            [
                with(row("ft", 0.0), unlearning_error::NAME, dense),
                with(row("ft", 0.95), unlearning_error::NAME, sparse),
                with(row("raw", 0.0), error_bound::NAME, bounds[0]),
                with(row("raw", 0.95), error_bound::NAME, bounds[1] + seed as f64 * 0.01),
            ]
        };
        errors.into_iter().enumerate().flat_map(of_seed).collect()
    }

    #[test]
    fn the_error_must_fall_for_every_seed_alike() {
        for (errors, expected) in [
            ([[20.0, 5.0], [21.0, 5.5], [19.0, 4.9]], Verdict::Holds),
            ([[5.0, 20.0], [5.5, 21.0], [4.9, 19.0]], Verdict::Fails),
            ([[20.0, 5.0], [5.0, 21.0], [19.0, 18.0]], Verdict::Undecided),
        ] {
            let rows = rows(errors, [3.0, 9.0]);
            assert_eq!(verdict(&rows, "C7"), Some(expected));
            assert_eq!(verdict(&rows, "C7/class 0/ft"), Some(expected));
            assert_eq!(verdict(&rows, "C7/class 0/bound"), Some(Verdict::Fails));
        }
        let one: Vec<ResultRow> = rows([[20.0, 5.0]; 3], [3.0, 9.0]).into_iter().filter(|row| row.seed == 0).collect();
        assert_eq!(verdict(&one, "C7"), Some(Verdict::Undecided), "one seed decides nothing");
    }

    #[test]
    fn without_an_audit_of_the_theory_there_is_no_claim() {
        let plain = [row("ft", 0.0, 1, 50.0, 10.0), row("ft", 0.95, 1, 50.0, 5.0)];
        assert_eq!(verdict(&plain, "C7"), None);
    }
}
