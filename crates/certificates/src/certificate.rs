//! A deletion's certificate: `certificate.json`.
//!
//! # Format policy
//! The file carries the number of its format, up to [`FORMAT`]. A reader accepts its own and older versions and refuses newer ones. It
//! also refuses an unknown key, and a key that occurs twice, at every level, so that nothing in a certificate goes unchecked.
//! Format 3 is format 2 with a figure that is undefined; a certificate without one is written in format 2.
//! Figures are stored by name, and [`check`](crate::check()) refuses names that the registry lacks. Format 1 had a
//! field for each figure (`older`).
//!
//! # What is signed
//! The bytes of [`Certificate::signed_bytes`]: the certificate without its `signature`, as JSON without white space,
//! with keys in ascending order at every level and numbers in the shortest form that reads back as the same value (as
//! `serde_json` writes them).

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use unlearn_files::json;
use unlearn_run_store::{Artifact, Machine, StageKey, write_atomic};

use unlearn_metrics::{Values, figures::ua};

use crate::{Error, Measured, Result, Samples, Signature, SigningKey, older};

/// The newest version of the format. [`Measured::format`] says which one these measurements need.
pub const FORMAT: u32 = 3;

/// Maximum bytes of a certificate.
const MOST: u64 = 1 << 30;

/// The request, the method and the measurements of one deletion.
pub type Certificate = CertificateOf<Measured>;

/// A certificate whose figures are in the form of one format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateOf<M> {
    /// Version of this file's format.
    pub format: u32,
    /// Hash of everything that decides the deletion. Two deletions with equal keys are the same.
    pub key: StageKey,
    /// The images to be forgotten.
    pub request: Asked,
    /// The data that the model was trained on.
    pub data: Data,
    /// The method that made it forget.
    pub method: Done,
    /// The model's files before: `model` and, if its mask was in another file, `mask`.
    pub input: BTreeMap<String, Artifact>,
    /// The dictionaries of tensors that the operator chose in PyTorch files with several, by the file's role in `input`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dictionaries: BTreeMap<String, String>,
    /// The model's files after, by name, in the certificate's folder.
    pub output: BTreeMap<String, Artifact>,
    /// The measurements.
    pub measured: M,
    /// The program that did it.
    pub code: Code,
    /// The machine that did it.
    pub machine: Machine,
    /// Start of the deletion, RFC 3339 in UTC.
    pub started: String,
    /// End of the deletion.
    pub finished: String,
    /// The operator's signature, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
}

/// The images to be forgotten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// BLAKE3 of `ids`, written in decimal, ascending, each followed by a line feed.
    pub blake3: String,
    /// Positions in the official training set, ascending.
    pub ids: Vec<u32>,
    /// Positions that the model had been asked to forget before, ascending.
    #[serde(default)]
    pub before: Vec<u32>,
}

/// The data that the model was trained on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Name of the dataset.
    pub name: String,
    /// BLAKE3 of its images and labels.
    pub fingerprint: String,
    /// Its split, as in a suite.
    pub split: Value,
    /// Classes whose training images were all to be forgotten. The test set omits them.
    pub whole_classes: Vec<u32>,
    /// Numbers of samples in the sets on which the model is judged.
    pub samples: Samples,
    /// The source of the statement that the model was trained on these data.
    pub stated_by: Basis,
}

/// The source of the statement about a model's training data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The checkpoint itself.
    Checkpoint,
    /// The operator, by naming a suite. Nothing in the checkpoint confirms it.
    Operator,
}

/// The method that made the model forget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Name of the method.
    pub name: String,
    /// Every parameter, including defaults.
    pub parameters: Value,
    /// The recipe of the model's training, which methods use too.
    pub recipe: Value,
    /// The run's seed.
    pub seed: u64,
    /// The executor and its revision.
    pub executor: String,
}

/// The program that did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// Its version.
    pub version: String,
    /// The commit that the program was built from, if known. In older certificates: the commit that was checked out
    /// where it ran.
    pub commit: Option<String>,
    /// BLAKE3 of the running binary.
    pub binary: String,
}

impl Asked {
    /// A request for these positions (ascending), for a model that was asked to forget those in `before` earlier.
    pub fn new(ids: Vec<u32>, before: Vec<u32>) -> Self {
        Self { blake3: Self::hash(&ids), ids, before }
    }

    /// The hash of positions.
    pub(crate) fn hash(ids: &[u32]) -> String {
        let mut hasher = blake3::Hasher::new();
        for id in ids {
            hasher.update(format!("{id}\n").as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    /// Everything that the model must have forgotten, ascending.
    pub fn all(&self) -> Vec<u32> {
        let mut all = [self.ids.as_slice(), &self.before].concat();
        all.sort_unstable();
        all
    }
}

impl Code {
    /// The running program.
    ///
    /// # Errors
    /// If the binary cannot be read.
    pub fn running(version: &str, commit: Option<String>) -> Result<Self> {
        let path = std::env::current_exe().map_err(|source| Error::Io { path: "the running binary".into(), source })?;
        Ok(Self { version: version.into(), commit, binary: Artifact::of(&path)?.blake3 })
    }
}

impl<M> CertificateOf<M> {
    /// The same certificate with its figures in another form.
    fn with<N>(self, form: impl FnOnce(M) -> N) -> CertificateOf<N> {
        let Self { format, key, request, data, method, input, dictionaries, output, measured, .. } = self;
        let Self { code, machine, started, finished, signature, .. } = self;
        let measured = form(measured);
        CertificateOf {
            format,
            key,
            request,
            data,
            method,
            input,
            dictionaries,
            output,
            measured,
            code,
            machine,
            started,
            finished,
            signature,
        }
    }
}

impl Certificate {
    /// Name of the file.
    pub const FILE: &str = "certificate.json";

    /// Reads the certificate in `folder`.
    ///
    /// # Errors
    /// If the file is missing, damaged, or of a newer format.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(Self::FILE);
        let bytes = unlearn_files::read(&path, MOST).map_err(|source| Error::Io { path: path.clone(), source })?;
        Self::parse(&bytes, &path)
    }

    /// Reads a certificate from bytes. `path` is for messages.
    ///
    /// # Errors
    /// As [`Certificate::load`].
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = |e: serde_json::Error| Error::Damaged { path: path.into(), reason: e.to_string() };
        let value = json::value(bytes).map_err(damaged)?;
        match value.get("format").and_then(Value::as_u64) {
            Some(found) if found > u64::from(FORMAT) => {
                Err(Error::NewerFormat { path: path.into(), found, known: FORMAT })
            }
            Some(1) => {
                let older: CertificateOf<older::Measured> = read(bytes, &value, path)?;
                Ok(older.with(Measured::from))
            }
            _ => read(bytes, &value, path),
        }
    }

    /// Writes it into `folder`, atomically.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(Self::FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::Damaged { path: path.clone(), reason: e.to_string() })?;
        Ok(write_atomic(&path, format!("{text}\n").as_bytes())?)
    }

    /// The signed bytes. See the module's page.
    ///
    /// # Errors
    /// None in practice. Errors of the JSON writer are passed on.
    pub fn signed_bytes(&self) -> Result<Vec<u8>> {
        let damaged = |e: serde_json::Error| Error::Damaged { path: Self::FILE.into(), reason: e.to_string() };
        let unsigned = Self { signature: None, ..self.clone() };
        // `Value` sorts its keys.
        let value = match self.format {
            1 => serde_json::to_value(unsigned.with(|measured| older::Measured::of(&measured))),
            _ => serde_json::to_value(unsigned),
        };
        serde_json::to_vec(&value.map_err(damaged)?).map_err(damaged)
    }

    /// Signs it with a key.
    ///
    /// # Errors
    /// As [`Certificate::signed_bytes`].
    pub fn sign(&mut self, key: &SigningKey) -> Result<()> {
        self.signature = Some(key.sign(&self.signed_bytes()?));
        Ok(())
    }

    /// The claims of the certificate, and their limits, in words.
    pub fn statement(&self) -> String {
        let Self { request, data, method, measured, .. } = self;
        let before = match request.before.len() {
            0 => String::new(),
            images => format!(" (and {images} before)"),
        };
        let wrong = |figures: &Values| figures.get(ua::NAME).map_or(f64::NAN, |found| found.value);
        let stated = match data.stated_by {
            Basis::Checkpoint => "the checkpoint says so",
            Basis::Operator => "the operator says so, nothing in the checkpoint does",
        };
        format!(
            "It claims: a model trained on {name} ({stated}) was asked to forget {count} training images{before} by the method \
             `{method}`; {before_ua:.2} % of them were classified wrongly before and {after_ua:.2} % after, and the other figures \
             are those that were measured on the sets it names.\n\
             It does not claim: that no trace of the images is left. A figure is one attack's on one model; another attack may \
             find more. Copies, backups, other models and the images themselves are not its subject. Who wrote it, only a \
             signature by a key that you trust can say.",
            name = data.name,
            count = request.ids.len(),
            method = method.name,
            before_ua = wrong(&measured.before),
            after_ua = wrong(&measured.after),
        )
    }
}

/// Reads a certificate from its JSON `value`.
fn read<M: Serialize + DeserializeOwned>(bytes: &[u8], value: &Value, path: &Path) -> Result<CertificateOf<M>> {
    let damaged = |reason: String| Error::Damaged { path: path.into(), reason };
    let certificate = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let known = serde_json::to_value(&certificate).map_err(|error| damaged(error.to_string()))?;
    match unread(value, &known, "") {
        None => Ok(certificate),
        Some(key) => Err(damaged(format!("unknown key `{key}`: a certificate says nothing that goes unread"))),
    }
}

/// Keys that are omitted if they are empty. A `null` or an empty list means the same.
const OPTIONAL: [&str; 4] = ["signature", "retrain", "interval", "draws"];

/// The first key of `value` that was not read into `known`.
fn unread(value: &Value, known: &Value, path: &str) -> Option<String> {
    match (value, known) {
        (Value::Object(fields), Value::Object(known)) => fields.iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match known.get(key) {
                Some(known) => unread(value, known, &path),
                None if OPTIONAL.contains(&key.as_str())
                    && (value.is_null() || value.as_array().is_some_and(Vec::is_empty)) =>
                {
                    None
                }
                None => Some(path),
            }
        }),
        (Value::Array(values), Value::Array(known)) => values
            .iter()
            .zip(known)
            .enumerate()
            .find_map(|(at, (value, known))| unread(value, known, &format!("{path}[{at}]"))),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;
    use unlearn_metrics::Value;

    /// A certificate of a model with one file, whose content is `model`.
    pub(crate) fn example() -> Certificate {
        let figures = |ua| -> Values {
            let exact = [("ua", ua), ("ra", 99.5), ("ta", 90.25), ("validation_accuracy", 91.0)];
            let exact = exact.map(|(name, value)| (name.to_owned(), Value::exact(value)));
            let drawn = Value::over_draws(vec![100.0 / 3.0]).unwrap();
            exact.into_iter().chain([("mia_efficacy.confidence".to_owned(), drawn)]).collect()
        };
        let mut after = figures(95.0);
        after.insert("rte_seconds".to_owned(), Value::exact(1.5));
        let artifact = |bytes: &[u8]| Artifact::of_bytes(bytes);
        Certificate {
            format: 2,
            key: "0".repeat(32).parse().unwrap(),
            request: Asked::new(vec![3, 5, 8], vec![1]),
            data: Data {
                name: "fashion-mnist-mini".into(),
                fingerprint: "f".into(),
                split: json!({ "validation": 0.1, "name": "fashion-mnist-mini" }),
                whole_classes: vec![],
                samples: Samples { forget: 4, retain: 200, validation: 20, test: 2000 },
                stated_by: Basis::Checkpoint,
            },
            method: Done {
                name: "ft".into(),
                parameters: json!({ "lr": 0.01, "epochs": 1 }),
                recipe: json!({ "lr": 0.1 }),
                seed: 1,
                executor: "cpu 1".into(),
            },
            input: [("model".to_owned(), artifact(b"before"))].into(),
            dictionaries: BTreeMap::new(),
            output: [("model.safetensors".to_owned(), artifact(b"model"))].into(),
            measured: Measured {
                before: figures(1.0),
                after,
                retrain: None,
                attacks: Some(json!({ "draws": 1 })),
                thresholds: vec!["ua>=90".parse::<crate::Threshold>().unwrap().judge(95.0)],
            },
            code: Code { version: "0.1.0".into(), commit: None, binary: "b".into() },
            machine: Machine { cpu: "c".into(), cores: 2, os: "linux".into() },
            started: "2026-01-31T12:00:00Z".into(),
            finished: "2026-01-31T12:01:00Z".into(),
            signature: None,
        }
    }

    #[test]
    fn a_certificate_comes_back_from_its_file() {
        let folder = tempfile::tempdir().unwrap();
        example().save(folder.path()).unwrap();
        assert_eq!(Certificate::load(folder.path()).unwrap(), example());
    }

    #[test]
    fn what_is_signed_does_not_depend_on_how_the_file_is_written() {
        let bytes = example().signed_bytes().unwrap();
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with(r#"{"code":{"binary":"b","commit":null,"version":"0.1.0"},"data":"#), "{text}");
        assert!(text.contains(r#""parameters":{"epochs":1,"lr":0.01}"#), "{text}");
        assert!(text.contains(r#""value":33.333333333333336"#), "{text}");
        let pretty = serde_json::to_vec_pretty(&example()).unwrap();
        assert_eq!(Certificate::parse(&pretty, Path::new("c")).unwrap().signed_bytes().unwrap(), bytes);
    }

    #[test]
    fn unknown_doubled_and_newer_keys_are_refused() {
        let text = serde_json::to_string(&example()).unwrap();
        let refusal = |from: &str, to: &str| {
            assert!(text.contains(from), "{text}");
            let changed = text.replacen(from, to, 1);
            Certificate::parse(changed.as_bytes(), Path::new("certificate.json")).unwrap_err().to_string()
        };
        assert!(refusal(r#"{"format":2"#, r#"{"format":4"#).contains("this program reads up to 3"));
        assert!(refusal(r#""before":"#, r#""befores":{},"before":"#).contains("`befores`"));
        assert!(refusal(r#"{"value":1.0"#, r#"{"unit":"%","value":1.0"#).contains("`unit`"));
        assert!(refusal(r#""started":"#, r#""started":"","started":"#).contains("`started` stands twice"));
        for (object, path) in [
            (r#""machine":{"#, "machine"),
            (r#""input":{"model":{"#, "input.model"),
            (r#""output":{"model.safetensors":{"#, "output.model.safetensors"),
            (r#""code":{"#, "code"),
            (r#""request":{"#, "request"),
            (r#""data":{"#, "data"),
            (r#""samples":{"#, "data.samples"),
            (r#""method":{"#, "method"),
            (r#""measured":{"#, "measured"),
            (r#""thresholds":[{"#, "measured.thresholds[0]"),
        ] {
            let message = refusal(object, &format!("{object}\"note\":1,"));
            assert!(message.contains("unknown") && message.contains("note`"), "{path}: {message}");
            let message = refusal(object, &format!("{object}\"note\":1,\"note\":1,"));
            assert!(message.contains(&format!("`{path}.note` stands twice")), "{path}: {message}");
        }
        assert!(refusal(r#""machine":{"#, r#""machine":{"note":null,"#).contains("note`"));
        let explicit = text.replacen(r#""started":"#, r#""signature":null,"started":"#, 1);
        assert_eq!(Certificate::parse(explicit.as_bytes(), Path::new("c")).unwrap(), example());
        for object in [r#""parameters":{"#, r#""split":{"#, r#""recipe":{"#, r#""attacks":{"#] {
            let message = refusal(object, &format!("{object}\"note\":1,\"note\":2,"));
            assert!(message.contains("note` stands twice"), "{message}");
        }
        let message = Certificate::parse(b"{", Path::new("certificate.json")).unwrap_err().to_string();
        assert!(message.contains("certificate.json"), "{message}");
    }

    #[test]
    fn a_requests_hash_is_that_of_its_lines() {
        // `printf '3\n5\n8\n' | b3sum`
        let expected = blake3::hash(b"3\n5\n8\n").to_hex().to_string();
        assert_eq!(example().request.blake3, expected);
        assert_eq!(example().request.all(), [1, 3, 5, 8]);
    }

    /// A certificate of format 1 as its program wrote it, signed by the key of RFC 8410.
    const OLDER: &str = include_str!("format_1.json");

    #[test]
    fn a_certificate_of_format_1_is_read_and_its_signature_still_fits() {
        let parse = |text: &str| Certificate::parse(text.as_bytes(), Path::new("certificate.json"));
        let older = parse(OLDER).unwrap();
        assert_eq!(older.format, 1);
        let of = |values: &Values, name: &str| values[name].value;
        let Measured { before, after, .. } = &older.measured;
        assert_eq!((of(before, "ua"), of(after, "ua"), of(after, "rte_seconds")), (1.0, 95.0, 1.5));
        assert_eq!(after["mia_efficacy.confidence"].draws, [100.0 / 3.0]);
        assert!(!before.contains_key("rte_seconds"));
        let signature = older.signature.as_ref().unwrap();
        assert_eq!(signature.check(&older.signed_bytes().unwrap()), Ok(()));
        let changed = parse(&OLDER.replacen("99.5", "99.75", 1)).unwrap();
        assert!(signature.check(&changed.signed_bytes().unwrap()).is_err());
        assert!(parse(&OLDER.replacen("\"ua\"", "\"uaa\": 1.0, \"ua\"", 1)).unwrap_err().to_string().contains("`uaa`"));
    }
}
