//! ROC curves: how well low losses tell the forget set from the test set.

use maud::{Markup, html};

use super::{Section, picture, seeds};
use crate::canvas::{Align, Axis, Canvas, INK, MUTED, RULE, apart};
use crate::error::Result;
use crate::plots::colour;
use crate::results::RETRAIN;
use crate::scored::Scored;
use crate::table::Grid;

const SIZE: (u32, u32) = (480, 340);
const LEFT: i32 = 44;
const RIGHT: i32 = 334;
const TOP: i32 = 14;
const BOTTOM: i32 = 292;
/// Lines with colours of their own. Those that follow are dashed.
const COLOURS: usize = 4;

/// One picture per forget set and pruning, with a line per method.
pub(super) fn section(scored: &[Scored]) -> Result<Option<Section>> {
    let mut pictures: Vec<(&Scored, Vec<Markup>)> = Vec::new();
    for group in scored.chunk_by(Scored::is_beside) {
        let curves: Vec<&Scored> = group.iter().filter(|scored| scored.attack.is_some()).collect();
        let Some(first) = curves.first() else { continue };
        let variant = first.variant.label();
        let label = format!("ROC of the loss-threshold attack on {}, {variant}, seed {}", first.title, first.seed);
        let drawn = picture(
            &variant,
            "true-positive rate over false-positive rate",
            &draw(&curves)?,
            &label,
            Some(&numbers(&curves)),
        );
        match pictures.last_mut().filter(|(of, _)| (&of.title, of.seed) == (&first.title, first.seed)) {
            Some((_, drawings)) => drawings.push(drawn),
            None => pictures.push((first, vec![drawn])),
        }
    }
    let body = html! {
        p.note {
            "An attacker who sees only losses calls a sample a member of the training set if its loss is low. A curve shows how often that is \
             right for the forget set, over how often it is wrong for the test set. On the diagonal the attacker guesses. Below it, forgotten \
             samples look less like members than samples that were never seen, as after forgetting a whole class. The curve to reach is that of "
            (RETRAIN) ". The number beside a method is the area under its curve (AUC); 0.5 is a guess."
        }
        @for group in pictures.chunk_by(|(one, _), (other, _)| one.title == other.title) {
            h3 { (group[0].0.title) }
            (seeds::one_by_one(group.iter().map(|(of, drawings)| {
                (of.seed, html! { div.panels { @for drawing in drawings { (drawing) } } })
            })))
        }
    };
    Ok((!pictures.is_empty()).then(|| Section { title: "Who looks like a member (ROC)".to_owned(), body }))
}

fn draw(curves: &[&Scored]) -> Result<String> {
    let across = Axis::new((0.0, 1.0), (LEFT, RIGHT), 5);
    let up = Axis::new((0.0, 1.0), (BOTTOM, TOP), 5);
    Canvas::draw("ROC curves", SIZE, |canvas| {
        for (value, label) in up.ticks() {
            canvas.line(vec![(LEFT, up.at(value)), (RIGHT, up.at(value))], RULE, 1)?;
            canvas.line(vec![(across.at(value), TOP), (across.at(value), BOTTOM)], RULE, 1)?;
            canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
            canvas.text(&label, (across.at(value), BOTTOM + 14), 12, MUTED, Align::Middle)?;
        }
        canvas.text("false-positive rate", (LEFT.midpoint(RIGHT), BOTTOM + 34), 12, MUTED, Align::Middle)?;
        canvas.dashes(vec![(LEFT, BOTTOM), (RIGHT, TOP)], RULE)?;
        let mut ends = Vec::new();
        let mut number = 0;
        for scored in curves {
            let Some(attack) = &scored.attack else { continue };
            let path: Vec<(i32, i32)> = attack.points.iter().map(|[fpr, tpr]| (across.at(*fpr), up.at(*tpr))).collect();
            // Retrain is what the others are held against.
            let (shade, dashed) = if scored.method == RETRAIN {
                (INK, false)
            } else {
                number += 1;
                (colour(number - 1), number > COLOURS)
            };
            if dashed {
                canvas.dashes(path, shade)?;
            } else {
                canvas.line(path, shade, 2)?;
            }
            let height = (f64::from(BOTTOM) - f64::from(BOTTOM - TOP) * attack.auc).round() as i32;
            ends.push(((scored.method.as_str(), shade, attack.auc), height));
        }
        for ((method, shade, auc), y) in apart(ends, BOTTOM) {
            canvas.dot((RIGHT + 12, y), 4, shade)?;
            canvas.text(&format!("{method} {auc:.2}"), (RIGHT + 21, y), 12, INK, Align::Start)?;
        }
        Ok(())
    })
}

fn numbers(curves: &[&Scored]) -> Grid {
    let rates = [0.01, 0.1, 0.5];
    let head = ["Method", "AUC", "95 % interval", "TPR at FPR 0.01", "at 0.1", "at 0.5"].map(str::to_owned).to_vec();
    let line = |scored: &&Scored| {
        let attack = scored.attack.as_ref()?;
        let interval = attack.interval.map_or_else(|| "–".to_owned(), |[low, high]| format!("{low:.3} to {high:.3}"));
        let at = |rate: f64| {
            let within = attack.points.iter().filter(|[fpr, _]| *fpr <= rate);
            within.map(|[_, tpr]| *tpr).fold(0.0, f64::max)
        };
        let mut cells = vec![scored.method.clone(), format!("{:.3}", attack.auc), interval];
        cells.extend(rates.map(|rate| format!("{:.3}", at(rate))));
        Some(cells)
    };
    Grid { head, names: 1, lines: curves.iter().filter_map(line).collect() }
}
