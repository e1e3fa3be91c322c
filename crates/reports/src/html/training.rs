//! Training curves.

use maud::{Markup, html};

use super::{Section, picture};
use crate::curves::{Curve, FIGURES, lines, numbers, readable};
use crate::error::Result;

/// Curves of the trained and pruned models, and separately of the Retrain models.
pub(super) fn section(curves: &[Curve]) -> Result<Option<Section>> {
    let shown = readable(curves);
    let (retrained, trained): (Vec<&Curve>, Vec<&Curve>) = shown.iter().partition(|curve| curve.retrain);
    let (trained, retrained) = (panels(&trained, "")?, panels(&retrained, " of Retrain")?);
    if trained.is_none() && retrained.is_none() {
        return Ok(None);
    }
    let body = html! {
        @if shown.len() < curves.len() {
            p.note {
                "The suite has too many models for one picture. It shows dense training and, for each pruning method, the sparsity closest \
                 to 95 %. A pruning in rounds shows its last round."
            }
        }
        @for panels in trained.iter().chain(&retrained) { div.panels { (panels) } }
    };
    Ok(Some(Section { title: "How the models were trained".to_owned(), body }))
}

fn panels(curves: &[&Curve], whose: &str) -> Result<Option<Markup>> {
    let mut pictures = Vec::new();
    for (figure, heading) in FIGURES {
        if let Some(svg) = lines(curves, figure)? {
            // The unit comes last.
            let (what, unit) =
                heading.split_once(", ").map_or((heading, String::new()), |(what, unit)| (what, format!(", {unit}")));
            let heading = format!("{what}{whose}{unit}");
            let numbers = numbers(curves, figure);
            pictures.push(picture(&heading, "", &svg, &format!("{heading} by epoch"), Some(&numbers)));
        }
    }
    Ok((!pictures.is_empty()).then(|| html! { @for picture in &pictures { (picture) } }))
}
