//! A block's figures over sparsity: one panel per method and figure, one line per pruning method. All lines start at
//! the dense model.

use unlearn_metrics::{Estimate, Figure, Figures};

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, PAPER, RULE};
use crate::error::Result;
use crate::plots::{are_readable, colour, pictured, range};
use crate::results::RETRAIN;
use crate::summary::{Block, Line, sparsity_label};
use crate::table::{Grid, shown};

/// Minimum number of sparsities for which a picture over sparsity says more than dots.
const LEAST: usize = 3;
/// A panel without its heading.
const PANEL: (u32, u32) = (340, 210);
const LEFT: i32 = 46;
const RIGHT: i32 = 322;
const TOP: i32 = 10;
const BOTTOM: i32 = 166;
/// Horizontal distance in pixels between pruning methods at one sparsity, so that their intervals stay apart.
const DODGE: i32 = 7;

/// A block that was pruned to several sparsities.
#[derive(Debug, Clone)]
pub struct Sweep<'b> {
    block: &'b Block,
    /// Ascending. Dense is 0.
    sparsities: Vec<f64>,
    /// Names of the pruning methods, in the order of the suite.
    prunings: Vec<&'b str>,
}

/// One pruning method of a panel.
struct Series {
    /// Position of the pruning method.
    pruning: usize,
    /// Position of the sparsity, and the figure, ascending.
    points: Vec<(usize, Estimate)>,
}

impl<'b> Sweep<'b> {
    /// `None` for a block of fewer than three sparsities whose variants dots can show.
    pub fn of(block: &'b Block) -> Option<Self> {
        let (sparsities, prunings) = (block.sparsities(), block.prunings());
        (sparsities.len() >= LEAST || !are_readable(block)).then_some(Self { block, sparsities, prunings })
    }

    /// The methods with pictures: all except Retrain.
    pub fn methods(&self) -> impl Iterator<Item = &'b Line> {
        self.block.lines.iter().filter(|line| line.method != RETRAIN)
    }

    /// One figure of one method over sparsity, as SVG. `None` if no row has it.
    ///
    /// # Errors
    /// [`crate::ReportError::Plot`].
    pub fn panel(&self, line: &Line, figure: &Figure) -> Result<Option<String>> {
        if self.series(line, figure).is_empty() {
            return Ok(None);
        }
        let what = format!("{} of {} over sparsity for {}", figure.label, line.method, self.block.forget);
        Canvas::draw(&what, PANEL, |canvas| self.draw(canvas, line, figure)).map(Some)
    }

    /// The numbers of a [`panel`](Self::panel): a line per sparsity, a column per pruning method, and those of Retrain.
    pub(crate) fn numbers(&self, line: &Line, figure: &Figure) -> Grid {
        let (series, references) = (self.series(line, figure), self.references(figure));
        let mut head = vec!["Sparsity".to_owned()];
        head.extend(series.iter().map(|series| self.prunings.get(series.pruning).unwrap_or(&"dense").to_string()));
        let of_retrain =
            |series: &Series| format!("Retrain, {}", self.prunings.get(series.pruning).unwrap_or(&"dense"));
        head.extend(references.iter().map(of_retrain));
        let row = |(at, sparsity): (usize, &f64)| {
            let cell = |series: &Series| {
                let point = series.points.iter().find(|(position, _)| *position == at);
                point.map_or_else(|| "–".to_owned(), |(_, estimate)| shown(figure, estimate))
            };
            std::iter::once(sparsity_label(*sparsity)).chain(series.iter().chain(&references).map(cell)).collect()
        };
        Grid { head, names: 1, lines: self.sparsities.iter().enumerate().map(row).collect() }
    }

    /// All panels on one white page with its own headings and legend, as an SVG file.
    ///
    /// # Errors
    /// [`crate::ReportError::Plot`].
    pub fn page(&self, figures: &Figures) -> Result<String> {
        const COLUMNS: usize = 3;
        const TITLE: i32 = 52;
        const HEADING: i32 = 34;
        const CAPTION: i32 = 44;
        const MARGIN: i32 = 16;
        let methods: Vec<(&Line, Vec<&Figure>)> = self
            .methods()
            .map(|line| {
                let shown = pictured(figures).into_iter().filter(|figure| !self.series(line, figure).is_empty());
                (line, shown.collect())
            })
            .collect();
        let row = CAPTION + PANEL.1 as i32;
        // The legend takes the place of one more panel.
        let rows = |figures: &[&Figure]| (figures.len() + 1).div_ceil(COLUMNS) as i32;
        let height: i32 = methods.iter().map(|(_, figures)| HEADING + rows(figures) * row).sum();
        let width = COLUMNS as i32 * PANEL.0 as i32 + 2 * MARGIN;

        let size = (width as u32, (TITLE + height + MARGIN) as u32);
        Canvas::draw(&format!("{} over sparsity", self.block.forget), size, |canvas| {
            canvas.fill(PAPER)?;
            canvas.text(&self.block.title(), (MARGIN, TITLE / 2), 20, INK, Align::Start)?;
            let mut top = TITLE;
            for (line, figures) in &methods {
                canvas.text(
                    &format!("{} over sparsity", line.method),
                    (MARGIN, top + HEADING / 2),
                    17,
                    INK,
                    Align::Start,
                )?;
                let place = |cell: usize| {
                    let (column, down) = ((cell % COLUMNS) as i32, (cell / COLUMNS) as i32);
                    (MARGIN + column * PANEL.0 as i32, top + HEADING + down * row)
                };
                for (cell, figure) in figures.iter().enumerate() {
                    let (x, y) = place(cell);
                    canvas.text(&figure.label, (x, y + 10), 15, INK, Align::Start)?;
                    canvas.text(&figure.meaning, (x, y + 28), 12, MUTED, Align::Start)?;
                    self.draw(&canvas.part((x, y + CAPTION), PANEL), line, figure)?;
                }
                self.legend(&canvas.part(place(figures.len()), PANEL))?;
                top += HEADING + rows(figures) * row;
            }
            Ok(())
        })
    }

    /// How to read the pictures: the marks of the pruning methods, of dense and of Retrain.
    fn legend(&self, canvas: &Canvas<'_>) -> Result<()> {
        const MARK: i32 = LEFT + 22;
        const TEXT: i32 = LEFT + 34;
        let mut y = 54;
        for (pruning, name) in self.prunings.iter().copied().enumerate() {
            canvas.line(vec![(LEFT, y), (MARK, y)], colour(pruning), 2)?;
            canvas.dot((LEFT.midpoint(MARK), y), 4, colour(pruning))?;
            canvas.text(name, (TEXT, y), 14, INK, Align::Start)?;
            y += 22;
        }
        if self.block.dense().is_some() {
            canvas.dot((LEFT.midpoint(MARK), y), 4, MUTED)?;
            canvas.text("dense, where all begin", (TEXT, y), 14, INK, Align::Start)?;
            y += 22;
        }
        if self.block.line(RETRAIN).is_some() {
            canvas.dashes(vec![(LEFT, y), (MARK, y)], MUTED)?;
            canvas.text("Retrain, the value to reach", (TEXT, y), 14, INK, Align::Start)?;
            y += 22;
        }
        canvas.text(&intervals(self.block), (LEFT, y + 6), 12, MUTED, Align::Start)
    }

    fn draw(&self, canvas: &Canvas<'_>, line: &Line, figure: &Figure) -> Result<()> {
        let series = self.series(line, figure);
        let references = self.references(figure);
        let shown = series.iter().chain(&references).flat_map(|series| &series.points);
        let up = Axis::new(range(shown.map(|(_, estimate)| estimate), figure), (BOTTOM, TOP), 4);
        let sparsities = &self.sparsities;
        let prunings = self.prunings.len() as i32;
        let spacing = f64::from(RIGHT - LEFT - 4 * DODGE) / (sparsities.len() - 1).max(1) as f64;
        let middle = |position: usize| LEFT + 2 * DODGE + (spacing * position as f64).round() as i32;
        let across = |position: usize, pruning: usize| {
            let is_dense = sparsities[position] == 0.0;
            let step = if is_dense { 0 } else { (2 * pruning as i32 - (prunings - 1)) * DODGE / 2 };
            middle(position) + step
        };

        for (value, label) in up.ticks() {
            canvas.line(vec![(LEFT, up.at(value)), (RIGHT, up.at(value))], RULE, 1)?;
            canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
        }
        for (position, sparsity) in sparsities.iter().enumerate() {
            canvas.text(&sparsity_label(*sparsity), (middle(position), BOTTOM + 16), 12, MUTED, Align::Middle)?;
        }
        canvas.text("sparsity", (LEFT.midpoint(RIGHT), BOTTOM + 34), 12, MUTED, Align::Middle)?;
        for Series { pruning, points } in &references {
            let path = points.iter().map(|(at, estimate)| (across(*at, *pruning), up.at(estimate.mean))).collect();
            canvas.dashes(path, colour(*pruning))?;
        }
        for Series { pruning, points } in &series {
            let path = points.iter().map(|(at, estimate)| (across(*at, *pruning), up.at(estimate.mean))).collect();
            canvas.line(path, colour(*pruning), 2)?;
        }
        for Series { pruning, points } in &series {
            for (at, estimate) in points {
                let (x, shade) = (across(*at, *pruning), if sparsities[*at] == 0.0 { MUTED } else { colour(*pruning) });
                if let Some(half_width) = estimate.half_width {
                    let ends = [estimate.mean - half_width, estimate.mean + half_width].map(|end| (x, up.at(end)));
                    canvas.line(ends.to_vec(), shade, 2)?;
                }
                canvas.dot((x, up.at(estimate.mean)), 4, shade)?;
            }
        }
        Ok(())
    }

    /// A method's figures, with one series per pruning method that has one.
    fn series(&self, line: &Line, figure: &Figure) -> Vec<Series> {
        let of = |(pruning, name): (usize, &str)| {
            let mut points = Vec::new();
            for (variant, cell) in self.block.variants.iter().zip(&line.cells) {
                let belongs = variant.sparsity == 0.0 || variant.pruning == name;
                let position = self.sparsities.iter().position(|known| *known == variant.sparsity);
                let estimate = cell.as_ref().filter(|_| belongs).and_then(|cell| cell.estimate(&figure.name));
                points.extend(position.zip(estimate));
            }
            Series { pruning, points }
        };
        let all = self.prunings.iter().copied().enumerate().map(of);
        all.filter(|series| !series.points.is_empty()).collect()
    }

    /// Retrain's figures, if a method should come close to them.
    fn references(&self, figure: &Figure) -> Vec<Series> {
        let retrain = self.block.line(RETRAIN).filter(|_| figure.has_gap());
        retrain.map(|line| self.series(line, figure)).unwrap_or_default()
    }
}

/// Explains the bars in a block's pictures.
pub(crate) fn intervals(block: &Block) -> String {
    match block.seeds() {
        0 | 1 => "One seed, so no confidence intervals.".to_owned(),
        seeds => format!("Bars are 95 % confidence intervals over {seeds} seeds."),
    }
}

/// Names of the SVG files of those blocks that are sweeps: `sweep-class-0.svg`, unique within a suite.
pub fn file_names(blocks: &[Block]) -> Vec<Option<String>> {
    let mut names: Vec<Option<String>> = Vec::new();
    for block in blocks {
        let name = Sweep::of(block).map(|_| {
            let name = format!("sweep-{}", slug(&block.name(blocks)));
            let taken = |name: &String| names.iter().flatten().any(|known| *known == format!("{name}.svg"));
            let numbered = (2..).map(|number| format!("{name}-{number}"));
            let free = std::iter::once(name.clone()).chain(numbered).find(|name| !taken(name));
            format!("{}.svg", free.unwrap_or(name))
        });
        names.push(name);
    }
    names
}

/// Letters and digits in lower case, with one hyphen for everything between them.
pub(crate) fn slug(text: &str) -> String {
    let words = text.split(|character: char| !character.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use unlearn_metrics::Value;
    use unlearn_metrics::figures::{avg_gap, ua};

    use super::*;
    use crate::results::ResultRow;
    use crate::summary::blocks;

    fn row(forget: &str, method: &str, (sparsity, pruning): (f64, &str), seed: u64) -> ResultRow {
        ResultRow {
            dataset: "d".to_owned(),
            arch: "a".to_owned(),
            scenario: "class".to_owned(),
            forget: forget.to_owned(),
            sparsity,
            pruning: pruning.to_owned(),
            method: method.to_owned(),
            seed,
            figures: [
                ("ua", 50.0 + 40.0 * sparsity + seed as f64),
                ("ra", 99.0),
                ("ta", 90.0),
                ("mia_efficacy", 50.0),
                ("avg_gap", 10.0 - 5.0 * sparsity),
            ]
            .map(|(name, value)| (name.to_owned(), Value::exact(value)))
            .into(),
            sequence: None,
            turn: None,
        }
    }

    fn rows(forget: &str, variants: &[(f64, &str)]) -> Vec<ResultRow> {
        let of = |variant: &(f64, &str)| {
            ["retrain", "ft"].map(|method| [1, 2].map(|seed| row(forget, method, *variant, seed))).concat()
        };
        variants.iter().flat_map(of).collect()
    }

    const SPARSE: [(f64, &str); 5] = [(0.0, "none"), (0.5, "omp"), (0.9, "omp"), (0.5, "imp"), (0.9, "imp")];

    #[test]
    fn a_sweep_has_three_sparsities_or_more_variants_than_colours() {
        let check = |variants: &[(f64, &str)], expected| {
            assert_eq!(Sweep::of(&blocks(&rows("class 0", variants))[0]).is_some(), expected, "{variants:?}");
        };
        check(&SPARSE[..2], false);
        check(&SPARSE[..3], true);
        check(&[(0.0, "none"), (0.9, "omp"), (0.9, "imp")], false);
        check(&[(0.0, "none"), (0.9, "a"), (0.9, "b"), (0.9, "c"), (0.9, "d")], true);
    }

    #[test]
    fn every_line_begins_at_dense_and_ascends() {
        let block = blocks(&rows("class 0", &SPARSE)).swap_remove(0);
        let sweep = Sweep::of(&block).unwrap();
        let series = sweep.series(block.line("ft").unwrap(), &ua::FIGURE);
        let points = |series: &Series| -> Vec<(usize, f64)> {
            series.points.iter().map(|(at, estimate)| (*at, estimate.mean.round())).collect()
        };
        assert_eq!(series.iter().map(|series| series.pruning).collect::<Vec<_>>(), [0, 1]);
        for series in &series {
            assert_eq!(points(series), [(0, 52.0), (1, 72.0), (2, 88.0)]);
        }
        assert_eq!(sweep.methods().map(|line| line.method.as_str()).collect::<Vec<_>>(), ["ft"]);
    }

    #[test]
    fn retrain_is_dashed_where_it_is_the_reference() {
        let block = blocks(&rows("class 0", &SPARSE)).swap_remove(0);
        let sweep = Sweep::of(&block).unwrap();
        let line = block.line("ft").unwrap();
        let thin = |figure: &Figure| {
            sweep.panel(line, figure).unwrap().unwrap().matches("stroke=\"#0072B2\" stroke-width=\"1\"").count()
        };
        assert!(thin(&ua::FIGURE) > 1, "dashes are many short lines");
        assert_eq!(thin(&avg_gap::FIGURE), 0, "the gap to Retrain has none");
    }

    #[test]
    fn the_page_is_white_and_holds_every_panel() {
        let block = blocks(&rows("class 0", &SPARSE)).swap_remove(0);
        let svg = Sweep::of(&block).unwrap().page(&Figures::standard()).unwrap();
        let first = svg.find("<rect").unwrap();
        assert!(svg[first..].split("/>").next().unwrap().contains("fill=\"#FFFFFF\""), "{svg}");
        for text in ["Avg. gap", "UA", "MIA-efficacy", "RA", "TA", "omp", "imp", "Retrain", "over 2 seeds", "class 0"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn file_names_are_plain_and_distinct() {
        let named = |forgets: &[&str]| {
            let rows: Vec<ResultRow> = forgets.iter().flat_map(|forget| rows(forget, &SPARSE)).collect();
            file_names(&blocks(&rows)).into_iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(named(&["class 0", "random 10 %"]), ["sweep-class-0.svg", "sweep-random-10.svg"]);
        assert_eq!(named(&["random 10", "random 10 %"]), ["sweep-random-10.svg", "sweep-random-10-2.svg"]);
        assert_eq!(file_names(&blocks(&rows("class 0", &SPARSE[..2]))), [None]);
    }
}
