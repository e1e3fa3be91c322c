//! One picture per figure and forget set: methods from top to bottom, dense beside sparse, Retrain as the line to
//! reach.

use plotters::style::RGBColor;
use unlearn_metrics::{Direction, Estimate, Figure, Figures, Unit};

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, SERIES};
use crate::error::Result;
use crate::remains;
use crate::results::RETRAIN;
use crate::summary::{Block, Cell, Line};
use crate::table::{Grid, shown};

const WIDTH: i32 = 340;
const TOP: i32 = 10;
const ROW: i32 = 30;
const FOOT: i32 = 26;
const RIGHT: i32 = 16;

/// One dot per method and variant with its confidence interval, as SVG. `None` if no method except Retrain has the
/// figure.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn dots(block: &Block, figure: &Figure) -> Result<Option<String>> {
    let mut lines = Vec::new();
    let mut references = vec![None; block.variants.len()];
    for line in &block.lines {
        let estimates: Vec<Option<Estimate>> =
            line.cells.iter().map(|cell| cell.as_ref()?.estimate(&figure.name)).collect();
        if line.method == RETRAIN {
            references = estimates;
        } else if estimates.iter().any(Option::is_some) {
            lines.push((line.method.as_str(), estimates));
        }
    }
    if lines.is_empty() {
        return Ok(None);
    }
    let shown = || lines.iter().flat_map(|(_, estimates)| estimates).chain(&references).flatten();
    let left = 14 + 7 * lines.iter().map(|(method, _)| method.len() as i32).max().unwrap_or(0);
    let bottom = TOP + ROW * lines.len() as i32;
    let axis = Axis::new(range(shown(), figure), (left + 8, WIDTH - RIGHT), 4);

    let what = format!("{} for {}", figure.label, block.forget);
    let svg = Canvas::draw(&what, (WIDTH as u32, (bottom + FOOT) as u32), |canvas| {
        for (value, label) in axis.ticks() {
            let x = axis.at(value);
            canvas.line(vec![(x, TOP), (x, bottom)], RULE, 1)?;
            canvas.text(&label, (x, bottom + 13), 12, MUTED, Align::Middle)?;
        }
        for (variant, reference) in references.iter().enumerate() {
            if let Some(reference) = reference {
                let x = axis.at(reference.mean);
                // The dashes of equal references interleave, so that both colours stay visible.
                canvas.dashes(vec![(x, TOP - 8 + 4 * variant as i32), (x, bottom)], colour(variant))?;
            }
        }
        for (row, (method, estimates)) in lines.iter().enumerate() {
            let middle = TOP + ROW * row as i32 + ROW / 2;
            canvas.line(vec![(left, middle), (WIDTH - RIGHT, middle)], RULE, 1)?;
            canvas.text(method, (left - 6, middle), 13, INK, Align::End)?;
            let places: Vec<_> = estimates
                .iter()
                .enumerate()
                .filter_map(|(variant, estimate)| Some((variant, (*estimate)?)))
                .map(|(variant, estimate)| (variant, estimate, middle + offset(variant, estimates.len())))
                .collect();
            let path: Vec<_> = places.iter().map(|(_, estimate, y)| (axis.at(estimate.mean), *y)).collect();
            canvas.line(path, MUTED, 1)?;
            for (variant, estimate, y) in places {
                if let Some(half_width) = estimate.half_width {
                    let ends = [estimate.mean - half_width, estimate.mean + half_width].map(|end| (axis.at(end), y));
                    canvas.line(ends.to_vec(), colour(variant), 2)?;
                }
                canvas.dot((axis.at(estimate.mean), y), 5, colour(variant))?;
            }
        }
        Ok(())
    })?;
    Ok(Some(svg))
}

/// The numbers of [`dots`]: a line per method, a column per variant.
pub(crate) fn numbers(block: &Block, figure: &Figure) -> Grid {
    let names = block.variants.iter().map(crate::summary::Variant::label);
    let head = std::iter::once("Method".to_owned()).chain(names).collect();
    let cell = |cell: &Option<Cell>| {
        let estimate = cell.as_ref().and_then(|cell| cell.estimate(&figure.name));
        estimate.map_or_else(|| "–".to_owned(), |estimate| shown(figure, &estimate))
    };
    let line = |line: &Line| std::iter::once(line.method.clone()).chain(line.cells.iter().map(cell)).collect();
    Grid { head, names: 1, lines: block.lines.iter().map(line).collect() }
}

/// Whether a block's variants are few enough for dots with one colour each.
pub fn are_readable(block: &Block) -> bool {
    block.variants.len() <= SERIES.len()
}

/// Position of a variant's colour in the palette.
pub(crate) fn palette(variant: usize) -> usize {
    variant % SERIES.len()
}

/// The colour of a series by its position.
pub(crate) fn colour(series: usize) -> RGBColor {
    SERIES[palette(series)]
}

/// Variants are drawn slightly above and below each other, so that equal figures stay visible.
fn offset(variant: usize, variants: usize) -> i32 {
    let spacing = if variants > 3 { 4 } else { 8 };
    (2 * variant as i32 - (variants as i32 - 1)) * spacing / 2
}

/// The figures with pictures: the table's, those against Retrain first, and those of the theory. Run times have none.
pub(crate) fn pictured(figures: &Figures) -> Vec<&Figure> {
    let mut pictured: Vec<&Figure> =
        figures.iter().filter(|figure| figure.in_table || remains::is_of_theory(figure)).collect();
    pictured.retain(|figure| figure.unit != Unit::Seconds);
    pictured.sort_by_key(|figure| !figure.needs_retrain());
    pictured
}

/// The range of the values and their intervals with a margin, at least two points wide and within the figure's own
/// range. If lower is better, it starts at the figure's minimum. For a gap, the minimum is Retrain itself.
pub(crate) fn range<'a>(estimates: impl Iterator<Item = &'a Estimate>, figure: &Figure) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for estimate in estimates {
        let half_width = estimate.half_width.unwrap_or(0.0);
        low = low.min(estimate.mean - half_width);
        high = high.max(estimate.mean + half_width);
    }
    let air = ((high - low) * 0.08).max((2.0 - (high - low)) / 2.0).max(0.1);
    let [least, greatest] = figure.range;
    let low = if figure.direction == Direction::Lower { least } else { (low - air).max(least) };
    (low, (high + air).min(greatest))
}
