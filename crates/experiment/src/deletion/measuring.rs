//! Measuring a model, and measuring again what a certificate claims.

use std::path::Path;

use unlearn_certificates::{Certificate, Finding, Metrics};
use unlearn_mia_eval::features;
use unlearn_models::{ImportOptions, ModelFile};
use unlearn_network::Network;
use unlearn_random::derived_seed;
use unlearn_run_store::Machine;

use super::{samples, statement::open};
use crate::{
    Environment, Materials, Result,
    judgement::judge,
    resolved::arithmetic,
    setting::{Division, Setting},
    stages::{MODEL, network},
};

/// How far a figure may be from the certificate's where another executor or processor computes: so many points, or one sample
/// of its set if that is more.
pub const CLOSENESS: f64 = 0.5;

/// Judges a model on a division of its training split by `forget`. The error is a reason for people.
pub(super) fn measure(
    network: &mut Network,
    (setting, division): (&Setting, &Division),
    features: &[&'static features::Feature],
) -> Result<Metrics, String> {
    let sets = setting.sets(division);
    let seed = derived_seed(setting.seed, "attack");
    let judged = judge(network, &sets, features, seed).map_err(|e| e.to_string())?;
    Ok(Metrics {
        ua: judged.scores.ua,
        ra: judged.scores.ra,
        ta: judged.scores.ta,
        validation_accuracy: judged.validation_accuracy,
        mia_efficacy: judged.mia,
    })
}

/// Measures again the model that a deletion left in `folder`, and compares with its certificate. `data` is the dataset's name, or
/// a folder that it lies in. On the certificate's executor and processor every digit must agree; elsewhere a figure may be as far
/// off as [`CLOSENESS`] says. The figures before the deletion and the run time cannot be measured again.
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
    let model = std::fs::read(&path).map_err(|e| e.to_string());
    let model =
        model.and_then(|bytes| ModelFile::read(&bytes, &ImportOptions::default(), &path).map_err(|e| e.to_string()));
    let model = match model {
        Ok(model) => model,
        Err(reason) => return Ok(vec![Finding::fails("model", reason)]),
    };
    let executor = arithmetic(environment.device, &model.graph)?;
    let (setting, division) = match divide(&materials, &model, certificate) {
        Ok(divided) => divided,
        Err(reason) => return Ok(vec![Finding::fails("sets", reason)]),
    };
    let sets = format!("{} images to forget, {} to retain", setting.forgotten.len(), division.retain.len());
    let mut findings = vec![Finding::holds("sets", format!("{sets}, as the model itself says"))];
    let features = certificate.measured.after.mia_efficacy.keys().map(|name| features::find(name));
    let features = match features.collect::<std::result::Result<Vec<_>, _>>() {
        Ok(features) => features,
        Err(unknown) => return Ok(vec![Finding::fails("metrics", unknown.to_string())]),
    };
    let measured = network(&model, environment.device)
        .and_then(|mut network| measure(&mut network, (&setting, &division), &features));
    match measured {
        Err(reason) => findings.push(Finding::fails("metrics", reason)),
        Ok(measured) => {
            let same = executor == certificate.method.executor && Machine::this().cpu == certificate.machine.cpu;
            findings.extend(compare(&measured, certificate, same));
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

fn compare(measured: &Metrics, certificate: &Certificate, same: bool) -> Vec<Finding> {
    let Certificate { measured: claimed, data, .. } = certificate;
    let (measured, claimed) = (measured.named(), claimed.after.named());
    if measured.iter().map(|(name, _)| name).ne(claimed.iter().map(|(name, _)| name)) {
        return vec![Finding::fails("metrics", "the certificate does not name those that can be measured")];
    }
    let finding = |((name, found), (_, claimed)): (&(String, f64), &(String, f64))| {
        let allowed = if same { 0.0 } else { CLOSENESS.max(100.0 / data.samples.behind(name).max(1) as f64) };
        let what = format!("metric {name}");
        if found.to_bits() == claimed.to_bits() {
            Finding::holds(what, format!("{found} again"))
        } else if (found - claimed).abs() <= allowed {
            Finding::holds(
                what,
                format!("{found} here, {claimed} there; another executor may be {allowed:.2} points off"),
            )
        } else {
            Finding::fails(what, format!("{found} here, not {claimed}; it may be {allowed:.2} points off"))
        }
    };
    measured.iter().zip(&claimed).map(finding).collect()
}
