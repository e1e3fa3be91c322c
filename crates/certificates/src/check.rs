//! Checks a certificate against the files beside it, and against itself.

use std::path::Path;

use unlearn_metrics::{Figures, Need, Value, Values};
use unlearn_run_store::Artifact;

use crate::{Certificate, Measured, PublicKey, certificate::Asked, consistent};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The checked item: `request`, `output model.safetensors`, …
    pub what: String,
    /// The outcome.
    pub outcome: Outcome,
}

/// The outcome of a check, with an explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It agrees with the certificate.
    Holds(String),
    /// It was not checked, for this reason.
    Unchecked(String),
    /// It differs from the certificate.
    Fails(String),
}

impl Finding {
    /// An item that agrees with the certificate.
    pub fn holds(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: Outcome::Holds(how.into()) }
    }

    /// An item that was not checked.
    pub fn unchecked(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: Outcome::Unchecked(why.into()) }
    }

    /// An item that differs from the certificate.
    pub fn fails(what: impl Into<String>, how: impl Into<String>) -> Self {
        Self { what: what.into(), outcome: Outcome::Fails(how.into()) }
    }

    /// Whether it contradicts the certificate.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::Fails(_))
    }
}

/// Checks the certificate in `folder`: the request's hash, the hashes of the model's files, the figures, the verdicts
/// on thresholds, the times, and the signature. Each figure must be in `figures`, be possible, and follow from others
/// if it is derived. With a `public_key`, the signature must be by that key.
pub fn check(
    folder: &Path,
    certificate: &Certificate,
    public_key: Option<&PublicKey>,
    figures: &Figures,
) -> Vec<Finding> {
    let mut findings = vec![request(&certificate.request)];
    findings.extend(certificate.input.iter().map(|(name, artifact)| {
        let taken = match certificate.dictionaries.get(name) {
            Some(key) => format!(", and its dictionary `{}` was taken", key.escape_debug()),
            None => String::new(),
        };
        Finding::unchecked(
            format!("input {name}"),
            format!("not beside the certificate; its hash was {}{taken}", artifact.blake3),
        )
    }));
    let files = &certificate.input;
    if let Some(role) = certificate.dictionaries.keys().find(|role| !files.contains_key(*role)) {
        let reason = format!("one was taken from `{}`, which is not among the inputs", role.escape_debug());
        findings.push(Finding::fails("dictionaries", reason));
    }
    if certificate.output.is_empty() {
        findings.push(Finding::fails("output", "the certificate names no file"));
    }
    findings.extend(certificate.output.iter().map(|(name, artifact)| output(folder, name, artifact)));
    findings.extend(possible(&certificate.measured, figures));
    findings.extend(consistent::check(certificate, figures));
    findings.extend(thresholds(certificate));
    findings.push(signature(certificate, public_key));
    findings
}

fn request(request: &Asked) -> Finding {
    let Asked { blake3, ids, before } = request;
    let ascending = |ids: &[u32]| ids.is_sorted_by(|one, next| one < next);
    if ids.is_empty() || !ascending(ids) || !ascending(before) || !ascending(&request.all()) {
        Finding::fails("request", "its ids must ascend, each once, and there must be one or more")
    } else if *blake3 == Asked::hash(ids) {
        Finding::holds("request", format!("{} ids have the hash {blake3}", ids.len()))
    } else {
        Finding::fails("request", format!("its ids have the hash {}, not {blake3}", Asked::hash(ids)))
    }
}

fn output(folder: &Path, name: &str, artifact: &Artifact) -> Finding {
    let what = format!("output {name}");
    // A certificate from elsewhere must not make this program read other files.
    if Path::new(name).components().count() != 1 || Path::new(name).file_name().is_none() {
        return Finding::fails(what, "not a file's name");
    }
    let path = folder.join(name);
    // The size is checked first, because another file in the model's place may have any size.
    let size = unlearn_files::open(&path).and_then(|file| file.metadata()).map(|metadata| metadata.len());
    match size {
        Err(error) => return Finding::fails(what, error.to_string()),
        Ok(bytes) if bytes != artifact.bytes => {
            return Finding::fails(what, format!("has {bytes} bytes, not {}", artifact.bytes));
        }
        Ok(_) => {}
    }
    match Artifact::of(&path) {
        Err(error) => Finding::fails(what, error.to_string()),
        Ok(found) if found == *artifact => Finding::holds(what, format!("has the hash {}", found.blake3)),
        Ok(found) => Finding::fails(what, format!("has the hash {}, not {}", found.blake3, artifact.blake3)),
    }
}

/// Checks whether the figures are known, and whether their values are possible.
fn possible(measured: &Measured, figures: &Figures) -> Vec<Finding> {
    let Measured { before, after, retrain, .. } = measured;
    let models = [("before", Some(before)), ("after", Some(after)), ("of Retrain", retrain.as_ref())];
    let all = models.into_iter().flat_map(|(model, values)| {
        values.into_iter().flat_map(Values::iter).map(move |(name, value)| (model, name, value))
    });
    let (mut failures, mut sound) = (Vec::new(), 0);
    for (model, name, value) in all {
        match impossible(name, value, figures) {
            Some(reason) => failures.push(Finding::fails(format!("figure {name} {model}"), reason)),
            None => sound += 1,
        }
    }
    if failures.is_empty() {
        failures.push(Finding::holds("figures", format!("{sound} are within their ranges, and means of their draws")));
    }
    failures
}

/// The reason why a figure's value is impossible.
fn impossible(name: &str, value: &Value, figures: &Figures) -> Option<String> {
    let figure = match figures.find(name) {
        Ok(figure) => figure,
        Err(unknown) => return Some(unknown.to_string()),
    };
    if value.undefined.is_some() {
        let of_attack = figure.needs.contains(&Need::Attack);
        return (!of_attack).then(|| "it is stated as undefined, which only an attack's figure can be".to_owned());
    }
    if !figure.admits(value.value) {
        let [low, high] = figure.range;
        return Some(format!("it is {}, but lies between {low} and {high}", value.value));
    }
    if value.draws.is_empty() {
        let [low, high] = value.interval?;
        // An attack's figure may have an interval of its own, such as that of an area under a curve.
        let holds = figure.admits(low) && figure.admits(high) && (low..=high).contains(&value.value);
        let may = figure.needs.contains(&Need::Attack) && holds;
        return (!may).then(|| format!("its interval is {low} to {high}, which is not one of {}", value.value));
    }
    let expected = Value::over_draws(value.draws.clone());
    match expected {
        Ok(expected) if expected == *value => None,
        _ => Some("it is not the mean of its draws with their interval".to_owned()),
    }
}

fn thresholds(certificate: &Certificate) -> Vec<Finding> {
    let verdicts = certificate.measured.thresholds.iter();
    let findings = verdicts.map(|verdict| {
        let what = format!("threshold {}", verdict.threshold);
        let Some(value) = certificate.measured.after.get(&verdict.threshold.figure()).map(|found| found.value) else {
            return Finding::fails(what, "the certificate has no such figure");
        };
        let word = |passed| if passed { "passed" } else { "failed" };
        if verdict.threshold.judge(value) == *verdict {
            Finding::holds(what, format!("{} at {}", word(verdict.passed), measured(value)))
        } else {
            let stated = format!("{} at {}", word(verdict.passed), measured(verdict.measured));
            Finding::fails(
                what,
                format!("{} at {}, but stated as {stated}", word(verdict.threshold.passes(value)), measured(value)),
            )
        }
    });
    let mut findings: Vec<_> = findings.collect();
    if findings.is_empty() {
        findings.push(Finding::unchecked("thresholds", "none were stated"));
    }
    findings
}

/// A measured value as text.
fn measured(value: f64) -> String {
    if value.is_nan() { "an undefined value".to_owned() } else { value.to_string() }
}

fn signature(certificate: &Certificate, public_key: Option<&PublicKey>) -> Finding {
    let what = "signature";
    let Some(signature) = &certificate.signature else {
        let unsigned = "there is none: anyone may have written this certificate";
        return match public_key {
            None => Finding::unchecked(what, unsigned),
            Some(_) => Finding::fails(what, unsigned),
        };
    };
    let fits = certificate.signed_bytes().map_err(|e| e.to_string()).and_then(|bytes| signature.check(&bytes));
    match (fits, public_key.map(PublicKey::to_hex)) {
        (Err(reason), _) => Finding::fails(what, reason),
        (Ok(()), Some(wanted)) if wanted != signature.public_key => {
            Finding::fails(what, format!("it is by the key {}, not by {wanted}", signature.public_key))
        }
        (Ok(()), Some(wanted)) => Finding::holds(what, format!("by the key {wanted}, as wanted")),
        (Ok(()), None) => Finding::holds(
            what,
            format!("by the key {}; whose that is was not checked (`--public-key`)", signature.public_key),
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use unlearn_metrics::{Figure, figures::mia_efficacy};

    use super::*;
    use crate::{SigningKey, certificate::tests::example, signature::tests::PRIVATE};

    type Edit<'a> = &'a dyn Fn(&mut Certificate);

    /// The standard figures, and the figure of an attack.
    pub(crate) fn figures() -> Figures {
        let name = "mia_efficacy.confidence".into();
        Figures::standard().with(Figure { name, ..mia_efficacy::FIGURE })
    }

    fn failures(folder: &Path, certificate: &Certificate, key: Option<&PublicKey>) -> Vec<String> {
        let findings = check(folder, certificate, key, &figures()).into_iter();
        findings.filter(Finding::is_failure).map(|finding| finding.what).collect()
    }

    /// Sets a figure of the model after the deletion.
    fn set(certificate: &mut Certificate, name: &str, value: f64) {
        certificate.measured.after.insert(name.to_owned(), Value::exact(value));
    }

    fn key(folder: &Path) -> SigningKey {
        let path = folder.join("key.pem");
        std::fs::write(&path, PRIVATE).unwrap();
        SigningKey::load(&path).unwrap()
    }

    #[test]
    fn an_attacks_figure_without_draws_may_have_an_interval_that_holds_it() {
        let area = Figure { name: "area".into(), range: [0.0, 1.0], ..mia_efficacy::FIGURE };
        let figures = Figures::standard().with(area);
        let found =
            |name: &str, value: f64, interval| impossible(name, &Value { interval, ..Value::exact(value) }, &figures);
        assert_eq!(found("area", 0.6, Some([0.5, 0.7])), None);
        assert_eq!(found("area", 0.6, None), None);
        for interval in [[0.7, 0.8], [0.5, 1.1], [0.8, 0.5], [f64::NAN, 0.8]] {
            assert!(found("area", 0.6, Some(interval)).unwrap().contains("which is not one of 0.6"), "{interval:?}");
        }
        assert!(found("ra", 60.0, Some([50.0, 70.0])).is_some(), "nothing gives RA an interval");
    }

    #[test]
    fn an_undefined_figure_of_an_attack_is_possible_and_meets_no_demand() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("model.safetensors"), "model").unwrap();
        let mut certificate = example();
        let name = "mia_efficacy.confidence";
        let undefined = Value::undefined("all retained and test samples have the same confidence");
        certificate.measured.after.insert(name.to_owned(), undefined.clone());
        let demand: crate::Threshold = "mia_efficacy.confidence >= 0".parse().unwrap();
        certificate.measured.thresholds = vec![demand.judge(undefined.value)];
        assert!(!certificate.measured.passed());
        certificate.format = certificate.measured.format();
        assert_eq!((certificate.format, example().measured.format()), (3, 2));
        assert_eq!(failures(folder.path(), &certificate, None), [""; 0]);
        certificate.save(folder.path()).unwrap();
        let read = Certificate::load(folder.path()).unwrap();
        assert_eq!(read, certificate);
        assert!(read.measured.lines(&figures()).iter().any(|line| line.shown(line.after.as_ref()) == "undefined"));
        let mut lying = certificate.clone();
        lying.measured.thresholds[0].passed = true;
        assert_eq!(failures(folder.path(), &lying, None), [format!("threshold {demand}")]);
        // An accuracy is always known.
        certificate.measured.after.insert("ra".to_owned(), undefined);
        assert!(failures(folder.path(), &certificate, None).contains(&"figure ra after".to_owned()));
    }

    #[test]
    fn whatever_is_changed_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let model = folder.join("model.safetensors");
        std::fs::write(&model, "model").unwrap();
        let key = key(folder);
        let public = key.public_key();
        let mut signed = example();
        signed.sign(&key).unwrap();
        assert_eq!(failures(folder, &example(), None), [""; 0]);
        assert_eq!(failures(folder, &example(), Some(&public)), ["signature"]);
        assert_eq!(failures(folder, &signed, Some(&public)), [""; 0]);

        let cases: [(Edit<'_>, &[&str]); 19] = [
            (&|c| c.request.ids[0] = 4, &["request"]),
            (&|c| c.request.ids.reverse(), &["request"]),
            (&|c| c.request.before = vec![3], &["request"]),
            (&|c| set(c, "ua", 96.0), &["threshold ua >= 90"]),
            (&|c| set(c, "ra", 101.0), &["figure ra after"]),
            (&|c| set(c, "uaa", 1.0), &["figure uaa after"]),
            (&|c| c.measured.after.get_mut("ra").unwrap().interval = Some([0.0, 100.0]), &["figure ra after"]),
            (&|c| set(c, "mia_efficacy.confidence", 1.0), &["draws of mia_efficacy.confidence after"]),
            (
                &|c| c.measured.after.get_mut("mia_efficacy.confidence").unwrap().draws.push(90.0),
                &[
                    "figure mia_efficacy.confidence after",
                    "draws of mia_efficacy.confidence before",
                    "draws of mia_efficacy.confidence after",
                ],
            ),
            (&|c| c.measured.attacks = None, &["attacks"]),
            (&|c| c.started = "2026-01-31T12:01:01Z".into(), &["times"]),
            (&|c| c.finished = "tomorrow".into(), &["times"]),
            (&|c| drop(c.input.insert("retrain model".into(), Artifact::of(&model).unwrap())), &["Retrain"]),
            (&|c| c.measured.retrain = Some(c.measured.before.clone()), &["Retrain"]),
            (&|c| c.measured.thresholds[0].passed = false, &["threshold ua >= 90"]),
            (&|c| c.measured.thresholds[0].threshold.metric = "mia.none".into(), &["threshold mia.none >= 90"]),
            (&|c| drop(c.output.insert("../key.pem".into(), Artifact::of(&model).unwrap())), &["output ../key.pem"]),
            (&|c| drop(c.output.insert("gone".into(), Artifact::of(&model).unwrap())), &["output gone"]),
            (&|c| c.output.clear(), &["output"]),
        ];
        for (edit, expected) in cases {
            let mut changed = signed.clone();
            edit(&mut changed);
            assert_eq!(failures(folder, &Certificate { signature: None, ..changed.clone() }, None), expected);
            let and_signature = [expected, &["signature"]].concat();
            assert_eq!(failures(folder, &changed, None), and_signature, "whoever changes a certificate cannot sign it");
        }
        let mut unseen = signed.clone();
        set(&mut unseen, "ra", 100.0);
        assert_eq!(failures(folder, &unseen, None), ["signature"]);

        std::fs::write(&model, "modem").unwrap();
        assert_eq!(failures(folder, &signed, None), ["output model.safetensors"]);
    }
}
