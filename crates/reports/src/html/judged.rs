//! The page on models that were judged by their scores.

use maud::html;
use unlearn_mia_eval::pool::Question;

use super::{Section, document, picture, table};
use crate::error::Result;
use crate::judged::Judged;
use crate::pool::{Group, heading};
use crate::roc;

/// One self-contained page.
///
/// # Errors
/// [`crate::ReportError::Plot`].
pub fn judged(judged: &Judged) -> Result<String> {
    let head = html! {
        p.kicker { "Machine unlearning · judged by scores" }
        h1 { (judged.source) }
        p.note { (judged.facts()) @if let Some(retrain) = &judged.retrain { "; Retrain: " (retrain) } }
    };
    let mut sections = Vec::new();
    let figures = judged.figures_grid();
    if !figures.lines.is_empty() {
        let meanings = judged.registry.iter().filter(|figure| judged.figures.contains_key(figure.name.as_ref()));
        let body = html! {
            (table(&figures, "Figures of the judged model"))
            details {
                summary { "What the figures mean" }
                ul { @for figure in meanings { li { b { (figure.label) } ": " (figure.meaning) } } }
            }
        };
        sections.push(Section { title: "Figures".into(), body });
    }
    let attacks = judged.pool_grid();
    if !attacks.lines.is_empty() {
        let group = Group {
            method: "judged models".into(),
            pruning: "none".into(),
            sparsity: 0.0,
            attacks: judged.pool_attacks.clone(),
            comparisons: Vec::new(),
        };
        let mut curves = Vec::new();
        for question in [Question::UNLEARNING, Question::MEMBERSHIP] {
            if group.attacks.iter().any(|attack| attack.question == question.name) {
                curves.push((heading(question), roc::page(heading(question), question, &[&group])?));
            }
        }
        let body = html! {
            (table(&attacks, "Attacks with a pool of models"))
            @for (title, svg) in &curves { (picture(title, "ROC curves on logarithmic axes", svg, title, Some(&attacks))) }
        };
        sections.push(Section { title: "Attacks with a pool of models".into(), body });
    }
    let comparisons = judged.comparisons_grid();
    if !comparisons.lines.is_empty() {
        sections.push(Section {
            title: "Unlearned against retrained models".into(),
            body: table(&comparisons, "Unlearned against retrained models"),
        });
    }
    let body = html! {
        @for line in judged.legend() { p.note { (line) } }
        @if !judged.undefined.is_empty() {
            h3 { "Not computed" }
            ul { @for entry in &judged.undefined { li { (entry.name) ": " (entry.reason) } } }
        }
        @for note in &judged.notes { p.note { (note) } }
    };
    sections.push(Section { title: "Notes".into(), body });
    Ok(document(&judged.source, &head, &sections))
}
