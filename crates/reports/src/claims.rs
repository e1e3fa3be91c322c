//! Verdicts on the paper's claims, from a suite's rows.
//!
//! A claim about figures is judged on differences paired by seed. It holds if the 95 % confidence interval of the
//! mean difference is on the claimed side, fails if it is on the other side, and is undecided otherwise. One seed has
//! no interval, so it decides nothing.

mod cleanse;
mod test;
mod theory;
mod transfer;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use unlearn_metrics::figures::{avg_gap, ta, ua};
use unlearn_metrics::{Estimate, Verdict};
use unlearn_run_store::CLEAN;

use crate::results::{RETRAIN, ResultRow, distinct};
use crate::summary::{Block, Cell, Variant, blocks, percent};

pub use test::Test;
use test::{Side, Tested, all, correct};

/// The approximate methods that sparsity helps, according to the paper.
pub const APPROXIMATE: [&str; 4] = ["ft", "ga", "ff", "iu"];
/// Maximum loss of testing accuracy, in points, for "at most a few".
pub const FEW_POINTS: f64 = 3.0;

/// Margin of the average gap, in points, for "at least as well". It is well above the effect of one sample (0.2
/// points of UA in a forget set of 450), and small beside the gaps of several points by which unlearning methods
/// differ.
pub const MARGIN: f64 = 1.0;
pub use transfer::TRANSFER_MARGIN;
/// The pruning method that the paper prefers for unlearning.
const OMP: &str = "omp";

/// Explains how claims are judged, for readers of the verdicts of these seeds.
pub(crate) fn note(seeds: &[u64]) -> String {
    let alone = if seeds.len() == 1 {
        " This suite ran one seed. One seed has no interval, so claims about figures stay undecided; run more with `--seeds`."
    } else {
        ""
    };
    format!(
        "Claims are judged on differences paired by seed. A claim holds when the whole 95 % confidence interval lies on its side. Many \
         claims are judged at once, so p is also given after Holm's correction for all claims of the suite; what is below 0.05 then stands. \
         The effect is Hedges' g, in deviations over seeds. S1 and S2 check the experiment itself.{alone}"
    )
}

/// One claim and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// `C1`, or `C1/class 0/ft` for one of its parts.
    pub id: String,
    /// The claim in words.
    pub statement: String,
    /// The verdict.
    pub verdict: Verdict,
    /// The figures behind the verdict.
    pub detail: String,
    /// The test behind the verdict. `None` for a check of the experiment that needs none, and in files of an older program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
}

impl Claim {
    /// A claim with the verdict of a test.
    fn tested(id: String, statement: String, Tested { verdict, test }: Tested, detail: String) -> Self {
        Self { id, statement, verdict, detail, test: Some(test) }
    }

    /// Whether this is a part (`C1/…`) of a claim that is also there as a whole (`C1`).
    pub(crate) fn is_part(&self, claims: &[Self]) -> bool {
        self.id.split_once('/').is_some_and(|(whole, _)| claims.iter().any(|claim| claim.id == whole))
    }
}

/// The word for a verdict, as in `results.json`.
pub const fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Fails => "fails",
        Verdict::Undecided => "undecided",
    }
}

/// Judges every claim for which there are rows. `init` names the initial weights of training, and so of Retrain, if
/// they were not fresh.
pub fn claims(rows: &[ResultRow], init: Option<&str>) -> Vec<Claim> {
    let blocks = blocks(rows);
    let mut claims = sparsity_narrows_the_gap(&blocks);
    for block in &blocks {
        claims.extend(l1_sparse_beats_ft(block, &blocks));
    }
    for block in &blocks {
        claims.extend(testing_accuracy_survives(block, &blocks));
    }
    claims.extend(omp_serves_as_well(&blocks));
    claims.extend(cleanse::claims(&blocks));
    claims.extend(transfer::transfers_as_well(&blocks));
    claims.extend(theory::the_error_falls(&blocks));
    for block in &blocks {
        claims.extend(retrain_never_saw_it(block, &blocks, init));
        claims.extend(the_original_remembers(block, &blocks));
    }
    correct(&mut claims);
    claims
}

/// Differences by seed.
type Differences = BTreeMap<u64, f64>;

/// C1: at 95 % sparsity, the average gap of the approximate methods to Retrain is smaller than for the dense model.
fn sparsity_narrows_the_gap(blocks: &[Block]) -> Vec<Claim> {
    let mut parts = Vec::new();
    let mut all: Vec<Differences> = Vec::new();
    let (mut before, mut after, mut sparsities, mut methods) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for block in blocks {
        let (Some(dense), Some(sparse)) = (block.dense(), block.sparse()) else { continue };
        let variant = block.variants[sparse].label();
        for line in block.lines.iter().filter(|line| APPROXIMATE.contains(&line.method.as_str())) {
            let (Some(one), Some(other)) = (&line.cells[dense], &line.cells[sparse]) else { continue };
            let changes = difference(other, one, avg_gap::NAME);
            let (Some(from), Some(to)) = (mean(one, avg_gap::NAME, &changes), mean(other, avg_gap::NAME, &changes))
            else {
                continue;
            };
            let Some((verdict, change)) = Side::Below(0.0).judge(&changes) else { continue };
            parts.push(Claim::tested(
                format!("C1/{}/{}", block.name(blocks), line.method),
                format!(
                    "{}: at {variant} the average gap of {} to Retrain is smaller than dense",
                    block.forget, line.method
                ),
                verdict,
                format!("{from:.2} dense, {to:.2} sparse; change {}", signed(&change)),
            ));
            sparsities.push(variant.clone());
            methods.push(line.method.clone());
            before.push(from);
            after.push(to);
            all.push(changes);
        }
    }
    let Some((verdict, change)) = Side::Below(0.0).judge(&averaged(&all)) else { return parts };
    let whole = Claim::tested(
        "C1".to_owned(),
        format!(
            "At {} the average gap of approximate unlearning ({}) to Retrain is smaller than dense",
            distinct(sparsities).join(", "),
            distinct(methods).join(", ")
        ),
        verdict,
        format!(
            "{:.2} dense, {:.2} sparse{}; change {}",
            average(&before),
            average(&after),
            if all.len() == 1 { String::new() } else { format!(", mean of {} comparisons", all.len()) },
            signed(&change)
        ),
    );
    std::iter::once(whole).chain(parts).collect()
}

/// C2: on the dense model, ℓ1-sparse has a higher UA and a smaller average gap than FT.
fn l1_sparse_beats_ft(block: &Block, blocks: &[Block]) -> Option<Claim> {
    let cell = |method| block.line(method).zip(block.dense()).and_then(|(line, dense)| line.cells[dense].as_ref());
    let (sparse, ft) = (cell("l1-sparse")?, cell("ft")?);
    let (ua, gap) = (difference(sparse, ft, ua::NAME), difference(sparse, ft, avg_gap::NAME));
    let ((on_ua, ua), (on_gap, gap)) = (Side::Above(0.0).judge(&ua)?, Side::Below(0.0).judge(&gap)?);
    let verdict = all(&[on_ua, on_gap]);
    Some(Claim::tested(
        format!("C2/{}", block.name(blocks)),
        format!("{}: on the dense model l1-sparse beats ft in UA and in the average gap", block.forget),
        verdict,
        format!("l1-sparse minus ft: UA {}; average gap {}", signed(&ua), signed(&gap)),
    ))
}

/// C3: at 95 % sparsity (or the nearest available), at most a few points of testing accuracy are lost.
fn testing_accuracy_survives(block: &Block, blocks: &[Block]) -> Option<Claim> {
    let (dense, sparse) = (block.dense()?, block.sparse()?);
    let line = block.line("raw").or_else(|| block.line(RETRAIN))?;
    let (one, other) = (line.cells[dense].as_ref()?, line.cells[sparse].as_ref()?);
    let losses = difference(one, other, ta::NAME);
    let (from, to) = (mean(one, ta::NAME, &losses)?, mean(other, ta::NAME, &losses)?);
    let (verdict, loss) = Side::Below(FEW_POINTS).judge(&losses)?;
    let variant = block.variants[sparse].label();
    Some(Claim::tested(
        format!("C3/{}", block.name(blocks)),
        format!("{}: TA of {} falls by at most {FEW_POINTS} points from dense to {variant}", block.forget, line.method),
        verdict,
        format!("{from:.2} dense, {to:.2} at {variant}; loss {}", signed(&loss)),
    ))
}

/// C4: at equal sparsity, the average gap after OMP exceeds that after any other pruning method by at most a margin.
fn omp_serves_as_well(blocks: &[Block]) -> Vec<Claim> {
    let mut parts = Vec::new();
    let mut rivals: BTreeMap<&str, Vec<Differences>> = BTreeMap::new();
    for block in blocks {
        for rival in block.prunings().into_iter().filter(|rival| *rival != OMP) {
            for line in block.lines.iter().filter(|line| ![RETRAIN, "raw", CLEAN].contains(&line.method.as_str())) {
                let at = |sparsity: &f64| {
                    let cell = |pruning: &str| {
                        let is_meant = |variant: &Variant| variant.sparsity == *sparsity && variant.pruning == pruning;
                        line.cells[block.variants.iter().position(is_meant)?].as_ref()
                    };
                    let differences = difference(cell(OMP)?, cell(rival)?, avg_gap::NAME);
                    (*sparsity != 0.0 && !differences.is_empty()).then_some((*sparsity, differences))
                };
                let (sparsities, differences): (Vec<f64>, Vec<Differences>) =
                    block.sparsities().iter().filter_map(at).unzip();
                let mean = averaged(&differences);
                let Some((verdict, change)) = Side::Below(MARGIN).judge(&mean) else { continue };
                parts.push(Claim::tested(format!("C4/{}/{rival}/{}", block.name(blocks), line.method),format!(
                        "{}: the average gap of {} to Retrain is after {OMP} at most {MARGIN} point larger than after {rival}",
                        block.forget, line.method
                    ),verdict,format!(
                        "mean over {} sparsity; {OMP} minus {rival} {}",
                        sparsities.into_iter().map(percent).collect::<Vec<_>>().join(", "),
                        signed(&change)
                    )));
                rivals.entry(rival).or_default().push(mean);
            }
        }
    }
    let judged = rivals.iter().filter_map(|(rival, all)| Some((*rival, Side::Below(MARGIN).judge(&averaged(all))?)));
    let judged: Vec<(&str, (Tested, Estimate))> = judged.collect();
    if judged.is_empty() {
        return parts;
    }
    let names: Vec<&str> = judged.iter().map(|(rival, _)| *rival).collect();
    let verdicts: Vec<Tested> = judged.iter().map(|(_, (verdict, _))| *verdict).collect();
    let details = judged.iter().map(|(rival, (_, change))| format!("{OMP} minus {rival} {}", signed(change)));
    let whole = Claim::tested(
        "C4".to_owned(),
        format!(
            "{OMP} serves unlearning at least as well as {} at equal sparsity: its average gap is at most {MARGIN} point larger",
            names.join(" and ")
        ),
        all(&verdicts),
        details.collect::<Vec<_>>().join("; "),
    );
    std::iter::once(whole).chain(parts).collect()
}

/// S1: Retrain never saw the forget set. A model that never saw a class never predicts it. This can be seen in single
/// rows, so one seed is enough. For other requests, and for a Retrain with given initial weights, only the way it was
/// made can tell.
fn retrain_never_saw_it(block: &Block, blocks: &[Block], init: Option<&str>) -> Option<Claim> {
    let cells = block.line(RETRAIN)?.cells.iter().flatten();
    let found = || cells.clone().flat_map(|cell| &cell.rows).filter_map(|row| row.value(ua::NAME));
    let (lowest, highest) = (found().min_by(f64::total_cmp)?, found().max_by(f64::total_cmp)?);
    let class = block.scenario == "class";
    let (seen, began) = match init {
        None => (if class { "which never saw the class" } else { "which never saw the images" }.to_owned(), None),
        Some(init) => {
            let what = if class { "the class" } else { "the images" };
            (format!("which begins with {init}, which may have seen {what}"), Some(init))
        }
    };
    let (statement, verdict) = if class {
        let verdict = if lowest >= 100.0 { Verdict::Holds } else { Verdict::Fails };
        (format!("{}: Retrain, {seen}, has 100 % UA", block.forget), verdict)
    } else {
        let verdict = if began.is_none() { Verdict::Holds } else { Verdict::Undecided };
        (format!("{}: Retrain, {seen}, is a gold standard", block.forget), verdict)
    };
    let detail = match (class, began) {
        (true, _) => format!("lowest UA of any seed and sparsity {lowest:.2} %"),
        (false, None) => {
            format!("it began with random weights and was trained without the images; UA {lowest:.2} to {highest:.2} %")
        }
        (false, Some(_)) => {
            format!("whether those weights saw the images is not known here; UA {lowest:.2} to {highest:.2} %")
        }
    };
    Some(Claim { id: format!("S1/{}", block.name(blocks)), statement, verdict, detail, test: None })
}

/// S2: the original model recognises the forget set better than Retrain does. Otherwise there would be nothing to
/// unlearn.
fn the_original_remembers(block: &Block, blocks: &[Block]) -> Option<Claim> {
    let (raw, retrain) = (block.line("raw")?, block.line(RETRAIN)?);
    let pairs: Vec<Differences> = raw
        .cells
        .iter()
        .zip(&retrain.cells)
        .filter_map(|(raw, retrain)| raw.as_ref().zip(retrain.as_ref()))
        .map(|(raw, retrain)| difference(retrain, raw, ua::NAME))
        .collect();
    let (verdict, lead) = Side::Above(0.0).judge(&averaged(&pairs))?;
    Some(Claim::tested(
        format!("S2/{}", block.name(blocks)),
        format!("{}: the model before unlearning (raw) has a lower UA than Retrain", block.forget),
        verdict,
        format!("UA of Retrain minus UA of raw {}", signed(&lead)),
    ))
}

/// `one` minus `other` for every seed that both have. Two average gaps are compared if they are means over the same figures.
fn difference(one: &Cell, other: &Cell, figure: &str) -> Differences {
    let pair = |row: &ResultRow| {
        let partner = other.rows.iter().find(|partner| partner.seed == row.seed)?;
        let differs = |over: &&str| row.undefined(over).is_some() != partner.undefined(over).is_some();
        if figure == avg_gap::NAME && avg_gap::OVER.iter().any(differs) {
            return None;
        }
        Some((row.seed, row.value(figure)? - partner.value(figure)?))
    };
    one.rows.iter().filter_map(pair).collect()
}

/// Mean over the seeds of `paired`, or `None` without seeds.
fn mean(cell: &Cell, figure: &str, paired: &Differences) -> Option<f64> {
    let rows = cell.rows.iter().filter(|row| paired.contains_key(&row.seed));
    let values: Vec<f64> = rows.filter_map(|row| row.value(figure)).collect();
    (!values.is_empty()).then(|| average(&values))
}

/// Mean per seed over several comparisons, for the seeds that all of them have.
fn averaged(comparisons: &[Differences]) -> Differences {
    let Some(first) = comparisons.first() else { return Differences::new() };
    let of_seed = |seed: &u64| {
        let values: Option<Vec<f64>> = comparisons.iter().map(|comparison| comparison.get(seed).copied()).collect();
        values.map(|values| (*seed, average(&values)))
    };
    first.keys().filter_map(of_seed).collect()
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// "−5.80 ± 1.20 points (3 seeds)", or "−5.80 points" for one seed, which has no interval.
fn signed(estimate: &Estimate) -> String {
    let mean = format!("{:+.2}", estimate.mean).replace('-', "−");
    match estimate.half_width {
        Some(half_width) => format!("{mean} ± {half_width:.2} points ({} seeds)", estimate.seeds),
        None => format!("{mean} points"),
    }
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::Value;

    use super::*;

    pub(super) fn row(method: &str, sparsity: f64, seed: u64, ua: f64, avg_gap: f64) -> ResultRow {
        ResultRow {
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            scenario: "class".to_owned(),
            forget: "class 0".to_owned(),
            sparsity,
            pruning: if sparsity > 0.0 { "omp" } else { "none" }.to_owned(),
            method: method.to_owned(),
            seed,
            figures: [("ua", ua), ("ta", 90.0 - 2.0 * sparsity), ("avg_gap", avg_gap)]
                .map(|(name, value)| (name.to_owned(), Value::exact(value)))
                .into(),
            sequence: None,
            turn: None,
        }
    }

    /// The row with another value of a figure.
    pub(super) fn with(mut row: ResultRow, figure: &str, value: f64) -> ResultRow {
        row.figures.insert(figure.to_owned(), Value::exact(value));
        row
    }

    pub(super) fn verdict(rows: &[ResultRow], id: &str) -> Option<Verdict> {
        claims(rows, None).into_iter().find(|claim| claim.id == id).map(|claim| claim.verdict)
    }

    /// Sparse minus dense gaps of ft, one per seed.
    fn ft(changes: &[f64]) -> Vec<ResultRow> {
        let seed = |(seed, change): (usize, &f64)| {
            [row("ft", 0.0, seed as u64, 50.0, 10.0), row("ft", 0.95, seed as u64, 50.0, 10.0 + change)]
        };
        changes.iter().enumerate().flat_map(seed).collect()
    }

    #[test]
    fn the_interval_decides_and_one_seed_decides_nothing() {
        let check = |changes: &[f64], expected| {
            assert_eq!(verdict(&ft(changes), "C1"), Some(expected), "{changes:?}");
            assert_eq!(verdict(&ft(changes), "C1/class 0/ft"), Some(expected), "{changes:?}");
        };
        check(&[-5.0, -6.0, -4.0], Verdict::Holds);
        check(&[5.0, 6.0, 4.0], Verdict::Fails);
        check(&[-5.0, 6.0, -4.0], Verdict::Undecided);
        check(&[-5.0], Verdict::Undecided);
        // Student's t at one degree of freedom is 12.7, so two seeds that differ this much decide nothing.
        check(&[-5.0, -4.0], Verdict::Undecided);
    }

    #[test]
    fn one_seed_is_said_to_be_one() {
        let claim = claims(&ft(&[-5.0]), None).swap_remove(0);
        assert_eq!(claim.detail, "10.00 dense, 5.00 sparse; change −5.00 points");
        assert!(note(&[7]).contains("This suite ran one seed") && !note(&[7, 8]).contains("one seed"));
    }

    #[test]
    fn claims_without_rows_are_left_out() {
        assert_eq!(claims(&[row("ft", 0.0, 1, 50.0, 10.0)], None), []);
        assert_eq!(claims(&[row("scrub", 0.0, 1, 50.0, 10.0), row("scrub", 0.95, 1, 50.0, 5.0)], None), []);
    }

    #[test]
    fn l1_sparse_must_win_in_both() {
        let check = |ua: [f64; 3], gap: [f64; 3], expected| {
            let rows: Vec<_> = (0..3)
                .flat_map(|seed| {
                    let at = seed as usize;
                    [row("ft", 0.0, seed, 50.0, 10.0), row("l1-sparse", 0.0, seed, 50.0 + ua[at], 10.0 + gap[at])]
                })
                .collect();
            assert_eq!(verdict(&rows, "C2/class 0"), Some(expected));
        };
        check([9.0, 10.0, 11.0], [-3.0, -4.0, -5.0], Verdict::Holds);
        check([9.0, 10.0, 11.0], [3.0, 4.0, 5.0], Verdict::Fails);
        check([9.0, 10.0, 11.0], [-3.0, 4.0, -5.0], Verdict::Undecided);
        check([-9.0, -10.0, -11.0], [-3.0, -4.0, -5.0], Verdict::Fails);
    }

    #[test]
    fn facts_about_the_experiment_are_checked() {
        let rows = |retrain: f64, raw: f64| -> Vec<ResultRow> {
            (0..3).flat_map(|seed| [row(RETRAIN, 0.0, seed, retrain, 0.0), row("raw", 0.0, seed, raw, 40.0)]).collect()
        };
        assert_eq!(verdict(&rows(100.0, 2.0), "S1/class 0"), Some(Verdict::Holds));
        assert_eq!(verdict(&rows(99.9, 2.0), "S1/class 0"), Some(Verdict::Fails));
        assert_eq!(verdict(&rows(100.0, 2.0), "S2/class 0"), Some(Verdict::Holds));
        assert_eq!(verdict(&rows(5.0, 7.0), "S2/class 0"), Some(Verdict::Fails));
    }

    #[test]
    fn what_retrain_began_with_is_said() {
        let check = |scenario: &str, init: Option<&str>, ua: f64| {
            let rows = [RETRAIN, "raw"]
                .map(|method| ResultRow { scenario: scenario.to_owned(), ..row(method, 0.0, 1, ua, 0.0) });
            claims(&rows, init).into_iter().find(|claim| claim.id == "S1/class 0").unwrap()
        };
        let random = check("random", None, 8.0);
        assert_eq!(random.verdict, Verdict::Holds);
        assert!(
            random.statement.contains("never saw the images") && random.detail.contains("random weights"),
            "{random:?}"
        );
        for (scenario, ua, verdict) in
            [("class", 100.0, Verdict::Holds), ("class", 10.7, Verdict::Fails), ("random", 8.0, Verdict::Undecided)]
        {
            let begun = check(scenario, Some("mine.pth"), ua);
            assert_eq!(begun.verdict, verdict);
            assert!(begun.statement.contains("begins with mine.pth, which may have seen"), "{begun:?}");
            assert!(!begun.statement.contains("never"), "{begun:?}");
        }
    }

    #[test]
    fn testing_accuracy_is_held_against_the_limit() {
        let rows = |loss: f64| -> Vec<ResultRow> {
            let at = |seed: u64| {
                [row(RETRAIN, 0.0, seed, 100.0, 0.0), with(row(RETRAIN, 0.95, seed, 100.0, 0.0), ta::NAME, 90.0 - loss)]
            };
            (0..3).flat_map(at).collect()
        };
        assert_eq!(verdict(&rows(1.5), "C3/class 0"), Some(Verdict::Holds));
        assert_eq!(verdict(&rows(4.0), "C3/class 0"), Some(Verdict::Fails));
    }

    /// Rows of ft after omp and after `rival` with these differences of the average gap (omp minus rival), by
    /// sparsity and seed.
    fn against(rival: &str, differences: &[(f64, [f64; 3])]) -> Vec<ResultRow> {
        let mut rows = Vec::new();
        for (sparsity, by_seed) in differences {
            for (seed, difference) in (0..).zip(by_seed) {
                let other = ResultRow { pruning: rival.to_owned(), ..row("ft", *sparsity, seed, 50.0, 10.0) };
                rows.extend([row("ft", *sparsity, seed, 50.0, 10.0 + difference), other]);
            }
        }
        rows
    }

    #[test]
    fn omp_may_be_worse_by_less_than_the_margin() {
        let check = |differences: &[(f64, [f64; 3])], expected| {
            let rows = against("imp", differences);
            assert_eq!(verdict(&rows, "C4/class 0/imp/ft"), Some(expected), "{differences:?}");
            assert_eq!(verdict(&rows, "C4"), Some(expected), "{differences:?}");
        };
        check(&[(0.9, [0.1, 0.2, 0.3])], Verdict::Holds);
        check(&[(0.9, [-4.0, -5.0, -6.0])], Verdict::Holds);
        check(&[(0.9, [2.0, 2.1, 2.2])], Verdict::Fails);
        check(&[(0.9, [0.8, 0.9, 1.1])], Verdict::Undecided);
        // The mean over the sparsities, per seed.
        check(&[(0.5, [2.0, 3.0, 4.0]), (0.9, [-2.0, -3.1, -3.9])], Verdict::Holds);
    }

    #[test]
    fn a_win_over_one_pruning_does_not_hide_a_loss_to_another() {
        let mut rows = against("imp", &[(0.9, [2.0, 2.1, 2.2])]);
        let synflow = against("synflow", &[(0.9, [2.0, 2.1, 2.2])]).into_iter().filter(|row| row.pruning == "synflow");
        rows.extend(synflow.map(|row| with(row, avg_gap::NAME, 30.0)));
        assert_eq!(verdict(&rows, "C4/class 0/imp/ft"), Some(Verdict::Fails));
        assert_eq!(verdict(&rows, "C4/class 0/synflow/ft"), Some(Verdict::Holds));
        assert_eq!(verdict(&rows, "C4"), Some(Verdict::Fails));
    }

    #[test]
    fn omp_is_compared_at_equal_sparsity_only() {
        let mut rows = against("imp", &[(0.5, [0.1, 0.2, 0.3]), (0.9, [0.1, 0.2, 0.3])]);
        rows.retain(|row| row.pruning == "omp" || row.sparsity == 0.5);
        let claim = claims(&rows, None).into_iter().find(|claim| claim.id == "C4/class 0/imp/ft").unwrap();
        assert!(claim.detail.starts_with("mean over 50 % sparsity; omp minus imp +0.20 ±"), "{}", claim.detail);
        rows.retain(|row| row.pruning == "omp" || row.sparsity != 0.5);
        assert_eq!(verdict(&rows, "C4"), None);
    }
}
