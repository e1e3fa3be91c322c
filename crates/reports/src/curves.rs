//! Training curves of the stages that made a suite's models.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use unlearn_run_store::{Stage, StageKey, Store, SuiteIndex, SuiteRow};

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, SERIES, apart};
use crate::error::Result;
use crate::prunings;
use crate::results::{RETRAIN, distinct};
use crate::summary::{Variant, percent};
use crate::table::Grid;

const SIZE: (u32, u32) = (480, 250);
const LEFT: i32 = 44;
/// Pixels for the labels at the ends of the lines: for the dot and for each character.
const LABEL: (i32, i32) = (28, 7);
const TOP: i32 = 12;
const BOTTOM: i32 = 214;

/// Figures of a stage's epochs, by name.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Label of the stage: "train", "95 % omp". For a Retrain its request and model: "class 0 · dense".
    pub label: String,
    /// Whether the stage is a Retrain.
    pub retrain: bool,
    /// The pruning, if this is a `prune` stage.
    pub variant: Option<Variant>,
    /// Its seed.
    pub seed: u64,
    /// The points (epoch, value) of each figure. For a training in rounds, those of the last round.
    pub figures: BTreeMap<String, Vec<(f64, f64)>>,
}

/// Maximum number of distinct labels in one picture.
const MOST_LABELS: usize = 8;
/// Label of dense training.
const TRAIN: &str = "train";

/// The figures that are drawn, with their headings.
pub const FIGURES: [(&str, &str); 2] =
    [("train_loss", "Training loss"), ("validation_accuracy", "Validation accuracy, %")];

/// Collects the curves of every `train` and `prune` stage that the suite's rows depend on, and of the Retrain stages.
/// Stages without rows that have an `epoch` have no curve.
///
/// # Errors
/// [`crate::ReportError::Store`] if a stage is damaged.
pub fn collect(store: &Store, index: &SuiteIndex) -> Result<Vec<Curve>> {
    let kinds: BTreeMap<StageKey, String> =
        store.stages()?.into_iter().map(|summary| (summary.key, summary.kind)).collect();
    let variants: BTreeMap<StageKey, Variant> = prunings::stages(store, index)?
        .into_iter()
        .map(|(stage, row)| (stage.key().clone(), Variant::of_suite(row)))
        .collect();
    let mut curves: Vec<Curve> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut open: Vec<StageKey> = index.rows.iter().rev().map(|row| row.unlearn.clone()).collect();
    while let Some(key) = open.pop() {
        let Some(kind) = kinds.get(&key) else { continue };
        if !seen.insert(key.clone()) {
            continue;
        }
        let Some(stage) = store.find(kind, &key)? else { continue };
        open.extend(stage.manifest().inputs.values().cloned());
        let retrain = index.rows.iter().find(|row| row.unlearn == key && row.method == RETRAIN);
        if kind == TRAIN || kind == "prune" || (kind == "unlearn" && retrain.is_some()) {
            curves.extend(curve(&stage, variants.get(&key), retrain)?);
        }
    }
    curves.sort_by(|one, other| rank(one).cmp(&rank(other)).then(one.seed.cmp(&other.seed)));
    Ok(curves)
}

/// The curves that one picture can show. Retrain's curves get their own picture. If there are few labels, all curves
/// are shown. Otherwise: dense training and, for each pruning method, the sparsity closest to the 95 % that the paper
/// reports.
pub fn readable(curves: &[Curve]) -> Vec<&Curve> {
    let is_too_many = |retrain: bool| {
        let labels = curves.iter().filter(|curve| curve.retrain == retrain).map(|curve| curve.label.as_str());
        distinct(labels).len() > MOST_LABELS
    };
    let (many_models, many_retrains) = (is_too_many(false), is_too_many(true));
    let closest = |pruning: &str| {
        let sparsities = curves.iter().filter_map(|curve| curve.variant.as_ref());
        let sparsities = sparsities.filter(|variant| variant.pruning == pruning).map(|variant| variant.sparsity);
        sparsities.min_by(|one, other| (one - 0.95).abs().total_cmp(&(other - 0.95).abs()))
    };
    let is_shown = |curve: &&Curve| match &curve.variant {
        _ if curve.retrain => !many_retrains,
        Some(variant) if many_models => closest(&variant.pruning) == Some(variant.sparsity),
        None if many_models => curve.label == TRAIN,
        _ => true,
    };
    curves.iter().filter(is_shown).collect()
}

/// One figure of all curves as SVG, with labels at the ends of the lines. `None` if no curve has the figure.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn lines(curves: &[&Curve], figure: &str) -> Result<Option<String>> {
    let drawn: Vec<(&Curve, &Vec<(f64, f64)>)> = curves
        .iter()
        .filter_map(|curve| Some((*curve, curve.figures.get(figure)?)))
        .filter(|(_, points)| points.len() > 1)
        .collect();
    let points = || drawn.iter().flat_map(|(_, points)| points.iter());
    if drawn.is_empty() {
        return Ok(None);
    }
    let span = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let labels = distinct(drawn.iter().map(|(curve, _)| curve.label.as_str()));
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let right = SIZE.0 as i32 - LABEL.0 - LABEL.1 * longest.min(30) as i32;
    // Epochs are whole numbers.
    let across = Axis::new(span(&mut points().map(|point| point.0)), (LEFT, right), 6).whole();
    let up = Axis::new(span(&mut points().map(|point| point.1)), (BOTTOM, TOP), 5);
    let position = |label: &str| labels.iter().position(|known| *known == label).unwrap_or(0);
    let colour = |label: &str| SERIES[position(label) % SERIES.len()];

    let svg = Canvas::draw(figure, SIZE, |canvas| {
        for (value, label) in up.ticks() {
            canvas.line(vec![(LEFT, up.at(value)), (right, up.at(value))], RULE, 1)?;
            canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
        }
        for (value, label) in across.ticks() {
            canvas.text(&label, (across.at(value), BOTTOM + 14), 12, MUTED, Align::Middle)?;
        }
        canvas.text("epoch", (i32::midpoint(LEFT, right), BOTTOM + 29), 12, MUTED, Align::Middle)?;
        for (curve, points) in &drawn {
            let path = points.iter().map(|(epoch, value)| (across.at(*epoch), up.at(*value))).collect();
            // Colours repeat after the last one. Lines with a repeated colour are dashed.
            if position(&curve.label) < SERIES.len() {
                canvas.line(path, colour(&curve.label), 2)?;
            } else {
                canvas.dashes(path, colour(&curve.label))?;
            }
        }
        // A label is placed at the height where its first line ends.
        let ends = labels.iter().filter_map(|label| {
            let (_, points) = drawn.iter().find(|(curve, _)| curve.label == **label)?;
            Some((*label, up.at(points.last()?.1)))
        });
        for (label, y) in apart(ends.collect(), BOTTOM) {
            let x = right + 8;
            canvas.dot((x + 3, y), 4, colour(label))?;
            canvas.text(label, (x + 12, y), 12, INK, Align::Start)?;
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// The numbers of [`lines`]: a line per epoch, a column per curve.
pub(crate) fn numbers(curves: &[&Curve], figure: &str) -> Grid {
    let drawn: Vec<(&Curve, &Vec<(f64, f64)>)> =
        curves.iter().filter_map(|curve| Some((*curve, curve.figures.get(figure)?))).collect();
    let mut epochs = distinct(drawn.iter().flat_map(|(_, points)| points.iter().map(|(epoch, _)| *epoch)));
    epochs.sort_by(f64::total_cmp);
    let seeds = distinct(drawn.iter().map(|(curve, _)| curve.seed)).len();
    let name =
        |curve: &Curve| if seeds > 1 { format!("{}, seed {}", curve.label, curve.seed) } else { curve.label.clone() };
    let head = std::iter::once("Epoch".to_owned()).chain(drawn.iter().map(|(curve, _)| name(curve))).collect();
    let row = |epoch: &f64| {
        let cell = |(_, points): &(&Curve, &Vec<(f64, f64)>)| {
            let point = points.iter().find(|(at, _)| at == epoch);
            point.map_or_else(|| "–".to_owned(), |(_, value)| format!("{value:.4}"))
        };
        std::iter::once(epoch.to_string()).chain(drawn.iter().map(cell)).collect()
    };
    Grid { head, names: 1, lines: epochs.iter().map(row).collect() }
}

fn curve(stage: &Stage, variant: Option<&Variant>, retrain: Option<&SuiteRow>) -> Result<Option<Curve>> {
    let figures = figures(&stage.metrics::<Value>()?);
    let label = match (retrain, variant) {
        (Some(row), _) => format!("{} · {}", row.forget, Variant::of_suite(row).label()),
        (None, Some(variant)) => variant.label(),
        (None, None) => label(stage),
    };
    let (seed, retrain) = (stage.manifest().seed, retrain.is_some());
    Ok((!figures.is_empty()).then(|| Curve { label, retrain, variant: variant.cloned(), seed, figures }))
}

/// The points of each figure. If a training in rounds restarts its epochs, earlier points are dropped.
fn figures(rows: &[Value]) -> BTreeMap<String, Vec<(f64, f64)>> {
    let mut figures: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for row in rows {
        let Some(epoch) = row.get("epoch").and_then(Value::as_f64) else { continue };
        for (figure, _) in FIGURES {
            if let Some(value) = row.get(figure).and_then(Value::as_f64) {
                let points = figures.entry(figure.to_owned()).or_default();
                if points.last().is_some_and(|(last, _)| epoch <= *last) {
                    points.clear();
                }
                points.push((epoch, value));
            }
        }
    }
    figures
}

/// Label of the stage: its method if the configuration names one, with the sparsity of a pruning.
fn label(stage: &Stage) -> String {
    let config = &stage.manifest().config;
    // A method's own settings are beside its name or one level below it.
    let setting = |name: &str| config.get(name).or_else(|| config.get("config")?.get(name));
    let Some(method) = setting("method").and_then(Value::as_str) else { return stage.manifest().kind.clone() };
    match setting("sparsity").and_then(Value::as_f64) {
        Some(sparsity) => format!("{} {method}", percent(sparsity)),
        None => method.to_owned(),
    }
}

/// Sorts training first and Retrain last.
fn rank(curve: &Curve) -> (bool, bool, &str) {
    (curve.retrain, curve.label != TRAIN, &curve.label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(label: &str, variant: Option<(f64, &str)>) -> Curve {
        let variant = variant.map(|(sparsity, pruning)| Variant { sparsity, pruning: pruning.to_owned() });
        let label = variant.as_ref().map_or_else(|| label.to_owned(), Variant::label);
        Curve { retrain: label == RETRAIN, label, variant, seed: 1, figures: BTreeMap::new() }
    }

    #[test]
    fn many_labels_leave_dense_training_and_one_sparsity_per_pruning() {
        let mut curves = vec![curve(TRAIN, None), curve(RETRAIN, None)];
        for pruning in ["omp", "imp"] {
            curves.extend([0.5, 0.9, 0.99].map(|sparsity| curve("", Some((sparsity, pruning)))));
        }
        curves.push(curve("", Some((0.75, "omp"))));
        assert_eq!(readable(&curves).len(), 9, "eight that can be told apart, and Retrain");
        curves.push(curve("", Some((0.25, "omp"))));
        let labels: Vec<&str> = readable(&curves).into_iter().map(|curve| curve.label.as_str()).collect();
        assert_eq!(labels, [TRAIN, RETRAIN, "99 % omp", "99 % imp"], "Retrain's are in a picture of their own");
    }

    #[test]
    fn of_several_rounds_the_last_is_drawn() {
        let row = |(epoch, loss): (u32, f64)| serde_json::json!({ "epoch": epoch, "train_loss": loss });
        let rows = [(1, 0.9), (2, 0.8), (1, 0.7), (2, 0.6)].map(row);
        assert_eq!(figures(&rows)["train_loss"], [(1.0, 0.7), (2.0, 0.6)]);
    }
}
