//! The parsed suite file: sections and keys, before any name is looked up.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use unlearn::parts::Purpose;
use unlearn_mia_eval::{MemberSelection, Registry, Settings};
use unlearn_run_store::SuiteIndex;
use unlearn_samples::Sampler;
use unlearn_training::Recipe;

use crate::{
    Error, Result, audit::AuditSection, data::DataSection, finite, hard::Difficulty, launcher::LauncherSection,
    lines::Lines, overrides, toml_error, transfer::TransferSection, wanted::Wanted,
};

/// A suite file.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    /// `[suite]`
    pub suite: SuiteSection,
    /// `[data]`
    pub data: DataSection,
    /// `[model]`
    pub model: ModelSection,
    /// `[train]`
    #[serde(default)]
    pub train: Recipe,
    /// `[[prune]]`: `method`, an optional `name`, and the method's own keys.
    #[serde(default = "dense_only")]
    pub prune: Vec<MethodSection>,
    /// `[[forget]]`: a request, or a sequence of several.
    #[serde(default)]
    pub forget: Vec<ForgetSection>,
    /// `[[unlearn]]`: `method`, an optional `name`, and the method's own keys.
    #[serde(default)]
    pub unlearn: Vec<MethodSection>,
    /// `[evaluate]`
    #[serde(default)]
    pub evaluate: EvaluateSection,
    /// `[transfer]`: a target task for the models.
    #[serde(default)]
    pub transfer: Option<TransferSection>,
    /// `[audit]`: a search for what is left of the forgotten data in each model.
    #[serde(default)]
    pub audit: Option<AuditSection>,
    /// `[launcher]`: where stages run. It decides no result.
    #[serde(default)]
    pub launcher: LauncherSection,
    /// The path of the suite file.
    #[serde(skip)]
    pub path: PathBuf,
    /// For each section that is a single table, the keys that were given. Every other key has its default.
    #[serde(skip)]
    pub given: BTreeMap<String, BTreeSet<String>>,
    /// Where the tables and keys stand in the file.
    #[serde(skip)]
    pub(crate) lines: Lines,
}

/// `[suite]`: its name and its seeds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SuiteSection {
    /// Name in the store and in reports.
    pub name: String,
    /// Headline of the report.
    pub title: Option<String>,
    /// Seeds of the runs. Everything is run once per seed.
    pub seeds: Vec<u64>,
    /// Remarks that the report repeats.
    #[serde(default)]
    pub notes: Vec<String>,
    /// A file that `unlearn tune` wrote, relative to the suite. Settings that it chose replace the suite's.
    pub tuned: Option<PathBuf>,
}

/// `[model]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ModelSection {
    /// Architecture name.
    pub arch: String,
    /// Initial weights of the training, if not fresh: a file, relative to the suite, or `hub:owner/name@revision`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<String>,
    /// The dictionary of tensors to take from `init`, if that PyTorch file holds several: keys joined by dots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_key: Option<String>,
}

/// `[evaluate]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct EvaluateSection {
    /// Membership-inference attacks. Tables report `mia-efficacy`.
    pub attacks: Vec<String>,
    /// Features that the attacks use. Tables report `confidence`.
    pub mia: Vec<String>,
    /// How often an attack is fitted, each time on other members. Default: 10, or 1 with `members = "first-rows"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<usize>,
    /// How the members for the fit of an attack are drawn from the retain set.
    pub members: MemberSelection,
    /// Average gap to Retrain, in points, above which a model that served several requests is due for a full retrain.
    pub drift_threshold: f64,
}

impl Default for EvaluateSection {
    fn default() -> Self {
        Self {
            attacks: vec![EFFICACY.into()],
            mia: vec![CONFIDENCE.into()],
            draws: None,
            members: MemberSelection::default(),
            drift_threshold: 5.0,
        }
    }
}

impl EvaluateSection {
    /// The attack settings with every default filled in. `seed` is the run's seed. The error is a reason for users.
    pub(crate) fn settings(&self, registry: &Registry, seed: u64) -> std::result::Result<Settings, String> {
        let settings = Settings {
            attacks: self.attacks.clone(),
            mia: self.mia.clone(),
            draws: Settings::count(self.draws, self.members).map_err(|reason| format!("`evaluate.draws`: {reason}"))?,
            members: self.members,
            seed: Purpose::Attack.seed(seed),
        };
        registry.measured(&settings).map_err(|error| error.to_string())?;
        for (key, names) in [("attacks", &self.attacks), ("mia", &self.mia)] {
            let mut seen = HashSet::new();
            if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
                return Err(format!("`evaluate.{key}` names `{name}` twice; name each once"));
            }
        }
        if !self.attacks.iter().any(|attack| attack == EFFICACY) {
            return Err(format!("`evaluate.attacks` must name `{EFFICACY}`, the attack that tables report"));
        }
        if !self.mia.iter().any(|feature| feature == CONFIDENCE) {
            return Err(format!("`evaluate.mia` must name `{CONFIDENCE}`, the feature that tables report"));
        }
        Ok(settings)
    }
}

/// Maximum bytes of a suite file.
const MOST: u64 = 1 << 24;

/// The attack that the paper's tables report.
pub(crate) const EFFICACY: &str = unlearn_mia_eval::attacks::mia_efficacy::ATTACK.name;
/// The attack feature that the paper's tables report.
pub(crate) const CONFIDENCE: &str = "confidence";

/// A table with a `method`, an optional `name`, and the method's own keys.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "serde_json::Map<String, Value>")]
pub struct MethodSection {
    /// The method's name. Empty if the key is missing.
    pub method: String,
    /// Name in reports, if it differs from `method`. One method under two settings needs two names.
    pub name: Option<String>,
    /// Every other key.
    pub config: Value,
}

impl TryFrom<serde_json::Map<String, Value>> for MethodSection {
    type Error = String;

    fn try_from(mut table: serde_json::Map<String, Value>) -> std::result::Result<Self, String> {
        let mut text = |key: &str| match table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("`{key}` must be a string, found {other}")),
        };
        let (method, name) = (text("method")?.unwrap_or_default(), text("name")?);
        Ok(Self { method, name, config: Value::Object(table) })
    }
}

impl MethodSection {
    /// Name in reports.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.method)
    }
}

/// A `[[forget]]` table: one request, or with `kind = "sequence"` several that the same model serves one after the
/// other.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "serde_json::Map<String, Value>")]
pub struct ForgetSection {
    /// Name in reports, if it differs from the request's own label.
    pub name: Option<String>,
    /// Whether the requests are a sequence, even of one.
    pub sequence: bool,
    /// The requests, in turn.
    pub requests: Vec<Wanted>,
}

impl TryFrom<serde_json::Map<String, Value>> for ForgetSection {
    type Error = String;

    fn try_from(mut table: serde_json::Map<String, Value>) -> std::result::Result<Self, String> {
        let name = match table.remove("name") {
            None => None,
            Some(Value::String(name)) => Some(name),
            Some(other) => return Err(format!("`name` must be a string, found {other}")),
        };
        let sequence = table.get("kind").is_some_and(|kind| kind == "sequence");
        let requests = if sequence {
            table.remove("kind");
            let requests = table.remove("requests").unwrap_or_default();
            if let Some(key) = table.keys().next() {
                return Err(format!("unknown field `{key}` of a sequence, expected one of `name`, `requests`"));
            }
            let requests: Vec<Wanted> =
                serde_json::from_value(requests).map_err(|e| format!("`requests` of a sequence: {e}"))?;
            if requests.iter().any(Wanted::is_found) {
                return Err("a sequence cannot hold a request of `kind = \"detected\"`, `\"ranked\"` or `\"hard\"`; give it a table of its own".into());
            }
            requests
        } else {
            vec![Wanted::of(table)?]
        };
        if requests.is_empty() {
            return Err("a sequence needs `requests`, one table or more".into());
        }
        Ok(Self { name, sequence, requests })
    }
}

fn dense_only() -> Vec<MethodSection> {
    vec![MethodSection { method: "none".into(), name: None, config: Value::Object(serde_json::Map::default()) }]
}

impl Suite {
    /// Reads a suite and applies `--set key=value` assignments.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, or holds an unknown key, or if an assignment does not apply.
    pub fn load(path: &Path, assignments: &[String]) -> Result<Self> {
        let text = unlearn_files::read_text(path, MOST);
        let text = text.map_err(|source| Error::Given { what: "the suite", path: path.into(), source })?;
        // Line ends of old Macs. TOML itself forbids a carriage return alone.
        let text =
            if text.replace("\r\n", "").contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text };
        Self::parse(&text, path, assignments)
    }

    /// The same from text. `path` is for messages.
    ///
    /// # Errors
    /// As for [`Suite::load`]. If an assignment causes the fault, the error names the assignment and not the file.
    pub fn parse(text: &str, path: &Path, assignments: &[String]) -> Result<Self> {
        let refuse = |reason: String| Error::Suite { path: path.into(), reason };
        if assignments.is_empty() {
            let suite = Self::of_text(text).map_err(refuse)?;
            return Ok(Self { path: path.into(), lines: Lines::of(text, false), ..suite });
        }
        let file: toml::Table = toml::from_str(text).map_err(|e| refuse(e.to_string().trim().to_owned()))?;
        // The fault after each assignment.
        let (mut table, mut wrong) = (file, Vec::new());
        let mut suite = Self::of_table(&table);
        for assignment in assignments {
            wrong.push(suite.err());
            overrides::apply(&mut table, assignment)?;
            suite = Self::of_table(&table);
        }
        let suite = suite.map_err(|reason| {
            let since = wrong.iter().rposition(|before| before.as_ref() != Some(&reason));
            match since.map(|number| &assignments[number]) {
                Some(assignment) => {
                    Error::Set { assignment: assignment.clone(), reason: overrides::meant(assignment, reason) }
                }
                // The text is parsed again, so that the message shows the line.
                None => refuse(Self::of_text(text).err().unwrap_or(reason)),
            }
        })?;
        Ok(Self { path: path.into(), lines: Lines::of(text, true), ..suite })
    }

    fn of_table(table: &toml::Table) -> std::result::Result<Self, String> {
        finite::check(table)?;
        let text = toml::to_string(table).map_err(|e| e.to_string())?;
        let suite: Self = toml::from_str(&text).map_err(|e| with_nearest(e.message()))?;
        suite.checked(table)
    }

    fn of_text(text: &str) -> std::result::Result<Self, String> {
        let table: toml::Table = toml::from_str(text).map_err(|e| e.to_string().trim().to_owned())?;
        finite::check(&table)?;
        let suite: Self =
            toml::from_str(text).map_err(|e| toml_error::message::<ForgetSection, MethodSection>(text, &table, &e))?;
        suite.checked(&table)
    }

    /// The suite with the keys that `table`, its source, gives.
    fn checked(self, table: &toml::Table) -> std::result::Result<Self, String> {
        self.check()?;
        Ok(Self { given: given(table), ..self })
    }

    /// The folder of the suite's file. Paths in the suite are relative to it.
    pub(crate) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Absolute path of the suite's file. `None` if there is no file, or its path is not UTF-8 and so no JSON can hold it.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.path.canonicalize().ok().filter(|path| path.to_str().is_some())
    }

    /// Refuses a suite that describes models but no requests or methods.
    ///
    /// # Errors
    /// If there is no `[[forget]]` or no `[[unlearn]]` table.
    pub fn check_complete(&self) -> Result<()> {
        for (section, empty) in [("[[forget]]", self.forget.is_empty()), ("[[unlearn]]", self.unlearn.is_empty())] {
            if empty {
                let reason = format!("at least one {section} table is needed");
                return Err(Error::Suite { path: self.path.clone(), reason });
            }
        }
        Ok(())
    }

    fn check(&self) -> std::result::Result<(), String> {
        let mut seeds = self.suite.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() || seeds.len() != self.suite.seeds.len() {
            return Err("`suite.seeds` must list one or more seeds, each once".into());
        }
        let most = u64::from(u32::MAX) - 1;
        if let Some(seed) = seeds.last().filter(|seed| **seed > most)
            && (self.data.sampler, self.data.seed) == (Sampler::NumpyLegacy, None)
        {
            return Err(format!(
                "`suite.seeds` holds {seed}, and the sampler `numpy-legacy` draws the split with the seed + 1: give at most {most}, or \
                 `data.seed`, or `data.sampler = \"seeded\"`"
            ));
        }
        SuiteIndex::check_name(&self.suite.name).map_err(|e| format!("`suite.name`: {e}"))?;
        if self.prune.is_empty() {
            return Err("at least one [[prune]] table is needed".into());
        }
        for (section, tables) in [("prune", &self.prune), ("unlearn", &self.unlearn)] {
            if let Some(at) = tables.iter().position(|table| table.method.is_empty()) {
                let keys = tables[at].config.as_object().into_iter().flat_map(|table| table.keys().map(String::as_str));
                let slip = unlearn_names::nearest("method", keys);
                let slip = slip.map_or_else(String::new, |key| format!(", but a key `{key}`"));
                return Err(format!(
                    "every [[{section}]] table needs a key `method` with a name; table {} has none{slip}",
                    at + 1
                ));
            }
        }
        let threshold = self.evaluate.drift_threshold;
        if !(threshold.is_finite() && threshold > 0.0) {
            return Err(format!("`evaluate.drift-threshold` must be a positive number of points, found {threshold}"));
        }
        if self.transfer.is_none()
            && self
                .forget
                .iter()
                .flat_map(|section| &section.requests)
                .any(|wanted| matches!(wanted, Wanted::Ranked(_)))
        {
            return Err("[[forget]] of `kind = \"ranked\"` ranks classes by their influence on a target task; add a section [transfer]".into());
        }
        let is_of_memorisation =
            |wanted: &Wanted| matches!(wanted, Wanted::Hard(hard) if hard.by == Difficulty::Memorisation);
        if self.train.epochs == 0 && self.forget.iter().flat_map(|section| &section.requests).any(is_of_memorisation) {
            return Err("[[forget]] of `kind = \"hard\"` by memorisation needs the epochs of training, and `train.epochs` is 0; train for one \
                        epoch or more, or say `by = \"entanglement\"`"
                .into());
        }
        self.transfer.as_ref().map_or(Ok(()), TransferSection::check)?;
        self.audit.as_ref().map_or(Ok(()), AuditSection::check)?;
        self.launcher.check()?;
        self.train.check().map_err(|e| format!("[train]: {e}"))
    }
}

/// The given keys of each section that is a single table.
fn given(table: &toml::Table) -> BTreeMap<String, BTreeSet<String>> {
    let keys = |section: &toml::Table| section.keys().cloned().collect();
    table.iter().filter_map(|(name, value)| Some((name.clone(), keys(value.as_table()?)))).collect()
}

/// Adds the nearest valid name to serde's "unknown field `x`, expected one of `a`, `b`".
pub(crate) fn with_nearest(message: &str) -> String {
    let Some((_, rest)) = message.split_once("unknown field `").or_else(|| message.split_once("unknown variant `"))
    else {
        return message.to_owned();
    };
    let mut quoted = rest.split('`');
    let unknown = quoted.next().unwrap_or_default();
    let valid = quoted.skip(1).step_by(2);
    match unlearn_names::nearest(unknown, valid) {
        Some(nearest) => format!("{message}; did you mean `{nearest}`?"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use unlearn_samples::ForgetSpec;

    use super::*;

    const SUITE: &str = "[suite]\nname = \"a\"\nseeds = [1]\n[data]\nname = \"d\"\n[model]\narch = \"m\"\n\
                         [[unlearn]]\nmethod = \"ft\"\nname = \"gentle\"\nlr = 0.1\n";

    fn parse(text: &str, assignments: &[&str]) -> Result<Suite> {
        let assignments: Vec<String> = assignments.iter().map(ToString::to_string).collect();
        Suite::parse(text, Path::new("suite.toml"), &assignments)
    }

    #[test]
    fn what_is_not_said_is_the_papers() {
        let suite = parse(SUITE, &[]).unwrap();
        assert_eq!((suite.data.validation, suite.data.sampler), (0.1, Sampler::NumpyLegacy));
        assert_eq!((suite.prune.len(), suite.prune[0].method.as_str()), (1, "none"));
        assert_eq!(suite.evaluate.mia, ["confidence"]);
        let [table] = &suite.unlearn[..] else { panic!("one table") };
        assert_eq!((table.method.as_str(), table.name(), &table.config["lr"]), ("ft", "gentle", &0.1.into()));
        assert!(suite.check_complete().unwrap_err().to_string().contains("[[forget]] table is needed"));
    }

    #[test]
    fn an_assignment_changes_one_value_and_is_checked_like_the_file() {
        assert_eq!(parse(SUITE, &["unlearn.gentle.lr=0.2"]).unwrap().unlearn[0].config["lr"], 0.2);
        assert_eq!(parse(SUITE, &["train.epochs=3"]).unwrap().train.epochs, 3);
        for (assignment, words) in [
            ("train.epoch=3", "did you mean `epochs`"),
            ("train.epochs=many", "invalid type"),
            ("train.lr=nan", "`train.lr` is NaN; give a finite number"),
            ("unlearn.gentle.lr=-inf", "`unlearn.0.lr` is infinite; give a finite number"),
            ("train.epochs=9223372036854775807", "`epochs` must be at most 1000000"),
            ("train.mixup=1e300", "`mixup` is 1e300"),
            ("suite.seeds=[1, 1]", "each once"),
            ("suite.seeds=[1, 9223372036854775807]", "`suite.seeds` holds 9223372036854775807"),
            ("suite.name=../a", "`suite.name`"),
            ("evaluate.drift-threshold=0", "positive number"),
            ("seeds=[1]", "`seeds` is not a section of a suite; did you mean `suite.seeds`?"),
            ("name=a", "did you mean `suite.name` or `data.name`?"),
            ("zzz=1", "unknown field `zzz`"),
            ("unlearn.gentle.name=3", "`name` must be a string, found 3"),
        ] {
            let error = parse(SUITE, &["train.epochs=3", assignment, "data.validation=0.2"]).unwrap_err();
            let message = error.to_string();
            assert!(error.is_usage() && message.contains(words), "{message}");
            assert!(message.starts_with(&format!("--set {assignment}: ")) && !message.contains("line"), "{message}");
        }
    }

    #[test]
    fn what_is_wrong_in_the_file_is_told_with_its_line_whatever_is_assigned() {
        let message = parse(&SUITE.replace("arch", "arhc"), &["train.epochs=3"]).unwrap_err().to_string();
        assert!(
            message.starts_with("suite.toml: ") && message.contains("line 7") && message.contains("`arch`"),
            "{message}"
        );
        let without = SUITE.replace("seeds = [1]\n", "");
        assert_eq!(parse(&without, &["suite.seeds=[2]"]).unwrap().suite.seeds, [2]);
        let message = parse(&without, &["seeds=[2]"]).unwrap_err().to_string();
        assert!(message.contains("did you mean `suite.seeds`"), "{message}");
        let message = parse(&SUITE.replace("\"gentle\"", "3"), &[]).unwrap_err().to_string();
        assert!(message.contains("`name` must be a string, found 3"), "{message}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_bad_usage() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("suite.toml");
        let refused = |path: &Path, words: &str| {
            let error = Suite::load(path, &[]).unwrap_err();
            assert!(error.is_usage() && error.to_string().contains(words), "{error}");
        };
        refused(&file, "failed to read the suite ");
        refused(folder.path(), "a folder");
        std::fs::write(&file, b"[suite]\nname = \"\xff\"").unwrap();
        refused(&file, "line 2: the text is not UTF-8");
        std::fs::write(&file, format!("\u{feff}{SUITE}")).unwrap();
        assert_eq!(Suite::load(&file, &[]).unwrap().suite.name, "a");
        std::fs::write(&file, SUITE.replace('\n', "\r")).unwrap();
        assert_eq!(Suite::load(&file, &[]).unwrap().suite.name, "a");
    }

    #[test]
    fn an_attack_or_a_feature_is_named_once() {
        let message = |section: EvaluateSection| section.settings(&Registry::standard(), 1).unwrap_err();
        let twice = |name: &str| vec![name.to_owned(), name.to_owned()];
        let section = EvaluateSection { mia: twice(CONFIDENCE), ..EvaluateSection::default() };
        assert!(message(section).contains("`evaluate.mia` names `confidence` twice"));
        let section = EvaluateSection { attacks: twice(EFFICACY), ..EvaluateSection::default() };
        assert!(message(section).contains("`evaluate.attacks` names `mia-efficacy` twice"));
    }

    #[test]
    fn a_sequence_has_requests_and_nothing_else() {
        let of = |table: &str| parse(&format!("{SUITE}[[forget]]\n{table}"), &[]);
        let suite = of("kind = \"sequence\"\nrequests = [{ kind = \"class\", class = 0 }]").unwrap();
        assert!(suite.forget[0].sequence && suite.forget[0].requests.len() == 1);
        let suite = of("kind = \"indices\"\npath = \"a.txt\"").unwrap();
        assert_eq!(suite.forget[0].requests, [Wanted::Samples(ForgetSpec::Indices { path: "a.txt".into() })]);
        for (table, words) in [
            ("kind = \"sequence\"", "requests"),
            ("kind = \"sequence\"\nrequests = []", "one table or more"),
            ("kind = \"sequence\"\nclass = 0\nrequests = [{ kind = \"class\", class = 0 }]", "unknown field `class`"),
            ("kind = \"clas\"\nclass = 0", "did you mean `class`"),
            ("kind = \"class\"\nclass = 0\nname = 3", "`name` must be a string"),
        ] {
            let message = of(table).unwrap_err().to_string();
            assert!(message.contains(words) && message.contains("suite.toml"), "{message}");
        }
    }
}
