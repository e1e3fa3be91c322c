//! `table.tex`: the paper's table in LaTeX, with the rules of the package `booktabs`.
//!
//! The file is input by a document that loads `booktabs`, and `graphicx`, which makes tables fit that are wider than the text: `\input{table}`. Each forget set is one `table` with a caption and a label,
//! `tab:<suite>-<forget set>`. Every cell is mean ± half width of the 95 % interval, with the gap to Retrain in parentheses.

use std::fmt::Write as _;

use crate::results::Results;
use crate::summary::blocks;
use crate::sweep::slug;
use crate::table::{Grid, columns, note};

/// The file's content.
pub fn latex(results: &Results) -> String {
    let mut text = String::from("% Written by unlearn. Needs \\usepackage{booktabs,graphicx} in the preamble.\n");
    let mut labels: Vec<String> = Vec::new();
    let blocks = blocks(&results.rows);
    for block in &blocks {
        let grid = Grid::tall(block, &columns(block, &results.figures));
        let label = format!("tab:{}", slug(&format!("{} {}", results.suite, block.name(&blocks))));
        // Two forget sets may differ in characters that a label cannot hold.
        let same = labels.iter().filter(|known| **known == label).count();
        labels.push(label.clone());
        let label = if same == 0 { label } else { format!("{label}-{}", same + 1) };
        let alignment: String =
            (0..grid.head.len()).map(|column| if column < grid.names { 'l' } else { 'r' }).collect();
        let _ = writeln!(text, "\\begin{{table}}\n  \\centering\n  \\setlength{{\\belowcaptionskip}}{{6pt}}");
        let _ =
            writeln!(text, "  \\caption{{{}. {}}}", escaped(&block.title()), escaped(&note(block, &results.figures)));
        let _ = writeln!(
            text,
            "  \\label{{{label}}}\n  {FIT}{{%\n  \\begin{{tabular}}{{@{{}}{alignment}@{{}}}}\n    \\toprule"
        );
        let _ = writeln!(text, "    {} \\\\\n    \\midrule", row(&grid.head));
        for (position, line) in grid.lines.iter().enumerate() {
            // A method's models stand together, with a little space between methods.
            if position > 0 && grid.lines[position - 1][0] != line[0] {
                text.push_str("    \\addlinespace\n");
            }
            let _ = writeln!(text, "    {} \\\\", row(line));
        }
        text.push_str("    \\bottomrule\n  \\end{tabular}}\n\\end{table}\n");
    }
    text
}

/// Makes a table as wide as the text if it is wider.
const FIT: &str = "\\resizebox{\\ifdim\\width>\\textwidth\\textwidth\\else\\width\\fi}{!}";

fn row(cells: &[String]) -> String {
    cells.iter().map(|cell| escaped(cell)).collect::<Vec<_>>().join(" & ")
}

/// Text that LaTeX shows unchanged. Names from outside can neither end a cell nor be a command.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => safe.extend(['\\', character]),
            '\\' => safe.push_str("\\textbackslash{}"),
            // After the end of a row, these would be an argument or a variant of it.
            '[' | '*' => safe.extend(['{', character, '}']),
            '~' => safe.push_str("\\textasciitilde{}"),
            '^' => safe.push_str("\\textasciicircum{}"),
            '<' => safe.push_str("\\textless{}"),
            '>' => safe.push_str("\\textgreater{}"),
            '|' => safe.push_str("\\textbar{}"),
            '"' => safe.push_str("\\char34{}"),
            '±' => safe.push_str("$\\pm$"),
            '−' => safe.push_str("$-$"),
            '–' => safe.push_str("--"),
            '·' => safe.push_str("$\\cdot$"),
            '×' => safe.push_str("$\\times$"),
            '≤' => safe.push_str("$\\leq$"),
            '≥' => safe.push_str("$\\geq$"),
            '’' => safe.push('\''),
            other if other.is_control() => safe.push(' '),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_is_a_command() {
        for (text, safe) in [
            ("95 % omp", "95 \\% omp"),
            ("a_b & c", "a\\_b \\& c"),
            ("\\input{x}", "\\textbackslash{}input\\{x\\}"),
            ("1.0 ± 0.2", "1.0 $\\pm$ 0.2"),
            ("[2cm] *", "{[}2cm] {*}"),
            ("x^2~y\n", "x\\textasciicircum{}2\\textasciitilde{}y "),
        ] {
            assert_eq!(escaped(text), safe);
        }
    }
}
