//! CSV tables: a line of headings, then one sample of one model a line.
//!
//! Columns: `set` (`forget`, `retain`, `test`, `validation`; not needed if the file holds one set), `model` (needed for several),
//! `id`, `label`, `seen`, and `logit_0`, `logit_1`, …, or `probability_0`, …, or `margin`. Separators are commas, semicolons or
//! tabs.

use std::collections::BTreeMap;

use crate::arrays::{Array, Arrays, Elements};
use crate::error::Checked;

/// The columns of whole numbers, with the array that each becomes.
const WHOLE: [(&str, &str); 3] = [("label", "labels"), ("id", "ids"), ("seen", "seen")];

/// The beginnings of columns with scores, with the array that they become.
const SCORES: [(&str, &str); 2] = [("logit_", "logits"), ("probability_", "probabilities")];

const HEADINGS: &str = "headings are `label` and `logit_0`, `logit_1`, … or `probability_0`, …, or `margin` alone; `set` (forget, retain, \
                        test, validation), `model`, `id` and `seen` where they are needed";

/// One set of a table.
#[derive(Default)]
struct Rows {
    /// The models in the order in which they come, with their numbers of rows.
    models: Vec<(String, usize)>,
    scores: Vec<f64>,
    /// The whole numbers of every row, by array.
    whole: BTreeMap<&'static str, Vec<i64>>,
    lines: Vec<usize>,
}

pub(crate) fn read(text: &str) -> Checked<Arrays> {
    let first = text.lines().next().unwrap_or_default();
    let separator = [b',', b';', b'\t'].into_iter().max_by_key(|s| first.bytes().filter(|b| b == s).count());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator.unwrap_or(b','))
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headings = reader.headers().map_err(|error| error.to_string())?.clone();
    let column = |name: &str| headings.iter().position(|heading| heading == name);
    if let Some((at, twice)) = headings.iter().enumerate().find(|(at, name)| column(name) != Some(*at)) {
        return Err(format!(
            "line 1: column {} is the second with the heading `{}`; name each once",
            at + 1,
            twice.escape_debug()
        ));
    }
    let (array, columns) = scores_of(&headings)?;
    let [set, model] = [column("set"), column("model")];
    let whole: Vec<_> = WHOLE.iter().filter_map(|(name, array)| Some((column(name)?, *name, *array))).collect();
    let mut sets: BTreeMap<String, Rows> = BTreeMap::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{error}; every line has as many columns as the headings"))?;
        let line = record.position().map_or(0, |position| position.line() as usize);
        let cell = |at: usize| record.get(at).unwrap_or_default();
        let rows = sets.entry(set.map_or("", cell).to_owned()).or_default();
        let of_model = model.map_or("", cell);
        let known = rows.models.iter().position(|(known, _)| known == of_model);
        match known {
            Some(at) if at + 1 == rows.models.len() => rows.models[at].1 += 1,
            Some(_) => {
                return Err(format!(
                    "line {line}: model `{}` goes on after another model's rows; write the rows of each model of a set together",
                    of_model.escape_debug()
                ));
            }
            None => rows.models.push((of_model.to_owned(), 1)),
        }
        rows.lines.push(line);
        for &(at, ref heading) in &columns {
            let text = cell(at);
            let value: f64 = text
                .parse()
                .map_err(|_| format!("line {line}, column `{heading}`: `{}` is not a number", text.escape_debug()))?;
            rows.scores.push(value);
        }
        for &(at, name, array) in &whole {
            let text = cell(at);
            let value = text.parse().map_err(|_| {
                format!("line {line}, column `{name}`: `{}` is not a whole number", text.escape_debug())
            })?;
            rows.whole.entry(array).or_default().push(value);
        }
    }
    let mut arrays = Arrays::default();
    for (set, rows) in sets {
        rows.into_arrays(&set, (array, columns.len()), &mut arrays)?;
    }
    Ok(arrays)
}

/// The array that the columns of scores make, and these columns in their order.
fn scores_of(headings: &csv::StringRecord) -> Checked<(&'static str, Vec<(usize, String)>)> {
    let mut found: Vec<(&str, Vec<(usize, String)>)> = Vec::new();
    for (beginning, array) in SCORES {
        let mut numbered: Vec<(usize, usize, String)> = Vec::new();
        for (at, heading) in headings.iter().enumerate() {
            let number = heading.strip_prefix(beginning).and_then(|number| number.parse().ok());
            numbered.extend(number.map(|number| (number, at, heading.to_owned())));
        }
        numbered.sort();
        if let Some(missing) = (0..numbered.len()).find(|class| numbered[*class].0 != *class) {
            return Err(format!(
                "line 1: there is no column `{beginning}{missing}`; columns of scores are numbered from 0 without gaps"
            ));
        }
        if !numbered.is_empty() {
            found.push((array, numbered.into_iter().map(|(_, at, heading)| (at, heading)).collect()));
        }
    }
    if let Some(at) = headings.iter().position(|heading| heading == "margin") {
        found.push(("margins", vec![(at, "margin".to_owned())]));
    }
    match <[_; 1]>::try_from(found) {
        Ok([(array, columns)]) => Ok((
            match array {
                "logits" => "logits",
                "margins" => "margins",
                _ => "probabilities",
            },
            columns,
        )),
        Err(found) if found.is_empty() => Err(format!("line 1: there is no column of scores; {HEADINGS}")),
        Err(found) => {
            let names: Vec<_> = found.iter().map(|(array, _)| *array).collect();
            Err(format!("line 1: there are columns of {}; keep one of them", names.join(" and of ")))
        }
    }
}

impl Rows {
    fn into_arrays(self, set: &str, (array, columns): (&str, usize), arrays: &mut Arrays) -> Checked<()> {
        let Self { models, scores, whole, lines } = self;
        let (samples, count) = (models[0].1, models.len());
        let among = if set.is_empty() { String::new() } else { format!(" in the set `{}`", set.escape_debug()) };
        if let Some((model, rows)) = models.iter().find(|(_, rows)| *rows != samples) {
            return Err(format!(
                "model `{}` has {rows} rows{among}, and model `{}` has {samples}; score the same samples by every model",
                model.escape_debug(),
                models[0].0.escape_debug()
            ));
        }
        let name = |array: &str| if set.is_empty() { array.to_owned() } else { format!("{set}_{array}") };
        let mut shape = if count > 1 { vec![count, samples] } else { vec![samples] };
        for (array, values) in whole {
            if array == "seen" {
                let array = Array { shape: vec![count, samples], elements: Elements::Integers(values) };
                arrays.named.insert(name("seen"), array);
                continue;
            }
            let (first, others) = values.split_at(samples);
            if let Some(at) = others.iter().enumerate().position(|(at, value)| *value != first[at % samples]) {
                return Err(format!(
                    "line {}: the {} is {}, but {} in line {} of the first model; write the same samples in the same order for every model",
                    lines[samples + at],
                    array.trim_end_matches('s'),
                    others[at],
                    first[at % samples],
                    lines[at % samples]
                ));
            }
            let array_of = Array { shape: vec![samples], elements: Elements::Integers(first.to_vec()) };
            arrays.named.insert(name(array), array_of);
        }
        if array != "margins" {
            shape.push(columns);
        }
        arrays.named.insert(name(array), Array { shape, elements: Elements::Floats(scores) });
        arrays.lines.insert(set.to_owned(), lines);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_arrays_by_set_and_model() {
        let text = "set;model;label;logit_1;logit_0\nforget;a;1;2.5;1\nforget;b;1;4;3\ntest;a;0;0;1e-3\ntest;b;0;1;1\n";
        let arrays = read(text).unwrap();
        let logits = Array { shape: vec![2, 1, 2], elements: Elements::Floats(vec![1.0, 2.5, 3.0, 4.0]) };
        assert_eq!(arrays.named["forget_logits"], logits);
        let labels = Array { shape: vec![1], elements: Elements::Integers(vec![0]) };
        assert_eq!(arrays.named["test_labels"], labels);
        let alone = read("margin\n0.5\n-1\n").unwrap();
        assert_eq!(alone.named["margins"].shape, [2]);
    }

    #[test]
    fn a_table_that_is_not_understood_is_refused_with_its_line() {
        for (text, says) in [
            ("label,logit_0,logit_1\n1,2,x\n", "line 2, column `logit_1`: `x` is not a number"),
            ("label,logit_0,logit_1\n1.5,2,3\n", "line 2, column `label`: `1.5` is not a whole number"),
            ("label,logit_0,logit_2\n1,2,3\n", "no column `logit_1`"),
            ("label,score\n1,2\n", "no column of scores"),
            ("label,logit_0,logit_1,probability_0\n1,2,3,4\n", "columns of logits and of probabilities"),
            ("label,label,margin\n1,2,3\n", "second with the heading `label`"),
            ("model,label,margin\na,1,0\nb,2,0\n", "line 3: the label is 2, but 1 in line 2"),
            ("model,margin\na,0\na,0\nb,0\n", "model `b` has 1 rows, and model `a` has 2"),
            ("model,margin\na,0\nb,0\na,0\n", "line 4: model `a` goes on"),
            ("label,margin\n1\n", "line: 2"),
        ] {
            let problem = read(text).unwrap_err();
            assert!(problem.contains(says), "{problem}");
        }
    }
}
