//! What a `[[forget]]` table asks for: samples that are known beforehand, or samples that a stage finds.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Map, Value};
use unlearn_backdoor::{DETECTORS, DetectorEntry, Settings};
use unlearn_samples::{Dataset, ForgetSpec};

use crate::{data::ClassChoice, hard::Hard, subclass::Subclass};

/// A request of a suite.
#[derive(Debug, Clone, PartialEq)]
pub enum Wanted {
    /// Samples of the data set.
    Samples(ForgetSpec),
    /// `kind = "class"` with the name of a class, or some of its images.
    NamedClass {
        /// The class's name.
        class: String,
        /// Number of its images. All if absent.
        count: Option<usize>,
    },
    /// `kind = "poisoned"`: exactly the poison of `[data.poison]`.
    Poisoned,
    /// `kind = "detected"`: what a detector of poison suspects in the dense model's features.
    Detected(Detector),
    /// `kind = "ranked"`: the classes of least, or of most, influence on the target task of `[transfer]`.
    Ranked(Ranked),
    /// `kind = "hard"`: the samples that are hardest, or easiest, to forget.
    Hard(Hard),
    /// `kind = "subclass"`: a part of a class.
    Subclass(Subclass),
    /// `kind = "pool"`: the part that a model of a pool must forget.
    Pool,
}

/// Whole classes by their influence on a target task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ranked {
    /// How influence is measured.
    pub by: By,
    /// Number of classes.
    pub count: usize,
    /// Whether the classes of least influence are meant, and not those of most.
    #[serde(default = "yes")]
    pub least: bool,
}

/// How the influence of a class on a target task is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// By training without the class.
    Removal,
    /// By the gradients of the trained model.
    Gradient,
}

fn yes() -> bool {
    true
}

impl Ranked {
    /// `2 classes of least influence by gradient`.
    pub(crate) fn label(self) -> String {
        let (count, end, by) = (self.count, if self.least { "least" } else { "most" }, self.by.name());
        format!("{count} {} of {end} influence by {by}", if count == 1 { "class" } else { "classes" })
    }

    /// Refuses a number of classes that leaves none, or takes none. The error is a reason for users.
    pub(crate) fn check(self, classes: usize) -> Result<(), String> {
        if (1..classes).contains(&self.count) {
            return Ok(());
        }
        let most = classes.saturating_sub(1);
        Err(format!(
            "`count` of {} ranked classes; give 1 to {most}, so that one of {classes} classes is left",
            self.count
        ))
    }

    /// The chosen classes, given the influence of each, in ascending order. Among equals, the lower number counts as less influential.
    pub(crate) fn choose(self, influence: &[f64]) -> Result<Vec<u32>, String> {
        self.check(influence.len())?;
        let mut order: Vec<usize> = (0..influence.len()).collect();
        order.sort_by(|a, b| influence[*a].total_cmp(&influence[*b]));
        if !self.least {
            order.reverse();
        }
        let mut chosen: Vec<u32> = order[..self.count].iter().map(|class| *class as u32).collect();
        chosen.sort_unstable();
        Ok(chosen)
    }
}

impl By {
    /// Its name in suites.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Removal => "removal",
            Self::Gradient => "gradient",
        }
    }
}

/// A detector with its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    /// Its name.
    pub name: String,
    /// All of its settings.
    pub settings: Settings,
}

impl Detector {
    /// The registry's entry. The error is a reason for users.
    pub(crate) fn entry(&self) -> Result<&'static DetectorEntry, String> {
        unlearn_names::find("detector", &self.name, DETECTORS, |entry| entry.name).map_err(|error| error.to_string())
    }
}

/// The kinds of requests that are not a [`ForgetSpec`].
const POISONED: &str = "poisoned";
const DETECTED: &str = "detected";
const RANKED: &str = "ranked";
const HARD: &str = "hard";
const SUBCLASS: &str = "subclass";
const POOL: &str = "pool";
/// All kinds of a `[[forget]]` table.
const KINDS: [&str; 11] =
    ["class", "random", "indices", "positions", SUBCLASS, POISONED, DETECTED, RANKED, HARD, POOL, "sequence"];

impl Wanted {
    /// Reads the table of one request. The error is a reason for users.
    pub(crate) fn of(mut table: Map<String, Value>) -> Result<Self, String> {
        let kind = table.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            POISONED | POOL => {
                table.remove("kind");
                match table.keys().next() {
                    None => Ok(if kind == POISONED { Self::Poisoned } else { Self::Pool }),
                    Some(key) => {
                        Err(format!("unknown field `{key}`: `kind = \"{kind}\"` has no settings; leave it out"))
                    }
                }
            }
            DETECTED => {
                table.remove("kind");
                let Some(Value::String(name)) = table.remove("detector") else {
                    return Err(format!("`kind = \"{DETECTED}\"` needs the key `detector` with a name"));
                };
                let detector = Detector { name, settings: table };
                let settings = detector.entry()?.resolve(&detector.settings).map_err(|error| error.to_string())?;
                Ok(Self::Detected(Detector { settings, ..detector }))
            }
            RANKED => {
                table.remove("kind");
                let ranked = serde_json::from_value(Value::Object(table));
                ranked.map(Self::Ranked).map_err(|error| format!("`kind = \"{RANKED}\"`: {error}"))
            }
            "class" if table.get("class").is_some_and(Value::is_string) => {
                let Some(Value::String(class)) = table.remove("class") else { return Err("`class` is no name".into()) };
                // The other keys are those of a class by number.
                table.insert("class".into(), 0.into());
                match serde_json::from_value(Value::Object(table)).map_err(|error| error.to_string())? {
                    ForgetSpec::Class { count, .. } => Ok(Self::NamedClass { class, count }),
                    spec => Ok(Self::Samples(spec)),
                }
            }
            HARD => {
                table.remove("kind");
                let hard = serde_json::from_value(Value::Object(table));
                hard.map(Self::Hard).map_err(|error| format!("`kind = \"{HARD}\"`: {error}"))
            }
            SUBCLASS => {
                table.remove("kind");
                let subclass = serde_json::from_value(Value::Object(table));
                subclass.map(Self::Subclass).map_err(|error| format!("`kind = \"{SUBCLASS}\"`: {error}"))
            }
            kind if !kind.is_empty() && !KINDS.contains(&kind) => {
                let suggestion = unlearn_names::suggestion(kind, KINDS);
                Err(format!("unknown kind `{kind}`{suggestion}; valid kinds: {}", KINDS.join(", ")))
            }
            _ => serde_json::from_value(Value::Object(table)).map(Self::Samples).map_err(|error| error.to_string()),
        }
    }

    /// The same request with the number of a class in place of its name. The error is a reason for users.
    pub(crate) fn numbered(&self, dataset: &Dataset) -> Result<Self, String> {
        match self {
            Self::NamedClass { class, count } => {
                let class = ClassChoice::Name(class.clone()).number(dataset)?;
                Ok(Self::Samples(ForgetSpec::Class { class, count: *count }))
            }
            other => Ok(other.clone()),
        }
    }

    /// Whether a stage must find the samples.
    pub(crate) fn is_found(&self) -> bool {
        matches!(self, Self::Detected(_) | Self::Ranked(_) | Self::Hard(_))
    }

    /// The kind of forgetting in reports: `class`, `random`, `indices`, `subclass`, `backdoor`, `hard` or `pool`.
    pub fn scenario(&self) -> &'static str {
        match self {
            Self::Samples(spec) => spec.scenario(),
            Self::Poisoned | Self::Detected(_) => "backdoor",
            Self::Ranked(_) | Self::NamedClass { .. } => "class",
            Self::Hard(_) => HARD,
            Self::Subclass(_) => SUBCLASS,
            Self::Pool => "pool",
        }
    }
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use unlearn_datasets::registry::{self, OpenOptions};

    use super::*;

    #[test]
    fn every_kind_is_read_and_a_wrong_one_is_named() {
        let named: Wanted = serde_json::from_value(json!({ "kind": "class", "class": "Bag", "count": 3 })).unwrap();
        assert_eq!(named, Wanted::NamedClass { class: "Bag".into(), count: Some(3) });
        let dataset = registry::open("fashion-mnist-mini", &OpenOptions::default()).unwrap();
        let number = ForgetSpec::Class { class: 8, count: Some(3) };
        assert_eq!(named.numbered(&dataset).unwrap(), Wanted::Samples(number));
        let unknown = Wanted::NamedClass { class: "bag".into(), count: None }.numbered(&dataset).unwrap_err();
        assert!(unknown.contains("class `bag` does not exist") && unknown.contains("`Bag`"), "{unknown}");
        let read = |table: Value| serde_json::from_value::<Wanted>(table).map_err(|error| error.to_string());
        let class = ForgetSpec::Class { class: 3, count: None };
        assert_eq!(read(json!({ "kind": "class", "class": 3 })), Ok(Wanted::Samples(class)));
        assert_eq!(read(json!({ "kind": "poisoned" })), Ok(Wanted::Poisoned));
        let detected = json!({ "kind": "detected", "detector": "activation-clustering", "largest-share": 0.5 });
        let Ok(Wanted::Detected(detector)) = read(detected) else { panic!("a detector") };
        assert_eq!((detector.settings["largest-share"].as_f64(), detector.settings.len()), (Some(0.5), 3));
        let ranked = json!({ "kind": "ranked", "by": "gradient", "count": 2 });
        assert_eq!(read(ranked), Ok(Wanted::Ranked(Ranked { by: By::Gradient, count: 2, least: true })));
        let subclass = json!({ "kind": "subclass", "classes": ["rocket", 3], "path": "s.csv" });
        let classes = vec![ClassChoice::Name("rocket".into()), ClassChoice::Number(3)];
        assert_eq!(read(subclass), Ok(Wanted::Subclass(Subclass { classes, path: Some("s.csv".into()) })));
        for (table, words) in [
            (json!({ "kind": "ranked", "by": "gradients", "count": 2 }), "unknown variant `gradients`"),
            (json!({ "kind": "ranked", "by": "removal" }), "missing field `count`"),
            (json!({ "kind": "ranked", "by": "removal", "count": 1, "most": true }), "unknown field `most`"),
            (json!({ "kind": "hard", "by": "memorization", "count": 2 }), "unknown variant `memorization`"),
            (json!({ "kind": "hard", "count": 2 }), "missing field `by`"),
            (json!({ "kind": "hard", "by": "entanglement", "counts": 2 }), "unknown field `counts`"),
            (json!({ "kind": "subclass" }), "missing field `classes`"),
            (json!({ "kind": "subclass", "classes": ["a"], "file": "x" }), "unknown field `file`"),
            (json!({ "kind": "subclass", "classes": "a" }), "invalid type"),
            (json!({ "kind": "subclas", "classes": ["a"] }), "did you mean `subclass`"),
            (json!({ "kind": "poisned" }), "did you mean `poisoned`"),
            (json!({ "kind": "poisoned", "class": 0 }), "has no settings"),
            (json!({ "kind": "detected" }), "needs the key `detector`"),
            (json!({ "kind": "detected", "detector": "spectral" }), "did you mean `spectral-signatures`"),
            (json!({ "kind": "detected", "detector": "spectral-signatures", "expcted": 1 }), "did you mean `expected`"),
            (json!({ "class": 0 }), "missing field `kind`"),
        ] {
            let error = read(table).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn classes_are_chosen_from_either_end_and_one_is_left() {
        let ranked = |count, least| Ranked { by: By::Removal, count, least };
        let influence = [0.5, -1.0, 0.5, 2.0];
        assert_eq!(ranked(2, true).choose(&influence), Ok(vec![0, 1]));
        assert_eq!(ranked(3, true).choose(&influence), Ok(vec![0, 1, 2]));
        assert_eq!(ranked(2, false).choose(&influence), Ok(vec![2, 3]));
        for count in [0, 4, 9] {
            let reason = ranked(count, true).choose(&influence).unwrap_err();
            assert!(reason.contains(&format!("`count` of {count}")) && reason.contains("give 1 to 3"), "{reason}");
        }
        assert_eq!(ranked(1, true).label(), "1 class of least influence by removal");
    }
}
