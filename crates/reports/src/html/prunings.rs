//! What each pruning kept of the network.

use maud::{Markup, html};

use super::{Section, picture};
use crate::density::{Densities, densities};
use crate::error::Result;
use crate::prunings::Pruning;
use crate::table::figure;

/// Table and pictures for each model.
pub(super) fn section(prunings: &[Pruning]) -> Result<Option<Section>> {
    if prunings.is_empty() {
        return Ok(None);
    }
    let gathered = densities(prunings);
    let mut models = Vec::new();
    for model in &gathered {
        let mut pictures = Vec::new();
        for method in model.methods() {
            let meaning = "share of the parameters kept in each layer; a line for each sparsity";
            let svg = model.picture(method)?;
            pictures.push(picture(
                method,
                meaning,
                &svg,
                &format!("Density by layer of {method}"),
                Some(&model.numbers(method)),
            ));
        }
        models.push(html! {
            @if gathered.len() > 1 { h3 { (model.arch) " on " (model.dataset) } }
            div.panels { @for picture in &pictures { (picture) } }
            (kept(model))
        });
    }
    let body = html! {
        @for model in &models { (model) }
        p.note {
            "The table covers the layers that pruning covers. Parameters kept are weights that are not pruned. Operations kept are the \
             multiply-accumulates of a forward pass that use such a weight. Both are means over seeds. results.json has the density of every \
             layer and seed."
        }
    };
    Ok(Some(Section { title: "What pruning left".to_owned(), body }))
}

fn kept(model: &Densities) -> Markup {
    html! {
        div.scroll {
            table.narrow {
                caption { "What pruning left" }
                thead { tr { th.left scope="col" { "Model" } th scope="col" { "Parameters kept, %" } th scope="col" { "Operations kept, %" } } }
                @for method in model.methods() {
                    tbody {
                        @for line in model.lines.iter().filter(|line| line.variant.pruning == method) {
                            tr {
                                th scope="row" { (line.variant.label()) }
                                td { (format!("{:.2}", line.parameters.mean)) }
                                td { (figure(&line.operations)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
