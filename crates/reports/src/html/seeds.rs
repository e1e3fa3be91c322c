//! What differs from seed to seed: the first seed is open, and the reader opens the others.

use maud::{Markup, html};

use crate::scored::MOST_SEEDS;

/// The bodies of the seeds. A single one stands by itself, with a note of its seed.
pub(super) fn one_by_one(bodies: impl Iterator<Item = (u64, Markup)>) -> Markup {
    let bodies: Vec<(u64, Markup)> = bodies.collect();
    html! {
        @if let [(seed, body)] = &bodies[..] {
            p.note { "Seed " (seed) "." }
            (body)
        } @else {
            @for (number, (seed, body)) in bodies.iter().enumerate() {
                details.chosen open[number == 0] { summary { "Seed " (seed) } (body) }
            }
            @if bodies.len() == MOST_SEEDS { p.note { "At most " (MOST_SEEDS) " seeds are shown." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(seeds: &[u64]) -> String {
        one_by_one(seeds.iter().map(|seed| (*seed, html! { i { "body " (seed) } }))).into_string()
    }

    #[test]
    fn one_seed_is_open_and_the_others_can_be_opened() {
        assert_eq!(shown(&[7]), "<p class=\"note\">Seed 7.</p><i>body 7</i>");
        let two = shown(&[7, 3]);
        assert!(
            two.starts_with("<details class=\"chosen\" open><summary>Seed 7</summary><i>body 7</i></details>"),
            "{two}"
        );
        assert!(two.ends_with("<details class=\"chosen\"><summary>Seed 3</summary><i>body 3</i></details>"), "{two}");
        assert!(shown(&[1, 2, 3, 4, 5]).contains("At most 5 seeds"));
    }
}
