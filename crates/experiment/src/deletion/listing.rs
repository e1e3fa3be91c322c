//! The list of a request: which training images are to be forgotten, one JSON value a line, `17` or `{"id": 17}`.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::Setting;
use crate::{Error, Result};

/// An image that is to be forgotten, and the line that names it, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listed {
    line: usize,
    id: i64,
}

/// Reads a list and holds it against what the model was trained on; the positions, ascending.
///
/// # Errors
/// A file that cannot be read, a line that names no image, none at all, an image named twice, one that the model was not trained
/// on or was asked to forget before, or all that it was trained on.
pub(super) fn read(path: &Path, setting: &Setting) -> Result<Vec<u32>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
        action: "read the request",
        path: path.into(),
        source,
    })?;
    check(&parse(&text, path)?, path, setting)
}

fn parse(text: &str, path: &Path) -> Result<Vec<Listed>> {
    let lines = (1..).zip(text.lines()).filter(|(_, text)| !text.trim().is_empty());
    let listed = lines.map(|(line, text)| {
        let reason = || format!("`{}` is neither a whole number nor {{\"id\": number}}", text.trim());
        let id = id(text).ok_or_else(|| Error::deletion(at(path, line), reason()))?;
        Ok(Listed { line, id })
    });
    listed.collect()
}

fn id(text: &str) -> Option<i64> {
    match serde_json::from_str(text).ok()? {
        Value::Number(number) => number.as_i64(),
        Value::Object(object) if object.len() == 1 => object.get("id")?.as_i64(),
        _ => None,
    }
}

fn at(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

fn check(listed: &[Listed], path: &Path, setting: &Setting) -> Result<Vec<u32>> {
    let Setting { dataset, split, forgotten, .. } = setting;
    let images = dataset.train.len();
    let mut lines = BTreeMap::new();
    for Listed { line, id } in listed.iter().copied() {
        let refuse = |reason: String| Err(Error::deletion(at(path, line), reason));
        let Some(position) = u32::try_from(id).ok().filter(|position| (*position as usize) < images) else {
            let last = images.saturating_sub(1);
            return refuse(format!(
                "there is no image {id}: the training set of {} has {images} (0 to {last})",
                dataset.name
            ));
        };
        if let Some(first) = lines.insert(position, line) {
            return refuse(format!("image {position} is named in line {first} already; name each once"));
        }
        if split.train.binary_search(&position).is_err() {
            let why = if split.validation.binary_search(&position).is_ok() {
                "it lies in the validation split"
            } else {
                "`train-limit` leaves it out"
            };
            return refuse(format!("the model was never trained on image {position}: {why}; take the line out"));
        }
        if forgotten.binary_search(&position).is_ok() {
            return refuse(format!("the model was asked to forget image {position} before; take the line out"));
        }
    }
    if lines.is_empty() {
        return Err(Error::deletion(
            path.display(),
            "names no image; write one position (or {\"id\": position}) a line",
        ));
    }
    if lines.len() + forgotten.len() == split.train.len() {
        let reason = "nothing would be left to retain: the request names all that the model was trained on; train a new \
                      model on other data instead";
        return Err(Error::deletion(path.display(), reason));
    }
    Ok(lines.into_keys().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deletion::statement::tests::setting;

    fn positions(text: &str, setting: &Setting) -> Result<Vec<u32>> {
        let path = Path::new("ids.jsonl");
        parse(text, path).and_then(|listed| check(&listed, path, setting))
    }

    #[test]
    fn numbers_and_objects_name_positions() {
        let setting = setting();
        let [a, b, c] = [0, 5, 9].map(|i| setting.split.train[i]);
        assert_eq!(positions(&format!("{b}\n\n {{\"id\": {c}}} \n{a}"), &setting).unwrap(), [a, b, c]);
    }

    #[test]
    fn what_cannot_be_forgotten_is_refused_with_its_line() {
        let mut setting = setting();
        let trained = setting.split.train[7];
        let held_out = setting.split.validation[0];
        let left_out = (0..8000).find(|p| {
            setting.split.train.binary_search(p).is_err() && setting.split.validation.binary_search(p).is_err()
        });
        let refusal = |text: &str, setting: &Setting| {
            let error = positions(text, setting).unwrap_err();
            assert!(error.is_usage());
            error.to_string()
        };
        for (text, words) in [
            (String::new(), ["ids.jsonl: names no image", "one position"]),
            ("seven".into(), ["ids.jsonl:1: `seven` is neither", "{\"id\": number}"]),
            ("{\"id\": 1, \"name\": 2}".into(), ["ids.jsonl:1", "neither"]),
            (format!("{trained}\n8000"), ["ids.jsonl:2: there is no image 8000", "8000 (0 to 7999)"]),
            ("-1".into(), ["ids.jsonl:1", "no image -1"]),
            (format!("{trained}\n\n{{\"id\":{trained}}}"), ["ids.jsonl:3", "named in line 1 already"]),
            (format!("{held_out}"), ["ids.jsonl:1", "lies in the validation split"]),
            (format!("{}", left_out.unwrap()), ["ids.jsonl:1", "`train-limit` leaves it out"]),
        ] {
            let message = refusal(&text, &setting);
            assert!(words.iter().all(|word| message.contains(word)), "{words:?} in {message}");
        }
        let all: Vec<String> = setting.split.train.iter().map(ToString::to_string).collect();
        assert!(refusal(&all.join("\n"), &setting).contains("nothing would be left to retain"));
        setting.forgotten = vec![trained];
        assert!(refusal(&format!("{trained}"), &setting).contains("ids.jsonl:1: the model was asked to forget"));
        let rest: Vec<String> = all.into_iter().filter(|id| *id != trained.to_string()).collect();
        assert!(refusal(&rest.join("\n"), &setting).contains("nothing would be left to retain"));
    }
}
