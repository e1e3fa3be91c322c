//! Tables of the page: a caption, headers with their scope, and marks for the script that sorts and filters.

use maud::{Markup, html};

use crate::table::Grid;

/// Least number of rows for which sorting helps.
const LEAST: usize = 3;

/// A grid as a table that can be sorted. Its first column names the rows. `caption` says what it shows.
pub(super) fn table(grid: &Grid, caption: &str) -> Markup {
    filtered(grid, caption, &[], |_| false)
}

/// The same, and the script offers a filter for each column of `filters`. A row for which `begins` holds begins a group.
pub(super) fn filtered(grid: &Grid, caption: &str, filters: &[&str], begins: impl Fn(usize) -> bool) -> Markup {
    let class = |column: usize| (column < grid.names).then_some("left");
    let filter = |name: &String| filters.contains(&name.as_str()).then_some("");
    let sortable = (grid.lines.len() >= LEAST).then_some("");
    html! {
        div.scroll {
            table data-sortable=[sortable] {
                caption { (caption) }
                thead {
                    tr {
                        @for (column, text) in grid.head.iter().enumerate() {
                            th scope="col" class=[class(column)] data-filter=[filter(text)] { (text) }
                        }
                    }
                }
                tbody {
                    @for (position, line) in grid.lines.iter().enumerate() {
                        tr class=[begins(position).then_some("step")] {
                            @for (column, text) in line.iter().enumerate() {
                                @if column == 0 {
                                    th.left scope="row" { (text) }
                                } @else {
                                    td class=[class(column)] { (value(text)) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A cell's text, with what stands in parentheses at its end (a gap to Retrain) smaller.
fn value(text: &str) -> Markup {
    match text.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        Some((value, gap)) if gap.parse::<f64>().is_ok() => html! { (value) " " small { "(" (gap) ")" } },
        _ => html! { (text) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(lines: &[[&str; 2]]) -> Grid {
        let words = |line: &[&str; 2]| line.map(str::to_owned).to_vec();
        Grid { head: words(&["Method", "UA"]), names: 1, lines: lines.iter().map(words).collect() }
    }

    #[test]
    fn a_table_says_what_it_shows_and_which_header_heads_what() {
        let lines = [["ft", "1.00 (0.20)"], ["<ga>", "2.00"], ["iu", "few (or none)"]];
        let html = filtered(&grid(&lines), "UA & <more>", &["Method"], |row| row == 1).into_string();
        for part in [
            "<table data-sortable=\"\"><caption>UA &amp; &lt;more&gt;</caption>",
            "<th scope=\"col\" class=\"left\" data-filter=\"\">Method</th><th scope=\"col\">UA</th>",
            "<tr><th class=\"left\" scope=\"row\">ft</th><td>1.00 <small>(0.20)</small></td></tr>",
            "<tr class=\"step\"><th class=\"left\" scope=\"row\">&lt;ga&gt;</th>",
            "<td>few (or none)</td>",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!table(&grid(&lines[..2]), "short").into_string().contains("data-sortable"));
    }
}
