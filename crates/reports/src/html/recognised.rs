//! Pictures of what was forgotten, and of what is still recognised.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use maud::{Markup, html};

use super::Section;
use crate::details::{Details, Recognised};

/// For each forget set and pruning: a table with the pictures as columns and the methods as rows. Without pictures, a sentence says how
/// to get them.
pub(super) fn section(details: &Details, suite: &str) -> Option<Section> {
    if details.scored.is_empty() {
        return None;
    }
    let body = match &details.recognised {
        None => html! {
            p.note {
                "No pictures were asked for. A page with pictures is a copy of data that were to be forgotten, so it is made only on request: "
                code { "unlearn report " (suite) " --out DIR --pictures" } "."
            }
        },
        Some(groups) => html! {
            p.note {
                "These are models of the first seed. Each column is a training image of the forget set, with its true class. A cell holds the class that a method's model answers. "
                b { "Bold" } " cells are right: that model still recognises the image. Retrain never saw these images; what it recognises is \
                 what can be known without them."
            }
            @for (number, group) in groups.iter().enumerate() {
                @if number == 0 || groups[number - 1].title != group.title { h3 { (group.title) } }
                (pictures(group))
            }
        },
    };
    Some(Section { title: "Pictures of what was forgotten".to_owned(), body })
}

fn pictures(group: &Recognised) -> Markup {
    let class = |class: u32| group.classes.get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let what = if group.still { "Still recognised by the most methods" } else { "Recognised by the fewest methods" };
    html! {
        div.scroll {
            table.samples {
                caption { (what) ", " (group.variant) }
                thead {
                    tr {
                        th.left scope="col" { "Method" }
                        @for ((position, label), image) in group.samples.iter().zip(&group.images) {
                            th scope="col" {
                                img src={ "data:image/png;base64," (BASE64_STANDARD.encode(image)) } alt={ "training image " (position) };
                                (class(*label))
                            }
                        }
                    }
                }
                tbody {
                    @for (method, answers) in &group.answers {
                        tr {
                            th scope="row" { (method) }
                            @for (answer, (_, label)) in answers.iter().zip(&group.samples) {
                                td class=(if answer == label { "yes" } else { "no" }) {
                                    (class(*answer)) @if answer == label { span.sr { " (right)" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
