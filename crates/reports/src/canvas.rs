//! A small SVG canvas with the report's palette, based on plotters.
//!
//! Colours are hexadecimal values of the light palette, so a picture is right by itself. The page's style sheet maps
//! the same values to the dark palette. The hues are those of Okabe and Ito, which people with any colour vision can
//! distinguish.

use std::fmt::Display;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::error::{ReportError, Result};

/// Main text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x1f, 0x23, 0x28);
/// Secondary text and axes.
pub(crate) const MUTED: RGBColor = RGBColor(0x59, 0x63, 0x6e);
/// Guide lines.
pub(crate) const RULE: RGBColor = RGBColor(0xd8, 0xde, 0xe4);
/// The background of the page.
pub(crate) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
/// Data: dense first, then the sparsities in ascending order.
pub(crate) const SERIES: [RGBColor; 4] =
    [RGBColor(0x00, 0x72, 0xb2), RGBColor(0xd5, 0x5e, 0x00), RGBColor(0x00, 0x9e, 0x73), RGBColor(0xcc, 0x79, 0xa7)];

/// Horizontal position of a text relative to its point. Vertically it is centred.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// A drawing area in pixels, with the origin at the top left.
pub(crate) struct Canvas<'svg> {
    area: DrawingArea<SVGBackend<'svg>, Shift>,
    what: &'svg str,
}

impl Canvas<'_> {
    /// Draws with `draw` and returns the SVG text. `what` names the picture in errors.
    pub(crate) fn draw(what: &str, size: (u32, u32), draw: impl FnOnce(&Canvas<'_>) -> Result<()>) -> Result<String> {
        let mut svg = String::new();
        let canvas = Canvas { area: SVGBackend::with_string(&mut svg, size).into_drawing_area(), what };
        draw(&canvas)?;
        canvas.area.present().map_err(|error| canvas.failed(&error))?;
        drop(canvas);
        Ok(svg)
    }

    /// A part of the canvas with its own origin.
    pub(crate) fn part(&self, at: (i32, i32), size: (u32, u32)) -> Self {
        Self { area: self.area.clone().shrink(at, size), what: self.what }
    }

    /// Fills the whole canvas, for a picture on pages of unknown colour.
    pub(crate) fn fill(&self, colour: RGBColor) -> Result<()> {
        self.put(self.area.fill(&colour))
    }

    pub(crate) fn line(&self, points: Vec<(i32, i32)>, colour: RGBColor, width: u32) -> Result<()> {
        self.put(self.area.draw(&PathElement::new(points, colour.stroke_width(width))))
    }

    pub(crate) fn dashes(&self, points: Vec<(i32, i32)>, colour: RGBColor) -> Result<()> {
        self.put(self.area.draw(&DashedPathElement::new(points, 4, 3, colour.stroke_width(1))))
    }

    /// A filled rectangle between two corners.
    pub(crate) fn bar(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor) -> Result<()> {
        self.put(self.area.draw(&Rectangle::new([from, to], colour.filled())))
    }

    /// A diagonal cross, for what is no result but a reference.
    pub(crate) fn cross(&self, (x, y): (i32, i32), radius: i32, colour: RGBColor) -> Result<()> {
        self.line(vec![(x - radius, y - radius), (x + radius, y + radius)], colour, 2)?;
        self.line(vec![(x - radius, y + radius), (x + radius, y - radius)], colour, 2)
    }

    /// A dot with a thin edge in the page's colour, so that overlapping dots stay distinct.
    pub(crate) fn dot(&self, at: (i32, i32), radius: u32, colour: RGBColor) -> Result<()> {
        self.put(self.area.draw(&Circle::new(at, radius + 1, PAPER.filled())))?;
        self.put(self.area.draw(&Circle::new(at, radius, colour.filled())))
    }

    pub(crate) fn text(&self, text: &str, at: (i32, i32), size: u32, colour: RGBColor, align: Align) -> Result<()> {
        let horizontal = match align {
            Align::Start => HPos::Left,
            Align::Middle => HPos::Center,
            Align::End => HPos::Right,
        };
        let style =
            TextStyle::from(("sans-serif", size).into_font()).color(&colour).pos(Pos::new(horizontal, VPos::Center));
        self.put(self.area.draw(&Text::new(text, at, style)))
    }

    fn put<E: Display>(&self, drawn: std::result::Result<(), E>) -> Result<()> {
        drawn.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &impl Display) -> ReportError {
        ReportError::Plot { what: self.what.to_owned(), problem: error.to_string() }
    }
}

/// A linear axis that maps values to pixels, with round ticks.
pub(crate) struct Axis {
    low: f64,
    high: f64,
    from: i32,
    to: i32,
    step: f64,
}

impl Axis {
    /// An axis that shows `low..=high` between the pixels `from` and `to`, with about `count` ticks.
    pub(crate) fn new((low, high): (f64, f64), (from, to): (i32, i32), count: usize) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        let rough = (high - low) / count.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| *step >= rough * 0.999);
        Self { low, high, from, to, step: step.unwrap_or(rough) }
    }

    /// The same axis with ticks at whole numbers only.
    pub(crate) fn whole(self) -> Self {
        Self { step: self.step.max(1.0), ..self }
    }

    /// The pixel of a value. Values outside the axis are mapped to its ends.
    pub(crate) fn at(&self, value: f64) -> i32 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        (f64::from(self.from) + share * f64::from(self.to - self.from)).round() as i32
    }

    /// The ticks and their labels.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        let first = (self.low / self.step - 1e-9).ceil() as i64;
        let last = (self.high / self.step + 1e-9).floor() as i64;
        (first..=last)
            .map(|position| {
                let value = position as f64 * self.step;
                (value, format!("{value:.decimals$}"))
            })
            .collect()
    }
}

/// Moves overlapping labels apart, keeps their order, and keeps them above `bottom`.
pub(crate) fn apart<T>(mut labels: Vec<(T, i32)>, bottom: i32) -> Vec<(T, i32)> {
    const SPACING: i32 = 16;
    labels.sort_by_key(|(_, y)| *y);
    for position in 1..labels.len() {
        labels[position].1 = labels[position].1.max(labels[position - 1].1 + SPACING);
    }
    // Labels pushed below the axis move up again, and push those above them.
    let mut limit = bottom;
    for (_, y) in labels.iter_mut().rev() {
        *y = (*y).min(limit);
        limit = *y - SPACING;
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let labels = |low, high, count| -> Vec<String> {
            Axis::new((low, high), (0, 100), count).ticks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(0.0, 100.0, 4), ["0", "50", "100"]);
        assert_eq!(labels(0.0, 100.0, 5), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(97.3, 100.0, 3), ["98", "99", "100"]);
        assert_eq!(labels(0.0, 0.31, 3), ["0.0", "0.2"]);
        assert_eq!(labels(5.0, 5.0, 2), ["5.0", "5.5", "6.0"]);
        let whole =
            |high| Axis::new((0.0, high), (0, 100), 6).whole().ticks().into_iter().map(|(_, label)| label).collect();
        let labels: [Vec<String>; 2] = [whole(3.0), whole(12.0)];
        assert_eq!(labels[0], ["0", "1", "2", "3"]);
        assert_eq!(labels[1], ["0", "2", "4", "6", "8", "10", "12"]);
    }

    #[test]
    fn values_go_to_pixels_and_stay_on_the_axis() {
        let axis = Axis::new((0.0, 10.0), (200, 100), 2);
        assert_eq!(
            [axis.at(0.0), axis.at(5.0), axis.at(10.0), axis.at(99.0), axis.at(-1.0)],
            [200, 150, 100, 100, 200]
        );
    }

    #[test]
    fn labels_that_would_touch_move_apart() {
        assert_eq!(apart(vec![("b", 60), ("a", 50)], 200), [("a", 50), ("b", 66)]);
        assert_eq!(apart(vec![("a", 195), ("b", 198)], 200), [("a", 184), ("b", 200)]);
        assert_eq!(apart(vec![("a", 10), ("b", 90)], 200), [("a", 10), ("b", 90)]);
    }
}
