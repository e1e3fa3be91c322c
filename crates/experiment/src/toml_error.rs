//! Messages of faults in a TOML text, at the line of the key that is at fault.
//!
//! The crate `toml` knows the line of a fault in a plain table. For tables whose keys are read together (`[[forget]]`), it only knows the
//! line of the first heading. But the message names the key or the value, which is looked for in all tables of this heading. If it is there
//! more than once, the heading has to do.

use crate::suite::with_nearest;

/// The message for `error` in `text`, with the line at fault and the nearest valid name.
pub(crate) fn message(text: &str, error: &toml::de::Error) -> String {
    let plain = || with_nearest(error.to_string().trim());
    let Some(start) = error.span().map(|span| span.start).filter(|start| *start <= text.len()) else { return plain() };
    let Some(heading) = text.get(..start).map(|before| before.matches('\n').count()) else { return plain() };
    match below(text, heading, error.message()) {
        Some((number, line)) => {
            let (number, line) = (number + 1, line.trim_end());
            let margin = " ".repeat(number.to_string().len());
            let carets = "^".repeat(line.trim_start().chars().count());
            let indent = &line[..line.len() - line.trim_start().len()];
            let column = indent.chars().count() + 1;
            format!(
                "TOML parse error at line {number}, column {column}\n{margin} |\n{number} | {line}\n{margin} | {indent}{carets}\n{}",
                with_nearest(error.message())
            )
        }
        None => plain(),
    }
}

/// The only line of the key or the value that a message quotes first, in the tables whose heading is in line `heading` (from 0) and in later
/// ones of the same heading. What a message quotes later is what it expects.
fn below<'a>(text: &'a str, heading: usize, message: &str) -> Option<(usize, &'a str)> {
    let word = message.split('`').nth(1).filter(|_| !message.starts_with("missing"))?;
    let is_heading = |line: &str| line.trim_start().starts_with('[');
    let wanted = text.lines().nth(heading).filter(|line| is_heading(line))?.trim();
    let mut within = false;
    let key = |word: &str, line: &str| {
        let rest = line.trim_start();
        let rest = rest.strip_prefix(word).or_else(|| rest.strip_prefix('"')?.strip_prefix(word)?.strip_prefix('"'));
        rest.is_some_and(|rest| rest.trim_start().starts_with('='))
    };
    let value = format!("\"{word}\"");
    let mut found = text.lines().enumerate().skip(heading).filter(|(_, line)| {
        if is_heading(line) {
            within = line.trim() == wanted;
            return false;
        }
        within && (key(word, line) || line.contains(&value))
    });
    let first = found.next()?;
    found.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use crate::Suite;

    const HEAD: &str = "[suite]\nname = \"x\"\nseeds = [1]\n[data]\nname = \"digits\"\n[model]\narch = \"resnet8s\"\n[train]\nepochs = 1\n";

    fn refused(rest: &str) -> String {
        let text = format!("{HEAD}{rest}");
        Suite::parse(&text, std::path::Path::new("a.toml"), &[]).unwrap_err().to_string()
    }

    #[test]
    fn a_fault_in_a_repeated_table_is_shown_at_its_own_line() {
        for (table, line, what) in [
            (
                "[[forget]]\nkind = \"class\"\nclasses = [0]\n",
                "12 | classes = [0]\n   | ^^^^^^^^^^^^^\n",
                "did you mean `class`",
            ),
            ("[[forget]]\nkind = \"clas\"\n", "11 | kind = \"clas\"\n", "did you mean `class`"),
            (
                "[[forget]]\nkind = \"random\"\n\n  fractoin = 0.1\n",
                "13 |   fractoin = 0.1\n   |   ^^^^^^^^^^^^^^\n",
                "`fraction`",
            ),
            (
                "[[forget]]\nkind = \"class\"\nclass = 0\n[[forget]]\nkind = \"class\"\nclas = 0\n",
                "15 | clas = 0\n",
                "`class`",
            ),
        ] {
            let message = refused(table);
            assert!(message.contains(line) && message.contains(what), "{message}");
        }
        // What is missing has no line, and of two equal keys either may be at fault.
        let twice = "[[forget]]\nkind = \"class\"\nclass = 0\n[[forget]]\nkind = \"random\"\nclass = 0\n";
        for table in ["[[forget]]\nkind = \"class\"\n", twice] {
            let message = refused(table);
            assert!(message.contains("10 | [[forget]]"), "{message}");
        }
    }
}
