//! `[launcher.slurm]`: the keys, what they may hold, and what they mean for one kind of stage.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::stages::KINDS;

/// `[launcher.slurm]`. Every key is optional. A key of the suite takes the place of the same key in the user's file.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SlurmSection {
    /// Partition.
    pub partition: Option<String>,
    /// Account that is charged.
    pub account: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Number of GPUs of a task, or kind and number as in `a100:1`.
    pub gpus: Option<Text>,
    /// Number of processors of a task. Its number of threads.
    pub cpus: Option<u32>,
    /// Memory of a task: `16G`.
    pub memory: Option<Text>,
    /// Time limit of a task: `90`, `1:30:00`, `2-00:00:00`.
    pub time: Option<Text>,
    /// More options of `sbatch`, one a line: `--constraint=avx512`.
    pub lines: Option<Vec<String>>,
    /// Lines of the script before the stages: `module load cuda`.
    pub prologue: Option<Vec<String>>,
    /// The program on the nodes. If not given, the path of this program.
    pub program: Option<String>,
    /// Maximum number of stages that a task computes one after the other.
    pub pack: Option<usize>,
    /// Minutes that a task should take. A task gets so many stages of kinds and settings whose time the store knows.
    pub minutes_per_task: Option<f64>,
    /// Maximum number of tasks of an array.
    pub max_array: Option<usize>,
    /// How often a stage is submitted again after a task was pre-empted, timed out, or lost its node.
    pub resubmit: Option<u32>,
    /// Seconds before the time limit at which a task is told to save its state and stop.
    pub grace: Option<u32>,
    /// Seconds between two looks at the queue.
    pub poll: Option<f64>,
    /// The keys that differ for one kind of stage.
    pub kind: Option<BTreeMap<String, KindSection>>,
}

/// `[launcher.slurm.kind.<kind>]`: what differs for one kind of stage.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct KindSection {
    /// As in `[launcher.slurm]`.
    pub partition: Option<String>,
    /// As in `[launcher.slurm]`.
    pub qos: Option<String>,
    /// As in `[launcher.slurm]`.
    pub gpus: Option<Text>,
    /// As in `[launcher.slurm]`.
    pub cpus: Option<u32>,
    /// As in `[launcher.slurm]`.
    pub memory: Option<Text>,
    /// As in `[launcher.slurm]`.
    pub time: Option<Text>,
    /// As in `[launcher.slurm]`, after its lines.
    pub lines: Option<Vec<String>>,
    /// As in `[launcher.slurm]`.
    pub pack: Option<usize>,
}

/// Text that may be written as a number: `time = 90`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "Written")]
pub struct Text(pub String);

#[derive(Deserialize)]
#[serde(untagged, expecting = "text or a whole number")]
enum Written {
    Number(u64),
    Text(String),
}

impl From<Written> for Text {
    fn from(written: Written) -> Self {
        match written {
            Written::Number(number) => Self(number.to_string()),
            Written::Text(text) => Self(text),
        }
    }
}

/// What `sbatch` is told about the tasks of one array.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resources {
    /// Options of `sbatch`, without `#SBATCH`.
    pub(crate) options: Vec<String>,
}

/// The settings with every default filled in.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    section: SlurmSection,
    pub(crate) prologue: Vec<String>,
    pub(crate) program: Option<String>,
    pub(crate) minutes_per_task: Option<f64>,
    pub(crate) max_array: usize,
    pub(crate) resubmit: u32,
    pub(crate) grace: u32,
    pub(crate) poll: f64,
}

/// Options that the launcher sets itself, and why nobody else may.
const OWN: [&str; 27] = [
    "--array",
    "-a",
    "--dependency",
    "-d",
    "--output",
    "-o",
    "--error",
    "-e",
    "--job-name",
    "-J",
    "--chdir",
    "-D",
    "--wrap",
    "--parsable",
    "--signal",
    "--comment",
    "--open-mode",
    "--requeue",
    "--no-requeue",
    "--kill-on-invalid-dep",
    // Tasks of another cluster are not in this one's queue.
    "--clusters",
    "-M",
    // With these, `sbatch` does not answer with the job's number at once.
    "--wait",
    "-W",
    "--quiet",
    "-Q",
    "--test-only",
];

impl SlurmSection {
    /// This section, with the keys of `user` where it has none.
    #[must_use]
    pub fn over(self, user: Self) -> Self {
        let kind = match (self.kind, user.kind) {
            (Some(mut own), Some(user)) => {
                for (name, section) in user {
                    let merged = own.remove(&name).unwrap_or_default().over(section);
                    own.insert(name, merged);
                }
                Some(own)
            }
            (own, user) => own.or(user),
        };
        Self {
            partition: self.partition.or(user.partition),
            account: self.account.or(user.account),
            qos: self.qos.or(user.qos),
            gpus: self.gpus.or(user.gpus),
            cpus: self.cpus.or(user.cpus),
            memory: self.memory.or(user.memory),
            time: self.time.or(user.time),
            lines: self.lines.or(user.lines),
            prologue: self.prologue.or(user.prologue),
            program: self.program.or(user.program),
            pack: self.pack.or(user.pack),
            minutes_per_task: self.minutes_per_task.or(user.minutes_per_task),
            max_array: self.max_array.or(user.max_array),
            resubmit: self.resubmit.or(user.resubmit),
            grace: self.grace.or(user.grace),
            poll: self.poll.or(user.poll),
            kind,
        }
    }

    /// Whether a task asks for GPUs, of whatever kind of stage.
    pub(crate) fn asks_for_gpus(&self) -> bool {
        let asks = |gpus: &Option<Text>| gpus.as_ref().is_some_and(|gpus| gpus.0 != "0");
        asks(&self.gpus) || self.kind.iter().flatten().any(|(_, section)| asks(&section.gpus))
    }

    /// Refuses what `sbatch` would refuse, and what would change the launcher's own options.
    pub(crate) fn check(&self) -> Result<(), String> {
        let own = KindSection {
            partition: self.partition.clone(),
            qos: self.qos.clone(),
            gpus: self.gpus.clone(),
            cpus: self.cpus,
            memory: self.memory.clone(),
            time: self.time.clone(),
            lines: self.lines.clone(),
            pack: self.pack,
        };
        own.check("launcher.slurm")?;
        word("launcher.slurm.account", self.account.as_deref())?;
        for line in self.prologue.iter().flatten() {
            one_line("launcher.slurm.prologue", line)?;
        }
        if let Some(program) = &self.program {
            one_line("launcher.slurm.program", program)?;
        }
        let positive = |key: &str, value: Option<f64>| match value {
            Some(value) if !(value.is_finite() && value > 0.0) => {
                Err(format!("`launcher.slurm.{key}` must be a positive number, found {value}"))
            }
            _ => Ok(()),
        };
        positive("minutes-per-task", self.minutes_per_task)?;
        positive("poll", self.poll)?;
        if self.poll.is_some_and(|poll| poll > 3600.0) {
            return Err("`launcher.slurm.poll` must be at most 3600 seconds".into());
        }
        if self.max_array == Some(0) {
            return Err("`launcher.slurm.max-array` must be 1 or more".into());
        }
        if self.grace.is_some_and(|grace| grace > 65_535) {
            return Err("`launcher.slurm.grace` must be at most 65535 seconds".into());
        }
        for (kind, section) in self.kind.iter().flatten() {
            if !KINDS.iter().any(|known| known.name == kind) {
                let known: Vec<&str> = KINDS.iter().map(|known| known.name).collect();
                return Err(format!(
                    "`launcher.slurm.kind.{kind}`: {}",
                    unlearn_names::Unknown::new("kind of stage", kind, known)
                ));
            }
            section.check(&format!("launcher.slurm.kind.{kind}"))?;
        }
        Ok(())
    }
}

impl KindSection {
    fn over(self, user: Self) -> Self {
        Self {
            partition: self.partition.or(user.partition),
            qos: self.qos.or(user.qos),
            gpus: self.gpus.or(user.gpus),
            cpus: self.cpus.or(user.cpus),
            memory: self.memory.or(user.memory),
            time: self.time.or(user.time),
            lines: self.lines.or(user.lines),
            pack: self.pack.or(user.pack),
        }
    }

    fn check(&self, place: &str) -> Result<(), String> {
        word(&format!("{place}.partition"), self.partition.as_deref())?;
        word(&format!("{place}.qos"), self.qos.as_deref())?;
        word(&format!("{place}.gpus"), self.gpus.as_ref().map(|gpus| gpus.0.as_str()))?;
        if self.cpus == Some(0) {
            return Err(format!("`{place}.cpus` must be 1 or more"));
        }
        if self.pack == Some(0) {
            return Err(format!("`{place}.pack` must be 1 or more stages"));
        }
        if let Some(Text(memory)) = &self.memory {
            let digits = memory.trim_end_matches(['K', 'M', 'G', 'T']);
            if digits.parse::<u64>().is_err() || memory.len() > digits.len() + 1 {
                return Err(format!("`{place}.memory` is `{memory}`; write a whole number with K, M, G or T: `16G`"));
            }
        }
        if let Some(Text(time)) = &self.time
            && !is_time(time)
        {
            return Err(format!(
                "`{place}.time` is `{time}`; write minutes (`90`), `hours:minutes:seconds` (`1:30:00`) or `days-hours:minutes:seconds` \
                 (`2-00:00:00`)"
            ));
        }
        for line in self.lines.iter().flatten() {
            one_line(&format!("{place}.lines"), line)?;
            let option = option(line);
            if !option.starts_with('-') {
                return Err(format!(
                    "`{place}.lines`: `{line}` is no option of sbatch; write it as `--constraint=avx512`"
                ));
            }
            if let Some(name) = own_option(option) {
                return Err(format!("`{place}.lines`: the launcher sets `{name}` itself; leave `{line}` out"));
            }
        }
        Ok(())
    }
}

/// An option of `sbatch` without the words of a script.
fn option(line: &str) -> &str {
    line.trim().strip_prefix("#SBATCH").unwrap_or(line).trim()
}

/// The launcher's own option that an option is. `sbatch` also reads `-a0-3` and unambiguous beginnings as `--arr=0-3`.
fn own_option(option: &str) -> Option<&'static str> {
    let name = option.split(['=', ' ', '\t']).next().unwrap_or_default();
    let is_long = name.starts_with("--") && name.len() > 2;
    OWN.into_iter().find(|own| match own.strip_prefix("--") {
        Some(_) => is_long && own.starts_with(name),
        None => !name.starts_with("--") && name.starts_with(own),
    })
}

fn one_line(key: &str, text: &str) -> Result<(), String> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(format!("`{key}` holds a line end; write each line as a text of its own"));
    }
    Ok(())
}

/// Refuses a name that `sbatch` would read as several words.
fn word(key: &str, text: Option<&str>) -> Result<(), String> {
    match text {
        Some(text) if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"') => {
            Err(format!("`{key}` is {text:?}; write one word"))
        }
        _ => Ok(()),
    }
}

/// Whether text is a time limit of Slurm's: minutes, minutes:seconds, hours:minutes:seconds, or days-hours and so on.
fn is_time(text: &str) -> bool {
    let (days, rest) = text.split_once('-').map_or((None, text), |(days, rest)| (Some(days), rest));
    let is_number = |part: &str| !part.is_empty() && part.len() <= 6 && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = rest.split(':').collect();
    parts.len() <= 3
        && days.is_none_or(is_number)
        && parts.iter().all(|part| is_number(part))
        && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte))
}

impl Settings {
    /// The settings of a section that was checked.
    pub(crate) fn of(section: SlurmSection) -> Self {
        Self {
            prologue: section.prologue.clone().unwrap_or_default(),
            program: section.program.clone(),
            minutes_per_task: section.minutes_per_task,
            max_array: section.max_array.unwrap_or(1000),
            resubmit: section.resubmit.unwrap_or(10),
            grace: section.grace.unwrap_or(60),
            poll: section.poll.unwrap_or(15.0),
            section,
        }
    }

    pub(crate) fn asks_for_gpus(&self) -> bool {
        self.section.asks_for_gpus()
    }

    fn kind(&self, kind: &str) -> KindSection {
        self.section.kind.as_ref().and_then(|kinds| kinds.get(kind)).cloned().unwrap_or_default()
    }

    /// Maximum number of stages of this kind in a task, if the settings say so.
    pub(crate) fn pack(&self, kind: &str) -> Option<usize> {
        self.kind(kind).pack.or(self.section.pack)
    }

    /// What a task with stages of this kind asks for.
    pub(crate) fn resources(&self, kind: &str) -> Resources {
        let (own, all) = (self.kind(kind), &self.section);
        let mut options = Vec::new();
        let mut add = |name: &str, value: Option<String>| {
            options.extend(value.map(|value| format!("--{name}={value}")));
        };
        add("partition", own.partition.or_else(|| all.partition.clone()));
        add("account", all.account.clone());
        add("qos", own.qos.or_else(|| all.qos.clone()));
        add("gpus", own.gpus.or_else(|| all.gpus.clone()).map(|gpus| gpus.0).filter(|gpus| gpus != "0"));
        add("ntasks", Some("1".into()));
        add("cpus-per-task", own.cpus.or(all.cpus).map(|cpus| cpus.to_string()));
        add("mem", own.memory.or_else(|| all.memory.clone()).map(|memory| memory.0));
        add("time", own.time.or_else(|| all.time.clone()).map(|time| time.0));
        options.extend(all.lines.iter().chain(&own.lines).flatten().map(|line| option(line).to_owned()));
        Resources { options }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(text: &str) -> Result<SlurmSection, String> {
        let section: SlurmSection = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        section.check().map(|()| section)
    }

    #[test]
    fn a_kind_of_stage_may_differ_and_the_suite_comes_before_the_user() {
        let suite = section("partition = \"gpu\"\ngpus = 1\n[kind.evaluate]\ngpus = 0\ntime = 5\n").unwrap();
        let user = section(
            "partition = \"main\"\naccount = \"lab\"\nmemory = \"4G\"\nlines = [\"#SBATCH --nice=5\"]\n[kind.evaluate]\ntime = \"1:00:00\"\npack = 8\n",
        )
        .unwrap();
        let settings = Settings::of(suite.over(user));
        let options = |kind| settings.resources(kind).options.join(" ");
        assert_eq!(options("train"), "--partition=gpu --account=lab --gpus=1 --ntasks=1 --mem=4G --nice=5");
        assert_eq!(options("evaluate"), "--partition=gpu --account=lab --ntasks=1 --mem=4G --time=5 --nice=5");
        assert_eq!((settings.pack("evaluate"), settings.pack("train")), (Some(8), None));
        assert!(settings.section.asks_for_gpus());
    }

    #[test]
    fn what_sbatch_would_misread_is_refused_by_its_key() {
        for (text, words) in [
            ("time = \"soon\"", "`launcher.slurm.time` is `soon`"),
            ("time = 0", "`launcher.slurm.time`"),
            ("time = \"1:2:3:4\"", "`launcher.slurm.time`"),
            ("memory = \"16 GB\"", "`launcher.slurm.memory`"),
            ("partition = \"a b\"", "one word"),
            ("account = \"\"", "one word"),
            ("cpus = 0", "1 or more"),
            ("pack = 0", "1 or more"),
            ("max-array = 0", "1 or more"),
            ("poll = 0", "positive"),
            ("minutes-per-task = -1.0", "positive"),
            ("lines = [\"--array=0-3\"]", "sets `--array` itself"),
            ("lines = [\"#SBATCH -o out.txt\"]", "sets `-o` itself"),
            ("lines = [\"-a0-3\"]", "sets `-a` itself"),
            ("lines = [\"--depend=afterok:1\"]", "sets `--dependency` itself"),
            ("lines = [\"--requeue\"]", "sets `--requeue` itself"),
            ("lines = [\"--wait\"]", "sets `--wait` itself"),
            ("lines = [\"nice\"]", "no option of sbatch"),
            ("lines = [\"--nice\\n--array=1\"]", "line end"),
            ("prologue = [\"a\\nb\"]", "line end"),
            ("[kind.trian]\ntime = 1", "did you mean `train`"),
            ("[kind.train]\ntime = \"x\"", "`launcher.slurm.kind.train.time`"),
            ("[kind.train]\naccount = \"x\"", "unknown field `account`"),
            ("partitoin = \"a\"", "unknown field `partitoin`"),
            ("gpus = 1.5", "text or a whole number"),
        ] {
            let message = section(text).unwrap_err();
            assert!(message.contains(words), "{text}: {message}");
        }
        for fine in ["--constraint=avx512", "-A lab", "--wait-all-nodes=1", "--nice", "-p main"] {
            assert!(section(&format!("lines = [\"{fine}\"]")).is_ok(), "{fine}");
        }
        for time in ["90", "1:30", "1:30:00", "2-0", "2-00:00:00", "0:10"] {
            assert!(is_time(time), "{time}");
        }
    }
}
