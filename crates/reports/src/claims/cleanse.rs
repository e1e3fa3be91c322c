//! C5: a backdoor is easier to cleanse from a pruned model.

use unlearn_metrics::figures::{asr, sa};

use super::{APPROXIMATE, Claim, Differences, FEW_POINTS, Side, all, difference, mean, signed};
use crate::summary::{Block, Cell};

/// C5, for each approximate method: at 95 % sparsity (or the nearest available) it lowers the attack success rate by more than on the
/// dense model, and costs at most a few points of SA.
pub(super) fn cleansing_is_easier(block: &Block, blocks: &[Block]) -> Vec<Claim> {
    let (Some(dense), Some(sparse)) = (block.dense(), block.sparse()) else { return Vec::new() };
    let Some(raw) = block.line("raw") else { return Vec::new() };
    let pair = |cells: &[Option<Cell>]| Some((cells[dense].clone()?, cells[sparse].clone()?));
    let Some((raw_dense, raw_sparse)) = pair(&raw.cells) else { return Vec::new() };
    let variant = block.variants[sparse].label();
    let judge = |method: &str, (cleansed_dense, cleansed_sparse): (Cell, Cell)| -> Option<Claim> {
        let on_dense = difference(&raw_dense, &cleansed_dense, asr::NAME);
        let on_sparse = difference(&raw_sparse, &cleansed_sparse, asr::NAME);
        let gain: Differences =
            on_sparse.iter().filter_map(|(seed, fall)| Some((*seed, fall - on_dense.get(seed)?))).collect();
        let cost = difference(&raw_sparse, &cleansed_sparse, sa::NAME);
        let (by_asr, gained) = Side::Above(0.0).judge(&gain)?;
        let (by_sa, lost) = Side::Below(FEW_POINTS).judge(&cost)?;
        let from_to = |from: &Cell, to: &Cell| {
            let [from, to] = [from, to].map(|cell| mean(cell, asr::NAME, &gain));
            Some(format!("from {:.2} to {:.2}", from?, to?))
        };
        Some(Claim::tested(
            format!("C5/{}/{method}", block.name(blocks)),
            format!(
                "{}: {method} lowers ASR by more at {variant} than on the dense model, and costs there at most {FEW_POINTS} points of SA",
                block.forget
            ),
            all(&[by_asr, by_sa]),
            format!(
                "ASR {} dense, {} at {variant}; lowered by {} more; SA lost {}",
                from_to(&raw_dense, &cleansed_dense)?,
                from_to(&raw_sparse, &cleansed_sparse)?,
                signed(&gained),
                signed(&lost)
            ),
        ))
    };
    let lines = block.lines.iter().filter(|line| APPROXIMATE.contains(&line.method.as_str()));
    let parts: Vec<Claim> = lines.filter_map(|line| judge(&line.method, pair(&line.cells)?)).collect();
    // The paper cleanses by FT (section 5).
    let whole = parts.iter().find(|claim| claim.id.ends_with("/ft")).map(|claim| Claim {
        id: "C5".to_owned(),
        statement: format!(
            "Cleansing a pruned model lowers ASR by more than cleansing a dense one: {}",
            claim.statement
        ),
        ..claim.clone()
    });
    whole.into_iter().chain(parts).collect()
}

/// C5 for every block with a backdoor.
pub(super) fn claims(blocks: &[Block]) -> Vec<Claim> {
    let mut found: Vec<Claim> = Vec::new();
    // The whole claim is that of the suite's first request.
    for claim in blocks.iter().flat_map(|block| cleansing_is_easier(block, blocks)) {
        if found.iter().all(|known| known.id != claim.id) {
            found.push(claim);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::{Value, Verdict};

    use super::*;
    use crate::results::ResultRow;
    use crate::summary::blocks;

    fn verdict(claims: &[Claim], id: &str) -> Option<Verdict> {
        claims.iter().find(|claim| claim.id == id).map(|claim| claim.verdict)
    }

    /// Three seeds; ASR of raw is 100. `dense` and `sparse` are the ASR after ft; `sa` is that after ft on the sparse model (raw: 80).
    fn rows(dense: [f64; 3], sparse: [f64; 3], sa: f64) -> Vec<ResultRow> {
        let row = |method: &str, sparsity: f64, seed: usize, asr: f64, sa: f64| ResultRow {
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            scenario: "backdoor".to_owned(),
            forget: "poison".to_owned(),
            sparsity,
            pruning: if sparsity > 0.0 { "omp" } else { "none" }.to_owned(),
            method: method.to_owned(),
            seed: seed as u64,
            figures: [("asr", asr), ("sa", sa)].map(|(name, value)| (name.to_owned(), Value::exact(value))).into(),
            sequence: None,
            turn: None,
        };
        let of_seed = |seed: usize| {
            [
                row("raw", 0.0, seed, 100.0, 82.0),
                row("raw", 0.95, seed, 100.0, 80.0),
                row("ft", 0.0, seed, dense[seed], 82.0),
                row("ft", 0.95, seed, sparse[seed], sa),
                row("clean", 0.0, seed, 0.0, 82.0),
            ]
        };
        (0..3).flat_map(of_seed).collect()
    }

    #[test]
    fn the_fall_on_the_pruned_model_must_be_larger_and_cheap() {
        let check = |dense, sparse, sa, expected| {
            let claims = claims(&blocks(&rows(dense, sparse, sa)));
            assert_eq!(verdict(&claims, "C5"), Some(expected), "{claims:?}");
            assert_eq!(verdict(&claims, "C5/poison/ft"), Some(expected));
        };
        check([50.0, 51.0, 49.0], [11.0, 10.0, 12.0], 80.0, Verdict::Holds);
        check([11.0, 10.0, 12.0], [50.0, 51.0, 49.0], 80.0, Verdict::Fails);
        check([50.0, 5.0, 49.0], [11.0, 40.0, 12.0], 80.0, Verdict::Undecided);
        check([50.0, 51.0, 49.0], [11.0, 10.0, 12.0], 70.0, Verdict::Fails);
    }

    #[test]
    fn without_a_backdoor_there_is_no_claim() {
        let plain: Vec<ResultRow> = rows([1.0; 3], [1.0; 3], 80.0)
            .into_iter()
            .map(|mut row| {
                row.figures.clear();
                row
            })
            .collect();
        assert_eq!(claims(&blocks(&plain)), []);
    }
}
