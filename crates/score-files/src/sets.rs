//! Scores of one or several models on the sets of a request, checked once.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use unlearn_metrics::Scores;

use crate::arrays::{Array, Arrays, Elements, SCORES};
use crate::error::{Checked, Error, Result};

/// The most by which the sum of a row of probabilities may differ from 1: half precision rounds by as much.
const SUM: f64 = 2e-3;
/// What a probability of 0 counts as: the least normal number of single precision.
const LEAST: f64 = f32::MIN_POSITIVE as f64;

/// A set of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// The samples to forget.
    Forget,
    /// The samples that stay.
    Retain,
    /// The test set.
    Test,
    /// The validation set.
    Validation,
}

impl Role {
    /// All sets.
    pub const ALL: [Self; 4] = [Self::Forget, Self::Retain, Self::Test, Self::Validation];

    /// What its arrays' names begin with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forget => "forget",
            Self::Retain => "retain",
            Self::Test => "test",
            Self::Validation => "validation",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Scores of one or several models on one set.
#[derive(Debug, Clone, PartialEq)]
pub struct SetScores {
    /// Number of models, at least 1.
    pub models: usize,
    /// Number of samples, at least 1.
    pub samples: usize,
    /// φ, the log-odds of the true class, which is the margin: `[models, samples]`.
    pub margins: Vec<f64>,
    /// The position of every sample in its data set, if the file says so.
    pub ids: Option<Vec<u32>>,
    /// What each model had of each sample, `[models, samples]`: 0 never saw it, 1 trained with it, 2 unlearned it.
    pub seen: Option<Vec<u8>>,
    /// One per model. Empty if there are margins alone.
    pub scores: Vec<Scores>,
}

/// Scores of one or several models on the sets of a request. All sets have the same models and classes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ScoreSets {
    /// The sets that were given.
    pub sets: Vec<(Role, SetScores)>,
    /// What the reader should know, such as arrays that are not read.
    pub notes: Vec<String>,
    /// The files.
    pub paths: Vec<PathBuf>,
}

impl ScoreSets {
    /// Reads a file with the scores on several sets.
    ///
    /// # Errors
    /// If the file cannot be read, an array is missing or contradicts another, or a value cannot be one of its kind. The error
    /// says which file, array and row, and the fix.
    pub fn read(path: &Path) -> Result<Self> {
        let arrays = Arrays::read(path)?;
        let mut read = Self { paths: vec![path.to_owned()], ..Self::default() };
        let (mut used, mut found) = (BTreeSet::new(), Vec::new());
        for role in Role::ALL {
            let set = Source { path, arrays: &arrays, role, bare: false };
            found.extend(set.scores(&mut used, &mut read.notes)?.map(|set| (role, set)));
        }
        if found.is_empty() {
            let apart = SCORES.iter().any(|scores| arrays.named.contains_key(*scores));
            let fix = if apart {
                "it holds the scores of one set without its name; give the sets as `--forget FILE --retain FILE --test FILE`"
            } else {
                "name the arrays `forget_logits` (or `forget_probabilities`, or `forget_margins`) and `forget_labels`, and those of the \
                 other sets `retain_…` and `test_…`; in a table, a column `set` names the set"
            };
            return Err(Error::content(path, format!("it has no scores of a set: it holds {}; {fix}", arrays.names())));
        }
        read.note_unread(path, &arrays, &used);
        for (role, set) in found {
            read.add(role, set, path)?;
        }
        Ok(read)
    }

    /// Reads files with the scores on one set each.
    ///
    /// # Errors
    /// As [`ScoreSets::read`].
    pub fn read_apart(files: &[(Role, &Path)]) -> Result<Self> {
        let mut read = Self::default();
        for &(role, path) in files {
            let arrays = Arrays::read(path)?;
            let mut used = BTreeSet::new();
            let set = Source { path, arrays: &arrays, role, bare: true };
            let found = set.scores(&mut used, &mut read.notes)?;
            let found = found.ok_or_else(|| {
                let fix = format!("name the arrays `logits` (or `probabilities`, or `margins`) and `labels`, or `{role}_logits` and so on");
                Error::content(path, format!("it has no scores of the {role} set: it holds {}; {fix}", arrays.names()))
            })?;
            read.note_unread(path, &arrays, &used);
            read.add(role, found, path)?;
            read.paths.push(path.to_owned());
        }
        Ok(read)
    }

    /// The scores on a set.
    pub fn get(&self, role: Role) -> Option<&SetScores> {
        self.sets.iter().find(|(known, _)| *known == role).map(|(_, set)| set)
    }

    /// Number of models.
    pub fn models(&self) -> usize {
        self.sets.first().map_or(0, |(_, set)| set.models)
    }

    /// The files, for messages.
    pub fn place(&self) -> String {
        self.paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn add(&mut self, role: Role, set: SetScores, path: &Path) -> Result<()> {
        if let Some((other, first)) = self.sets.first() {
            let refuse = |what: &str, ours: usize, theirs: usize| {
                let problem = format!(
                    "the {role} set has scores of {ours} {what}, the {other} set of {theirs}; score all sets by the same models"
                );
                Err(Error::content(path, problem))
            };
            if set.models != first.models {
                return refuse("models", set.models, first.models);
            }
            let classes = |set: &SetScores| set.scores.first().map_or(0, Scores::classes);
            if classes(&set) != classes(first) && classes(&set) * classes(first) > 0 {
                return refuse("classes", classes(&set), classes(first));
            }
        }
        self.sets.push((role, set));
        Ok(())
    }

    fn note_unread(&mut self, path: &Path, arrays: &Arrays, used: &BTreeSet<String>) {
        let others: Vec<_> =
            arrays.named.keys().filter(|name| !used.contains(*name)).map(|name| format!("`{name}`")).collect();
        if !others.is_empty() {
            self.notes.push(format!("{}: arrays that are not read: {}", path.display(), others.join(", ")));
        }
    }
}

impl SetScores {
    /// The set of one model.
    pub fn of(scores: Scores) -> Self {
        Self {
            models: 1,
            samples: scores.len(),
            margins: scores.log_odds().collect(),
            ids: Some(scores.positions().to_vec()),
            seen: None,
            scores: vec![scores],
        }
    }
}

/// One set in a file.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a Path,
    arrays: &'a Arrays,
    role: Role,
    /// Whether names may be without the set's.
    bare: bool,
}

impl<'a> Source<'a> {
    /// The array that is called so, and its name in the file.
    fn find(self, what: &str) -> Option<(&'a str, &'a Array)> {
        let role = self.role.name();
        let mut names = vec![format!("{role}_{what}"), format!("{role}.{what}")];
        if self.bare {
            names.push(what.to_owned());
        }
        names.iter().find_map(|name| self.arrays.named.get_key_value(name)).map(|(name, array)| (name.as_str(), array))
    }

    fn refuse<T>(self, name: &str, problem: impl fmt::Display) -> Result<T> {
        Err(Error::content(self.path, format!("array `{name}`: {problem}")))
    }

    /// A row in words.
    fn row(self, samples: usize, row: usize, models: usize) -> String {
        let mut place = format!("row {}", row % samples);
        if models > 1 {
            place = format!("model {}, {place}", row / samples);
        }
        let lines = self.arrays.lines.get(self.role.name()).or_else(|| self.arrays.lines.get(""));
        match lines.and_then(|lines| lines.get(row)) {
            Some(line) => format!("{place} (line {line})"),
            None => place,
        }
    }

    /// What the array of scores holds, its name, and itself. `None` if the set has none.
    fn scored(self) -> Result<Option<(&'static str, &'a str, &'a Array)>> {
        let found: Vec<_> = SCORES.iter().filter_map(|what| Some((*what, self.find(what)?))).collect();
        match found[..] {
            [(what, (name, array))] => Ok(Some((what, name, array))),
            [(_, (one, _)), (_, (other, _)), ..] => Err(Error::content(
                self.path,
                format!("it has both `{one}` and `{other}`; keep one, so that it is plain which is judged"),
            )),
            [] => {
                let prefixed = SCORES.map(|what| format!("{}_{what}", self.role));
                let bare = SCORES.map(str::to_owned);
                let names = prefixed.iter().chain(bare.iter().filter(|_| self.bare));
                for name in names {
                    if let Some(reason) = self.arrays.unread.get(name) {
                        return self.refuse(name, reason);
                    }
                }
                Ok(None)
            }
        }
    }

    /// The numbers of models, samples and classes. Margins have no classes.
    fn layout(self, what: &str, name: &str, array: &Array) -> Result<(usize, usize, Option<usize>)> {
        let shape = array.shown();
        let (models, samples, classes) = match (what, array.shape.as_slice()) {
            ("margins", &[samples]) => (1, samples, None),
            ("margins", &[models, samples]) => (models, samples, None),
            ("margins", _) => {
                return self.refuse(name, format!("its shape {shape} is not (samples,) or (models, samples)"));
            }
            (_, &[samples, classes]) => (1, samples, Some(classes)),
            (_, &[models, samples, classes]) => (models, samples, Some(classes)),
            _ => {
                let wanted = "(samples, classes) or (models, samples, classes)";
                return self.refuse(name, format!("its shape {shape} is not {wanted}"));
            }
        };
        if models == 0 || samples == 0 {
            return self.refuse(name, format!("its shape {shape} is empty; a set needs at least one sample"));
        }
        if u32::try_from(samples).is_err() {
            return self.refuse(name, "it has more than 2³² samples");
        }
        if classes.is_some_and(|classes| classes < 2) {
            let fix = "scores need at least 2: for a binary model with one output z, save the columns 0 and z";
            return self.refuse(name, format!("its shape {shape} has one class; {fix}"));
        }
        Ok((models, samples, classes))
    }

    fn scores(self, used: &mut BTreeSet<String>, notes: &mut Vec<String>) -> Result<Option<SetScores>> {
        let Some((what, name, array)) = self.scored()? else { return Ok(None) };
        used.insert(name.to_owned());
        let Elements::Floats(values) = &array.elements else {
            let problem = "its elements are whole numbers, and";
            return self
                .refuse(name, format!("{problem} {what} are not; save them as `float32` before they are rounded"));
        };
        let (models, samples, classes) = self.layout(what, name, array)?;
        let width = classes.unwrap_or(1);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let place = self.row(samples, at / width, models);
            let column = classes.map_or(String::new(), |_| format!(", class {}", at % width));
            return self.refuse(name, format!("{place}{column} is {}; only finite scores can be judged", values[at]));
        }
        let ids = self.whole("ids", "positions", samples, used)?.map(|(_, ids)| ids);
        let seen = self.seen(models, samples, used)?;
        let Some(classes) = classes else {
            let labels = self.find("labels");
            used.extend(labels.map(|(name, _)| name.to_owned()));
            let margins = values.clone();
            return Ok(Some(SetScores { models, samples, margins, ids, seen, scores: Vec::new() }));
        };
        let labels = self.labels((name, what), samples, classes, used)?;
        let logits = if what == "probabilities" {
            self.logits_of(name, values, (models, samples, classes), notes)?
        } else if values.chunks_exact(classes).all(sums_to_one) {
            let fix = name.replace("logits", "probabilities");
            let problem = "every row is in 0..1 and sums to 1, so these are probabilities, not logits";
            return self.refuse(name, format!("{problem}; name the array `{fix}`"));
        } else {
            values.iter().map(|value| *value as f32).collect()
        };
        if let Some(at) = logits.iter().position(|value| !value.is_finite()) {
            let place = self.row(samples, at / classes, models);
            let class = at % classes;
            return self.refuse(name, format!("{place}, class {class} is {:e}, beyond single precision", values[at]));
        }
        let mut scores = Vec::with_capacity(models);
        for logits in logits.chunks_exact(samples * classes) {
            let of_model = Scores::new(logits.to_vec(), labels.clone(), classes).and_then(|scores| match &ids {
                Some(ids) => scores.at(ids.clone()),
                None => Ok(scores),
            });
            scores.push(of_model.map_err(|error| Error::content(self.path, format!("array `{name}`: {error}")))?);
        }
        let margins = scores.iter().flat_map(Scores::log_odds).collect();
        Ok(Some(SetScores { models, samples, margins, ids, seen, scores }))
    }

    /// The labels beside an array of scores.
    fn labels(
        self,
        (scores, what): (&str, &str),
        samples: usize,
        classes: usize,
        used: &mut BTreeSet<String>,
    ) -> Result<Vec<u32>> {
        let Some((name, labels)) = self.whole("labels", "labels", samples, used)? else {
            let wanted = scores.replace(what, "labels");
            if let Some(reason) = self.arrays.unread.get(&wanted) {
                return self.refuse(&wanted, reason);
            }
            let problem = format!("there is no array `{wanted}` with the true classes; save it beside the scores");
            return self.refuse(scores, problem);
        };
        match labels.iter().position(|label| *label as usize >= classes) {
            None => Ok(labels),
            Some(row) => {
                let (place, last) = (self.row(samples, row, 1), classes - 1);
                let problem = format!("{place} is {}, but `{scores}` has classes 0 to {last}", labels[row]);
                self.refuse(&name, format!("{problem}; number classes from 0"))
            }
        }
    }

    /// Probabilities as logits: their logarithms.
    fn logits_of(
        self,
        name: &str,
        values: &[f64],
        (models, samples, classes): (usize, usize, usize),
        notes: &mut Vec<String>,
    ) -> Result<Vec<f32>> {
        for (row, of_row) in values.chunks_exact(classes).enumerate() {
            if sums_to_one(of_row) {
                continue;
            }
            let place = self.row(samples, row, models);
            let problem = match of_row.iter().position(|p| !(0.0..=1.0).contains(p)) {
                Some(class) => format!("{place}, class {class} is {}, not in 0..1", of_row[class]),
                None => format!("{place} sums to {}, not to 1", of_row.iter().sum::<f64>()),
            };
            let fix = name.replace("probabilities", "logits");
            return self.refuse(name, format!("{problem}; if these are a model's raw outputs, name the array `{fix}`"));
        }
        let zeros = values.iter().filter(|p| **p == 0.0).count();
        if zeros > 0 {
            notes.push(format!(
                "{}: array `{name}`: {zeros} probabilities are 0, which is rounded; they count as {LEAST:.1e}; logits would be exact",
                self.path.display()
            ));
        }
        Ok(values.iter().map(|p| p.max(LEAST).ln() as f32).collect())
    }

    /// An array of whole numbers, one per sample, and its name.
    fn whole(
        self,
        what: &str,
        alias: &str,
        samples: usize,
        used: &mut BTreeSet<String>,
    ) -> Result<Option<(String, Vec<u32>)>> {
        let Some((name, array)) = self.find(what).or_else(|| self.find(alias)) else { return Ok(None) };
        used.insert(name.to_owned());
        if array.shape != [samples] {
            let shape = array.shown();
            return self.refuse(
                name,
                format!("its shape is {shape}, but there are scores of {samples} samples; save one number per sample"),
            );
        }
        let numbers: Checked<Vec<u32>> = match &array.elements {
            Elements::Integers(values) => {
                let number = |(row, value): (usize, &i64)| {
                    u32::try_from(*value)
                        .map_err(|_| format!("{} is {value}; numbers count from 0", self.row(samples, row, 1)))
                };
                values.iter().enumerate().map(number).collect()
            }
            // Our own files of scores hold them so.
            Elements::Floats(values) => {
                let whole = |value: f64| value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&value);
                let number = |(row, &value): (usize, &f64)| {
                    let problem =
                        || format!("{} is {value}, not a whole number from 0; save `int64`", self.row(samples, row, 1));
                    if whole(value) { Ok(value as u32) } else { Err(problem()) }
                };
                values.iter().enumerate().map(number).collect()
            }
        };
        match numbers {
            Ok(numbers) => Ok(Some((name.to_owned(), numbers))),
            Err(problem) => self.refuse(name, problem),
        }
    }

    fn seen(self, models: usize, samples: usize, used: &mut BTreeSet<String>) -> Result<Option<Vec<u8>>> {
        let Some((name, array)) = self.find("seen") else { return Ok(None) };
        used.insert(name.to_owned());
        if array.shape != [models, samples] {
            let wanted = unlearn_samples::npy::tuple(&[models, samples]);
            return self.refuse(name, format!("its shape is {}, not {wanted}: (models, samples)", array.shown()));
        }
        let Elements::Integers(values) = &array.elements else {
            return self.refuse(
                name,
                "its elements are not whole numbers; save 0 (never saw it), 1 (trained with it) or 2 (unlearned it)",
            );
        };
        match values.iter().position(|value| !(0..=2).contains(value)) {
            None => Ok(Some(values.iter().map(|value| *value as u8).collect())),
            Some(at) => {
                let place = self.row(samples, at, models);
                self.refuse(
                    name,
                    format!("{place} is {}; 0 is never saw it, 1 trained with it, 2 unlearned it", values[at]),
                )
            }
        }
    }
}

/// Whether a row may be one of probabilities.
fn sums_to_one(row: &[f64]) -> bool {
    row.iter().all(|p| (0.0..=1.0).contains(p)) && (row.iter().sum::<f64>() - 1.0).abs() <= SUM
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scores.csv");
        std::fs::write(&path, text).unwrap();
        ScoreSets::read(&path).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_judged_is_refused_with_its_place() {
        for (text, says) in [
            ("set,label,logit_0,logit_1\nforget,0,NaN,1\n", "array `forget_logits`: row 0 (line 2), class 0 is NaN"),
            (
                "set,label,logit_0,logit_1\nforget,2,0,1\n",
                "row 0 (line 2) is 2, but `forget_logits` has classes 0 to 1",
            ),
            ("set,label,logit_0,logit_1\nforget,-1,0,1.5\n", "row 0 (line 2) is -1; numbers count from 0"),
            (
                "set,label,logit_0,logit_1\nforget,0,0.25,0.75\n",
                "so these are probabilities, not logits; name the array `forget_probabilities`",
            ),
            (
                "set,label,probability_0,probability_1\nforget,0,0.5,0.5\nforget,1,0.25,0.5\n",
                "row 1 (line 3) sums to 0.75, not to 1",
            ),
            ("set,label,probability_0,probability_1\nforget,0,2,-1\n", "row 0 (line 2), class 0 is 2, not in 0..1"),
            ("set,label,logit_0\nforget,0,1\n", "has one class"),
            ("set,logit_0,logit_1\nforget,3,1\n", "no array `forget_labels`"),
            ("label,logit_0,logit_1\n0,3,1\n", "`--forget FILE --retain FILE --test FILE`"),
            ("set,label,logit_0,logit_1\nforgotten,0,3,1\n", "it holds `forgotten_labels`, `forgotten_logits`"),
        ] {
            let message = said(text);
            assert!(message.contains(says), "{message}");
        }
    }

    #[test]
    fn probabilities_are_their_logarithms_and_a_zero_is_stated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.csv");
        std::fs::write(&path, "set,label,probability_0,probability_1\ntest,0,0.75,0.25\ntest,1,1,0\n").unwrap();
        let read = ScoreSets::read(&path).unwrap();
        let set = read.get(Role::Test).unwrap();
        assert!((set.margins[0] - 3.0_f64.ln()).abs() < 1e-6);
        assert_eq!(set.scores[0].accuracy(), Ok(50.0));
        assert!(read.notes[0].contains("1 probabilities are 0"), "{:?}", read.notes);
    }
}
