//! Measuring a model, and measuring again what a certificate claims.

use std::path::Path;

use unlearn_certificates::{Certificate, Finding};
use unlearn_metrics::{Figure, Figures, Need, Unit, Values, figures::mia_efficacy};
use unlearn_mia_eval::{MemberSelection, Settings};
use unlearn_models::{ImportOptions, ModelFile, contents};
use unlearn_random::derived_seed;
use unlearn_run_store::Machine;

use super::{samples, statement::open};
use crate::{
    Environment, Error, Materials, Result,
    judgement::{Judging, judge},
    setting::{Division, Setting},
    stages::{MODEL, network},
    suite::EFFICACY,
};

/// How far a figure may be from the certificate's where another executor or processor computes: so many points, or one sample
/// of its set if that is more.
pub const CLOSENESS: f64 = 0.5;

/// Measures again the model that a deletion left in `folder`, and compares with its certificate. `data` is the dataset's name, or
/// a folder that it lies in. On the certificate's executor and processor every digit must agree; elsewhere a figure may be as far
/// off as [`CLOSENESS`] says. The figures before the deletion, the run time and whatever needs a Retrain cannot be measured again.
///
/// # Errors
/// Data that cannot be opened, a device that does not open.
pub fn measure_again(
    folder: &Path,
    certificate: &Certificate,
    data: &str,
    environment: &Environment,
) -> Result<Vec<Finding>> {
    let (dataset, materials) = open(data, &certificate.data.name, environment)?;
    if dataset.fingerprint != certificate.data.fingerprint {
        let other =
            format!("`{data}` has the fingerprint {}, not {}", dataset.fingerprint, certificate.data.fingerprint);
        return Ok(vec![Finding::fails("data", other)]);
    }
    let path = folder.join(MODEL);
    let model = contents(&path).map_err(|e| e.to_string());
    let model =
        model.and_then(|bytes| ModelFile::read(&bytes, &ImportOptions::default(), &path).map_err(|e| e.to_string()));
    let model = match model {
        Ok(model) => model,
        Err(reason) => return Ok(vec![Finding::fails("model", reason)]),
    };
    let executor = environment.device.arithmetic(&model.graph).map_err(Error::Device)?;
    let (setting, division) = match divide(&materials, &model, certificate) {
        Ok(divided) => divided,
        Err(reason) => return Ok(vec![Finding::fails("sets", reason)]),
    };
    let sets = format!("{} images to forget, {} to retain", setting.forgotten.len(), division.retain.len());
    let mut findings = vec![Finding::holds("sets", format!("{sets}, as the model itself says"))];
    let attacks = match attacks(certificate) {
        Ok(attacks) => attacks,
        Err(reason) => return Ok(vec![Finding::fails("attacks", reason)]),
    };
    let sets = setting.sets(&division);
    let judging = Judging { registry: &environment.registry, settings: &attacks, rte_seconds: None, retrain: None };
    let measured = network(&model, environment.device)
        .and_then(|mut network| judge(&mut network, &sets, &judging).map_err(|e| e.to_string()));
    match measured {
        Err(reason) => findings.push(Finding::fails("metrics", reason)),
        Ok(measured) => {
            let same = executor == certificate.method.executor && Machine::this().cpu == certificate.machine.cpu;
            findings.extend(compare(&measured.figures, certificate, same, &environment.registry.figures()));
        }
    }
    Ok(findings)
}

/// What the certificate says of sets, held against the model and the data; the error is a reason for people.
fn divide(materials: &Materials, model: &ModelFile, certificate: &Certificate) -> Result<(Setting, Division), String> {
    let Certificate { request, data, method, .. } = certificate;
    let all = request.all();
    let training = model.info.training.as_ref().ok_or("the model does not say what it was asked to forget")?;
    if training.forgotten != all {
        return Err("the model says that it was asked to forget other images than the certificate names".into());
    }
    let said = (&training.data, &training.fingerprint, &training.recipe, training.seed);
    if said != (&data.split, &data.fingerprint, &method.recipe, method.seed) {
        return Err("the model says that it was trained otherwise than the certificate says".into());
    }
    let setting = Setting::of(training, materials)?;
    if let Some(id) = all.iter().find(|id| setting.split.train.binary_search(id).is_err()) {
        return Err(format!("image {id} is not in the training split"));
    }
    let division = setting.division();
    let samples = samples(&setting, &division, &all);
    if (samples, &division.whole_classes) != (data.samples, &data.whole_classes) {
        return Err(format!(
            "they have {samples:?} without the classes {:?}, not {:?} without {:?}",
            division.whole_classes, data.samples, data.whole_classes
        ));
    }
    Ok((setting, division))
}

/// How the certificate says that the model was attacked; the error is a reason for people.
fn attacks(certificate: &Certificate) -> Result<Settings, String> {
    if let Some(attacks) = &certificate.measured.attacks {
        return serde_json::from_value(attacks.clone()).map_err(|e| e.to_string());
    }
    // Format 1: one draw, on the features that it has figures of.
    let feature = |name: &String| Some(name.strip_prefix("mia_efficacy.")?.to_owned());
    Ok(Settings {
        attacks: vec![EFFICACY.into()],
        mia: certificate.measured.after.keys().filter_map(feature).collect(),
        draws: 1,
        members: MemberSelection::Stratified,
        seed: derived_seed(certificate.method.seed, "attack"),
    })
}

fn compare(measured: &Values, certificate: &Certificate, same: bool, figures: &Figures) -> Vec<Finding> {
    let Certificate { measured: claimed, data, .. } = certificate;
    // Format 1 did not name the table's efficacy beside that of its feature.
    let wanted = |name: &&String| claimed.attacks.is_some() || *name != mia_efficacy::NAME;
    let mut findings: Vec<Finding> = (measured.keys().filter(wanted))
        .filter(|name| !claimed.after.contains_key(*name))
        .map(|name| {
            Finding::fails(format!("metric {name}"), "it can be measured, and the certificate does not name it")
        })
        .collect();
    for (name, claim) in &claimed.after {
        let what = format!("metric {name}");
        let Some(figure) = figures.get(name) else {
            findings.push(Finding::fails(what, "this program knows no such figure"));
            continue;
        };
        let Some(found) = measured.get(name) else {
            findings.push(if figure.needs.contains(&Need::RunTime) || figure.needs_retrain() {
                Finding::unchecked(what, "it cannot be measured again from the folder")
            } else {
                Finding::fails(what, "it cannot be measured")
            });
            continue;
        };
        let (found, claim) = (found.value, claim.value);
        let allowed = if same { 0.0 } else { leeway(figure, data.samples.behind(figure), claim) };
        findings.push(if found.to_bits() == claim.to_bits() {
            Finding::holds(what, format!("{found} again"))
        } else if (found - claim).abs() <= allowed {
            Finding::holds(
                what,
                format!("{found} here, {claim} there; another executor may be {allowed:.2} points off"),
            )
        } else {
            Finding::fails(what, format!("{found} here, not {claim}; it may be {allowed:.2} points off"))
        });
    }
    findings
}

/// How far another executor may be off: [`CLOSENESS`] or one sample where samples are counted, else that share of the figure.
fn leeway(figure: &Figure, samples: usize, claim: f64) -> f64 {
    match figure.unit {
        Unit::Percent | Unit::Points => CLOSENESS.max(100.0 / samples.max(1) as f64),
        Unit::Seconds | Unit::Nats | Unit::None => CLOSENESS / 100.0 * claim.abs().max(1.0),
    }
}
