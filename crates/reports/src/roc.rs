//! ROC curves of attacks with a pool, on logarithmic axes: what counts is the left end, where an attacker hardly errs (Carlini et al. 2022,
//! arXiv 2112.03570, section 3).

use unlearn_metrics::clopper_pearson;
use unlearn_mia_eval::pool::{Outcome, Question};

use crate::canvas::{Align, Axis, Canvas, INK, MUTED, PAPER, RULE, SERIES};
use crate::error::Result;
use crate::pool::{Group, PoolResults, SMALLEST};
use crate::results::RETRAIN;
use crate::summary::Variant;
use crate::sweep::slug;

const PANEL: (u32, u32) = (340, 300);
const LEFT: i32 = 58;
const RIGHT: i32 = 322;
const TOP: i32 = 12;
const BOTTOM: i32 = 240;
const COLUMNS: i32 = 3;
const MARGIN: i32 = 16;
const TITLE: i32 = 52;
const CAPTION: i32 = 30;

/// One picture per model and question, with its file's name: a panel per method, a line per attack.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub(crate) fn pictures(results: &PoolResults) -> Result<Vec<(String, String)>> {
    let mut pictures = Vec::new();
    let mut variants: Vec<Variant> = Vec::new();
    for group in &results.groups {
        let variant = group.variant();
        if !variants.contains(&variant) {
            variants.push(variant);
        }
    }
    for variant in &variants {
        for question in [Question::UNLEARNING, Question::MEMBERSHIP] {
            let groups: Vec<&Group> = results
                .groups
                .iter()
                .filter(|group| group.variant() == *variant)
                .filter(|group| group.attacks.iter().any(|attack| attack.question == question.name))
                .collect();
            if groups.is_empty() {
                continue;
            }
            let name = format!("roc-{}-{}.svg", question.name, slug(&variant.label()));
            let title = format!("{} · {} · {} on {}", question.name, variant.label(), results.arch, results.dataset);
            pictures.push((name, page(&title, question, &groups)?));
        }
    }
    Ok(pictures)
}

/// All panels on one white page.
pub(crate) fn page(title: &str, question: Question, groups: &[&Group]) -> Result<String> {
    let rows = (groups.len() as i32 + COLUMNS - 1) / COLUMNS;
    let row = CAPTION + PANEL.1 as i32;
    let size = ((COLUMNS * PANEL.0 as i32 + 2 * MARGIN) as u32, (TITLE + rows * row + 2 * MARGIN + 30) as u32);
    Canvas::draw(title, size, |canvas| {
        canvas.fill(PAPER)?;
        canvas.text(title, (MARGIN, TITLE / 2), 20, INK, Align::Start)?;
        for (number, group) in groups.iter().enumerate() {
            let number = number as i32;
            let (x, y) = (MARGIN + number % COLUMNS * PANEL.0 as i32, TITLE + number / COLUMNS * row);
            let floor = if group.method == RETRAIN { " (nothing to find: the noise floor)" } else { "" };
            canvas.text(&format!("{}{floor}", group.method), (x, y + 12), 15, INK, Align::Start)?;
            panel(&canvas.part((x, y + CAPTION), PANEL), question, group)?;
        }
        let y = TITLE + rows * row + MARGIN;
        let mut x = MARGIN;
        let attacks = groups[0].attacks.iter().filter(|attack| attack.question == question.name);
        for (number, attack) in attacks.enumerate() {
            canvas.line(vec![(x, y), (x + 22, y)], SERIES[number % SERIES.len()], 2)?;
            canvas.text(&attack.attack, (x + 28, y), 14, INK, Align::Start)?;
            x += 40 + 9 * attack.attack.len() as i32;
        }
        canvas.text(
            "Thin lines are 95 % intervals (Clopper, Pearson) of each point. Dashed is a coin.",
            (x + 20, y),
            12,
            MUTED,
            Align::Start,
        )
    })
}

fn panel(canvas: &Canvas<'_>, question: Question, group: &Group) -> Result<()> {
    let low = SMALLEST.log10();
    let across = Axis::new((low, 0.0), (LEFT, RIGHT), 4);
    let up = Axis::new((low, 0.0), (BOTTOM, TOP), 4);
    for power in (low as i32)..=0 {
        let value = f64::from(power);
        let label = format!("{} %", 100.0 * 10_f64.powi(power));
        canvas.line(vec![(LEFT, up.at(value)), (RIGHT, up.at(value))], RULE, 1)?;
        canvas.text(&label, (LEFT - 6, up.at(value)), 12, MUTED, Align::End)?;
        canvas.text(&label, (across.at(value), BOTTOM + 16), 12, MUTED, Align::Middle)?;
    }
    canvas.text("false-positive rate", (LEFT.midpoint(RIGHT), BOTTOM + 36), 12, MUTED, Align::Middle)?;
    canvas.dashes(vec![(LEFT, BOTTOM), (RIGHT, TOP)], MUTED)?;
    let log = |rate: f64| rate.max(SMALLEST).log10();
    let attacks = group.attacks.iter().filter(|attack| attack.question == question.name);
    for (number, attack) in attacks.enumerate() {
        let colour = SERIES[number % SERIES.len()];
        let Outcome { points, positives, .. } = &attack.outcome;
        let shown: Vec<[f64; 2]> = points.iter().copied().filter(|point| point[0] >= SMALLEST).collect();
        let line = |rate: &dyn Fn(&[f64; 2]) -> f64| -> Vec<(i32, i32)> {
            shown.iter().map(|point| (across.at(log(point[0])), up.at(log(rate(point))))).collect()
        };
        let ends = |end: usize| {
            move |point: &[f64; 2]| {
                let successes = (point[1] * *positives as f64).round() as usize;
                clopper_pearson(successes.min(*positives), *positives).map_or(point[1], |interval| interval[end])
            }
        };
        for end in [0, 1] {
            canvas.line(line(&ends(end)), RULE, 1)?;
        }
        canvas.line(line(&|point| point[1]), colour, 2)?;
    }
    Ok(())
}
