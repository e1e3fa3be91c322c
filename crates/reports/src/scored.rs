//! What stored scores show beside the figures: curves of an attack, what each class is taken for, and which of the
//! forgotten samples a model still recognises. Nothing here needs a model.

use unlearn_metrics::{ModelScores, Roc, Scores};
use unlearn_run_store::{CLEAN, Stage, StageKey, Store, StoredScores, SuiteIndex, SuiteRow};

use crate::error::Result;
use crate::results::{RAW, RETRAIN, Results, distinct};
use crate::summary::{Block, Variant, blocks};

/// Most bytes of scores that a report reads of one model. Of a larger one it shows the figures alone.
const MOST_BYTES: u64 = 64 << 20;
/// Most classes whose confusions a page can show.
pub(crate) const MOST_CLASSES: usize = 20;
/// Most seeds that a page shows one by one. More would make it too long.
pub(crate) const MOST_SEEDS: usize = 5;
/// Most points of a curve that are kept.
const MOST_POINTS: usize = 200;

/// What the scores of one model show.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Title of the forget set and its model: "class 0 · resnet8s on fashion-mnist-mini".
    pub title: String,
    /// Label of the forget set.
    pub forget: String,
    /// The pruning.
    pub variant: Variant,
    /// Name of the method.
    pub method: String,
    /// The seed.
    pub seed: u64,
    /// Key of the `unlearn` stage that made the model.
    pub unlearn: StageKey,
    /// The attack that calls a sample a member if its loss is low: forget set against test set.
    pub attack: Option<Attacked>,
    /// Images of the forget set: true class by predicted class. Empty for more than 20 classes.
    pub forgotten: Vec<Vec<usize>>,
    /// The same for the test set.
    pub tested: Vec<Vec<usize>>,
    /// Each sample of the forget set.
    pub samples: Vec<Sample>,
}

/// A curve and the area under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Attacked {
    /// `[FPR, TPR]`, 0..1, ascending.
    pub points: Vec<[f64; 2]>,
    /// Area under the curve, 0..1.
    pub auc: f64,
    /// Its 95 % interval (DeLong), if there is one.
    pub interval: Option<[f64; 2]>,
}

/// What a model says of one forgotten sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Its position in the official training set.
    pub position: u32,
    /// Its class.
    pub label: u32,
    /// The class that the model answers.
    pub predicted: u32,
}

impl Sample {
    /// Whether the model still recognises the sample.
    pub fn is_recognised(&self) -> bool {
        self.label == self.predicted
    }
}

/// Reads the scores of the suite's models, dense and with the sparsity nearest 95 %, of the first `MOST_SEEDS` seeds. Models without
/// stored scores, and with too large ones, are left out. The models are ordered by forget set, seed, pruning and method.
///
/// # Errors
/// [`crate::ReportError::Store`] if stored scores are damaged, or a newer program wrote them.
pub fn gather(store: &Store, index: &SuiteIndex, results: &Results) -> Result<Vec<Scored>> {
    let mut found = Vec::new();
    for block in blocks(&results.rows) {
        let variants = || [block.dense(), block.sparse()].into_iter().flatten().map(|at| &block.variants[at]);
        let seeds = distinct(index.rows.iter().map(|row| row.seed)).into_iter().take(MOST_SEEDS);
        for (seed, variant) in seeds.flat_map(|seed| variants().map(move |variant| (seed, variant))) {
            for line in &block.lines {
                let is_meant = |row: &&SuiteRow| {
                    row.seed == seed
                        && row.turn.is_none()
                        && row.method == line.method
                        && Variant::of_suite(row) == *variant
                        && [&row.dataset, &row.arch, &row.scenario, &row.forget]
                            == [&block.dataset, &block.arch, &block.scenario, &block.forget]
                };
                let Some(row) = index.rows.iter().find(is_meant) else { continue };
                let stage = store.stage("evaluate", &row.evaluate)?;
                found.extend(scores(&stage)?.map(|scores| Scored::new(&block, row, &scores)));
            }
        }
    }
    Ok(found)
}

fn scores(stage: &Stage) -> Result<Option<ModelScores>> {
    match stage.manifest().artifacts.get(StoredScores::FILE) {
        Some(file) if file.bytes <= MOST_BYTES => Ok(Some(StoredScores::of(stage)?.scores)),
        _ => Ok(None),
    }
}

impl Scored {
    fn new(block: &Block, row: &SuiteRow, scores: &ModelScores) -> Self {
        let ModelScores { forget, test, .. } = scores;
        let samples = forget.positions().iter().zip(forget.labels()).zip(forget.predictions());
        let sample = |((position, label), predicted): ((&u32, &u32), usize)| Sample {
            position: *position,
            label: *label,
            predicted: predicted as u32,
        };
        Self {
            title: block.title(),
            forget: row.forget.clone(),
            variant: Variant::of_suite(row),
            method: row.method.clone(),
            seed: row.seed,
            unlearn: row.unlearn.clone(),
            attack: Attacked::new(forget, test),
            forgotten: confusion(forget),
            tested: confusion(test),
            samples: samples.map(sample).collect(),
        }
    }

    /// "ft, 95 % omp".
    pub fn label(&self) -> String {
        format!("{}, {}", self.method, self.variant.label())
    }

    /// Whether the two are models of one seed with one pruning, for one forget set.
    pub(crate) fn is_beside(&self, other: &Self) -> bool {
        (&self.title, self.seed, &self.variant) == (&other.title, other.seed, &other.variant)
    }

    /// Whether this is an end of the scale and no unlearning: Retrain, the model before, or one without poison.
    pub fn is_end(&self) -> bool {
        [RETRAIN, RAW, CLEAN].contains(&self.method.as_str())
    }
}

impl Attacked {
    /// `None` if a set is empty, or all losses are equal.
    fn new(forget: &Scores, test: &Scores) -> Option<Self> {
        let [members, others] = [forget, test].map(|scores| scores.losses().map(|loss| -loss).collect::<Vec<f64>>());
        let roc = Roc::new(&members, &others).ok()?;
        let all = roc.points();
        // The ends stay, and of the points between them as many as a picture can show.
        let step = all.len().div_ceil(MOST_POINTS).max(1);
        let last = all.len() - 1;
        let kept = all.into_iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, point)| point);
        let auc = roc.auc();
        Some(Self { points: kept.collect(), auc: auc.value, interval: auc.interval })
    }
}

/// Number of samples of each class, in rows, by the class that the model answers. Empty for more than 20 classes.
fn confusion(scores: &Scores) -> Vec<Vec<usize>> {
    let classes = scores.classes();
    if classes > MOST_CLASSES {
        return Vec::new();
    }
    let mut counts = vec![vec![0; classes]; classes];
    for (label, predicted) in scores.labels().iter().zip(scores.predictions()) {
        counts[*label as usize][predicted] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confusions_count_true_classes_in_rows() {
        let logits = vec![2.0, 1.0, 0.0, 0.0, 3.0, 1.0, 0.0, 3.0, 1.0];
        let scores = Scores::new(logits, vec![0, 0, 1], 3).unwrap();
        assert_eq!(confusion(&scores), [[1, 1, 0], [0, 1, 0], [0, 0, 0]]);
        let many = Scores::new(vec![0.5; 21], vec![3], 21).unwrap();
        assert_eq!(confusion(&many), Vec::<Vec<usize>>::new());
    }

    #[test]
    fn the_attack_calls_low_losses_members() {
        let sure = Scores::new(vec![9.0, 0.0, 8.0, 0.0], vec![0, 0], 2).unwrap();
        let unsure = Scores::new(vec![0.1, 0.0, 0.2, 0.0], vec![0, 0], 2).unwrap();
        assert_eq!(Attacked::new(&sure, &unsure).unwrap().auc, 1.0);
        assert_eq!(Attacked::new(&unsure, &sure).unwrap().auc, 0.0);
        assert_eq!(Attacked::new(&sure, &sure).map(|found| found.auc), Some(0.5));
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let scores = |shift: usize| {
            let logits = (0..3000).flat_map(|at| [((at * 37 + shift) % 1009) as f32 / 100.0, 0.0]).collect();
            Scores::new(logits, vec![0; 3000], 2).unwrap()
        };
        let points = Attacked::new(&scores(0), &scores(500)).unwrap().points;
        assert!(points.len() <= MOST_POINTS + 1, "{}", points.len());
        assert_eq!((points[0], points[points.len() - 1]), ([0.0, 0.0], [1.0, 1.0]));
    }
}
