//! A comparison as text and tables.

use std::fmt::Write as _;

use serde_json::Value;
use unlearn_metrics::Figure;

use super::{Comparison, Difference, Model, Setting};
use crate::error::Result;
use crate::results::distinct;
use crate::settings;
use crate::table::{Grid, plain};

impl Comparison {
    /// The titles of the forget sets, in order.
    fn titles(&self) -> Vec<String> {
        distinct(self.models.iter().map(|model| model.identity.title()))
    }

    /// The figures that some model has on both sides: those of tables first, then the others, in the order of the registry.
    fn columns(&self, all: bool) -> Vec<&Figure> {
        let has = |figure: &&Figure| self.models.iter().any(|model| model.figures.contains_key(&*figure.name));
        let (shown, other): (Vec<&Figure>, Vec<&Figure>) =
            self.figures.iter().filter(has).partition(|figure| figure.in_table);
        if all { [shown, other].concat() } else { shown }
    }

    /// What was found, in a sentence.
    pub fn headline(&self) -> String {
        let differences = || {
            let columns = self.columns(false);
            let pairs = self.models.iter().flat_map(move |model| {
                columns.clone().into_iter().filter_map(|figure| model.figures.get(&*figure.name))
            });
            pairs.collect::<Vec<_>>()
        };
        let all = differences();
        let equal = all.iter().filter(|difference| difference.equal).count();
        let decided = all.iter().filter(|difference| difference.is_decided() == Some(true)).count();
        let alone = match self.only_a.len() + self.only_b.len() {
            0 => String::new(),
            rows => format!(" {rows} rows are on one side alone."),
        };
        let seeds = self.models.iter().map(|model| model.seeds.len()).max().unwrap_or(0);
        let decided = match seeds {
            0 | 1 => "One seed: nothing can be said about whether a difference is more than chance.".to_owned(),
            _ => format!(
                "Of {} differences, {decided} have a 95 % interval without zero; by chance, one in twenty has.",
                all.len()
            ),
        };
        format!(
            "{} models are on both sides; {equal} of {} figures are exactly equal. {decided}{alone}",
            self.models.len(),
            all.len()
        )
    }

    /// One grid per forget set: the differences B − A of the tables' figures.
    pub(crate) fn differences(&self) -> Vec<(String, Grid)> {
        let columns = self.columns(false);
        let head = ["Method", "Model", "Seeds"].map(str::to_owned).into_iter();
        let head: Vec<String> = head.chain(columns.iter().map(|figure| figure.heading())).collect();
        let line = |model: &Model| {
            let cell = |figure: &&Figure| {
                let found = model.figures.get(&*figure.name);
                found.map_or_else(|| "–".to_owned(), |found| shown(figure, found))
            };
            let names = [model.identity.method.clone(), model.identity.variant(), model.seeds.len().to_string()];
            names.into_iter().chain(columns.iter().map(cell)).collect()
        };
        let grid = |title: String| {
            let lines = self.models.iter().filter(|model| model.identity.title() == title).map(line).collect();
            (title, Grid { head: head.clone(), names: 2, lines })
        };
        self.titles().into_iter().map(grid).collect()
    }

    /// One line per model and figure, with both sides.
    pub(crate) fn both(&self, all: bool) -> Grid {
        let head = ["Method", "Model", "Forget set", "Figure", "A", "B", "B − A"].map(str::to_owned).to_vec();
        let mut lines = Vec::new();
        for model in &self.models {
            for figure in self.columns(all) {
                let Some(found) = model.figures.get(&*figure.name) else { continue };
                let names =
                    [model.identity.method.clone(), model.identity.variant(), model.identity.title(), figure.heading()];
                let sides = [&found.a, &found.b].map(|estimate| crate::table::shown(figure, estimate));
                lines.push(names.into_iter().chain(sides).chain([shown(figure, found)]).collect());
            }
        }
        Grid { head, names: 4, lines }
    }

    pub(crate) fn settings_grid(&self) -> Grid {
        let value = |value: &Option<Value>| value.as_ref().map_or_else(|| "–".to_owned(), settings::shown);
        let line =
            |setting: &Setting| vec![setting.part.clone(), setting.key.clone(), value(&setting.a), value(&setting.b)];
        let head = ["Part", "Key", "A", "B"].map(str::to_owned).to_vec();
        Grid { names: head.len(), head, lines: self.settings.iter().map(line).collect() }
    }

    /// The sides, each in a line.
    pub(crate) fn sides(&self) -> [String; 2] {
        [format!("A is {}", self.a.line()), format!("B is {}", self.b.line())]
    }

    /// For a terminal.
    pub fn terminal(&self) -> String {
        let mut text = String::new();
        for line in self.sides() {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "{}\n", self.headline());
        for (title, grid) in self.differences() {
            let _ = writeln!(text, "{title}: B − A\n{}", grid.terminal());
        }
        let _ = writeln!(text, "{NOTE}");
        if !self.settings.is_empty() {
            let _ = writeln!(text, "\nsettings that differ\n{}", self.settings_grid().terminal().trim_end());
        }
        for (side, rows) in [("A", &self.only_a), ("B", &self.only_b)] {
            for row in rows {
                let _ = writeln!(text, "only in {side}: {row}");
            }
        }
        text
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = "# Two reports beside each other\n\n".to_owned();
        for line in self.sides() {
            let _ = writeln!(text, "- {}", plain(&line));
        }
        let _ = writeln!(text, "\n{}\n", self.headline());
        for (title, grid) in self.differences() {
            let _ = writeln!(text, "## {}: B − A\n\n{}", plain(&title), grid.markdown());
        }
        let _ = writeln!(text, "{NOTE}\n\n## Both sides\n\n{}", self.both(true).markdown());
        if !self.settings.is_empty() {
            let _ = writeln!(text, "## Settings that differ\n\n{}", self.settings_grid().markdown());
        }
        for (side, rows) in [("A", &self.only_a), ("B", &self.only_b)] {
            if !rows.is_empty() {
                let _ = writeln!(text, "## Only in {side}\n");
                for row in rows {
                    let _ = writeln!(text, "- {}", plain(row));
                }
                text.push('\n');
            }
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    /// As JSON.
    ///
    /// # Errors
    /// [`crate::ReportError::Json`].
    pub fn to_json(&self) -> Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// How to read a difference.
pub(crate) const NOTE: &str = "A difference is B − A, the mean over the seeds of both, with its 95 % interval paired by seed. An \
                               equals sign means equal in every digit. An asterisk means that the interval does not contain zero. Run times depend on the machine.";

/// "=", "+0.31", "−0.20 ± 0.08 *".
fn shown(figure: &Figure, found: &Difference) -> String {
    if found.equal {
        return "=".to_owned();
    }
    let mean = found.difference.mean;
    let sign = if mean < 0.0 { "−" } else { "+" };
    let half = found.difference.half_width.map_or_else(String::new, |half| format!(" ± {}", figure.shown(half)));
    let star = if found.is_decided() == Some(true) { " *" } else { "" };
    format!("{sign}{}{half}{star}", figure.shown(mean.abs()))
}
