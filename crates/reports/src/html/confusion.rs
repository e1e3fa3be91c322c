//! What each class is taken for, before and after unlearning.

use maud::{Markup, html};

use super::{Section, seeds};
use crate::results::RAW;
use crate::scored::{MOST_CLASSES, Scored};

/// For each forget set, pruning and method: the matrix before and after.
pub(super) fn section(scored: &[Scored]) -> Option<Section> {
    scored.first()?;
    if scored.iter().all(|scored| scored.tested.is_empty()) {
        let note = format!(
            "The data have more than {MOST_CLASSES} classes, too many for a page. The stored scores hold every answer."
        );
        return Some(Section { title: TITLE.to_owned(), body: html! { p.note { (note) } } });
    }
    let body = html! {
        p.note {
            "Rows are true classes, columns the classes that the model answers, in percent of the row. The rows above the line are the images to \
             forget; those below it are the test set, which leaves out a class that is forgotten as a whole."
        }
        @for block in scored.chunk_by(|one, other| one.title == other.title) {
            h3 { (block[0].title) }
            (seeds::one_by_one(block.chunk_by(|one, other| one.seed == other.seed).enumerate().map(|(at, of_seed)| {
                (of_seed[0].seed, html! {
                    @for (place, group) in of_seed.chunk_by(Scored::is_beside).enumerate() {
                        (models(group, (at, place) == (0, 0)))
                    }
                })
            })))
        }
    };
    Some(Section { title: TITLE.to_owned(), body })
}

const TITLE: &str = "What each class is taken for, before and after";

fn models(group: &[Scored], open: bool) -> Markup {
    let before = group.iter().find(|scored| scored.method == RAW);
    let others: Vec<&Scored> =
        group.iter().filter(|scored| scored.method != RAW && !scored.tested.is_empty()).collect();
    let first = others.iter().position(|scored| !scored.is_end()).unwrap_or(0);
    html! {
        @for (number, scored) in others.iter().enumerate() {
            details.chosen open[open && number == first] {
                summary { (scored.label()) }
                div.matrices {
                    @match before {
                        Some(before) => (matrix(before, "before")),
                        None => p.note { "The suite has no " code { "raw" } ", so the model before unlearning was not judged." },
                    }
                    (matrix(scored, "after"))
                }
            }
        }
    }
}

fn matrix(scored: &Scored, when: &str) -> Markup {
    let classes = scored.tested.len();
    let rows = |counts: &[Vec<usize>]| -> Vec<(usize, Vec<usize>)> {
        counts.iter().cloned().enumerate().filter(|(_, row)| row.iter().sum::<usize>() > 0).collect()
    };
    let (forgotten, tested) = (rows(&scored.forgotten), rows(&scored.tested));
    let sets = [("forget", &forgotten), ("test", &tested)];
    html! {
        div.scroll {
            table.matrix {
                caption { (when) ": " (scored.label()) ", " (scored.forget) ", seed " (scored.seed) }
                thead { tr { th.left scope="col" { "true class" } @for class in 0..classes { th scope="col" { (class) } } } }
                tbody {
                    @for (set, rows) in sets {
                        @for (number, (class, row)) in rows.iter().enumerate() {
                            tr class=[(set == "test" && number == 0).then_some("step")] {
                                th scope="row" { (set) " " (class) }
                                @let total = row.iter().sum::<usize>() as f64;
                                @for (answer, count) in row.iter().enumerate() {
                                    @let share = 100.0 * *count as f64 / total;
                                    @let right = (answer == *class).then_some("right");
                                    @if *count > 0 {
                                        td class=[right] style={ "--share:" (format!("{share:.0}")) } { (percent(share)) }
                                    } @else {
                                        td class=[right] {}
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Whole percents, and no rounding to all or nothing.
fn percent(share: f64) -> String {
    match share {
        share if share < 1.0 => "<1".to_owned(),
        share if share > 99.0 && share < 100.0 => ">99".to_owned(),
        share => format!("{share:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        assert_eq!([0.01, 0.9, 12.4, 99.0, 99.1, 100.0].map(percent), ["<1", "<1", "12", "99", ">99", "100"]);
    }
}
