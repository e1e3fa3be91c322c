//! The list of a request: which images to forget, checked against what the model was trained on.

use std::{collections::BTreeSet, path::Path};

use unlearn::parts::{History, Trained};
use unlearn_samples::positions::{self, Listed};

use super::Setting;
use crate::{Error, Result};

/// Reads a list and checks it against what the model was trained on. Returns the positions in ascending order.
///
/// # Errors
/// If the file cannot be read, or is not a list of positions, or is empty. If an image is listed twice, was not used
/// in training, or was already requested earlier. If the list holds all images of the training.
pub(super) fn read(path: &Path, setting: &Setting) -> Result<Vec<u32>> {
    let listed = positions::read(path).map_err(|error| Error::deletion("--request", error))?;
    check(&listed, path, setting)
}

fn check(listed: &[Listed], path: &Path, setting: &Setting) -> Result<Vec<u32>> {
    let Trained { dataset, split, history: History { forgotten, .. } } = &setting.trained;
    let images = dataset.train.len();
    let mut ids = BTreeSet::new();
    for Listed { position: id, place } in listed.iter().copied() {
        let refuse = |reason: String| Err(Error::deletion(place.in_file(path), reason));
        let Some(position) = u32::try_from(id).ok().filter(|position| (*position as usize) < images) else {
            let last = images.saturating_sub(1);
            return refuse(format!(
                "there is no image {id}: the training set of {} has {images} (0 to {last})",
                dataset.name
            ));
        };
        ids.insert(position);
        if split.train.binary_search(&position).is_err() {
            let why = if split.validation.binary_search(&position).is_ok() {
                "it is in the validation split"
            } else {
                "`train-limit` leaves it out"
            };
            return refuse(format!("the model was never trained on image {position}: {why}; take the line out"));
        }
        if forgotten.binary_search(&position).is_ok() {
            return refuse(format!("the model was asked to forget image {position} before; take the line out"));
        }
    }
    if ids.is_empty() {
        return Err(Error::deletion(
            path.display(),
            "names no image; write one position (or {\"id\": position}) a line",
        ));
    }
    if ids.len() + forgotten.len() == split.train.len() {
        let reason = "nothing would be left to retain: the request names every image that the model was trained on; train a new \
                      model on other data instead";
        return Err(Error::deletion(path.display(), reason));
    }
    Ok(ids.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deletion::statement::tests::setting;

    fn positions(text: &str, setting: &Setting) -> Result<Vec<u32>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path, setting)
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
            ("seven".into(), ["ids.jsonl:1: `seven` is neither", "{\"id\": position}"]),
            ("{\"id\": 1, \"name\": 2}".into(), ["ids.jsonl:1", "`name` is not known"]),
            (format!("{trained}\n8000"), ["ids.jsonl:2: there is no image 8000", "8000 (0 to 7999)"]),
            ("-1".into(), ["ids.jsonl:1", "no image -1"]),
            (format!("{trained}\n\n{{\"id\":{trained}}}"), ["ids.jsonl:3", "named in line 1 already"]),
            (format!("{held_out}"), ["ids.jsonl:1", "is in the validation split"]),
            (format!("{}", left_out.unwrap()), ["ids.jsonl:1", "`train-limit` leaves it out"]),
        ] {
            let message = refusal(&text, &setting);
            assert!(words.iter().all(|word| message.contains(word)), "{words:?} in {message}");
        }
        let all: Vec<String> = setting.split.train.iter().map(ToString::to_string).collect();
        assert!(refusal(&all.join("\n"), &setting).contains("nothing would be left to retain"));
        setting.history.forgotten = vec![trained];
        assert!(refusal(&format!("{trained}"), &setting).contains("ids.jsonl:1: the model was asked to forget"));
        let rest: Vec<String> = all.into_iter().filter(|id| *id != trained.to_string()).collect();
        assert!(refusal(&rest.join("\n"), &setting).contains("nothing would be left to retain"));
    }
}
