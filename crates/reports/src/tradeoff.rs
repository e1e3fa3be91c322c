//! Pictures of one forget set that weigh two figures against each other: the parts of the average gap, UA against
//! MIA-efficacy, and the average gap against the run time with its Pareto front.

use plotters::style::RGBColor;
use unlearn_metrics::figures::{avg_gap, mia_efficacy, rte_seconds, ua};
use unlearn_metrics::{Estimate, Figure, Figures};
use unlearn_run_store::CLEAN;

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, SERIES};
use crate::error::Result;
use crate::plots::{colour, range};
use crate::results::{RAW, RETRAIN};
use crate::summary::{Block, Cell, Variant};
use crate::table::{Grid, shown};

/// A picture with its numbers.
pub(crate) struct Picture {
    pub(crate) svg: String,
    pub(crate) numbers: Grid,
}

const SIZE: (u32, u32) = (480, 330);
const LEFT: i32 = 52;
const RIGHT: i32 = 462;
const TOP: i32 = 14;
const BOTTOM: i32 = 272;

/// One method on one model.
struct Point<'b> {
    method: &'b str,
    variant: usize,
    across: Estimate,
    up: Estimate,
}

/// The methods' gaps to Retrain as bars, each divided by the four figures that the average is over. `None` without gaps.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub(crate) fn gap_bars(block: &Block, figures: &Figures) -> Result<Option<Picture>> {
    const ROW: i32 = 22;
    const HEAD: i32 = 26;
    const WIDTH: i32 = 640;
    let parts: Vec<&Figure> = avg_gap::OVER.iter().filter_map(|name| figures.get(name)).collect();
    let Some(average) = figures.get(avg_gap::NAME) else { return Ok(None) };
    let mut bars: Vec<(String, Vec<f64>, Estimate)> = Vec::new();
    for (line, variant, cell) in cells(block).filter(|(method, ..)| *method != RETRAIN) {
        let gaps: Option<Vec<f64>> = parts.iter().map(|figure| cell.gap(figure)).collect();
        let estimate = cell.estimate(&average.name);
        if let Some((gaps, estimate)) = gaps.zip(estimate) {
            bars.push((format!("{line}, {}", block.variants[variant].label()), gaps, estimate));
        }
    }
    if bars.is_empty() {
        return Ok(None);
    }
    let share = parts.len() as f64;
    let longest = bars.iter().map(|(label, ..)| label.chars().count()).max().unwrap_or(0) as i32;
    let left = 14 + 7 * longest;
    let bottom = HEAD + ROW * bars.len() as i32;
    let ends = bars.iter().map(|(_, gaps, estimate)| {
        (gaps.iter().sum::<f64>() / share).max(estimate.mean + estimate.half_width.unwrap_or(0.0))
    });
    let greatest = ends.fold(1.0, f64::max).min(average.range[1]);
    let axis = Axis::new((0.0, greatest), (left, WIDTH - 60), 6);
    let what = format!("gaps of {}", block.forget);
    let svg = Canvas::draw(&what, (WIDTH as u32, (bottom + 28) as u32), |canvas| {
        let mut x = left;
        for (at, figure) in parts.iter().enumerate() {
            canvas.bar((x, 6), (x + 12, 16), SERIES[at % SERIES.len()])?;
            canvas.text(&figure.label, (x + 17, 11), 12, INK, Align::Start)?;
            x += 34 + 7 * figure.label.chars().count() as i32;
        }
        for (value, label) in axis.ticks() {
            canvas.line(vec![(axis.at(value), HEAD), (axis.at(value), bottom)], RULE, 1)?;
            canvas.text(&label, (axis.at(value), bottom + 13), 12, MUTED, Align::Middle)?;
        }
        for (row, (label, gaps, estimate)) in bars.iter().enumerate() {
            let middle = HEAD + ROW * row as i32 + ROW / 2;
            canvas.text(label, (left - 6, middle), 12, INK, Align::End)?;
            let mut from = 0.0;
            for (at, gap) in gaps.iter().enumerate() {
                let to = from + gap / share;
                if axis.at(to) > axis.at(from) {
                    canvas.bar((axis.at(from), middle - 6), (axis.at(to), middle + 6), SERIES[at % SERIES.len()])?;
                }
                from = to;
            }
            let mut end = from;
            if let Some(half_width) = estimate.half_width {
                let [low, high] = [(estimate.mean - half_width).max(0.0), estimate.mean + half_width];
                canvas.line(vec![(axis.at(low), middle), (axis.at(high), middle)], INK, 2)?;
                end = end.max(high);
            }
            canvas.text(&average.shown(estimate.mean), (axis.at(end) + 6, middle), 12, INK, Align::Start)?;
        }
        Ok(())
    })?;
    let head = ["Method and model".to_owned()].into_iter();
    let head = head.chain(parts.iter().map(|figure| format!("gap of {}", figure.label)));
    let head: Vec<String> = head.chain([average.label.to_string()]).collect();
    let lines = bars.iter().map(|(label, gaps, estimate)| {
        let gaps = gaps.iter().zip(&parts).map(|(gap, figure)| figure.shown(*gap));
        std::iter::once(label.clone()).chain(gaps).chain([shown(average, estimate)]).collect()
    });
    Ok(Some(Picture { svg, numbers: Grid { head, names: 1, lines: lines.collect() } }))
}

/// UA against MIA-efficacy: a dot for each method and model, a cross for Retrain. `None` without both figures.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub(crate) fn ua_against_mia(block: &Block, figures: &Figures) -> Result<Option<Picture>> {
    let Some((across, up)) = figures.get(ua::NAME).zip(figures.get(mia_efficacy::NAME)) else { return Ok(None) };
    let mut points = points(block, across, up);
    // The model before unlearning is far from all others, and would leave them no room.
    points.retain(|point| point.method != RAW);
    if points.iter().all(|point| point.method == RETRAIN) {
        return Ok(None);
    }
    let axis = |of: fn(&Point<'_>) -> Estimate, figure| {
        let estimates: Vec<Estimate> = points.iter().map(of).collect();
        range(estimates.iter(), figure)
    };
    let x = Axis::new(axis(|point| point.across, across), (LEFT, RIGHT), 5);
    let y = Axis::new(axis(|point| point.up, up), (BOTTOM, TOP), 5);
    let what = format!("{} against {} for {}", across.label, up.label, block.forget);
    let svg = Canvas::draw(&what, SIZE, |canvas| {
        frame(canvas, &x.ticks(), &y, |value| x.at(value), (&across.label, &up.label))?;
        for point in &points {
            let at = (x.at(point.across.mean), y.at(point.up.mean));
            let shade = colour(point.variant);
            if let Some(half) = point.across.half_width {
                let ends = [-half, half].map(|half| (x.at(point.across.mean + half), at.1));
                canvas.line(ends.to_vec(), RULE, 1)?;
            }
            if let Some(half) = point.up.half_width {
                canvas.line([-half, half].map(|half| (at.0, y.at(point.up.mean + half))).to_vec(), RULE, 1)?;
            }
            mark(canvas, point.method, at, shade)?;
        }
        labels(canvas, &points, |point| (x.at(point.across.mean), y.at(point.up.mean)))
    })?;
    Ok(Some(Picture { svg, numbers: numbers(block, &points, [across, up], None) }))
}

/// The average gap against the run time: which methods no other beats in both. Retrain is a cross, and not part of the front of
/// approximate methods. `None` with fewer than two methods.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub(crate) fn pareto(block: &Block, figures: &Figures) -> Result<Option<Picture>> {
    let Some((time, gap)) = figures.get(rte_seconds::NAME).zip(figures.get(avg_gap::NAME)) else { return Ok(None) };
    let mut points = points(block, time, gap);
    // The model before unlearning took no time, and one without poison made nothing forget.
    points.retain(|point| point.method != RAW && point.method != CLEAN && point.across.mean > 0.0);
    let approximate: Vec<&Point<'_>> = points.iter().filter(|point| point.method != RETRAIN).collect();
    if approximate.len() < 2 {
        return Ok(None);
    }
    let front = front(&approximate.iter().map(|point| [point.across.mean, point.up.mean]).collect::<Vec<_>>());
    let on_front: Vec<&Point<'_>> = front.iter().map(|at| approximate[*at]).collect();

    let logs = points.iter().map(|point| point.across.mean.log10());
    let (low, high) = logs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
    let air = ((high - low) * 0.08).max(0.1);
    let x = Axis::new((low - air, high + air), (LEFT, RIGHT), 4);
    let estimates: Vec<Estimate> = points.iter().map(|point| point.up).collect();
    let y = Axis::new(range(estimates.iter(), gap), (BOTTOM, TOP), 5);
    let ticks = log_ticks(low - air, high + air);
    let place = |point: &Point<'_>| (x.at(point.across.mean.log10()), y.at(point.up.mean));
    let what = format!("gap against run time for {}", block.forget);
    let svg = Canvas::draw(&what, SIZE, |canvas| {
        frame(
            canvas,
            &ticks,
            &y,
            |value| x.at(value.log10()),
            (&format!("{}, logarithmic", time.heading()), &gap.label),
        )?;
        // A staircase: with more time allowed, the least gap so far.
        let mut stairs: Vec<(i32, i32)> = Vec::new();
        for point in &on_front {
            let (right, height) = place(point);
            stairs.extend(stairs.last().map(|(_, before)| (right, *before)));
            stairs.push((right, height));
        }
        canvas.dashes(stairs, MUTED)?;
        for point in &points {
            if let Some(half) = point.up.half_width {
                let (at, _) = place(point);
                canvas.line([-half, half].map(|half| (at, y.at(point.up.mean + half))).to_vec(), RULE, 1)?;
            }
            mark(canvas, point.method, place(point), colour(point.variant))?;
        }
        labels(canvas, &points, place)
    })?;
    let is_on =
        |point: &Point<'_>| on_front.iter().any(|other| other.method == point.method && other.variant == point.variant);
    Ok(Some(Picture { svg, numbers: numbers(block, &points, [time, gap], Some(&is_on)) }))
}

/// Positions of the points that no other is below or equal to in both coordinates, by ascending first coordinate.
pub(crate) fn front(points: &[[f64; 2]]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let by = |one: &usize, other: &usize| {
        points[*one][0].total_cmp(&points[*other][0]).then(points[*one][1].total_cmp(&points[*other][1]))
    };
    order.sort_by(by);
    let mut least = f64::INFINITY;
    order.retain(|at| {
        let is_better = points[*at][1] < least;
        least = least.min(points[*at][1]);
        is_better
    });
    order
}

fn cells(block: &Block) -> impl Iterator<Item = (&str, usize, &Cell)> {
    block.lines.iter().flat_map(|line| {
        let cells = line.cells.iter().enumerate();
        cells.filter_map(|(variant, cell)| Some((line.method.as_str(), variant, cell.as_ref()?)))
    })
}

fn points<'b>(block: &'b Block, across: &Figure, up: &Figure) -> Vec<Point<'b>> {
    let point = |(method, variant, cell): (&'b str, usize, &Cell)| {
        let (across, up) = cell.estimate(&across.name).zip(cell.estimate(&up.name))?;
        Some(Point { method, variant, across, up })
    };
    cells(block).filter_map(point).collect()
}

fn numbers(
    block: &Block,
    points: &[Point<'_>],
    figures: [&Figure; 2],
    on_front: Option<&dyn Fn(&Point<'_>) -> bool>,
) -> Grid {
    let mut head = vec!["Method".to_owned(), "Model".to_owned()];
    head.extend(figures.iter().map(|figure| figure.heading()));
    head.extend(on_front.map(|_| "On the front".to_owned()));
    let line = |point: &Point<'_>| {
        let mut line = vec![point.method.to_owned(), block.variants[point.variant].label()];
        line.extend([shown(figures[0], &point.across), shown(figures[1], &point.up)]);
        line.extend(on_front.map(|is_on| if is_on(point) { "yes" } else { "no" }.to_owned()));
        line
    };
    Grid { head, names: 2, lines: points.iter().map(line).collect() }
}

/// The grid of a picture with two axes, and their names.
fn frame(
    canvas: &Canvas<'_>,
    ticks: &[(f64, String)],
    up: &Axis,
    across: impl Fn(f64) -> i32,
    (below, beside): (&str, &str),
) -> Result<()> {
    for (value, label) in ticks {
        let x = across(*value);
        canvas.line(vec![(x, TOP), (x, BOTTOM)], RULE, 1)?;
        canvas.text(label, (x, BOTTOM + 14), 12, MUTED, Align::Middle)?;
    }
    for (value, label) in up.ticks() {
        canvas.line(vec![(LEFT, up.at(value)), (RIGHT, up.at(value))], RULE, 1)?;
        canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
    }
    canvas.text(below, (LEFT.midpoint(RIGHT), BOTTOM + 34), 12, MUTED, Align::Middle)?;
    canvas.text(&format!("↑ {beside}"), (4, BOTTOM + 34), 12, MUTED, Align::Start)
}

fn mark(canvas: &Canvas<'_>, method: &str, at: (i32, i32), shade: RGBColor) -> Result<()> {
    if method == RETRAIN { canvas.cross(at, 6, shade) } else { canvas.dot(at, 5, shade) }
}

/// Writes the methods' names beside their marks, where no name or mark stands yet. A name without room is left out.
fn labels(canvas: &Canvas<'_>, points: &[Point<'_>], place: impl Fn(&Point<'_>) -> (i32, i32)) -> Result<()> {
    let around = |(x, y): (i32, i32)| [x - 6, y - 6, x + 6, y + 6];
    let mut taken: Vec<[i32; 4]> = points.iter().map(|point| around(place(point))).collect();
    for (number, point) in points.iter().enumerate() {
        let (x, y) = place(point);
        let width = 7 * point.method.chars().count() as i32;
        if point.method == RETRAIN {
            continue; // The legend says what a cross is.
        }
        let tries = [
            (9, 0),
            (-9 - width, 0),
            (-width / 2, -14),
            (-width / 2, 14),
            (9, -12),
            (9, 12),
            (-9 - width, -12),
            (-9 - width, 12),
        ];
        let free = tries
            .into_iter()
            .map(|(right, down)| [x + right, y + down - 6, x + right + width, y + down + 6])
            .find(|own| {
                let inside = own[0] >= 4 && own[2] <= SIZE.0 as i32 - 2 && own[1] >= 0 && own[3] <= BOTTOM;
                let touches =
                    |other: &[i32; 4]| own[0] < other[2] && other[0] < own[2] && own[1] < other[3] && other[1] < own[3];
                let own_mark = |at: usize| at == number;
                inside && taken.iter().enumerate().all(|(at, other)| own_mark(at) || !touches(other))
            });
        if let Some(free) = free {
            canvas.text(point.method, (free[0], free[1] + 6), 12, INK, Align::Start)?;
            taken.push(free);
        }
    }
    Ok(())
}

/// Round values of a logarithmic axis: powers of ten, and their double and fivefold if there are few.
fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let factors: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let mut ticks = Vec::new();
    for power in low.floor() as i32..=high.ceil() as i32 {
        for factor in factors {
            let value = factor * 10_f64.powi(power);
            if (low..=high).contains(&value.log10()) {
                let decimals = usize::try_from(-power).unwrap_or(0);
                ticks.push((value, format!("{value:.decimals$}")));
            }
        }
    }
    ticks
}

/// How to read the colours of the pictures.
pub(crate) fn keys(block: &Block) -> Vec<String> {
    block.variants.iter().map(Variant::label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let points = [[1.0, 5.0], [2.0, 6.0], [3.0, 2.0], [3.0, 1.0], [0.5, 9.0], [4.0, 1.0]];
        assert_eq!(front(&points), [4, 0, 3]);
        assert_eq!(front(&[[1.0, 1.0], [1.0, 1.0]]), [0], "of equals, the first");
        assert_eq!(front(&[]), [0; 0]);
    }

    #[test]
    fn ticks_of_a_logarithmic_axis_are_round() {
        let shown = |low, high| log_ticks(low, high).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(shown(-1.1, 0.9), ["0.1", "0.2", "0.5", "1", "2", "5"]);
        assert_eq!(shown(-2.0, 3.1), ["0.01", "0.1", "1", "10", "100", "1000"]);
    }
}
