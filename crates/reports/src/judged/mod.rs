//! Models that were judged by their scores alone, without a suite: the figures, the attacks with a pool of models, and what could
//! not be computed, with the reason.

mod measure;

use std::fmt::Write as _;

use serde::Serialize;
use unlearn_metrics::{Figure, Figures, Value, Values};

pub use measure::{Evidence, judge};

use crate::error::Result;
use crate::pool::{Attack, Compared, area, rate};
use crate::table::Grid;

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// Version of the format: 1.
    pub format: u32,
    /// The judged model: files, or a model and its data.
    pub source: String,
    /// The Retrain that it is compared with.
    pub retrain: Option<String>,
    /// Number of judged models.
    pub models: usize,
    /// Number of Retrains.
    pub retrains: usize,
    /// Number of samples in each set that was given.
    pub samples: Vec<(String, usize)>,
    /// The attacks and their settings. `None` if there are margins alone.
    pub attacks: Option<unlearn_mia_eval::Settings>,
    /// Every figure that could be computed. Of several models, the mean with its 95 % interval over models; `draws` has one value
    /// per model.
    pub figures: Values,
    /// The same figures of Retrain.
    pub retrain_figures: Values,
    /// The attacks with a pool that tell samples apart.
    pub pool_attacks: Vec<Attack>,
    /// The comparisons of unlearned with retrained models.
    pub comparisons: Vec<Compared>,
    /// What could not be computed.
    pub undefined: Vec<Undefined>,
    /// What the reader should know of the input.
    pub notes: Vec<String>,
    /// The registry of figures.
    #[serde(skip)]
    pub registry: Figures,
}

/// A figure or an attack that could not be computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Undefined {
    /// Its name.
    pub name: String,
    /// The reason.
    pub reason: String,
}

impl Judged {
    /// Version of the format.
    pub const FORMAT: u32 = 1;

    /// Everything, as JSON.
    ///
    /// # Errors
    /// If a value cannot be written.
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }

    /// The figures as a CSV table: `figure,value,low,high,retrain`.
    ///
    /// # Errors
    /// If a row cannot be written.
    pub fn to_csv(&self) -> Result<Vec<u8>> {
        let mut text = String::from("figure,value,low,high,retrain\n");
        let shown = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        for (figure, value) in self.measured() {
            let end = |end: usize| value.interval.map(|interval| interval[end]);
            let retrain = self.retrain_figures.get(figure.name.as_ref()).map(|value| value.value);
            let cells = [Some(value.value), end(0), end(1), retrain].map(shown);
            let _ = writeln!(text, "{},{}", figure.name, cells.join(","));
        }
        Ok(text.into_bytes())
    }

    /// The figures that were computed, in the order of the registry.
    fn measured(&self) -> impl Iterator<Item = (&Figure, &Value)> {
        self.registry.iter().filter_map(|figure| Some((figure, self.figures.get(figure.name.as_ref())?)))
    }

    /// The table of figures.
    pub(crate) fn figures_grid(&self) -> Grid {
        let mut head = vec!["Figure", "value", "95 % interval"];
        if self.retrain.is_some() {
            head.extend(["Retrain", "gap"]);
        }
        let mut lines = Vec::new();
        for (figure, value) in self.measured() {
            let interval = value.interval.map(|[low, high]| format!("{} to {}", figure.shown(low), figure.shown(high)));
            let mut line = vec![name(figure), figure.shown(value.value), interval.unwrap_or_default()];
            if self.retrain.is_some() {
                let theirs = self.retrain_figures.get(figure.name.as_ref()).map(|value| value.value);
                let gap = theirs.filter(|_| figure.has_gap()).map(|theirs| figure.shown((value.value - theirs).abs()));
                line.extend([theirs.map(|value| figure.shown(value)), gap].map(Option::unwrap_or_default));
            }
            lines.push(line);
        }
        Grid { head: head.into_iter().map(str::to_owned).collect(), names: 1, lines }
    }

    /// The table of attacks with a pool.
    pub(crate) fn pool_grid(&self) -> Grid {
        let head = ["Attack", "question", "AUC", "TPR at 0.1 % FPR", "TPR at 1 % FPR", "models"];
        let line = |attack: &Attack| {
            let outcome = &attack.outcome;
            let models = format!("{} + {}", outcome.models[0], outcome.models[1]);
            let rates = [rate(&outcome.at_fpr[0]), rate(&outcome.at_fpr[1])];
            let [low, lower] = rates;
            vec![attack.attack.clone(), attack.question.clone(), area(outcome), low, lower, models]
        };
        let lines = self.pool_attacks.iter().map(line).collect();
        Grid { head: head.map(str::to_owned).to_vec(), names: 2, lines }
    }

    /// The table of comparisons of unlearned with retrained models.
    pub(crate) fn comparisons_grid(&self) -> Grid {
        let head = ["Comparison", "value", "95th percentile", "floor", "models"];
        let line = |found: &Compared| {
            vec![
                found.attack.clone(),
                format!("{:.3}", found.value),
                format!("{:.3}", found.percentile_95),
                found.floor.map_or_else(|| "–".to_owned(), |floor| format!("{floor:.3}")),
                format!("{} + {}", found.models[0], found.models[1]),
            ]
        };
        let lines = self.comparisons.iter().map(line).collect();
        Grid { head: head.map(str::to_owned).to_vec(), names: 1, lines }
    }

    /// The models and sets in one line.
    pub(crate) fn facts(&self) -> String {
        let sets: Vec<_> = self.samples.iter().map(|(set, count)| format!("{count} {set}")).collect();
        let many = |count: usize, what: &str| if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") };
        let retrains = if self.retrains == 0 { String::new() } else { format!(", {}", many(self.retrains, "Retrain")) };
        format!("{}{retrains}; samples: {}", many(self.models, "model"), sets.join(", "))
    }

    /// What the tables' numbers mean.
    pub(crate) fn legend(&self) -> Vec<String> {
        let mut legend = Vec::new();
        if !self.figures.is_empty() {
            let over = if self.models > 1 { "models" } else { "draws of an attack's members" };
            legend.push(format!("Percentages are 0..100. The interval of a mean is over {over} (Student t)."));
        }
        if self.retrain.is_none() && !self.figures.is_empty() {
            legend.push("Figures that need a Retrain are left out; `--retrain` gives one.".to_owned());
        }
        if !self.pool_attacks.is_empty() {
            legend.push(
                "AUC 0.5 is a coin. TPR is at a false-positive rate (FPR), with its exact 95 % interval. The scores of one model are not \
                 independent of another's, so the intervals are rather too narrow."
                    .to_owned(),
            );
        }
        if !self.comparisons.is_empty() {
            legend.push(
                "The floor of a comparison is its value between two halves of the retrained models, where there is nothing to find. With few \
                 models, all values are far too high: read them beside the floor only."
                    .to_owned(),
            );
        }
        legend
    }

    /// Everything as text for a terminal.
    pub fn terminal(&self) -> String {
        let mut text = format!("{}\n{}\n", self.source, self.facts());
        if let Some(retrain) = &self.retrain {
            let _ = writeln!(text, "Retrain: {retrain}");
        }
        for grid in [self.figures_grid(), self.pool_grid(), self.comparisons_grid()] {
            if !grid.lines.is_empty() {
                let _ = write!(text, "\n{}", grid.terminal());
            }
        }
        for line in self.legend() {
            let _ = writeln!(text, "{line}");
        }
        if !self.undefined.is_empty() {
            let _ = writeln!(text, "\nnot computed:");
            for Undefined { name, reason } in &self.undefined {
                let _ = writeln!(text, "    {name}: {reason}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text.truncate(text.trim_end().len());
        text
    }
}

/// The heading of a figure, with the feature that an attack looked at.
fn name(figure: &Figure) -> String {
    match figure.name.split_once('.') {
        Some((_, feature)) if !figure.label.contains(feature) => format!("{} ({feature})", figure.heading()),
        _ => figure.heading(),
    }
}
