//! The paper's figures, shown beside those of a suite with the same data, architecture and requests.
//!
//! Jia et al. 2023 (arXiv 2304.04934), main table: ResNet-18 on CIFAR-10, dense and pruned to 95 % by OMP, means of
//! ten trials, with one method's settings for each column. They are quoted from a secondary source and serve for
//! comparison only. No claim is judged by them.

use crate::summary::Block;
use crate::table::Grid;

/// A row of the published table: dense and sparse figures in percent, and the run time in minutes.
struct Published {
    method: &'static str,
    ua: [f64; 2],
    mia_efficacy: [f64; 2],
    ra: [f64; 2],
    ta: [f64; 2],
    minutes: f64,
}

const fn row(
    method: &'static str,
    ua: [f64; 2],
    mia_efficacy: [f64; 2],
    ra: [f64; 2],
    ta: [f64; 2],
    minutes: f64,
) -> Published {
    Published { method, ua, mia_efficacy, ra, ta, minutes }
}

const CLASS: [Published; 5] = [
    row("retrain", [100.0, 100.0], [100.0, 100.0], [100.0, 99.99], [94.83, 91.80], 43.23),
    row("ft", [22.53, 73.64], [75.00, 83.02], [99.87, 99.87], [94.31, 94.32], 2.52),
    row("ga", [93.08, 98.09], [94.03, 97.74], [92.60, 87.74], [86.64, 82.58], 0.33),
    row("ff", [79.93, 94.83], [100.0, 100.0], [99.45, 99.48], [94.18, 94.04], 38.91),
    row("iu", [87.82, 99.47], [95.96, 99.93], [97.98, 97.24], [91.42, 90.76], 3.25),
];

const RANDOM: [Published; 5] = [
    row("retrain", [5.41, 6.77], [13.12, 14.17], [100.0, 100.0], [94.42, 93.33], 42.15),
    row("ft", [6.83, 5.97], [14.97, 13.36], [96.61, 96.99], [90.13, 90.29], 2.33),
    row("ga", [7.54, 5.62], [10.04, 11.76], [93.31, 95.44], [89.28, 89.26], 0.31),
    row("ff", [7.84, 8.16], [9.52, 10.80], [92.05, 92.29], [88.10, 87.79], 38.24),
    row("iu", [2.03, 6.51], [5.07, 11.93], [98.26, 94.94], [91.33, 88.74], 3.22),
];

/// Sparsity, ASR after FT and SA after FT, in percent, read off the plot of the cleansed backdoor. Before, the ASR is about 100.
const CLEANSED: [[f64; 3]; 5] =
    [[0.0, 47.0, 93.5], [75.0, 43.0, 94.0], [90.0, 15.0, 93.7], [95.0, 14.0, 92.8], [99.0, 11.0, 89.4]];

/// Note under the published figures.
pub(crate) const NOTE: &str =
    "As published (arXiv 2304.04934, ResNet-18 on CIFAR-10, dense / 95 % OMP), quoted second-hand, for comparison.";
/// Note under the figures of a cleansed backdoor.
pub(crate) const NOTE_CLEANSED: &str = "As published (arXiv 2304.04934, ResNet-18 on CIFAR-10, 4,500 images with BadNets' patch), read off a plot, \
     so to within a point or two; for comparison. Before FT the ASR is about 100.";

/// The published figures for a block's data, architecture and request, with a note. `None` if the paper has none.
pub(crate) fn beside(block: &Block) -> Option<(Grid, &'static str)> {
    let of = (block.dataset.as_str(), block.arch.as_str(), block.scenario.as_str());
    if of == ("cifar10", "resnet18", "backdoor") && block.forget.starts_with("poison: patch, 4500 to class 0") {
        return Some((cleansed(), NOTE_CLEANSED));
    }
    table(block).map(|grid| (grid, NOTE))
}

fn cleansed() -> Grid {
    let line = |[sparsity, asr, sa]: &[f64; 3]| vec![format!("{sparsity} %"), format!("{asr}"), format!("{sa:.1}")];
    let head = ["Sparsity", "ASR after ft", "SA after ft"].map(str::to_owned).to_vec();
    Grid { head, names: 1, lines: CLEANSED.iter().map(line).collect() }
}

fn table(block: &Block) -> Option<Grid> {
    let rows = match (block.dataset.as_str(), block.arch.as_str(), block.scenario.as_str(), block.forget.as_str()) {
        ("cifar10", "resnet18", "class", forget) if forget.starts_with("class ") => &CLASS,
        ("cifar10", "resnet18", "random", "random 10 %") => &RANDOM,
        _ => return None,
    };
    let pair = |[dense, sparse]: [f64; 2]| format!("{dense:.2} / {sparse:.2}");
    let line = |row: &Published| {
        let Published { method, ua, mia_efficacy, ra, ta, minutes } = row;
        let figures = [ua, mia_efficacy, ra, ta].map(|figures| pair(*figures));
        [(*method).to_owned()].into_iter().chain(figures).chain([format!("{minutes:.2}")]).collect()
    };
    let head = ["Method", "UA", "MIA-efficacy", "RA", "TA", "RTE (min)"].map(str::to_owned).to_vec();
    Some(Grid { head, names: 1, lines: rows.iter().map(line).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(dataset: &str, scenario: &str, forget: &str) -> Block {
        Block {
            dataset: dataset.to_owned(),
            arch: "resnet18".to_owned(),
            scenario: scenario.to_owned(),
            forget: forget.to_owned(),
            variants: Vec::new(),
            lines: Vec::new(),
        }
    }

    #[test]
    fn stands_beside_what_the_paper_ran_and_nothing_else() {
        let cleansed = block("cifar10", "backdoor", "poison: patch, 4500 to class 0, dirty-label-compat");
        assert_eq!(beside(&cleansed).unwrap().0.lines[3], ["95 %", "14", "92.8"]);
        let (class, _) = beside(&block("cifar10", "class", "class 3")).unwrap();
        assert_eq!(class.lines[1][..2], ["ft", "22.53 / 73.64"]);
        assert_eq!(beside(&block("cifar10", "random", "random 10 %")).unwrap().0.lines[4][5], "3.22");
        for other in [
            block("fashion-mnist", "class", "class 3"),
            block("cifar10", "random", "random 50 %"),
            block("cifar10", "class", "450 of class 3"),
        ] {
            assert!(beside(&other).is_none(), "{} {}", other.dataset, other.forget);
        }
    }
}
