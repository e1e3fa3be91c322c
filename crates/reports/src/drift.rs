//! Drift of models from Retrain over a sequence of requests, and when a full retrain is due.
//!
//! After each request, the model is judged on everything that it was asked to forget so far, and compared with a
//! Retrain that never saw any of it. A full retrain is due after the first request for which the average gap, as a
//! mean over seeds, exceeds the suite's threshold.

use serde::{Deserialize, Serialize};
use unlearn_metrics::Estimate;
use unlearn_metrics::figures::{avg_gap, rte_seconds};

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, apart};
use crate::error::Result;
use crate::plots::{colour, range};
use crate::results::{RETRAIN, ResultRow, distinct};
use crate::summary::Variant;
use crate::table::{Grid, figure};

/// Every sequence of requests in a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Average gap to Retrain, in points, above which a full retrain is due.
    pub threshold: f64,
    /// One line per sequence, model and method, in the order of the suite.
    pub lines: Vec<DriftLine>,
}

/// One method on one model over the requests of a sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftLine {
    /// Name of the data set.
    pub dataset: String,
    /// Name of the architecture.
    pub arch: String,
    /// Name of the sequence.
    pub sequence: String,
    /// Share of zeros among the weights that the mask covers, 0..1.
    pub sparsity: f64,
    /// Name of the pruning method, `none` for dense.
    pub pruning: String,
    /// Name of the unlearning method.
    pub method: String,
    /// One point per request, in order.
    pub points: Vec<DriftPoint>,
    /// The request, from 1, after which a full retrain is due. `None` if none is due.
    pub retrain_due: Option<usize>,
}

/// A model after one of its requests, over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftPoint {
    /// Number of the request, from 1.
    pub number: usize,
    /// Label of the request.
    pub forget: String,
    /// Average gap to Retrain in points, mean over seeds.
    pub avg_gap: f64,
    /// Half width of its 95 % confidence interval. `None` for one seed.
    pub half_width: Option<f64>,
    /// Number of seeds.
    pub seeds: usize,
    /// Run time of all requests so far, as a share of the time for retraining at each of them, mean over seeds.
    pub run_time_share: f64,
}

impl DriftPoint {
    fn gap(&self) -> Estimate {
        Estimate { mean: self.avg_gap, half_width: self.half_width, seeds: self.seeds }
    }
}

impl Drift {
    /// Gathers the rows of sequences over seeds. `None` if no method except Retrain has rows with a gap.
    pub fn of(rows: &[ResultRow], threshold: f64) -> Option<Self> {
        let lines =
            distinct(rows.iter().filter_map(place)).into_iter().filter_map(|place| line(rows, &place, threshold));
        let lines: Vec<_> = lines.collect();
        (!lines.is_empty()).then_some(Self { threshold, lines })
    }

    /// The lines by sequence and model. Each group is one table or picture.
    pub(crate) fn groups(&self) -> Vec<Vec<&DriftLine>> {
        let keys = distinct(self.lines.iter().map(DriftLine::group));
        let of = |key: &(&str, &str, &str)| self.lines.iter().filter(|line| line.group() == *key).collect();
        keys.iter().map(of).collect()
    }

    /// The rule for when a retrain is due, in words.
    pub(crate) fn note(&self) -> String {
        format!(
            "Average gap to Retrain after each request, over all that was to be forgotten so far, in points. A full retrain is due once its \
             mean over the seeds is beyond {} (`evaluate.drift-threshold`). Run time: all requests together as a share of retraining at each.",
            self.threshold
        )
    }
}

impl DriftLine {
    fn group(&self) -> (&str, &str, &str) {
        (&self.dataset, &self.arch, &self.sequence)
    }

    /// "sequence · resnet20s on fashion-mnist".
    pub(crate) fn title(&self) -> String {
        format!("{} · {} on {}", self.sequence, self.arch, self.dataset)
    }

    /// "dense", or "95 % omp".
    pub(crate) fn model(&self) -> String {
        Variant { sparsity: self.sparsity, pruning: self.pruning.clone() }.label()
    }
}

/// A group as a table.
pub(crate) fn grid(group: &[&DriftLine]) -> Grid {
    let requests = requests(group);
    Grid { head: head(requests), names: 2, lines: group.iter().map(|line| cells(line, requests)).collect() }
}

/// Number of requests. A method may serve only some of them.
fn requests(group: &[&DriftLine]) -> usize {
    group.iter().flat_map(|line| &line.points).map(|point| point.number).max().unwrap_or(0)
}

fn head(requests: usize) -> Vec<String> {
    let requests = (1..=requests).map(|number| format!("Request {number}"));
    let ends = ["Run time", "Retrain due"].map(str::to_owned);
    ["Method", "Model"].map(str::to_owned).into_iter().chain(requests).chain(ends).collect()
}

fn cells(line: &DriftLine, requests: usize) -> Vec<String> {
    let share = line.points.last().map_or_else(String::new, |point| format!("{:.0} %", 100.0 * point.run_time_share));
    let due = line.retrain_due.map_or_else(|| "no".to_owned(), |number| format!("after request {number}"));
    let gaps = (1..=requests).map(|number| {
        let served = line.points.iter().find(|point| point.number == number);
        served.map_or_else(|| "–".to_owned(), |point| figure(&point.gap()))
    });
    [line.method.clone(), line.model()].into_iter().chain(gaps).chain([share, due]).collect()
}

/// The gap over requests of every method on one model, as SVG. The threshold is a dashed line.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub(crate) fn picture(lines: &[&DriftLine], threshold: f64) -> Result<String> {
    const SIZE: (u32, u32) = (520, 250);
    const LEFT: i32 = 46;
    const RIGHT: i32 = 400;
    const TOP: i32 = 14;
    const BOTTOM: i32 = 206;
    let gaps: Vec<Estimate> = lines.iter().flat_map(|line| &line.points).map(DriftPoint::gap).collect();
    let limit = Estimate { mean: threshold, half_width: None, seeds: 1 };
    let up = Axis::new(range(gaps.iter().chain([&limit]), &avg_gap::FIGURE), (BOTTOM, TOP), 4);
    let most = requests(lines).max(1);
    let across = |number: usize| {
        let share = (number as f64 - 0.5) / most as f64;
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    };
    let at = |point: &DriftPoint| (across(point.number), up.at(point.avg_gap));
    let what = lines.first().map_or_else(String::new, |line| format!("drift of {}", line.title()));
    Canvas::draw(&what, SIZE, |canvas| {
        for (value, label) in up.ticks() {
            canvas.line(vec![(LEFT, up.at(value)), (RIGHT, up.at(value))], RULE, 1)?;
            canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
        }
        for number in 1..=most {
            canvas.text(&number.to_string(), (across(number), BOTTOM + 14), 12, MUTED, Align::Middle)?;
        }
        canvas.text("requests served", (LEFT.midpoint(RIGHT), BOTTOM + 32), 12, MUTED, Align::Middle)?;
        canvas.dashes(vec![(LEFT, up.at(threshold)), (RIGHT, up.at(threshold))], INK)?;
        for (series, line) in lines.iter().enumerate() {
            canvas.line(line.points.iter().map(at).collect(), colour(series), 2)?;
            for point in &line.points {
                canvas.dot(at(point), 4, colour(series))?;
            }
        }
        let ends = lines.iter().enumerate().filter_map(|(series, line)| {
            let end = at(line.points.last()?).1;
            Some(((line.method.as_str(), series), end))
        });
        for ((method, series), y) in apart(ends.collect(), BOTTOM) {
            canvas.dot((RIGHT + 10, y), 4, colour(series))?;
            canvas.text(method, (RIGHT + 20, y), 13, INK, Align::Start)?;
        }
        Ok(())
    })
}

/// Everything that distinguishes a line: its rows' fields except request and seed.
type Place = (String, String, String, Variant, String);

fn place(row: &ResultRow) -> Option<Place> {
    let sequence = row.sequence.clone().filter(|_| row.method != RETRAIN)?;
    let variant = Variant { sparsity: row.sparsity, pruning: row.pruning.clone() };
    Some((row.dataset.clone(), row.arch.clone(), sequence, variant, row.method.clone()))
}

fn line(rows: &[ResultRow], of: &Place, threshold: f64) -> Option<DriftLine> {
    let members: Vec<&ResultRow> = rows.iter().filter(|row| place(row).as_ref() == Some(of)).collect();
    let seeds = distinct(members.iter().map(|row| row.seed));
    let points = distinct(members.iter().filter_map(|row| row.turn)).into_iter().map(|at| {
        let here: Vec<&ResultRow> = members.iter().filter(|row| row.turn == Some(at)).copied().collect();
        let gaps: Option<Vec<f64>> = here.iter().map(|row| row.value(avg_gap::NAME)).collect();
        let gap = Estimate::over_seeds(&gaps?).ok()?;
        let share = |seed: &u64| {
            let so_far = members.iter().filter(|row| row.seed == *seed && row.turn <= Some(at));
            let (method, retrain) = so_far.fold((0.0, 0.0), |(method, retrain), row| {
                let reference = rows.iter().find(|other| other.method == RETRAIN && other.is_comparable(row));
                let seconds = |row: &ResultRow| row.value(rte_seconds::NAME).unwrap_or(0.0);
                (method + seconds(row), retrain + reference.map_or(0.0, seconds))
            });
            if retrain > 0.0 { method / retrain } else { 0.0 }
        };
        let run_time_share = seeds.iter().map(share).sum::<f64>() / seeds.len() as f64;
        let forget = here.first()?.forget.clone();
        let Estimate { mean: avg_gap, half_width, seeds } = gap;
        Some(DriftPoint { number: at, forget, avg_gap, half_width, seeds, run_time_share })
    });
    let points: Vec<DriftPoint> = points.collect::<Option<_>>()?;
    let retrain_due = points.iter().find(|point| point.avg_gap > threshold).map(|point| point.number);
    let (dataset, arch, sequence, Variant { sparsity, pruning }, method) = of.clone();
    Some(DriftLine { dataset, arch, sequence, sparsity, pruning, method, points, retrain_due })
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::Value;

    use super::*;

    fn row(method: &str, number: usize, seed: u64, gap: f64, seconds: f64) -> ResultRow {
        ResultRow {
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            scenario: "sequence".to_owned(),
            forget: format!("sequence {number} of 2: class {number}"),
            sparsity: 0.95,
            pruning: "omp".to_owned(),
            method: method.to_owned(),
            seed,
            figures: [(avg_gap::NAME, gap), (rte_seconds::NAME, seconds)]
                .map(|(name, value)| (name.to_owned(), Value::exact(value)))
                .into(),
            sequence: Some("sequence".to_owned()),
            turn: Some(number),
        }
    }

    fn rows() -> Vec<ResultRow> {
        let of = |seed: u64| {
            [
                row(RETRAIN, 1, seed, 0.0, 10.0),
                row(RETRAIN, 2, seed, 0.0, 10.0),
                row("ft", 1, seed, 1.0, 1.0),
                row("ft", 2, seed, 3.0 + seed as f64, 3.0),
            ]
        };
        [1, 2].into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_retrain_is_due_after_the_first_request_beyond_the_threshold() {
        let due = |threshold| Drift::of(&rows(), threshold).unwrap().lines[0].retrain_due;
        assert_eq!([due(0.5), due(1.0), due(4.4), due(4.5)], [Some(1), Some(2), Some(2), None]);
    }

    #[test]
    fn points_are_means_over_seeds_and_run_times_add_up() {
        let drift = Drift::of(&rows(), 5.0).unwrap();
        assert_eq!(drift.lines.len(), 1, "Retrain is the reference, not a line");
        let points = &drift.lines[0].points;
        assert_eq!(points.iter().map(|point| point.avg_gap).collect::<Vec<_>>(), [1.0, 4.5]);
        let shares: Vec<f64> = points.iter().map(|point| point.run_time_share).collect();
        assert!((shares[0] - 0.1).abs() < 1e-12 && (shares[1] - 0.2).abs() < 1e-12, "{shares:?}");
        assert_eq!(
            cells(&drift.lines[0], 2)[..2].iter().chain(&cells(&drift.lines[0], 2)[4..]).collect::<Vec<_>>(),
            ["ft", "95 % omp", "20 %", "no"]
        );
        assert_eq!(head(2)[2..], ["Request 1", "Request 2", "Run time", "Retrain due"]);
    }

    #[test]
    fn a_method_that_serves_some_of_the_requests_has_a_cell_for_each() {
        let mut rows = rows();
        rows.extend([1, 2].map(|seed| row("unsir", 1, seed, 2.0, 1.0)));
        let drift = Drift::of(&rows, 5.0).unwrap();
        let grid = grid(&drift.groups()[0]);
        assert!(grid.lines.iter().all(|line| line.len() == grid.head.len()));
        assert_eq!(grid.lines[1][2..4], ["2.00 ± 0.00", "–"]);
        assert!(grid.markdown().contains("unsir") && grid.terminal().contains("unsir"));
    }

    #[test]
    fn rows_without_a_turn_or_a_gap_are_no_drift() {
        let alone: Vec<_> = rows().into_iter().map(|row| ResultRow { sequence: None, turn: None, ..row }).collect();
        assert_eq!(Drift::of(&alone, 5.0), None);
        let unmeasured: Vec<_> = rows()
            .into_iter()
            .map(|mut row| {
                row.figures.remove(avg_gap::NAME);
                row
            })
            .collect();
        assert_eq!(Drift::of(&unmeasured, 5.0), None);
    }

    #[test]
    fn the_picture_names_every_method() {
        let drift = Drift::of(&rows(), 5.0).unwrap();
        let svg = picture(&drift.groups()[0], drift.threshold).unwrap();
        assert!(svg.contains("ft") && svg.contains("requests served"), "{svg}");
    }
}
