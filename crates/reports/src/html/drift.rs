//! Drift of models from Retrain over a sequence of requests.

use maud::html;

use super::{Section, picture, table};
use crate::drift::{self, Drift};
use crate::error::Result;
use crate::results::distinct;

/// Pictures and a table per sequence of requests.
pub(super) fn section(drift: Option<&Drift>) -> Result<Option<Section>> {
    let Some(drift) = drift else { return Ok(None) };
    let mut sequences = Vec::new();
    for group in drift.groups() {
        let mut pictures = Vec::new();
        for model in distinct(group.iter().map(|line| line.model())) {
            let lines: Vec<_> = group.iter().filter(|line| line.model() == model).copied().collect();
            let meaning = "average gap to Retrain, points; above the dashed line a full retrain is due";
            let svg = drift::picture(&lines, drift.threshold)?;
            pictures.push(picture(
                &model,
                meaning,
                &svg,
                &format!("Average gap over requests, {model}"),
                Some(&drift::grid(&lines)),
            ));
        }
        let longest = group.iter().max_by_key(|line| line.points.len());
        sequences.push(html! {
            h3 { (group[0].title()) }
            div.panels { @for picture in &pictures { (picture) } }
            (table(&drift::grid(&group), &format!("Drift over requests, {}", group[0].title())))
            ol.note { @for point in longest.into_iter().flat_map(|line| &line.points) { li { (point.forget) } } }
        });
    }
    let body = html! {
        p.note { (drift.note()) }
        @for sequence in &sequences { (sequence) }
    };
    Ok(Some(Section { title: "Drift over requests".to_owned(), body }))
}
